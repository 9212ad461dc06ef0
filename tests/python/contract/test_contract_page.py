"""docs/contract.md names every test of the contract, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "contract.md"


def find_tests(file: Path) -> set[str]:
    """Names of the test functions of a file."""
    found = ast.parse(file.read_text()).body
    return {item.name for item in found if isinstance(item, ast.FunctionDef) and item.name.startswith("test_")}


def test_the_page_names_every_test():
    """A test in two files would be told by neither name."""
    files = {file: find_tests(file) for file in sorted(HERE.glob("test_*.py"))}
    names = sorted(name for found in files.values() for name in found)
    assert len(names) == len(set(names)) > 50
    assert set(re.findall(r"`(test_\w+)`", PAGE.read_text())) == set(names)


def test_the_page_has_one_line_for_each_test():
    """Every row of a table says what is promised, what happens, and which test holds it."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "`test_" in line]
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 3 and all(cells) and re.fullmatch(r"(`test_\w+`(, )?)+", cells[2].strip("| ")), row
