"""The families of networks, a line each, and those that other packages bring.

A package adds a family with an entry point of the group ``openmmjump.families`` that names an object of a class derived
from :class:`openmmjump.families.base.Family`; a script adds one with :func:`register`.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from .base import Family
from .pvb import FAMILY as PVB
from .unisim import FAMILY as UNISIM

__all__ = ["ENTRY_POINTS", "FAMILIES", "find", "list_families", "register", "unregister"]

#: The families of this package; the first is the one that a configuration means which names none.
FAMILIES = {family.name: family for family in (PVB, UNISIM)}
#: Where other packages name theirs.
ENTRY_POINTS = "openmmjump.families"

_added: dict[str, Family] = {}
#: Why families of entry points are not there, a phrase for each; None before they were looked for.
_failures: list[str] | None = None


def register(family: Family) -> None:
    """Add a family.

    Raises:
        ValueError: there is one of its name, or one of its kinds of stages is taken.
    """
    others = {**FAMILIES, **_added}
    if family.name in others:
        raise ValueError(f"There already is a family called '{family.name}'.")
    for other in others.values():
        if taken := kinds_of(family) & kinds_of(other):
            raise ValueError(f"The family '{other.name}' already has stages of kind {sorted(taken)[0]}.")
    _added[family.name] = family


def unregister(name: str) -> None:
    """Forget a family that was added."""
    _added.pop(name, None)


def list_families() -> list[Family]:
    """All families: those of this package, then those that were added and those of entry points."""
    global _failures
    if _failures is None:
        _failures = []
        for entry in entry_points(group=ENTRY_POINTS):
            try:
                register(entry.load())
            except Exception as error:  # a broken package must not take the others with it; find() tells of it
                _failures.append(f"the entry point '{entry.name}' can't be loaded: {' '.join(str(error).split())}")
    return [*FAMILIES.values(), *_added.values()]


def find(name: str) -> Family:
    """The family of a name.

    Raises:
        ValueError: there is none.
    """
    known = {family.name: family for family in list_families()}
    if name not in known:
        there = "; ".join([f"there are {', '.join(known)}", *(_failures or [])])
        raise ValueError(f"There is no family called '{name}' in Python; {there.removesuffix('.')}.")
    return known[name]


def kinds_of(family: Family) -> set[str]:
    """The kinds of a family's stages."""
    from typing import get_args, get_type_hints

    return {kind for stage in family.stages() for kind in get_args(get_type_hints(stage)["kind"])}
