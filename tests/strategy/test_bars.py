"""Series of closed bars, and bars built from trades."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.domain.events import TradePrinted
from contractdesk.domain.market import Bar
from contractdesk.domain.orders import Side
from contractdesk.strategy.bar_builder import GRACE_NS, MAX_FLAT_BARS
from contractdesk.strategy.bars import Appended, BarBuilder, Bars, BarSeries, SeriesState
from contractdesk.strategy.indicators import Atr, Bollinger, Ema, Macd, Rsi, Sma
from tests.strategy.hosts import bar

S = 10**9


def filled(count: int, capacity: int = 100) -> BarSeries:
    series = BarSeries("1m", capacity)
    for number in range(count):
        price = 100 + (number * 7) % 13
        series.append(bar(number, str(price), high=str(price + 2), low=str(price - 1)))
    return series


# -- series -------------------------------------------------------------------------------------


def test_the_last_bars_are_exactly_as_many_as_asked_for() -> None:
    bars = filled(3).last(5)
    assert len(bars) == 5
    assert not bars.complete
    assert np.isnan(bars.close[:2]).all()
    assert bars.close[2:].tolist() == [100.0, 107.0, 101.0]
    assert bars.open_ns[:2].tolist() == [0, 0]
    assert filled(5).last(5).complete
    assert len(filled(5).last(0)) == 0


def test_nothing_beats_a_high_that_is_not_there() -> None:
    bars = filled(0).last(20)
    assert math.isnan(bars.high.max())
    assert not bars.high.max() < 1e9


def test_before_leaves_out_that_bar_and_later_ones() -> None:
    series = filled(5)
    fourth = bar(3, "1").open_ns
    assert series.last(2, before=fourth).open_ns.tolist() == [bar(1, "1").open_ns, bar(2, "1").open_ns]
    assert not series.last(5, before=fourth).complete


def test_a_view_does_not_change_when_the_series_goes_on() -> None:
    series = filled(3)
    bars = series.last(3)
    before = bars.close.copy()
    for number in range(3, 300):
        series.append(bar(number, "1"))
    assert bars.close.tolist() == before.tolist()


def test_repeats_are_ignored_and_holes_are_not_taken() -> None:
    series = filled(3)
    assert series.append(bar(2, "999")) is Appended.REPEATED
    assert series.append(bar(0, "999")) is Appended.REPEATED
    assert series.append(bar(4, "999")) is Appended.HOLE
    assert len(series) == 3
    assert series.append(bar(3, "105")) is Appended.ADDED
    assert series.last_bar == bar(3, "105")
    assert series.next_open_ns == bar(4, "1").open_ns


def test_history_that_joins_is_added_and_other_history_replaces() -> None:
    series = filled(3)
    assert series.extend([bar(number, "100") for number in range(1, 6)]) == 3
    assert len(series) == 6
    assert series.extend([bar(number, "100") for number in range(50, 60)]) == 10
    assert len(series) == 10
    assert series.last(1).open_ns[0] == bar(59, "1").open_ns


@given(st.integers(1, 20), st.integers(0, 30), st.integers(1, 15), st.integers(0, 30))
def test_older_history_that_joins_goes_before_what_is_there(
    capacity: int, first: int, count: int, last: int
) -> None:
    """Told in two pieces, the newer one first, a series is what one piece would have made it."""
    everything = [bar(number, str(100 + number * 7 % 13)) for number in range(60)]
    newer, older = everything[30 : 30 + count], everything[first : 31 + last]
    series, whole = BarSeries("1m", capacity), BarSeries("1m", capacity)
    for each in (series, whole):
        each.declare(Ema(5))
    series.extend(newer)
    room = len(series) < capacity
    series.extend(older)
    whole.extend(everything[first if room else 30 : max(30 + count, 31 + last)])
    shown = min(capacity, len(whole))
    assert series.tail(capacity).bars == whole.tail(capacity).bars
    if len(whole) < capacity or not room:
        np.testing.assert_equal(series.values(Ema(5), shown), whole.values(Ema(5), shown))


def test_older_history_is_counted_and_one_that_does_not_join_changes_nothing() -> None:
    series = BarSeries("1m", 100)
    series.extend([bar(number, "100") for number in range(20, 30)])
    assert len(series.tail(50).bars) == 10
    assert series.extend([bar(number, "100") for number in range(5, 19)]) == 0
    assert series.extend([bar(number, "100") for number in range(15, 20)]) == 5
    assert series.extend([bar(number, "100") for number in range(10, 32)]) == 7
    assert (len(series), series.first_open_ns) == (22, bar(10, "1").open_ns)
    assert len(series.tail(50).bars) == 22


@given(st.integers(1, 7), st.integers(0, 40), st.integers(0, 7))
def test_a_series_is_the_tail_of_all_bars(capacity: int, count: int, n: int) -> None:
    series, everything = (
        filled(count, capacity),
        Bars.of(bar(i, str(100 + (i * 7) % 13)) for i in range(count)),
    )
    n = min(n, capacity)
    kept = min(count, capacity, n)
    assert len(series) == min(count, capacity)
    assert series.last(n).close[n - kept :].tolist() == everything.close[count - kept :].tolist()
    with pytest.raises(ValueError, match="a series keeps"):
        series.last(capacity + 1)


@given(st.integers(0, 60), st.integers(1, 60))
def test_indicators_of_a_series_equal_the_vector_over_all_bars(declared_at: int, more: int) -> None:
    indicators = [Ema(5), Sma(3), Atr(4), Rsi(3), Macd(2, 4, 3), Bollinger(4)]
    series = filled(declared_at, capacity=150)
    for indicator in indicators:
        series.declare(indicator)
    for number in range(declared_at, declared_at + more):
        price = 100 + (number * 7) % 13
        series.append(bar(number, str(price), high=str(price + 2), low=str(price - 1)))
    count = declared_at + more
    for indicator in indicators:
        vector = indicator.vector(series.last(count))
        np.testing.assert_allclose(series.values(indicator, count), vector, rtol=1e-9, equal_nan=True)
        np.testing.assert_equal(series.value(indicator, 1), series.values(indicator, count + 1)[-2])


def test_values_slide_with_their_bars() -> None:
    series = filled(0, capacity=10)
    for number in range(57):
        series.append(bar(number, str(100 + number)))
        series.value(Sma(2))
    assert series.values(Sma(2), 3).tolist() == [153.5, 154.5, 155.5]
    assert math.isnan(series.value(Sma(2), ago=10))


def test_a_restored_series_goes_on_as_if_nothing_had_happened() -> None:
    series = filled(120, capacity=50)
    for indicator in (Ema(26), Atr(14), Macd(), Bollinger(), Rsi()):
        series.declare(indicator)
    data = msgspec.json.encode(series.dump())
    restored = BarSeries.load(msgspec.json.decode(data, type=SeriesState))
    assert msgspec.json.encode(restored.dump()) == data
    for each in (series, restored):
        each.append(bar(120, "111.5", high="113", low="110"))
    for indicator in (Ema(26), Atr(14), Macd(), Bollinger(), Rsi(), Sma(3)):
        assert restored.value(indicator) == series.value(indicator)
    assert restored.last(50).close.tolist() == series.last(50).close.tolist()


def test_declared_indicators_are_bounded() -> None:
    series = filled(30)
    for period in range(2, 200):
        series.value(Sma(period))
    assert len(series.dump().indicators) == 64
    assert series.value(Sma(2)) == filled(30).value(Sma(2))


def test_the_frame_has_utc_times_and_no_empty_rows() -> None:
    frame = filled(3).last(5).df
    assert list(frame.columns) == ["open", "high", "low", "close", "volume"]
    assert len(frame) == 3
    assert frame.index[0] == pd.Timestamp(bar(0, "1").open_ns, tz="UTC")


# -- bars from trades ---------------------------------------------------------------------------


def trade(trade_id: int, at_ms: int, price: str, size: str = "1") -> TradePrinted:
    return TradePrinted(
        ts_ns=at_ms * 10**6,
        symbol="S",
        trade_id=trade_id,
        price=Decimal(price),
        size=Decimal(size),
        taker=Side.BUY,
        venue_ns=at_ms * 10**6,
    )


def ohlcv(made: Bar) -> tuple[int, str]:
    return made.open_ns // S, f"{made.open} {made.high} {made.low} {made.close} {made.volume}"


def test_a_bar_holds_its_interval_and_a_silent_one_is_flat() -> None:
    builder = BarBuilder("1s", since_ns=0)
    for event in (trade(1, 1000, "10"), trade(2, 1500, "12", "2"), trade(3, 1999, "9")):
        assert builder.on_trade(event) == []
    closed = builder.on_trade(trade(4, 4000, "11"))
    assert [ohlcv(each) for each in closed] == [(1, "10 12 9 9 4"), (2, "9 9 9 9 0"), (3, "9 9 9 9 0")]


def test_a_repeated_trade_changes_nothing_and_a_late_one_is_counted() -> None:
    builder = BarBuilder("1s", since_ns=0)
    builder.on_trade(trade(1, 1000, "10"))
    builder.on_trade(trade(1, 1000, "10"))
    builder.on_trade(trade(2, 2000, "11"))
    assert builder.on_trade(trade(3, 1999, "99")) == []
    assert builder.late == 1
    assert [ohlcv(each) for each in builder.on_trade(trade(4, 3000, "12"))] == [(2, "11 11 11 11 1")]


def test_time_closes_a_bar_that_nothing_trades_after() -> None:
    builder = BarBuilder("1s", since_ns=0)
    builder.on_trade(trade(1, 1500, "10"))
    assert builder.on_time(2 * S + GRACE_NS - 1) == []
    assert [ohlcv(each) for each in builder.on_time(2 * S + GRACE_NS)] == [(1, "10 10 10 10 1")]
    assert [ohlcv(each) for each in builder.on_time(4 * S + GRACE_NS)] == [
        (2, "10 10 10 10 0"),
        (3, "10 10 10 10 0"),
    ]
    assert builder.on_time(3 * S) == []


def test_an_interval_seen_in_part_gives_no_bar() -> None:
    builder = BarBuilder("1s")
    assert builder.on_trade(trade(1, 1500, "10")) == []
    assert builder.on_trade(trade(2, 2000, "11")) == []
    assert [ohlcv(each) for each in builder.on_trade(trade(3, 3000, "12"))] == [(2, "11 11 11 11 1")]
    assert BarBuilder("1s").on_time(10 * S) == []


def test_trades_that_were_not_seen_are_in_no_bar_and_nothing_stands_in_for_them() -> None:
    builder = BarBuilder("1s", since_ns=0)
    builder.on_trade(trade(1, 1000, "10"))
    builder.on_trade(trade(2, 2000, "11"))
    assert builder.on_trade(trade(9, 7500, "20")) == []
    assert builder.on_trade(trade(10, 8000, "21")) == []
    assert [ohlcv(each) for each in builder.on_trade(trade(11, 9000, "22"))] == [(8, "21 21 21 21 1")]


def test_bars_continue_after_loaded_history() -> None:
    history = Bar(
        open_ns=S, open=Decimal(9), high=Decimal(9), low=Decimal(9), close=Decimal(9), volume=Decimal(1)
    )
    builder = BarBuilder("1s", last=history)
    assert builder.on_trade(trade(1, 1900, "99")) == []  # is in the history already
    assert [ohlcv(each) for each in builder.on_trade(trade(2, 3200, "10"))] == [(2, "9 9 9 9 0")]
    late_start = BarBuilder("1s", last=history, since_ns=3 * S)
    assert [each.open_ns // S for each in late_start.on_trade(trade(1, 5000, "10"))] == [3, 4]


def test_a_long_silence_is_a_hole_not_a_flood() -> None:
    builder = BarBuilder("1s", since_ns=0)
    builder.on_trade(trade(1, 1000, "10"))
    beyond = (MAX_FLAT_BARS + 2) * 1000
    assert [each.open_ns // S for each in builder.on_trade(trade(2, beyond, "11"))] == [1]
    closed = builder.on_trade(trade(3, beyond + 1000, "12"))
    assert [ohlcv(each) for each in closed] == [(beyond // 1000, "11 11 11 11 1")]


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=60),
    st.data(),
)
def test_built_bars_are_the_trades_regrouped(steps: list[tuple[int, int, int]], data: st.DataObject) -> None:
    """Whatever the times asked in between, and through a checkpoint, bars are what a group-by gives."""
    at, trades = 5_000, []
    for number, (wait, price, size) in enumerate(steps):
        at += wait
        trades.append(trade(number, at, str(price), str(size)))
    builder, closed = BarBuilder("1s", since_ns=0), []
    for each in trades:
        if data.draw(st.booleans()):
            builder = msgspec.json.decode(msgspec.json.encode(builder), type=BarBuilder)
        closed += builder.on_time(each.venue_ns)
        closed += builder.on_trade(each)
    closed += builder.on_time(at * 10**6 + 2 * S + GRACE_NS)
    groups: dict[int, list[TradePrinted]] = {}
    for each in trades:
        groups.setdefault(each.venue_ns // S, []).append(each)
    assert [made.open_ns // S for made in closed] == list(range(5, closed[-1].open_ns // S + 1))
    assert builder.late == 0
    for made in closed:
        prices = [each.price for each in groups.get(made.open_ns // S, [])]
        if prices:
            assert (made.open, made.high, made.low, made.close) == (
                prices[0],
                max(prices),
                min(prices),
                prices[-1],
            )
        assert made.volume == sum(each.size for each in groups.get(made.open_ns // S, []))
    assert sum(made.volume for made in closed) == sum(each.size for each in trades)
