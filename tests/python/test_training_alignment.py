"""Energy-based alignment: losses on numbers, exact toys, label tables and their errors, whole runs."""

import math

import numpy as np
import pyarrow as pa
import pytest
import torch
from alignment_cases import ALIGN, alignment, labelled, write_table
from openmmjump.families.pvb import PVB
from openmmjump.families.pvb.align.batches import AlignExample, draw_align_items
from openmmjump.families.pvb.align.losses import (
    boltzmann_logits,
    dpo_loss,
    eba_loss,
    kabsch,
    model_logits,
    smooth_lddt_loss,
    structure_loss,
)
from openmmjump.families.pvb.align.objective import AlignObjective, conformation_losses, frozen, path_weight
from openmmjump.families.pvb.align.stages import AlignStage
from openmmjump.modelfile import ModelFile
from openmmjump.network import Atoms
from openmmjump.training.config import load
from openmmjump.training.config_schema import ConfigError, build
from openmmjump.training.settings import Times
from openmmjump.training.trainer import Trainer
from test_training_parallel import assert_close
from test_training_parallel import run as run_processes
from test_training_run import assert_same_state, last, metrics, run
from training_cases import SMALL, write_config

F64 = torch.float64


def tensor(*values):
    return torch.tensor(values, dtype=F64)


def stage(**settings):
    return build(AlignStage, ALIGN | {"beta_mol_kJ": 0.4} | settings)


# --------------------------------------------------------------------------------------------------- losses on numbers


def test_the_loss_by_hand():
    """Weights 2 : 1 : 1 of energies, probabilities 1/7, 2/7, 4/7 of losses."""
    target = boltzmann_logits(tensor(0, math.log(2), math.log(2)) / 0.4, 0.4)
    assert target.softmax(-1).tolist() == pytest.approx([0.5, 0.25, 0.25])
    model = model_logits(tensor(5, 4, 3), tensor(1, 1, 1), math.log(2))
    assert model.softmax(-1).tolist() == pytest.approx([1 / 7, 2 / 7, 4 / 7])
    expected = 0.5 * math.log(7) + 0.25 * math.log(7 / 2) + 0.25 * math.log(7 / 4)
    assert float(eba_loss(target, model)) == pytest.approx(expected)


def test_only_differences_of_energies_count():
    x = tensor(0, 3, -2)
    assert torch.allclose(boltzmann_logits(x + 1e7, 0.4), boltzmann_logits(x, 0.4), atol=1e-7)


def test_energies_are_divided_by_the_root_of_the_residues():
    x = tensor(0, 3, -2)
    assert torch.allclose(boltzmann_logits(x, 0.4, residues=9), boltzmann_logits(x / 3, 0.4))


def test_populations_are_taken_out():
    """A state with a ninth of the other's population and the same energy weighs nine times as much."""
    weights = boltzmann_logits(tensor(1, 1), 0.4, log_shares=torch.log(tensor(0.9, 0.1))).softmax(-1)
    assert weights.tolist() == pytest.approx([0.1, 0.9])


def test_dpo_by_hand():
    target, model = boltzmann_logits(tensor(3, 0), 0.5), model_logits(tensor(2, 1), tensor(1, 1.5), 4.0)
    margin = 0.5 * 4.0 * ((2 - 1) - (1 - 1.5))  # the second wins: its loss is lower by one, and the reference's higher
    assert float(dpo_loss(target, model)) == pytest.approx(math.log(1 + math.exp(-margin)))
    scaled = math.log(1 + math.exp(-0.5 * 3 * margin))
    assert float(dpo_loss(target, model, energy_scale=True)) == pytest.approx(scaled)


def test_eba_of_two_at_zero_temperature_is_dpo_with_twice_the_scale():
    losses = torch.randn(20, 2, dtype=F64, generator=torch.Generator().manual_seed(1))
    energies = torch.randn(20, 2, dtype=F64, generator=torch.Generator().manual_seed(2))
    cold = eba_loss(boltzmann_logits(energies, 1e6), model_logits(losses, None, 3.0))
    assert torch.allclose(cold, dpo_loss(boltzmann_logits(energies, 1.0), model_logits(losses, None, 6.0)))


