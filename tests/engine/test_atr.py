"""The engine's ATR beside TA-Lib's, on real candles fed live: what a stop's distance is made of.

The figure is judged at 1e-9 twice, relative to itself and in units of price: below one unit (SOL) the first
is the stricter one, above it (BTC) the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import talib
from msgspec.structs import replace

from contractdesk.domain.events import (
    BarClosed,
    BarsLoaded,
    Event,
    InstrumentListed,
    SymbolReady,
    TradePrinted,
)
from contractdesk.domain.market import Bar, timeframe_ns
from contractdesk.domain.orders import Side
from contractdesk.engine.engine import Engine
from contractdesk.engine.market_feed import BY_HAND_WARMUP
from contractdesk.strategy import Atr, BarView, Context, Strategy
from contractdesk.strategy.base import Wish
from tests.engine.bench import CONFIG, NS_PER_S, Bench, D
from tests.engine.hosting import start

PERIOD = 14
LIVE = 6_000  # bars: three times what a series keeps, so that its rows slide
NATIVE = replace(CONFIG, native_timeframes=("1m", "5m", "1h"))
SERIES = [  # file, first bar of the warm-up, bars of it, bars fed live
    ("BTC", "1m", 0, 500, LIVE),
    ("SOL", "1m", 20_000, 500, LIVE),
    ("BTC", "5m", 0, 100, LIVE),
    ("SOL", "5m", 0, 1_500, LIVE),
    ("BTC", "1h", 0, 3, 716),  # TA-Lib's own warm-up falls into the live bars
]

pytestmark = pytest.mark.recording


class Diary(Strategy):
    """Keeps what it read at each bar: the recursion that the engine carries on, and the desk's answer."""

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        value = ctx.indicator(bar.symbol, Atr(PERIOD))
        asked = ctx.view.atr(bar.symbol, self.timeframe, PERIOD)
        row = [bar.open_ns, None if math.isnan(value) else value, None if asked is None else str(asked)]
        self.state.setdefault("read", []).append(row)
        return None


@dataclass
class Live:
    """One symbol on an engine; ``seen`` is the ATR of a bystander after each closed bar, by its opening."""

    symbol: str
    timeframe: str
    engine: Engine
    seen: dict[int, Decimal | None] = field(default_factory=dict)

    @classmethod
    def begin(cls, base: str, timeframe: str) -> Live:
        bench = Bench({"h": Diary}, NATIVE)
        symbol = f"{base}/USDT:USDT"
        if symbol not in bench.engine.view.symbols:
            listed = replace(bench.market.instrument, symbol=symbol, base=base, tick_size=D("0.01"))
            bench.feed(InstrumentListed(ts_ns=bench.now_ns, instrument=listed))
        start(bench, symbols=(symbol,), timeframe=timeframe)
        return cls(symbol, timeframe, bench.engine)

    def feed(self, event: Event) -> None:
        """Hand over a fact, and look at the ATR when it has closed a bar."""
        self.engine.handle(event)
        last = self.engine.view.symbols[self.symbol].series[self.timeframe].last_bar
        if last is not None and last.open_ns not in self.seen:
            self.seen[last.open_ns] = self.engine.view.atr(self.symbol, self.timeframe, PERIOD)

    def load(self, bars: list[Bar]) -> None:
        ns = _over(bars[-1], self.timeframe)
        self.feed(BarsLoaded(ts_ns=ns, symbol=self.symbol, timeframe=self.timeframe, bars=tuple(bars)))
        self.feed(SymbolReady(ts_ns=ns, symbol=self.symbol))

    def close(self, bar: Bar) -> None:
        ns = _over(bar, self.timeframe)
        self.feed(BarClosed(ts_ns=ns, symbol=self.symbol, timeframe=self.timeframe, bar=bar))

    def go_on_elsewhere(self) -> None:
        """As after a crash: the engine goes, and another begins with its checkpoint."""
        self.engine = Engine.restore(self.engine.checkpoint(), {"h": Diary})

    @property
    def read(self) -> list[tuple[int, float | None, str | None]]:
        """What the strategy read within the engine's own handling: opening, indicator, desk's answer."""
        return self.engine._desk.strategies["s1"].memory["read"]


def _over(bar: Bar, timeframe: str) -> int:
    return bar.open_ns + timeframe_ns(timeframe)


def candles(recordings: Path, base: str, timeframe: str) -> list[Bar]:
    frame = pd.read_parquet(
        recordings / "candles" / "binance_usdm" / f"{base}_USDT_USDT-{timeframe}-futures.parquet"
    )
    opened = pd.DatetimeIndex(frame["date"]).as_unit("ns").asi8.tolist()
    return made(opened, frame)


def made(opened: list[int], frame: pd.DataFrame) -> list[Bar]:
    """Exact bars: a float's shortest text is what the venue sent."""
    names = ("open", "high", "low", "close")
    rows = zip(opened, *(frame[name].tolist() for name in names), strict=True)
    return [
        Bar(open_ns=ns, volume=D(1), **{name: D(repr(value)) for name, value in zip(names, row, strict=True)})
        for ns, *row in rows
    ]


def theirs(bars: list[Bar]) -> dict[int, float]:
    """TA-Lib over all of them at once, by opening time; NaN in its warm-up."""
    columns = [np.array([float(getattr(bar, name)) for bar in bars]) for name in ("high", "low", "close")]
    return dict(zip((bar.open_ns for bar in bars), talib.ATR(*columns, PERIOD).tolist(), strict=True))


