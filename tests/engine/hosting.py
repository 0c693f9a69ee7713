"""Strategies to host, and how a bench starts them and closes their bars."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from contractdesk.domain.events import (
    BarClosed,
    FundingPaid,
    FundingSettled,
    LiquidationPrinted,
    StrategyStarted,
    SymbolReady,
    TradePrinted,
)
from contractdesk.domain.market import Bar
from contractdesk.strategy import (
    Atr,
    BarView,
    Context,
    Param,
    Strategy,
    enter_long,
    exit_position,
    move_stop,
)
from contractdesk.strategy.base import Wish
from tests.engine.bench import MARK, NS_PER_S, START, SYMBOL, Bench, D

MINUTE = 60 * NS_PER_S
OPEN = START - START % MINUTE


class Buyer(Strategy):
    """Enters at each bar's close, and counts them."""

    size = Param(Decimal("0.01"), ge=Decimal("0.001"), le=Decimal(1))
    stop = Param(29_000, ge=1)

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        self.state["bars"] = self.state.get("bars", 0) + 1
        return enter_long(bar.symbol, size=self.size, stop=self.stop)


class Seller(Buyer):
    """New code: it leaves at each bar's close."""

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        return exit_position(bar.symbol)


class Diary(Strategy):
    """Writes down what it is told."""

    def on_start(self, ctx: Context) -> Wish:
        self.state["said"] = ["start"]

    def on_trade(self, trade: TradePrinted, ctx: Context) -> Wish:
        self.state["said"].append("trade")

    def on_book(self, symbol: str, ctx: Context) -> Wish:
        self.state["said"].append("book")

    def on_funding(self, funding: FundingSettled | FundingPaid, ctx: Context) -> Wish:
        self.state["said"].append(type(funding).__name__)

    def on_liquidation(self, liquidation: LiquidationPrinted, ctx: Context) -> Wish:
        self.state["said"].append("liquidation")

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        self.state["said"].append(f"bar {ctx.indicator(bar.symbol, Atr(2)):g}")
        return enter_long(bar.symbol, size="0.01", stop=29_000)

    def on_order(self, order: Any, ctx: Context) -> Wish:
        self.state["said"].append(f"order {order.request.role.name} {order.status.value}")

    def on_fill(self, fill: Any, ctx: Context) -> Wish:
        self.state["said"].append(f"fill {fill.signed_size}")
        return move_stop(fill.symbol, 29_500)

    def on_position(self, position: Any, ctx: Context) -> Wish:
        self.state["said"].append(f"position {position.size}")

    def on_risk(self, refused: Any, ctx: Context) -> Wish:
        self.state["said"].append(f"refused {refused.rule}")

    def on_end(self, ctx: Context) -> Wish:
        self.state["said"].append("end")
        return exit_position(SYMBOL)


def misbehaving(callback: Callable[[], Any]) -> type[Strategy]:
    class Bad(Strategy):
        def on_bar(self, bar: BarView, ctx: Context) -> Wish:
            return callback()  # type: ignore[no-any-return]

    return Bad


def bar(number: int, close: Decimal = MARK) -> Bar:
    return Bar(
        open_ns=OPEN + number * MINUTE, open=close, high=close + 10, low=close - 10, close=close, volume=D(1)
    )


def start(bench: Bench, name: str = "s1", source_hash: str = "h", **more: Any) -> None:
    symbols = more.pop("symbols", (SYMBOL,))
    timeframe = more.pop("timeframe", "1m")
    bench.feed(
        StrategyStarted(
            ts_ns=bench.now_ns,
            who="tester",
            strategy_id=name,
            class_name="S",
            source_hash=source_hash,
            params=more,
            symbols=symbols,
            timeframe=timeframe,
        )
    )


def close_bar(bench: Bench, number: int, close: Decimal = MARK) -> None:
    bench.alive()
    bench.feed(BarClosed(ts_ns=bench.now_ns, symbol=SYMBOL, timeframe="1m", bar=bar(number, close)))


def running(strategy: type[Strategy], **params: Any) -> Bench:
    """It has its warm-up: the venue has told all the history that there is."""
    bench = Bench({"h": strategy})
    start(bench, **params)
    bench.feed(SymbolReady(ts_ns=bench.now_ns, symbol=SYMBOL))
    return bench


def row(bench: Bench, place: int = 0) -> Any:
    return bench.engine.snapshot().strategies[place]


def said(bench: Bench) -> list[str]:
    return bench.engine._desk.strategies["s1"].memory["said"]
