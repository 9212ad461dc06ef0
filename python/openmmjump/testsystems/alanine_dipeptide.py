"""Alanine dipeptide in implicit solvent, as demo, tests and benchmarks simulate it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmmjump.molecule import Molecule
from openmmjump.platforms import ONE_THREAD

FORCE_FIELD = ("amber14-all.xml", "implicit/gbn2.xml")
TEMPERATURE, FRICTION, STEP_PS = 300.0, 1.0, 0.004  # K, 1/ps, ps
HYDROGEN_MASS = 3.0  # amu

Array = NDArray[np.float64]


def build_molecule() -> Molecule:
    """ACE-ALA-NME in amber14 with GBn2, X-H bonds constrained, hydrogens of 3 amu."""
    from openmm import app, unit

    from openmmjump import data

    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
    system = app.ForceField(*FORCE_FIELD).createSystem(
        pdb.topology, constraints=app.HBonds, hydrogenMass=HYDROGEN_MASS * unit.amu
    )
    return Molecule(pdb.topology, system, np.array(pdb.positions.value_in_unit(unit.nanometer)))


def langevin(seed: int) -> Any:
    """The integrator of plain MD."""
    import openmm

    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, FRICTION, STEP_PS)
    integrator.setRandomNumberSeed(seed)
    return integrator


def equilibrate(molecule: Molecule, seed: int, picoseconds: float = 5.0) -> Molecule:
    """The molecule after a minimisation and a little MD, which are the same for the same seed."""
    import openmm

    platform = openmm.Platform.getPlatform("CPU")
    context = openmm.Context(molecule.system, langevin(seed), platform, ONE_THREAD)
    context.setPositions(molecule.positions)
    openmm.LocalEnergyMinimizer.minimize(context)
    context.setVelocitiesToTemperature(TEMPERATURE, seed)
    context.getIntegrator().step(round(picoseconds / STEP_PS))
    return replace(molecule, positions=positions_of(context.getState(positions=True)))


def write_topology(molecule: Molecule, path: Path) -> None:
    """Write topology and positions as PDB."""
    from openmm import app, unit

    with open(path, "w") as file:
        app.PDBFile.writeFile(molecule.topology, molecule.positions * unit.nanometer, file, keepIds=True)


def positions_of(state: Any) -> Array:
    """Positions of a State in nm, `[atoms, 3]`."""
    return np.array(state.getPositions(asNumpy=True)._value)


def energy_of(state: Any) -> float:
    """Potential energy of a State in kJ/mol."""
    return state.getPotentialEnergy()._value
