"""The law of ``MarketPassed``: what is told at once leaves the engine as its parts one by one would have."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.domain.commands import Command
from contractdesk.domain.events import BarClosed, ChannelAlive, MarketPassed, MarkPriced, TimePassed
from contractdesk.domain.market import Bar
from contractdesk.domain.orders import Side
from contractdesk.domain.passing import SymbolPassed
from contractdesk.engine.engine import Engine
from tests.engine.bench import CONFIG, INSTRUMENT, NS_PER_S, START, SYMBOL, Bench, D

MINUTE = 60 * NS_PER_S
STEP_NS = NS_PER_S // 4
TOLD: list[int] = []  # marks at once, over the whole run
FIRST = 300_000  # ticks: 30,000.0
RISK = replace(CONFIG.risk, size_cap=D(10), breaker_drop=D("0.02"), breaker_window_s=10.0, trail_period=2)


def opened(side: Side, size: int) -> Bench:
    """A position under a stop that follows, with ATRs of 10.0 to follow by."""
    bench = Bench(config=replace(CONFIG, polls=False, risk=RISK))
    for number in range(4):
        since = START - START % MINUTE - (4 - number) * MINUTE
        bar = Bar(open_ns=since, open=D(30_000), high=D(30_005), low=D(29_995), close=D(30_000), volume=D(1))
        bench.feed(BarClosed(ts_ns=bench.now_ns, symbol=SYMBOL, timeframe="1m", bar=bar))
    stop = "29975" if side is Side.BUY else "30025"
    entry = bench.enter(str(D(size) / 100), stop, side, trail=True).approved.request.client_id
    bench.accept(entry)
    bench.fill(entry, str(side.sign * D(size) / 100))
    bench.accept(bench.sent[-1].client_id)  # type: ignore[union-attr]
    return bench


def singly(engine: Engine, ts_ns: int, ticks: int) -> list[Command]:
    """A mark, and whatever deadline comes before it."""
    out: list[Command] = []
    while (deadline := engine.next_deadline_ns) is not None and deadline <= ts_ns:
        out += engine.handle(TimePassed(ts_ns=deadline))
    price = INSTRUMENT.from_ticks(ticks)
    out += engine.handle(ChannelAlive(ts_ns=ts_ns, symbol=SYMBOL, channel="book"))
    return out + engine.handle(
        MarkPriced(
            ts_ns=ts_ns, symbol=SYMBOL, mark=price, index=price, funding_rate=Decimal("NaN"),
            next_funding_ns=0, venue_ns=ts_ns,
        )
    )  # fmt: skip


def at_once(engine: Engine, marks: list[tuple[int, int]], side: Side) -> list[Command]:
    """Of the marks only those that no later one is above (of a short: below), and the extremes of all."""
    kept: list[tuple[int, int]] = []
    for mark in marks:
        while kept and side.sign * kept[-1][1] <= side.sign * mark[1]:
            kept.pop()
        kept.append(mark)
    packed = b"".join(struct.pack("<qq", *mark) for mark in kept)
    ticks = [each for _, each in marks]
    latest = marks[-1][0]
    passed = SymbolPassed(
        symbol=SYMBOL, alive_ns=latest, marks=packed, low_ticks=min(ticks), high_ticks=max(ticks)
    )
    return engine.handle(MarketPassed(ts_ns=latest, symbols=(passed,)))


def known(engine: Engine) -> bytes:
    """What a later look at the engine may find."""
    desk, market = engine._desk, engine._desk.symbols[SYMBOL]
    rows: list[Any] = [
        desk.drawdown,
        desk.drawdown_after(D(-5)),
        desk.day_change,
        desk.state,
        desk.breaker_reason,
    ]
    rows += [market.mark, market.mark_ns, market.trail.best, market.guard, market.stop_price]
    return msgspec.json.encode([*rows, market.book_alive_ns, market.trusted.price, market.trusted.seen_ns])


shares = st.lists(st.floats(0, 1), min_size=1, max_size=15)
after = st.lists(st.integers(-1500, 1500), min_size=1, max_size=12)


@given(st.sampled_from(list(Side)), st.integers(1, 90), st.lists(shares, min_size=1, max_size=3), after)
@settings(max_examples=60, derandomize=True, database=None)
def test_marks_told_at_once_are_as_good_as_one_by_one(
    side: Side, size: int, parts: list[list[float]], later: list[int]
) -> None:
    first = opened(side, size).engine
    second = Engine.restore(first.checkpoint(), {})
    now = START + NS_PER_S
    assert singly(first, now, FIRST) == singly(second, now, FIRST)
    for part in parts:
        horizon = second.horizon()
        low, high = horizon.bands[SYMBOL]
        if high - low <= 2:
            return  # each mark is told singly from here on: there is nothing to compare
        low, high = max(low, FIRST // 2), min(high, FIRST * 2)
        ticks = [low + 1 + int(share * (high - low - 2)) for share in part]
        marks = [(now + place * STEP_NS, each) for place, each in enumerate(ticks, 1)]
        marks = [mark for mark in marks if mark[0] < horizon.deadline_ns]
        if not marks:
            return
        TOLD.append(len(marks))
        one = [command for mark in marks for command in singly(first, *mark)]
        assert one == at_once(second, marks, side) == []
        now = marks[-1][0]
    for place, change in enumerate(later, 1):  # beyond all bands: stops move, and the breaker trips
        mark = now + place * NS_PER_S, FIRST + 4 * change
        assert singly(first, *mark) == singly(second, *mark)
    assert known(first) == known(second)


def test_many_marks_were_told_at_once() -> None:
    """Else the law above would say nothing."""
    assert len(TOLD) > 40
    assert max(TOLD) > 8
