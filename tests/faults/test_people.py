"""Row 67: two desks, foreign orders, an interrupted cell, one that is run again, a kernel that is gone."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from contractdesk.strategy.base import Strategy
from tests.faults.case import Case, row
from tests.faults.desks import D, Take, booked, creates, under_stop
from tests.faults.processes import does, outside
from tests.rules.venue import ETH, StillVenue, covered, eventually, held

pytestmark = pytest.mark.timeout(240)


class Idle(Strategy):
    """Wishes nothing."""


@row(67)
def test_row_67_a_second_desk_on_the_account(
    venue: StillVenue, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    with outside(venue, monkeypatch, "twins") as at:
        first = at.opened()
        does(first, "buy")
        since = at.venue.asked()
        with pytest.raises(AssertionError, match="already has desk"):
            at.trader().hear()
        case.count(1)
        from_second = [r for r in at.venue.get(f"requests?since={since}") if r["method"] != "GET"]
        assert from_second == []
        assert D(first.ask("state")["held"]) == held(at.truth(), ETH)
        does(first, "flatten")
    case.saw("refused by the lock, nothing sent by it; the first one goes on")


@row(67)
def test_row_67_orders_of_somebody_else(seat: Take, case: Case) -> None:
    """What another program opens is external: not touched, not counted as ours, and flagged."""
    at = seat()
    at.desk.book(ETH)
    at.second.trade(ETH, "BUY", "0.04")
    case.count(len([fill for fill in at.truth()["fills"] if not fill["client_id"].startswith("cd")]))
    at.desk.wait_for(lambda s: any(p.origin == "external" and p.size == D("0.04") for p in s.positions), 20)
    assert at.truth()["open_algo_orders"] == []
    at.second.trade(ETH, "SELL", "0.04", reduceOnly="true")
    at.desk.wait_for(lambda s: not any(p.size for p in s.positions), 20)
    assert creates(at, "reduce") == creates(at, "stop") == []
    case.saw("0.04 shown as external, left alone; nothing of it was stopped, closed or sold by us")


@row(67)
def test_row_67_a_cell_is_interrupted_and_run_again(seat: Take, case: Case) -> None:
    """Ctrl-C while buy() waits: the order is finished and protected; the same desk is found again."""
    at = seat()
    at.desk.book(ETH)
    slow = case.strike("delay", ms=2_000, when="before", match={"method": "POST", "role": "entry"})
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        eventually(lambda: creates(at, "entry"), bool, 60)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()

    def cell() -> None:
        while not creates(at, "entry"):
            at.desk.buy(ETH, size="0.05", stop="2950")
        time.sleep(5)  # where the signal comes late

    with pytest.raises(KeyboardInterrupt):
        cell()
    case.lift(slow)
    under_stop(at)
    booked(at, D("0.05"))
    assert len(creates(at, "entry")) == 1
    again = at.venue.open(at.name)
    assert again is at.desk
    for _ in range(2):
        again.start(Idle([ETH], "1m"), name="idle")
    assert len(again.snapshot.strategies) == 1
    case.saw("one order, under its stop; opened again it is the same desk, started again the same strategy")


@row(67)
def test_row_67_the_kernel_is_gone_and_another_one_takes_over(
    venue: StillVenue, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is told to end: stops stay; a new one finds its position and trades on."""
    with outside(venue, monkeypatch, "restarted") as at:
        first = at.opened()
        does(first, "buy")
        kept = at.until(lambda now: covered(now, ETH))["open_algo_orders"]
        first.process.send_signal(signal.SIGTERM)
        first.process.wait(20)
        case.count(1)
        assert at.truth()["open_algo_orders"] == kept
        again = at.opened()
        assert D(again.ask("state")["held"]) == D("0.05")
        assert at.truth()["open_algo_orders"] == kept
        does(again, "close 0.02")
        at.until(lambda now: held(now, ETH) == D("0.03") and covered(now, ETH))
        does(again, "flatten")
    case.saw("the stop was never touched; the next one closed a part of what the first had bought")
