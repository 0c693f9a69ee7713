"""Trades and bars come without a hole and without a repeat, whatever the stream loses."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.clock import NS_PER_S
from contractdesk.domain.events import BarClosed, BarsLoaded, TradePrinted, TradesLoaded
from contractdesk.domain.market import Bar
from contractdesk.domain.orders import Side
from contractdesk.venues import continuity
from contractdesk.venues.continuity import SETTLE_NS, BarSync, MarketRows, TradesBefore, TradeSync

ONE = Decimal(1)
MINUTE_NS = 60 * NS_PER_S
PAGE = 4


def trade(number: int) -> TradePrinted:
    return TradePrinted(
        ts_ns=0, symbol="S", trade_id=number, price=ONE, size=ONE, taker=Side.BUY, venue_ns=number
    )


def ids(events: tuple[MarketRows, ...]) -> list[int]:
    found: list[int] = []
    for event in events:
        match event:
            case TradePrinted(trade_id=number):
                found.append(number)
            case TradesLoaded(trades=trades):
                found.extend(each.trade_id for each in trades)
            case _:
                raise AssertionError(event)
    return found


@given(
    st.lists(st.sampled_from(["pass", "pass", "lose", "repeat", "load", "lost"]), max_size=60),
    st.integers(0, 3),
)
def test_trades_are_told_once_each_and_none_is_missing(fates: list[str], lag: int) -> None:
    sync, told, exists = TradeSync("S"), [], [100]
    told += ids(sync.on_trade(trade(100)))
    for fate in fates:
        if fate == "load":
            told += load(sync, exists, lag)
        elif fate == "lost":
            sync.hold()
        elif fate == "repeat":
            told += ids(sync.on_trade(trade(exists[-1])))
        else:
            exists.append(exists[-1] + 1)
            if fate == "pass":
                told += ids(sync.on_trade(trade(exists[-1])))
        assert told == list(range(100, 100 + len(told)))
    sync.hold()
    for _ in range(40):
        told += load(sync, exists, 0)
    assert told == exists
    assert not sync.filling


@pytest.mark.parametrize("kept", [2, 1000])
@given(
    fates=st.lists(st.sampled_from(["flow", "several", "read"]), max_size=40),
    first=st.integers(1, 100),
    lag=st.integers(0, 3),
)
def test_older_trades_join_those_that_flow_meanwhile(
    kept: int, fates: list[str], first: int, lag: int
) -> None:
    """Whatever REST lags behind, and however much is told before it gets there."""
    told, before = 100, TradesBefore(100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(continuity, "MAX_BUFFERED", kept)
        for fate in [*fates, *["read"] * 60]:
            if fate == "flow":
                told += 1
                before.on_told((trade(told),))
            elif fate == "several":
                filled = tuple(trade(told + number) for number in (1, 2, 3))
                before.on_told((TradesLoaded(ts_ns=0, symbol="S", trades=filled),))
                told += 3
            elif not before.complete:
                start, end = before.next_id or first, told + 1 - lag
                before.on_loaded([trade(n) for n in range(start, min(start + PAGE, end))])
                lag = max(0, lag - 1)
    assert before.complete
    pieces = before.pieces(0, "S", PAGE)
    assert ids(pieces) == list(range(first, told + 1))
    assert all(len(piece.trades) <= PAGE for piece in pieces)


def load(sync: TradeSync, exists: list[int], lag: int) -> list[int]:
    """One page of REST, which may lag behind the stream."""
    if sync.wants_from is None:
        return []
    known = [number for number in exists[: len(exists) - lag or None] if number >= sync.wants_from]
    page = known[:PAGE]
    return ids(sync.on_loaded([trade(number) for number in page], 0, to_present=len(page) < PAGE))


def test_ids_that_the_venue_does_not_have_do_not_hold_anything_up() -> None:
    sync = TradeSync("S")
    assert ids(sync.on_trade(trade(1))) == [1]
    assert sync.on_trade(trade(5)) == ()
    assert sync.wants_from == 2
    assert ids(sync.on_loaded([trade(3), trade(5)], 0, to_present=True)) == [3, 5]
    assert not sync.filling


def test_a_rest_that_lags_behind_leaves_the_hole_open() -> None:
    sync = TradeSync("S")
    sync.on_trade(trade(1))
    sync.on_trade(trade(5))
    assert ids(sync.on_loaded([trade(2)], 0, to_present=True)) == [2]
    assert sync.filling
    assert sync.wants_from == 3


def bar(number: int) -> Bar:
    return Bar(open_ns=number * MINUTE_NS, open=ONE, high=ONE, low=ONE, close=ONE, volume=ONE)


def closed(number: int) -> BarClosed:
    return BarClosed(ts_ns=0, symbol="S", timeframe="1m", bar=bar(number))


def opens(events: tuple[MarketRows, ...]) -> list[int]:
    found: list[int] = []
    for event in events:
        match event:
            case BarClosed():
                found.append(event.bar.open_ns // MINUTE_NS)
            case BarsLoaded():
                found.extend(each.open_ns // MINUTE_NS for each in event.bars)
            case _:
                raise AssertionError(event)
    return found


@given(st.lists(st.sampled_from(["pass", "pass", "lose", "repeat", "load", "lost"]), max_size=40))
def test_bars_are_told_once_each_and_none_is_missing(fates: list[str]) -> None:
    sync, now = BarSync("S", "1m"), 10
    told = opens(sync.on_loaded([bar(number) for number in range(5, 11)], now * MINUTE_NS + SETTLE_NS, 0))
    assert told == [5, 6, 7, 8, 9], "the open one is left out"
    for fate in fates:
        if fate == "load" and sync.filling:
            told += fill(sync, now)
        elif fate == "lost":
            sync.hold()
        elif fate == "repeat":
            told += opens(sync.on_bar(closed(now - 1)))
        elif fate in ("pass", "lose"):
            now += 1
            if fate == "pass":
                told += opens(sync.on_bar(closed(now - 1)))
        assert told == list(range(5, 5 + len(told)))
    sync.hold()
    told += fill(sync, now)
    assert told == list(range(5, now))


def fill(sync: BarSync, now: int) -> list[int]:
    first = (sync.next_open_ns or 0) // MINUTE_NS
    bars = [bar(number) for number in range(first, now + 1)]
    return opens(sync.on_loaded(bars, now * MINUTE_NS + SETTLE_NS, 0))


def test_a_bar_that_has_only_just_closed_is_taken_from_the_stream() -> None:
    """REST may list it before its last trades are in it."""
    sync = BarSync("S", "1m")
    sync.on_loaded([bar(8)], 9 * MINUTE_NS + SETTLE_NS, 0)
    sync.hold()
    assert sync.on_loaded([bar(9)], 10 * MINUTE_NS + 1, 0) == ()
    assert sync.filling
    final = replace(closed(9), bar=replace(bar(9), volume=ONE + 1))
    assert sync.on_bar(final) == (final,)
    assert sync.on_bar(final) == ()
    assert sync.on_bar(closed(11)) == (), "what comes after a hole is read"
    assert sync.on_loaded([bar(10)], 10 * MINUTE_NS + 2, 0) == ()
    assert not sync.filling


def test_a_bar_whose_frame_was_missed_is_read_once_it_is_final() -> None:
    sync = BarSync("S", "1m")
    sync.on_loaded([bar(8)], 9 * MINUTE_NS + SETTLE_NS, 0)
    sync.hold()
    assert sync.on_loaded([bar(9), bar(10)], 10 * MINUTE_NS + SETTLE_NS - 1, 0) == ()
    assert sync.filling
    assert opens(sync.on_loaded([bar(9), bar(10)], 10 * MINUTE_NS + SETTLE_NS, 0)) == [9]
    assert not sync.filling


def test_bars_that_the_venue_never_made_are_not_waited_for() -> None:
    """It was down at 10 and 11: REST has 9, and then 12, which is still open."""
    sync = BarSync("S", "1m")
    sync.on_loaded([bar(9)], 10 * MINUTE_NS + SETTLE_NS, 0)
    sync.hold()
    assert sync.on_loaded([bar(12)], 12 * MINUTE_NS + NS_PER_S, 0) == ()
    assert not sync.filling
    first, then = (sync.on_bar(closed(number)) for number in (12, 13))
    assert opens(first + then) == [12, 13]
    assert [type(event) for event in first + then] == [BarsLoaded, BarClosed], "12 replaces the history"


def test_a_bar_that_does_not_come_is_overdue() -> None:
    sync = BarSync("S", "1m")
    sync.on_loaded([bar(9)], 10 * MINUTE_NS + SETTLE_NS, 0)
    assert not sync.overdue(11 * MINUTE_NS + 2 * NS_PER_S, 3 * NS_PER_S)
    assert sync.overdue(11 * MINUTE_NS + 4 * NS_PER_S, 3 * NS_PER_S)
