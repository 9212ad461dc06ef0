"""What a training configuration may say, and the sentence for everything else."""

import dataclasses
from pathlib import Path

import pytest
from openmmjump.training.config import as_dict, from_dict, load
from openmmjump.training.config_schema import ConfigError, differences
from openmmjump.training.reference import reference

SMALL = """
lag_time_ps: 100
data:
  - topology: molecule.pdb
    trajectories: ["*.xtc"]
    frame_interval_ps: 10
stages:
  - {kind: trajectory, iterations: 10}
"""


def read(tmp_path, text=SMALL, *overrides):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return load(file, overrides)


def test_defaults_are_the_published_ones(tmp_path):
    config = read(tmp_path)
    network, stage = config.network, config.stages[0]
    assert (network.hidden_dim, network.ffn_dim, network.rbf_dim, network.heads) == (256, 512, 32, 8)
    assert (network.layers, network.encoder_layers, network.k_neighbors) == (8, 2, 32)
    assert (network.cutoff_upper, network.sigma, network.coord_prior_var) == (10.0, 0.2, 0.5)
    assert (network.head, network.encoder, config.seed) == ("drift", "learned", 42)
    assert (stage.learning_rate, stage.clip_norm, stage.batch.maximum_atoms) == (1e-4, 1.0, 2000)
    assert (stage.schedule.kind, stage.schedule.warmup_iterations) == ("plateau", 1000)
    assert (stage.schedule.factor, stage.schedule.patience, stage.schedule.minimum) == (0.8, 5, 1e-7)
    assert (stage.loss.kl, stage.loss.velocity, stage.loss.drift) == (0.8, 1.0, 1.0)
    assert (stage.times.per, stage.times.density, stage.augmentation_noise_A) == ("batch", "uniform", 0.2)
    assert config.sampler.times() == pytest.approx([k / 10 for k in range(11)])
    assert config.sampler.step_noise == "euler"


def test_paths_are_taken_from_the_folder_of_the_file(tmp_path):
    config = read(tmp_path)
    assert config.data[0].topology == str(tmp_path / "molecule.pdb")
    assert config.data[0].trajectories == [str(tmp_path / "*.xtc")]


def test_numbers_as_yaml_writes_them(tmp_path):
    config = read(tmp_path, SMALL, "stages.0.learning_rate=1e-3", "stages.0.iterations=1e2", "network.sigma=1")
    assert config.stages[0].learning_rate == 1e-3
    assert config.stages[0].iterations == 100
    assert isinstance(config.network.sigma, float)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("hidden=3", "hidden is not a known key"),
        ("network.hiden_dim=3", "network.hiden_dim is not a known key; did you mean hidden_dim."),
        ("network.heads=5", "network.heads is 5, but it must divide hidden_dim."),
        ("network.layers=two", "network.layers must be a whole number, not 'two'."),
        ("network.layers=2.5", "network.layers must be a whole number, not 2.5."),
        ("network.layers=true", "network.layers must be a whole number, not True."),
        ("network.layers=0", "network.layers must be at least 1, not 0."),
        ("network.sigma=-1", "network.sigma must be above 0, not -1."),
        ("network.sigma=.nan", "network.sigma must be a finite number, not nan."),
        ("network.head=energy", "network.head must be one of drift, endpoint, scaled, not 'energy'."),
        ("network=3", "network must be a mapping of keys to values, not 3."),
        (
            "stages.0.kind=adj",
            "stages.0.kind must be one of pretrain, trajectory, eba, dpo, energy, field, guidance, not 'adj'.",
        ),
        ("stages.0.schedule.factor=1", "stages.0.schedule.factor must be below 1, not 1."),
        ("stages.0.batch={atoms: 5, molecules: 5}", "stages.0.batch.molecules can't be given together with atoms."),
        ("stages.0.times.density=foo", "stages.0.times.density must be uniform, dense_end"),
        ("stages.0.data=[other]", "stages.0.data names 'other', but the data are called molecule."),
        ("stages=[]", "stages must have at least one stage."),
        ("stages=[{kind: pretrain}]", "stages.0.iterations is missing."),
        ("lag_time_ps=null", "lag_time_ps is missing: a trajectory stage needs the lag time of one jump."),
        ("data.0.frame_interval_ps=null", "data.0.frame_interval_ps is missing"),
        ("data.0.trajectories=a.xtc", "data.0.trajectories must be a list, not 'a.xtc'."),
        ("data.0.trajectories=[3]", "data.0.trajectories.0 must be text, not 3."),
        ("data.0.trajectories=[]", "stages.0.data holds 'molecule', which has no trajectories."),
        ("data.0.stratify={}", "data.0.stratify.torsions must name one or two torsions, not 0."),
        ("data.0.stratify.torsions=[omega]", "data.0.stratify.torsions.0 must be phi, psi or four atom indices"),
        ("data.0.stratify.torsions=[[1, 2, 3]]", "data.0.stratify.torsions.0 must be four different atom indices"),
        ("sampler.time_grid=fine", "sampler.time_grid must be a list of times, uniform, dense_end, dense_ends or"),
        ("sampler.time_grid=[0, 0.5, 0.5, 1]", "sampler.time_grid must rise strictly from 0 to 1."),
        ("sampler.time_grid=[0, 0.5]", "sampler.time_grid must rise strictly from 0 to 1."),
        ("validation.fraction=1", "validation.fraction must be below 1, not 1."),
        ("sampler.order=3", "sampler.order must be one of 1, 2, not 3."),
        ("stages.0.early_stopping={validations: 0}", "stages.0.early_stopping.validations must be at least 1, not 0."),
        ("sampler.order=true", "sampler.order must be one of 1, 2, not True."),
        (
            "sampler.guidance_schedule=up",
            "sampler.guidance_schedule must be one of constant, falling, rising, not 'up'.",
        ),
        ("name=a/b", "name must be a file name without folders."),
        ("data.3.name=a", "data.3 does not exist: the list has 1 entries, counted from 0."),
        ("lag_time_ps.x=3", "lag_time_ps holds 100, which has no keys."),
        ("nonsense", "An override must look like key.path=value, not 'nonsense'."),
    ],
)
def test_each_fault_is_one_sentence(tmp_path, override, sentence):
    with pytest.raises(ConfigError) as error:
        read(tmp_path, SMALL, override)
    assert len(error.value.faults) == 1, error.value.faults
    assert error.value.faults[0].startswith(sentence)
    assert error.value.faults[0].endswith(".")


