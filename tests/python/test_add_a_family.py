"""A family that lives in the tests alone is registered, trained, saved, loaded and jumps."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import openmm
import openmmjump as oj
import pytest
import torch
from openmm import unit
from openmmjump import families
from openmmjump.demo.runs import remove_safeguards
from openmmjump.families.pvb.stages import PvbStage
from openmmjump.modelfile import ModelFile
from openmmjump.network import load
from openmmjump.testsystems.alanine_dipeptide import build_molecule
from openmmjump.training.batches import make_atoms
from openmmjump.training.checkpoint import Checkpoints
from openmmjump.training.config import load as load_config
from openmmjump.training.config_schema import ConfigError, setting
from openmmjump.training.trainer import Trainer
from test_training_run import metrics
from training_cases import SMALL, write_config

PS = unit.picosecond


def make_config(folder, **changes):
    raw = copy.deepcopy(SMALL) | {"network": {"family": "toy"}, "sampler": {}}
    stage = {"kind": "toy", "iterations": 10, "batch": {"molecules": 8}, "learning_rate": 0.05}
    raw["log_every"] = 1
    raw["stages"] = [stage | {"schedule": {"kind": "constant", "warmup_iterations": 0}, "ema_decay": 0.0}]
    folder.mkdir(exist_ok=True)
    return load_config(write_config(folder, raw, **changes))


def expected(network, atoms, x0, noise, lag_time):
    """The next conformation by hand."""
    memory = math.exp(-lag_time / math.exp(network.log_time.item()))
    deviation = math.exp(network.log_spread.item()) * math.sqrt(1 - memory**2)
    parts = []
    for k in range(atoms.num_molecules):
        x = x0[atoms.molecule == k]
        parts.append(x.mean(0) + memory * (x - x.mean(0)))
    return torch.cat(parts) + deviation * noise


def test_it_trains_is_saved_loaded_and_jumps(toy, tmp_path):
    trainer = Trainer(make_config(tmp_path / "a"))
    before = {name: p.detach().clone() for name, p in trainer.network.named_parameters()}
    file = trainer.run()
    after = dict(trainer.network.named_parameters())
    assert before.keys() == after.keys() == {"log_time", "log_spread"}
    assert all(not torch.equal(before[name], after[name]) for name in before)
    losses = [entry["loss"] for entry in metrics(tmp_path / "a", "train")]
    assert losses[-1] < losses[0]

    stored = ModelFile.load(file)
    assert (stored.family, stored.lag_time, stored.metadata()["sampler"]) == ("toy", 100.0, {"type": "relaxation"})
    network = load(file, torch.float64)
    assert all(torch.equal(network.get_parameter(name), after[name].double()) for name in after)
    system = trainer.systems[0][0]
    atoms = make_atoms([system.molecule], torch.device("cpu")).repeat(2)
    x0 = torch.from_numpy(np.concatenate(system.frames[:2])).double()
    noise = torch.randn(network.draws(1), len(x0), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network.jump(atoms, x0, noise), expected(network, atoms, x0, noise[0], 100.0))
    network.lag_time = 3.0
    torch.testing.assert_close(network.jump(atoms, x0, noise), expected(network, atoms, x0, noise[0], 3.0))

    model = oj.JumpModel.load(str(file))
    assert (model.getFamily(), model.getName(), model.getNumParameters()) == ("toy", "small", 2)
    integrator, context, molecule = simulate(model)
    assert jump(integrator, context, molecule) > 1e-3


def simulate(model):
    """Raw jumps of alanine dipeptide: integrator, Context, molecule."""
    molecule = build_molecule()
    graph = oj.MolecularGraph.fromTopology(molecule.topology, model)
    integrator = oj.JumpIntegrator(model, graph, 300, 1, 0.002)
    integrator.setRandomNumberSeed(1)
    remove_safeguards(integrator)
    integrator.setRelaxationSteps(0)
    return integrator, openmm.Context(molecule.system, integrator, openmm.Platform.getPlatform("Reference")), molecule


def jump(integrator, context, molecule):
    """Jump from the molecule's positions; how far a heavy atom moves at most, nm."""
    context.setPositions(molecule.positions)
    integrator.step(1)
    assert integrator.getLastJump().accepted
    moved = context.getState(positions=True).getPositions(asNumpy=True)._value - molecule.positions
    assert np.isfinite(moved).all()
    return np.abs(moved[molecule.heavy_atoms]).max()


@pytest.fixture
def ranged(toy, tmp_path):
    """A model that jumps 0.001 to 1000 ps, whose atoms forget where they were in 10 ps."""
    file = ModelFile(
        name="toy-with-lags",
        family="toy",
        settings={},
        tensors={"log_time": np.log(np.float32(10)), "log_spread": np.log(np.float32(1e-3))},
        lag_time=100.0,
        lag_time_range=(0.001, 1000.0),
        temperature=300.0,
    )
    file.save(tmp_path / "lags.safetensors")
    return oj.JumpModel.load(tmp_path / "lags.safetensors")


