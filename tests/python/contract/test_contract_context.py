"""What a user does with a Context, before, between and after jumps."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import openmm
import pytest
from contract_cases import (
    BOLTZ,
    LAG_TIME,
    SEED,
    STEP,
    TEMPERATURE,
    change,
    degrees_of_freedom,
    kinetic_energy,
    largest_constraint_error,
    make,
    open_gate,
    platform,
    positions,
    potential_energy,
    raises_sentence,
    shipped,
    simulate,
    solvated_by_formula,
    time_of,
    vacuum,
    velocities,
)  # fmt: skip
from openmm import app, unit
from openmmjump import JumpIntegrator, RepairSettings
from openmmjump.molecule import Molecule


def in_groups():
    """Alanine dipeptide with bonded forces in group 0, nonbonded in group 1 and a wall that nothing passes in 2."""
    molecule = vacuum()
    for force in molecule.system.getForces():
        force.setForceGroup(1 if isinstance(force, openmm.NonbondedForce) else 0)
    wall = openmm.CustomExternalForce("1e5 * (x + 1)")
    for i in range(molecule.system.getNumParticles()):
        wall.addParticle(i)
    wall.setForceGroup(2)
    molecule.system.addForce(wall)
    return molecule


# ------------------------------------------------------------------------------------------------- energies and groups


def test_integration_force_groups(name):
    """Gate, repair and relaxation feel the groups of setIntegrationForceGroups() only, getState() all of them."""
    for policy in (RepairSettings.Never, RepairSettings.Always):
        run = simulate(in_groups(), make(steps=10), name)
        change(run.integrator, policy=policy)
        run.integrator.setIntegrationForceGroups(0b011)
        assert run.integrator.getIntegrationForceGroups() == 3
        assert run.integrator.getRelaxationIntegrator().getIntegrationForceGroups() == 3
        before = potential_energy(run, groups={0, 1})
        x = positions(run)[:, 0].mean()
        run.step(2)
        run.step(1)
        assert run.integrator.getStatistics().accepted == 3
        assert abs(positions(run)[:, 0].mean() - x) < 0.01  # 1e5 kJ/mol/nm would have carried it off
        last = run.integrator.getLastJump()
        assert abs(last.energyBefore - before) < 500 and abs(last.energyRepaired - before) < 500
        assert abs(potential_energy(run)) > 1e4


def test_integration_force_groups_as_a_set():
    """As with OpenMM's own integrators in Python."""
    integrator = make()
    integrator.setIntegrationForceGroups({0, 2})
    assert integrator.getIntegrationForceGroups() == 0b101


def test_energies_by_groups(name):
    """Groups add up to the whole after a jump."""
    run = simulate(in_groups(), make(steps=2), name)
    run.integrator.setIntegrationForceGroups(0b011)
    run.step(2)
    parts = [potential_energy(run, groups={k}) for k in range(3)]
    assert sum(parts) == pytest.approx(potential_energy(run), rel=1e-6)
    assert potential_energy(run, groups={0, 1}) == pytest.approx(parts[0] + parts[1], abs=1e-2)


def test_the_energy_before_a_jump_is_that_of_get_state(name):
    run = simulate(name=name)
    run.step(1)
    energy = potential_energy(run)
    run.step(1)
    assert run.integrator.getLastJump().energyBefore == pytest.approx(energy, abs=1e-3)


def test_kinetic_energy(name):
    """getState() and the integrator's own: that of the velocities, without a time offset."""
    run = simulate(name=name)
    run.step(1)
    masses = np.array([run.system.getParticleMass(i)._value for i in range(run.system.getNumParticles())])
    expected = 0.5 * (masses * (velocities(run) ** 2).sum(axis=1)).sum()
    # A LangevinMiddleIntegrator reports the energy of the velocities as they are.
    assert kinetic_energy(run) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-8])
def test_constraint_tolerance(name, tolerance):
    """Constraints hold to setConstraintTolerance() at the end of a jump."""
    molecule = vacuum()
    run = simulate(molecule, make(molecule, steps=3), name)
    run.integrator.setConstraintTolerance(tolerance)
    assert run.integrator.getConstraintTolerance() == tolerance
    assert run.integrator.getRelaxationIntegrator().getConstraintTolerance() == tolerance
    for _ in range(5):
        run.step(1)
        assert largest_constraint_error(run.system, positions(run)) <= 1.1 * tolerance
    assert run.integrator.getStatistics().accepted == 5


STATE_FLAGS = (
    "positions", "velocities", "forces", "energy", "parameters", "parameterDerivatives", "integratorParameters",
)  # fmt: skip


