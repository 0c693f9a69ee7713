"""Rows 28, 29, 31, 33: a stop that is replaced, and closes that other orders are in the way of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

import contractdesk as cd
from tests.faults.case import Case, row
from tests.faults.desks import (
    SIZE,
    STOP,
    D,
    Take,
    asked_for,
    bought,
    creates,
    in_background,
    naked,
    never_twice,
    under_stop,
)
from tests.faults.victim import Victim
from tests.rules.venue import ETH, NS_PER_S, Seat, StillVenue, covered, eventually, held, live_stops
from tests.rules.witness import longest_naked_s, most_live, naked_between

pytestmark = pytest.mark.timeout(120)
CANCEL_STOP = {"method": "DELETE", "path": "/fapi/v1/algoOrder"}
CANCEL_EXIT = {"method": "DELETE", "path": "/fapi/v1/order"}
Killable = Callable[[], tuple[str, Victim]]
TIGHTER = D(2_960)
MINUTE_NS = 60 * NS_PER_S


def stands(at: Seat, trigger: Decimal, within_s: float = 60.0) -> dict[str, Any]:
    """The exchange's picture once one stop covers all, at ``trigger``."""
    truth: dict[str, Any] = at.until(
        lambda now: covered(now, ETH) and D(live_stops(now, ETH)[0]["trigger_price"]) == trigger, within_s
    )
    return truth


def always_covered(truth: dict[str, Any]) -> None:
    """From its first stop on no contract was ever without one, and no more than two stood together."""
    assert naked_between(truth, ETH) == []
    assert most_live(truth, ETH) <= 2


def account_of(venue: StillVenue, name: str) -> dict[str, Any]:
    """The exchange's picture of an account whose desk is in another process."""
    state = venue.get("state")
    found: dict[str, Any] = state["accounts"][name]
    return found | {"now_ns": state["now_ns"]}


@pytest.fixture
def dead_desk(venue: StillVenue, monkeypatch: pytest.MonkeyPatch) -> Iterator[Killable]:
    """A new account, and its desk in a process that is there to be killed."""
    started: list[Victim] = []

    def start() -> tuple[str, Victim]:
        name = f"victim{len(started)}"
        for word in ("KEY", "SECRET"):
            monkeypatch.setenv(
                f"CONTRACTDESK_BINANCE_{name.upper()}_TESTNET_{word}", f"{name}-{word.lower()}"
            )
        venue.admit(name, "10000")
        started.append(Victim(venue, name))
        return name, started[-1]

    yield start
    venue.forgive()
    for victim in started:
        victim.kill()


@row(28)
def test_row_28_the_stop_stands_and_its_query_says_that_it_does_not(seat: Take, case: Case) -> None:
    at = seat()
    reads = {"method": "GET", "path": "/fapi/v1/algoOrder"}
    absent = case.strike("answer", status=400, code=-2013, msg="Order does not exist.", match=reads, count=0)
    case.strike("read_lag", ms=60_000, count=0, match={"method": "GET", "path": "/fapi/v1/openAlgoOrders"})
    case.strike("drop_request", when="after", match={"method": "POST", "role": "stop"})
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    began_ns = at.truth()["now_ns"]
    truth = at.until(lambda now: now["now_ns"] > began_ns + 12 * NS_PER_S, 20)
    assert held(truth, ETH) == SIZE or not held(truth, ETH)
    assert most_live(truth, ETH) <= 2
    assert longest_naked_s(truth, ETH) <= 3
    placed, said = len(creates(at, "stop")), case.struck(absent)
    at.venue.forgive()
    case.count(said)
    truth = at.until(lambda now: covered(now, ETH), 30)
    assert most_live(truth, ETH) <= 2
    case.saw(
        f"denied {said} times in 12 s: {placed} stops sent, never more than {most_live(truth, ETH)} live"
    )


