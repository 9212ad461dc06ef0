"""JumpIntegrator as a user of OpenMM meets it: units, ownership, Simulation, saving, seeds, errors.

Alanine dipeptide with the shipped model. What a jump does is tested in C++, on every platform (tests/platforms).
An OpenCL Context takes ten seconds to compile, so there is one for the file, which tests put back to where it started;
what needs several Contexts runs on the Reference and CPU platforms.
"""

from __future__ import annotations

import copy
import csv
import gc
import io
import math
import os
import pickle
import shutil
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import XmlSerializer, app, unit
from openmmjump import (
    GateSettings,
    GuidanceSettings,
    JumpIntegrator,
    JumpModel,
    MolecularGraph,
    RepairSettings,
    SamplerSettings,
    reporters,
)
from openmmjump.platforms import ONE_THREAD
from openmmjump.testsystems.alanine_dipeptide import build_molecule, equilibrate

EXAMPLES = Path(__file__).parents[2] / "examples"
OpenMMException = openmm.OpenMMException
KELVIN, PER_PS, PS = unit.kelvin, unit.picosecond**-1, unit.picosecond
TOLERANCE = unit.kilojoule_per_mole / unit.nanometer
TETHER = unit.kilojoules_per_mole / unit.nanometer**2
LAG = 1000.0  # ps, of the shipped model
SEED = 11


@cache
def model():
    return JumpModel.load("alanine-dipeptide")


@cache
def molecule():
    return equilibrate(build_molecule(), seed=1, picoseconds=1.0)


def graph():
    return MolecularGraph.fromTopology(molecule().topology, model())


def make(seed=SEED, steps=3, relaxation=None):
    """A JumpIntegrator with a short relaxation, to be quick."""
    if relaxation is None:
        integrator = JumpIntegrator(model(), graph(), 300.0, 1.0, 0.002)
    else:
        integrator = JumpIntegrator(model(), graph(), 300.0, relaxation)
    integrator.setRandomNumberSeed(seed)
    integrator.setRelaxationSteps(steps)
    return integrator


def platform(name):
    """The platform and its properties; skips where it is missing."""
    try:
        found = openmm.Platform.getPlatform(name)
    except OpenMMException:
        pytest.skip(f"OpenMM has no platform {name} here")
    return found, ONE_THREAD if name == "CPU" else {}


def simulate(name, integrator, system=None):
    found, properties = platform(name)
    made = app.Simulation(molecule().topology, system or molecule().system, integrator, found, properties)
    made.context.setPositions(molecule().positions)
    return made


def without_update():
    """The System without its CMMotionRemover, which takes its turn before a step whatever becomes of that."""
    system = copy.deepcopy(molecule().system)
    for i in reversed(range(system.getNumForces())):
        if isinstance(system.getForce(i), openmm.CMMotionRemover):
            system.removeForce(i)
    return system


def positions(run):
    return run.context.getState(positions=True).getPositions(asNumpy=True)._value


def velocities(run):
    return run.context.getState(velocities=True).getVelocities(asNumpy=True)._value


def raises_sentence(kind, words, action):
    """The error is of this kind, and its text a single line that says what is wrong."""
    with pytest.raises(kind, match=words) as caught:
        action()
    text = str(caught.value)
    assert "\n" not in text.strip() and "prototypes" not in text and "bad_cast" not in text


@pytest.fixture(params=["Reference", "CPU"])
def name(request):
    """A platform whose Contexts are made quickly."""
    return request.param


@pytest.fixture(scope="module", params=["Reference", "CPU", "OpenCL"])
def shared(request):
    """One Simulation for each platform."""
    simulation = simulate(request.param, make())
    simulation.context.setVelocitiesToTemperature(300, SEED)
    return request.param, simulation, simulation.context.createCheckpoint()


@pytest.fixture
def run(shared):
    """The shared Simulation of a platform, as if it had just been made."""
    _, simulation, start = shared
    simulation.reporters.clear()
    simulation.context.loadCheckpoint(start)
    integrator = simulation.integrator
    integrator.resetStatistics()
    integrator.setRelaxationSteps(3)
    integrator.setRepairSettings(RepairSettings())
    assert integrator.getJumpNumber() == 0 and simulation.currentStep == 0
    return simulation


# ------------------------------------------------------------------------------------------------------- constructor


