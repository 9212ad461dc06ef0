"""Two processes do what one does: averaged gradients, equal weights, different pairs."""

import copy
import multiprocessing
import os
import shutil
import socket

import pytest
import torch
from openmmjump.families.unisim.batches import EnergyExample
from openmmjump.training.checkpoint import Checkpoints, read
from openmmjump.training.config import load
from openmmjump.training.trainer import Trainer
from training_cases import SMALL, finish, start, write_config
from unisim_training_cases import make_labels, make_raw


def work(rank, world, port, config, folder):
    """One process of a run; writes down its weights and the pairs it drew."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    trainer = Trainer(load(config))
    drawn = []
    keep(trainer, drawn)
    trainer.run()
    weights = {name: tensor.detach().clone() for name, tensor in trainer.network.state_dict().items()}
    torch.save({"weights": weights, "drawn": torch.tensor(drawn)}, folder / f"rank{rank}.pt")


def keep(trainer, drawn):
    """Note the first position of every molecule a trainer learns from: which pairs it drew."""
    iterate = trainer._iterate

    def watched(stage):
        example = trainer.collator.example

        def noting(*arguments):
            made = example(*arguments)
            drawn.extend((made.x if isinstance(made, EnergyExample) else made.x0)[::10, 0].tolist())
            return made

        trainer.collator.example = noting
        try:
            return iterate(stage)
        finally:
            trainer.collator.example = example

    trainer._iterate = watched


def run(folder, raw, world):
    """Train with several processes; return the last checkpoint but one and what each process wrote down.

    The last one has no optimizer any more, because its stage is over.
    """
    folder.mkdir(exist_ok=True)
    config = write_config(folder, raw)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=work, args=(rank, world, port, config, folder)) for rank in range(world)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * world
    state = read(Checkpoints(folder / "out").files()[-2])
    assert state["optimizer"]["state"]
    return state, [torch.load(folder / f"rank{rank}.pt") for rank in range(world)]


def assert_close(one, two):
    """Equal weights; equal moments in Adam, where a factor between the gradients would show."""
    for name, tensor in one["network"].items():
        assert torch.allclose(tensor, two["network"][name], rtol=0, atol=1e-8), name
    for k, state in one["optimizer"]["state"].items():
        for name, value in state.items():
            assert torch.allclose(value, two["optimizer"]["state"][k][name], rtol=1e-6, atol=1e-12), (k, name)


@pytest.mark.parametrize("molecules", [8, 7, 1])
def test_two_processes_equal_one(tmp_path, molecules):
    """In double precision. With 7 molecules one process has more atoms and counts for more; with 1 one has none."""
    raw = copy.deepcopy(SMALL) | {"checkpoint_iterations": 3, "keep_checkpoints": 9}
    raw["network"]["precision"] = "double"
    raw["stages"][0] |= {"iterations": 4, "clip_norm": 0}
    raw["stages"][0]["batch"]["molecules"] = molecules
    one, (alone,) = run(tmp_path / "one", raw, 1)
    two, ranks = run(tmp_path / "two", raw, 2)
    assert_close(one, two)
    for name, tensor in ranks[0]["weights"].items():
        assert torch.equal(tensor, ranks[1]["weights"][name])
    if molecules > 1:
        together = torch.cat([rank["drawn"] for rank in ranks])
        assert torch.equal(together.sort().values, alone["drawn"].sort().values)
        assert len(together.unique()) > len(ranks[0]["drawn"].unique())


def test_a_run_goes_on_with_another_number_of_processes(tmp_path):
    raw = copy.deepcopy(SMALL) | {"checkpoint_iterations": 1, "keep_checkpoints": 9}
    raw["network"]["precision"] = "double"
    raw["stages"][0]["iterations"] = 6
    one, _ = run(tmp_path / "one", raw, 1)
    shutil.copytree(tmp_path / "one" / "out", tmp_path / "two" / "out")
    for file in Checkpoints(tmp_path / "two" / "out").files()[3:]:
        file.unlink()
    two, _ = run(tmp_path / "two", raw, 2)
    assert_close(one, two)


def test_early_stopping_with_two_processes(tmp_path):
    """Only the first process validates; both stop, and go on with the same weights."""
    raw = copy.deepcopy(SMALL) | {"checkpoint_iterations": 1, "keep_checkpoints": 99}
    raw["network"]["precision"] = "double"
    raw["stages"][0] |= {"iterations": 30, "early_stopping": {"validations": 1}}
    raw["validation"] |= {"every": 1}
    one, (alone,) = run(tmp_path / "one", raw, 1)
    two, ranks = run(tmp_path / "two", raw, 2)
    assert one["total"] == two["total"] < 30
    assert_close(one, two)
    for name, tensor in alone["weights"].items():
        assert torch.equal(ranks[0]["weights"][name], ranks[1]["weights"][name])
        assert torch.allclose(ranks[0]["weights"][name], tensor, rtol=0, atol=1e-8), name


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    return make_labels(tmp_path_factory.mktemp("labels") / "ala.npz")


@pytest.mark.parametrize(("kind", "molecules"), [("energy", 7), ("field", 7), ("field", 1), ("guidance", 7)])
def test_two_processes_train_unisim_as_one(labels, tmp_path, kind, molecules):
    """In double precision, on subgraphs, so that the processes differ in atoms, in those of the ligand and in pairs."""
    raw = make_raw(labels, kind) | {"checkpoint_iterations": 3, "keep_checkpoints": 9}
    raw["network"]["precision"] = "double"
    raw["data"][0]["ligand"] = "resname NME"
    small = {"above_atoms": 10, "environment_A": 5, "gradient_A": 3}
    raw["stages"][0] |= {"iterations": 4, "clip_norm": 0, "batch": {"molecules": molecules}, "subgraphs": small}
    one, _ = run(tmp_path / "one", raw, 1)
    two, ranks = run(tmp_path / "two", raw, 2)
    assert_close(one, two)
    assert len(one["optimizer"]["state"]) == len(two["optimizer"]["state"]) > 0
    for name, tensor in ranks[0]["weights"].items():
        assert torch.equal(tensor, ranks[1]["weights"][name])


@pytest.mark.slow
def test_torchrun(tmp_path):
    """As a user starts it."""
    output = finish(start([str(write_config(tmp_path, SMALL))], processes=2))
    assert output.count("Wrote") == 1
    assert Checkpoints(tmp_path / "out").latest()["total"] == 40
