"""Force field files: those that come with OpenMM, by name, and the user's own, which travel to workers as text."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

_INCLUDE = re.compile(r'<Include\s+file="([^"]+)"')


def read_own(names: tuple[str, ...]) -> dict[str, str]:
    """Texts of those files that are the user's, by their names as given."""
    return {name: Path(name).read_text() for name in names if Path(name).is_file()}


def is_shipped(name: str) -> bool:
    """Whether OpenMM has a force field file of this name."""
    return (_folder() / name).is_file()


def digests(names: tuple[str, ...], own: dict[str, str]) -> list[dict[str, str]]:
    """Name, without folders if it is the user's, and SHA-256 of each file, those that it includes after it."""
    found: dict[str, str] = {}
    for name in names:
        found |= {name: own[name]} if name in own else {}
        for each, text in _with_included(name, own.get(name)).items():
            found.setdefault(each, text)
    return [
        {"file": Path(name).name if name in own else name, "sha256": hashlib.sha256(text.encode()).hexdigest()}
        for name, text in found.items()
    ]


def has_implicit_solvent(names: tuple[str, ...], own: dict[str, str]) -> bool:
    """Whether a force field takes the parameters of an implicit solvent."""
    texts = (text for name in names for text in _with_included(name, own.get(name)).values())
    return any("implicitSolventKappa" in text for text in texts)


def _with_included(name: str, text: str | None) -> dict[str, str]:
    """Texts of a file and of OpenMM's files that it includes, by name."""
    text = _shipped(name) if text is None else text
    found = {name: text}
    for included in _INCLUDE.findall(text):
        if is_shipped(included):
            found |= _with_included(included, None)
    return found


@cache
def _shipped(name: str) -> str:
    return (_folder() / name).read_text()


def _folder() -> Path:
    from openmm import app

    return Path(app.__file__).parent / "data"
