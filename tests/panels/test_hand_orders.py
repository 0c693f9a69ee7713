"""Own orders in the ladder: dragged, cancelled, and what cannot be; by messages, without a browser."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.e2e.synthetic import BTC
from tests.panels.seat import Seat
from tests.panels.trading import TradingDesk

D = Decimal


def move(order: str, price: str) -> dict[str, Any]:
    return {"kind": "move", "symbol": BTC.symbol, "order": order, "price": price}


def ids(at: Seat) -> dict[str, str]:
    """The client id of the first open order of each role."""
    return {
        order.request.role.name: order.request.client_id
        for order in reversed(at.desk.snapshot.orders)
        if order.status.open
    }


def test_a_dragged_entry_is_moved_after_it_was_confirmed(seat: Callable[..., Seat]) -> None:
    at = seat().on()
    ticket = at.send(arm=move(ids(at)["ENTRY"], "28139.5"))["ticket"]
    assert ticket["title"] == "MOVE buy 0.005 28,148.0 \u2192 28,139.5"
    assert ticket["lines"] == [
        "cancelled first, then placed anew through the gate: it goes to the end of the queue"
    ]
    assert at.desk.asked == []
    at.send(place=ticket["id"])
    assert at.desk.asked == [("move_entry", (ids(at)["ENTRY"], D("28139.5")), {})]


def test_a_dragged_stop_says_whether_it_is_tighter_or_looser(seat: Callable[..., Seat]) -> None:
    at = seat().on()
    looser = at.send(arm=move(ids(at)["STOP"], "28100.0"))["ticket"]
    assert looser["title"] == "MOVE stop 28,131.5 \u2192 28,100.0"
    assert looser["lines"][0].startswith("looser: more can be lost, and it follows the market no more, ")
    ticket = at.send(arm=move(ids(at)["STOP"], "28140.0"))["ticket"]
    assert ticket["lines"][0].startswith("tighter, ")
    at.send(place=ticket["id"])
    assert at.desk.asked == [("move_stop", (BTC.symbol, D("28140.0")), {})]


def test_a_click_on_its_x_cancels_an_order_at_once(seat: Callable[..., Seat]) -> None:
    at = seat().on()
    at.send(cancel=ids(at)["ENTRY"])
    at.send(cancel=ids(at)["EXIT"])
    assert [(verb, args) for verb, args, _ in at.desk.asked] == [
        ("cancel", (ids(at)["ENTRY"],)),
        ("cancel", (ids(at)["EXIT"],)),
    ]


def test_what_cannot_be_moved_or_cancelled_is_said(seat: Callable[..., Seat]) -> None:
    at = seat().on()
    gone = next(order for order in at.desk.snapshot.orders if not order.status.open).request.client_id
    for message, sentence in (
        ({"arm": move(ids(at)["EXIT"], "28160.0")}, "only entries and stops can be dragged"),
        ({"arm": move(gone, "28160.0")}, "this order is not open any more"),
        ({"arm": move(ids(at)["ENTRY"], "28148.0")}, "it rests at that price already"),
        ({"arm": move(ids(at)["STOP"], "28131.5")}, "the stop is at that price already"),
        ({"cancel": ids(at)["STOP"]}, "a position is never without its stop: drag it, or close the position"),
        ({"cancel": gone}, "this order is not open any more"),
    ):
        said = at.send(**message)
        assert said["said"]["text"].startswith(f"nothing done: {sentence}")
        assert said["ticket"] == {}
    assert at.desk.asked == []


def test_the_entry_of_a_strategy_can_be_cancelled_and_not_dragged(seat: Callable[..., Seat]) -> None:
    at = seat().on()
    at.desk.snapshot = TradingDesk().snapshot
    entry = ids(at)["ENTRY"]
    said = at.send(arm=move(entry, "28140.0"))["said"]["text"]
    assert said == "nothing done: this entry is TrendFollow-1's: cancel it, or tune the strategy"
    at.send(cancel=entry)
    assert at.desk.asked == [("cancel", (entry,), {})]


def test_marks_say_what_an_order_is_and_whether_it_can_be_dragged(seat: Callable[..., Seat]) -> None:
    marks = {mark.get("role", mark["kind"]): mark for mark in seat().ladder.marks}
    assert marks["entry"]["kind"] == "entry", "the position's own mark is not the order's"
    orders = [mark for mark in seat().ladder.marks if "id" in mark]
    assert [(mark["text"], mark["role"], mark["drag"]) for mark in orders] == [
        ("B 0.005", "entry", True),
        ("STOP", "stop", True),
        ("X 0.005", "exit", False),
    ]
    assert orders[0]["tip"] == "entry: buy 0.005 at 28,148.0"
    assert orders[1]["tip"] == "stop: sell 0.007 at 28,131.5, TrendFollow-1"
