"""A histogram's quantiles are right to a quarter, whatever was measured."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contractdesk.ops.metrics import Histogram


@given(st.lists(st.floats(0.05, 50_000), min_size=1, max_size=200), st.floats(0.01, 1))
def test_a_quantile_is_at_least_the_true_one_and_at_most_a_quarter_more(
    values: list[float], q: float
) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    rank = max(0, -(-q * len(values) // 1) - 1)
    true = sorted(values)[int(rank)]
    assert true * 0.999 <= histogram.quantile(q) <= true * 1.26
    assert histogram.max_ms == max(values)


def test_nothing_measured_is_zero() -> None:
    assert Histogram().summary == {"count": 0, "p50_ms": 0, "p99_ms": 0, "max_ms": 0}


@given(st.lists(st.floats(0.01, 1e9), min_size=1, max_size=200))
def test_buckets_hold_every_value_between_its_bounds_and_none_is_empty_at_the_ends(
    values: list[float],
) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    bounds, counts = zip(*histogram.buckets, strict=True)
    assert sum(counts) == len(values)
    assert counts[0] > 0 < counts[-1]
    assert list(bounds) == sorted(set(bounds))
    for bound in bounds:
        assert sum(value <= bound for value in values) == sum(
            count for other, count in histogram.buckets if other <= bound
        )


def test_nothing_measured_has_no_buckets() -> None:
    assert Histogram().buckets == ()