def test_get_state_with_every_flag(name):
    """Alone and together, wrapped or not, and the State makes the trip through XML."""
    molecule = vacuum()
    force = openmm.CustomBondForce("s * r")
    force.addGlobalParameter("s", 1)
    force.addEnergyParameterDerivative("s")
    force.addBond(0, 4)
    molecule.system.addForce(force)
    run = simulate(molecule, name=name)
    run.step(2)
    for flag in STATE_FLAGS:
        state = run.context.getState(**{flag: True})
        assert state.getStepCount() == 2 and state.getTime()._value == pytest.approx(2 * (LAG_TIME + 3 * STEP))
    state = run.context.getState(**dict.fromkeys(STATE_FLAGS, True), enforcePeriodicBox=True)
    x = state.getPositions(asNumpy=True)._value
    assert state.getEnergyParameterDerivatives()["s"] == pytest.approx(np.linalg.norm(x[0] - x[4]), rel=1e-5)
    again = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(state))
    assert np.array_equal(again.getPositions(asNumpy=True)._value, x)
    run.step(1)
    run.context.setState(again)
    assert run.integrator.getJumpNumber() == 2 and np.array_equal(positions(run), x)
    pickled = pickle.loads(pickle.dumps(state))
    assert np.array_equal(pickled.getPositions(asNumpy=True)._value, x)


# ---------------------------------------------------------------------------------------------------- changes mid-run


def test_set_positions_between_jumps(name):
    """The next jump starts from there: a molecule that was moved away stays there."""
    run = simulate(name=name)
    run.step(2)
    moved = positions(run) + 5.0  # nm
    run.context.setPositions(moved)
    energy = potential_energy(run)
    run.step(1)
    assert run.integrator.getLastJump().energyBefore == pytest.approx(energy, abs=1e-3)
    assert run.integrator.getLastJump().accepted
    assert np.abs(positions(run).mean(axis=0) - moved.mean(axis=0)).max() < 0.05


def test_velocities_between_jumps(name):
    """A jump draws new velocities; without one (a closed gate) those of the user go into the dynamics."""
    run = simulate(name=name)
    run.step(1)
    run.context.setVelocitiesToTemperature(300 * unit.kelvin, 1)
    run.integrator.setRelaxationSteps(0)
    run.step(1)
    drawn = velocities(run)
    run.context.setVelocitiesToTemperature(1000 * unit.kelvin, 1)
    kept = velocities(run)
    gate = run.integrator.getGateSettings()
    gate.maxEnergyIncrease = 1e-12
    run.integrator.setGateSettings(gate)
    change(run.integrator, policy=RepairSettings.Never)
    openmm.LocalEnergyMinimizer.minimize(run.context, 0.1)
    run.step(1)
    assert not run.integrator.getLastJump().accepted
    v = velocities(run)
    v -= v.mean(axis=0) - kept.mean(axis=0)  # the CMMotionRemover may have taken its turn
    assert np.abs(v - kept).max() < 0.2 * np.abs(drawn).max()


def test_parameters_between_jumps(name):
    """setParameter() acts at once on the energies of the gate and on the relaxation."""
    molecule = vacuum()
    force = openmm.CustomExternalForce("k * ((x - 0.1)^2 + y^2 + z^2)")
    force.addGlobalParameter("k", 0)
    for i in range(molecule.system.getNumParticles()):
        force.addParticle(i)
    molecule.system.addForce(force)
    run = simulate(molecule, name=name)
    run.step(1)
    run.context.setParameter("k", 10)
    energy = potential_energy(run)
    run.step(1)
    assert run.integrator.getLastJump().energyBefore == pytest.approx(energy, abs=1e-3)
    assert run.integrator.getLastJump().accepted and run.context.getParameter("k") == 10


def test_forces_changed_between_jumps(name):
    """updateParametersInContext() acts on the next jump."""
    molecule = vacuum()
    torsion = next(f for f in molecule.system.getForces() if isinstance(f, openmm.PeriodicTorsionForce))
    run = simulate(molecule, name=name)
    run.step(1)
    for i in range(torsion.getNumTorsions()):
        *atoms, phase, k = torsion.getTorsionParameters(i)
        torsion.setTorsionParameters(i, *atoms, phase, 2 * k)
    torsion.updateParametersInContext(run.context)
    energy = potential_energy(run)
    run.step(1)
    assert run.integrator.getLastJump().energyBefore == pytest.approx(energy, abs=1e-3)


