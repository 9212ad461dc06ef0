"""Whole training runs: the loss falls, a killed run goes on exactly, the model file works."""

import copy
import json
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
import torch
from openmmjump import JumpModel
from openmmjump.modelfile import ModelFile
from openmmjump.training.checkpoint import Checkpoints, read
from openmmjump.training.config import load
from openmmjump.training.config_schema import ConfigError
from openmmjump.training.export import export_checkpoint
from openmmjump.training.trainer import Interrupted, Trainer
from training_cases import SMALL, finish, start, write_config

INTERRUPTED = 77


def run(folder, raw=SMALL, overrides=(), resume=True, **changes):
    folder.mkdir(exist_ok=True)
    trainer = Trainer(load(write_config(folder, raw, **changes), overrides), resume)
    return trainer, trainer.run()


def fork(config, overrides=()):
    """Run in a process of its own, without the time that imports take."""
    process = multiprocessing.get_context("fork").Process(target=child, args=(config, overrides))
    process.start()
    return process


def child(config, overrides):
    try:
        Trainer(load(config, overrides)).run()
    except Interrupted:
        os._exit(INTERRUPTED)


def wait_until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.002)


def last(folder):
    return Checkpoints(folder / "out").latest()


def assert_same_state(one, two):
    """Two checkpoints agree bit for bit in all that determines how a run goes on."""
    assert [one[k] for k in ("stage", "iteration", "total", "skipped", "rate")] == [
        two[k] for k in ("stage", "iteration", "total", "skipped", "rate")
    ]
    for part in (lambda s: s["network"], lambda s: s["average"]["weights"]):
        assert part(one).keys() == part(two).keys()
        assert all(torch.equal(part(one)[k], part(two)[k]) for k in part(one))
    for k, state in one["optimizer"]["state"].items():
        assert all(torch.equal(value, two["optimizer"]["state"][k][name]) for name, value in state.items())


