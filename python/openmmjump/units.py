"""Numbers with a unit: wherever the package takes one, it takes a plain number or an `openmm.unit.Quantity`.

Plain numbers are in the unit that the documentation of the parameter names: that of OpenMM, nm, ps, kJ/mol and K, if it
says nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from openmm import unit

#: A number, or a Quantity of a fitting dimension.
Number: TypeAlias = float | unit.Quantity
#: Numbers with or without a unit, or what numpy makes an array of.
Numbers: TypeAlias = ArrayLike | unit.Quantity | Iterable[Number]

_LONGEST = 200  # characters of a value in a message


def to_unit(value: Number, target: unit.Unit, name: str) -> float:
    """A value as a plain number in a unit.

    Args:
        value: a number that is in the unit already, or a Quantity of its dimension
        target: the unit
        name: what the value is, for messages

    Raises:
        TypeError: if the value is no number or has another dimension
    """
    plain = _without_unit(value, target, name)
    if isinstance(plain, str | bytes) or not hasattr(plain, "__float__") or np.ndim(plain) > 0:
        raise TypeError(f"the {name} must be a number or a Quantity, not {show(value)}")
    return float(plain)


def to_array(values: Numbers, target: unit.Unit, name: str) -> NDArray[np.float64]:
    """Values as an array of plain numbers in a unit.

    Args:
        values: numbers that are in the unit already, or a Quantity of its dimension, or Quantities one by one
        target: the unit
        name: what the values are, for messages

    Raises:
        TypeError: if there is something else than numbers, or of another dimension
    """
    plain = _without_unit(values, target, name)
    if isinstance(plain, Iterable) and not isinstance(plain, np.ndarray | str | bytes):
        plain = [_without_unit(each, target, name) for each in plain]
    try:
        array = np.asarray(plain)
        if array.dtype.kind not in "US":  # numpy would read texts as numbers
            return np.asarray(array, np.float64)
    except (TypeError, ValueError):
        pass
    raise TypeError(f"the {name} must be numbers or a Quantity, not {show(values)}")


def show(value: Any) -> str:
    """What was given, on one line and not too long, for a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _without_unit(value: Any, target: unit.Unit, name: str) -> Any:
    if not isinstance(value, unit.Quantity):
        return value
    if not value.unit.is_compatible(target):
        raise TypeError(f"the {name} must be in {target} or a compatible unit, not in {value.unit}")
    return value.value_in_unit(target)
