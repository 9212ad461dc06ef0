"""Copies, pickles, XML, checkpoints and States of a JumpIntegrator."""

from __future__ import annotations

import copy
import gc
import pickle

import numpy as np
import openmm
import pytest
from integrator_cases import (
    LAG,
    PS,
    graph,
    make,
    model,
    positions,
    raises_sentence,
    simulate,
    velocities,
)
from openmm import OpenMMException, XmlSerializer
from openmmjump import (
    GateSettings,
    GuidanceSettings,
    JumpIntegrator,
    RepairSettings,
    SamplerSettings,
)


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
