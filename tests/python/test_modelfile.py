"""Model files: Python, C++ and the safetensors library agree on what they hold and on what is wrong with them."""

from __future__ import annotations

import copy
import json
import os
import stat
import struct

import numpy as np
import pytest
import safetensors.torch
import torch
import unisim_cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openmm import OpenMMException
from openmmjump import JumpModel, models
from openmmjump.modelfile import ModelFile, ModelFileError

ARCHITECTURE = {
    "hidden_dim": 8,
    "ffn_dim": 8,
    "rbf_dim": 4,
    "heads": 2,
    "layers": 1,
    "k_neighbors": 4,
    "cutoff_lower": 0.0,
    "cutoff_upper": 10.0,
    "sigma": 0.2,
    "coord_prior_var": 0.5,
}


def make_model(**changes) -> ModelFile:
    arguments = dict(
        name="small",
        family="pvb",
        settings=dict(ARCHITECTURE),
        tensors={"a": torch.ones(2, 3), "index": torch.arange(4)},
        lag_time=1000.0,
        temperature=300.0,
        time_grid=[0, 0.25, 1],
        vocabulary=[(8, 7), (6, 5)],
        provenance={"force_field": ["amber14-all.xml"]},
    )
    return ModelFile(**(arguments | changes))


def make_bytes(metadata, tensors=None) -> bytes:
    """A safetensors file with this metadata entry, right or wrong."""
    text = metadata if isinstance(metadata, str) else json.dumps(metadata)
    return safetensors.torch.save({"a": torch.ones(2)} if tensors is None else tensors, {"openmmjump": text})


def same(one: ModelFile, other: ModelFile) -> bool:
    return (
        one.metadata() == other.metadata()
        and one.tensors.keys() == other.tensors.keys()
        and all(
            tensor.dtype == other.tensors[name].dtype and torch.equal(tensor, other.tensors[name])
            for name, tensor in one.tensors.items()
        )
    )


DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16]
DTYPES += [torch.int8, torch.uint8, torch.bool]
POSITIVE = st.floats(1e-6, 1e6)
# Surrogates cannot be written as UTF-8.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(TEXT, children, max_size=3),
    max_leaves=10,
)


@st.composite
def tensor(draw) -> torch.Tensor:
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    return (torch.randn(shape) * 3).to(draw(st.sampled_from(DTYPES)))


@st.composite
def model(draw) -> ModelFile:
    inner = draw(st.lists(st.floats(0, 1, exclude_min=True, exclude_max=True), unique=True, max_size=8))
    pairs = st.tuples(st.integers(1, 118), st.integers(0, 137))
    names = TEXT.filter(lambda name: name != "__metadata__")
    return make_model(
        name=draw(TEXT.filter(lambda text: text and all(ord(c) >= 0x20 and ord(c) != 0x7F for c in text))),
        tensors=draw(st.dictionaries(names, tensor(), min_size=1, max_size=4)),
        lag_time=draw(POSITIVE),
        temperature=draw(POSITIVE),
        length_scale=draw(POSITIVE),
        time_grid=[0.0, *sorted(inner), 1.0],
        settings={**ARCHITECTURE, "step_noise": draw(st.sampled_from(["euler", "bridge"]))},
        guidance_schedule=draw(st.sampled_from(["constant", "falling", "rising"])),
        vocabulary=draw(st.none() | st.lists(pairs, unique=True, min_size=1, max_size=5)),
        preserves_orientation=draw(st.booleans()),
        provenance=draw(st.dictionaries(TEXT, JSON, max_size=3)),
    )


@given(model())
@settings(deadline=None, max_examples=100)
def test_round_trip(model):
    content = model.to_bytes()
    again = ModelFile.from_bytes(content)
    assert same(model, again)
    assert again.to_bytes() == content
    library = safetensors.torch.load(content)
    assert all(torch.equal(library[name], tensor) for name, tensor in model.tensors.items())


@given(model())
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cpp_reads_what_python_writes(tmp_path, model):
    path = tmp_path / "model.safetensors"
    model.save(path)
    read = JumpModel(str(path))
    assert read.getName() == model.name
    assert json.loads(read.getMetadata()) == json.loads(json.dumps(model.metadata()))
    assert read.getNumParameters() == model.num_parameters
    assert list(read.getTimeGrid()) == model.time_grid
    assert read.getGuidanceSchedule() == model.guidance_schedule
    if model.vocabulary is not None:
        assert all(read.knowsAtom(z, block) for z, block in model.vocabulary)


