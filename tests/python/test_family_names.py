"""A family is one folder and one line: its name stands nowhere else in the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from openmmjump import _network, models

ROOT = Path(__file__).parents[2]
#: Folders of code, each with the places in it that belong to families.
PLACES = {
    "python": ("openmmjump/families",),
    "network": ("src/families", "include/openmmjump/network/families"),
    "openmmapi": (),
    "platforms": (),
    "serialization": (),
    "wrappers": (),
}
#: Where the families are listed, a line each.
TABLES = ("network/src/Families.cpp",)
THEORY = re.compile(r"docs/theory/[a-z-]+\.md")
SUFFIXES = (".py", ".i", ".h", ".cpp", ".cc", ".cu", ".txt")


def names() -> re.Pattern:
    """The names of the families, in any spelling: gaussian-mixture, GaussianMixture, gaussian_mixture."""
    spelled = ["[-_ ]?".join(re.split("[-_]", name)) for name in _network.families() if name != "toy"]
    return re.compile("|".join(spelled), re.IGNORECASE)


def lines_with_names(folder: str) -> list[str]:
    """Lines of a folder that name a family outside of its places."""
    found, pattern = [], names()
    shipped = re.compile("|".join(sorted(models.available(), key=len, reverse=True)))
    for file in sorted((ROOT / folder).rglob("*")):
        inside = file.relative_to(ROOT / folder).as_posix()
        if file.suffix not in SUFFIXES or inside.startswith(PLACES[folder]):
            continue
        if file.relative_to(ROOT).as_posix() in TABLES:
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            # A model may be called as it likes, and the page with an equation as the family that brought it.
            if pattern.search(THEORY.sub("", shipped.sub("", line))):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()}")
    return found


@pytest.mark.parametrize("folder", PLACES)
def test_no_family_is_named_outside_its_folder(folder):
    assert (ROOT / folder).is_dir()
    assert lines_with_names(folder) == []


def test_the_search_finds_names():
    assert names().search("class UniSimNetwork") and names().search("// PVB's block") and not names().search("bridge")
