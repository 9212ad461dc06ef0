"""Numbers with units, and sets of force groups, as the methods of the API take them."""

from __future__ import annotations

from typing import Any

import openmm
from openmm import unit


def show(value: Any) -> str:
    """What was given, on one line and not too long, for a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 200 else text[:200] + "..."


def to_mask(groups: Any) -> int:
    """The integer that stands for a set of force groups, one bit for each, as OpenMM's methods take it.

    Raises
    ------
    OpenMMException
        if a number is not 0 to 31
    """
    if not isinstance(groups, int):
        groups = list(groups)
        if not all(isinstance(group, int) and 0 <= group <= 31 for group in groups):
            raise openmm.OpenMMException(f"force groups are numbers from 0 to 31, not {show(groups)}")
        groups = sum(1 << group for group in set(groups))
    groups &= 0xFFFFFFFF
    return groups - 0x100000000 if groups >= 0x80000000 else groups


def strip(value: Any, kind: unit.Unit, name: str) -> Any:
    """A plain number, or a Quantity as a number in a unit.

    Raises
    ------
    TypeError
        if it is neither, or a Quantity of another dimension
    """
    if isinstance(value, unit.Quantity):
        if not value.unit.is_compatible(kind):
            raise TypeError(f"the {name} must be in {kind} or a compatible unit, not in {value.unit}")
        return value.value_in_unit(kind)
    if not hasattr(value, "__float__"):
        raise TypeError(f"the {name} must be a number or a Quantity, not {show(value)}")
    return value
