"""One still exchange a file and a desk of its own for each scenario, as the rules have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.case import INJECTED, ROW, SAW, Case
from tests.rules.conftest import seat, venue

__all__ = ["seat", "venue"]
FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Whoever runs the whole suite runs the quick scenarios; whoever names this folder runs all."""
    named = (Path(config.invocation_params.dir, word.partition("::")[0]).resolve() for word in config.args)
    if any(path.is_relative_to(FOLDER) for path in named):
        return
    late = [item for item in items if (mark := item.get_closest_marker("row")) and not mark.kwargs["suite"]]
    config.hook.pytest_deselected(items=late)
    items[:] = [item for item in items if item not in late]


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """The scenario's own; a scenario that has injected nothing fails when it ends.

    It is set up after the exchange and the desk, and so it ends before they forget.
    """
    names = request.fixturenames
    still = request.getfixturevalue("venue") if "venue" in names or "seat" in names else None
    if "seat" in names:
        request.getfixturevalue("seat")
    mark = request.node.get_closest_marker("row")
    assert mark is not None, "a scenario says which row of the matrix it is: @row(7)"
    one = Case(still)
    yield one
    injected = one.injected
    said = [(SAW, text) for text in one.said]
    request.node.user_properties += [(ROW, mark.args[0]), (INJECTED, injected), *said]
    assert injected >= 1, f"row {mark.args[0]} was never injected"
