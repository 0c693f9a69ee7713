"""One fault of the matrix as a scenario: set up, strike, await, judge; and what has come of it.

How often a fault was injected is what the exchange has counted: its fault board, its levers, its request
log, its fills. A scenario that ends without one has shown nothing, and fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from tests.rules.venue import StillVenue

F = TypeVar("F", bound=Callable[..., None])
ROW, INJECTED, SAW = "row", "injected", "saw"  # names of a test's user properties


def row(number: int, *, suite: bool = False) -> Callable[[F], F]:
    """Mark a test as a scenario of that fault; ``suite``: quick enough for ``make test``."""

    def mark(test: F) -> F:
        marked: F = pytest.mark.row(number, suite=suite)(test)
        return marked

    return mark


class Case:
    """What a scenario strikes with, and what it has to say."""

    def __init__(self, venue: StillVenue | None) -> None:
        self._venue = venue
        self._faults: list[int] = []
        self._levers: dict[str, int] = {}  # by name: how often it had been pulled before
        self._counted = 0  # what was seen elsewhere, and what faults that are lifted had struck
        self.said: list[str] = []

    # -- striking ----------------------------------------------------------------------------

    def strike(self, kind: str, **terms: object) -> int:
        """Install a fault on the exchange, see ``contractdesk.exchange.faults``; its id."""
        number = self._need().fault(kind, **terms)
        self._faults.append(number)
        return number

    def lift(self, fault_id: int) -> None:
        """Remove a fault; how often it has struck stays counted."""
        self._counted += self.struck(fault_id)
        self._faults.remove(fault_id)
        self._need().lift(fault_id)

    def pull(self, lever: str, **terms: object) -> Any:
        """Pull a lever of the exchange, see ``contractdesk.exchange.control``."""
        self._levers.setdefault(lever, self._pulled(lever))
        return self._need().post(lever, terms)

    def count(self, times: int) -> None:
        """So often the exchange has seen what no switch of its own has done: an order from outside, a
        request log's rows, a market that was moved."""
        self._counted += times

    # -- judging -----------------------------------------------------------------------------

    def struck(self, fault_id: int) -> int:
        """How often a fault has struck, by the exchange's board."""
        board = {entry["id"]: entry["injected"] for entry in self._need().get("fault")}
        return int(board.get(fault_id, 0))

    def saw(self, text: str) -> None:
        """What the exchange's state has shown: a line of the table."""
        self.said.append(text)

    @property
    def injected(self) -> int:
        board = sum(self.struck(number) for number in self._faults)
        levers = sum(self._pulled(name) - before for name, before in self._levers.items())
        return board + levers + self._counted

    def _pulled(self, lever: str) -> int:
        return int(self._need().get("levers").get(lever, 0))

    def _need(self) -> StillVenue:
        assert self._venue is not None, "this scenario has no exchange of its module's"
        return self._venue
