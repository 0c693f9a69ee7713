"""Rows 5-10: fills that are early, missing, repeated, out of order, or not all that was hoped for."""

from __future__ import annotations

import pytest

from tests.faults.case import Case, row
from tests.faults.desks import (
    ENTRY,
    ORDERS,
    SIZE,
    STOP,
    D,
    Take,
    booked,
    creates,
    naked,
    never_twice,
    rest,
    under_stop,
)
from tests.rules.venue import ETH, NS_PER_S, held, live_stops
from tests.rules.witness import uncovered_after_ns

pytestmark = pytest.mark.timeout(120)
HINT = "TRADE_LITE"  # the fast copy of a fill


@row(5)
def test_row_05_a_fill_before_the_answer(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("delay", ms=2_500, match=ENTRY)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    truth = under_stop(at)
    never_twice(at)
    booked(at, SIZE)
    (fill,), (stop,) = truth["fills"], truth["algo_orders"]
    waited_s = (stop["created_ns"] - fill["ts_ns"]) / NS_PER_S
    assert waited_s < 1.5, "the stop has not waited for the answer"
    case.saw(f"the answer 2.5 s late: the stop stood {waited_s:.2f} s after the fill, 1 fill booked")


@row(6)
def test_row_06_filled_by_its_answer_and_by_no_stream(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("drop_event", event=ORDERS, execution="TRADE", count=0)
    case.strike("drop_event", event=HINT, count=0)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    truth = under_stop(at)
    booked(at, SIZE)
    reads = [each for each in at.requests() if each["path"] == "/fapi/v1/userTrades"]
    assert reads
    assert reads[0]["ns"] - truth["fills"][0]["ts_ns"] < 5 * NS_PER_S
    case.saw(f"read from the venue's trades: {held(truth, ETH)} held, {naked(truth)}")


@row(7, suite=True)
def test_row_07_a_fill_that_is_streamed_twice(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("duplicate_event", event=ORDERS, execution="TRADE", count=0)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    under_stop(at)
    assert at.desk.close_position(ETH, size="0.02").done
    truth = under_stop(at, D("0.03"))
    booked(at, D("0.03"))
    assert sum(D(stop["quantity"]) for stop in live_stops(truth, ETH)) == D("0.03")
    case.saw(f"each streamed twice: {held(truth, ETH)} held, {len(truth['fills'])} fills")


@row(7)
def test_row_07_a_fill_that_is_read_again_after_a_reconnect(seat: Take, case: Case) -> None:
    at = seat()
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    under_stop(at)
    for _ in range(2):
        before = at.venue.asked()
        case.strike("cut", path="private")
        at.until(lambda _, before=before: _read_again(at, before))
    at.desk.wait_for(lambda s: s.private_stream_ready)
    booked(at, SIZE)
    truth = under_stop(at)
    case.saw(f"read twice more: {held(truth, ETH)} held, {len(truth['fills'])} fill, 1 stop")


def _read_again(at: object, before: int) -> bool:
    rows = at.requests()  # type: ignore[attr-defined]
    return any(each["seq"] > before and each["path"] == "/fapi/v1/userTrades" for each in rows)


@row(7)
def test_row_07_a_fill_without_an_id(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("edit_event", event=ORDERS, execution="TRADE", fields={"t": 0}, count=0)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    truth = under_stop(at)
    booked(at, SIZE)
    case.saw(f"without an id: {held(truth, ETH)} held on both sides, {naked(truth)}")


@row(8)
def test_row_08_the_first_fill_comes_after_the_second(seat: Take, case: Case) -> None:
    at = seat()
    rest(at)
    case.strike("reorder_event", event=ORDERS, execution="TRADE")
    at.other("SELL", ETH, "0.02")
    at.other("SELL", ETH, "0.03")
    truth = under_stop(at)
    booked(at, SIZE)
    case.saw(f"0.02 told after 0.03: {held(truth, ETH)} held, {naked(truth)}")


@row(8)
def test_row_08_cancelled_is_told_before_the_last_fill(seat: Take, case: Case) -> None:
    at = seat()
    name = rest(at)
    case.strike("drop_event", event=HINT, count=0)
    case.strike("delay_event", event=ORDERS, execution="TRADE", ms=1_500, count=0)
    at.other("SELL", ETH, "0.02")
    assert at.desk.cancel(name).done
    truth = under_stop(at, D("0.02"))
    booked(at, D("0.02"))
    (order,) = [each for each in truth["orders"] if each["client_id"] == name]
    assert (order["status"], D(order["executed"])) == ("CANCELED", D("0.02"))
    case.saw(f"CANCELED before its fill: {held(truth, ETH)} held under a stop, {naked(truth)}")


@row(9)
def test_row_09_thirty_per_cent_and_ten_seconds_later_the_rest(seat: Take, case: Case) -> None:
    at = seat()
    rest(at)
    at.other("SELL", ETH, "0.015")
    first = under_stop(at, D("0.015"))
    at.until(lambda now: now["now_ns"] > first["fills"][0]["ts_ns"] + 10 * NS_PER_S)
    under_stop(at, D("0.015"))
    at.other("SELL", ETH, "0.035")
    truth = under_stop(at)
    waits = [wait / NS_PER_S for wait in uncovered_after_ns(truth, ETH)]
    assert len(waits) == len(truth["fills"]) == 2
    assert max(waits) < 3
    case.count(len(truth["fills"]))
    case.saw(f"all under a stop {waits[0]:.2f} s and {waits[1]:.2f} s after each fill")


@row(10)
def test_row_10_partly_filled_and_the_rest_taken_away_by_the_venue(seat: Take, case: Case) -> None:
    at = seat()
    name = rest(at)
    at.other("SELL", ETH, "0.02")
    under_stop(at, D("0.02"))
    case.pull("expire_orders", account=at.name, symbol="ETHUSDT")
    at.desk.wait_for(lambda s: not [o for o in s.orders if o.request.client_id == name and o.status.open])
    truth = under_stop(at, D("0.02"))
    booked(at, D("0.02"))
    (order,) = [each for each in truth["orders"] if each["client_id"] == name]
    assert order["status"] == "EXPIRED"
    at.until(lambda now: now["now_ns"] > order["closed_ns"] + 3 * NS_PER_S)
    assert len(creates(at, "entry")) == 1
    case.saw(f"{order['executed']} of {order['quantity']} filled, the rest expired: 1 stop, no new entry")
