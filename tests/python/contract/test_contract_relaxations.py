"""Every Integrator of OpenMM as the relaxation: it works, or it is refused in one sentence."""

from __future__ import annotations

import copy
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import openmm
import pytest
from contract_cases import (
    BOLTZ,
    LAG_TIME,
    TEMPERATURE,
    OpenMMException,
    build_vacuum,
    degrees_of_freedom,
    kinetic_energy,
    largest_constraint_error,
    make,
    open_gate,
    platform,
    positions,
    simulate,
    time_of,
    vacuum,
)  # fmt: skip
from openmm import unit
from openmm.amd import AMDForceGroupIntegrator, AMDIntegrator, DualAMDIntegrator
from openmm.mtsintegrator import MTSIntegrator, MTSLangevinIntegrator

FS = 0.001  # ps
GROUPS = [(0, 1), (1, 2)]  # of the MTS integrators: nonbonded forces once, bonded ones twice in a step


def custom():
    """Velocity Verlet, written by a user."""
    integrator = openmm.CustomIntegrator(FS)
    integrator.addPerDofVariable("x1", 0)
    integrator.addUpdateContextState()
    integrator.addComputePerDof("v", "v + 0.5 * dt * f / m")
    integrator.addComputePerDof("x", "x + dt * v")
    integrator.addComputePerDof("x1", "x")
    integrator.addConstrainPositions()
    integrator.addComputePerDof("v", "v + 0.5 * dt * f / m + (x - x1) / dt")
    integrator.addConstrainVelocities()
    return integrator


def quantum_bath():
    """With short segments of noise: those of 1 ps take half a minute to make."""
    integrator = openmm.QTBIntegrator(TEMPERATURE, 1, FS)
    integrator.setSegmentLength(0.02)
    return integrator


def compound():
    integrator = openmm.CompoundIntegrator()
    integrator.addIntegrator(openmm.VerletIntegrator(FS))
    integrator.addIntegrator(openmm.LangevinMiddleIntegrator(TEMPERATURE, 1, FS))
    return integrator


WORKING = {
    "LangevinMiddle": lambda: openmm.LangevinMiddleIntegrator(TEMPERATURE, 1, FS),
    "Langevin": lambda: openmm.LangevinIntegrator(TEMPERATURE, 1, FS),
    "Verlet": lambda: openmm.VerletIntegrator(FS),
    "Brownian": lambda: openmm.BrownianIntegrator(TEMPERATURE, 100, FS),
    "NoseHoover": lambda: openmm.NoseHooverIntegrator(TEMPERATURE, 10, FS),
    "DPD": lambda: openmm.DPDIntegrator(TEMPERATURE, 1, 1, FS),
    "QTB": lambda: quantum_bath(),
    "MTS": lambda: MTSIntegrator(FS, GROUPS),
    "MTSLangevin": lambda: MTSLangevinIntegrator(TEMPERATURE, 1, FS, GROUPS),
    "AMD": lambda: AMDIntegrator(FS, 10, -50),
    "AMDForceGroup": lambda: AMDForceGroupIntegrator(FS, 1, 10, -50),
    "DualAMD": lambda: DualAMDIntegrator(FS, 1, 10, -50, 10, -50),
    "Custom": custom,
    "Compound": compound,
}
#: Sets of classes whose velocities at the end of a step are those of classical dynamics at full steps.
VELOCITIES = ("LangevinMiddle", "Langevin", "NoseHoover", "DPD", "MTS", "MTSLangevin", "Custom")


def grouped():
    molecule = vacuum()
    for force in molecule.system.getForces():
        force.setForceGroup(0 if isinstance(force, openmm.NonbondedForce) else 1)
    return molecule


@pytest.mark.parametrize("kind", WORKING)
def test_relaxation_integrators(name, kind):
    """Jumps are accepted, time and steps are right, constraints hold, temperatures are sane, a copy does the same."""
    molecule = grouped()
    integrator = make(molecule, relaxation=WORKING[kind](), steps=3)
    run = simulate(molecule, integrator, name)
    assert isinstance(WORKING[kind](), type(integrator.getRelaxationIntegrator()))
    step_size = LAG_TIME + 3 * FS
    x = positions(run)
    for step in range(1, 9):
        run.step(1)
        assert integrator.getStepSize()._value == step_size and time_of(run) == pytest.approx(step * step_size)
        last = integrator.getLastJump()
        assert last.accepted and abs(last.energyRepaired - last.energyBefore) < 60
        moved = positions(run) - x
        assert 1e-4 < np.abs(moved).max() < 0.05 and largest_constraint_error(run.system, x + moved) < 2e-5
        x = x + moved
    assert run.context.getStepCount() == 8
    if kind in VELOCITIES:
        freedom = degrees_of_freedom(run.system)
        assert kinetic_energy(run) == pytest.approx(0.5 * freedom * BOLTZ * TEMPERATURE, rel=5 * math.sqrt(2 / freedom))