@pytest.mark.parametrize(
    "numbers",
    [
        (300.0, 1.0, 0.004),
        (300, 1, np.float32(0.004)),
        (300 * unit.kelvin, 1 / unit.picosecond, 4 * unit.femtoseconds),
        (300 * unit.kelvin, 1.0, 4e-6 * unit.nanoseconds),
        (300 * unit.kelvin, 1000 / unit.nanosecond, 0.004 * unit.picoseconds),
    ],
)
def test_constructor_takes_numbers_and_quantities(numbers):
    integrator = JumpIntegrator(model(), graph(), *numbers)
    relaxation = integrator.getRelaxationIntegrator()
    assert isinstance(relaxation, openmm.LangevinMiddleIntegrator)
    assert integrator.getTemperature() == relaxation.getTemperature() == 300 * unit.kelvin
    assert relaxation.getFriction().value_in_unit(PER_PS) == pytest.approx(1)
    assert relaxation.getStepSize().value_in_unit(PS) == pytest.approx(0.004)


@pytest.mark.parametrize(
    ("kind", "words", "arguments"),
    [
        (TypeError, "temperature must be a number or a Quantity, not 'hot'", lambda m, g: (m, g, "hot", 1, 0.004)),
        (TypeError, "friction must be a number or a Quantity, not None", lambda m, g: (m, g, 300, None, 0.004)),
        (TypeError, "temperature .* not in nanometer", lambda m, g: (m, g, 300 * unit.nanometer, 1, 0.004)),
        (TypeError, "friction .* not in femtosecond", lambda m, g: (m, g, 300, 4 * unit.femtosecond, 1 / PS)),
        (TypeError, "model must be a JumpModel, not 'alanine", lambda m, g: ("alanine-dipeptide", g, 300, 1, 0.004)),
        (TypeError, "model must be a JumpModel", lambda m, g: (g, m, 300, 1, 0.004)),
        (TypeError, "graph must be a MolecularGraph, not None", lambda m, g: (m, None, 300, 1, 0.004)),
        (TypeError, "but 3 arguments were given", lambda m, g: (m, g, 300)),
        (TypeError, "relaxation must be an openmm.Integrator, not 1.0", lambda m, g: (m, g, 300, 1.0)),
        (TypeError, "relaxation must be an openmm.Integrator, not None", lambda m, g: (m, g, 300, None)),
        (OpenMMException, "temperature must be above 0 K", lambda m, g: (m, g, -1, 1, 0.004)),
        (OpenMMException, "temperature must be above 0 K", lambda m, g: (m, g, math.nan, 1, 0.004)),
        (OpenMMException, "Friction cannot be negative", lambda m, g: (m, g, 300, -1, 0.004)),
        (OpenMMException, "Step size cannot be negative", lambda m, g: (m, g, 300, 1, -0.004)),
    ],
)
def test_constructor_refuses_in_one_sentence(kind, words, arguments):
    raises_sentence(kind, words, lambda: JumpIntegrator(*arguments(model(), graph())))


@pytest.mark.parametrize(
    "relaxation",
    [
        lambda: openmm.LangevinMiddleIntegrator(300, 2, 0.001),
        lambda: openmm.VerletIntegrator(0.001),
        lambda: openmm.NoseHooverIntegrator(300, 10, 0.001),
        lambda: openmm.BrownianIntegrator(300, 100, 0.001),
    ],
)
def test_own_relaxation_integrator(relaxation):
    """It belongs to the JumpIntegrator, keeps its class, and works."""
    mine = relaxation()
    integrator = make(relaxation=mine)
    assert not mine.thisown
    found = integrator.getRelaxationIntegrator()
    assert type(found) is type(mine) and found.getStepSize() == 0.001 * unit.picosecond
    found.setStepSize(0.5 * unit.femtosecond)
    assert mine.getStepSize().value_in_unit(PS) == 0.0005
    raises_sentence(ValueError, "already owned", lambda taken=mine: JumpIntegrator(model(), graph(), 300, taken))
    del mine, found
    gc.collect()
    made = simulate("CPU", integrator)
    made.step(2)
    assert integrator.getStatistics().accepted == 2 and np.isfinite(positions(made)).all()


