"""Does a solution stay what it is under jumps? Alanine dipeptide in TIP3P water, plain MD against a JumpIntegrator.

`python benchmarks/solvent.py` equilibrates a box with PME and a MonteCarloBarostat at 300 K and 1 bar, and goes on from
there twice: with LangevinMiddleIntegrator, and with jumps of the shipped model, each followed by as many steps of MD as
lie between two samples of the other. It prints density, kinetic temperature and potential energy of both with errors of
block averages, and the differences in units of their errors.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin starve their neighbours

import numpy as np
import openmm
import openmmjump
from openmm import app, unit
from openmmjump import data
from openmmjump.evaluation.estimates import Estimate, block_mean
from openmmjump.platforms import ONE_THREAD
from turns import describe_machine

MODEL = "alanine-dipeptide"
TEMPERATURE, PRESSURE, FRICTION = 300.0, 1.0, 1.0  # K, bar, 1/ps
BOLTZ = 8.31446261815324e-3  # kJ/mol/K
GRAM_PER_ML = 1.66053906660e-3  # one Da/nm^3
FIGURES = {"density": "g/ml", "temperature": "K", "potential_energy": "kJ/mol per molecule of water"}


@dataclass(frozen=True)
class Solution:
    """The dipeptide in its box."""

    topology: Any
    system: Any
    positions: Any

    @property
    def waters(self) -> int:
        """Number of molecules of water."""
        return sum(residue.name == "HOH" for residue in self.topology.residues())

    @property
    def mass(self) -> float:
        """Of everything, Da."""
        return sum(self.system.getParticleMass(i)._value for i in range(self.system.getNumParticles()))

    @property
    def degrees_of_freedom(self) -> int:
        """Independent velocities: of the massive particles, less constraints and the motion of the whole."""
        massive = sum(self.system.getParticleMass(i)._value > 0 for i in range(self.system.getNumParticles()))
        return 3 * massive - self.system.getNumConstraints() - 3


def build(padding: float, hydrogen_mass: float) -> Solution:
    """Box of TIP3P with PME, rigid water and a barostat.

    Args:
        padding: from the molecule to the edge of the box, nm
        hydrogen_mass: Da, of the hydrogens of the molecule
    """
    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
    field = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
    modeller = app.Modeller(pdb.topology, pdb.positions)
    modeller.addSolvent(field, "tip3p", padding=padding * unit.nanometer)
    edge = min(modeller.topology.getUnitCellDimensions().value_in_unit(unit.nanometer))
    system = field.createSystem(
        modeller.topology,
        nonbondedMethod=app.PME,
        nonbondedCutoff=min(0.9, 0.42 * edge),  # the box may shrink
        constraints=app.HBonds,
        hydrogenMass=hydrogen_mass * unit.amu,
    )
    system.addForce(openmm.MonteCarloBarostat(PRESSURE, TEMPERATURE))
    return Solution(modeller.topology, system, modeller.positions)


def langevin(step: float, seed: int) -> openmm.Integrator:
    """Plain MD; step in ps."""
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, FRICTION, step)
    integrator.setRandomNumberSeed(seed)
    return integrator


def jumps(solution: Solution, step: float, steps: int, seed: int) -> openmm.Integrator:
    """Jumps of the shipped model, each followed by MD; step in ps."""
    model = openmmjump.JumpModel.load(MODEL)
    graph = openmmjump.MolecularGraph.fromTopology(solution.topology, model, system=solution.system)
    integrator = openmmjump.JumpIntegrator(model, graph, TEMPERATURE, FRICTION, step)
    integrator.setRelaxationSteps(steps)
    integrator.setRandomNumberSeed(seed)
    return integrator


def open_context(solution: Solution, integrator: openmm.Integrator, platform: str) -> openmm.Context:
    """A Context at the start of the solution."""
    properties = ONE_THREAD if platform == "CPU" else {}
    context = openmm.Context(solution.system, integrator, openmm.Platform.getPlatform(platform), properties)
    context.setPositions(solution.positions)
    return context


def equilibrate(solution: Solution, platform: str, step: float, picoseconds: float, seed: int) -> openmm.State:
    """Minimise, and let box and temperature come to rest."""
    context = open_context(solution, langevin(step, seed), platform)
    openmm.LocalEnergyMinimizer.minimize(context, 50, 100)
    context.setVelocitiesToTemperature(TEMPERATURE, seed)
    context.getIntegrator().step(round(picoseconds / step))
    return context.getState(positions=True, velocities=True)


def sample(solution: Solution, context: openmm.Context, samples: int, steps: int) -> Iterator[tuple[float, ...]]:
    """Density (g/ml), kinetic temperature (K) and potential energy (kJ/mol per molecule of water) after each turn."""
    for _ in range(samples):
        context.getIntegrator().step(steps)
        state = context.getState(energy=True)
        volume = state.getPeriodicBoxVolume().value_in_unit(unit.nanometer**3)
        kinetic = state.getKineticEnergy().value_in_unit(unit.kilojoule_per_mole)
        potential = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
        temperature = 2 * kinetic / (solution.degrees_of_freedom * BOLTZ)
        yield solution.mass / volume * GRAM_PER_ML, temperature, potential / solution.waters


def compare(series: dict[str, np.ndarray], blocks: int) -> dict[str, dict[str, Any]]:
    """Figures of both runs and their difference, by name.

    Args:
        series: of `md` and `jump`, each [samples, figures]
        blocks: of the averages whose scatter gives the errors
    """
    found: dict[str, dict[str, Any]] = {}
    for column, (name, quantity) in enumerate(FIGURES.items()):
        md, jump = (block_mean(series[run][:, column], blocks) for run in ("md", "jump"))
        difference: Estimate = jump - md
        found[name] = {
            "unit": quantity,
            "md": md.as_dict(),
            "jump": jump.as_dict(),
            "difference": difference.as_dict(),
            "sigmas": difference.value / difference.error if difference.error > 0 else math.nan,
        }
    return found


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both runs."""
    step = 0.001 * arguments.step
    solution = build(arguments.padding, 3.0 if arguments.step > 2 else 1.5)
    start = equilibrate(solution, arguments.platform, step, arguments.equilibration, arguments.seed)
    integrators = {
        "md": (langevin(step, arguments.seed + 1), arguments.relaxation),
        "jump": (jumps(solution, step, arguments.relaxation, arguments.seed + 1), 1),
    }
    series = {}
    for name, (integrator, steps) in integrators.items():
        context = open_context(solution, integrator, arguments.platform)
        context.setPeriodicBoxVectors(*start.getPeriodicBoxVectors())
        context.setPositions(start.getPositions())
        context.setVelocities(start.getVelocities())
        series[name] = np.array(list(sample(solution, context, arguments.jumps, steps)))
        del context
    return {
        "machine": describe_machine(),
        "settings": {key: str(value) for key, value in vars(arguments).items()},
        "waters": solution.waters,
        "statistics": integrators["jump"][0].getStatistics().asDict(),
        "figures": compare(series, arguments.blocks),
    }