@pytest.mark.parametrize(
    "settings",
    [{}, {"step_noise": "bridge"}, {"step_noise": "bridge", "order": 2}],
)
@pytest.mark.parametrize("schedule", ["rising", "falling"])
def test_cpp_reads_a_unisim_model(tmp_path, settings, schedule):
    path = tmp_path / "model.safetensors"
    whole = unisim_cases.ARCHITECTURE | settings
    model = make_model(family="unisim", settings=whole, vocabulary=None, guidance_schedule=schedule)
    assert model.metadata()["sampler"] == {
        "type": "interpolant",
        "time_grid": model.time_grid,
        "guidance_schedule": schedule,
        "step_noise": "euler",
        "order": 1,
        **settings,
    }
    model.save(path)
    assert same(model, ModelFile.load(path))
    read = JumpModel(str(path))
    assert read.getFamily() == "unisim"
    assert json.loads(read.getMetadata()) == json.loads(json.dumps(model.metadata()))
    assert list(read.getTimeGrid()) == model.time_grid
    assert read.knowsAtom(30, 29) and not read.knowsAtom(10, 9)


def test_save_replaces_as_a_whole(tmp_path):
    path = tmp_path / "model.safetensors"
    make_model(lag_time=1.0).save(path)
    make_model(lag_time=2.0).save(path)
    assert ModelFile.load(path).lag_time == 2.0
    with pytest.raises(ModelFileError):
        make_model(lag_time=0.0).save(path)
    assert ModelFile.load(path).lag_time == 2.0
    assert os.listdir(tmp_path) == ["model.safetensors"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_accepts_arrays_and_tied_weights():
    weight = torch.ones(2, 3, requires_grad=True)
    model = make_model(tensors={"a": np.ones(3, dtype=np.float32), "b": weight, "c": weight.T})
    again = ModelFile.from_bytes(model.to_bytes())
    assert again.num_parameters == 15
    assert again.tensors["c"].shape == (3, 2)


def change(path: str, value) -> dict:
    """Good metadata with one entry changed; ``del`` removes it."""
    metadata = copy.deepcopy(make_model().metadata())
    *parents, key = path.split(".")
    entry = metadata
    for parent in parents:
        entry = entry[parent]
    if value == "del":
        del entry[key]
    else:
        entry[key] = value
    return metadata


GOOD = json.dumps(make_model().metadata())
FAULTS = [
    (change("format", 2), "newer OpenMM-Jump"),
    (change("format", "del"), "no key 'format'"),
    (change("format", True), "not a 64-bit integer"),
    (change("extra", 1), "unknown key 'extra'"),
    (change("name", ""), "bytes long"),
    (change("name", "a\nb"), "control character"),
    (change("family", "other"), "this version knows only 'pvb'"),
    (change("lag_time", 0), "not above zero"),
    (change("lag_time", "1"), "not a finite number"),
    (change("temperature", True), "not a finite number"),
    (change("architecture", []), "not a JSON object"),
    (change("architecture.hidden_dim", "del"), "no key 'hidden_dim'"),
    (change("architecture.hidden_dim", 8.5), "not a 64-bit integer"),
    (change("architecture.hidden_dim", 9), "must divide hidden_dim"),
    (change("architecture.layers", 0), "layers"),
    (change("architecture.cutoff_lower", 1), "cutoff_lower"),
    (change("architecture.sigma", 0), "sigma"),
    (change("architecture.head", "other"), "is 'other', but this version knows only 'drift', 'endpoint', 'scaled'"),
    (change("architecture.other", 1), "unknown key 'other'"),
    (change("sampler.type", "flow"), "this version knows only 'bridge'"),
    (change("sampler.step_noise", None), "not a text"),
    (change("sampler.guidance_schedule", "up"), "this version knows only 'constant', 'falling', 'rising'"),
    (change("sampler.time_grid", [0]), "2 to 100001"),
    (change("sampler.time_grid", [0, 0.5, 0.5, 1]), "not strictly increasing"),
    (change("sampler.time_grid", [0, 2]), "from 0 to 1"),
    (change("sampler.time_grid", [0, "x", 1]), "other than a number"),
    (change("preserves.orientation", 0), "neither true nor false"),
    (change("vocabulary.atoms", []), "empty"),
    (change("vocabulary.atoms", [[0, 1]]), "'atoms'"),
    (change("vocabulary.atoms", [[6, 5], [6, 5]]), "twice"),
    (change("provenance", "here"), "not a JSON object"),
    (GOOD.replace("1000.0", "NaN"), "not valid JSON"),
    (GOOD.replace("1000.0", "1e999"), "too large"),
    (GOOD.replace("1000.0", "1" + "0" * 400), "too large"),
    (GOOD.replace('"format": 1', '"format": 1, "format": 1'), "'format' twice"),
    (GOOD.replace("small", "\\ud800"), "not valid JSON"),
    (GOOD + "x", "not valid JSON"),
    ("[" * 100000, None),
    (GOOD.replace("1000.0", "[" * 70 + "]" * 70), "levels deep"),
    ("3", "not a JSON object"),
]


def unisim(**changes) -> dict:
    """Metadata of the family `unisim` with entries of its architecture or sampler changed."""
    metadata = make_model(family="unisim", settings=dict(unisim_cases.ARCHITECTURE)).metadata()
    of_sampler = changes.keys() <= {"type", "time_grid", "step_noise", "order", "guidance_schedule"}
    metadata["sampler" if of_sampler else "architecture"].update(changes)
    return metadata


FAULTS += [
    (unisim(heads=3), "must divide hidden_dim"),
    (unisim(layers=1025), "layers"),
    (unisim(rbf_dim=1), "rbf_dim"),
    (unisim(expansion_dim=0), "expansion_dim"),
    (unisim(energy_heads=-1), "energy_heads"),
    (unisim(vector_heads=1), "neither true nor false"),
    (unisim(cutoff=0), "cutoff"),
    (unisim(hydrogen_cutoff=0), "hydrogen_cutoff"),
    (unisim(noise_scale=-0.1), "noise_scale"),
    (unisim(gamma_clip=0.6), "gamma_clip"),
    (unisim(guidance_strength=-1), "guidance_strength"),
    (unisim(other=1), "unknown key 'other'"),
    (unisim(type="bridge"), "this version knows only 'interpolant'"),
    (unisim(order=3), "order is 3, but it must be a whole number between 1 and 2"),
    (
        unisim(step_noise="none"),
        "'step_noise' of 'sampler' of its metadata is 'none', but this version knows only 'euler', 'bridge'",
    ),
    (unisim(guidance_schedule=None), "'guidance_schedule' of 'sampler' of its metadata is not a text"),
    (unisim(time_grid=[0, 2]), "from 0 to 1"),
]


@pytest.mark.parametrize("metadata, text", FAULTS, ids=[str(text) for _, text in FAULTS])
def test_python_names_the_fault(metadata, text):
    with pytest.raises(ModelFileError) as error:
        ModelFile.from_bytes(make_bytes(metadata), "case.safetensors")
    check_sentence(str(error.value), text)


@pytest.mark.parametrize("metadata, text", FAULTS, ids=[str(text) for _, text in FAULTS])
def test_cpp_names_the_fault(tmp_path, metadata, text):
    path = tmp_path / "case.safetensors"
    path.write_bytes(make_bytes(metadata))
    with pytest.raises(OpenMMException) as error:
        JumpModel(str(path))
    check_sentence(str(error.value), text)


def check_sentence(message: str, text: str | None) -> None:
    assert "case.safetensors" in message and message.endswith(".") and message.isprintable()
    assert text is None or text in message


def test_refuses_what_is_no_model():
    with pytest.raises(ModelFileError, match="no metadata entry 'openmmjump'"):
        ModelFile.from_bytes(safetensors.torch.save({"a": torch.ones(1)}))
    with pytest.raises(ModelFileError, match="holds no tensors"):
        ModelFile.from_bytes(make_bytes(GOOD, {}))
    with pytest.raises(ModelFileError, match="holds no tensors"):
        make_model(tensors={}).to_bytes()
    with pytest.raises(ModelFileError, match="cannot be written as JSON"):
        make_model(provenance={"a": object()}).to_bytes()
    with pytest.raises(ModelFileError, match="cannot be written as JSON"):
        make_model(provenance={"a": float("nan")}).to_bytes()


@given(st.binary(max_size=60), st.booleans())
def test_random_bytes_give_a_sentence(content, framed):
    if framed:
        content = struct.pack("<Q", len(content) + 1) + b"{" + content
    with pytest.raises(ModelFileError):
        ModelFile.from_bytes(content)


def test_truncated_files_give_a_sentence():
    content = make_model().to_bytes()
    for length in range(len(content)):
        with pytest.raises(ModelFileError):
            ModelFile.from_bytes(content[:length])


def test_shipped_models_are_found_by_name():
    for name in models.available():
        assert ModelFile.load(models.path(name)).name == name
    with pytest.raises(FileNotFoundError, match="no shipped model 'nothing'"):
        models.path("nothing")
    with pytest.raises(FileNotFoundError):
        models.path("../modelfile")
