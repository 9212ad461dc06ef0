"""Molecules, integrators and Simulations shared by the tests of the contract.

Most of them use the random walk of `walk_model`, which knows every atom, on alanine dipeptide in vacuum: a jump with
its relaxation takes a millisecond or two there on every platform.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
import openmm
import pytest
from openmm import app, unit
from openmmjump import GateSettings, JumpIntegrator, JumpModel, MolecularGraph, data
from openmmjump.molecule import Molecule
from openmmjump.platforms import ONE_THREAD
from openmmjump.testsystems.alanine_dipeptide import build_molecule, equilibrate
from walk_model import LAG_TIME, make_walk_model

OpenMMException = openmm.OpenMMException
PS = unit.picosecond
BOLTZ = 8.31446261815324e-3  # kJ/mol/K
TEMPERATURE = 300.0  # K
STEP = 0.002  # ps, of the relaxation
SEED = 11
PLATFORMS = ("Reference", "CPU", "OpenCL")


@cache
def walk(deviation: float = 0.0005, lag_time: float = LAG_TIME) -> JumpModel:
    """The random walk; deviation in nm, lag time in ps."""
    return make_walk_model(deviation, lag_time=lag_time)


@cache
def shipped() -> JumpModel:
    """The shipped model of alanine dipeptide."""
    return JumpModel.load("alanine-dipeptide")


@cache
def solvated_by_formula() -> Molecule:
    """Alanine dipeptide in implicit solvent, which the shipped model was trained in."""
    return equilibrate(build_molecule(), seed=1, picoseconds=1.0)


def build_vacuum(constraints: Any = app.HBonds, **options: Any) -> Molecule:
    """Alanine dipeptide in vacuum, as in its PDB file."""
    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
    system = app.ForceField("amber14-all.xml").createSystem(pdb.topology, constraints=constraints, **options)
    return Molecule(pdb.topology, system, np.array(pdb.positions.value_in_unit(unit.nanometer)))


@cache
def _vacuum() -> Molecule:
    return equilibrate(build_vacuum(hydrogenMass=3 * unit.amu), seed=1, picoseconds=1.0)


def vacuum() -> Molecule:
    """Alanine dipeptide in vacuum at room temperature; Topology and System are copies that may be changed."""
    made = _vacuum()
    return Molecule(copy.deepcopy(made.topology), copy.deepcopy(made.system), made.positions)


def change(integrator, **settings):
    """Change settings of a JumpIntegrator by name, whichever of its structs of settings holds them."""
    kinds = ("Gate", "Repair", "Guidance", "Sampler")
    for name, value in settings.items():
        kind = next(kind for kind in kinds if hasattr(getattr(integrator, f"get{kind}Settings")(), name))
        held = getattr(integrator, f"get{kind}Settings")()
        setattr(held, name, value)
        getattr(integrator, f"set{kind}Settings")(held)


def make(
    molecule: Molecule | None = None,
    *,
    model: JumpModel | None = None,
    steps: int = 3,
    seed: int = SEED,
    relaxation: openmm.Integrator | None = None,
    graph: MolecularGraph | None = None,
) -> JumpIntegrator:
    """A JumpIntegrator with a short relaxation.

    Args:
        molecule: what it moves; by default alanine dipeptide in vacuum
        model: by default the walk
        steps: of the relaxation, of 2 fs unless it is the caller's
        seed: of the noise
        relaxation: by default Langevin dynamics
        graph: by default that of the Topology
    """
    model = model or walk()
    molecule = molecule or _vacuum()
    graph = graph or MolecularGraph.fromTopology(molecule.topology, model, system=molecule.system)
    if relaxation is None:
        integrator = JumpIntegrator(model, graph, TEMPERATURE, 1.0, STEP)
    else:
        integrator = JumpIntegrator(model, graph, TEMPERATURE, relaxation)
    integrator.setRandomNumberSeed(seed)
    integrator.setRelaxationSteps(steps)
    return integrator


def open_gate(integrator: JumpIntegrator) -> JumpIntegrator:
    """Let the gate pass everything."""
    gate = GateSettings()
    gate.checkBonds = gate.checkClashes = gate.checkStereocenters = gate.checkEnergy = False
    integrator.setGateSettings(gate)
    return integrator


def platform(name: str) -> tuple[openmm.Platform, dict[str, str]]:
    """A platform and its properties, for the same result each time; skips where it is missing."""
    try:
        found = openmm.Platform.getPlatform(name)
    except OpenMMException:
        pytest.skip(f"OpenMM has no platform {name} here")
    return found, dict(ONE_THREAD) if name == "CPU" else {}


def simulate(
    molecule: Molecule | None = None, integrator: openmm.Integrator | None = None, name: str = "Reference"
) -> app.Simulation:
    """A Simulation at its start."""
    molecule = molecule or vacuum()
    made = app.Simulation(molecule.topology, molecule.system, integrator or make(molecule), *platform(name))
    if molecule.topology.getPeriodicBoxVectors() is not None:
        made.context.setPeriodicBoxVectors(*molecule.topology.getPeriodicBoxVectors())
    made.context.setPositions(molecule.positions)
    return made


def positions(run: app.Simulation | openmm.Context) -> np.ndarray:
    """Positions in nm."""
    context = getattr(run, "context", run)
    return np.array(context.getState(positions=True).getPositions(asNumpy=True)._value)


def velocities(run: app.Simulation | openmm.Context) -> np.ndarray:
    """Velocities in nm/ps."""
    context = getattr(run, "context", run)
    return np.array(context.getState(velocities=True).getVelocities(asNumpy=True)._value)


def time_of(run: app.Simulation | openmm.Context) -> float:
    """Simulated time in ps."""
    return getattr(run, "context", run).getTime().value_in_unit(PS)


def potential_energy(run: app.Simulation | openmm.Context, **options: Any) -> float:
    """Potential energy in kJ/mol."""
    return getattr(run, "context", run).getState(energy=True, **options).getPotentialEnergy()._value


def kinetic_energy(run: app.Simulation | openmm.Context) -> float:
    """Kinetic energy in kJ/mol."""
    return getattr(run, "context", run).getState(energy=True).getKineticEnergy()._value


def degrees_of_freedom(system: openmm.System) -> int:
    """Independent velocities: those of massive particles, less the constraints and what a CMMotionRemover takes."""
    massive = sum(system.getParticleMass(i)._value > 0 for i in range(system.getNumParticles()))
    removed = any(isinstance(force, openmm.CMMotionRemover) for force in system.getForces())
    return 3 * massive - system.getNumConstraints() - 3 * removed


def largest_constraint_error(system: openmm.System, x: np.ndarray) -> float:
    """Largest deviation of a constraint at positions x (nm), relative to its length."""
    worst = 0.0
    for k in range(system.getNumConstraints()):
        i, j, length = system.getConstraintParameters(k)
        worst = max(worst, abs(np.linalg.norm(x[i] - x[j]) / length._value - 1))
    return worst


def raises_sentence(words: str, action: Any, kind: type[Exception] = OpenMMException) -> None:
    """The error's text is a single line that says what is wrong."""
    with pytest.raises(kind, match=words) as caught:
        action()
    text = str(caught.value)
    assert "\n" not in text.strip() and "prototypes" not in text and "bad_cast" not in text
