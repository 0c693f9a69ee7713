"""Row 66: strategies that raise, return nonsense, flood, or do not return."""

from __future__ import annotations

import time
from typing import Any

import pytest

from contractdesk.domain.events import TradePrinted
from contractdesk.domain.intents import Intent
from contractdesk.strategy import intents
from contractdesk.strategy.base import Context, Strategy
from tests.faults.case import Case, row
from tests.faults.desks import D, Take, creates, never_twice, under_stop
from tests.faults.wishes import enters, stir
from tests.rules.venue import ETH, eventually

pytestmark = pytest.mark.timeout(120)


class Turncoat(Strategy):
    """Enters at the first trade that it hears of; what it does once it is told to its children say."""

    armed: list[bool] = []  # noqa: RUF012  # by the one scenario that runs

    def on_trade(self, trade: TradePrinted, ctx: Context) -> Any:
        if not self.state.get("entered"):
            self.state["entered"] = True
            return intents.enter_long(trade.symbol, size="0.05", stop=intents.fixed_stop("2950"))
        if not self.armed:
            return None
        return self.turn(trade, ctx)

    def turn(self, trade: TradePrinted, ctx: Context) -> Any:
        return None


class Raises(Turncoat):
    def turn(self, trade: TradePrinted, ctx: Context) -> Any:
        raise RuntimeError("out of ideas")


class ReturnsNaN(Turncoat):
    def turn(self, trade: TradePrinted, ctx: Context) -> Any:
        return float("nan")


class Exits(Turncoat):
    def turn(self, trade: TradePrinted, ctx: Context) -> Any:
        raise SystemExit


class Floods(Turncoat):
    def turn(self, trade: TradePrinted, ctx: Context) -> list[Intent]:
        wish = intents.enter_long(trade.symbol, size="0.001", stop=intents.fixed_stop("2950"))
        return [wish] * 1_000


class Blocks(Turncoat):
    def turn(self, trade: TradePrinted, ctx: Context) -> Any:
        while True:
            pass


class BlocksAndCatches(Turncoat):
    def turn(self, trade: TradePrinted, ctx: Context) -> Any:
        while True:
            try:
                time.sleep(0.05)
            except Exception:
                self.state["caught"] = True


BAD: dict[str, tuple[type[Turncoat], str]] = {
    "raises": (Raises, "raised RuntimeError: out of ideas"),
    "exits": (Exits, "raised SystemExit"),
    "returns NaN": (ReturnsNaN, "returned a float"),
    "floods": (Floods, "50 are permitted"),
    "blocks": (Blocks, "no end after 2 s"),
    "blocks and catches": (BlocksAndCatches, "no end after 2 s"),
}


@pytest.mark.parametrize("how", BAD)
@row(66)
def test_row_66_a_strategy_turns_bad(seat: Take, case: Case, how: str) -> None:
    at = seat()
    kind, word = BAD[how]
    Turncoat.armed.clear()
    at.desk.start(kind([ETH], "1m"), name="turncoat")
    eventually(lambda: (stir(at), creates(at, "entry"))[1], bool, 20)
    under_stop(at)
    began = time.monotonic()
    Turncoat.armed.append(True)
    case.pull("trade", symbol="ETHUSDT", count=2)
    picture = at.desk.wait_for(lambda s: s.strategies[0].status.startswith("disabled"), 20)
    took = time.monotonic() - began
    assert word in picture.strategies[0].status
    stir(at)
    truth = under_stop(at)
    assert len(creates(at, "entry")) == 1
    never_twice(at)
    enters(at, within_s=15)  # the desk itself goes on
    assert at.desk.close_position(ETH, size="0.02").done
    under_stop(at, D("0.04"))
    assert len(truth["open_algo_orders"]) == 1
    case.saw(f"{how}: disabled after {took:.1f} s; its position stays under one stop, the desk trades on")


class Wishes(Turncoat):
    """Entries whose numbers are none."""

    def turn(self, trade: TradePrinted, ctx: Context) -> Any:
        nan = float("nan")
        wishes = []
        for terms in ({"size": nan}, {"limit": nan}, {"notional": float("inf")}, {"stop": nan}):
            try:
                stop = intents.fixed_stop(terms.pop("stop", "2950"))
                wishes.append(intents.enter_long(trade.symbol, stop=stop, **terms))
            except Exception as error:
                self.state.setdefault("refused", []).append(str(error))
        return wishes


@row(66)
def test_row_66_wishes_whose_numbers_are_none(seat: Take, case: Case) -> None:
    at = seat()
    Turncoat.armed.clear()
    at.desk.start(Wishes([ETH], "1m"), name="wishes")
    eventually(lambda: (stir(at), creates(at, "entry"))[1], bool, 20)
    under_stop(at)
    Turncoat.armed.append(True)
    case.pull("trade", symbol="ETHUSDT", count=2)
    handled = at.desk.snapshot.events_handled
    at.desk.wait_for(lambda s: s.events_handled > handled + 10, 20)
    under_stop(at)
    assert len(creates(at, "entry")) == 1
    case.saw("NaN and infinite sizes, prices and stops: nothing sent, the position stays under its stop")