def test_what_failed_to_be_made_takes_nothing_over():
    """After an error in the constructor the relaxation integrator still belongs to the caller."""
    mine = openmm.VerletIntegrator(0.001)
    with pytest.raises(OpenMMException, match="above 0 K"):
        JumpIntegrator(model(), graph(), -1, mine)
    gc.collect()
    assert mine.thisown and mine.getStepSize() == 0.001 * unit.picosecond
    assert JumpIntegrator(model(), graph(), 300, mine).getStepSize() > 0 * PS


def test_references_may_be_dropped_in_any_order():
    """The model, the graph and the integrator may go while something of theirs is in use."""
    relaxation = make().getRelaxationIntegrator()
    their_model, their_graph, gate = make().getModel(), make().getMolecularGraph(), make().getGateSettings()
    gc.collect()
    assert relaxation.getFriction() == 1 / unit.picosecond
    assert their_model.getName() == "alanine-dipeptide" and their_graph.getNumAtoms() == 10 and gate.checkBonds

    own_model, own_graph = JumpModel.fromBytes(model().getBytes()), graph()
    integrator = JumpIntegrator(own_model, own_graph, 300, 1, 0.002)
    del own_model, own_graph
    gc.collect()
    context = simulate("CPU", integrator).context  # the Simulation is gone
    gc.collect()
    integrator.step(1)
    assert context.getStepCount() == 1
    del context
    gc.collect()
    raises_sentence(OpenMMException, "not bound to a context", lambda: integrator.step(1))


# ----------------------------------------------------------------------------------------------------------- settings


def test_getters_have_units():
    integrator = JumpIntegrator(model(), graph(), 300, 1, 0.004)
    for quantity, number, documented in (
        (integrator.getTemperature(), 300, unit.kelvin),
        (integrator.getLagTime(), LAG, unit.picosecond),
        (integrator.getStepSize(), LAG + 50 * 0.004, unit.picosecond),
        (integrator.getRelaxationFriction(), 20, PER_PS),
        (integrator.getModel().getLagTime(), LAG, unit.picosecond),
        (integrator.getModel().getTemperature(), 300, unit.kelvin),
    ):
        assert unit.is_quantity(quantity) and quantity.unit == documented
        assert quantity._value == pytest.approx(number)
    for plain, expected in (
        (integrator.getRelaxationSteps(), 50),
        (integrator.getMaxAttempts(), 10),
        (integrator.getRandomNumberSeed(), 0),
        (integrator.getJumpNumber(), 0),
        (integrator.getConstraintTolerance(), 1e-5),
    ):
        assert plain == expected and not unit.is_quantity(plain)
    repair, sampler = integrator.getRepairSettings(), integrator.getSamplerSettings()
    assert (repair.policy, repair.iterations) == (RepairSettings.WhenNeeded, 50)
    assert (repair.tolerance, repair.tetherStrength) == (100, 1000)
    assert sampler.useDoublePrecision is False and sampler.useCudaGraphs is False
    assert (sampler.timeGrid, sampler.threads) == ((), 0)
    grid = integrator.getTimeGrid()
    assert grid == model().getTimeGrid() and grid[0] == 0 and grid[-1] == 1 and list(grid) == sorted(set(grid))


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("Temperature", 310, 310 * unit.kelvin),
        ("Temperature", 310 * unit.kelvin, 310 * unit.kelvin),
        ("Temperature", np.float64(280), 280 * unit.kelvin),
        ("RelaxationFriction", 5, 5 * PER_PS),
        ("RelaxationFriction", 5000 / unit.nanosecond, 5 * PER_PS),
        ("RelaxationFriction", 0, 0 * PER_PS),
        ("RelaxationSteps", 0, 0),
        ("RelaxationSteps", np.int64(7), 7),
        ("MaxAttempts", 1, 1),
        ("RandomNumberSeed", -5, -5),
        ("ConstraintTolerance", 1e-6, 1e-6),
    ],
)
def test_setters_round_trip(setting, value, expected):
    integrator = make()
    getattr(integrator, f"set{setting}")(value)
    found = getattr(integrator, f"get{setting}")()
    if unit.is_quantity(expected):
        assert found.unit == expected.unit and found._value == pytest.approx(expected._value)
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("setting", "value", "kind", "words"),
    [
        ("Temperature", 0, OpenMMException, "temperature must be above 0 K"),
        ("Temperature", math.inf, OpenMMException, "temperature must be above 0 K"),
        ("Temperature", "warm", TypeError, "temperature must be a number or a Quantity, not 'warm'"),
        ("Temperature", 300 * unit.nanometer, TypeError, "temperature must be in kelvin .* not in nanometer"),
        ("RelaxationFriction", -1, OpenMMException, "friction of the relaxation cannot be negative"),
        ("RelaxationFriction", 1 * unit.picosecond, TypeError, "friction must be .* not in picosecond"),
        ("RelaxationSteps", -1, OpenMMException, "relaxation steps cannot be negative"),
        ("RelaxationSteps", 2.5, TypeError, "int"),
        ("MaxAttempts", 0, OpenMMException, "attempts must be at least 1"),
        ("StepSize", 0.004, OpenMMException, "cannot be set; set the step size of the relaxation integrator instead"),
    ],
)
def test_setters_refuse_in_one_sentence(setting, value, kind, words):
    """And leave the setting as it was."""
    integrator = make()
    before = getattr(integrator, f"get{setting}")()
    raises_sentence(kind, words, lambda: getattr(integrator, f"set{setting}")(value))
    assert getattr(integrator, f"get{setting}")() == before