def test_minimisation_before_and_after(name):
    """Simulation.minimizeEnergy() and LocalEnergyMinimizer work as ever, with a reporter too; jumps go on after."""
    seen = []

    class Watch(openmm.MinimizationReporter):
        def report(self, iteration, x, grad, args):
            seen.append(args["system energy"])
            return False

    run = simulate(Molecule(vacuum().topology, vacuum().system, vacuum().positions), name=name)
    start = potential_energy(run)
    run.minimizeEnergy(reporter=Watch())
    lowest = potential_energy(run)
    assert lowest < start and seen and run.currentStep == 0 and run.integrator.getStatistics().steps == 0
    run.step(5)
    assert run.integrator.getStatistics().accepted >= 4 and potential_energy(run) > lowest
    openmm.LocalEnergyMinimizer.minimize(run.context, 1.0, 0)
    assert potential_energy(run) < lowest + 20 and run.currentStep == 5
    run.step(1)
    assert run.currentStep == 6


@pytest.mark.parametrize("preserve", [True, False])
def test_reinitialize(name, preserve):
    """With preserveState the run goes on where it was, as with a LangevinMiddleIntegrator; without, it starts anew."""
    run = simulate(name=name)
    run.step(2)
    kept = positions(run), velocities(run), time_of(run)
    run.context.reinitialize(preserveState=preserve)
    if not preserve:
        assert run.context.getStepCount() == 0 and time_of(run) == 0
        run.context.setPositions(kept[0])
        run.step(1)
        assert run.context.getStepCount() == 1 and run.integrator.getLastJump().accepted
        return
    found = positions(run), velocities(run), time_of(run)
    assert all(np.array_equal(a, b) for a, b in zip(kept, found, strict=True))
    assert run.context.getStepCount() == run.integrator.getJumpNumber() == 2
    run.step(2)
    assert run.context.getStepCount() == run.integrator.getJumpNumber() == 4
    assert run.integrator.getStatistics().steps == 4


def test_reinitialize_reads_what_was_changed(name):
    """Forces that were added and settings that are read when a Context is made."""
    molecule = vacuum()
    run = simulate(molecule, open_gate(make(molecule)), name)
    run.step(1)
    bias = openmm.CustomExternalForce("100")
    bias.addParticle(0)
    run.system.addForce(bias)
    energy = potential_energy(run)
    gate = run.integrator.getGateSettings()
    gate.checkBonds, gate.minBondRatio, gate.maxBondRatio = True, 0.0, 0.1
    run.integrator.setGateSettings(gate)
    run.context.reinitialize(preserveState=True)
    assert potential_energy(run) == pytest.approx(energy + 100, abs=1e-2)
    run.step(1)
    assert run.integrator.getLastJump().getRejectionName() == "broken_bond"


def test_set_velocities_to_temperature(name):
    """Before the first jump, with a seed: the velocities that any Integrator gets."""
    run = simulate(name=name)
    run.context.setVelocitiesToTemperature(300 * unit.kelvin, 5)
    other = simulate(integrator=openmm.LangevinMiddleIntegrator(300, 1, STEP), name=name)
    other.context.setVelocitiesToTemperature(300 * unit.kelvin, 5)
    assert np.abs(velocities(run) - velocities(other)).max() < 1e-6


# ------------------------------------------------------------------------------------------- forces that move the state


def test_center_of_mass_motion_remover(name):
    """The velocities that a jump draws keep no motion of the whole once the relaxation has begun."""
    for frequency in (1, 3):
        molecule = vacuum()
        for i in reversed(range(molecule.system.getNumForces())):
            if isinstance(molecule.system.getForce(i), openmm.CMMotionRemover):
                molecule.system.removeForce(i)
        molecule.system.addForce(openmm.CMMotionRemover(frequency))
        relaxation = openmm.VerletIntegrator(0.001)  # which keeps momentum
        run = simulate(molecule, make(molecule, relaxation=relaxation, steps=4), name)
        masses = np.array([run.system.getParticleMass(i)._value for i in range(run.system.getNumParticles())])
        for _ in range(5):
            run.step(1)
            assert run.integrator.getLastJump().accepted
            momentum = masses @ velocities(run)
            assert np.abs(momentum).max() < 1e-2  # Da nm/ps; thermal: 19


def test_andersen_thermostat(name):
    """A thermostat among the Forces works on a relaxation without one of its own, and keeps its temperature."""
    molecule = vacuum()
    molecule.system.addForce(openmm.AndersenThermostat(TEMPERATURE, 50))
    run = simulate(molecule, make(molecule, relaxation=openmm.VerletIntegrator(0.002), steps=20), name)
    kinetic = []
    for _ in range(100):
        run.step(1)
        kinetic.append(kinetic_energy(run))
    expected = 0.5 * degrees_of_freedom(run.system) * BOLTZ * TEMPERATURE
    assert np.mean(kinetic) == pytest.approx(expected, rel=0.12)