def metrics(folder, kind):
    lines = (folder / "out" / "metrics.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]


def test_a_run_learns_and_writes_a_model(tmp_path):
    raw = copy.deepcopy(SMALL)
    raw["stages"][0]["iterations"] = 150
    raw["validation"] |= {"jumps_every": 150, "jumps": 3, "replicas": 4}
    _, file = run(tmp_path / "a", raw)
    losses = [entry["loss"] for entry in metrics(tmp_path / "a", "train")]
    assert np.mean(losses[-5:]) < 0.5 * losses[0]
    checked = [entry["loss"] for entry in metrics(tmp_path / "a", "validation")]
    assert checked[-1] < checked[0]
    jumps = metrics(tmp_path / "a", "jumps")[0]
    assert {"valid", "bond_width_md"} <= jumps.keys() and 0.02 < jumps["bond_width_md"] < 0.04
    assert list((tmp_path / "a" / "out" / "tensorboard").iterdir())

    model = ModelFile.load(file)
    assert (model.name, model.lag_time, model.temperature) == ("small", 100.0, 300.0)
    assert model.time_grid == pytest.approx([(1 - (1 - k / 5) ** 2) ** 2 for k in range(6)])
    assert (6, 119) in model.vocabulary and len(model.vocabulary) == 6
    source = model.provenance["data"][0]
    assert source["frames"] == 2000 and len(source["files"]) == 3 and len(source["files"][0]["sha256"]) == 64
    assert str(tmp_path) not in json.dumps(model.provenance)


@pytest.mark.parametrize("head", ["endpoint", "scaled"])
def test_the_model_file_jumps(tmp_path, head):
    from openmmjump.families.pvb import PVB
    from openmmjump.network import Atoms

    trainer, file = run(
        tmp_path / "a",
        overrides=["stages.0.iterations=10", f"network.head={head}", "sampler.order=2", "sampler.step_noise=bridge"],
    )
    model = ModelFile.load(file)
    network = PVB(model.config, model.tensors)
    m = trainer.systems[0][0].molecule
    columns = [torch.from_numpy(a) for a in (m.atom_type, m.block_type, m.bonds.T.copy(), m.edge_mask)]
    atoms = Atoms(*columns, torch.zeros(m.size, dtype=torch.int64))
    noise = torch.randn(len(model.time_grid) - 1, m.size, 3, generator=torch.Generator().manual_seed(0))
    x0 = torch.from_numpy(np.array(trainer.systems[0][0].frames[0]))
    with torch.no_grad():
        states = network.jump(atoms, x0, noise, time_grid=model.time_grid, all_states=True)
        expected = trainer.network.jump(atoms, x0, noise, time_grid=model.time_grid, all_states=True)
    assert states.shape == (6, 10, 3) and torch.isfinite(states).all()
    assert torch.equal(states, expected)


def test_a_killed_run_goes_on_exactly(tmp_path):
    """kill -9 between checkpoints: what was lost is made again, bit for bit."""
    cadence = {"checkpoint_iterations": 10, "keep_checkpoints": 9}
    run(tmp_path / "whole", **cadence)
    (tmp_path / "killed").mkdir()
    config = write_config(tmp_path / "killed", SMALL, **cadence)
    process = fork(config)
    checkpoints = Checkpoints(tmp_path / "killed" / "out")
    wait_until(checkpoints.files)
    process.kill()
    process.join()
    assert checkpoints.files()
    Trainer(load(config)).run()
    for file in Checkpoints(tmp_path / "whole" / "out").files():
        assert_same_state(read(file), read(checkpoints.folder / file.name))
    one, two = (metrics(tmp_path / name, "validation") for name in ("whole", "killed"))
    assert one == two


def test_sigterm_saves_and_the_run_goes_on(tmp_path):
    longer = ["stages.0.iterations=150"]
    run(tmp_path / "whole", overrides=longer)
    (tmp_path / "stopped").mkdir()
    config = write_config(tmp_path / "stopped", SMALL)
    process = fork(config, longer)
    log = tmp_path / "stopped" / "out" / "metrics.jsonl"
    wait_until(lambda: log.exists() and log.read_text())
    process.terminate()
    process.join()
    assert process.exitcode == INTERRUPTED
    assert 0 < last(tmp_path / "stopped")["total"] < 150
    Trainer(load(config, longer)).run()
    assert_same_state(last(tmp_path / "whole"), last(tmp_path / "stopped"))


def test_stages_follow_each_other_and_resume_between_them(tmp_path):
    raw = copy.deepcopy(SMALL)
    stage = raw["stages"][0] | {"iterations": 12}
    raw["stages"] = [stage | {"kind": "pretrain"}, stage]
    whole, _ = run(tmp_path / "whole", raw, keep_checkpoints=30, checkpoint_iterations=6)
    kept = Checkpoints(tmp_path / "whole" / "out").files()
    assert [int(f.stem) for f in kept] == [6, 12, 18, 24]
    for file in kept[2:]:
        file.unlink()
    again, _ = run(tmp_path / "whole", raw, keep_checkpoints=30, checkpoint_iterations=6)
    assert again.pending is None
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name])


def early(every=5):
    """Two stages that may end early, validated often on few pairs, whose loss soon rises again."""
    raw = copy.deepcopy(SMALL)
    stage = raw["stages"][0] | {"iterations": 200, "early_stopping": {"validations": 2}, "learning_rate": 2e-2}
    raw["stages"] = [stage, stage | {"iterations": 11, "early_stopping": {"validations": 9}}]
    raw["validation"] |= {"every": every}
    return raw