def test_step_size_follows_lag_and_relaxation():
    integrator = make(steps=10)
    assert integrator.getStepSize().value_in_unit(PS) == LAG + 10 * 0.002
    integrator.getRelaxationIntegrator().setStepSize(4 * unit.femtosecond)
    assert integrator.getStepSize().value_in_unit(PS) == LAG + 10 * 0.004
    integrator.setStepSize(integrator.getStepSize())  # no change, no error


def test_temperature_and_seed_reach_the_relaxation():
    integrator = make()
    integrator.setTemperature(320 * unit.kelvin)
    integrator.setRandomNumberSeed(5)
    relaxation = integrator.getRelaxationIntegrator()
    assert relaxation.getTemperature() == 320 * unit.kelvin and relaxation.getRandomNumberSeed() == 5


# ------------------------------------------------------------------------------------------------------------ running


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
    assert np.array_equal(positions(runs[0]), positions(runs[2]))
    assert not np.array_equal(positions(runs[0]), positions(runs[1]))


# ------------------------------------------------------------------------------------------------------------- saving


def changed():
    """An integrator none of whose settings is the default."""
    integrator = JumpIntegrator(model(), graph(), 310, openmm.LangevinMiddleIntegrator(310, 2, 0.002))
    gate = GateSettings()
    gate.maxBondRatio, gate.clashRatio, gate.maxEnergyIncrease = 1.4, 0.55, 150
    gate.checkStereoBonds, gate.maxConstraintError = False, 2e-3
    sampler = SamplerSettings(timeGrid=np.linspace(0, 1, 16), useDoublePrecision=True, useCudaGraphs=True, threads=1)
    repair = RepairSettings(policy=RepairSettings.Never, iterations=20, tolerance=50, tetherStrength=300)
    guidance = GuidanceSettings(forceGroups={4}, strength=0.5, schedule=0, point=1, forceCap=900, steps=3)
    for setting, value in (
        ("RelaxationSteps", 2),
        ("RelaxationFriction", 30),
        ("MaxAttempts", 4),
        ("GateSettings", gate),
        ("RepairSettings", repair),
        ("GuidanceSettings", guidance),
        ("SamplerSettings", sampler),
        ("RandomNumberSeed", 99),
        ("ConstraintTolerance", 2e-6),
    ):
        getattr(integrator, f"set{setting}")(value)
    return integrator


def settings(integrator):
    """All settings of an integrator, to compare."""
    names = (
        "Temperature", "LagTime", "StepSize", "RelaxationSteps", "RelaxationFriction", "MaxAttempts",
        "GuidanceSettings", "RepairSettings", "SamplerSettings", "TimeGrid", "RandomNumberSeed", "ConstraintTolerance",
    )  # fmt: skip
    gate, relaxation = integrator.getGateSettings(), integrator.getRelaxationIntegrator()
    fields = [name for name in dir(GateSettings) if name.startswith(("check", "min", "max", "clash"))]
    assert len(fields) == 11
    return (
        {name: getattr(integrator, f"get{name}")() for name in names}
        | {name: getattr(gate, name) for name in fields}
        | {"relaxation": XmlSerializer.serialize(relaxation), "model": integrator.getModel().getBytes()}
        | {"graph": pickle.dumps(integrator.getMolecularGraph())}
    )


