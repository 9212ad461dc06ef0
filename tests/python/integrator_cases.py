"""Alanine dipeptide with the shipped model, for the tests of JumpIntegrator as a user of OpenMM meets it."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path

import openmm
import pytest
from openmm import app, unit
from openmmjump import (
    JumpIntegrator,
    JumpModel,
    MolecularGraph,
)
from openmmjump.platforms import ONE_THREAD
from openmmjump.testsystems.alanine_dipeptide import build_molecule, equilibrate

EXAMPLES = Path(__file__).parents[2] / "examples"
OpenMMException = openmm.OpenMMException
KELVIN, PER_PS, PS = unit.kelvin, unit.picosecond**-1, unit.picosecond
TOLERANCE = unit.kilojoule_per_mole / unit.nanometer
TETHER = unit.kilojoules_per_mole / unit.nanometer**2
LAG = 1000.0  # ps, of the shipped model
SEED = 11


@cache
def model():
    return JumpModel.load("alanine-dipeptide")


@cache
def molecule():
    return equilibrate(build_molecule(), seed=1, picoseconds=1.0)


def graph():
    return MolecularGraph.fromTopology(molecule().topology, model())


def make(seed=SEED, steps=3, relaxation=None):
    """A JumpIntegrator with a short relaxation, to be quick."""
    if relaxation is None:
        integrator = JumpIntegrator(model(), graph(), 300.0, 1.0, 0.002)
    else:
        integrator = JumpIntegrator(model(), graph(), 300.0, relaxation)
    integrator.setRandomNumberSeed(seed)
    integrator.setRelaxationSteps(steps)
    return integrator


def platform(name):
    """The platform and its properties; skips where it is missing."""
    try:
        found = openmm.Platform.getPlatform(name)
    except OpenMMException:
        pytest.skip(f"OpenMM has no platform {name} here")
    return found, ONE_THREAD if name == "CPU" else {}


def simulate(name, integrator, system=None):
    found, properties = platform(name)
    made = app.Simulation(molecule().topology, system or molecule().system, integrator, found, properties)
    made.context.setPositions(molecule().positions)
    return made


def without_update():
    """The System without its CMMotionRemover, which takes its turn before a step whatever becomes of that."""
    system = copy.deepcopy(molecule().system)
    for i in reversed(range(system.getNumForces())):
        if isinstance(system.getForce(i), openmm.CMMotionRemover):
            system.removeForce(i)
    return system


def positions(run):
    return run.context.getState(positions=True).getPositions(asNumpy=True)._value


def velocities(run):
    return run.context.getState(velocities=True).getVelocities(asNumpy=True)._value


def raises_sentence(kind, words, action):
    """The error is of this kind, and its text a single line that says what is wrong."""
    with pytest.raises(kind, match=words) as caught:
        action()
    text = str(caught.value)
    assert "\n" not in text.strip() and "prototypes" not in text and "bad_cast" not in text