def test_early_stopping_goes_on_with_the_best_weights(tmp_path, capsys):
    trainer, _ = run(tmp_path / "a", early(), keep_checkpoints=99, checkpoint_iterations=1)
    checked = metrics(tmp_path / "a", "validation")
    losses = [entry["loss"] for entry in checked]
    ended = next(k for k in range(2, len(losses)) if min(losses[: k - 1]) <= min(losses[k - 1 : k + 1]))
    end = checked[ended]["iteration"]
    assert end < 200 and trainer.total == end + 11  # the second stage goes to its last iteration
    assert [entry["iteration"] - end for entry in checked[ended + 1 :]] == [5, 10, 11]
    states = {int(file.stem): read(file) for file in Checkpoints(tmp_path / "a" / "out").files()}
    assert (states[end]["stage"], states[end]["iteration"], trainer.stage) == (1, 0, 2)
    for first, last, network in (
        (0, ended + 1, states[end]["network"]),
        (ended + 1, len(losses), trainer.network.state_dict()),
    ):
        best = checked[min(range(first, last), key=losses.__getitem__)]["iteration"]
        if best == trainer.total:  # the checkpoint there is of the end of the stage
            continue
        for name, tensor in states[best]["average"]["weights"].items():
            assert torch.equal(network[name], tensor), name
    said = capsys.readouterr().out
    assert "Stage 1 ends, because 2 validations brought nothing better, with the averaged weights of its" in said
    assert "Stage 2 ends, because it is at its last iteration, with the averaged weights of its iteration" in said


def test_early_stopping_survives_a_restart(tmp_path):
    """Also from the checkpoints of the last iterations before the stage ends."""
    cadence = {"keep_checkpoints": 99, "checkpoint_iterations": 1}
    whole, _ = run(tmp_path / "whole", early(), **cadence)
    files = Checkpoints(tmp_path / "whole" / "out").files()
    end = next(k for k, file in enumerate(files) if read(file)["stage"] == 1)
    for k in (end - 6, end - 3, end - 1, end):
        folder = tmp_path / str(k) / "out" / "checkpoints"
        folder.mkdir(parents=True)
        folder.joinpath(files[k].name).write_bytes(files[k].read_bytes())
        again, _ = run(tmp_path / str(k), early(), **cadence)
        assert again.total == whole.total
        assert_same_state(last(tmp_path / str(k)), last(tmp_path / "whole"))


def test_early_stopping_needs_validations(tmp_path):
    raw = early() | {"lag_time_ps": 4000}
    raw["validation"]["fraction"] = 0.3
    with pytest.raises(ConfigError, match=r"stages\.0\.early_stopping needs validations, but no pairs are held out"):
        run(tmp_path / "a", raw)


def test_a_finished_run_only_writes_its_model_again(tmp_path):
    _, file = run(tmp_path / "a")
    before = file.read_bytes()
    file.unlink()
    _, file = run(tmp_path / "a")
    assert ModelFile.from_bytes(before).tensors.keys() == ModelFile.load(file).tensors.keys()
    for name, tensor in ModelFile.from_bytes(before).tensors.items():
        assert torch.equal(tensor, ModelFile.load(file).tensors[name])


def test_another_configuration_is_refused(tmp_path):
    run(tmp_path / "a")
    with pytest.raises(ConfigError, match=r"another run: stages\.0\.learning_rate was 0\.002 and is now 1\.0"):
        run(tmp_path / "a", overrides=["stages.0.learning_rate=1"])
    run(tmp_path / "a", overrides=["stages.0.iterations=3"], resume=False)
    assert last(tmp_path / "a")["total"] == 3
    assert (tmp_path / "a" / "out" / "checkpoints-old-1").is_dir()