COPIES = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "XmlSerializer": lambda x: JumpIntegrator.cast(XmlSerializer.deserialize(XmlSerializer.serialize(x))),
    "XmlSerializer.clone": lambda x: JumpIntegrator.cast(XmlSerializer.clone(x)),
}


@pytest.mark.parametrize("how", COPIES)
def test_copies_are_complete(how):
    """The same settings, and the same jumps with the same seed, though the original is gone."""
    integrator = changed()
    expected = settings(integrator)
    first = simulate("CPU", integrator)
    first.step(1)  # a Context and a past are not copied
    other = COPIES[how](integrator)
    gc.collect()
    assert settings(other) == expected
    assert other.getJumpNumber() == 0 and other.getStatistics().steps == 0
    result = positions(first)
    del first, integrator
    gc.collect()
    again = simulate("CPU", other)
    again.step(1)
    assert other.getStatistics().steps == 1 and np.array_equal(positions(again), result)


@pytest.mark.parametrize("how", ["pickle", "copy", "deepcopy"])
def test_copies_of_graph_and_model(how):
    """A graph is also part of its integrator's XML; openmm.XmlSerializer by itself knows OpenMM's classes only."""
    original = graph()
    other = COPIES[how](original)
    assert pickle.dumps(other) == pickle.dumps(original)
    other.addAtom(500, 6)
    assert (other.getNumAtoms(), original.getNumAtoms()) == (11, 10)
    with pytest.raises(ValueError, match="Unsupported object type"):
        XmlSerializer.serialize(original)
    assert COPIES[how](model()).getBytes() == model().getBytes()


def test_xml_of_something_else():
    raises_sentence(OpenMMException, "not a JumpIntegrator", lambda: JumpIntegrator.cast(openmm.VerletIntegrator(1)))
    xml = XmlSerializer.serialize(openmm.VerletIntegrator(1))
    raises_sentence(OpenMMException, "not a JumpIntegrator", lambda: JumpIntegrator._deserialize(xml))
    with pytest.raises(OpenMMException):
        XmlSerializer.deserialize(XmlSerializer.serialize(make()).replace('temperature="300"', 'temperature="-1"', 1))


def test_a_jump_integrator_is_told_from_a_compound_integrator():
    compound = openmm.CompoundIntegrator()
    compound.addIntegrator(openmm.LangevinMiddleIntegrator(300, 1, 0.002))
    integrator = make()
    assert not JumpIntegrator.isinstance(compound) and JumpIntegrator.isinstance(integrator)
    assert isinstance(integrator, openmm.CompoundIntegrator) and not isinstance(compound, JumpIntegrator)
    raises_sentence(OpenMMException, "not a JumpIntegrator", lambda: JumpIntegrator.cast(compound))
    assert JumpIntegrator.cast(integrator) is integrator
    assert not JumpIntegrator.isinstance(XmlSerializer.clone(compound))
    clone = XmlSerializer.clone(integrator)  # OpenMM knows the base class only
    assert type(clone) is openmm.CompoundIntegrator and JumpIntegrator.isinstance(clone)
    made = simulate("CPU", clone)
    made.step(1)  # a jump all the same
    assert JumpIntegrator.cast(made.integrator).getStatistics().steps == 1
    assert made.context.getTime().value_in_unit(PS) == pytest.approx(LAG + 3 * 0.002)


def test_checkpoints_continue_exactly(run, tmp_path):
    """Bit for bit on every platform: positions, velocities, time, noise of jumps and of the relaxation."""
    run.step(2)
    run.saveCheckpoint(str(tmp_path / "at2.chk"))
    results = []
    for _ in range(2):
        run.step(2)
        results.append((positions(run), velocities(run), run.context.getTime(), run.integrator.getJumpNumber()))
        run.loadCheckpoint(str(tmp_path / "at2.chk"))
        assert run.integrator.getJumpNumber() == run.currentStep == 2
    for first, second in zip(*results, strict=True):
        assert np.array_equal(first, second)
    assert results[0][3] == 4


