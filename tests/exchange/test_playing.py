"""How a capture is played: marks where none were recorded, and over and over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from contractdesk.exchange.captures import Frame
from contractdesk.exchange.market import Depth, MarkTick, Print
from contractdesk.exchange.markets import recorded_exchange
from contractdesk.exchange.playing import FUNDING_EVERY_NS, marked, repeated
from contractdesk.exchange.words import Side
from tests.exchange.quiet import BTC, NS_PER_S, START_NS

D = Decimal
TICK = D("0.1")
T0_NS = 1_723_161_255 * NS_PER_S  # 2024-08-08 23:54:15 UTC
MIDNIGHT_NS = 1_723_161_600 * NS_PER_S
AUGUST_2024 = "ws/binance_raw/binance_usdm_btcusdt_20240808.gz"


def at(second: float, message: Depth | Print | MarkTick) -> Frame:
    return Frame(T0_NS + round(second * NS_PER_S), message)


def marks(frames: Iterable[Frame]) -> list[tuple[float, Decimal]]:
    return [
        ((frame.recorded_ns - T0_NS) / NS_PER_S, frame.message.mark_price)
        for frame in frames
        if isinstance(frame.message, MarkTick)
    ]


def test_a_capture_without_marks_has_its_last_price_each_second() -> None:
    prints = [at(second, Print(Side.BUY, 600_000 + 10 * second, 5)) for second in range(7)]
    played = list(marked(prints, TICK))
    assert marks(played) == [(3, D("60002.0")), (4, D("60003.0")), (5, D("60004.0")), (6, D("60005.0"))]
    made = next(frame.message for frame in played if isinstance(frame.message, MarkTick))
    assert (made.index_price, made.rate, made.next_funding_ns) == (made.mark_price, 0, MIDNIGHT_NS)
    assert MIDNIGHT_NS % FUNDING_EVERY_NS == 0
    assert [frame for frame in played if not isinstance(frame.message, MarkTick)] == prints


def test_recorded_marks_are_the_only_ones_from_the_first_on() -> None:
    tick = MarkTick(D(60_100), D(60_101), D("0.0001"), MIDNIGHT_NS)
    frames = [at(0, Print(Side.BUY, 600_000, 5)), at(2, tick), *(at(s, Depth([], [])) for s in range(3, 20))]
    assert marks(marked(frames, TICK)) == [(2, D(60_100))]
    late = [at(0, Print(Side.BUY, 600_000, 5)), at(3.5, Depth([], [])), at(4, tick), at(9, Depth([], []))]
    assert marks(marked(late, TICK)) == [(3, D(60_000)), (4, D(60_100))]


def test_a_repeated_capture_goes_on_in_time_and_changes_over_to_its_first_book() -> None:
    tick = MarkTick(D(100), D(100), D(0), T0_NS + 30 * NS_PER_S)

    def play() -> Iterator[Frame]:
        yield at(0, Depth([(10, 1), (9, 2)], [(11, 1)]))
        yield at(1, Depth([(10, 0), (8, 3)], [(12, 4)]))
        yield at(2, tick)

    frames = repeated(play)
    for _ in range(3):
        next(frames)
    first, second, third = (next(frames) for _ in range(3))
    assert first == at(3, Depth([(8, 0), (10, 1), (9, 2)], [(12, 0), (11, 1)]))
    assert second == at(4, Depth([(10, 0), (8, 3)], [(12, 4)]))
    assert third.message == tick._replace(next_funding_ns=tick.next_funding_ns + 3 * NS_PER_S)


def test_nothing_is_not_repeated() -> None:
    assert list(repeated(lambda: iter(()))) == []


@pytest.mark.recording
def test_the_capture_of_2024_is_played_twice(recordings: Path) -> None:
    """It has no marks, and 345 seconds."""
    exchange = recorded_exchange(str(recordings / AUGUST_2024), START_NS, history_s=60, repeat=True, speed=10)
    begins = dict(exchange.book(BTC, 1_000).bids)
    for tenth in range(1, 645):  # to where the first round's opening comes again
        exchange.advance(START_NS + tenth * NS_PER_S // 10)
        book = exchange.book(BTC, 1)
        assert book.bids[0][0] < book.asks[0][0]
        assert abs(exchange.mark(BTC).mark_price / TICK - book.bids[0][0]) < 10_000
    ended = dict(exchange.book(BTC, 1_000).bids)
    assert not exchange._markets[BTC].ended  # type: ignore[attr-defined]
    assert ended.keys() & begins.keys()
