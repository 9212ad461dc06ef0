"""A JumpIntegrator in a Simulation: reporters, statistics, errors, threads.

An OpenCL Context takes ten seconds to compile, so there is one for a file, which tests put back to where it started;
what needs several Contexts runs on the Reference and CPU platforms. What a jump does is tested in C++, on every
platform (tests/platforms).
"""

from __future__ import annotations

import csv
import io
import math
import threading
from functools import cache

import numpy as np
import openmm
import pytest
from integrator_cases import (
    LAG,
    PS,
    make,
    molecule,
    positions,
    raises_sentence,
    simulate,
    velocities,
    without_update,
)
from openmm import OpenMMException, app
from openmmjump import (
    RepairSettings,
    reporters,
)


def test_simulation_and_reporters(run, tmp_path):
    """Steps are jumps: every reporter counts them, and time advances by getStepSize()."""
    log = io.StringIO()
    run.reporters += [
        app.StateDataReporter(log, 1, step=True, time=True, potentialEnergy=True, temperature=True, separator=";"),
        app.DCDReporter(str(tmp_path / "out.dcd"), 2),
        app.CheckpointReporter(str(tmp_path / "out.chk"), 4),
        reporters.JumpReporter(tmp_path / "jumps.csv", 2),
    ]
    run.step(3)
    run.step(1)
    run.reporters.pop().close()
    run.reporters.clear()
    step_size = LAG + 3 * 0.002
    state = run.context.getState(energy=True)
    assert state.getStepCount() == run.currentStep == run.integrator.getJumpNumber() == 4
    assert state.getTime().value_in_unit(PS) == pytest.approx(4 * step_size)
    assert math.isfinite(state.getPotentialEnergy()._value) and state.getKineticEnergy()._value > 0

    rows = [line.split(";") for line in log.getvalue().splitlines()[1:]]
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert [float(row[1]) for row in rows] == pytest.approx([k * step_size for k in range(1, 5)])
    assert np.isfinite([[float(x) for x in row] for row in rows]).all()

    header = (tmp_path / "out.dcd").read_bytes()[:88]
    frames, interval = np.frombuffer(header[8:12], "<i4")[0], np.frombuffer(header[44:48], "<f4")[0]
    assert header[4:8] == b"CORD" and frames == 2
    assert interval == pytest.approx(step_size * 1e-3 / 0.04888821 * 1e3)  # AKMA units

    with open(tmp_path / "jumps.csv", newline="") as file:
        jumps = list(csv.DictReader(file))
    total = run.integrator.getStatistics()
    assert [row["step"] for row in jumps] == ["2", "4"] and [row["jumps"] for row in jumps] == ["2", "2"]
    assert sum(int(row["accepted"]) for row in jumps) == total.accepted
    assert sum(int(row["attempts"]) for row in jumps) == total.attempts
    last = run.integrator.getLastJump()
    assert float(jumps[-1]["energy_before_kJ_mol"]) == pytest.approx(last.energyBefore, rel=1e-5)

    before = positions(run)
    run.step(1)
    run.loadCheckpoint(str(tmp_path / "out.chk"))
    assert run.currentStep == 4 and np.array_equal(positions(run), before)


def test_statistics_and_last_jump(run):
    """Both are copies; their names are those of the reporter; the table can be read."""
    integrator = run.integrator
    integrator.step(1)
    statistics, last = integrator.getStatistics(), integrator.getLastJump()
    energy = last.energyBefore
    integrator.step(2)
    assert statistics.steps == 1 and integrator.getStatistics().steps == 3
    assert last.energyBefore == energy and integrator.getLastJump().energyBefore != energy
    assert 1 <= last.attempts == statistics.attempts <= integrator.getMaxAttempts()
    assert last.getRejectionName() in ("none", *reporters.REASONS)

    names = integrator.getStatistics().asDict()
    counts = {"steps", "accepted", "attempts", "repaired", "repair_evaluations", "guidance_evaluations"}
    assert set(names) == counts | {"redraw_fraction", "rejections", "seconds"}
    assert tuple(names["rejections"]) == tuple(last.getRejectionsByReason()) == reporters.REASONS
    assert tuple(names["seconds"]) == tuple(last.getSecondsByStage()) == reporters.STAGES
    assert names["seconds"]["network"] > 0 and names["seconds"]["relaxation"] > 0
    table = str(integrator.getStatistics())
    assert table.startswith("3 steps, ") and all(word in table for word in (*reporters.REASONS, *reporters.STAGES))
    integrator.resetStatistics()
    assert integrator.getStatistics().steps == 0 and integrator.getJumpNumber() == 3


