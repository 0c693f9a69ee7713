"""Cancelling and moving orders that rest, judged by the exchange: no stop ever goes, nothing rests twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from contractdesk.domain.intents import Intent
from contractdesk.errors import UserError
from contractdesk.strategy import intents
from contractdesk.strategy.base import BarView, Context, Strategy
from tests.rules.venue import BTC, ETH, Seat, covered, eventually, live_stops

D = Decimal


class Rester(Strategy):
    """Wishes one entry that rests far below."""

    def on_bar(self, bar: BarView, ctx: Context) -> Intent | None:
        if ctx.entering(bar.symbol):
            return None
        return intents.enter_long(bar.symbol, size="0.01", limit="2900", stop=intents.fixed_stop("2800"))


def rest(at: Seat, symbol: str = ETH, limit: str = "2990", stop: str = "2950", size: str = "0.01") -> str:
    """An entry that rests; returns its client id."""
    receipt = at.desk.buy(symbol, size=size, limit=limit, stop=stop)
    assert receipt.done, receipt
    assert receipt.order is not None
    return receipt.order.request.client_id


def resting(at: Seat) -> dict[str, Decimal]:
    """Price by client id, as the exchange has them."""
    return {row["client_id"]: D(row["price"]) for row in at.truth()["open_orders"]}


def sent(at: Seat) -> list[tuple[str, str]]:
    """Every entry made and every order cancelled, in the order of their arrival."""
    rows = [row for row in at.requests() if row["path"] == "/fapi/v1/order"]
    return [(row["method"], row["client_id"]) for row in rows if row["method"] in ("POST", "DELETE")]


def hold(at: Seat) -> list[dict[str, Any]]:
    """A long of 0.05 ETH under its stop and a take-profit; returns both, as the exchange has them."""
    assert at.desk.buy(ETH, size="0.05", stop="2950", take_profit="3300").done
    return live_stops(at.until(lambda now: len(live_stops(now, ETH)) == 2), ETH)


def test_cancel_all_takes_entries_and_exits_and_leaves_what_protects(seat: Callable[..., Seat]) -> None:
    at = seat()
    kept = hold(at)
    rest(at, BTC, "59000", "58000", "0.002")
    assert at.desk.close_position(ETH, limit="3200").done
    rest(at)
    assert len(resting(at)) == 3

    receipt = at.desk.cancel_all(ETH)
    assert receipt.done
    assert receipt.summary == f"{ETH}: 2 orders cancelled; stops stand"
    assert [D(row["price"]) for row in at.truth()["open_orders"]] == [59_000]
    receipt = at.desk.cancel_all()
    assert receipt.summary == "all symbols: 1 order cancelled; stops stand"
    truth = at.truth()
    assert truth["open_orders"] == []
    assert live_stops(truth, ETH) == kept
    assert at.desk.cancel_all().summary == "all symbols: no order rests; stops stand"


def test_cancel_all_reaches_an_entry_whose_answer_is_still_under_way(seat: Callable[..., Seat]) -> None:
    at = seat()
    rest(at)
    at.venue.fault("delay", ms=400, match={"method": "POST", "role": "entry"})
    asking = threading.Thread(target=rest, args=(at,), kwargs={"limit": "2985"})
    asking.start()
    at.until(lambda _: len(at.creates()) == 2)  # before it has left, a cancel would keep it here
    assert at.desk.cancel_all().done
    asking.join(15)
    assert resting(at) == {}
    assert len(at.creates()) == 2


def test_an_entry_is_moved_by_a_cancel_that_is_confirmed_and_then_one_new_order(
    seat: Callable[..., Seat],
) -> None:
    at = seat()
    kept = hold(at)
    old = rest(at, limit="2990", stop="2940")
    before = len(sent(at))
    receipt = at.desk.move_entry(old, "2985.5")
    assert receipt.done, receipt
    assert receipt.order is not None
    new = receipt.order.request
    assert resting(at) == {new.client_id: D("2985.5")}
    assert (new.size, new.side.value) == (D("0.01"), "buy")
    assert sent(at)[before:] == [("DELETE", old), ("POST", new.client_id)]
    assert live_stops(at.truth(), ETH) == kept
    at.venue.move(ETHUSDT="2980")
    at.other("SELL", ETH, "0.5")
    truth = at.until(covered_with_profit)
    assert D(truth["positions"]["ETHUSDT"]["size"]) == D("0.06")


def covered_with_profit(truth: dict[str, Any]) -> bool:
    """Every contract is under a stop; a take-profit stands beside it."""
    return covered({**truth, "open_algo_orders": [r for r in truth["open_algo_orders"] if is_stop(r)]}, ETH)


def is_stop(row: dict[str, Any]) -> bool:
    return bool(row["type"].startswith("STOP"))


def test_a_move_that_the_gate_refuses_leaves_no_order_and_says_so(seat: Callable[..., Seat]) -> None:
    at = seat()
    old = rest(at)
    at.desk.risk.tune(size_cap="0.002")
    receipt = at.desk.move_entry(old, 2_985)
    assert not receipt.done
    assert receipt.summary.startswith(
        "the old order is cancelled, and no new one rests: refused by size_cap: found "
    )
    assert resting(at) == {}


def test_what_cannot_be_moved_rests_on_untouched(seat: Callable[..., Seat]) -> None:
    at = seat()
    kept = hold(at)
    stop = next(row["client_id"] for row in kept if is_stop(row))
    old = rest(at, limit="2990", stop="2940")
    before = sent(at)
    for order, price, why in (
        ("nothing", "2985", "no order 'nothing'"),
        (stop, "2940", "no resting entry; move_stop"),
        (old, "2940", "its stop at 2940 would not be below 2940"),
        (old, "2985.001", "not on the price grid of ETH/USDT:USDT: 0.01"),
        (old, float("nan"), "must be above 0"),
        (old, -1, "must be above 0"),
    ):
        with pytest.raises(UserError, match=why):
            at.desk.move_entry(order, price)
    assert resting(at) == {old: D(2990)}
    assert sent(at) == before


def test_the_entry_of_a_strategy_is_not_moved_by_hand_but_may_be_cancelled(seat: Callable[..., Seat]) -> None:
    at = seat()
    at.desk.start(Rester([ETH], "1s"), name="rester")
    at.other("BUY", ETH, "0.01")
    order, *_ = eventually(lambda: list(resting(at)), bool)  # several, where several bars were told at once
    with pytest.raises(UserError, match=r"this entry is rester's: cancel\(\) it"):
        at.desk.move_entry(order, "2905")
    at.desk.stop("rester")
    assert order not in resting(at)


def test_the_awaitable_twins(seat: Callable[..., Seat]) -> None:
    at = seat()
    old = rest(at)

    async def both() -> tuple[bool, bool]:
        moved = await at.desk.aio.move_entry(old, 2_985)
        return moved.done, (await at.desk.aio.cancel_all()).done

    assert asyncio.run(both()) == (True, True)
    assert resting(at) == {}