def test_all_faults_are_told_at_once(tmp_path):
    with pytest.raises(ConfigError) as error:
        read(tmp_path, SMALL, "network.heads=-1", "seed=x", "frob=1")
    assert len(error.value.faults) == 3


@pytest.mark.parametrize(("text", "sentence"), [("[1, 2]", "must hold a mapping"), ("a: [1", "is not valid YAML")])
def test_files_that_are_no_configuration(tmp_path, text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read(tmp_path, text)
    with pytest.raises(ConfigError, match="can't be read"):
        load(tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("grid", "formula"),
    [
        ("uniform", lambda u: u),
        ("dense_end", lambda u: 1 - (1 - u) ** 2),
        ("dense_ends", lambda u: (1 - (1 - u) ** 2) ** 2),
        ("power(3, 2)", lambda u: (1 - (1 - u) ** 3) ** 2),
    ],
)
def test_time_grids(tmp_path, grid, formula):
    times = read(tmp_path, SMALL, f"sampler.time_grid={grid}", "sampler.steps=20").sampler.times()
    assert times == pytest.approx([formula(k / 20) for k in range(21)])
    assert times[0] == 0 and times[-1] == 1
    listed = read(tmp_path, SMALL, f"sampler.time_grid={times}")
    assert listed.sampler.times() == times


def test_a_configuration_survives_writing_down(tmp_path):
    config = read(tmp_path, SMALL, "data.0.stratify={torsions: [phi, [0, 1, 2, 3]]}", "sampler.time_grid=[0, 0.3, 1]")
    assert from_dict(as_dict(config)) == config


def test_what_may_change_on_resuming(tmp_path):
    config = read(tmp_path)
    free = dataclasses.replace(config, threads=2, output="elsewhere", keep_checkpoints=5)
    assert differences(config, free) == []
    other = read(tmp_path, SMALL, "stages.0.learning_rate=2", "network.layers=3")
    assert differences(config, other) == [
        "stages.0.learning_rate was 0.0001 and is now 2.0.",
        "network.layers was 8 and is now 3.",
    ]


def test_early_stopping_is_off_unless_set(tmp_path):
    assert read(tmp_path).stages[0].early_stopping is None
    assert read(tmp_path, SMALL, "stages.0.early_stopping={}").stages[0].early_stopping.validations == 8
    with pytest.raises(
        ConfigError, match=r"stages\.0\.early_stopping needs validations, but validation\.fraction is 0\."
    ):
        read(tmp_path, SMALL, "stages.0.early_stopping={}", "validation.fraction=0")


@pytest.mark.parametrize("name", ["gamma_clip", "guidance_strength"])
def test_settings_of_unisims_sampler_are_refused_for_pvb(tmp_path, name):
    with pytest.raises(ConfigError, match=f"sampler.{name} is a setting of unisim, but the network is of pvb"):
        read(tmp_path, SMALL, f"sampler.{name}=0.1")


def test_the_documentation_holds_every_setting():
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    assert reference() in text, "run: python -m openmmjump.training.reference"


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "examples").glob("train-*.yaml")))
def test_examples_are_valid(file):
    load(file)
