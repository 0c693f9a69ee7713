"""A halt that the venue does not let come true in time is answered all the same, with what is open."""

from __future__ import annotations

import queue
import re
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contractdesk.console import remote, verbs
from contractdesk.console.control import Action, Reply, Request, serve
from contractdesk.console.desk import Desk
from contractdesk.console.opening import open_desk
from contractdesk.desk import embedded
from contractdesk.desk.recorder import KEPT_WITHIN_S
from contractdesk.domain.views import TradingState
from tests.console.loopback import BTC, address, ready

ANSWER_WITHIN_S = 60.0
SPARE_S = 0.5  # of what an asker waits: the way there and back
PROTOCOL = Path(__file__).parents[2] / "extensions" / "lab" / "src" / "protocol.ts"


@pytest.fixture
def uncancelled(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Two entries rest on an exchange that takes no cancel; a halt has little time."""
    monkeypatch.setattr(verbs, "HALT_S", 0.1)
    desk = open_desk("embedded", name="uncalm", seed=5, fresh=True, idle_limit_s=120)
    desk.book(BTC)
    ready(desk)
    low = round(desk.book(BTC).best_bid * 95 / 100)
    for step in range(2):
        assert desk.buy(BTC, size="0.002", limit=low - step * 100, stop=low - 5000).done
    struck(desk, method="DELETE")
    yield desk
    healed(desk)
    desk.close(leave="flatten")


def struck(desk: Desk, **match: Any) -> None:
    refused = {"kind": "answer", "count": 0, "status": 400, "code": -1015, "match": match}
    embedded.post(address(desk), "/control/fault", refused)


def healed(desk: Desk) -> None:
    request = urllib.request.Request(f"{address(desk)}/control/fault", method="DELETE")  # noqa: S310  (loopback)
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310


def asked(action: Action, *desks: Desk) -> Reply:
    """What a kernel with these desks answers."""
    replies: queue.Queue[Reply] = queue.Queue()
    serve(Request(action=action), list(desks), replies.put)
    return replies.get(timeout=ANSWER_WITHIN_S)


def test_entries_that_the_venue_does_not_cancel_are_named(uncancelled: Desk) -> None:
    (outcome,) = asked(Action.HALT, uncancelled).outcomes
    assert (outcome.state, outcome.done) == (TradingState.HALTED.value, False)
    first = outcome.text.splitlines()[0]
    assert first.startswith(
        "halt: NOT COMPLETE: HALTED; 2 entries not confirmed cancelled: working: buy 0.002"
    )
    assert first.count("[cd") == 2
    assert "entries are cancelled" not in first
    healed(uncancelled)
    uncancelled.wait_for(lambda s: not any(order.status.open for order in s.orders), 30)
    assert (
        asked(Action.HALT, uncancelled).outcomes[0].text.startswith("halt: HALTED: strategies send nothing")
    )


def test_a_desk_that_has_ended_keeps_no_other_one_from_being_halted(home: Path) -> None:
    ended = open_desk("embedded", name="ended", seed=5, idle_limit_s=120)
    ended.close()
    with open_desk("embedded", name="goes-on", seed=5, idle_limit_s=120) as desk:
        first, second = asked(Action.HALT, ended, desk).outcomes
        assert (first.desk, first.done) == ("ended", False)
        assert "this desk is closed" in first.text
        assert (second.desk, second.state, second.done) == ("goes-on", TradingState.HALTED.value, True)


def test_contracts_without_a_stop_are_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "HALT_S", 0.1)
    desk = open_desk("embedded", name="naked", seed=5, fresh=True, idle_limit_s=120)
    desk.book(BTC)
    ready(desk)
    for role in ("stop", "reduce"):
        struck(desk, role=role)
    desk.buy(BTC, size="0.003", stop=50_000)
    receipt = desk.halt("enough")
    assert not receipt.done
    assert re.fullmatch(rf"HALTED; {BTC} 0\.003 without a stop \(enough\)", receipt.summary)
    healed(desk)
    desk.wait_for(lambda s: not any(row.size for row in s.positions), 30)
    desk.close(leave="flatten")


def test_who_asks_waits_longer_than_the_desk_does() -> None:
    halted_s = KEPT_WITHIN_S + verbs.HALT_S
    assert halted_s + SPARE_S <= remote.CONFIRM_S[Action.HALT]
    assert halted_s + KEPT_WITHIN_S + verbs.FLATTEN_S + SPARE_S <= remote.CONFIRM_S[Action.FLATTEN]
    in_browser = dict(re.findall(r"^export const (\w+)_MS = ([\d_]+);", PROTOCOL.read_text(), re.MULTILINE))
    assert Decimal(in_browser["CONFIRM"]) == 1000 * Decimal(remote.CONFIRM_S[Action.HALT])
    assert Decimal(in_browser["FLATTEN"]) == 1000 * Decimal(remote.CONFIRM_S[Action.FLATTEN])
