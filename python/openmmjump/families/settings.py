"""The settings of a family as classes of the training configuration, made from the family's one table in C++."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from openmmjump.training.config_schema import setting
from openmmjump.training.settings import Fault, Sampler

KINDS = {"int": int, "float": float, "bool": bool}


@dataclass(frozen=True)
class NetworkSettings:
    """Sizes and settings of a network; the defaults are the published ones."""

    family: str
    precision: Literal["single", "double"] = setting("single", "of the weights and all arithmetic while training")


def network_class(name: str, native: Any) -> type[NetworkSettings]:
    """The section `network` of a configuration for a family of this name.

    Args:
        name: of the family.
        native: its description in C++, `openmmjump._network.family(name)`.
    """

    def check(self: NetworkSettings) -> Iterable[Fault]:
        try:
            native.complete({key: getattr(self, key) for key in keys})
        except ValueError as error:
            yield fault_of(error)

    rows = [row for row in native.settings if row.section == "architecture" and can_vary(row)]
    keys = [row.key for row in rows]
    tag = ("family", Literal[name], setting(name, "family of the network", tag=True))
    fields = [(row.key, kind_of(row), _field(row)) for row in rows]
    return dataclasses.make_dataclass(
        f"Network_{name}", [tag, *fields], bases=(NetworkSettings,), namespace={"check": check}, frozen=True
    )


def sampler_class(name: str, native: Any, adjustable: Iterable[str]) -> type[Sampler]:
    """The section `sampler` of a configuration for a family of this name.

    Args:
        name, native: see :func:`network_class`.
        adjustable: settings of the network that a model file may have other values of.
    """
    rows = {row.key: row for row in native.settings}
    steps = setting(native.default_steps, _help(Sampler, "steps"), minimum=1, free=True)
    known = {field.name for field in dataclasses.fields(Sampler)}
    fields = [("steps", int, steps)]
    for row in rows.values():
        if row.section == "sampler" and row.key not in known:
            fields.append((row.key, kind_of(row), _field(row, free=True)))
    for key in adjustable:
        text = f"of the model file, if another than network.{key}"
        fields.append((key, kind_of(rows[key]) | None, setting(None, text, free=True, **limits_of(rows[key]))))
    return dataclasses.make_dataclass(f"Sampler_{name}", fields, bases=(Sampler,), frozen=True)


def can_vary(row: Any) -> bool:
    """Whether a setting has more than one value."""
    return row.low != row.high


def kind_of(row: Any) -> Any:
    """The type of a setting; a whole number of few choices is one of them."""
    if row.kind == "word":
        return Literal[tuple(row.words)]
    if is_choice(row):
        return Literal[tuple(range(int(row.low), int(row.high) + 1))]
    return KINDS[row.kind]


def is_choice(row: Any) -> bool:
    """Whether a setting is a whole number of few choices."""
    return row.kind == "int" and row.high - row.low < 4


def limits_of(row: Any) -> dict[str, float]:
    """The limits of a number, as :func:`openmmjump.training.config_schema.setting` takes them."""
    found = {"above" if row.low_open else "minimum": row.low, "maximum": row.high}
    return (
        {name: limit for name, limit in found.items() if math.isfinite(limit)}
        if row.kind in ("int", "float") and not is_choice(row)
        else {}
    )


def fault_of(error: ValueError) -> Fault:
    """The key that an error of the C++ table names, and the rest of its sentence: "PVB config: KEY is ...".

    There is no key if the sentence is another.
    """
    match = re.fullmatch(r"[^:]*: (\w+) (.*)", str(error), re.DOTALL)
    return match.groups() if match else ("", str(error))


def _field(row: Any, free: bool = False) -> Any:
    return setting(row.default, row.help, free=free, **limits_of(row))


def _help(cls: type, name: str) -> str:
    return next(field.metadata["help"] for field in dataclasses.fields(cls) if field.name == name)