@pytest.mark.parametrize("loss", [eba_loss, dpo_loss])
def test_the_lower_energy_becomes_more_probable(loss):
    losses = tensor(1, 1).requires_grad_()
    loss(boltzmann_logits(tensor(-2, 2), 0.4), model_logits(losses, None, 1.0)).backward()
    assert losses.grad[0] > 0 > losses.grad[1]  # the step goes against it: the loss of the lower energy falls


def test_the_loss_is_least_where_probabilities_are_weights():
    target = boltzmann_logits(tensor(0, 1, 5), 0.4)
    losses = (-target / 7).requires_grad_()
    eba_loss(target, model_logits(losses, None, 7.0)).backward()
    assert losses.grad.abs().max() < 1e-12


def test_structure_losses():
    x = torch.randn(2, 9, 3, dtype=F64, generator=torch.Generator().manual_seed(3)) * 3
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=F64, generator=torch.Generator().manual_seed(4)))[0]
    turn = turn * torch.det(turn)
    moved = x @ turn + 5
    assert torch.allclose(kabsch(moved, x), x)
    assert not torch.allclose(kabsch(x * tensor(1, 1, -1), x), x, atol=0.1)  # no mirror image
    perfect = 1 - np.mean([1 / (1 + math.exp(-threshold)) for threshold in (0.5, 1, 2, 4)])
    assert smooth_lddt_loss(moved, x).tolist() == pytest.approx([perfect] * 2)
    assert structure_loss(moved, x).tolist() == pytest.approx([4 * perfect] * 2)
    far = torch.tensor([[[0.0, 0, 0], [16.0, 0, 0], [0, 1, 0]]], dtype=F64)
    longer = far * tensor(1, 2, 1)  # the only pair within 15 A is 1 A too long; the others don't count
    expected = 1 - np.mean([1 / (1 + math.exp(1 - threshold)) for threshold in (0.5, 1, 2, 4)])
    assert float(smooth_lddt_loss(longer, far)) == pytest.approx(expected)


def test_path_weights_integrate_over_time():
    """Mean over drawn times of the weight times a function is its integral."""
    u = (torch.arange(20000, dtype=F64) + 0.5) / 20000
    t = (1 - (1 - u) ** 3) ** 2.5
    assert float((path_weight(t, Times(density="power(3, 2.5)")) * t**2).mean()) == pytest.approx(1 / 3, rel=1e-4)
    assert float(path_weight(u * 0.5, Times(maximum=0.5)).mean()) == pytest.approx(0.5)


# ------------------------------------------------------------------------------------------------- losses of a network

CHAIN = [[0, 1, 2, 3], [1, 2, 3, 4]]


def chain(copies):
    return Atoms([5, 5, 6, 5, 7], [5, 5, 6, 5, 7], torch.tensor(CHAIN)).repeat(copies)


def network(**config):
    sizes = {"hidden_dim": 16, "ffn_dim": 16, "rbf_dim": 8, "heads": 2, "layers": 1, "encoder_layers": 1}
    return PVB.initialize(sizes | config, 3).to(F64)


def example(groups=2, draws=3, size=3, seed=0, energies=None, **changes):
    g = torch.Generator().manual_seed(seed)
    line = torch.arange(5, dtype=F64)[:, None] * tensor(1.5, 0, 0)
    x0, x1 = (line + 0.3 * torch.randn(*n, 5, 3, dtype=F64, generator=g) for n in ((groups,), (groups, size)))
    t = torch.rand(groups, draws, dtype=F64, generator=g)
    noise = [torch.randn(groups, draws, 5, 3, dtype=F64, generator=g) for _ in range(3)]
    energies = torch.zeros(groups, size, dtype=F64) if energies is None else energies
    parts = {"x0": x0, "x1": x1, "t": t, "augmentation": 0.05 * noise[0]} | changes
    starts, ends = chain(groups * draws), chain(groups * draws * size)
    return AlignExample(starts, ends, *parts.values(), *noise[1:], energies, None, 1, None, 1.0)


