"""A network as an OpenMM Force, from Python: ownership, units, saving, errors, dynamics.

Energies and forces are compared with the network's in C++ (tests/platforms/TestLearnedForce.cpp), on every platform.
"""

from __future__ import annotations

import copy
import pickle

import contract_cases as cases
import numpy as np
import openmm
import pytest
from openmm import app, unit
from openmmjump import JumpModel, LearnedForce, MolecularGraph
from openmmjump.families.unisim import UniSim
from openmmjump.modelfile import ModelFile
from openmmjump.network import Atoms
from unisim_cases import ARCHITECTURE


def make_model() -> JumpModel:
    file = ModelFile(
        name="energies",
        family="unisim",
        settings=ARCHITECTURE,
        tensors=dict(UniSim.initialize(ARCHITECTURE, 3).state_dict()),
        lag_time=100.0,
        temperature=300.0,
        time_grid=[0.0, 0.5, 1.0],
        preserves_orientation=True,
        preserves_center_of_mass=True,
    )
    return JumpModel.fromBytes(file.to_bytes(), "energies")


@pytest.fixture(scope="module")
def molecule():
    return cases.build_vacuum(constraints=None)


def make_force(molecule, **options) -> LearnedForce:
    model = make_model()
    force = LearnedForce(model, MolecularGraph.fromTopology(molecule.topology, model), **options)
    force.setUseDoublePrecision(True)
    return force


def make_context(molecule, force, integrator=None, masses=True) -> openmm.Context:
    """The molecule with no other Force."""
    system = openmm.System()
    for i in range(molecule.system.getNumParticles()):
        system.addParticle(molecule.system.getParticleMass(i))
    system.addForce(force)
    integrator = integrator or openmm.VerletIntegrator(0.001)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatform("Reference"))
    context.setPositions(molecule.positions)
    return context


def test_energy_is_the_networks(molecule):
    context = make_context(molecule, make_force(molecule))
    state = context.getState(energy=True, forces=True)
    network = UniSim(ARCHITECTURE, UniSim.initialize(ARCHITECTURE, 3).state_dict()).double()
    numbers = [atom.element.atomic_number - 1 for atom in molecule.topology.atoms()]
    atoms = Atoms(numbers, numbers, [[], []])
    import torch

    x = torch.tensor(10 * molecule.positions)
    assert state.getPotentialEnergy() / unit.kilojoule_per_mole == pytest.approx(
        100 * network.energy(atoms, 0.0, x).item(), rel=1e-9
    )
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    assert np.allclose(forces, 1000 * network.force(atoms, 0.0, x).detach().numpy(), rtol=1e-7, atol=1e-6)


def test_a_system_owns_it_and_gives_it_back(molecule):
    force = make_force(molecule)
    system = openmm.System()
    system.addForce(force)
    assert not force.thisown
    found = LearnedForce.cast(system.getForce(0))
    assert found.getModel().getName() == "energies"
    assert found.getMolecularGraph().getNumAtoms() == 22
    with pytest.raises(openmm.OpenMMException, match="not a LearnedForce"):
        LearnedForce.cast(openmm.HarmonicBondForce())


def test_copies_and_xml(molecule):
    force = make_force(molecule)
    force.setEnergyHead(1)
    force.setForceGroup(4)
    for made in (copy.copy(force), copy.deepcopy(force), pickle.loads(pickle.dumps(force))):
        assert (made.getEnergyHead(), made.getForceGroup(), made.getUseDoublePrecision()) == (1, 4, True)
    context = make_context(molecule, force)
    xml = openmm.XmlSerializer.serialize(context.getSystem())
    again = openmm.Context(openmm.XmlSerializer.deserialize(xml), openmm.VerletIntegrator(0.001), context.getPlatform())
    again.setPositions(molecule.positions)
    assert again.getState(energy=True).getPotentialEnergy() == context.getState(energy=True).getPotentialEnergy()


def test_errors_are_one_sentence(molecule):
    model = make_model()
    graph = MolecularGraph.fromTopology(molecule.topology, model)
    with pytest.raises(TypeError, match="the graph must be a MolecularGraph"):
        LearnedForce(model, molecule.topology)
    sentence = "is of the family 'pvb', whose models have no energies or forces"
    cases.raises_sentence(sentence, lambda: LearnedForce(cases.shipped(), graph))
    kernel = LearnedForce(model, graph, LearnedForce.GuidanceKernel)
    cases.raises_sentence("no guidance kernel", lambda: make_context(molecule, kernel))
    head = make_force(molecule)
    head.setEnergyHead(7)
    cases.raises_sentence("there is no head 7", lambda: make_context(molecule, head))


def test_positions_that_make_no_sense_leave_the_context_usable(molecule):
    context = make_context(molecule, make_force(molecule))
    context.setPositions(np.full((22, 3), np.nan))
    with pytest.raises(openmm.OpenMMException):
        context.getState(energy=True)
    context.setPositions(molecule.positions)
    assert np.isfinite(context.getState(energy=True).getPotentialEnergy()._value)


def energy_error(step: float) -> tuple[float, float]:
    """How much the total energy and the learned one vary in 0.2 ps of Verlet dynamics of methanol, in kJ/mol.

    The network of UniSim, as published, is not quite continuous where an edge comes or goes: its vector messages do not
    vanish at the cutoff, and hydrogens lose edges at 3.5 A. Methanol is smaller than that. Springs hold it together.
    """
    elements = [6, 8, 1, 1, 1, 1]
    positions = [
        (0, 0, 0),
        (-0.05, 0.135, 0),
        (0.11, 0, 0),
        (-0.04, -0.05, 0.09),
        (-0.04, -0.05, -0.09),
        (0.02, 0.195, 0),
    ]
    model, graph, system = make_model(), MolecularGraph(), openmm.System()
    springs = openmm.HarmonicBondForce()
    for i, element in enumerate(elements):
        system.addParticle(12.0 if element > 1 else 3.0)
        graph.addAtom(i, element)
        for j in range(i):
            springs.addBond(i, j, float(np.linalg.norm(np.subtract(positions[i], positions[j]))), 2e4)
    force = LearnedForce(model, graph)
    force.setUseDoublePrecision(True)
    force.setForceGroup(1)
    for item in (springs, force):
        system.addForce(item)
    context = openmm.Context(system, openmm.VerletIntegrator(step), openmm.Platform.getPlatform("Reference"))
    context.setPositions(positions)
    context.setVelocitiesToTemperature(100, 1)
    totals, learned = [], []
    for _ in range(100):
        context.getIntegrator().step(round(0.002 / step))
        state = context.getState(energy=True)
        totals.append((state.getPotentialEnergy() + state.getKineticEnergy())._value)
        learned.append(context.getState(energy=True, groups={1}).getPotentialEnergy()._value)
    return float(np.ptp(totals)), float(np.ptp(learned))


def test_energy_is_conserved():
    """The error of the total energy is that of the time step: a quarter for half the step."""
    coarse, learned = energy_error(0.0005)
    fine, _ = energy_error(0.00025)
    assert learned > 5
    assert coarse < 2e-3 * learned
    assert fine == pytest.approx(coarse / 4, rel=0.05)


def test_it_minimises_in_a_simulation(molecule):
    system = openmm.XmlSerializer.clone(molecule.system)
    system.addForce(make_force(molecule))
    simulation = app.Simulation(
        molecule.topology, system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference")
    )
    simulation.context.setPositions(molecule.positions)
    before = simulation.context.getState(energy=True).getPotentialEnergy()
    simulation.minimizeEnergy(maxIterations=10)
    assert simulation.context.getState(energy=True).getPotentialEnergy() < before