def test_a_state_loaded_again_takes_new_noise(run, tmp_path):
    """In a Context that has gone on from it, a State is where another replica begins: it must not repeat the first."""
    run.step(2)
    run.saveState(str(tmp_path / "at2.xml"))
    start = positions(run)
    run.step(1)
    first = positions(run)
    run.loadState(str(tmp_path / "at2.xml"))
    assert run.integrator.getJumpNumber() == run.currentStep == 2
    assert np.abs(positions(run) - start).max() < 1e-6  # nm
    run.step(1)
    assert np.abs(positions(run) - first).max() > 1e-3
    # A checkpoint goes back to where it was made, noise included.
    run.loadState(str(tmp_path / "at2.xml"))
    run.saveCheckpoint(str(tmp_path / "again.chk"))
    run.step(1)
    second = positions(run)
    run.loadCheckpoint(str(tmp_path / "again.chk"))
    run.step(1)
    assert np.array_equal(positions(run), second)


def test_a_new_simulation_continues_from_a_file(name, tmp_path):
    """Checkpoint and State take the place of the new simulation's own seed."""
    first = simulate(name, make(steps=0))
    first.step(2)
    first.saveCheckpoint(str(tmp_path / "at2.chk"))
    first.saveState(str(tmp_path / "at2.xml"))
    first.step(1)
    for load, file in (("loadCheckpoint", "at2.chk"), ("loadState", "at2.xml")):
        second = simulate(name, make(seed=12345, steps=0))
        getattr(second, load)(str(tmp_path / file))
        second.step(1)
        assert second.currentStep == second.integrator.getJumpNumber() == 3
        assert np.array_equal(positions(second), positions(first))
        assert np.array_equal(velocities(second), velocities(first))


# ---------------------------------------------------------------------------------------------- seeds, models, graphs


def test_seeds(name):
    """Equal seeds give equal runs, other seeds other ones, and 0 is a new seed for every Context."""

    def result(seed):
        made = simulate(name, make(seed))
        made.step(2)
        return positions(made)

    assert np.array_equal(result(3), result(3))
    assert not np.array_equal(result(3), result(4))
    assert not np.array_equal(result(0), result(0))


def test_models_by_name_and_path(tmp_path):
    file = tmp_path / "mine.safetensors"
    file.write_bytes(model().getBytes())
    for where in (file, str(file)):
        assert JumpModel.load(where).getBytes() == model().getBytes()
    loaded = JumpModel(str(file))
    assert (loaded.getName(), loaded.getFamily(), loaded.getLengthScale()) == ("alanine-dipeptide", "pvb", 10)
    assert loaded.getNumParameters() > 1000 and '"alanine-dipeptide"' in loaded.getMetadata()
    assert loaded.knowsAtom(6, 5) and not loaded.knowsAtom(17, 16)
    raises_sentence(FileNotFoundError, "'nonsense'.* 'alanine-dipeptide'", lambda: JumpModel.load("nonsense"))
    raises_sentence(OpenMMException, "nonsense", lambda: JumpModel("nonsense"))


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "header", "directory"])
def test_broken_model_files_are_named(tmp_path, damage):
    whole = model().getBytes()
    file = tmp_path / "broken.safetensors"
    if damage == "directory":
        file.mkdir()
        raises_sentence(FileNotFoundError, r"broken\.safetensors", lambda: JumpModel.load(file))
        raises_sentence(OpenMMException, r"broken\.safetensors", lambda: JumpModel(str(file)))
        return
    content = {
        "empty": b"",
        "text": b"this is not a model file",
        "cut": whole[:-5],
        "header": whole[:8] + whole[8:200].replace(b'"', b"'") + whole[200:],
    }
    file.write_bytes(content[damage])
    raises_sentence(OpenMMException, r"broken\.safetensors", lambda: JumpModel.load(file))
    raises_sentence(OpenMMException, "thing", lambda: JumpModel.fromBytes(content[damage], "thing"))


def peptide(element="C", bonds=True):
    """Topology of three heavy atoms in a residue called ALA."""
    made = app.Topology()
    residue = made.addResidue("ALA", made.addChain())
    symbols = ("N", element, "C")
    atoms = [made.addAtom(s, app.Element.getBySymbol(s), residue) for s in symbols]
    if bonds:
        made.addBond(*atoms[:2])
        made.addBond(*atoms[1:])
    return made


