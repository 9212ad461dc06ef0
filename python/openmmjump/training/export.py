"""From trained weights to a model file, with where they come from."""

from __future__ import annotations

import datetime
import platform
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from openmmjump import families
from openmmjump.modelfile import ModelFile

from .checkpoint import Checkpoints, read
from .config import Config, as_dict, from_dict, map_paths
from .config_schema import ConfigError, differences
from .frames import PreparedSystem, describe, prepare
from .molecule import NetworkMolecule


def prepare_all(config: Config, cache: Path, resume: bool = False) -> list[list[PreparedSystem]]:
    """The prepared systems of every entry of a configuration; see :func:`openmmjump.training.frames.prepare`."""
    hydrogens = families.find(config.family).native.moves_hydrogens
    entries = enumerate(zip(config.data, config.data_names(), strict=True))
    return [prepare(data, name, cache, f"data.{k}", resume, hydrogens) for k, (data, name) in entries]


def vocabulary(molecules: Sequence[NetworkMolecule]) -> list[tuple[int, int]]:
    """The pairs (atomic number, block type) that a model was trained on, rising."""
    seen = {(int(z) + 1, int(b)) for m in molecules for z, b in zip(m.atom_type, m.block_type, strict=True)}
    return sorted(seen)


@dataclass
class Run:
    """What a model file tells of the run that made it."""

    config: Config
    systems: Sequence[PreparedSystem]
    iterations: int
    seconds: float
    command: str


def model_file(weights: Mapping[str, torch.Tensor], run: Run) -> ModelFile:
    """The model file of a run's weights. Raises ModelFileError if a setting would be refused by a reader."""
    config = run.config
    family = families.find(config.family)
    return ModelFile(
        name=config.name,
        family=family.name,
        settings=family.model_config(config),
        tensors={name: tensor.detach().to("cpu", torch.float32) for name, tensor in weights.items()},
        lag_time=config.lag_time_ps,
        temperature=config.temperature_K,
        time_grid=config.sampler.times(),
        guidance_schedule=config.sampler.guidance_schedule,
        vocabulary=vocabulary([system.molecule for system in run.systems]),
        provenance=provenance(run),
    )


def provenance(run: Run) -> dict[str, Any]:
    """Where the weights come from; no folders of the machine."""
    config = run.config
    settings = as_dict(map_paths(config, lambda path: Path(path).name if Path(path).is_absolute() else path))
    for name in ("output", "cache"):
        settings.pop(name)
    return {
        "description": config.description,
        "force_field": config.force_field,
        "temperature_K": config.temperature_K,
        "lag_time_ps": config.lag_time_ps,
        "data": [describe(system) for system in run.systems],
        "iterations": run.iterations,
        "training_seconds": round(run.seconds),
        "command": run.command,
        "config": settings,
        "started_from": provenance_of(config.start_from),
        "commit": commit(),
        "versions": versions(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
    }


def provenance_of(model: str | None) -> dict[str, Any] | None:
    """Where the weights came from that a run started with; None if it started anew or the file has gone since."""
    if model is None or not Path(model).is_file():
        return None
    return ModelFile.load(model).provenance


def commit() -> str:
    """The commit of the source this package runs from, with + if it was changed; empty outside a git checkout."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True).stdout

    try:
        changed = git("status", "--porcelain", "--untracked-files=no").strip()
        return git("rev-parse", "HEAD").strip() + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def versions() -> dict[str, str]:
    """Versions of what the weights were made with."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version(), "torch": torch.__version__}
    for package in ("openmm-jump", "mdtraj", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def export(weights: Mapping[str, torch.Tensor], run: Run, file: Path | None = None) -> Path | None:
    """Write a model file, by default OUTPUT/NAME.safetensors.

    Returns:
        The file; None if the configuration has no lag time or temperature, without which a model can't be used.
    """
    if run.config.lag_time_ps is None or run.config.temperature_K is None:
        return None
    file = file or Path(run.config.output) / f"{run.config.name}.safetensors"
    model_file(weights, run).save(file)
    return file


def export_checkpoint(
    output: Path, file: Path | None = None, command: str = "", settings: Config | None = None
) -> Path:
    """Write the model file of the averaged weights of a run's newest checkpoint, or of one checkpoint.

    Args:
        output: folder of a run, or a checkpoint file in it.
        file: where to write; by default NAME.safetensors in the folder of the run.
        command: how the export was started.
        settings: a configuration whose sampler, name and texts replace those of the checkpoint; in what determines the
            weights the two must agree.

    Raises:
        ConfigError: there is no checkpoint, it is of another configuration, or it doesn't say what a model file needs.
    """
    try:
        state = read(output) if output.is_file() else Checkpoints(output).latest()
    except ValueError as error:
        raise ConfigError([str(error)]) from error
    if state is None:
        raise ConfigError([f"{output} holds no checkpoint."])
    folder = output.parent.parent if output.is_file() else output
    config = from_dict({**state["config"], "output": str(folder)})
    if settings is not None:
        if found := differences(config, settings):
            raise ConfigError([f"{output} holds a checkpoint of another run: {found[0]}"])
        config = replace(settings, output=str(folder), cache=config.cache)
    cache = Path(config.cache or folder / "cache")
    systems = [system for entry in prepare_all(config, cache, resume=True) for system in entry]
    made = export(state["average"]["weights"], Run(config, systems, state["total"], state["seconds"], command), file)
    if made is None:
        raise ConfigError(["A model file needs lag_time_ps and temperature_K, which the configuration doesn't give."])
    return made


def load_weights(network: torch.nn.Module, file: Path, optional_parts: Collection[str] = ()) -> None:
    """Take the weights of a model file, or the averaged ones of a checkpoint.

    Parts that the family calls optional may be absent: they keep the weights they have.

    Raises:
        ConfigError: the file can't be read, or its network has other sizes.
    """
    try:
        if file.suffix == ".pt":
            weights = read(file)["average"]["weights"]
        else:
            weights = ModelFile.load(file).tensors
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError([f"start_from: {error}"]) from error
    given = {name.split(".")[0] for name in weights}
    optional = set(optional_parts) - given
    own = {name: tensor for name, tensor in network.state_dict().items() if name.split(".")[0] not in optional}
    for name, tensor in own.items():
        if name not in weights or weights[name].shape != tensor.shape:
            what = "lacks" if name not in weights else "has another size of"
            raise ConfigError([f"start_from: {file.name} {what} {name}; the network must have the same sizes."])
    network.load_state_dict({name: weights[name] for name in own}, strict=False)