@pytest.mark.parametrize("head", ["drift", "endpoint", "scaled"])
@pytest.mark.parametrize("encoder", ["learned", "fixed"])
def test_losses_are_those_of_ordinary_training(head, encoder):
    """One conformation at a time, the network's own bridge loss is the same number, but for the KL divergence."""
    net, e, settings = network(head=head, encoder=encoder), example(), stage(loss={"velocity": 0.7, "drift": 1.3})
    losses = conformation_losses(net, e, settings)
    for group in range(2):
        for k in range(3):
            parts = [
                net.bridge_loss(
                    chain(1), e.x0[group], e.x1[group, k], e.t[group, draw], e.encoder_noise[group, draw],
                    e.bridge_noise[group, draw], e.augmentation[group, draw],
                )
                for draw in range(3)
            ]  # fmt: skip
            expected = np.mean([1.3 * p["drift"].item() + 0.7 * p["velocity"].item() for p in parts])
            assert losses[group, k].item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("measure", ["bridge", "path", "structure"])
def test_equal_conformations_have_equal_losses(measure):
    """Noise and time are shared by the conformations of a mini-batch, and by the reference."""
    x1 = example().x1[:, :1].expand(2, 3, 5, 3).contiguous()
    net, settings = network(head="scaled"), stage(measure=measure)
    objective, e = AlignObjective(net, settings), example(x1=x1)
    losses = conformation_losses(net, e, settings)
    assert torch.allclose(losses, losses[:, :1].expand_as(losses), rtol=1e-10)
    assert torch.allclose(conformation_losses(objective.reference, e, settings), losses, rtol=1e-10)
    assert not torch.isclose(losses[0, 0], losses[1, 0])


def test_the_network_is_its_own_reference_at_first():
    """Without a difference from the reference all conformations are as probable: the loss is log K."""
    parts = AlignObjective(network(), stage())(example())
    assert parts["loss"].item() == pytest.approx(math.log(3)) and parts["fit"].item() == pytest.approx(0, abs=1e-12)


def test_the_reference_is_not_trained():
    net = network()
    objective = AlignObjective(net, stage())
    objective(example(energies=tensor([0, 1, 2], [3, 1, 0])))["loss"].backward()
    assert all(p.grad is None for p in objective.reference.parameters())
    assert all(not p.requires_grad for p in frozen(net).parameters()) and next(net.parameters()).grad is not None


def test_path_losses_are_the_divergence_of_paths():
    """|drift - (x1 - Yt)/(1 - t)|^2 / (2 sigma^2), summed over the molecule, from the drift that simulations use."""
    net, e = network(head="scaled", encoder="fixed", sigma=0.5), example(groups=1, draws=1, size=2)
    e.t[:] = 0.3
    y0 = e.x0 + e.augmentation[0] + math.sqrt(net.config["coord_prior_var"]) * e.encoder_noise[0]
    losses = conformation_losses(net, e, stage(measure="path"))
    for k in range(2):
        yt = y0 + 0.3 * (e.x1[0, k] - y0) + 0.5 * math.sqrt(0.21) * e.bridge_noise[0]
        drift = net.drift(chain(1), 0.3, y0[0], yt[0])
        expected = (drift - (e.x1[0, k] - yt[0]) / 0.7).square().sum() / (2 * 0.5**2)
        assert float(losses[0, k]) == pytest.approx(float(expected), rel=1e-6)


def test_two_conformations_reach_boltzmann_weights():
    """An exact toy: with two conformations, fixed times and noise, EBA ends where p is the Boltzmann weight, and DPO
    goes past it."""
    torch.manual_seed(5)
    energies = tensor([0.0, 2.0])
    e, results = example(groups=1, draws=2, size=2, energies=energies), {}
    for kind in ("eba", "dpo"):
        net = network(head="scaled", encoder="fixed")
        objective = AlignObjective(net, stage(kind=kind, conformations=2, T=20.0))
        optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
        for _ in range(100):
            optimizer.zero_grad()
            objective(e)["loss"].backward()
            optimizer.step()
        results[kind] = objective.logits(e)[1].softmax(-1)[0, 0].item()
    weight = 1 / (1 + math.exp(-0.4 * 2.0))
    assert results["eba"] == pytest.approx(weight, abs=1e-3)
    assert results["dpo"] > weight + 0.1


