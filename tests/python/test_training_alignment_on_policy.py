"""On-policy alignment: the model samples, the force field labels, and a stopped run goes on exactly."""

import openmmjump as oj
import pytest
import torch
from alignment_cases import on_policy
from openmmjump import models
from openmmjump.modelfile import ModelFile
from openmmjump.training.config import load
from openmmjump.training.config_schema import ConfigError
from openmmjump.training.trainer import Trainer
from test_training_run import assert_same_state, last, run
from training_cases import DATA, write_config


def shipped(raw):
    """The configuration with the network of the shipped model, whose jumps are whole."""
    model = ModelFile.load(models.resolve("alanine-dipeptide"))
    names = ("hidden_dim", "ffn_dim", "rbf_dim", "heads", "layers", "encoder_layers", "k_neighbors", "cutoff_upper")
    more = ("sigma", "coord_prior_var", "head", "encoder", "reference")
    network = {name: model.settings[name] for name in names + more}
    sampler = {
        "steps": 10,
        "time_grid": "power(3, 2.5)",
        **{name: model.settings[name] for name in ("step_noise", "order")},
    }
    return raw | {"network": network, "sampler": sampler, "start_from": str(models.resolve("alanine-dipeptide"))}


def test_two_rounds(tmp_path, capsys):
    """Samples are labelled, kept in the buffer and forgotten; a resumed run ends with the same weights and buffer."""
    raw = shipped(on_policy(states={"torsion": "psi", "borders_deg": [-120, 60]}))
    cadence = {"checkpoint_iterations": 1, "keep_checkpoints": 9}
    trainer, file = run(tmp_path / "whole", raw, **cadence)
    said = capsys.readouterr().out
    assert "Round 1 of 2: 6 conformations, energies -1" in said and "Round 2 of 2: 6 conformations" in said
    assert oj.JumpModel.load(str(file)).getName() == "small"
    policy = trainer.policy
    assert policy.frames.shape == (9, 10, 3) and len(policy.energies) == 9 and policy.newest == 6
    assert (-150 < policy.energies).all() and (policy.energies < -110).all()  # minima of the molecule, kJ/mol
    for kept in (2, 4):  # within the first round, and within the second
        folder = tmp_path / str(kept) / "out" / "checkpoints"
        folder.mkdir(parents=True)
        source = tmp_path / "whole" / "out" / "checkpoints" / f"{kept:09d}.pt"
        folder.joinpath(source.name).write_bytes(source.read_bytes())
        again, _ = run(tmp_path / str(kept), raw, **cadence)
        assert_same_state(last(tmp_path / "whole"), last(tmp_path / str(kept)))
        assert torch.equal(torch.from_numpy(again.policy.frames), torch.from_numpy(policy.frames))
        assert again.policy.energies.tolist() == policy.energies.tolist()


@pytest.mark.parametrize(("refresh", "same"), [(True, False), (False, True)])
def test_the_reference_is_refreshed(tmp_path, refresh, same):
    """With the System of a file, too, instead of a force field."""
    raw = shipped(on_policy())
    system = {"force_field": [], "system": str(DATA / "alanine-dipeptide.system.xml")}
    raw["stages"][0]["on_policy"] |= {"refresh_reference": refresh} | system
    run(tmp_path / "a", raw)
    reference = last(tmp_path / "a")["objective"]
    began = ModelFile.load(models.resolve("alanine-dipeptide")).tensors
    assert all(torch.equal(began[name], reference[name]) for name in reference) == same


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"force_field": ["none.xml"]}, "no System for alanine-dipeptide.pdb: .*none.xml"),
        ({"force_field": [], "system": "none.xml"}, "no System for alanine-dipeptide.pdb"),
        (
            {"force_field": [], "system": str(DATA / "chignolin.system.xml")},
            r"system has \d+ particles, but .* 22 atoms",
        ),
    ],
)
def test_bad_systems(tmp_path, changes, sentence):
    raw = shipped(on_policy())
    raw["stages"][0]["on_policy"] |= changes
    with pytest.raises(ConfigError, match=sentence):
        Trainer(load(write_config(tmp_path, raw))).run()
