"""Model files: read, check and write them. ``docs/model-format.md`` describes the format.

A model file is one ``.safetensors`` file whose metadata entry ``openmmjump`` says how its tensors are to be used. It
holds data, never code. The C++ reader that simulations use checks everything that is read or written here.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from openmmjump import _network

__all__ = ["FORMAT", "ModelFile", "ModelFileError"]

#: The format this version writes, and the newest it reads.
FORMAT = 1
#: The header's key of the metadata entry.
METADATA_KEY = "openmmjump"
#: A model file that cannot be used: one plain sentence that names the file and the fault.
ModelFileError = _network.FileError


@dataclass
class ModelFile:
    """A trained transfer operator in memory.

    ``tensors`` may be given as torch tensors or NumPy arrays; they are kept as torch tensors on the CPU.
    """

    #: What the model is called.
    name: str
    #: The family of networks, such as those of `openmmjump.families`.
    family: str
    #: Settings of the network and of its sampler; what is absent has the default of the family.
    settings: dict[str, Any]
    #: The trained tensors by name.
    tensors: dict[str, torch.Tensor]
    #: Time that one jump covers, in ps.
    lag_time: float
    #: Temperature of the training data, in K.
    temperature: float
    #: Times 0 = t_0 < t_1 < ... < t_n = 1 of the sampler's steps; (0, 1) for a sampler without steps.
    time_grid: list[float] = field(default_factory=lambda: [0.0, 1.0])
    #: How the strength of guiding forces changes in a jump: ``constant``, ``falling`` or ``rising``.
    guidance_schedule: str = "rising"
    #: Shortest and longest time that a jump can cover, in ps; None if it can cover ``lag_time`` only.
    lag_time_range: tuple[float, float] | None = None
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
        """All settings of the network, defaults and what the file says of the model as a whole among them.

        Raises ValueError, naming the setting, if one can't have its value.
        """
        family = _network.family(self.family)
        given = {"temperature": self.temperature, "lag_time": self.lag_time}
        whole = {row.key: given[row.key] for row in family.settings if row.section == "model"}
        return family.complete({**self.settings, **whole})

    def metadata(self) -> dict[str, Any]:
        """The metadata entry, as it is written. Raises ValueError if there is no such family."""
        family = _network.family(self.family)
        known = {row.key: row for row in family.settings if row.section != "model"}
        sections: dict[str, dict[str, Any]] = {"architecture": {}, "sampler": {"type": family.sampler_type}}
        for key, row in known.items():
            sections[row.section][key] = self.settings.get(key, row.default)
        # A reader refuses what the family doesn't know.
        sections["architecture"] |= {key: value for key, value in self.settings.items() if key not in known}
        if family.has_time_grid:
            sections["sampler"] |= {"time_grid": self.time_grid, "guidance_schedule": self.guidance_schedule}
        entry = {"format": FORMAT, "name": self.name, "family": self.family, **sections}
        entry |= {"length_scale": self.length_scale, "lag_time": self.lag_time, "temperature": self.temperature}
        if self.lag_time_range is not None:
            entry["lag_time_range"] = list(self.lag_time_range)
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
            raise _refusal(self.name, f"its metadata cannot be written as JSON ({error})") from None
        # A copy each: the library refuses tensors that share memory, as tied weights do.
        tensors = {name: tensor.clone().contiguous() for name, tensor in self.tensors.items()}
        try:
            content = safetensors.torch.save(tensors, {METADATA_KEY: text})
        except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
            raise _refusal(self.name, f"it cannot be written ({' '.join(str(error).split())})") from None
        _network.ModelFile.from_bytes(content, _printable(self.name))
        return content

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
        checked = _network.ModelFile.from_bytes(content, _printable(name))
        entry = json.loads(checked.metadata_text)
        of_file = {row.key for row in _network.family(checked.family).settings if row.section == "model"}
        vocabulary = entry.get("vocabulary")
        return cls(
            name=entry["name"],
            family=checked.family,
            settings={key: value for key, value in checked.config.items() if key not in of_file},
            tensors=safetensors.torch.load(content),
            lag_time=float(entry["lag_time"]),
            temperature=float(entry["temperature"]),
            time_grid=checked.time_grid,
            guidance_schedule=checked.guidance_schedule,
            lag_time_range=tuple(entry["lag_time_range"]) if "lag_time_range" in entry else None,
            length_scale=float(entry["length_scale"]),
            vocabulary=None if vocabulary is None else sorted((z, block) for z, block in vocabulary["atoms"]),
            preserves_orientation=entry["preserves"]["orientation"],
            preserves_center_of_mass=entry["preserves"]["center_of_mass"],
            provenance=entry.get("provenance", {}),
        )


def _printable(name: str | os.PathLike[str]) -> str:
    """The name of a file for C++, which wants UTF-8."""
    return os.fspath(name).encode(errors="replace").decode()


def _refusal(name: str, fault: str) -> ModelFileError:
    return ModelFileError(f"Cannot use {name!a}: {fault}.")
