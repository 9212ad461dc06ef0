"""The settings of a JumpIntegrator as Python values: keywords, units, equality, repr, copies and pickles."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterable
from typing import Any

import openmm
from openmm import unit

from openmmjump.units import show, to_unit

FORCE = unit.kilojoules_per_mole / unit.nanometer
#: Units of the settings that have one, by the setting's name.
UNITS = {
    "maxEnergyIncrease": unit.kilojoules_per_mole,
    "forceCap": FORCE,
    "tolerance": FORCE,
    "tetherStrength": FORCE / unit.nanometer,
}
#: Settings that are a choice, with the names of the class's constants, in order.
CHOICES = {
    "policy": ("Never", "WhenNeeded", "Always"),
    "schedule": ("Constant", "Falling", "Rising", "FromModel"),
    "point": ("OnPath", "EndPoint"),
}


def complete(cls: type) -> None:
    """Make a struct of settings that SWIG wrapped a comfortable Python class.

    Settings are given by keyword or set as attributes. A Quantity is converted to the unit of its setting, and force
    groups may be a set of numbers; what is read is a plain number. A setting that does not exist raises AttributeError
    (TypeError as a keyword).
    """
    names = [name for name, value in vars(cls).items() if isinstance(value, property) and name != "thisown"]
    make, set_attribute = cls.__init__, cls.__setattr__

    def __init__(self: Any, **settings: Any) -> None:
        make(self)
        for name, value in settings.items():
            if name not in names:
                raise TypeError(f"{cls.__name__} has no setting {name!r}, only {', '.join(names)}")
            setattr(self, name, value)

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if name == "forceGroups":
            value = to_mask(value)
        elif isinstance(value, unit.Quantity):
            value = to_unit(value, UNITS.get(name, unit.dimensionless), name)
        set_attribute(self, name, value)

    def as_dict(self: Any) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}

    def __repr__(self: Any) -> str:
        return (
            f"{cls.__name__}({', '.join(f'{name}={_show(cls, name, value)}' for name, value in as_dict(self).items())})"
        )

    def __eq__(self: Any, other: Any) -> Any:
        return as_dict(self) == as_dict(other) if isinstance(other, cls) else NotImplemented

    def __reduce__(self: Any) -> tuple[Any, ...]:
        return _restore, (cls, as_dict(self))

    defaults = {name: getattr(cls(), name) for name in names}
    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    parameters += [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=defaults[n]) for n in names]
    __init__.__signature__ = inspect.Signature(parameters, return_annotation=None)  # type: ignore[attr-defined]
    for method in (__init__, __setattr__, __repr__, __eq__, __reduce__):
        method.__qualname__ = f"{cls.__name__}.{method.__name__}"
        setattr(cls, method.__name__, method)
    cls.__init__.__doc__ = f"Settings by keyword: {', '.join(names)}."
    cls.__hash__ = None  # type: ignore[assignment]  # it can be changed


def _show(cls: type, name: str, value: Any) -> str:
    """A setting as one would write it."""
    choices = CHOICES.get(name, ())
    return f"{cls.__name__}.{choices[value]}" if choices and 0 <= value < len(choices) else repr(value)


def _restore(cls: type, settings: dict[str, Any]) -> Any:
    return cls(**settings)


def to_mask(groups: Iterable[int] | int) -> int:
    """The integer that stands for a set of force groups, one bit for each, as OpenMM's methods take it.

    Raises
    ------
    OpenMMException
        if a number is not 0 to 31, or an integer has more than 32 bits
    TypeError
        if it is neither an integer nor integers
    """
    try:
        mask = operator.index(groups) if hasattr(groups, "__index__") else None
        numbers = [] if mask is not None else [operator.index(group) for group in groups]
    except TypeError:
        raise TypeError(f"force groups are a set of numbers or an integer, not {show(groups)}") from None
    if mask is None:
        if not all(0 <= number <= 31 for number in numbers):
            raise openmm.OpenMMException(f"force groups are numbers from 0 to 31, not {show(groups)}")
        mask = sum(1 << number for number in set(numbers))
    if not -(2**31) <= mask < 2**32:
        raise openmm.OpenMMException(f"the mask of force groups has 32 bits, which {show(groups)} does not fit")
    mask &= 0xFFFFFFFF
    return mask - 0x100000000 if mask >= 0x80000000 else mask
