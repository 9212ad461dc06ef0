"""The models that ship with OpenMM-Jump: ``<name>.safetensors`` files in this folder."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["available", "path", "resolve"]

_FOLDER = Path(__file__).parent


def available() -> list[str]:
    """Names of the shipped models."""
    return sorted(file.stem for file in _FOLDER.glob("*.safetensors"))


def path(name: str) -> Path:
    """The file of a shipped model.

    Raises FileNotFoundError, listing the shipped names, if there is no such model.
    """
    if name in available():
        return _FOLDER / f"{name}.safetensors"
    shipped = ", ".join(repr(model) for model in available()) or "none"
    raise FileNotFoundError(f"There is no shipped model {name!r}; the shipped models are: {shipped}.")


def resolve(name: str | os.PathLike[str]) -> Path:
    """The file of a model: a shipped one by its name, any other by its path.

    Raises FileNotFoundError if there is neither.
    """
    if isinstance(name, str) and name in available():
        return path(name)
    file = Path(os.path.expanduser(name))  # unlike Path.expanduser(), no error for an unknown user
    if file.is_file():
        return file
    shipped = ", ".join(repr(model) for model in available()) or "none"
    raise FileNotFoundError(
        f"There is no model file and no shipped model {str(name)!r}; the shipped models are: {shipped}."
    )
