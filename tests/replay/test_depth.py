"""Recorded depth in arithmetic: levels that are walked through, and a place in the queue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.errors import ConfigError
from contractdesk.replay import DepthQueue
from contractdesk.replay.depth import InLine, take

ASKS = [(1001, 5), (1002, 5), (1004, 100)]
BIDS = [(999, 5), (998, 5), (996, 100)]


@pytest.mark.parametrize(
    ("levels", "lots", "buy", "limit", "taken"),
    [
        (ASKS, 5, True, 0, [(1001, 5)]),
        (ASKS, 12, True, 0, [(1001, 5), (1002, 5), (1004, 2)]),  # 12 = 5 + 5 + 2
        (ASKS, 12, True, 1002, [(1001, 5), (1002, 5)]),  # 2 are left beyond the limit
        (ASKS, 12, True, 1000, []),
        (ASKS, 200, True, 0, ASKS),  # 90 of 200 find nobody
        (BIDS, 7, False, 0, [(999, 5), (998, 2)]),
        (BIDS, 7, False, 999, [(999, 5)]),
        ([(1001, 0), (1002, 3)], 2, True, 0, [(1002, 2)]),
        (ASKS, 0, True, 0, []),
        ([], 5, True, 0, []),
    ],
)
def test_a_taking_order_uses_up_level_after_level(
    levels: list[tuple[int, int]], lots: int, buy: bool, limit: int, taken: list[tuple[int, int]]
) -> None:
    assert take(levels, lots, buy=buy, limit=limit) == taken


@given(
    st.dictionaries(st.integers(1, 1_000), st.integers(1, 500), max_size=40),
    st.integers(1, 5_000),
    st.booleans(),
    st.integers(0, 1_000),
)
def test_the_average_lies_between_the_best_and_the_worst_price(
    there: dict[int, int], lots: int, buy: bool, limit: int
) -> None:
    levels = sorted(there.items(), reverse=not buy)
    taken = take(levels, lots, buy=buy, limit=limit)
    prices, got = [ticks for ticks, _ in taken], sum(part for _, part in taken)
    assert prices == [ticks for ticks, _ in levels[: len(taken)]]  # none is passed over
    assert all(0 < part <= there[ticks] for ticks, part in taken)
    assert not limit or all(ticks <= limit if buy else ticks >= limit for ticks in prices)
    within = sum(n for ticks, n in levels if not limit or (ticks <= limit if buy else ticks >= limit))
    assert got == min(lots, within)
    if taken:
        average = sum(ticks * part for ticks, part in taken) / got
        assert min(prices) <= average <= max(prices)


@pytest.mark.parametrize(
    ("power", "front", "total", "share"),
    [
        (1.0, 30, 60, 0.5),
        (2.0, 30, 60, 0.25),
        (0.0, 30, 60, 1.0),
        (4.0, 30, 60, 0.0625),
        (2.0, 60, 60, 1.0),  # nobody is behind: all were before us
        (2.0, 0, 60, 0.0),
        (2.0, 0, 0, 0.0),
    ],
)
def test_the_share_that_was_before_us(power: float, front: float, total: float, share: float) -> None:
    assert DepthQueue(power=power).share(front, total) == share


@pytest.mark.parametrize("power", [-0.1, 1_001.0, float("nan")])
def test_a_power_that_is_none_is_refused(power: float) -> None:
    with pytest.raises(ConfigError, match="power="):
        DepthQueue(power=power)


def test_trades_come_from_the_front() -> None:
    line = InLine.behind(50)
    assert (line.on_trade(30), line.ahead) == (0, 20)
    assert (line.on_trade(26), line.ahead) == (6, 0)  # 26 - 20
    assert (line.on_trade(4), line.ahead) == (4, 0)


def test_what_trades_do_not_explain_was_cancelled() -> None:
    queue, line = DepthQueue(power=1.0), InLine.behind(50)
    line.on_level(90, queue)  # 40 come, behind us
    assert (line.ahead, line.level) == (50, 90)
    line.on_trade(10)
    line.on_level(80, queue)  # 90 - 10: nobody has gone
    assert line.ahead == 40
    line.on_level(60, queue)  # 20 of 80 have, half of them from the 40 before us
    assert line.ahead == 30
    line.on_level(12, queue)  # 48 of 60 have; half of them would leave 6
    assert line.ahead == 6
    line.on_level(0, queue)
    assert line.ahead == 0


def test_at_the_end_of_the_queue_every_cancellation_was_before_us() -> None:
    line = InLine.behind(50)
    line.on_level(35, DepthQueue(power=30.0))
    assert line.ahead == 35


def test_a_part_of_a_lot_that_is_before_us_is_no_lot_for_us() -> None:
    line = InLine(ahead=2.5, level=10)
    assert (line.on_trade(3), line.ahead) == (0, 0)
    assert InLine(ahead=2.5, level=10).on_trade(4) == 1


@given(
    st.integers(0, 1_000),
    st.lists(st.tuples(st.booleans(), st.integers(0, 1_000)), max_size=60),
    st.floats(0, 50),
)
def test_a_place_in_the_queue_only_gets_better_and_trades_bound_what_reaches_us(
    there: int, steps: list[tuple[bool, int]], power: float
) -> None:
    queue, line = DepthQueue(power=power), InLine.behind(there)
    traded = reached = 0
    for is_trade, lots in steps:
        before = line.ahead
        if is_trade:
            part = line.on_trade(lots)
            assert 0 <= part <= lots
            traded, reached = traded + lots, reached + part
        else:
            line.on_level(lots, queue)
            assert line.ahead <= lots
        assert 0 <= line.ahead <= before
    assert reached <= traded
