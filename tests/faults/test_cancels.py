"""Rows 15-18, 22: a cancel, a move or a replacement that is lost, refused or late, and several at once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.case import Case, row
from tests.faults.desks import (
    ORDERS,
    SIZE,
    STOPS,
    D,
    Take,
    asked_for,
    booked,
    bought,
    creates,
    in_background,
    naked,
    never_twice,
    rest,
    under_stop,
)
from tests.rules.venue import BTC, ETH, NS_PER_S, SOL, Seat, held, live_stops

pytestmark = pytest.mark.timeout(120)
HINT = "TRADE_LITE"
CANCEL = {"method": "DELETE", "path": "/fapi/v1/order"}


def cancels(at: Seat, client_id: str) -> list[dict[str, Any]]:
    return [each for each in at.requests() if each["method"] == "DELETE" and each["client_id"] == client_id]


@row(15)
def test_row_15_a_cancel_is_refused_because_it_has_filled(seat: Take, case: Case) -> None:
    at = seat()
    name = rest(at)
    case.strike("drop_event", event=HINT, count=0)
    case.strike("delay_event", event=ORDERS, execution="TRADE", ms=20_000, count=0)
    case.strike("drop_event", event="ACCOUNT_UPDATE", count=0)
    at.other("SELL", ETH, str(SIZE))
    at.desk.cancel(name)
    truth = under_stop(at)
    booked(at, SIZE)
    sent = cancels(at, name)
    assert 1 <= len(sent) <= 3
    assert {each["code"] for each in sent} == {-2011}
    assert asked_for(at, name)
    assert len(creates(at, "entry")) == 1
    case.saw(f"-2011: asked for, FILLED; {len(sent)} cancel, {held(truth, ETH)} held, {naked(truth)}")


@row(16)
def test_row_16_a_cancel_is_lost_and_the_order_fills(seat: Take, case: Case) -> None:
    at = seat()
    name = rest(at)
    fault = case.strike("drop_request", when="before", match=CANCEL, count=0)
    assert not at.desk.cancel(name).done
    at.other("SELL", ETH, "0.02")
    truth = under_stop(at, D("0.02"))
    assert [each["client_id"] for each in truth["open_orders"]] == [name]
    lost = case.struck(fault)
    case.lift(fault)
    truth = at.until(lambda now: not now["open_orders"], 30)
    booked(at, D("0.02"))
    assert [each["status"] for each in truth["orders"] if each["client_id"] == name] == ["CANCELED"]
    case.saw(f"{lost} cancels lost, 0.02 filled meanwhile and under its stop; cancelled in the end")


@row(16)
def test_row_16_a_cancel_is_done_and_its_answer_lost(seat: Take, case: Case) -> None:
    at = seat()
    name = rest(at)
    case.strike("drop_request", when="after", match=CANCEL)
    case.strike("drop_event", event=ORDERS, execution="CANCELED")
    at.desk.cancel(name)
    at.until(lambda now: not now["open_orders"])
    at.desk.wait_for(lambda s: not [each for each in s.orders if each.status.open], 15)
    assert len(cancels(at, name)) <= 3
    assert asked_for(at, name)
    case.saw(f"done, and nobody told: asked for; {len(cancels(at, name))} cancels in all")


def triggered_while_replaced(at: Seat, case: Case, delay_ms: int) -> dict[str, Any]:
    """The old stop closes the position while the new one is on its way; the old one."""
    (old,) = live_stops(bought(at), ETH)
    case.strike("delay", when="before", ms=delay_ms, match=STOPS)
    in_background(at.desk.move_stop, ETH, 2_960)
    at.until(lambda _: len(creates(at, "stop")) == 2)
    at.venue.move(ETHUSDT="2949")
    at.until(lambda now: not held(now, ETH))
    booked(at, D(0))
    return old


@row(17)
def test_row_17_the_stop_triggers_and_the_new_one_comes_after_it(seat: Take, case: Case) -> None:
    at = seat()
    old = triggered_while_replaced(at, case, 2_000)
    at.venue.move(ETHUSDT="2970")  # so that the venue takes the new one
    at.until(lambda now: len(now["algo_orders"]) == 2)
    truth = at.until(lambda now: not now["open_algo_orders"])
    assert held(truth, ETH) == 0
    never_twice(at)
    (new,) = [algo for algo in truth["algo_orders"] if algo["algo_id"] != old["algo_id"]]
    stood_s = (new["closed_ns"] - new["created_ns"]) / NS_PER_S
    assert stood_s < 3
    case.saw(f"the old one closed it; the new one stood {stood_s:.2f} s on flat, and is gone")


@row(17)
def test_row_17_the_stop_triggers_and_the_new_one_is_refused(seat: Take, case: Case) -> None:
    at = seat()
    triggered_while_replaced(at, case, 700)
    at.until(lambda _: creates(at, "stop")[-1]["code"] == -2021)
    settled_ns = at.truth()["now_ns"]
    truth = at.until(lambda now: now["now_ns"] > settled_ns + 2 * NS_PER_S)
    assert (held(truth, ETH), truth["open_algo_orders"]) == (0, [])
    assert creates(at, "reduce") == [], "nothing more was there to be closed"
    assert len(creates(at, "stop")) == 2
    case.saw("the old one closed it; the new one -2021; nothing more was sent")


@row(18, suite=True)
def test_row_18_a_move_races_a_fill_that_is_told_late(seat: Take, case: Case) -> None:
    """Half of it has filled when it is cancelled, and the stream says so a second and a half later."""
    at = seat()
    name = rest(at)
    case.strike("drop_event", event=HINT, count=0)
    case.strike("delay_event", event=ORDERS, execution="TRADE", ms=1_500, count=1)
    at.other("SELL", ETH, "0.02")
    at.desk.move_entry(name, 2_990)
    truth = under_stop(at, D("0.02"))
    open_size = sum(D(each["quantity"]) - D(each["executed"]) for each in truth["open_orders"])
    assert held(truth, ETH) + open_size <= SIZE
    case.saw(f"0.02 filled before the cancel: {held(truth, ETH)} held, {open_size} rest, of {SIZE} intended")


@row(18)
def test_row_18_a_move_races_a_fill_at_the_venue(seat: Take, case: Case) -> None:
    at = seat()
    name = rest(at)
    case.strike("delay", when="before", ms=500, match=CANCEL)
    moving = in_background(at.desk.move_entry, name, 2_990)
    at.until(lambda _: cancels(at, name))
    at.other("SELL", ETH, "0.02")
    moving.join(15)
    truth = under_stop(at, D("0.02"))
    open_size = sum(D(each["quantity"]) - D(each["executed"]) for each in truth["open_orders"])
    assert held(truth, ETH) + open_size <= SIZE
    case.saw(f"filled while cancelled: {held(truth, ETH)} held, {open_size} rest, of {SIZE} intended")


@row(22)
def test_row_22_of_several_orders_each_has_its_own_fate(seat: Take, case: Case) -> None:
    """No batch is ever sent: four cancels, of which one is lost, one late and one comes after a fill."""
    at = seat()
    names = [rest(at, D("0.02"), f"2999.9{digit}") for digit in (1, 2, 3)]
    at.desk.buy(BTC, size="0.002", limit="59000", stop=58_000)
    case.strike("drop_request", when="after", match={**CANCEL, "client_id": names[0]})
    case.strike("delay", when="before", ms=600, match={**CANCEL, "client_id": names[1]})
    case.strike("delay", when="before", ms=600, match={**CANCEL, "client_id": names[2]})
    asking = in_background(at.desk.cancel_all)
    at.until(lambda _: cancels(at, names[2]))
    at.other("SELL", ETH, "0.02")
    asking.join(20)
    truth = at.until(lambda now: not now["open_orders"])
    fates = {each["client_id"]: each["status"] for each in truth["orders"]}
    assert [fates[name] for name in names] == ["CANCELED", "CANCELED", "FILLED"]
    under_stop(at, D("0.02"))
    assert not [each for each in at.requests() if "batch" in each["path"].lower()]
    case.saw("4 cancels at once: lost, late, after a fill, done; each order as the exchange has it; no batch")


@row(22)
def test_row_22_of_three_closes_one_is_refused_and_one_is_lost(seat: Take, case: Case) -> None:
    at = seat()
    for symbol, size, stop in ((BTC, "0.002", 59_000), (ETH, "0.05", 2_950), (SOL, "1", 145)):
        assert at.desk.buy(symbol, size=size, stop=stop).done
    reduce = {"method": "POST", "role": "reduce"}
    case.strike("answer", status=400, code=-2010, msg="no", match={**reduce, "symbol": "BTCUSDT"})
    case.strike("drop_request", when="after", match={**reduce, "symbol": "ETHUSDT"})
    at.desk.flatten()
    truth = at.until(lambda now: not any(D(each["size"]) for each in now["positions"].values()), 20)
    at.until(lambda now: not now["open_algo_orders"])
    never_twice(at)
    sold = {s: sum(D(f["quantity"]) for f in truth["fills"] if (f["symbol"], f["side"]) == (s, "SELL"))
            for s in ("BTCUSDT", "ETHUSDT", "SOLUSDT")}  # fmt: skip
    assert sold == {"BTCUSDT": D("0.002"), "ETHUSDT": D("0.05"), "SOLUSDT": D(1)}
    amounts = ", ".join(map(str, sold.values()))
    case.saw(f"closes of 3: one refused and sent anew, one lost, one done; sold {amounts}")
