"""The Metropolis criterion from Python, and the functions that judge ensembles."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmmjump import JumpIntegrator, JumpModel, MolecularGraph
from openmmjump.evaluation.ensemble import GAS_CONSTANT, reversibility, temperature_ratio

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import exactness


def test_wrong_kernels_are_corrected():
    """Populations, energies and histograms of problems with a known answer, at two temperatures."""
    rows = exactness.compute_rows(4000)
    wrong = [row for row in rows if "without the criterion" in row.problem]
    exact = [row for row in rows if row not in wrong]
    assert len(exact) >= 14 and len(wrong) == 3
    for row in exact:
        # A root mean square of 12 bins, each with an error from 20 blocks, is rarely above 1.8.
        assert row.found.value < 1.8 if "rms" in row.what else abs(row.sigmas) < 4.5, row
    for row in wrong:
        assert abs(row.sigmas) > 8, row


def test_only_models_with_a_density_can_be_exact():
    """The shipped model has none, and says so in one sentence; a mixture has one."""
    model = JumpModel.load("alanine-dipeptide")
    graph = MolecularGraph()
    graph.addAtom(0, 6)
    integrator = JumpIntegrator(model, graph, 300, 1, 0.001)
    assert not model.hasDensity()
    with pytest.raises(openmm.OpenMMException, match="cannot tell how probable its proposals are") as caught:
        integrator.setAcceptance(JumpIntegrator.Metropolis)
    assert "\n" not in str(caught.value)
    assert integrator.getAcceptance() == JumpIntegrator.Gate

    mixture = exactness.make_mixture([1.0], [[[0, 0, 0]]], [0.1], 0.5)
    integrator = JumpIntegrator(mixture, graph, 300, 1, 0.001)
    assert mixture.hasDensity()
    integrator.setAcceptance(JumpIntegrator.Metropolis)
    assert integrator.getAcceptance() == JumpIntegrator.Metropolis
    copied = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(integrator))
    assert JumpIntegrator.cast(copied).getAcceptance() == JumpIntegrator.Metropolis


def test_temperature_ratio():
    """Harmonic energies, Gamma distributed: 1 at the right temperatures, their ratio of slopes at wrong ones."""
    random = np.random.default_rng(1)
    cold, hot = (random.gamma(5, GAS_CONSTANT * t, 20_000) for t in (300, 400))
    found = temperature_ratio(cold, hot, 300, 400)
    assert abs(found.value - 1) < 4 * found.error and found.error < 0.05
    # What is 300 K was said to be 320 K: the slope is expected too small.
    wrong = temperature_ratio(cold, hot, 320, 400)
    assert wrong.value - 1 > 8 * wrong.error


def test_reversibility():
    """A reversible chain of three states has no net flux; a driven one has."""
    random = np.random.default_rng(2)

    def walk(forward: float) -> np.ndarray:
        steps = random.choice([1, -1], size=6000, p=[forward, 1 - forward])
        return np.cumsum(steps) % 3

    assert max(abs(z) for *_, z in reversibility(walk(0.5))) < 4.5
    pairs = reversibility(walk(0.6))
    assert [(i, j) for i, j, *_ in pairs] == [(0, 1), (0, 2), (1, 2)]
    assert min(abs(z) for *_, z in pairs) > 5
