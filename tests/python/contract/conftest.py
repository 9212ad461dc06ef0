"""Everything in this folder is part of the contract: docs/contract.md has a line for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.contract)


@pytest.fixture(params=["Reference", "CPU"])
def name(request: pytest.FixtureRequest) -> str:
    """A platform whose Contexts are made quickly."""
    return request.param