def test_graphs_that_cannot_be_made():
    """One sentence naming the residue or the atom."""
    assert MolecularGraph.fromTopology(peptide(), model()).getNumBonds() == 2
    water = app.Topology()
    water.addAtom("O", app.Element.getBySymbol("O"), water.addResidue("HOH", water.addChain()))
    for topology, options, words in (
        (peptide("Cl"), {}, r"'alanine-dipeptide' was not trained for atom Cl of residue ALA 1.*\(Cl, block type"),
        (peptide(bonds=False), {}, "residue ALA .* has 3 atoms and no bonds"),
        (water, {}, "no heavy atom"),
        (peptide(), {"system": molecule().system}, "Topology has 3 atoms, but the System has 22 particles"),
        (peptide(), {"residues": [4]}, "There is no residue 4"),
        (peptide(), {"atoms": [0, 1]}, "which is not selected"),
    ):
        raises_sentence(ValueError, words, lambda t=topology, o=options: MolecularGraph.fromTopology(t, model(), **o))
    assert MolecularGraph.fromTopology(peptide("Cl")).getAtom(1).atomicNumber == 17  # without a model


def test_items_of_a_graph_outlive_it():
    """Atoms, bonds, stereocentres and riders are copies; so are neighbours and molecules."""
    atoms = [graph().getAtom(i) for i in range(10)]
    bonds = [graph().getBond(i) for i in range(9)]
    riders = [graph().getRidingAtom(i) for i in range(12)]
    center, neighbors = graph().getStereocenter(0), graph().getNeighbors(4)
    omega = graph().getStereoBond(1)
    gc.collect()
    junk = [graph() for _ in range(20)]  # overwrite what was freed
    heavy = [atom for atom in molecule().topology.atoms() if atom.element.symbol != "H"]
    assert [a.particle for a in atoms] == [a.index for a in heavy]
    assert [a.atomicNumber for a in atoms] == [a.element.atomic_number for a in heavy]
    assert not any(a.ligand for a in atoms) and {a.blockType for a in atoms} == {5, 6, 7, 119}
    assert all(0 <= b.atom1 < b.atom2 < 10 for b in bonds)
    assert sorted([*(r.particle for r in riders), *(a.particle for a in atoms)]) == list(range(22))
    names = {heavy[i].name for i in center.atoms}
    assert names == {"CA", "N", "C", "CB"} and heavy[center.atoms[0]].name == "CA" == heavy[4].name
    assert set(neighbors) == set(center.atoms[1:])
    assert [heavy[i].name for i in omega.atoms] == ["CA", "C", "N", "C"]
    assert junk[0].getMolecules() == (0,) * 10
    raises_sentence(OpenMMException, "no model atom 99", lambda: graph().getAtom(99))


def test_a_graph_of_another_system_is_refused(name):
    """When the Context is created, in one sentence; System and integrator can be used further."""
    integrator = make()
    small, massless, coupled = openmm.System(), copy.deepcopy(molecule().system), copy.deepcopy(molecule().system)
    for _ in range(5):
        small.addParticle(12)
    particle = integrator.getMolecularGraph().getAtom(0).particle
    for i in reversed(range(massless.getNumConstraints())):
        massless.removeConstraint(i)
    massless.setParticleMass(particle, 0)
    rider = integrator.getMolecularGraph().getRidingAtom(0)
    far = next(a for a in map(integrator.getMolecularGraph().getAtom, range(10)) if a.particle > 15)
    coupled.addConstraint(rider.particle, far.particle, 0.5)
    found, properties = platform(name)
    for system, words in ((small, "particle"), (massless, "mass"), (coupled, "constraint")):
        raises_sentence(OpenMMException, words, lambda s=system: openmm.Context(s, integrator, found, properties))
    made = simulate(name, integrator)
    made.step(1)
    assert integrator.getStatistics().steps == 1
    raises_sentence(OpenMMException, "already bound", lambda: simulate(name, integrator))


# ------------------------------------------------------------------------------------------------------------ physics


def signed_volume(x, quadruple):
    center, *others = x[list(quadruple)]
    return np.linalg.det(np.array(others) - center)


