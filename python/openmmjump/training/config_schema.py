"""Turn plain mappings (as YAML gives them) into dataclasses, with one plain sentence for every fault.

A dataclass field declared with :func:`setting` carries its help text and its limits, so that reading, checking,
documenting and comparing a configuration all use one description.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

T = TypeVar("T")
_EXPONENT = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?[eE][+-]?[0-9]+")  # YAML 1.1 reads 1e-4 as text


class ConfigError(ValueError):
    """A configuration can't be used; the message has one sentence for each fault, each on its own line."""

    def __init__(self, faults: list[str]):
        self.faults = faults
        super().__init__("\n".join(faults))


@dataclass(frozen=True)
class Choice:
    """Which classes a mapping may be for, where that depends on another setting.

    Attributes:
        classes: one class, or several that their tag tells apart; none where a fault elsewhere keeps it open.
        explain: a sentence's end for a key that none of them has, such as "is a setting of another family", or None.
    """

    classes: tuple[type, ...]
    explain: Callable[[str], str | None] = lambda key: None


def setting(
    default: Any = dataclasses.MISSING,
    help: str = "",
    *,
    factory: Any = dataclasses.MISSING,
    above: float | None = None,
    minimum: float | None = None,
    below: float | None = None,
    maximum: float | None = None,
    free: bool = False,
    tag: bool = False,
    choose: Callable[[Mapping[str, Any]], Choice] | None = None,
) -> Any:
    """Declare a field of a configuration class.

    ``above``/``below`` are exclusive limits, ``minimum``/``maximum`` inclusive ones; they hold for every number of a
    list. ``free`` marks what may change when a run is resumed because it doesn't change the weights.
    ``tag`` marks the field, a Literal, whose value says which class of a union of classes a mapping is for; where it
    has a default, the first class of the union is meant if the mapping doesn't hold it. ``choose`` is given the mapping
    that holds the field and says which dataclasses its value, or the items of its list, may be of.
    """
    limits = {"above": above, "minimum": minimum, "below": below, "maximum": maximum}
    metadata = {"help": help, "free": free, "tag": tag, "choose": choose}
    metadata["limits"] = {k: v for k, v in limits.items() if v is not None}
    if factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def build(cls: type[T], value: Any, path: str = "") -> T:
    """Make a ``cls`` from a mapping.

    A class may have a method ``check() -> Iterable[tuple[str, str]]`` that yields (key, sentence) for faults that
    concern several fields; it is called when all fields are well formed.

    Raises:
        ConfigError: with every fault found.
    """
    faults: list[str] = []
    result = _dataclass(cls, value, path, faults)
    if faults:
        raise ConfigError(faults)
    return result


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _dataclass(
    cls: type, value: Any, path: str, faults: list[str], explain: Callable[[str], str | None] = lambda key: None
) -> Any:
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        faults.append(f"{path or 'The configuration'} must be a mapping of keys to values, not {_show(value)}.")
        return None
    fields = {f.name: f for f in dataclasses.fields(cls)}
    before = len(faults)
    for key in value:
        if key not in fields:
            fault = explain(str(key)) or f"is not a known key{_suggestion(str(key), fields)}"
            faults.append(f"{_join(path, key)} {fault}.")
    hints = typing.get_type_hints(cls)
    arguments = {}
    for name, field in fields.items():
        choose = field.metadata.get("choose")
        if choose is not None and (name in value or field.default_factory is not dataclasses.MISSING):
            arguments[name] = _chosen(choose(value), hints[name], value.get(name), _join(path, name), faults)
        elif name in value:
            arguments[name] = _value(hints[name], value[name], _join(path, name), faults)
            _check_limits(arguments[name], field.metadata.get("limits", {}), _join(path, name), faults)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            faults.append(f"{_join(path, name)} is missing.")
    if len(faults) > before:
        return None
    result = cls(**arguments)
    if hasattr(result, "check"):
        faults.extend(f"{_join(path, key)} {sentence}" for key, sentence in result.check())
    return result


def _suggestion(key: str, known: Any) -> str:
    near = difflib.get_close_matches(key, list(known), n=1)
    return f"; did you mean {near[0]}" if near else f" (known keys: {', '.join(known)})"


