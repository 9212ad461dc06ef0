"""Samplers of openmm.app that drive a Simulation: metadynamics, simulated tempering, replica exchange."""

from __future__ import annotations

import io
import math
import random

import numpy as np
import openmm
import pytest
from contract_cases import (
    BOLTZ,
    LAG_TIME,
    STEP,
    degrees_of_freedom,
    make,
    open_gate,
    positions,
    potential_energy,
    simulate,
    vacuum,
    velocities,
)  # fmt: skip
from openmm import app, unit
from openmmjump.reporters import JumpReporter

PHI, PSI = (4, 6, 8, 14), (6, 8, 14, 16)
KJ = unit.kilojoule_per_mole


def dihedral(atoms):
    """The Force whose energy is a dihedral angle in radians."""
    force = openmm.CustomTorsionForce("theta")
    force.addTorsion(*atoms)
    return force


def test_custom_cv_force(name):
    """A bias on collective variables acts on the gate and on the relaxation like any Force."""
    molecule = vacuum()
    bias = openmm.CustomCVForce("k * sin(phi / 2)^2")
    bias.addCollectiveVariable("phi", dihedral(PHI))
    bias.addGlobalParameter("k", 0)
    molecule.system.addForce(bias)
    run = simulate(molecule, name=name)
    plain = potential_energy(run)
    run.context.setParameter("k", 200)
    (phi,) = bias.getCollectiveVariableValues(run.context)
    before = plain + 200 * math.sin(phi / 2) ** 2
    run.step(1)
    assert run.integrator.getLastJump().energyBefore == pytest.approx(before, abs=0.01)
    start = math.cos(phi)
    for _ in range(30):
        run.step(1)
    (phi,) = bias.getCollectiveVariableValues(run.context)
    assert math.cos(phi) > start  # pulled towards 0
    assert run.integrator.getStatistics().steps == 31


def test_metadynamics(tmp_path):
    """One Gaussian for each `frequency` jumps where the molecule is, on disk and in the energy."""
    molecule = vacuum()
    variables = [
        app.BiasVariable(dihedral(atoms), -math.pi, math.pi, 0.35, periodic=True, gridWidth=41) for atoms in (PHI, PSI)
    ]
    meta = app.Metadynamics(molecule.system, variables, 300, 5.0, 1.0 * KJ, 2, saveFrequency=4, biasDir=str(tmp_path))
    run = simulate(molecule)
    group = meta._force.getForceGroup()
    assert potential_energy(run, groups={group}) == 0
    meta.step(run, 2)
    first = meta.getCollectiveVariables(run)
    assert potential_energy(run, groups={group}) == pytest.approx(1.0, abs=0.05)
    meta.step(run, 6)
    assert run.currentStep == run.integrator.getJumpNumber() == 8
    energy = potential_energy(run, groups={group})
    run.step(1)
    last = run.integrator.getLastJump().energyBefore
    assert energy > 1.0 and math.isfinite(last)
    # The free energy is lowest where the Gaussians are, and four of them were added.
    surface = -meta.getFreeEnergy()._value
    column, line = (round((x + math.pi) / (2 * math.pi) * 40) for x in first)
    assert 3.0 < surface.max() * 4 / 5 <= 4.0 and surface[line, column] > 0.5 * surface.max()
    assert len(list(tmp_path.glob("bias_*.npy"))) == 1


def test_simulated_tempering():
    """The temperature of jumps and relaxation follows the ladder; at each temperature the kinetic energy is right."""
    random.seed(1)
    run = simulate(integrator=open_gate(make(steps=1)))
    log = io.StringIO()
    temperatures = [300, 360] * unit.kelvin
    sampler = app.SimulatedTempering(
        run, temperatures=temperatures, tempChangeInterval=1, reportInterval=1, reportFile=log
    )
    assert run.integrator.getTemperature() == 300 * unit.kelvin
    seen = {300: [], 360: []}
    for _ in range(300):
        level = run.integrator.getTemperature()._value
        assert run.integrator.getRelaxationIntegrator().getTemperature()._value == level
        run.reporters, reporters = [], run.reporters
        run.integrator.step(1)  # the sampler would rescale the velocities before one can look
        seen[level].append(run.context.getState(energy=True).getKineticEnergy()._value)
        run.reporters = reporters
        sampler.step(1)
    freedom = degrees_of_freedom(run.system)
    for level, kinetic in seen.items():
        expected = 0.5 * freedom * BOLTZ * level
        error = expected * math.sqrt(2 / (freedom * max(1, len(kinetic))))
        assert len(kinetic) > 10 and abs(np.mean(kinetic) - expected) < 5 * error
    assert len(log.getvalue().splitlines()) == 301