def table(found: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [f"{'':18}{'MD':>22}{'jumps':>22}{'difference':>22}  sigmas"]
    for name, figure in found["figures"].items():
        numbers = [f"{figure[run]['value']:.4f} ± {figure[run]['error']:.4f}" for run in ("md", "jump", "difference")]
        lines.append(f"{name:18}" + "".join(f"{n:>22}" for n in numbers) + f"{figure['sigmas']:8.1f}  {figure['unit']}")
    statistics = found["statistics"]
    lines.append(
        f"{statistics['accepted']} of {statistics['steps']} jumps accepted, {statistics['repaired']} repaired, "
        f"{found['waters']} molecules of water"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", default="OpenCL", help="(default: OpenCL)")
    parser.add_argument("--padding", type=float, default=1.0, help="of water around the molecule, nm (default: 1.0)")
    parser.add_argument("--equilibration", type=float, default=100, help="of box and temperature, ps (default: 100)")
    parser.add_argument("--jumps", type=int, default=1000, help="and as many samples of MD (default: 1000)")
    parser.add_argument("--relaxation", type=int, default=250, help="steps after a jump (default: 250)")
    parser.add_argument("--step", type=float, default=4, help="of the dynamics, fs (default: 4)")
    parser.add_argument("--blocks", type=int, default=10, help="of the block averages (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="(default: 1)")
    parser.add_argument("--out", type=Path, help="write the figures to this file as JSON")
    arguments = parser.parse_args()
    found = measure(arguments)
    print(table(found))
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
