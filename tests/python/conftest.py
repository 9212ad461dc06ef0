"""Which slow tests are run (all, none, or a third that changes with a number), lines for the end of a run, a toy."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

#: Lines to print after the results of all tests.
LINES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--slow",
        default="all",
        metavar="all|none|NUMBER",
        help="tests marked slow that are run: all (default), none, or the third of this number; three numbers in a "
        "row run all of them",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LINES] = []


def pytest_report_header(config: pytest.Config) -> str:
    return f"slow tests: {config.getoption('--slow')}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    choice = config.getoption("--slow")
    if choice == "all":
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    chosen = [] if choice == "none" else slow[int(choice) % 3 :: 3]
    left_out = set(slow).difference(chosen)
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def last_lines(request: pytest.FixtureRequest) -> list[str]:
    """Lines to print after the results of all tests, wherever this one runs."""
    return request.config.stash[LINES]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["lines"] = session.config.stash[LINES]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[LINES].extend(getattr(node, "workeroutput", {}).get("lines", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[LINES]:
        terminalreporter.write_line(line)


def load_native_toy() -> None:
    """Load the C++ part of the toy family, which adds itself to the families of the engine."""
    folders = [Path(folder) for folder in os.environ.get("OPENMMJUMP_TEST_LIBRARIES", "").split(os.pathsep) if folder]
    folders += sorted((Path(__file__).parents[2] / "build").glob("*/tests"))  # where the build puts it
    for folder in folders:
        if list(folder.glob("toy_family*.so")):
            sys.path.append(str(folder))
            import toy_family  # noqa: F401

            return
    pytest.fail("the C++ part of the toy family is not built: cmake --build --preset dev --target toy_family")


@pytest.fixture
def toy() -> Iterator[Any]:
    """The family of tests/families and tests/python/families, registered."""
    from openmmjump import families

    load_native_toy()
    from families.toy import FAMILY

    families.register(FAMILY)
    yield FAMILY
    families.unregister("toy")