def assert_same(ours: dict[int, Decimal | float | None], expected: dict[int, float]) -> None:
    """At each bar of ours: nothing where TA-Lib has nothing, else the same to 1e-9, and to 1e-9 of it."""
    off = {
        open_ns: (value, expected[open_ns])
        for open_ns, value in ours.items()
        if (value is None) != math.isnan(expected[open_ns])
        or (value is not None and abs(float(value) - expected[open_ns]) > 1e-9 * min(1.0, expected[open_ns]))
    }
    assert not off, (len(off), next(iter(off.items())))


def assert_live_equals(live: Live, expected: dict[int, float], fed: list[Bar]) -> None:
    assert {bar.open_ns for bar in fed} <= set(live.seen), "the bystander looked after every bar"
    assert_same(live.seen, expected)
    assert_same({open_ns: value for open_ns, value, _ in live.read}, expected)
    assert_same({ns: None if asked is None else D(asked) for ns, _, asked in live.read}, expected)


@pytest.mark.parametrize(("base", "timeframe", "first", "warmup", "count"), SERIES)
def test_atr_fed_live_equals_talib_at_every_bar(
    recordings: Path, base: str, timeframe: str, first: int, warmup: int, count: int
) -> None:
    """Through a checkpoint in the middle, and a hole that the venue's history fills later."""
    bars = candles(recordings, base, timeframe)[first : first + warmup + count]
    live, fed = Live.begin(base, timeframe), bars[warmup:]
    live.load(bars[:warmup])
    middle, lost = len(fed) // 2, len(fed) * 3 // 4
    for place, bar in enumerate(fed):
        if place == middle:
            live.go_on_elsewhere()
        if place not in (lost, lost + 1):
            live.close(bar)
        if place == lost + 2:
            assert not live.engine.view.symbols[live.symbol].ready, "the hole was seen"
            live.load(fed[lost - 20 : place + 1])  # the venue's list, from before the hole
    assert len(fed) == count
    assert len(live.read) == count - 3, "the strategy is told of no bar in the hole"
    assert_live_equals(live, theirs(bars), fed[:lost] + fed[lost + 2 :])


@pytest.mark.parametrize("base", ["BTC", "SOL"])
def test_after_the_warm_up_of_an_order_by_hand_it_no_longer_matters_where_history_began(
    recordings: Path, base: str
) -> None:
    """The seed weighs (13/14)^n after n bars: it must have gone below 1e-9 before the first live bar."""
    bars = candles(recordings, base, "1m")[: 10_000 + 200]
    expected, live = theirs(bars), Live.begin(base, "1m")
    live.load(bars[10_000 - BY_HAND_WARMUP : 10_000])
    for bar in bars[10_000:]:
        live.close(bar)
    assert len(live.read) == 200
    assert_live_equals(live, expected, bars[10_000:])


# -- bars that the venue does not close -----------------------------------------------------------


def trades(recordings: Path) -> pd.DataFrame:
    frame = pd.read_parquet(recordings / "trades" / "binance_usdm_btcusdt_20240808_trades.parquet")
    return frame[frame["trade_type"] == "MARKET"].sort_values("trade_id")


def prints(frame: pd.DataFrame, symbol: str) -> Iterator[TradePrinted]:
    columns = [frame[name].tolist() for name in ("trade_ms", "trade_id", "price", "qty", "is_buyer_maker")]
    for ms, trade_id, price, size, sold in zip(*columns, strict=True):
        yield TradePrinted(
            ts_ns=ms * 1_000_000,
            symbol=symbol,
            trade_id=trade_id,
            price=Decimal(repr(price)),
            size=Decimal(repr(size)),
            taker=Side.SELL if sold else Side.BUY,
            venue_ns=ms * 1_000_000,
        )


def resampled(frame: pd.DataFrame, rule: str) -> list[Bar]:
    """pandas' own bars of whole intervals; one without a trade stays at the close before it."""
    times = pd.to_datetime(frame["trade_ms"], unit="ms", utc=True)
    table = frame.set_index(times)["price"].resample(rule).ohlc()
    close = table["close"].ffill()
    table = table.apply(lambda column: column.fillna(close))
    opened = pd.DatetimeIndex(table.index).as_unit("ns").asi8.tolist()
    bars = made(opened, table)
    return bars[1:-1]  # seen in part: the first and the last


@pytest.mark.parametrize(("timeframe", "rule", "least"), [("1s", "1s", 330), ("5s", "5s", 60)])
def test_atr_of_bars_built_from_real_trades_equals_talib_at_every_bar(
    recordings: Path, timeframe: str, rule: str, least: int
) -> None:
    frame = trades(recordings)
    live, expected = Live.begin("BTC", timeframe), resampled(frame, rule)
    began = int(frame["trade_ms"].iloc[0]) * 1_000_000
    live.feed(SymbolReady(ts_ns=began, symbol=live.symbol))
    for number, trade in enumerate(prints(frame, live.symbol)):
        if number == len(frame) // 2:
            live.go_on_elsewhere()
        live.feed(trade)
    market = live.engine._desk.symbols[live.symbol]
    assert market.builders[timeframe].late == 0
    assert [row[0] for row in live.read] == [bar.open_ns for bar in expected]
    assert len(expected) >= least
    assert len(expected) * timeframe_ns(timeframe) > 300 * NS_PER_S
    assert_same(live.seen, theirs(expected))
    assert_same({open_ns: value for open_ns, value, _ in live.read}, theirs(expected))
