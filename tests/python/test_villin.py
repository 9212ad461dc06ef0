"""The protein made from the structure that comes with OpenMM: valid, as large as asked for, always the same."""

from __future__ import annotations

import numpy as np
import openmm
import pytest
from openmm import app, unit
from openmmjump.testsystems.villin import ATOMS, GAP, villin
from scipy.spatial.distance import pdist


def test_one_villin_is_a_protein():
    topology, positions = villin()
    assert topology.getNumAtoms() == len(positions) == ATOMS
    assert topology.getPeriodicBoxVectors() is None
    names = [residue.name for residue in topology.residues()]
    assert len(names) == 35 and names[0] == "LEU" and names[-1] == "PHE"
    assert pdist(positions).min() > 0.09


def test_copies_are_alike_and_apart():
    topology, positions = villin(5)
    assert topology.getNumChains() == 5 and topology.getNumAtoms() == 5 * ATOMS
    copies = positions.reshape(5, ATOMS, 3)
    shifts = copies[:, :1] - copies[0, 0]
    assert np.abs(copies - shifts - copies[0]).max() < 1e-9
    for i in range(5):
        for j in range(i):
            gap = np.maximum(copies[i].min(0) - copies[j].max(0), copies[j].min(0) - copies[i].max(0)).max()
            assert gap > GAP - 1e-9
    assert np.array_equal(villin(5)[1], positions)


def test_number_of_copies_is_checked():
    with pytest.raises(ValueError, match="at least 1"):
        villin(0)


def test_force_field_knows_it_and_a_minimisation_lowers_the_energy():
    topology, positions = villin()
    force_field = app.ForceField("amber14-all.xml", "implicit/gbn2.xml")
    system = force_field.createSystem(topology, constraints=app.HBonds)
    platform = openmm.Platform.getPlatform("CPU")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)
    start = context.getState(energy=True).getPotentialEnergy()
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=20)
    state = context.getState(energy=True, positions=True)
    assert state.getPotentialEnergy() < start < -1000 * unit.kilojoules_per_mole
    assert pdist(state.getPositions(asNumpy=True)._value).min() > 0.09
