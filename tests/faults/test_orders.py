"""Rows 1-4, 12-14, 21: the create of an entry, whose answer is lost, refused, or contradicted by reads."""

from __future__ import annotations

from typing import Any

import pytest

from contractdesk.domain.orders import OrderStatus
from tests.faults.case import Case, row
from tests.faults.desks import (
    ENTRY,
    ORDERS,
    SIZE,
    STOP,
    D,
    Take,
    asked_for,
    bought,
    creates,
    naked,
    never_twice,
    under_stop,
    wish_unheard,
)
from tests.rules.venue import ETH, NS_PER_S, Seat, held

pytestmark = pytest.mark.timeout(120)
DUPLICATE = {"status": 400, "code": -4116, "msg": "ClientOrderId is duplicated.", "match": ENTRY}
WORKING = OrderStatus.WORKING
UNKNOWN = "Unknown error, please check your request or try again later."
WINDOW_NS = 2_500_000_000  # of an entry: later than this after it was signed no venue takes it
FENCE_NS = WINDOW_NS + 2 * NS_PER_S


def one_order(at: Seat, truth: dict[str, Any]) -> None:
    """What was wished once is one create and one order."""
    never_twice(at)
    assert len(creates(at, "entry")) == 1
    assert len([order for order in truth["orders"] if order["side"] == "BUY"]) == 1


def declared_absent(at: Seat) -> tuple[float, int]:
    """Nothing was executed: the seconds until the desk let go of it, and the absences it was told before.

    Until then what it might cost is held back: the cap has no room for a second one.
    """
    (entry,) = creates(at, "entry")
    refused = at.desk.buy(ETH, size="0.09", stop=STOP).refused
    assert refused is not None
    assert refused.rule == "size_cap"
    assert at.truth()["now_ns"] < entry["ns"] + FENCE_NS, "the cap has to be asked before the fence"
    at.desk.wait_for(lambda s: not [each for each in s.orders if each.status.open], 15)
    now_ns = at.truth()["now_ns"]
    assert now_ns > entry["ns"] + FENCE_NS
    absences = [each for each in asked_for(at, entry["client_id"]) if each["code"] == -2013]
    assert len(absences) >= 2
    assert absences[-1]["ns"] > entry["ns"] + FENCE_NS, "the deciding answer came after the fence"
    assert at.truth()["orders"] == []
    return (now_ns - entry["ns"]) / NS_PER_S, len(absences)