@row(29, suite=True)
def test_row_29_the_old_stop_cannot_be_cancelled(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    fault = case.strike("drop_request", when="before", match=CANCEL_STOP, count=0)
    in_background(at.desk.move_stop, ETH, TIGHTER)
    at.until(lambda now: len(live_stops(now, ETH)) == 2)
    at.until(lambda _: case.struck(fault) >= 3)
    both = at.truth()
    assert {D(stop["trigger_price"]) for stop in live_stops(both, ETH)} == {STOP, TIGHTER}
    case.lift(fault)
    truth = stands(at, TIGHTER, 30)
    always_covered(truth)
    case.saw(f"two stops while the cancel is lost, then one at {TIGHTER}; covered all the time")


@row(29)
def test_row_29_the_cancel_is_done_and_its_answer_lost(seat: Take, case: Case) -> None:
    at = seat()
    (old,) = live_stops(bought(at), ETH)
    case.strike("drop_request", when="after", match=CANCEL_STOP)
    case.strike("drop_event", event="ALGO_UPDATE", execution="CANCELED", count=0)
    at.desk.move_stop(ETH, TIGHTER)
    truth = stands(at, TIGHTER)
    at.desk.wait_for(
        lambda s: len([o for o in s.orders if o.request.type.conditional and o.status.open]) == 1
    )
    always_covered(truth)
    assert asked_for(at, old["client_id"])
    case.saw(f"done and not told: asked for, one at {TIGHTER}; covered all the time")


@row(29)
def test_row_29_a_crash_between_the_new_stop_and_the_old_ones_cancel(
    venue: StillVenue, dead_desk: Killable, case: Case
) -> None:
    """SIGKILL while both stand; the desk that comes back takes the looser one away."""
    name, victim = dead_desk()
    victim.do("buy", ETH, size=str(SIZE), stop=str(STOP))
    fault = case.strike("drop_request", when="before", match=CANCEL_STOP, count=0)
    victim.begin("move_stop", ETH, str(TIGHTER))
    both = eventually(lambda: account_of(venue, name), lambda now: len(live_stops(now, ETH)) == 2)
    eventually(lambda: case.struck(fault), lambda times: times >= 1)
    victim.kill()
    assert held(both, ETH) == SIZE
    case.lift(fault)
    killed_ns = account_of(venue, name)["now_ns"]
    desk = venue.open(name)
    truth = eventually(
        lambda: account_of(venue, name),
        lambda now: covered(now, ETH) and D(live_stops(now, ETH)[0]["trigger_price"]) == TIGHTER,
        30,
    )
    always_covered(truth)
    took_s = (truth["now_ns"] - killed_ns) / NS_PER_S
    assert took_s < 15 + 5, "converged within 15 s of the desk that comes back"
    desk.close(leave="flatten")
    case.saw(f"killed with two stops: the looser one gone {took_s:.1f} s later; covered all the time")


@row(29)
def test_row_29_the_new_stop_is_rejected(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    stops = {"method": "POST", "role": "stop"}
    fault = case.strike("answer", status=400, code=-2010, msg="no", match=stops, count=2)
    in_background(at.desk.move_stop, ETH, TIGHTER)
    truth = stands(at, TIGHTER, 30)
    always_covered(truth)
    assert held(truth, ETH) == SIZE
    case.saw(f"the new one rejected {case.struck(fault)} times: the old one stood on, then one at {TIGHTER}")


def gone(now: dict[str, Any]) -> bool:
    """Nothing is held, and nothing stands."""
    return not held(now, ETH) and not now["open_algo_orders"] and not now["open_orders"]


@row(31)
def test_row_31_resting_exits_are_in_the_way_of_flattening(seat: Take, case: Case) -> None:
    """The exit that rests is cancelled late, and until then every close is refused."""
    at = seat()
    assert at.desk.buy(ETH, size=SIZE, stop=STOP, take_profit=3_300).done
    at.until(lambda now: len(live_stops(now, ETH)) == 2)
    assert at.desk.close_position(ETH, limit=3_200).done
    fault = case.strike("crowd_reduce", symbol="ETHUSDT")
    case.strike("delay", when="before", ms=2_500, count=0, match=CANCEL_EXIT)
    at.desk.flatten()
    truth = at.until(gone)
    closed_ns = truth["fills"][-1]["ts_ns"]
    (exit_,) = [each for each in truth["orders"] if each["type"] == "LIMIT" and each["reduce_only"]]
    ends = {each["type"]: each["closed_ns"] for each in truth["algo_orders"]}
    assert exit_["closed_ns"] < closed_ns <= ends["STOP_MARKET"]
    assert ends["TAKE_PROFIT_MARKET"] < closed_ns, "take-profits go first, the stop last"
    never_twice(at)
    case.saw(
        f"-4118 {case.struck(fault)} times: exit and take-profit went, the close filled, then the stop went"
    )


@row(31)
def test_row_31_closing_by_hand_with_an_exit_in_the_way(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    assert at.desk.close_position(ETH, limit=3_200).done
    fault = case.strike("crowd_reduce", symbol="ETHUSDT")
    case.strike("delay", when="before", ms=2_500, count=0, match=CANCEL_EXIT)
    at.desk.close_position(ETH)
    truth = at.until(gone)
    assert truth["fills"][-1]["ts_ns"] <= truth["algo_orders"][-1]["closed_ns"], "the stop went last"
    case.saw(f"by hand, -4118 {case.struck(fault)} times: closed, nothing rests; {naked(truth)}")


@row(33)
def test_row_33_spikes_under_a_trailing_stop(seat: Take, case: Case) -> None:
    """Single marks far off the index; those that would trigger the stop itself are the breaker's affair."""
    at = seat()
    bought(at, stop=cd.atr_stop(14, 2.5))
    minute, triggers = -1, []
    truth = at.truth()
    while minute != truth["now_ns"] // MINUTE_NS:  # a bar that closes meanwhile moves it, and rightly
        minute, seen = truth["now_ns"] // MINUTE_NS, len(truth["algo_orders"])
        first = D(live_stops(truth, ETH)[0]["trigger_price"])
        for mark in ("3500", "9000", "2999.99", "30000", "3100.01"):
            case.pull("mark", symbol="ETHUSDT", mark=mark)
            printed_ns = at.truth()["now_ns"]
            at.until(lambda now, ns=printed_ns: now["now_ns"] > ns + NS_PER_S // 2)
        truth = under_stop(at)
        triggers = [first, *(D(stop["trigger_price"]) for stop in truth["algo_orders"][seen:])]
    assert triggers == [first], "no spike has moved it"
    assert held(truth, ETH) == SIZE
    at.venue.move(ETHUSDT="3006")
    at.until(lambda now: D(live_stops(now, ETH)[0]["trigger_price"]) > first)
    truth = under_stop(at)
    case.saw(f"5 spikes: the stop stayed at {first}; with the market it rose")
    never_loosened(truth)


@row(33)
def test_row_33_marks_that_have_become_stale_under_a_trailing_stop(seat: Take, case: Case) -> None:
    at = seat()
    bought(at, stop=cd.atr_stop(14, 2.5))
    first = D(live_stops(at.truth(), ETH)[0]["trigger_price"])
    fault = case.strike("mute", path="market", stream="ethusdt@markPrice")
    at.venue.move(ETHUSDT="3012")
    muted_ns = at.truth()["now_ns"]
    truth = at.until(lambda now: now["now_ns"] > muted_ns + 7 * NS_PER_S)
    assert [D(stop["trigger_price"]) for stop in truth["algo_orders"]] == [first]
    refused = at.desk.buy(ETH, size="0.01", stop=STOP)
    assert not refused.done
    case.lift(fault)
    at.until(lambda now: D(live_stops(now, ETH)[0]["trigger_price"]) > first)
    truth = under_stop(at)
    never_loosened(truth)
    case.saw(f"no mark for 7 s: the stop stayed at {first}, no entry; then it followed")


def never_loosened(truth: dict[str, Any]) -> None:
    """Every stop of the long stood no lower than those before it."""
    triggers = [D(stop["trigger_price"]) for stop in truth["algo_orders"]]
    assert all(later >= earlier for earlier, later in pairwise(triggers)), triggers
    always_covered(truth)
