"""A UniSim model in a JumpIntegrator: all atoms of alanine dipeptide, hydrogens too, are model atoms.

The heads' weights are zero, so a jump is the noise of the interpolant alone, whose variance is known.
"""

from __future__ import annotations

import contract_cases as cases
import numpy as np
import openmm
import pytest
from openmm import OpenMMException, app, unit
from openmmjump import GuidanceSettings, MolecularGraph
from unisim_cases import NOISE_SCALE, make_noise_model

VARIANCE = 0.01 * NOISE_SCALE**2 * 0.0083144626 * 300 * 0.5  # nm^2: half of the time adds noise


def make_graph(topology: app.Topology) -> MolecularGraph:
    return MolecularGraph.fromTopology(topology, make_noise_model())


def test_hydrogens_are_model_atoms():
    topology = cases.build_vacuum().topology
    graph = make_graph(topology)
    assert (graph.getNumAtoms(), graph.getNumBonds(), graph.getNumRidingAtoms()) == (22, 21, 0)
    assert [graph.getAtom(i).particle for i in range(22)] == list(range(22))
    heavy = MolecularGraph.fromTopology(topology)
    assert (heavy.getNumAtoms(), heavy.getNumRidingAtoms()) == (10, 12)
    assert graph.getNumStereocenters() == heavy.getNumStereocenters() == 1
    assert graph.getNumStereoBonds() == heavy.getNumStereoBonds() == 2


def test_jumps_are_the_noise_of_the_interpolant():
    molecule = cases.build_vacuum(constraints=None)
    integrator = cases.make(molecule, model=make_noise_model(), graph=make_graph(molecule.topology), steps=0)
    simulation = app.Simulation(molecule.topology, molecule.system, integrator, openmm.Platform.getPlatform(0))
    displacements, before = [], molecule.positions
    simulation.context.setPositions(before)
    for _ in range(100):
        simulation.step(1)
        after = simulation.context.getState(positions=True).getPositions(asNumpy=True)
        after = after.value_in_unit(unit.nanometer)
        displacements.append(after - before)
        before = after
    jumped = [d for d in displacements if np.any(d)]
    assert len(jumped) > 90
    squares = np.mean(np.square(jumped)) / VARIANCE
    assert squares == pytest.approx(1, abs=5 * np.sqrt(2 / (66 * len(jumped))))


def test_forces_of_the_system_guide_a_jump():
    molecule = cases.build_vacuum(constraints=None)
    pull = openmm.CustomExternalForce("-1000*x")  # kJ/mol/nm on every atom
    pull.setForceGroup(7)
    for atom in range(molecule.system.getNumParticles()):
        pull.addParticle(atom, [])
    molecule.system.addForce(pull)
    ends = []
    for groups in (set(), {7}):
        integrator = cases.make(molecule, model=make_noise_model(), graph=make_graph(molecule.topology), steps=0)
        integrator.setGuidanceSettings(GuidanceSettings(forceGroups=groups))
        simulation = app.Simulation(molecule.topology, molecule.system, integrator, openmm.Platform.getPlatform(0))
        simulation.context.setPositions(molecule.positions)
        simulation.step(1)
        end = simulation.context.getState(positions=True).getPositions(asNumpy=True)
        ends.append(end.value_in_unit(unit.nanometer))
    shift = ends[1] - ends[0]  # the noise is the same
    assert shift[:, 0].min() > 1e-6
    assert shift[:, 0] == pytest.approx(shift[0, 0], rel=1e-2)
    assert abs(shift[:, 1:]).max() < 1e-2 * shift[0, 0]


@pytest.mark.parametrize("constraints", [app.AllBonds, app.HAngles])
def test_constraints_between_heavy_model_atoms_are_refused(constraints):
    molecule = cases.build_vacuum(constraints)
    integrator = cases.make(molecule, model=make_noise_model(), graph=make_graph(molecule.topology), steps=0)
    with pytest.raises(OpenMMException, match="create the System with constraints=HBonds or without constraints"):
        app.Simulation(molecule.topology, molecule.system, integrator, openmm.Platform.getPlatform(0))


def test_elements_it_does_not_know_are_named():
    molecule = cases.build_vacuum(constraints=None)
    graph = MolecularGraph()
    for atom in molecule.topology.atoms():
        graph.addAtom(atom.index, 10)
    integrator = cases.make(molecule, model=make_noise_model(), graph=graph, steps=0)
    with pytest.raises(OpenMMException, match=r"not trained for model atom 0 \(particle 0\): atomic number 10"):
        app.Simulation(molecule.topology, molecule.system, integrator, openmm.Platform.getPlatform(0))