def test_the_lag_time_can_be_chosen(ranged):
    assert (ranged.getShortestLagTime(), ranged.getLongestLagTime()) == (0.001 * PS, 1000 * PS)
    integrator, context, molecule = simulate(ranged)
    assert integrator.getLagTime() == integrator.getStepSize() == 100 * PS
    assert jump(integrator, context, molecule) > 0.1  # to the centre of the molecule
    integrator.setLagTime(1 * unit.femtosecond)
    assert integrator.getLagTime() == integrator.getStepSize() == 0.001 * PS
    time = context.getTime()
    assert jump(integrator, context, molecule) < 1e-3
    assert (context.getTime() - time) / PS == pytest.approx(0.001)
    assert copy.deepcopy(integrator).getLagTime() == 0.001 * PS
    for lag in (0, 0.0009, 1001, -1, math.nan):
        with pytest.raises(openmm.OpenMMException, match=r"'toy-with-lags' jumps 0.001 to 1000 ps, not"):
            integrator.setLagTime(lag)
    assert integrator.getLagTime() == 0.001 * PS


def test_models_of_one_lag_time_keep_it():
    integrator = simulate(oj.JumpModel.load("alanine-dipeptide"))[0]
    integrator.setLagTime(1 * unit.nanosecond)
    with pytest.raises(openmm.OpenMMException, match="the model 'alanine-dipeptide' jumps 1000 ps, not 500"):
        integrator.setLagTime(500)
    with pytest.raises(TypeError, match="lag time"):
        integrator.setLagTime(300 * unit.kelvin)
    assert integrator.getLagTime() == 1000 * PS


def test_a_resumed_run_goes_on_exactly(toy, tmp_path):
    cadence = {"checkpoint_iterations": 5, "keep_checkpoints": 9}
    Trainer(make_config(tmp_path / "whole", **cadence)).run()
    folder = tmp_path / "again"
    config = make_config(folder, **cadence)
    kept = Checkpoints(tmp_path / "whole" / "out").folder / "000000005.pt"
    target = Checkpoints(folder / "out").folder
    target.mkdir(parents=True)
    (target / kept.name).write_bytes(kept.read_bytes())
    Trainer(config).run()
    one, two = (Checkpoints(tmp_path / name / "out").latest()["network"] for name in ("whole", "again"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_configuration_of_it_is_checked(toy, tmp_path):
    with pytest.raises(ConfigError, match=r"stages\.0\.kind is toy, a stage of toy, but the network is of pvb"):
        make_config(tmp_path, network={})
    with pytest.raises(ConfigError, match=r"network\.heads is a setting of pvb, but the network is of toy"):
        make_config(tmp_path, network={"family": "toy", "heads": 2})


@dataclass(frozen=True, kw_only=True)
class DerivedStage(PvbStage):
    kind: Literal["derived"] = setting(help="derived: of another family than its base", tag=True)


def test_a_stage_may_derive_from_that_of_another_family(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(type(toy), "stages", lambda self: (DerivedStage,))
    config = make_config(tmp_path, stages=[{"kind": "derived", "iterations": 1}])
    assert (config.family, config.stages[0].kind) == ("toy", "derived")


def test_registering_twice_is_refused(toy):
    with pytest.raises(ValueError, match="There already is a family called 'toy'"):
        families.register(toy)
    assert families.find("toy") is toy


def test_an_unknown_family_is_one_sentence():
    with pytest.raises(ValueError, match="There is no family called 'other' in Python; there are pvb, unisim"):
        families.find("other")


def test_a_kind_of_stage_belongs_to_one_family():
    class Copy(type(families.find("pvb"))):
        name = "copy"

    with pytest.raises(ValueError, match="The family 'pvb' already has stages of kind dpo"):
        families.register(Copy())


def test_entry_points_bring_families(monkeypatch):
    class Brought(families.Family):
        name = "brought"

    class Entry:
        name = "sound"

        def load(self):
            return Brought()

    class Broken:
        name = "broken"

        def load(self):
            raise ImportError("no module\nnamed that")

    monkeypatch.setattr(families, "_failures", None)
    monkeypatch.setattr(
        families, "entry_points", lambda group: [Broken(), Entry()] if group == families.ENTRY_POINTS else []
    )
    try:
        assert families.find("brought").name == "brought"
        for _ in range(2):
            with pytest.raises(ValueError, match="the entry point 'broken' can't be loaded: no module named that"):
                families.find("other")
    finally:
        families.unregister("brought")


def test_a_family_without_a_network_is_refused(tmp_path):
    means = np.zeros((1, 2, 3))
    file = ModelFile(
        name="mixture",
        family="gaussian-mixture",
        settings={"num_atoms": 2, "components": 1, "memory": 0.5},
        tensors={"weights": np.ones(1), "means": means, "cholesky": np.eye(6)[None]},
        lag_time=1.0,
        temperature=300.0,
    )
    file.save(tmp_path / "mixture.safetensors")
    with pytest.raises(ValueError, match="There is no family called 'gaussian-mixture' in Python"):
        load(tmp_path / "mixture.safetensors")
