"""EnergyAnnotator from Python: units, arguments, threads. What it computes is tested in C++, on every platform."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading

import numpy as np
import openmm
import pytest
from contract_cases import vacuum
from openmm import unit
from openmmjump import EnergyAnnotator

TOLERANCE = unit.kilojoules_per_mole / unit.nanometer


@pytest.fixture(scope="module")
def molecule():
    return vacuum()


@pytest.fixture(scope="module")
def annotator(molecule):
    return EnergyAnnotator(molecule.system, platform="Reference")


def test_takes_positions_as_openmm_does(molecule, annotator):
    given = molecule.positions
    energy = annotator.annotate(given).finalEnergy
    for same in (given * unit.nanometer, 10 * given * unit.angstrom, [openmm.Vec3(*x) for x in given]):
        assert annotator.annotate(same).finalEnergy == pytest.approx(energy, abs=1e-3)


def test_labels_are_plain_values(molecule, annotator):
    label = annotator.annotate(molecule.positions)
    assert label.finalEnergy < label.initialEnergy
    assert label.isConverged() and label.getOutcomeName() == "converged"
    assert sum(label.initialGroupEnergies.values()) == pytest.approx(label.initialEnergy)
    assert sum(label.finalGroupEnergies.values()) == pytest.approx(label.finalEnergy)
    assert label.getPositions().shape == (molecule.system.getNumParticles(), 3)
    assert annotator.annotate(label.getPositions()).iterations == 0


def test_settings_have_units(molecule):
    annotator = EnergyAnnotator(
        molecule.system, EnergyAnnotator.LocalMinimizer, openmm.Platform.getPlatform("Reference"), {}
    )
    assert annotator.getTolerance() == 10 * TOLERANCE
    annotator.setTolerance(1 * unit.kilocalories_per_mole / unit.angstrom)
    assert annotator.getTolerance() / TOLERANCE == pytest.approx(41.84)
    annotator.setMaxSeconds(2 * unit.minutes)
    assert annotator.getMaxSeconds() == 120 * unit.seconds
    annotator.setMaxIterations(2)
    assert annotator.annotate(molecule.positions).getOutcomeName() == "iteration limit"


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda s: EnergyAnnotator("system"), TypeError, "must be an openmm.System, not 'system'"),
        (lambda s: EnergyAnnotator(s, 7), ValueError, "LocalMinimizer or EnergyAnnotator.Preconditioned, not 7"),
        (lambda s: EnergyAnnotator(s, platform="Abacus"), openmm.OpenMMException, "Abacus"),
        (lambda s: EnergyAnnotator(s, properties={"Precision": "double"}), ValueError, "no platform was given"),
        (lambda s: EnergyAnnotator(openmm.System()), openmm.OpenMMException, "no particles"),
        (
            lambda s: EnergyAnnotator(s, platform="Reference").annotate(np.zeros((2, 3))),
            openmm.OpenMMException,
            "but 2",
        ),
        (lambda s: EnergyAnnotator(s).setTolerance(3 * unit.kelvin), TypeError, "compatible unit"),
    ],
)
def test_bad_arguments_are_one_sentence(molecule, call, error, words):
    with pytest.raises(error, match=words):
        call(molecule.system)


def test_other_threads_run_while_it_minimises(molecule):
    slow = EnergyAnnotator(molecule.system, platform="Reference")
    slow.setTolerance(1e-3)
    label = threading.Thread(target=lambda: [slow.annotate(molecule.positions) for _ in range(20)])
    label.start()
    ticks = 0
    while label.is_alive():
        ticks += 1
    assert ticks > 1000


def test_systems_may_be_pickled_meanwhile():
    """OpenMM's XML writer, which copies Systems too, is not safe for threads: both must hold the GIL."""
    result = subprocess.run([sys.executable, __file__], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def _pickle_meanwhile() -> None:
    system = vacuum().system
    make = threading.Thread(target=lambda: [EnergyAnnotator(system, platform="Reference") for _ in range(200)])
    make.start()
    while make.is_alive():
        pickle.dumps(system)


if __name__ == "__main__":
    _pickle_meanwhile()
