"""setProposalFilter: a Python callable that vetoes proposals, what it sees, and what becomes of its exceptions."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import threading
import traceback
import weakref

import numpy as np
import openmm
import pytest
from openmm import app, unit
from openmmjump import JumpIntegrator, JumpModel, MolecularGraph, RepairSettings
from openmmjump.platforms import ONE_THREAD
from openmmjump.testsystems.alanine_dipeptide import build_molecule

MOLECULE = build_molecule()


def make(relaxation_steps=2):
    """A JumpIntegrator that repairs nothing, so that attempts can be counted."""
    model = JumpModel.load("alanine-dipeptide")
    graph = MolecularGraph.fromTopology(MOLECULE.topology, model)
    integrator = JumpIntegrator(model, graph, 300.0, openmm.VerletIntegrator(0.0005))
    integrator.setRandomNumberSeed(5)
    integrator.setRelaxationSteps(relaxation_steps)
    integrator.setMaxAttempts(4)
    integrator.setRepairSettings(RepairSettings(policy=RepairSettings.Never))
    gate = integrator.getGateSettings()
    for name in ("checkBonds", "checkClashes", "checkStereocenters", "checkStereoBonds", "checkEnergy"):
        setattr(gate, name, False)
    integrator.setGateSettings(gate)
    return integrator


@pytest.fixture(params=["Reference", "CPU"])
def run(request):
    """A Simulation with a fresh integrator and nothing that acts between steps."""
    system = copy.deepcopy(MOLECULE.system)
    for i in reversed(range(system.getNumForces())):
        if isinstance(system.getForce(i), openmm.CMMotionRemover):
            system.removeForce(i)
    platform = openmm.Platform.getPlatform(request.param)
    properties = ONE_THREAD if request.param == "CPU" else {}
    made = app.Simulation(MOLECULE.topology, system, make(), platform, properties)
    made.context.setPositions(MOLECULE.positions)
    made.context.applyConstraints(1e-6)
    made.context.setVelocitiesToTemperature(300, 3)
    return made


def positions(context):
    return context.getState(positions=True).getPositions(asNumpy=True)._value


def velocities(context):
    return context.getState(velocities=True).getVelocities(asNumpy=True)._value


def test_vetoes_are_counted_and_the_next_proposal_is_drawn(run):
    seen = []

    def third_time_lucky(context):
        seen.append(positions(context))
        return len(seen) > 2

    run.integrator.setRelaxationSteps(0)
    run.integrator.setProposalFilter(third_time_lucky)
    run.step(1)
    record = run.integrator.getLastJump()
    assert record.accepted and record.attempts == 3 and record.getRejectionName() == "veto"
    assert record.getRejectionsByReason()["veto"] == 2 == sum(record.getRejectionsByReason().values())
    assert not np.array_equal(seen[0], seen[1]) and np.array_equal(seen[2], positions(run.context))
    run.step(1)
    assert run.integrator.getLastJump().attempts == 1
    assert run.integrator.getStatistics().getRejectionsByReason()["veto"] == 2


def test_a_step_whose_proposals_are_all_vetoed_changes_nothing(run):
    run.integrator.setRelaxationSteps(0)
    before = positions(run.context), velocities(run.context)
    run.integrator.setProposalFilter(lambda context: False)
    run.step(2)
    assert run.integrator.getStatistics().accepted == 0
    assert run.integrator.getStatistics().getRejectionsByReason()["veto"] == 8
    assert np.array_equal(positions(run.context), before[0]) and np.array_equal(velocities(run.context), before[1])
    run.integrator.setProposalFilter(None)
    run.step(1)
    assert run.integrator.getLastJump().accepted


def test_what_the_filter_gets_is_a_context(run):
    answers = []

    def look(context):
        state = context.getState(positions=True, velocities=True, forces=True, energy=True)
        answers.append(
            (
                type(context),
                context.thisown,
                context.getPlatform().getName(),
                context.getSystem().getNumParticles(),
                state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole),
                state.getTime().value_in_unit(unit.picosecond),
                np.array_equal(velocities(context), before),
            )
        )
        return True

    before = velocities(run.context)
    run.integrator.setProposalFilter(look)
    run.step(1)
    kind, owned, platform, particles, energy, time, same = answers[0]
    assert kind is openmm.Context and not owned
    assert (platform, particles, time, same) == (run.context.getPlatform().getName(), 22, 0.0, True)
    assert energy == pytest.approx(run.integrator.getLastJump().energyProposal, abs=1e-3)
    assert len(answers) == 1
    positions(run.context)  # the Context lives on


@pytest.mark.parametrize("answer", [True, 1, "yes", np.True_, [0], False, 0, "", None, np.False_, []])
def test_what_is_not_a_bool_counts_by_its_truth(run, answer):
    run.integrator.setProposalFilter(lambda context: answer)
    run.step(1)
    assert run.integrator.getLastJump().accepted is bool(answer)


class Mistake(Exception):
    pass


@pytest.mark.parametrize(
    "error", [Mistake("no idea"), KeyboardInterrupt(), SystemExit(3), ValueError("\udcff"), KeyError()]
)
def test_exceptions_leave_the_step_as_they_are(run, error):
    run.step(1)
    state = positions(run.context), velocities(run.context), run.context.getTime(), run.context.getStepCount()

    def fail(context):
        raise error

    run.integrator.setProposalFilter(fail)
    with pytest.raises(type(error)) as caught:
        run.integrator.step(3)
    assert caught.value is error
    assert "fail" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert np.array_equal(positions(run.context), state[0]) and np.array_equal(velocities(run.context), state[1])
    assert (run.context.getTime(), run.context.getStepCount()) == state[2:]
    assert run.integrator.getStatistics().steps == 1
    run.integrator.setProposalFilter(None)
    run.step(1)
    assert run.integrator.getStatistics().accepted == 2


def test_an_answer_without_truth_is_an_error(run):
    run.integrator.setProposalFilter(lambda context: np.array([True, False]))
    with pytest.raises(ValueError, match="truth value"):
        run.step(1)
    run.integrator.setProposalFilter(lambda: True)  # takes no Context
    with pytest.raises(TypeError, match="argument"):
        run.step(1)


def test_openmm_errors_stay_what_they_are(run):
    run.integrator.setProposalFilter(lambda context: context.getParameter("nonsense"))
    with pytest.raises(openmm.OpenMMException, match="nonsense"):
        run.step(1)


@pytest.mark.parametrize("wrong", [3, "veto", True, [print]])
def test_only_callables_are_filters(wrong):
    integrator = make()
    with pytest.raises(TypeError, match="the proposal filter must be callable or None, not") as caught:
        integrator.setProposalFilter(wrong)
    assert "\n" not in str(caught.value)
    assert integrator.getProposalFilter() is None


class Filter:
    """Callable, and can be watched."""

    def __init__(self):
        self.calls = 0

    def __call__(self, context):
        self.calls += 1
        return True


def test_the_integrator_keeps_its_filter_alive_and_no_longer(run):
    mine = Filter()
    watched, count = weakref.ref(mine), sys.getrefcount(mine)
    run.integrator.setProposalFilter(mine)
    assert sys.getrefcount(mine) == count + 1
    for _ in range(3):
        assert run.integrator.getProposalFilter() is mine
        run.step(1)
    assert mine.calls == 3
    found = sys.getrefcount(mine)  # outside of assert, which keeps what it compares
    assert found == count + 1
    run.integrator.setProposalFilter(None)
    assert run.integrator.getProposalFilter() is None
    found = sys.getrefcount(mine)
    assert found == count
    run.integrator.setProposalFilter(mine)
    del mine
    run.step(1)
    assert watched().calls == 4
    run.integrator.setProposalFilter(Filter())  # replaced
    assert watched() is None


def test_filters_go_with_the_integrator():
    integrator, mine = make(), Filter()
    watched = weakref.ref(mine)
    integrator.setProposalFilter(mine)
    del mine
    gc.collect()
    assert watched() is not None
    del integrator
    gc.collect()
    assert watched() is None


def test_nothing_leaks(run):
    """Contexts, answers and exceptions are given back."""

    def answer(context):
        contexts.append(weakref.ref(context))
        return token

    def fail(context):
        raise error

    contexts, token, error = [], object(), Mistake()
    counts = sys.getrefcount(token), sys.getrefcount(error)
    run.integrator.setProposalFilter(answer)
    run.step(5)
    run.integrator.setProposalFilter(fail)
    for _ in range(5):
        with pytest.raises(Mistake):
            run.step(1)
    run.integrator.setProposalFilter(None)
    error.__traceback__ = None
    gc.collect()
    assert len(contexts) == 5 and all(reference() is None for reference in contexts)
    assert (sys.getrefcount(token), sys.getrefcount(error)) == counts


def test_a_filter_may_remove_itself(run):
    def once(context):
        run.integrator.setProposalFilter(None)
        return False

    run.integrator.setProposalFilter(once)
    run.step(1)
    assert run.integrator.getLastJump().accepted and run.integrator.getLastJump().attempts == 2


def test_copies_come_without_the_filter(run):
    run.integrator.setProposalFilter(lambda context: False)
    for other in (copy.copy(run.integrator), copy.deepcopy(run.integrator), pickle.loads(pickle.dumps(run.integrator))):
        assert other.getProposalFilter() is None
    checkpoint = run.context.createCheckpoint()
    run.context.loadCheckpoint(checkpoint)
    assert run.integrator.getProposalFilter() is not None  # a checkpoint changes no settings
    run.step(1)
    assert not run.integrator.getLastJump().accepted


def test_a_filter_in_another_thread(run):
    """step() in a thread of its own: the callable runs there, with the GIL."""
    threads = []
    run.integrator.setProposalFilter(lambda context: threads.append(threading.current_thread().name) or True)
    worker = threading.Thread(target=run.step, args=(3,), name="worker")
    worker.start()
    while worker.is_alive():
        sum(range(1000))  # wants the GIL too
    worker.join()
    assert threads == ["worker"] * 3