def _chosen(choice: Choice, hint: Any, value: Any, path: str, faults: list[str]) -> Any:
    """A dataclass, or the list of them that the hint asks for, of the classes chosen; None if none are."""
    if not choice.classes:
        return None
    if typing.get_origin(hint) is not list:
        return _tagged(choice.classes, value, path, faults, choice.explain)
    if not isinstance(value, list):
        faults.append(f"{path} must be a list, not {_show(value)}.")
        return None
    return [_tagged(choice.classes, item, f"{path}.{k}", faults, choice.explain) for k, item in enumerate(value)]


def _value(hint: Any, value: Any, path: str, faults: list[str]) -> Any:
    """Convert a value to a type hint, or note why it can't be."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, value, path, faults)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments, value, path, faults)
    if origin is Literal:
        if any(value == choice and type(value) is type(choice) for choice in arguments):
            return value
        faults.append(f"{path} must be one of {', '.join(map(str, arguments))}, not {_show(value)}.")
        return None
    if origin is list:
        if not isinstance(value, list):
            faults.append(f"{path} must be a list, not {_show(value)}.")
            return None
        return [_value(arguments[0], item, f"{path}.{k}", faults) for k, item in enumerate(value)]
    return _scalar(hint, value, path, faults)


def _union(hints: tuple, value: Any, path: str, faults: list[str]) -> Any:
    """The first alternative that fits; the faults of the alternative with the right shape otherwise."""
    if value is None and type(None) in hints:
        return None
    best: list[str] | None = None
    for hint in (h for h in hints if h is not type(None)):
        trial: list[str] = []
        result = _value(hint, value, path, trial)
        if not trial:
            return result
        fits = isinstance(value, list) == (typing.get_origin(hint) is list)
        best = trial if best is None or fits else best
    faults.extend(best or [])
    return None


def _tagged(
    classes: tuple[type, ...], value: Any, path: str, faults: list[str], explain: Callable[[str], str | None]
) -> Any:
    """One of several classes, chosen by the field that is marked as their tag."""
    names = [field.name for field in dataclasses.fields(classes[0]) if field.metadata.get("tag")]
    if not names or not isinstance(value, Mapping) or names[0] not in value:
        return _dataclass(classes[0], value, path, faults, explain)
    choices = {c: cls for cls in classes for c in typing.get_args(typing.get_type_hints(cls)[names[0]])}
    tag = value[names[0]]
    if not isinstance(tag, str) or tag not in choices:
        faults.append(f"{_join(path, names[0])} must be one of {', '.join(choices)}, not {_show(tag)}.")
        return None
    return _dataclass(choices[tag], value, path, faults, explain)


def _scalar(hint: Any, value: Any, path: str, faults: list[str]) -> Any:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    if hint in (int, float) and isinstance(value, str) and _EXPONENT.fullmatch(value):
        value = float(value)
    if hint is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    good = isinstance(value, hint) and not (hint is int and isinstance(value, bool))
    if good and hint is float and not math.isfinite(value):
        faults.append(f"{path} must be a finite number, not {value}.")
        return None
    if not good:
        faults.append(f"{path} must be {names[hint]}, not {_show(value)}.")
        return None
    return value


def _check_limits(value: Any, limits: Mapping[str, float], path: str, faults: list[str]) -> None:
    if isinstance(value, list):
        for k, item in enumerate(value):
            _check_limits(item, limits, f"{path}.{k}", faults)
        return
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return
    words = {"above": "above", "minimum": "at least", "below": "below", "maximum": "at most"}
    kept = {
        "above": lambda limit: value > limit,
        "minimum": lambda limit: value >= limit,
        "below": lambda limit: value < limit,
        "maximum": lambda limit: value <= limit,
    }
    for kind, limit in limits.items():
        if not kept[kind](limit):
            faults.append(f"{path} must be {words[kind]} {limit:g}, not {value:g}.")


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Sentences naming every setting that differs between two configurations and isn't marked free."""
    if dataclasses.is_dataclass(new) and type(old) is type(new):
        found = []
        for field in dataclasses.fields(new):
            if not field.metadata.get("free", False):
                found += differences(getattr(old, field.name), getattr(new, field.name), _join(path, field.name))
        return found
    if isinstance(new, list) and isinstance(old, list) and len(old) == len(new):
        return [d for k, pair in enumerate(zip(old, new, strict=True)) for d in differences(*pair, f"{path}.{k}")]
    return [] if old == new else [f"{path} was {_show(old)} and is now {_show(new)}."]