# --------------------------------------------------------------------------------------------------------- label tables


def test_a_table_is_read(tmp_path):
    raw = alignment(tmp_path)
    trainer = Trainer(load(write_config(tmp_path, raw)))
    (system,) = trainer.systems[0]
    assert system.residues == 1 and len(system.energies) == len(system.frames) == 60
    assert system.frames.shape == (60, 10, 3) and np.abs(system.frames.mean(1)).max() < 1e-5
    held = trainer.pair_sets(trainer.config.stages[0], held_out=True)[0]
    assert len(held.index) == 12  # every fifth


def test_rows_without_energy_are_left_out(tmp_path, caplog):
    raw = alignment(tmp_path)
    rows = [{"source": "frames.xtc", "frame": k, "final_energy_kJ_mol": float(k)} for k in range(8)]
    rows += [{"source": "frames.xtc", "frame": 8, "error": "broken"}]
    write_table(tmp_path / "labels.parquet", rows)
    trainer = Trainer(load(write_config(tmp_path, raw)))
    assert trainer.systems[0][0].energies.tolist() == list(range(8))
    assert "1 of 9 conformations have no final_energy_kJ_mol" in caplog.text


def test_another_column_of_energies_and_one_of_several_molecules(tmp_path):
    raw = alignment(tmp_path)
    rows = [
        {"molecule": m, "source": "frames.xtc", "frame": k, "initial_energy_kJ_mol": k + shift, "residues": 4}
        for m, shift in (("a", 0.0), ("b", 100.0))
        for k in range(7)
    ]
    write_table(tmp_path / "labels.parquet", rows)
    raw["data"][0] |= {"energy": "initial_energy_kJ_mol", "molecule": "b"}
    (system,) = Trainer(load(write_config(tmp_path, raw))).systems[0]
    assert system.energies.tolist() == [k + 100.0 for k in range(7)] and system.residues == 4


ROW = {"source": "frames.xtc", "frame": 0, "final_energy_kJ_mol": 1.0}


@pytest.mark.parametrize(
    ("rows", "changes", "sentence"),
    [
        ([ROW], {"labels": "none.parquet"}, "there is no file"),
        ([ROW], {"energy": "energy"}, "has no column 'energy'"),
        ([ROW], {"energy": "outcome"}, "the column 'outcome' holds no energies"),
        ([ROW], {"molecule": "x"}, "holds no 'x', but ala2"),
        ([ROW, ROW | {"molecule": "x"}], {}, r"data\.0\.molecule is missing: labels.parquet holds 2 molecules"),
        ([ROW | {"final_energy_kJ_mol": None}], {}, "holds no conformation with a final_energy_kJ_mol"),
        ([ROW | {"source": None}], {}, "row 0 of labels.parquet doesn't say in which file and frame"),
        ([ROW | {"source": "gone.xtc"}], {}, r"names .*gone.xtc, which is not there"),
        ([ROW | {"frame": 60}], {}, "frames.xtc has 60 frames, but the table names frame 60"),
        ([ROW, ROW | {"residues": 3}], {}, "different numbers of residues"),
        ([ROW | {"source": "other.npy"}], {}, "other.npy has 9 atoms, but the topology 10"),
        ([ROW | {"source": "labels.parquet"}], {}, "can't be read with this topology"),
        ([ROW] * 3, {}, "too few conformations for such mini-batches"),
    ],
)
def test_bad_tables(tmp_path, rows, changes, sentence):
    raw = alignment(tmp_path)
    np.save(tmp_path / "other.npy", np.zeros((2, 9, 3)))
    write_table(tmp_path / "labels.parquet", rows)
    raw["data"][0] |= changes
    with pytest.raises(ConfigError, match=sentence) as error:
        Trainer(load(write_config(tmp_path, raw))).run()
    assert len(error.value.faults) == 1