def test_a_bad_start_is_refused_and_the_context_stays_usable(run):
    good = positions(run)
    broken = good.copy()
    broken[5, 1] = math.nan
    run.context.setPositions(broken)
    raises_sentence(OpenMMException, "not finite|NaN|nan", lambda: run.step(1))
    assert run.context.getStepCount() == 0 and run.context.getTime() == 0 * PS
    assert run.integrator.getStatistics().steps == run.integrator.getJumpNumber() == 0
    run.context.setPositions(good)
    run.step(2)
    assert run.context.getStepCount() == 2 and np.isfinite(positions(run)).all()


def test_steps_other_than_a_number_of_jumps(run):
    before = positions(run)
    run.integrator.step(0)
    assert run.context.getStepCount() == 0 and np.array_equal(positions(run), before)
    raises_sentence(TypeError, "int", lambda: run.integrator.step(1.5))


def test_jumps_without_relaxation_are_the_same_everywhere(run):
    """The noise belongs to the seed, not to the platform: the first jump is the Reference platform's."""
    run.integrator.setRelaxationSteps(0)
    run.step(1)
    assert np.abs(positions(run) - _first_jump()).max() < 5e-5  # nm; single precision in OpenCL


@cache
def _first_jump():
    reference = simulate("Reference", make(steps=0))
    reference.step(1)
    return positions(reference)


@pytest.mark.skipif(not hasattr(openmm, "PythonForce"), reason="this OpenMM has no PythonForce")
def test_an_error_in_a_force_leaves_the_context_as_it_was(name):
    """A force written in Python gets the interpreter during a step, and its error ends the step that met it."""
    calls, failing = [], []

    def compute(state):
        calls.append(threading.current_thread())
        if failing and len(calls) >= failing[0]:
            raise RuntimeError("out of range")
        return 0.0, np.zeros((molecule().system.getNumParticles(), 3))

    system = without_update()
    system.addForce(openmm.PythonForce(compute))
    made = simulate(name, make(), system)
    made.step(1)
    assert made.integrator.getStatistics().accepted == 1
    for after in (1, 2, 4):  # the energy before the jump, that of the proposal, the relaxation
        kept = positions(made), velocities(made), made.context.getTime()
        failing.append(len(calls) + after)
        raises_sentence(OpenMMException, "out of range", lambda: made.step(1))
        failing.clear()
        assert np.array_equal(positions(made), kept[0]) and np.array_equal(velocities(made), kept[1])
        assert made.context.getTime() == kept[2] and made.context.getStepCount() == 1
    made.step(1)
    assert made.context.getStepCount() == made.integrator.getStatistics().steps == 2


def test_two_simulations_in_two_threads(name):
    """A step does not hold the interpreter, and simulations do not disturb each other.

    They relax without random numbers, for which OpenMM's Reference platform has one generator in each process.
    """
    runs = [simulate(name, make(seed, relaxation=openmm.VerletIntegrator(0.001))) for seed in (1, 2, 1)]
    threads = [threading.Thread(target=run.integrator.step, args=(3,)) for run in runs[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs[2].integrator.step(3)
    # The last bits of the network's sums may depend on how busy the machine is.
    assert np.abs(positions(runs[0]) - positions(runs[2])).max() < 1e-6
    assert np.abs(positions(runs[0]) - positions(runs[1])).max() > 1e-2


def test_repair_policies_by_name(run):
    """Always minimises a good proposal, Never does not."""
    for policy, repaired in ((RepairSettings.Never, 0), (RepairSettings.Always, 1)):
        run.integrator.setRepairSettings(RepairSettings(policy=policy))
        run.integrator.resetStatistics()
        run.step(1)
        last = run.integrator.getLastJump()
        assert run.integrator.getStatistics().repaired == repaired == last.repaired
        assert last.accepted and math.isfinite(last.energyRepaired)
