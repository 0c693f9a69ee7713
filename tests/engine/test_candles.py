"""The bars of a snapshot: whose timeframe, how many, which of the strategy's lines; and the open one."""

from __future__ import annotations

import pytest

from contractdesk.domain.events import BarClosed, TradePrinted
from contractdesk.domain.market import Bar
from contractdesk.domain.orders import Side
from contractdesk.domain.views import Candles
from contractdesk.engine.engine import Engine
from contractdesk.engine.snapshot import SHOWN_BARS
from contractdesk.strategy import Atr, BarView, Bollinger, Context, Ema, Strategy
from contractdesk.strategy.base import Wish
from tests.engine.bench import SYMBOL, Bench, D
from tests.engine.hosting import MINUTE, bar, close_bar, start

SECOND = 10**9


class Reader(Strategy):
    """Looks at two prices and at one distance."""

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        for indicator in (Ema(3), Atr(3), Bollinger(4, -2.0)):
            ctx.indicator(bar.symbol, indicator)
        return None


def hosted(timeframe: str = "1m") -> Bench:
    bench = Bench({"h": Reader})
    start(bench, timeframe=timeframe)
    return bench


def candles(bench: Bench) -> Candles:
    shown = bench.engine.snapshot().symbols[SYMBOL].candles
    assert shown is not None
    return shown


def trade(bench: Bench, number: int, price: int, after_s: float) -> None:
    bench.advance(after_s)
    bench.feed(
        TradePrinted(
            ts_ns=bench.now_ns, symbol=SYMBOL, trade_id=number, price=D(price), size=D(1), taker=Side.BUY,
            venue_ns=bench.now_ns,
        )
    )  # fmt: skip


def test_a_desk_without_bars_shows_none() -> None:
    assert Bench().engine.snapshot().symbols[SYMBOL].candles is None
    assert hosted().engine.snapshot().symbols[SYMBOL].candles is None, "none has come yet"


def test_closed_bars_are_of_the_strategys_timeframe_and_bounded() -> None:
    bench = hosted()
    for number in range(SHOWN_BARS + 5):
        close_bar(bench, number, D(30_000 + number))
    five = Bar(open_ns=bar(0).open_ns, open=D(1), high=D(1), low=D(1), close=D(1), volume=D(1))
    bench.feed(BarClosed(ts_ns=bench.now_ns, symbol=SYMBOL, timeframe="5m", bar=five))
    shown = candles(bench)
    assert (shown.timeframe, len(shown.closed)) == ("1m", SHOWN_BARS)
    assert shown.closed[-1] == bar(SHOWN_BARS + 4, D(30_000 + SHOWN_BARS + 4))
    assert shown.closed[-1].open_ns - shown.closed[0].open_ns == (SHOWN_BARS - 1) * MINUTE
    assert shown.forming is None, "the venue closes these itself: the driver knows the open one"


def test_bars_are_the_same_object_until_one_is_added() -> None:
    bench = hosted()
    close_bar(bench, 0)
    before = candles(bench)
    bench.advance(1)
    assert candles(bench).closed is before.closed
    close_bar(bench, 1)
    assert candles(bench).closed is not before.closed


def test_lines_are_the_strategys_prices_and_no_other_figures() -> None:
    bench = hosted()
    for number in range(6):
        close_bar(bench, number, D(30_000 + 10 * number))
    lines = {line.name: line.values for line in candles(bench).overlays}
    assert set(lines) == {"EMA 3", "BOLLINGER 4 -2"}, "an ATR is a distance, and has no place on the price"
    assert lines["EMA 3"] == pytest.approx((30_010, 30_020, 30_030, 30_040))
    assert len(lines["BOLLINGER 4 -2"]) == 3


def test_the_open_bar_of_a_built_timeframe_is_what_has_traded_in_it() -> None:
    bench = hosted("1s")
    bench.advance((-bench.now_ns % SECOND) / SECOND)
    for number, (price, after_s) in enumerate(
        ((30_000, 0), (30_001, 1), (30_004, 1), (29_999, 0.2), (30_002, 0.2))
    ):
        trade(bench, number, price, after_s)
    shown = candles(bench)
    assert [float(row.close) for row in shown.closed] == [30_001]
    forming = shown.forming
    assert forming is not None
    assert (forming.open, forming.high, forming.low, forming.close) == (
        D(30_004),
        D(30_004),
        D(29_999),
        D(30_002),
    )


def test_without_a_strategy_the_shortest_watched_bars_are_shown_and_a_restored_desk_has_them() -> None:
    bench = Bench()
    for timeframe, minutes in (("5m", 5), ("1m", 1)):
        flat = Bar(
            open_ns=bar(0).open_ns - bar(0).open_ns % (5 * MINUTE), volume=D(1),
            open=D(minutes), high=D(minutes), low=D(minutes), close=D(minutes),
        )  # fmt: skip
        bench.feed(BarClosed(ts_ns=bench.now_ns, symbol=SYMBOL, timeframe=timeframe, bar=flat))
    assert candles(bench).timeframe == "1m"
    restored = Engine.restore(bench.engine.checkpoint(), {})
    assert restored.snapshot().symbols[SYMBOL].candles == candles(bench)