# ------------------------------------------------------------------------------------------------- copies and ownership


def test_xml_of_system_integrator_and_state(tmp_path):
    """Saved together, they make the same Simulation in the next program: the same jumps."""
    molecule = vacuum()
    run = simulate(molecule, make(molecule, steps=0))
    run.step(2)
    files = {}
    state = run.context.getState(positions=True, velocities=True, integratorParameters=True)
    for key, item in (("system", molecule.system), ("integrator", run.integrator), ("state", state)):
        files[key] = openmm.XmlSerializer.serialize(item)
    run.step(1)
    system, integrator, state = (openmm.XmlSerializer.deserialize(files[k]) for k in ("system", "integrator", "state"))
    again = app.Simulation(molecule.topology, system, integrator, *platform("Reference"))
    again.context.setState(state)
    again.step(1)
    assert again.currentStep == 3 and np.array_equal(positions(again), positions(run))


def test_simulation_from_files(tmp_path):
    """app.Simulation takes the names of XML files of System, Integrator and State."""
    molecule = vacuum()
    run = simulate(molecule, make(molecule, steps=0))
    run.step(1)
    run.saveState(str(tmp_path / "state.xml"))
    for key, item in (("system", molecule.system), ("integrator", run.integrator)):
        (tmp_path / f"{key}.xml").write_text(openmm.XmlSerializer.serialize(item))
    run.step(1)
    found, properties = platform("Reference")
    names = [str(tmp_path / f"{key}.xml") for key in ("system", "integrator")]
    again = app.Simulation(molecule.topology, *names, found, properties or None, state=str(tmp_path / "state.xml"))
    again.step(1)
    assert np.array_equal(positions(again), positions(run))
    assert JumpIntegrator.cast(again.integrator).getStatistics().steps == 1


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_of_an_integrator_in_use(duplicate):
    """A copy belongs to no Context and makes the jumps that the original made from the start."""
    run = simulate()
    run.step(2)
    again = simulate(integrator=duplicate(run.integrator))
    again.step(2)
    assert again.integrator.getStatistics().steps == 2
    assert again.integrator.getRelaxationSteps() == run.integrator.getRelaxationSteps()


# ------------------------------------------------------------------------------------------------------------- threads