def test_sixty_jumps():
    """Handedness, constraints and energies hold; the totals are the sums over the steps."""
    integrator = make(steps=10)
    made = simulate("CPU", integrator)
    center = [integrator.getMolecularGraph().getAtom(i).particle for i in graph().getStereocenter(0).atoms]
    system = made.system
    pairs = [system.getConstraintParameters(i) for i in range(system.getNumConstraints())]
    lengths = np.array([length._value for *_, length in pairs])
    volume = signed_volume(positions(made), center)
    records, phi = [], []
    for _ in range(60):
        made.step(1)
        x = positions(made)
        assert np.sign(signed_volume(x, center)) == np.sign(volume)
        found = np.array([np.linalg.norm(x[i] - x[j]) for i, j, _ in pairs])
        assert np.abs(found / lengths - 1).max() < 1e-5
        state = made.context.getState(energy=True)
        assert math.isfinite(state.getPotentialEnergy()._value) and math.isfinite(state.getKineticEnergy()._value)
        records.append(integrator.getLastJump())
        phi.append(np.linalg.norm(x[center[1]] - x[0]))
    total = integrator.getStatistics()
    assert total.steps == 60 and total.accepted == sum(r.accepted for r in records) > 50
    assert total.attempts == sum(r.attempts for r in records)
    assert total.repaired == sum(r.repaired for r in records) <= total.accepted
    for cause, count in total.getRejectionsByReason().items():
        assert count == sum(r.getRejectionsByReason()[cause] for r in records)
    for record in records:  # each proposal is accepted or rejected; a repair is one more try
        rejected = sum(record.getRejectionsByReason().values())
        assert rejected + record.accepted - record.repaired <= record.attempts <= rejected + record.accepted
        assert record.accepted or rejected > 0
        assert (record.getRejectionName() == "none") == (rejected == 0)
    assert total.getRedrawFraction() == pytest.approx(
        sum(total.getRejectionsByReason().values()) / total.attempts, abs=0.1
    )
    assert np.std(phi) > 1e-3  # the molecule does move


@pytest.mark.parametrize(
    ("cause", "gate"),
    [
        ("broken_bond", {"minBondRatio": 0.0, "maxBondRatio": 0.1}),
        ("clash", {"checkBonds": False, "clashRatio": 50.0}),
        ("constraint", {"maxConstraintError": 1e-15}),
        ("energy", {"maxEnergyIncrease": 1e-12}),
    ],
)
def test_an_absurd_gate_rejects_everything(name, cause, gate):
    """Every proposal is counted by its cause, and without dynamics the state stays as it was, bit for bit."""
    integrator = make(steps=0)
    thresholds = GateSettings()
    for setting, value in gate.items():
        setattr(thresholds, setting, value)
    integrator.setGateSettings(thresholds)
    integrator.setMaxAttempts(2)
    integrator.setRepairSettings(RepairSettings(policy=RepairSettings.Never))
    made = simulate(name, integrator, without_update())
    if cause == "energy":
        openmm.LocalEnergyMinimizer.minimize(made.context, 0.1)
    made.context.setVelocitiesToTemperature(300, 1)
    kept = positions(made), velocities(made)
    made.step(2)
    statistics = integrator.getStatistics()
    assert (statistics.steps, statistics.accepted, statistics.attempts, statistics.repaired) == (2, 0, 4, 0)
    assert statistics.getRejectionsByReason() == dict.fromkeys(reporters.REASONS, 0) | {cause: 4}
    last = integrator.getLastJump()
    assert not last.accepted and last.getRejectionName() == cause and last.attempts == 2
    assert np.array_equal(positions(made), kept[0]) and np.array_equal(velocities(made), kept[1])
    assert made.context.getStepCount() == 2
    assert made.context.getTime().value_in_unit(PS) == pytest.approx(2 * LAG)


def test_repair_policies_by_name(run):
    """Always minimises a good proposal, Never does not."""
    for policy, repaired in ((RepairSettings.Never, 0), (RepairSettings.Always, 1)):
        run.integrator.setRepairSettings(RepairSettings(policy=policy))
        run.integrator.resetStatistics()
        run.step(1)
        last = run.integrator.getLastJump()
        assert run.integrator.getStatistics().repaired == repaired == last.repaired
        assert last.accepted and math.isfinite(last.energyRepaired)


# ------------------------------------------------------------------------------------------------------------ example


def test_the_example_runs(tmp_path):
    """The script of the README, with three jumps."""
    script = (EXAMPLES / "alanine_dipeptide.py").read_text()
    assert script.count("step(1000)") == 1
    (tmp_path / "example.py").write_text(script.replace("step(1000)", "step(3)"))
    shutil.copy(EXAMPLES / "alanine-dipeptide.pdb", tmp_path)
    environment = os.environ | {"OPENMM_DEFAULT_PLATFORM": "CPU", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 steps, ")
    frames = np.frombuffer((tmp_path / "out.dcd").read_bytes()[8:12], "<i4")[0]
    assert frames == 3