@row(1)
def test_row_01_a_lost_answer_and_the_stream_tells(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("drop_request", when="after", match=ENTRY)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    truth = under_stop(at)
    one_order(at, truth)
    case.saw(f"the stream tells: 1 order, {held(truth, ETH)} held, {naked(truth)}")


@row(1, suite=True)
def test_row_01_a_lost_answer_and_only_a_query_tells(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("drop_request", when="after", match=ENTRY)
    for event in (ORDERS, "TRADE_LITE", "ACCOUNT_UPDATE"):
        case.strike("drop_event", event=event, count=0)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    truth = under_stop(at, naked_s=5)
    one_order(at, truth)
    (entry,) = creates(at, "entry")
    asked = asked_for(at, entry["client_id"])
    assert asked
    assert asked[0]["ns"] - entry["ns"] < 10 * NS_PER_S
    case.saw(f"a query tells: 1 order, {held(truth, ETH)} held, {naked(truth)}")


@row(2)
def test_row_02_a_lost_answer_of_what_was_not_accepted(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("drop_request", when="before", match=ENTRY)
    wish_unheard(at)
    seconds, absences = declared_absent(at)
    truth = bought(at)
    first, second = creates(at, "entry")
    assert first["client_id"] != second["client_id"]
    assert len(truth["orders"]) == 1
    case.saw(f"no order; declared so after {seconds:.1f} s and {absences} absences; the next wish is 1 order")


@row(3)
def test_row_03_unknown_error_of_what_was_executed(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("answer", status=503, msg=UNKNOWN, execute=True, match=ENTRY)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    truth = under_stop(at)
    one_order(at, truth)
    case.saw(f"executed: 1 order, {held(truth, ETH)} held, {naked(truth)}")


@row(3)
def test_row_03_unknown_error_of_what_was_not_executed(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("answer", status=503, msg=UNKNOWN, match=ENTRY)
    wish_unheard(at)
    seconds, absences = declared_absent(at)
    case.saw(f"not executed: no order; declared so after {seconds:.1f} s and {absences} absences")


@row(3)
def test_row_03_service_unavailable_is_definitive(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("answer", status=503, msg="Service Unavailable", match=ENTRY)
    receipt = at.desk.buy(ETH, size=SIZE, stop=STOP)
    assert not receipt.done
    assert "rejected" in receipt.summary
    (entry,) = creates(at, "entry")
    assert asked_for(at, entry["client_id"]) == []
    assert bought(at)["orders"][0]["client_id"] != entry["client_id"]
    case.saw("unavailable: rejected at once, not asked for; the next wish is an order of its own")


@row(4)
def test_row_04_entries_are_throttled_and_what_reduces_is_not(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    text = "Request throttled by system-level protection."
    fault = case.strike("answer", status=503, code=-1008, msg=text, match=ENTRY, count=0)
    for _ in range(3):
        receipt = at.desk.buy(ETH, size="0.02", stop=STOP)
        assert not receipt.done
    assert case.struck(fault) == len(creates(at, "entry")) - 1 == 3, "one create a wish, and no loop"
    assert at.desk.move_stop(ETH, 2_960).done
    assert at.desk.close_position(ETH).done
    truth = at.until(lambda now: not held(now, ETH) and not now["open_algo_orders"])
    case.saw(
        f"{case.struck(fault)} entries throttled, each sent once; the stop moved, {held(truth, ETH)} held"
    )


@row(12)
def test_row_12_a_duplicate_id_that_was_accepted_before(seat: Take, case: Case) -> None:
    at = seat()
    case.strike(
        "answer", status=400, code=-4116, msg="ClientOrderId is duplicated.", execute=True, match=ENTRY
    )
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    truth = under_stop(at)
    one_order(at, truth)
    case.saw(f"it stood there: 1 order under its first id, {held(truth, ETH)} held, {naked(truth)}")


@row(12)
def test_row_12_a_duplicate_id_that_nobody_knows(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("answer", **DUPLICATE)
    wish_unheard(at)
    seconds, absences = declared_absent(at)
    case.saw(f"it stood nowhere: asked for, let go after {seconds:.1f} s and {absences} absences; no new id")


@row(13)
def test_row_13_an_id_that_the_venue_would_take_again(seat: Take, case: Case) -> None:
    at = seat()
    twice = [
        at.venue.other.trade(ETH, side, "0.05", newClientOrderId="the-same")["orderId"]
        for side in ("BUY", "SELL")
    ]
    assert len(set(twice)) == 2, "here a filled order's id may be used again, as at Binance"
    for _ in range(3):
        case.strike("drop_request", when="after", match=ENTRY)
        at.desk.buy(ETH, size="0.02", stop=STOP)
    truth = under_stop(at, D("0.06"))
    never_twice(at)
    assert len(creates(at, "entry")) == len(truth["orders"]) == 3
    case.saw(f"3 lost answers of filled orders: 3 ids, each sent once, {held(truth, ETH)} held")


@row(14)
def test_row_14_not_found_for_three_seconds_and_nobody_tells(seat: Take, case: Case) -> None:
    """The answer of a resting order is lost, the stream is silent, and every read is of three seconds ago."""
    at = seat()
    lag = case.strike("read_lag", ms=3_000, count=0)
    case.strike("drop_request", when="after", match=ENTRY)
    case.strike("drop_event", event=ORDERS, count=0)
    wish_unheard(at, limit=2_990)
    (entry,) = creates(at, "entry")
    name = entry["client_id"]
    at.desk.wait_for(
        lambda s: [o.status.value for o in s.orders if o.request.client_id == name] == ["working"]
    )
    absences = [each for each in asked_for(at, name) if each["code"] == -2013]
    assert absences
    assert [each["client_id"] for each in at.truth()["open_orders"]] == [name]
    assert at.desk.cancel(name).done
    at.until(lambda now: not now["open_orders"])
    never_twice(at)
    case.saw(
        f"{case.struck(lag)} reads of 3 s ago, {len(absences)} absences: still tracked, found, cancelled"
    )


@row(14)
def test_row_14_positions_and_fills_are_read_three_seconds_late(seat: Take, case: Case) -> None:
    """What is read shows a position that is flat still, more than once, while it is held."""
    at = seat()
    lag = case.strike("read_lag", ms=3_000, count=0)
    bought(at)
    began_ns = at.truth()["now_ns"]
    at.until(lambda now: now["now_ns"] > began_ns + 8 * NS_PER_S)
    truth = under_stop(at)
    assert len(creates(at, "stop")) == 1
    assert at.desk.close_position(ETH).done
    began_ns = at.truth()["now_ns"]
    truth = at.until(lambda now: now["now_ns"] > began_ns + 6 * NS_PER_S)
    assert (held(truth, ETH), truth["open_algo_orders"]) == (0, [])
    assert len(truth["orders"]) == 2
    assert len(truth["algo_orders"]) == 1
    case.saw(f"{case.struck(lag)} reads of 3 s ago: 1 stop all the time, then closed once, {naked(truth)}")


@row(21)
def test_row_21_margin_is_insufficient(seat: Take, case: Case) -> None:
    at = seat()
    fault = case.strike("answer", status=400, code=-2019, msg="Margin is insufficient.", match=ENTRY, count=0)
    before = at.venue.asked()
    receipt = at.desk.buy(ETH, size=SIZE, stop=STOP)
    assert not receipt.done
    assert "-2019" in receipt.summary
    (entry,) = creates(at, "entry")
    assert asked_for(at, entry["client_id"]) == []
    assert case.struck(fault) == 1
    second = at.desk.buy(ETH, size=SIZE, stop=STOP)
    assert not second.done
    read = [each for each in at.requests() if each["seq"] > before and each["path"] == "/fapi/v3/account"]
    assert read, "the account is read anew before it is entered again"
    case.saw(
        f"{case.struck(fault)} wishes, {case.struck(fault)} creates; the account was read {len(read)} times"
    )
