"""Longer bars are made of the shortest ones: in ticks of 0.10 and lots of 0.001."""

from __future__ import annotations

from contractdesk.domain.market import Bar
from contractdesk.replay.bars import BarMaker, shortest_step
from tests.domain.terms import LINEAR

MINUTE = 60 * 10**9
START = 1_700_000_100 * 10**9 // (20 * MINUTE) * 20 * MINUTE


def closed(
    timeframes: list[str], rows: list[tuple[int, ...]], since: int = START, first: int = START
) -> dict[str, list[tuple[int, ...]]]:
    """(minute, open, high, low, close, lots) of each bar that is told."""
    maker = BarMaker(LINEAR, timeframes, MINUTE, since)
    told: dict[str, list[tuple[int, ...]]] = {timeframe: [] for timeframe in timeframes}
    for number, row in enumerate(rows):
        for timeframe, bar in maker.close(first + number * MINUTE, row):
            told[timeframe].append(in_ticks(bar))
    return told


def in_ticks(bar: Bar) -> tuple[int, ...]:
    prices = (LINEAR.to_ticks(price) for price in (bar.open, bar.high, bar.low, bar.close))
    return ((bar.open_ns - START) // MINUTE, *prices, LINEAR.to_lots(bar.volume))


ROWS = [(10, 12, 9, 11, 5), (11, 15, 11, 14, 1), (14, 14, 14, 14, 0), (13, 13, 7, 8, 2)]


def test_a_longer_bar_has_the_first_open_the_extremes_the_last_close_and_all_lots() -> None:
    told = closed(["1m", "2m", "4m"], ROWS)
    assert told["1m"] == [(number, *row) for number, row in enumerate(ROWS)]
    assert told["2m"] == [(0, 10, 15, 9, 14, 6), (2, 13, 13, 7, 8, 2)]
    assert told["4m"] == [(0, 10, 15, 7, 8, 8)]


def test_a_longer_bar_is_the_same_whatever_it_is_made_of() -> None:
    """It opens with its first trade: flat bars before that are of a price that nobody traded at in it."""
    rows = [(50, 50, 50, 50, 0), (10, 12, 9, 11, 5)]
    assert closed(["2m"], rows)["2m"] == [(0, 10, 12, 9, 11, 5)]


def test_where_nothing_trades_all_bars_are_flat() -> None:
    assert closed(["2m"], [(50, 50, 50, 50, 0)] * 2)["2m"] == [(0, 50, 50, 50, 50, 0)]


def test_an_interval_that_began_before_the_recording_is_not_told() -> None:
    told = closed(["1m", "2m"], ROWS, since=START + 1)
    assert [row[0] for row in told["1m"]] == [1, 2, 3]
    assert [row[0] for row in told["2m"]] == [2]


def test_a_longer_interval_that_is_entered_in_its_middle_is_not_told() -> None:
    told = closed(["2m"], ROWS, since=START + MINUTE, first=START + MINUTE)
    assert told["2m"] == [(2, 11, 15, 11, 14, 1)]  # of the second and third row, the latter flat


def test_the_step_divides_every_timeframe() -> None:
    assert shortest_step(["5m", "1h"], MINUTE) == 5 * MINUTE
    assert shortest_step(["2m", "3m"], 1) == MINUTE
    assert shortest_step([], 7) == 7
