"""The shipped all-atom model: it jumps in the System it was trained for, with its hydrogens constrained."""

from __future__ import annotations

import numpy as np
import openmm
import openmmjump as oj
import pytest
from openmm import app, unit
from openmmjump import data
from openmmjump.evaluation.reference import Reference
from openmmjump.evaluation.torsions import phi_psi

NAME = "alanine-dipeptide-unisim"


@pytest.fixture
def simulation() -> app.Simulation:
    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
    field = app.ForceField("amber14-all.xml", "implicit/gbn2.xml")
    system = field.createSystem(pdb.topology, constraints=app.HBonds, hydrogenMass=3 * unit.amu)
    model = oj.JumpModel.load(NAME)
    integrator = oj.JumpIntegrator(model, oj.MolecularGraph.fromTopology(pdb.topology, model), 300, 1, 0.004)
    integrator.setRandomNumberSeed(1)
    platform = openmm.Platform.getPlatform("Reference")
    simulation = app.Simulation(pdb.topology, system, integrator, platform)
    simulation.context.setPositions(pdb.positions)
    simulation.minimizeEnergy()
    simulation.context.setVelocitiesToTemperature(300, 1)
    return simulation


def jump(simulation: app.Simulation, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions [count, 22, 3] in nm and potential energies [count] in kJ/mol after each jump."""
    frames, energies = [], []
    for _ in range(count):
        simulation.step(1)
        state = simulation.context.getState(positions=True, energy=True)
        frames.append(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))
        energies.append(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
    return np.array(frames), np.array(energies)


def test_jumps_all_atoms_with_constrained_hydrogens(simulation):
    assert simulation.integrator.getMolecularGraph().getNumAtoms() == 22
    frames, energies = jump(simulation, 15)
    statistics = simulation.integrator.getStatistics()
    assert (statistics.steps, statistics.accepted) == (15, 15)
    for k in range(simulation.system.getNumConstraints()):
        i, j, length = simulation.system.getConstraintParameters(k)
        lengths = np.linalg.norm(frames[:, i] - frames[:, j], axis=1)
        assert lengths == pytest.approx(length._value, rel=1e-4)
    assert energies.max() < 0  # MD: -79 with a standard deviation of 12
    assert simulation.context.getState().getTime()._value == pytest.approx(15 * (1000 + 0.2))


def test_its_guidance_kernel_resembles_the_forces_of_the_system(simulation):
    """At t = 0 that is what it was trained to be."""
    topology, model = simulation.topology, oj.JumpModel.load(NAME)
    field = app.ForceField("amber14-all.xml", "implicit/gbn2.xml")
    system = field.createSystem(topology, constraints=None)
    kernel = oj.LearnedForce(model, oj.MolecularGraph.fromTopology(topology, model), oj.LearnedForce.GuidanceKernel)
    kernel.setForceGroup(7)
    system.addForce(kernel)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    forces = {0: [], 7: []}
    for frame in jump(simulation, 5)[0]:
        context.setPositions(frame)
        for group, found in forces.items():
            found.append(context.getState(forces=True, groups={group}).getForces(asNumpy=True)._value)
    known, learned = (np.ravel(found) for found in forces.values())
    assert np.corrcoef(known, learned)[0, 1] > 0.7  # 0.86 over 40 conformations of MD


@pytest.mark.slow
def test_populations_and_energies(simulation):
    """300 jumps; docs/model-alanine-dipeptide-unisim.md has 1,000."""
    jump(simulation, 20)
    frames, energies = jump(simulation, 300)
    reference = Reference.load(data.path("reference.npz"))
    _, psi = phi_psi(frames, simulation.topology)
    statistics = simulation.integrator.getStatistics()
    assert statistics.attempts < 1.3 * statistics.steps
    assert energies.mean() == pytest.approx(reference.energy.value, abs=5)  # its error is 1
    # MD: 0.33. About one jump in ten changes it, so 300 are worth some 30: the error is 0.09.
    assert 0.08 < np.mean((psi > -120) & (psi < 60)) < 0.65
