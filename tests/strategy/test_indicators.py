"""Bar by bar equals TA-Lib's vectors: on random bars, and on real candles."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contractdesk.domain.market import Bar
from contractdesk.errors import ConfigError
from contractdesk.strategy.bars import Bars, Floats
from contractdesk.strategy.indicators import Atr, Bollinger, Ema, Indicator, Macd, MacdOutput, Rsi, Seed, Sma

MINUTE = 60 * 10**9
DECLARED: list[Indicator] = [
    Sma(2), Sma(20), Ema(2), Ema(12), Ema(26), Atr(1), Atr(14), Rsi(2), Rsi(14),
    *(Macd(12, 26, 9, output) for output in MacdOutput), Macd(3, 5, 2), Macd(2, 9, 4, MacdOutput.SIGNAL),
    Bollinger(20, 2.0), Bollinger(5, -1.5), Bollinger(5, 0.0),
]  # fmt: skip


def live(indicator: Indicator, bars: Bars) -> Floats:
    """The recursion, fed one bar at a time."""
    running = indicator.start()
    rows = zip(bars.high.tolist(), bars.low.tolist(), bars.close.tolist(), strict=True)
    return np.array([running.update(*row) for row in rows])


def assert_equal(indicator: Indicator, bars: Bars) -> None:
    """NaN at the same bars, else equal to 1e-9 of the price (a variance is a difference of squares)."""
    ours, theirs = live(indicator, bars), indicator.vector(bars)
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    scale = max(1.0, float(np.nanmax(bars.high)))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * scale, equal_nan=True)


def made(rows: list[tuple[int, int, int]]) -> Bars:
    """Bars from (close, reach above, reach below) in cents."""
    bars = [
        Bar(
            open_ns=number * MINUTE,
            open=Decimal(close) / 100,
            high=Decimal(close + up) / 100,
            low=Decimal(max(1, close - down)) / 100,
            close=Decimal(close) / 100,
            volume=Decimal(1),
        )
        for number, (close, up, down) in enumerate(rows, 1)
    ]
    return Bars.of(bars)


rows = st.tuples(st.integers(1, 10_000_000), st.integers(0, 50_000), st.integers(0, 50_000))


@given(st.lists(rows, min_size=1, max_size=80), st.sampled_from(DECLARED))
@settings(max_examples=300)
def test_live_equals_talib_on_random_bars(bars: list[tuple[int, int, int]], indicator: Indicator) -> None:
    assert_equal(indicator, made(bars))


@pytest.mark.parametrize("indicator", DECLARED, ids=str)
def test_live_equals_talib_where_nothing_moves(indicator: Indicator) -> None:
    assert_equal(indicator, made([(6_000_000, 0, 0)] * 60))


@pytest.mark.recording
@pytest.mark.parametrize("indicator", DECLARED, ids=str)
def test_live_equals_talib_on_real_candles(indicator: Indicator, recordings: Path) -> None:
    import pyarrow.parquet as pq

    file = recordings / "candles" / "binance_usdm" / "BTC_USDT_USDT-1m-futures.parquet"
    table = pq.read_table(file)
    names = ("open", "high", "low", "close", "volume")
    columns = [table[name].to_numpy().astype(np.float64) for name in names]
    assert len(columns[0]) > 40_000
    assert_equal(indicator, Bars(np.arange(len(columns[0]), dtype=np.int64), *columns))


@pytest.mark.parametrize(
    "bad",
    [
        lambda: Ema(1),
        lambda: Sma(1001),
        lambda: Atr(0),
        lambda: Rsi(1),
        lambda: Macd(26, 12),
        lambda: Bollinger(1),
    ],
)
def test_a_period_out_of_range_is_an_error(bad: object) -> None:
    assert callable(bad)
    with pytest.raises(ConfigError, match=r"a period must be|must be below"):
        bad()


def test_warm_up_is_nan() -> None:
    running = Ema(3).start()
    values = [running.update(1.0, 1.0, close) for close in (1.0, 2.0, 3.0, 5.0)]
    assert math.isnan(values[0])
    assert math.isnan(values[1])
    assert values[2:] == [2.0, 3.5]  # (1 + 2 + 3) / 3, then 2 + (5 - 2) x 2/4


# -- seeded with the first bar -------------------------------------------------------------------

FROM_FIRST: list[Indicator] = [
    Ema(2, Seed.FIRST),
    Ema(12, Seed.FIRST),
    Atr(1, Seed.FIRST),
    Atr(14, Seed.FIRST),
]


@given(st.lists(rows, min_size=1, max_size=80), st.sampled_from(FROM_FIRST))
@settings(max_examples=100)
def test_a_recursion_from_the_first_bar_equals_its_vector(
    bars: list[tuple[int, int, int]], indicator: Indicator
) -> None:
    assert_equal(indicator, made(bars))
    assert not np.isnan(live(indicator, made(bars))).any()


def test_from_the_first_bar_an_ema_and_an_atr_are_what_pandas_makes_of_them() -> None:
    bars = made([(100, 5, 5), (140, 0, 60), (90, 3, 1), (90, 0, 0), (400, 9, 9)])
    frame = bars.df
    before = frame["close"].shift()
    spans = [frame["high"] - frame["low"], (frame["high"] - before).abs(), (frame["low"] - before).abs()]
    ranges = pd.concat(spans, axis=1).max(axis=1)
    ema = frame["close"].ewm(span=3, adjust=False).mean()
    atr = ranges.ewm(alpha=1 / 4, adjust=False).mean()
    np.testing.assert_allclose(live(Ema(3, Seed.FIRST), bars), ema.to_numpy(), rtol=1e-12)
    np.testing.assert_allclose(live(Atr(4, Seed.FIRST), bars), atr.to_numpy(), rtol=1e-12)