def test_simulations_in_threads():
    """Two Simulations of a platform whose dynamics are their own, in two threads, give what they give one by one."""

    def work(seed):
        molecule = vacuum()
        return simulate(molecule, make(molecule, seed=seed), "CPU")

    runs = [work(seed) for seed in (1, 2, 1, 2)]
    threads = [threading.Thread(target=run.step, args=(30,)) for run in runs[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run in runs[2:]:
        run.step(30)
    assert np.array_equal(positions(runs[0]), positions(runs[2]))
    assert np.array_equal(positions(runs[1]), positions(runs[3]))
    assert not np.array_equal(positions(runs[0]), positions(runs[1]))


def test_a_step_leaves_the_interpreter_to_others():
    """Another thread of Python counts while a step runs."""
    run = simulate(solvated_by_formula(), make(solvated_by_formula(), model=shipped()), "CPU")
    run.step(1)
    counts, running = [0], threading.Event()

    def count():
        running.set()
        while running.is_set():
            counts[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    running.wait()
    start = counts[0]
    run.integrator.step(20)
    during = counts[0] - start
    running.clear()
    thread.join()
    # Were the interpreter held, the other thread could count only while it changes hands, not for 20 jumps.
    assert during > 1000


# ------------------------------------------------------------------------------------------ inside a CompoundIntegrator


def compound(name, relaxation_steps=3):
    """MD and jumps in one Simulation, to be switched."""
    molecule = vacuum()
    jumps = make(molecule, steps=relaxation_steps)
    dynamics = openmm.LangevinMiddleIntegrator(TEMPERATURE, 1, STEP)
    dynamics.setRandomNumberSeed(SEED)  # OpenMM's Reference platform has one generator and refuses two seeds
    both = openmm.CompoundIntegrator()
    both.addIntegrator(dynamics)
    both.addIntegrator(jumps)
    return simulate(molecule, both, name), jumps


def test_inside_a_compound_integrator(name):
    """Jumps and MD in turns: times and step counts add up, checkpoints continue exactly."""
    run, jumps = compound(name)
    run.step(10)
    assert time_of(run) == pytest.approx(10 * STEP)
    run.integrator.setCurrentIntegrator(1)
    assert run.integrator.getStepSize()._value == pytest.approx(LAG_TIME + 3 * STEP)
    run.step(2)
    assert run.currentStep == 12 and time_of(run) == pytest.approx(16 * STEP + 2 * LAG_TIME)
    assert jumps.getStatistics().accepted == jumps.getJumpNumber() == 2
    assert kinetic_energy(run) > 0
    run.integrator.setCurrentIntegrator(0)
    run.step(5)
    assert run.currentStep == 17
    checkpoint, results = run.context.createCheckpoint(), []
    for _ in range(2):
        run.integrator.setCurrentIntegrator(1)
        run.step(2)
        run.integrator.setCurrentIntegrator(0)
        run.step(2)
        results.append((positions(run), velocities(run), time_of(run), jumps.getJumpNumber()))
        run.context.loadCheckpoint(checkpoint)
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))
    assert results[0][3] == 4 and jumps.getJumpNumber() == 2


def test_md_after_jumps_in_a_compound_integrator(name):
    """The dynamics notice that a jump moved the atoms: they start from forces of the new positions."""
    run, _ = compound(name, relaxation_steps=0)
    plain = simulate(integrator=openmm.VerletIntegrator(1e-6), name=name)
    both = openmm.CompoundIntegrator()
    both.addIntegrator(openmm.VerletIntegrator(1e-6))
    both.addIntegrator(make(steps=0))
    run = simulate(integrator=both, name=name)
    run.step(1)
    both.setCurrentIntegrator(1)
    run.step(3)
    both.setCurrentIntegrator(0)
    plain.context.setPositions(positions(run))
    plain.context.setVelocities(velocities(run))
    run.step(1)
    plain.step(1)
    forces = [r.context.getState(forces=True).getForces(asNumpy=True)._value for r in (run, plain)]
    assert np.abs(velocities(run) - velocities(plain)).max() < 1e-5
    assert np.abs(forces[0] - forces[1]).max() < 1e-3 * np.abs(forces[1]).max()


def test_copies_of_a_compound_integrator():
    """XML, deepcopy and clone keep the jumps inside."""
    _, _ = compound("Reference")
    run, jumps = compound("Reference")
    again = copy.deepcopy(run.integrator)
    inner = JumpIntegrator.cast(again.getIntegrator(1))
    assert inner.getRelaxationSteps() == 3 and inner.getModel().getBytes() == jumps.getModel().getBytes()
    made = simulate(integrator=again)
    again.setCurrentIntegrator(1)
    made.step(1)
    assert inner.getStatistics().accepted == 1


# ------------------------------------------------------------------------------------------------------ refusals of use


def test_one_integrator_one_context(name):
    """A second Context with the same integrator is refused, and the first goes on."""
    molecule = vacuum()
    run = simulate(molecule, name=name)
    raises_sentence("already bound", lambda: openmm.Context(molecule.system, run.integrator, *platform(name)))
    run.step(1)
    assert run.currentStep == 1


def test_a_step_without_positions(name):
    """The sentence OpenMM has for it."""
    molecule = vacuum()
    integrator = make(molecule)
    context = openmm.Context(molecule.system, integrator, *platform(name))
    raises_sentence("positions have not been set", lambda: integrator.step(1))
    context.setPositions(molecule.positions)
    integrator.step(1)
    assert context.getStepCount() == 1


def test_a_checkpoint_of_another_integrator(name):
    """A checkpoint of plain MD is no checkpoint of jumps: it is refused, and the Context goes on."""
    plain = simulate(integrator=openmm.LangevinMiddleIntegrator(TEMPERATURE, 1, STEP), name=name)
    plain.step(1)
    checkpoint = plain.context.createCheckpoint()
    run = simulate(name=name)
    raises_sentence("checkpoint", lambda: run.context.loadCheckpoint(checkpoint))
    run.context.setPositions(vacuum().positions)
    run.step(1)
    assert run.integrator.getJumpNumber() == 1


def test_a_state_of_another_integrator(name):
    """A State with the parameters of another integrator is refused in one sentence; without them it is loaded."""
    plain = simulate(integrator=openmm.LangevinMiddleIntegrator(TEMPERATURE, 1, STEP), name=name)
    plain.step(3)
    run = simulate(name=name)
    run.context.setState(plain.context.getState(positions=True, velocities=True))
    assert run.currentStep == 3 and np.array_equal(positions(run), positions(plain))
    run.step(1)
    state = plain.context.getState(positions=True, velocities=True, integratorParameters=True)
    raises_sentence("[Ii]ntegrator", lambda: run.context.setState(state))
    run.context.setPositions(vacuum().positions)
    run.step(1)
    assert run.integrator.getLastJump().accepted