def test_what_is_no_table(tmp_path):
    raw = alignment(tmp_path)
    (tmp_path / "labels.parquet").write_text("name,energy\n")
    with pytest.raises(ConfigError, match="is not a Parquet table"):
        Trainer(load(write_config(tmp_path, raw)))
    write_table(tmp_path / "labels.parquet", [], pa.schema([("molecule", pa.string()), ("name", pa.string())]))
    with pytest.raises(ConfigError, match="has no column 'source'"):
        Trainer(load(write_config(tmp_path, raw)))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"kind": "dpo", "conformations": 3}, r"stages\.0\.conformations is 3, but dpo compares 2"),
        ({"energy_scale": True}, r"stages\.0\.energy_scale is a setting of dpo"),
        ({"retain": 1.0}, r"stages\.0\.retain needs data with trajectories"),
        ({"states": {"torsion": "psi", "borders_deg": [60, -60]}}, "at least two rising angles"),
        ({"on_policy": {"rounds": 4, "samples": 9, "force_field": ["x"]}}, "is 4, but must divide iterations"),
        ({"on_policy": {"rounds": 2, "samples": 9}}, "system or force_field must be given"),
        (
            {
                "on_policy": {"rounds": 2, "samples": 9, "force_field": ["x"], "refresh_reference": False},
                "states": {"torsion": "psi", "borders_deg": [-60, 60]},
            },
            "states need on_policy.refresh_reference",
        ),
        ({"on_policy": {"rounds": 2, "samples": 9, "force_field": ["x"]}}, "on-policy, the model makes its own"),
    ],
)
def test_settings_that_can_not_be(tmp_path, settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load(write_config(tmp_path, alignment(tmp_path, **settings)))


def test_data_that_can_not_be_aligned(tmp_path):
    raw = alignment(tmp_path)
    raw["data"][0]["labels"] = None
    with pytest.raises(ConfigError, match="which has neither labels nor trajectories"):
        load(write_config(tmp_path, raw))
    raw = alignment(tmp_path)
    raw["temperature_K"] = None
    with pytest.raises(ConfigError, match="beta_mol_kJ is missing"):
        load(write_config(tmp_path, raw))


# ------------------------------------------------------------------------------------------------------- mini-batches


def trainer_of(folder, **settings):
    trainer = Trainer(load(write_config(folder, alignment(folder, **settings))))
    trainer._begin_stage(0, trainer.config.stages[0])
    return trainer


@pytest.mark.parametrize("start", ["random", "anchor"])
def test_conformations_are_drawn_without_replacement(tmp_path, start):
    trainer = trainer_of(tmp_path, start=start, conformations=5, mini_batches=40)
    items = draw_align_items(trainer.config.stages[0], trainer.sets, np.random.default_rng(1))
    assert items.members.shape == (40, 5) and all(len(set(row)) == 5 for row in items.members.tolist())
    held = set(trainer.pair_sets(trainer.config.stages[0], held_out=True)[0].index.tolist())
    assert not held & set(items.members.ravel().tolist())
    inside = [int(first) in row for first, row in zip(items.start, items.members.tolist(), strict=True)]
    assert all(inside) if start == "anchor" else not any(inside)


def test_populations_of_states(tmp_path):
    trainer = trainer_of(tmp_path, states={"torsion": "psi", "borders_deg": [-120, 60]})
    pairs, shares = trainer.sets[0], trainer.collator.log_shares[0]
    values, counts = np.unique(np.exp(shares[pairs.index]).round(9), return_counts=True)
    assert len(values) == 2 and values.sum() == pytest.approx(1)
    assert values == pytest.approx(counts / len(pairs.index))


# --------------------------------------------------------------------------------------------------------- whole runs


def test_an_alignment_learns_the_weights(tmp_path):
    """Whole run on MD frames with made-up energies: the divergence from the Boltzmann weights falls."""
    raw = alignment(tmp_path, iterations=60, T=5.0, mini_batches=4, draws=4, learning_rate=3e-3)
    raw["validation"] |= {"every": 30, "batches": 4}
    _, file = run(tmp_path / "a", raw, log_every=10)
    fits = [entry["fit"] for entry in metrics(tmp_path / "a", "train")]
    assert fits[-1] < 0.7 * fits[0]
    assert {"alignment", "order", "fit"} <= metrics(tmp_path / "a", "validation")[0].keys()
    provenance = ModelFile.load(file).provenance
    assert str(tmp_path) not in str(provenance) and provenance["data"][0]["frames"] == 60


@pytest.mark.parametrize(
    "settings", [{}, {"kind": "dpo", "energy_scale": True}, {"retain": 0.5, "batch": {"molecules": 4}}]
)
def test_a_resumed_alignment_is_the_uninterrupted_one(tmp_path, settings):
    raw = alignment(tmp_path, **settings)
    if "retain" in settings:
        raw["data"] += [SMALL["data"][0] | {"name": "md"}]
        raw["data"][0]["name"] = "labels"
    cadence = {"checkpoint_iterations": 2, "keep_checkpoints": 9}
    whole, _ = run(tmp_path / "whole", raw, **cadence)
    folder = tmp_path / "again" / "out" / "checkpoints"
    folder.mkdir(parents=True)
    first = sorted((tmp_path / "whole" / "out" / "checkpoints").iterdir())[0]
    folder.joinpath(first.name).write_bytes(first.read_bytes())
    again, _ = run(tmp_path / "again", raw, **cadence)
    assert whole.total == again.total == 6
    assert_same_state(last(tmp_path / "whole"), last(tmp_path / "again"))
    one, two = (last(tmp_path / name)["objective"] for name in ("whole", "again"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_alignment_follows_ordinary_training(tmp_path):
    """The reference is the network that the stage begins with, also when the run goes on between the stages."""
    raw = alignment(tmp_path)
    raw["data"] = [raw["data"][0] | {"name": "labels"}, SMALL["data"][0] | {"name": "md"}]
    ordinary = SMALL["stages"][0] | {"iterations": 4, "data": ["md"]}
    raw["stages"] = [ordinary, raw["stages"][0] | {"data": ["labels"]}]
    cadence = {"checkpoint_iterations": 2, "keep_checkpoints": 9}
    run(tmp_path / "a", raw, **cadence)
    end = last(tmp_path / "a")
    for file in sorted((tmp_path / "a" / "out" / "checkpoints").iterdir())[2:]:
        file.unlink()
    between = last(tmp_path / "a")
    assert (between["stage"], between["iteration"]) == (1, 0)
    run(tmp_path / "a", raw, **cadence)
    assert_same_state(end, last(tmp_path / "a"))
    reference = last(tmp_path / "a")["objective"]
    assert all(torch.equal(between["network"][name], reference[name]) for name in reference)


def test_tables_are_read_again_when_they_change(tmp_path):
    raw = alignment(tmp_path)
    run(tmp_path / "a", raw)
    rows = [{"source": "frames.xtc", "frame": k, "final_energy_kJ_mol": 1.0} for k in range(20)]
    write_table(labelled(tmp_path).with_name("labels.parquet"), rows)
    assert len(Trainer(load(write_config(tmp_path / "a", raw)), resume=False).systems[0][0].energies) == 20


@pytest.mark.parametrize("mini_batches", [3, 1])
def test_two_processes_align_as_one(tmp_path, mini_batches):
    """In double precision; with 3 mini-batches one process has more of them, with 1 one has none, but pairs."""
    raw = alignment(tmp_path, mini_batches=mini_batches, retain=0.5, batch={"molecules": 5}, clip_norm=0)
    raw |= {"checkpoint_iterations": 2, "keep_checkpoints": 9}
    raw["network"]["precision"] = "double"
    raw["data"] = [raw["data"][0] | {"name": "labels"}, SMALL["data"][0] | {"name": "md"}]
    one, _ = run_processes(tmp_path / "one", raw, 1)
    two, _ = run_processes(tmp_path / "two", raw, 2)
    assert_close(one, two)
