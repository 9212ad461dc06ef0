"""The configuration of a training run: what a YAML file may say, checked, with defaults.

Here is the file as a whole; its parts are in `settings`, those of a family of networks in the family's folder.
"""

# ruff: noqa: RUF009 (setting() is dataclasses.field() with a help text)

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from openmmjump import families
from openmmjump.families.base import Family, Stage
from openmmjump.families.settings import NetworkSettings

from .config_schema import Choice, ConfigError, build, setting
from .settings import Data, Fault, Sampler, Validation


def _default() -> Family:
    """The family of a configuration that names none."""
    return families.list_families()[0]


def _family(raw: Mapping[str, Any]) -> Family | None:
    """The family of a raw configuration; None if it names one that there isn't, which is told with `network`."""
    network = raw.get("network")
    if not isinstance(network, Mapping) or "family" not in network:
        return _default()
    return next((family for family in families.list_families() if family.name == network["family"]), None)


def _family_of(stage: Stage) -> str:
    """The name of the family that a stage is of."""
    return next(family.name for family in families.list_families() if type(stage) in family.stages())


def _section(family: Family, section: str) -> type:
    """The class of a section of a configuration for a family."""
    return {"data": family.data(), "network": family.network_class, "sampler": family.sampler_class}[section]


def _choose(section: str) -> Callable[[Mapping[str, Any]], Choice]:
    """What chooses the class of a section by the family."""

    def choose(raw: Mapping[str, Any]) -> Choice:
        own = _family(raw)

        def explain(key: str) -> str | None:
            for other in families.list_families():
                if key in {field.name for field in dataclasses.fields(_section(other, section))}:
                    return f"is a setting of {other.name}, but the network is of {own.name}"
            return None

        if section == "network":  # its tag, the family, chooses among all
            return Choice(tuple(_section(family, section) for family in families.list_families()), explain)
        return Choice(() if own is None else (_section(own, section),), explain)

    return choose


def _choose_stages(raw: Mapping[str, Any]) -> Choice:
    return Choice(tuple(stage for family in families.list_families() for stage in family.stages()))


@dataclass(frozen=True)
class Config:
    """A whole training run."""

    data: list[Data] = setting(help="the systems and trajectories to learn from", choose=_choose("data"))
    stages: list[Stage] = setting(help="stages of training, one after the other", choose=_choose_stages)
    output: str = setting("training", "folder for checkpoints, logs and the model file", free=True)
    name: str = setting("model", "name of the model and of its file", free=True)
    lag_time_ps: float | None = setting(
        None, "lag time of one jump; needed for stages that learn from pairs of frames", above=0
    )
    temperature_K: float | None = setting(None, "temperature of the training data", above=0)
    force_field: str = setting("", "force field of the training data, for the model file", free=True)
    description: str = setting("", "free text for the model file", free=True)
    network: NetworkSettings = setting(
        factory=lambda: _default().network_class(), help="family and sizes of the network", choose=_choose("network")
    )
    sampler: Sampler = setting(
        factory=lambda: _default().sampler_class(), help="how the model jumps", free=True, choose=_choose("sampler")
    )
    start_from: str | None = setting(None, "a model file whose weights to start from")
    validation: Validation = setting(factory=Validation, help="what is measured")
    seed: int = setting(42, "everything random follows from it (published: 42)", minimum=0)
    threads: int = setting(1, "threads of one process", minimum=1, free=True)
    device: Literal["auto", "cpu", "cuda"] = setting("auto", "auto: cuda where there is one", free=True)
    checkpoint_minutes: float = setting(5.0, "time between checkpoints", above=0, free=True)
    checkpoint_iterations: int = setting(0, "also every so many iterations; 0: by time only", minimum=0, free=True)
    keep_checkpoints: int = setting(2, "newest checkpoints to keep", minimum=1, free=True)
    log_every: int = setting(100, "iterations between log entries", minimum=1, free=True)
    cache: str | None = setting(None, "folder for prepared frames; by default OUTPUT/cache", free=True)

    def check(self) -> Iterable[Fault]:
        if not self.data:
            yield "data", "must name at least one system."
        if not self.stages:
            yield "stages", "must have at least one stage."
        if "/" in self.name or not self.name:
            yield "name", "must be a file name without folders."
        known = self.data_names()
        for name in {n for n in known if known.count(n) > 1}:
            yield "data", f"holds two entries called {name!r}: give them different names."
        for k, stage in enumerate(self.stages):
            yield from self._check_stage(k, stage, known)
        yield from families.find(self.family).check(self)

    @property
    def family(self) -> str:
        """The name of the network's family."""
        return self.network.family

    def _check_stage(self, k: int, stage: Stage, known: Sequence[str]) -> Iterable[Fault]:
        family = _family_of(stage)
        if family != self.family:
            yield f"stages.{k}.kind", f"is {stage.kind}, a stage of {family}, but the network is of {self.family}."
            return
        for name in stage.data or []:
            if name not in known:
                yield f"stages.{k}.data", f"names {name!r}, but the data are called {', '.join(known)}."
        if stage.data == []:
            yield f"stages.{k}.data", "must name at least one entry of data."
        if stage.early_stopping and not self.validation.fraction:
            yield f"stages.{k}.early_stopping", "needs validations, but validation.fraction is 0."
        if stage.needs_lag and self.lag_time_ps is None:
            yield "lag_time_ps", f"is missing: a {stage.kind} stage needs the lag time of one jump."
        used = {name: data for name, data in zip(known, self.data, strict=True) if name in (stage.data or known)}
        for name, data in used.items():
            if fault := stage.misfit(self, data):
                yield f"stages.{k}.data", f"holds {name!r}, {fault}."
        yield from stage.check_run(self, f"stages.{k}", list(used.values()))

    def data_names(self) -> list[str]:
        """What each entry of data is called."""
        return [d.name or Path(d.topology).stem for d in self.data]


