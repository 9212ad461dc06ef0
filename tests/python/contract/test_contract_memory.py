"""Nothing that is made and deleted stays behind."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import openmm
import pytest
from contract_cases import make, platform, vacuum

MEGABYTE = 1e6


def resident() -> float:
    """Memory that this process holds now, in MB."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def grow_by_contexts(name: str, number: int) -> float:
    """Growth in MB over a number of Contexts made, used and deleted; the first fifth fills caches and pools."""
    molecule, start = vacuum(), 0.0
    for i in range(number):
        context = openmm.Context(molecule.system, make(molecule), *platform(name))
        context.setPositions(molecule.positions)
        context.getIntegrator().step(1)
        del context
        if i == number // 5:
            start = resident()
    return resident() - start


def grow_by_jumps(number: int) -> float:
    """Growth in MB over a number of jumps of a molecule of two atoms on the Reference platform."""
    from openmmjump import JumpIntegrator, MolecularGraph, SamplerSettings
    from walk_model import make_walk_model

    system, graph = openmm.System(), MolecularGraph()
    bond = openmm.HarmonicBondForce()
    for i in range(2):
        system.addParticle(12)
        graph.addAtom(i, 6)
    graph.addBond(0, 1)
    bond.addBond(0, 1, 0.15, 1e5)
    system.addForce(bond)
    integrator = JumpIntegrator(make_walk_model(), graph, 300, 1, 0.001)
    integrator.setRandomNumberSeed(1)
    integrator.setRelaxationSteps(1)
    integrator.setSamplerSettings(SamplerSettings(timeGrid=[0, 1]))
    context = openmm.Context(system, integrator, *platform("Reference"))
    context.setPositions([[0, 0, 0], [0.15, 0, 0]])
    integrator.step(number // 5)
    start = resident()
    for _ in range(4):
        integrator.step(number // 5)
        context.getState(positions=True, energy=True, integratorParameters=True)
        integrator.getStatistics(), integrator.getLastJump()
    assert integrator.getStatistics().steps == 5 * (number // 5) == integrator.getJumpNumber()
    return resident() - start


def in_a_process(expression: str) -> float:
    """What an expression of this module gives in a process of its own, whose memory nobody else uses."""
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", f"import test_contract_memory as m; print(m.{expression})"],
        env=os.environ | {"PYTHONPATH": f"{here}:{here.parent}", "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[-1])


@pytest.mark.parametrize("name", ["Reference", "CPU"])
def test_two_hundred_contexts(name):
    """160 Contexts more leave no more than a few kB each; one that stayed would hold a megabyte of network alone."""
    assert in_a_process(f"grow_by_contexts({name!r}, 200)") < 8  # MB


@pytest.mark.slow
def test_a_hundred_thousand_jumps():
    """80,000 jumps more leave less than 50 bytes each."""
    assert in_a_process("grow_by_jumps(100_000)") < 4  # MB
