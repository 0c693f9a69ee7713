"""Row 64: SIGKILL at each boundary between journal, send, answer, fill, stop, replace and recovery."""

from __future__ import annotations

from itertools import count

import pytest

from tests.faults.case import Case, row
from tests.faults.desks import D, creates, never_twice
from tests.faults.processes import Outside, does, outside
from tests.rules.venue import ETH, StillVenue, covered, held, live_stops
from tests.rules.witness import most_live

pytestmark = pytest.mark.timeout(240)
_numbers = count(1)
CONVERGED_S = 15.0
SETTLED = {
    "before the journal": ["0"],
    "before the create": ["0"],
    "before its answer": ["0.05"],
    "between fill and stop": ["0.05", "0"],
    "amid a replace": ["0.05"],
    "amid the recovery": ["0.05"],
}


@pytest.mark.parametrize("point", SETTLED)
@row(64)
def test_row_64_killed(venue: StillVenue, case: Case, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    with outside(venue, monkeypatch, f"killed{next(_numbers)}") as at:
        _kill(at, point)
        case.count(1)
        _recovers(at, case, point)


def _kill(at: Outside, point: str) -> None:
    """A desk that buys, and one that dies there: at the buying, at a move, at its own recovery."""
    if point == "amid a replace":
        first = at.opened(point)
        does(first, "buy")
        at.until(lambda now: covered(now, ETH))
        first.tell("move 2960")
        assert first.killed()
        return
    if point == "amid the recovery":
        first = at.opened()
        does(first, "buy")
        at.until(lambda now: covered(now, ETH))
        first.process.kill()
        assert first.killed()
        assert at.trader(point).killed()
        return
    first = at.opened(point)
    first.tell("buy")
    assert first.killed()


def _recovers(at: Outside, case: Case, point: str) -> None:
    since = at.venue.asked()
    before = at.truth()
    again = at.opened()
    truth = at.until(lambda now: str(held(now, ETH).normalize()) in SETTLED[point] and covered(now, ETH), 30)
    asked_ns = min(each["ns"] for each in at.venue.get(f"requests?since={since}&limit=100000"))
    ends = [s["created_ns"] for s in truth["algo_orders"]] + [s["closed_ns"] for s in truth["algo_orders"]]
    ends += [order["closed_ns"] for order in truth["orders"]]
    took = max(0.0, (max([*ends, asked_ns]) - asked_ns) / 1e9)
    assert took <= CONVERGED_S
    never_twice(at)
    assert len(creates(at, "entry")) <= 1, "one order an intent"
    assert most_live(truth, ETH) <= 2
    assert truth["open_orders"] == []
    assert D(again.ask("state")["held"]) == held(truth, ETH)
    bought = held(truth, ETH)
    if not bought:
        does(again, "buy")
        at.until(lambda now: held(now, ETH) == D("0.05") and covered(now, ETH))
    does(again, "flatten")
    at.until(lambda now: not held(now, ETH) and not now["open_algo_orders"])
    stops = len(live_stops(before, ETH))
    case.saw(
        f"{point}: {held(before, ETH)} held under {stops} stops; then {bought} under one, "
        f"{took:.1f} s after the first read"
    )