def load(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read a configuration from a YAML file.

    Relative paths in it (topology, trajectories, start_from) are taken from the folder of the file; ``output`` and
    ``cache`` from the current folder. ``overrides`` are ``key.path=value`` with the value in YAML.

    Raises:
        ConfigError: one sentence for each fault.
    """
    path = Path(path)
    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError([f"{path} can't be read: {error.strerror}."]) from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        place = f" at line {where.line + 1}" if where else ""
        raise ConfigError([f"{path} is not valid YAML{place}: {getattr(error, 'problem', error)}."]) from error
    if not isinstance(raw, dict):
        raise ConfigError([f"{path} must hold a mapping of keys to values."])
    for text in overrides:
        override(raw, text)
    return resolve(build(Config, raw), path.parent)


def override(raw: dict[str, Any], text: str) -> None:
    """Apply one ``key.path=value`` to a raw configuration, in place; list items are named by number."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError([f"An override must look like key.path=value, not {text!r}."])
    try:
        value = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError([f"The value of the override {text!r} is not valid YAML."]) from error
    here: Any = raw
    *parents, last = key.split(".")
    for k, part in enumerate(parents):
        here = _child(here, part, ".".join(parents[: k + 1]))
    if isinstance(here, list):
        _child(here, last, key)
        here[int(last)] = value
    else:
        here[last] = value


def _child(here: Any, part: str, path: str) -> Any:
    if isinstance(here, list):
        if not part.isdigit() or int(part) >= len(here):
            raise ConfigError([f"{path} does not exist: the list has {len(here)} entries, counted from 0."])
        return here[int(part)]
    if here.get(part) is None:
        here[part] = {}
    if not isinstance(here[part], (dict, list)):
        raise ConfigError([f"{path} holds {here[part]!r}, which has no keys."])
    return here[part]


def resolve(config: Config, folder: Path) -> Config:
    """The same configuration with its input paths taken from ``folder``, and with defaults that depend on others."""

    def full(name: str) -> str:
        return str((folder / Path(name).expanduser()).absolute()) if name else name

    mapped = map_paths(config, full)
    stages = [stage.with_defaults(mapped) for stage in mapped.stages]
    return dataclasses.replace(mapped, stages=stages)


def map_paths(config: Config, path: Callable[[str], str]) -> Config:
    """The same configuration with every path to an input file replaced."""
    data = [
        dataclasses.replace(
            d,
            topology=path(d.topology),
            trajectories=[path(t) for t in d.trajectories],
            labels=path(d.labels) if d.labels else None,
        )
        for d in config.data
    ]
    start = path(config.start_from) if config.start_from else None
    stages = [stage.map_paths(path) for stage in config.stages]
    return dataclasses.replace(config, data=data, start_from=start, stages=stages)


def as_dict(config: Config) -> dict[str, Any]:
    """A plain mapping from which :func:`from_dict` makes the same configuration."""
    return dataclasses.asdict(config)


def from_dict(raw: dict[str, Any]) -> Config:
    """The configuration that :func:`as_dict` wrote down."""
    return build(Config, raw)
