"""Stand-ins for the type stubs that OpenMM doesn't have: all names, without types, so that type checkers find them."""

from __future__ import annotations

import importlib
import inspect
import keyword
from pathlib import Path

MODULES = ("openmm", "openmm.app", "openmm.unit")


def write_stubs(folder: Path) -> None:
    """Write a stub package for each of the modules."""
    for module in MODULES:
        path = folder.joinpath(*module.split("."))
        path.mkdir(parents=True)
        path.joinpath("__init__.pyi").write_text(_names(module))


def _names(module: str) -> str:
    lines = ["from typing import Any"]
    for name, value in vars(importlib.import_module(module)).items():
        if name.startswith("_") or keyword.iskeyword(name) or inspect.ismodule(value):
            continue
        lines.append(f"class {name}(Any): ..." if inspect.isclass(value) else f"{name}: Any")
    return "\n".join(lines) + "\n"
