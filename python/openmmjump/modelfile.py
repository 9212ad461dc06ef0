"""Model files: read, check and write them. ``docs/model-format.md`` describes the format.

A model file is one ``.safetensors`` file whose metadata entry ``openmmjump`` says how its tensors are to be used. It
holds data, never code. The checks here are those of the C++ reader, which simulations use.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

__all__ = ["FORMAT", "ModelFile", "ModelFileError"]

#: The format this version writes, and the newest it reads.
FORMAT = 1
#: The header's key of the metadata entry.
METADATA_KEY = "openmmjump"

_MAX_DEPTH = 64
_MAX_GRID = 100001
_MAX_NAME_BYTES = 200
_MAX_SIZE = 1 << 20
_SIZES = ("hidden_dim", "ffn_dim", "rbf_dim", "heads", "layers", "k_neighbors")
_NUMBERS = ("cutoff_lower", "cutoff_upper", "sigma", "coord_prior_var")
_OPTIONS = {
    "head": ("drift", "endpoint", "scaled"),
    "encoder": ("learned", "fixed"),
    "reference": ("distances", "vectors"),
}
_UNISIM_SIZES = ("hidden_dim", "ffn_dim", "rbf_dim", "expansion_dim", "heads", "layers", "inter_neighbors")
_UNISIM_NUMBERS = ("hydrogen_cutoff", "vel_scale")
_UNISIM_OPTIONS = ("gamma_clip", "guidance_strength", "guidance_scale")


class ModelFileError(ValueError):
    """A model file that cannot be used: one plain sentence that names the file and the fault."""

    def __init__(self, file: str | os.PathLike[str], fault: str):
        super().__init__(f"Cannot use {_quote(os.fspath(file))}: {fault}.")


def _quote(text: str) -> str:
    """Text from a file made fit for a message: on one line, and not too long."""
    if len(text) > 350:
        text = text[:200] + "..." + text[-150:]
    return "'" + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text) + "'"


@dataclass
class ModelFile:
    """A trained transfer operator in memory.

    ``tensors`` may be given as torch tensors or NumPy arrays; they are kept as torch tensors on the CPU.
    """

    #: What the model is called.
    name: str
    #: Sizes and settings of the network.
    architecture: dict[str, Any]
    #: The trained tensors by name.
    tensors: dict[str, torch.Tensor]
    #: Time that one jump covers, in ps.
    lag_time: float
    #: Temperature of the training data, in K.
    temperature: float
    #: Times 0 = t_0 < t_1 < ... < t_n = 1 of the sampler's steps; (0, 1) for a sampler without steps.
    time_grid: list[float] = field(default_factory=lambda: [0.0, 1.0])
    #: The family: ``pvb``, ``unisim``, or ``gaussian-mixture``, whose density is known.
    family: str = "pvb"
    #: The sampler: ``bridge`` for ``pvb``, ``interpolant`` for ``unisim``, ``direct`` (no steps) for
    #: ``gaussian-mixture``.
    sampler: str = "bridge"
    #: Noise of a sampler step: ``euler`` or ``bridge``.
    step_noise: str = "euler"
    #: Order of the sampler: 1 or 2.
    order: int = 1
    #: How the strength of guiding forces changes in a jump: ``constant``, ``falling`` or ``rising``.
    guidance_schedule: str = "rising"
    #: Length units of the network in one nm: 10 for Angstrom.
    length_scale: float = 10.0
    #: Pairs (atomic number, block type) the model was trained on; None for all.
    vocabulary: list[tuple[int, int]] | None = None
    #: Whether the proposal keeps the orientation of the molecule by itself.
    preserves_orientation: bool = False
    #: Whether the proposal keeps the centre of mass by itself.
    preserves_center_of_mass: bool = False
    #: Where the model comes from: force field, temperature, data, commit, command.
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tensors = {name: torch.as_tensor(tensor).detach().cpu() for name, tensor in self.tensors.items()}
        self.time_grid = [float(time) for time in self.time_grid]

    @property
    def num_parameters(self) -> int:
        """Number of trained numbers: elements of all floating point tensors."""
        return sum(tensor.numel() for tensor in self.tensors.values() if tensor.is_floating_point())

    @property
    def config(self) -> dict[str, Any]:
        """The settings of the network and of its sampler."""
        settings = {**self.architecture, "step_noise": self.step_noise, "order": self.order}
        return settings | ({"temperature": self.temperature} if self.family == "unisim" else {})

    def metadata(self) -> dict[str, Any]:
        """The metadata entry, as it is written."""
        entry: dict[str, Any] = {
            "format": FORMAT,
            "name": self.name,
            "family": self.family,
            "architecture": self.architecture,
            "length_scale": self.length_scale,
            "lag_time": self.lag_time,
            "temperature": self.temperature,
            "sampler": {"type": self.sampler},
        }
        if self.sampler != "direct":
            entry["sampler"]["time_grid"] = self.time_grid
        if self.sampler == "bridge" or self.step_noise != "euler":
            entry["sampler"]["step_noise"] = self.step_noise
        if self.order != 1:
            entry["sampler"]["order"] = self.order
        if self.guidance_schedule != "rising":
            entry["sampler"]["guidance_schedule"] = self.guidance_schedule
        if self.vocabulary is not None:
            entry["vocabulary"] = {"atoms": sorted([int(z), int(block)] for z, block in self.vocabulary)}
        entry["preserves"] = {
            "orientation": self.preserves_orientation,
            "center_of_mass": self.preserves_center_of_mass,
        }
        entry["provenance"] = self.provenance
        return entry

    def to_bytes(self) -> bytes:
        """The content of the model file. Raises ModelFileError if a reader would refuse it."""
        try:
            text = json.dumps(self.metadata(), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ModelFileError(self.name, f"its metadata cannot be written as JSON ({error})") from None
        _check_metadata(_parse_json(text, self.name), self.name)
        if not self.tensors:
            raise ModelFileError(self.name, "it holds no tensors")
        # A copy each: the library refuses tensors that share memory, as tied weights do.
        tensors = {name: tensor.clone().contiguous() for name, tensor in self.tensors.items()}
        try:
            return safetensors.torch.save(tensors, {METADATA_KEY: text})
        except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ModelFileError(self.name, f"its tensors cannot be written ({_one_line(error)})") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file, replacing one that is there as a whole or not at all."""
        content = self.to_bytes()
        path = Path(path)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ModelFile:
        """Read a model file. Raises ModelFileError, or OSError if it cannot be opened."""
        return cls.from_bytes(Path(path).read_bytes(), os.fspath(path))

    @classmethod
    def from_bytes(cls, content: bytes, name: str | os.PathLike[str] = "model") -> ModelFile:
        """Read the content of a model file; ``name`` is what error messages call it."""
        try:
            tensors = safetensors.torch.load(content)
        except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelFileError(name, f"it is not a valid safetensors file ({_one_line(error)})") from None
        if not tensors:
            raise ModelFileError(name, "it holds no tensors")
        entry = _parse_json(_find_metadata(content, name), name)
        _check_metadata(entry, name)
        return cls._from_metadata(entry, tensors)

    @classmethod
    def _from_metadata(cls, entry: dict[str, Any], tensors: dict[str, torch.Tensor]) -> ModelFile:
        vocabulary = entry.get("vocabulary")
        return cls(
            name=entry["name"],
            architecture=entry["architecture"],
            tensors=tensors,
            lag_time=float(entry["lag_time"]),
            temperature=float(entry["temperature"]),
            time_grid=entry["sampler"].get("time_grid", [0.0, 1.0]),
            family=entry["family"],
            sampler=entry["sampler"]["type"],
            step_noise=entry["sampler"].get("step_noise", "euler"),
            order=entry["sampler"].get("order", 1),
            guidance_schedule=entry["sampler"].get("guidance_schedule", "rising"),
            length_scale=float(entry["length_scale"]),
            vocabulary=None if vocabulary is None else sorted((z, block) for z, block in vocabulary["atoms"]),
            preserves_orientation=entry["preserves"]["orientation"],
            preserves_center_of_mass=entry["preserves"]["center_of_mass"],
            provenance=entry.get("provenance", {}),
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _find_metadata(content: bytes, name: str | os.PathLike[str]) -> str:
    """The metadata entry of a file whose header the safetensors library has accepted."""
    (size,) = struct.unpack_from("<Q", content)
    metadata = json.loads(content[8 : 8 + size]).get("__metadata__", {})
    if METADATA_KEY not in metadata:
        raise ModelFileError(name, "it has no metadata entry 'openmmjump', so it is not a model of OpenMM-Jump")
    return metadata[METADATA_KEY]


def _parse_json(text: str, file: str | os.PathLike[str]) -> Any:
    """Parse JSON without the extensions Python allows: NaN, keys given twice, lone surrogates."""

    def refuse_constant(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    def make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ModelFileError(file, f"its metadata has the key {_quote(twice)} twice")
        return result

    try:
        text.encode()
        result = json.loads(text, parse_constant=refuse_constant, object_pairs_hook=make_object)
    except ModelFileError:
        raise
    except (ValueError, RecursionError):
        raise ModelFileError(file, "its metadata is not valid JSON") from None
    _check_values(result, file)
    return result


def _check_values(value: Any, file: str | os.PathLike[str], depth: int = 0) -> None:
    """Refuse what the C++ reader refuses everywhere: great depth, infinite numbers and lone surrogates."""
    if depth > _MAX_DEPTH:
        raise ModelFileError(file, f"its metadata is nested more than {_MAX_DEPTH} levels deep")
    if isinstance(value, float) and math.isinf(value):
        raise ModelFileError(file, "its metadata holds a number that is too large")
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            float(value)
        except OverflowError:
            raise ModelFileError(file, "its metadata holds a number that is too large") from None
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ModelFileError(file, "its metadata is not valid JSON") from None
    children: Iterable[Any] = ()
    if isinstance(value, dict):
        children = [*value.keys(), *value.values()]
    elif isinstance(value, list):
        children = value
    for child in children:
        _check_values(child, file, depth + 1)


class _Entry:
    """A JSON object whose entries are read with their types checked."""

    def __init__(self, value: Any, where: str, file: str | os.PathLike[str]):
        self.where, self.file = where, file
        if not isinstance(value, dict):
            raise ModelFileError(file, f"{where} is not a JSON object")
        self.value: Mapping[str, Any] = value

    def refuse(self, key: str, fault: str) -> None:
        raise ModelFileError(self.file, f"'{key}' of {self.where} {fault}")

    def require_only(self, known: Iterable[str]) -> None:
        for key in self.value:
            if key not in known:
                raise ModelFileError(self.file, f"{self.where} has the unknown key {_quote(key)}")

    def get(self, key: str, accept: Callable[[Any], bool], fault: str) -> Any:
        if key not in self.value:
            raise ModelFileError(self.file, f"{self.where} has no key '{key}'")
        if not accept(self.value[key]):
            self.refuse(key, fault)
        return self.value[key]

    def object(self, key: str) -> _Entry:
        self.get(key, lambda _: True, "")
        return _Entry(self.value[key], f"'{key}' of {self.where}", self.file)

    def choice(self, key: str, choices: Iterable[str]) -> str:
        text = self.get(key, lambda value: isinstance(value, str), "is not a text")
        if text not in choices:
            known = ", ".join(f"'{choice}'" for choice in choices)
            self.refuse(key, f"is {_quote(text)}, but this version knows only {known}")
        return text

    def number(self, key: str) -> float:
        return float(self.get(key, _is_number, "is not a finite number"))

    def positive(self, key: str) -> float:
        number = self.number(key)
        if number <= 0:
            self.refuse(key, "is not above zero")
        return number

    def integer(self, key: str) -> int:
        return self.get(key, lambda value: _is_integer(value, -(1 << 63), (1 << 63) - 1), "is not a 64-bit integer")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _check_metadata(value: Any, file: str | os.PathLike[str]) -> None:
    entry = _Entry(value, "its metadata", file)
    _check_format(entry)
    entry.require_only(
        "format name family architecture length_scale lag_time temperature sampler vocabulary preserves "
        "provenance".split()
    )
    _check_name(entry)
    family = entry.choice("family", ("pvb", "unisim", "gaussian-mixture"))
    for key in ("length_scale", "lag_time", "temperature"):
        entry.positive(key)
    if family == "pvb":
        _check_architecture(entry.object("architecture"))
        _check_sampler(entry.object("sampler"), "bridge")
    elif family == "unisim":
        _check_unisim(entry.object("architecture"), entry.object("sampler"))
    else:
        _check_mixture(entry.object("architecture"), entry.object("sampler"))
    preserves = entry.object("preserves")
    preserves.require_only(("orientation", "center_of_mass"))
    for key in ("orientation", "center_of_mass"):
        preserves.get(key, lambda value: isinstance(value, bool), "is neither true nor false")
    if "vocabulary" in entry.value:
        _check_vocabulary(entry.object("vocabulary"))
    if "provenance" in entry.value:
        entry.object("provenance")


def _check_format(entry: _Entry) -> None:
    number = entry.integer("format")
    if number < 1:
        entry.refuse("format", "is not above zero")
    if number > FORMAT:
        entry.refuse(
            "format", f"is {number}, but this version reads formats up to {FORMAT}: a newer OpenMM-Jump is needed"
        )


def _check_name(entry: _Entry) -> None:
    name = entry.get("name", lambda value: isinstance(value, str), "is not a text")
    if not 1 <= len(name.encode()) <= _MAX_NAME_BYTES:
        entry.refuse("name", f"is not 1 to {_MAX_NAME_BYTES} bytes long")
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in name):
        entry.refuse("name", "holds a control character")


def _check_architecture(entry: _Entry) -> None:
    entry.require_only((*_SIZES, *_NUMBERS, "encoder_layers", *_OPTIONS))
    _check_sizes(entry, [key for key in (*_SIZES, "encoder_layers") if key in _SIZES or key in entry.value])
    for key in _NUMBERS[1:]:
        entry.positive(key)
    if entry.number("cutoff_lower") != 0:
        entry.refuse("cutoff_lower", "is not 0, the only value that PVB's formulas hold for")
    for key, choices in _OPTIONS.items():
        if key in entry.value:
            entry.choice(key, choices)


def _check_sizes(entry: _Entry, keys: Iterable[str]) -> None:
    sizes = {key: entry.integer(key) for key in keys}
    for key, size in sizes.items():
        low = 2 if key in ("hidden_dim", "rbf_dim") else 1
        if not low <= size <= _MAX_SIZE:
            entry.refuse(key, f"is {size}, but it must be between {low} and {_MAX_SIZE}")
    if sizes["hidden_dim"] % sizes["heads"] != 0:
        entry.refuse("heads", f"is {sizes['heads']}, but it must divide hidden_dim")


def _check_unisim(entry: _Entry, sampler: _Entry) -> None:
    switches = ("vector_heads", "guidance_kernel")
    entry.require_only(
        (*_UNISIM_SIZES, "energy_heads", *switches, "cutoff", "noise_scale", *_UNISIM_NUMBERS, *_UNISIM_OPTIONS)
    )
    _check_sizes(entry, _UNISIM_SIZES)
    if (layers := entry.integer("layers")) > 1024:
        entry.refuse("layers", f"is {layers}, but it must be at most 1024")
    if not 0 <= (heads := entry.integer("energy_heads")) <= 1024:
        entry.refuse("energy_heads", f"is {heads}, but it must be between 0 and 1024")
    for key in switches:
        entry.get(key, lambda value: isinstance(value, bool), "is neither true nor false")
    if not 0.01 <= entry.number("cutoff") <= 1e6:
        entry.refuse("cutoff", "is not between 0.01 and 1000000 A")
    for key in _UNISIM_NUMBERS:
        entry.positive(key)
    options = [key for key in _UNISIM_OPTIONS if key in entry.value]
    for key in ("noise_scale", *options):
        if entry.number(key) < 0 or (entry.number(key) == 0 and key in ("gamma_clip", "guidance_scale")):
            entry.refuse(key, "is too small")
    if "gamma_clip" in options and entry.number("gamma_clip") > 0.5:
        entry.refuse("gamma_clip", "is above 0.5")
    _check_sampler(sampler, "interpolant")


def _check_mixture(architecture: _Entry, sampler: _Entry) -> None:
    architecture.require_only(("num_atoms", "components", "memory"))
    for key in ("num_atoms", "components"):
        if not 1 <= (size := architecture.integer(key)) <= 1000:
            architecture.refuse(key, f"is {size}, but it must be between 1 and 1000")
    if not 0 <= architecture.number("memory") <= 1:
        architecture.refuse("memory", "is not between 0 and 1")
    sampler.require_only(("type",))
    sampler.choice("type", ("direct",))


def _check_sampler(sampler: _Entry, kind: str) -> None:
    sampler.require_only(("type", "time_grid", "step_noise", "order", "guidance_schedule"))
    sampler.choice("type", (kind,))
    if kind == "bridge" or "step_noise" in sampler.value:
        sampler.choice("step_noise", ("euler", "bridge"))
    if "order" in sampler.value and sampler.integer("order") not in (1, 2):
        sampler.refuse("order", "is neither 1 nor 2")
    if "guidance_schedule" in sampler.value:
        sampler.choice("guidance_schedule", ("constant", "falling", "rising"))
    _check_time_grid(sampler)


def _check_time_grid(sampler: _Entry) -> None:
    grid = sampler.get("time_grid", lambda value: isinstance(value, list), "is not a list")
    if not 2 <= len(grid) <= _MAX_GRID:
        sampler.refuse("time_grid", f"does not hold 2 to {_MAX_GRID} times")
    if not all(_is_number(time) for time in grid):
        sampler.refuse("time_grid", "holds something other than a number")
    if any(later <= earlier for earlier, later in itertools.pairwise(grid)):
        sampler.refuse("time_grid", "is not strictly increasing")
    if grid[0] != 0 or grid[-1] != 1:
        sampler.refuse("time_grid", "does not go from 0 to 1")


def _check_vocabulary(vocabulary: _Entry) -> None:
    vocabulary.require_only(("atoms",))
    atoms = vocabulary.get("atoms", lambda value: isinstance(value, list), "is not a list")
    if not atoms:
        vocabulary.refuse("atoms", "is empty")
    for atom in atoms:
        pair = isinstance(atom, list) and len(atom) == 2
        if not (pair and _is_integer(atom[0], 1, 118) and _is_integer(atom[1], 0, 137)):
            vocabulary.refuse(
                "atoms",
                "holds something other than a pair of an atomic number (1 to 118) and a block type (0 to 137)",
            )
    if len({tuple(atom) for atom in atoms}) < len(atoms):
        vocabulary.refuse("atoms", "holds a pair twice")
