"""What a replay assumes: ranges, medians, seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import pytest

from contractdesk.errors import ConfigError
from contractdesk.replay.models import (
    ConstantLatency,
    FixedSlippage,
    Latency,
    MeasuredLatency,
    Models,
    QueueAhead,
    SampledLatency,
    SquareRootImpact,
)

MS = 1_000_000


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda: ConstantLatency(feed_ms=-1), "feed_ms=-1"),
        (lambda: ConstantLatency(entry_ms=60_001), "entry_ms=60001"),
        (lambda: ConstantLatency(read_ms=math.nan), "read_ms=nan"),
        (lambda: SampledLatency(answer_ms=-0.1), "answer_ms=-0.1"),
        (lambda: SampledLatency(spread=3.1), "spread=3.1"),
        (lambda: MeasuredLatency(entries_ns=(1,), answers_ns=(1,), feed_ms=-5), "feed_ms=-5"),
        (lambda: MeasuredLatency(entries_ns=(), answers_ns=(1,)), "at least one measurement"),
        (lambda: MeasuredLatency(entries_ns=(1,), answers_ns=(-1,)), "below 0 ns"),
        (lambda: FixedSlippage(-1), "per_fill=-1"),
        (lambda: SquareRootImpact(half_spread=-1), "half_spread=-1"),
        (lambda: SquareRootImpact(impact_ticks=math.inf), "impact_ticks=inf"),
        (lambda: SquareRootImpact(typical_lots=0), "typical_lots=0"),
        (lambda: QueueAhead(-1), "lots=-1"),
        (lambda: Models(mark_every_s=0.05), "mark_every_s=0.05"),
        (lambda: Models(maker_fee=0.02), "maker_fee=0.02"),
        (lambda: Models(taker_fee=math.nan), "taker_fee=nan"),
    ],
)
def test_what_is_out_of_its_range_is_refused_by_name(wrong: Callable[[], object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        wrong()


def drawn(latency: Latency, seed: int, count: int = 200) -> list[tuple[int, int, int]]:
    delays = latency.start(seed)
    return [(delays.entry_ns(), delays.answer_ns(), delays.read_ns()) for _ in range(count)]


@pytest.mark.parametrize(
    "latency", [SampledLatency(), MeasuredLatency(entries_ns=(1, 2, 3), answers_ns=(4, 5))], ids=repr
)
def test_a_seed_draws_the_same_each_time_and_another_one_draws_otherwise(latency: Latency) -> None:
    assert drawn(latency, 7) == drawn(latency, 7)
    assert drawn(latency, 7) != drawn(latency, 8)


def test_a_constant_is_one() -> None:
    latency = ConstantLatency(feed_ms=1.5, entry_ms=2, answer_ms=3, read_ms=4)
    assert latency.feed_ns == 1.5 * MS
    assert set(drawn(latency, 0)) == {(2 * MS, 3 * MS, 4 * MS)}


def test_samples_lie_around_their_median_and_a_hundredth_beyond_three_of_it() -> None:
    """The 99th percentile of a log-normal is exp(2.326 x 0.5) = 3.2 medians."""
    entries = sorted(row[0] for row in drawn(SampledLatency(entry_ms=20, spread=0.5), 1, 20_000))
    assert statistics.median(entries) == pytest.approx(20 * MS, rel=0.02)
    assert entries[19_800] == pytest.approx(3.2 * 20 * MS, rel=0.1)


def test_measurements_are_drawn_from_all_there_are() -> None:
    latency = MeasuredLatency(entries_ns=(1, 2, 3), answers_ns=(40, 50))
    rows = drawn(latency, 1)
    assert {row[0] for row in rows} == {1, 2, 3}
    assert {row[1] for row in rows} == {40, 50}
    assert {row[2] for row in rows} == {41, 42, 43, 51, 52, 53}  # there and back


def test_impact_grows_with_the_root_of_the_size() -> None:
    """2 + 3 x sqrt(400 / 100) = 8; the spread that is shown is never nothing."""
    impact = SquareRootImpact(half_spread=2, impact_ticks=3.0, typical_lots=100)
    assert [impact.ticks(lots, 1) for lots in (0, 100, 400)] == [2, 5, 8]
    assert FixedSlippage(0).ticks(5, 5) == 0
    assert FixedSlippage(0).half_spread_ticks == SquareRootImpact(half_spread=0).half_spread_ticks == 1