@pytest.mark.parametrize("kind", [k for k in WORKING if k not in ("AMD", "AMDForceGroup", "DualAMD", "MTS", "Custom")])
def test_checkpoints_of_relaxations(name, kind):
    """A checkpoint continues exactly with every relaxation that has no variables of its own."""
    molecule = grouped()
    run = simulate(molecule, make(molecule, relaxation=WORKING[kind](), steps=3), name)
    run.step(2)
    checkpoint, results = run.context.createCheckpoint(), []
    for _ in range(2):
        run.step(3)
        results.append((positions(run), time_of(run)))
        run.context.loadCheckpoint(checkpoint)
    assert np.array_equal(results[0][0], results[1][0]) and results[0][1] == results[1][1]


@pytest.mark.parametrize("kind", WORKING)
def test_copies_of_relaxations(kind):
    """Through XML: the relaxation keeps its settings."""
    integrator = make(relaxation=WORKING[kind]())
    again = copy.deepcopy(integrator)
    assert openmm.XmlSerializer.serialize(again) == openmm.XmlSerializer.serialize(integrator)


@pytest.mark.parametrize("steps", [0, 1])
def test_leapfrog_does_not_shift_the_velocities(name, steps):
    """Verlet keeps velocities half a step behind: the kinetic energy after a jump is still that of the temperature."""
    molecule = vacuum()
    integrator = open_gate(make(molecule, relaxation=openmm.VerletIntegrator(FS), steps=steps))
    run = simulate(molecule, integrator, name)
    kinetic = []
    for _ in range(200):
        run.context.setPositions(molecule.positions)
        run.step(1)
        kinetic.append(kinetic_energy(run))
    freedom = degrees_of_freedom(run.system) + (3 if steps == 0 else 0)  # the CMMotionRemover acts with the dynamics
    expected = 0.5 * freedom * BOLTZ * TEMPERATURE
    # At half a step the velocities may differ from the drawn ones by f dt / 2m, which adds a little.
    assert np.mean(kinetic) == pytest.approx(expected, rel=5 * math.sqrt(2 / (freedom * 200)) + 0.01)


# ------------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    "relaxation",
    [
        lambda: openmm.VariableLangevinIntegrator(TEMPERATURE, 1, 1e-3),
        lambda: openmm.VariableVerletIntegrator(1e-3),
    ],
    ids=["VariableLangevin", "VariableVerlet"],
)
def test_variable_steps_are_refused(relaxation):
    """A jump takes getStepSize(), which must not change with the forces."""
    molecule = vacuum()
    with pytest.raises(OpenMMException, match=r"step size|variable") as caught:
        openmm.Context(molecule.system, make(molecule, relaxation=relaxation()), *platform("Reference"))
    assert "\n" not in str(caught.value)


def test_rpmd_is_refused():
    """Ring polymers have positions of their own, which a jump does not move."""
    molecule = build_vacuum(constraints=None)
    relaxation = openmm.RPMDIntegrator(4, TEMPERATURE, 1, FS / 2)
    with pytest.raises(OpenMMException, match=r"RPMD|copies|beads") as caught:
        openmm.Context(molecule.system, make(molecule, relaxation=relaxation), *platform("Reference"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "relaxation",
    [
        lambda: openmm.DrudeLangevinIntegrator(TEMPERATURE, 1, 1, 20, FS),
        lambda: openmm.DrudeNoseHooverIntegrator(TEMPERATURE, 1, 1, 20, FS),
        lambda: openmm.DrudeSCFIntegrator(FS),
    ],
    ids=["DrudeLangevin", "DrudeNoseHoover", "DrudeSCF"],
)
def test_drude_integrators_need_drude_particles(relaxation):
    """OpenMM's sentence, as without jumps."""
    molecule = vacuum()
    with pytest.raises(OpenMMException, match="does not contain a DrudeForce"):
        openmm.Context(molecule.system, make(molecule, relaxation=relaxation()), *platform("Reference"))


def test_a_relaxation_in_use_is_refused():
    """An integrator that drives a Context already cannot relax another; the Context goes on."""
    script = """
import openmm
from contract_cases import make, platform, vacuum

used, molecule = openmm.VerletIntegrator(0.001), vacuum()
context = openmm.Context(molecule.system, used, *platform("Reference"))
try:
    openmm.Context(molecule.system, make(molecule, relaxation=used), *platform("Reference"))
except (ValueError, openmm.OpenMMException) as error:
    assert "in use" in str(error) or "owned" in str(error)
context.setPositions(molecule.positions)
used.step(1)
assert context.getStepCount() == 1
"""
    helpers = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": helpers}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


# --------------------------------------------------------------------------------------------------------- temperature


@pytest.mark.parametrize("kind", ["LangevinMiddle", "Langevin", "Brownian", "NoseHoover", "DPD", "QTB"])
def test_the_temperature_reaches_the_relaxation(kind):
    """What a sampler sets by setTemperature() is the temperature of the dynamics, too."""
    integrator = make(relaxation=WORKING[kind]())
    integrator.setTemperature(400 * unit.kelvin)
    assert integrator.getRelaxationIntegrator().getTemperature() == 400 * unit.kelvin


def test_two_temperatures_are_refused():
    """A relaxation at another temperature than the velocities of the jump would heat or cool the System."""
    molecule = vacuum()
    with pytest.raises((ValueError, OpenMMException), match="temperature") as caught:
        simulate(molecule, make(molecule, relaxation=openmm.LangevinMiddleIntegrator(400, 1, FS)))
    assert "\n" not in str(caught.value)