def test_expanded_ensemble_resumes(tmp_path):
    """States that differ in a parameter; a run resumed from the sampler's checkpoint goes on counting."""
    molecule = vacuum()
    force = openmm.CustomTorsionForce("k * (1 + cos(theta))")
    force.addGlobalParameter("k", 0)
    force.addTorsion(*PHI)
    molecule.system.addForce(force)
    states = [{"k": k, "temperature": 300 * unit.kelvin} for k in (0.0, 1.0)]
    file = str(tmp_path / "sampler.pkl")
    run = simulate(molecule)
    options = {"reportInterval": 2, "checkpointFile": file}
    sampler = app.ExpandedEnsembleSampler(states, run, 2, logFile=io.StringIO(), **options)
    run.step(4)
    assert sampler.currentIteration == 2
    again = simulate(vacuum_with(force))
    resumed = app.ExpandedEnsembleSampler(states, again, 2, logFile=io.StringIO(), resume=True, **options)
    assert resumed.currentIteration == 2 and again.currentStep == again.integrator.getJumpNumber() == 4
    assert np.array_equal(positions(again), positions(run))
    again.step(2)
    assert again.integrator.getJumpNumber() == 6


def vacuum_with(force):
    molecule = vacuum()
    molecule.system.addForce(openmm.XmlSerializer.clone(force))
    return molecule


def replicas(states, iterations=1, molecule=None, steps=2):
    random.seed(1)
    run = simulate(molecule, open_gate(make(steps=steps)))
    run.context.setVelocitiesToTemperature(300, 1)
    sampler = app.ReplicaExchangeSampler(states, run, 2)
    sampler.simulate(iterations)
    return run, sampler


def test_replica_exchange():
    """Every replica jumps and relaxes at the temperature of its state, and states are exchanged."""
    levels = [300.0, 450.0, 600.0]
    run, sampler = replicas([{"temperature": t * unit.kelvin} for t in levels], 20)
    assert sampler.currentIteration == 20 and sorted(sampler.replicaStateIndex) == [0, 1, 2]
    for state in sampler.replicaConformation:
        assert state.getStepCount() == 40
        assert state.getTime()._value == pytest.approx(40 * (LAG_TIME + 2 * STEP))
    kinetic = {t: [] for t in levels}
    freedom = degrees_of_freedom(run.system)
    for _ in range(30):
        sampler.simulate(1)
        for i, state in enumerate(sampler.replicaConformation):
            level = levels[sampler._previousReplicaStateIndex[i]]
            run.context.setState(state)
            kinetic[level].append(run.context.getState(energy=True).getKineticEnergy()._value)
    for level, energies in kinetic.items():
        expected = 0.5 * freedom * BOLTZ * level
        assert abs(np.mean(energies) - expected) < 5 * expected * math.sqrt(2 / (freedom * len(energies)))


def test_replicas_have_noise_of_their_own():
    """Replicas of the same temperature that start alike part at once, as with any Langevin integrator."""
    molecule = vacuum()
    force = openmm.CustomExternalForce("k * 0")
    force.addGlobalParameter("k", 0)
    force.addParticle(0)
    molecule.system.addForce(force)
    _, sampler = replicas([{"k": 0.0}, {"k": 1.0}], 1, molecule, steps=0)
    first, second = (s.getVelocities(asNumpy=True)._value for s in sampler.replicaConformation)
    assert np.abs(first - second).max() > 0.1  # nm/ps


def test_replicas_can_be_reported(tmp_path):
    """ReplicaExchangeReporter writes and resumes."""
    states = [{"temperature": t * unit.kelvin} for t in (300, 400)]
    _, sampler = replicas(states, 0)
    sampler.reporters.append(app.ReplicaExchangeReporter(str(tmp_path), 1, sampler, energy=True, checkpoints=True))
    sampler.simulate(2)
    kept = [s.getPositions(asNumpy=True)._value for s in sampler.replicaConformation]
    del sampler.reporters[:]
    other, resumed = replicas(states, 0)
    resumed.reporters.append(
        app.ReplicaExchangeReporter(str(tmp_path), 1, resumed, energy=True, checkpoints=True, resume=True)
    )
    assert resumed.currentIteration == 2
    found = [s.getPositions(asNumpy=True)._value for s in resumed.replicaConformation]
    assert all(np.array_equal(a, b) for a, b in zip(kept, found, strict=True))
    resumed.simulate(1)
    assert resumed.currentIteration == 3 and np.isfinite(velocities(other)).all()


def test_a_jump_reporter_beside_a_sampler(tmp_path):
    """JumpReporter counts every jump while a sampler drives the Simulation."""
    molecule = vacuum()
    variables = [app.BiasVariable(dihedral(PHI), -math.pi, math.pi, 0.35, periodic=True)]
    meta = app.Metadynamics(molecule.system, variables, 300, 5.0, 1.0 * KJ, 3)
    run = simulate(molecule)
    run.reporters.append(JumpReporter(tmp_path / "jumps.csv", 1))
    meta.step(run, 5)
    run.reporters.pop().close()
    assert len((tmp_path / "jumps.csv").read_text().splitlines()) == 6