def test_export_of_a_checkpoint(tmp_path):
    _, file = run(tmp_path / "a", overrides=["stages.0.iterations=20"], checkpoint_iterations=10, keep_checkpoints=9)
    trained = ModelFile.load(file)
    file.unlink()
    assert export_checkpoint(tmp_path / "a" / "out") == file
    for name, tensor in ModelFile.load(file).tensors.items():
        assert torch.equal(tensor, trained.tensors[name])
    config = tmp_path / "a" / "config.yaml"
    short = ["stages.0.iterations=20"]
    assert (trained.guidance_schedule, JumpModel(str(file)).getGuidanceSchedule()) == ("rising", "rising")
    sampler = ["sampler.steps=30", "sampler.order=2", "sampler.step_noise=bridge", "sampler.guidance_schedule=falling"]
    finer = load(config, [*short, *sampler])
    again = ModelFile.load(export_checkpoint(tmp_path / "a" / "out", settings=finer))
    assert (len(again.time_grid), again.settings["order"], again.settings["step_noise"]) == (31, 2, "bridge")
    assert (again.guidance_schedule, JumpModel(str(file)).getGuidanceSchedule()) == ("falling", "falling")
    with pytest.raises(ConfigError, match=r"another run: network\.layers was 1 and is now 2"):
        export_checkpoint(tmp_path / "a" / "out", settings=load(config, [*short, "network.layers=2"]))
    early = export_checkpoint(Checkpoints(tmp_path / "a" / "out").files()[0], tmp_path / "early.safetensors")
    assert ModelFile.load(early).provenance["iterations"] == 10
    with pytest.raises(ConfigError, match="holds no checkpoint"):
        export_checkpoint(tmp_path)


@pytest.mark.slow
def test_the_command(tmp_path):
    """As a user starts it: train, stop, go on, export, and faults in one sentence."""
    config = write_config(tmp_path, SMALL)
    arguments = [str(config), "--set", "stages.0.iterations=2000"]
    process = start(arguments)
    for line in process.stdout:
        if "it/s" in line:
            process.send_signal(signal.SIGTERM)
            break
    assert "the same command goes on from there" in finish(process, expected=143)
    assert "Wrote" in finish(start([*arguments, "--export-only"]))
    assert "going on from iteration" in finish(start(arguments))
    assert finish(start([*arguments, "--set", "seed=x"]), expected=1).strip() == "seed must be a whole number, not 'x'."


def test_training_goes_on_from_a_model_file(tmp_path):
    first, file = run(tmp_path / "a", overrides=["stages.0.iterations=5"])
    second = Trainer(load(write_config(tmp_path, SMALL, start_from=str(file))))
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name])
    _, later = run(tmp_path / "b", overrides=[f"start_from={file}", "stages.0.iterations=2"])
    assert ModelFile.load(later).provenance["started_from"]["iterations"] == 5
    wide = write_config(tmp_path, SMALL, start_from=str(file), output=str(tmp_path / "wide"))
    with pytest.raises(ConfigError, match=r"start_from: small\.safetensors has another size of"):
        Trainer(load(wide, ["network.hidden_dim=32"]))


def test_damaged_checkpoints(tmp_path):
    run(tmp_path / "a", checkpoint_iterations=20)
    older, newest = Checkpoints(tmp_path / "a" / "out").files()
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.raises(ValueError, match="is not a readable checkpoint"):
        read(newest)
    assert last(tmp_path / "a")["total"] == 20
    older.write_bytes(b"")
    with pytest.raises(ValueError, match="is not a readable checkpoint"):
        last(tmp_path / "a")


def test_published_losses_train_too(tmp_path):
    """Learned encoder, drift and velocity heads, one t per batch, batches counted in atoms."""
    raw = copy.deepcopy(SMALL)
    raw["network"] |= {"head": "drift", "encoder": "learned"}
    raw["stages"] = [{"kind": kind, "iterations": 15, "batch": {"atoms": 45}} for kind in ("pretrain", "trajectory")]
    trainer, _ = run(tmp_path / "a", raw)
    assert trainer.skipped == 0
    entries = metrics(tmp_path / "a", "train")
    assert all(entry[name] > 0 for entry in entries for name in ("kl", "velocity", "drift"))
    expected = [0.8 * e["kl"] + e["velocity"] + e["drift"] for e in entries]
    assert [e["loss"] for e in entries] == pytest.approx(expected, rel=1e-4)
