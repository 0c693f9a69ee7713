"""Funding and open interest of the past: what is kept, and what is known to be missing."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.domain.histories import (
    READS_KEPT,
    READS_SPAN_NS,
    FundingHistory,
    OpenInterestHistory,
    on_the_second,
)

D = Decimal
S = 1_000_000_000
HOUR = 3600 * S
T = 1_700_006_400 * S  # a settlement at midnight


def history(**values: int) -> FundingHistory:
    return FundingHistory(since_ns=T - 100 * HOUR, until_ns=T, **values)


@pytest.mark.parametrize(("jitter_ms", "late"), [(0, 0), (1, 0), (499, 0), (-400, 0), (500, 1)])
def test_a_stamp_belongs_to_the_nearest_second(jitter_ms: int, late: int) -> None:
    assert on_the_second(T + jitter_ms * S // 1000) == T + late * S


def test_a_repeated_settlement_counts_once() -> None:
    past = history()
    for _ in range(3):
        past.settle(T + 1_000_000, D("0.0001"))
    assert past.within(T - S, T) == [(T, D("0.0001"))]


def test_spans_that_touch_are_one_and_a_later_one_stands_alone() -> None:
    past = FundingHistory()
    past.read(T - 9 * HOUR, T)
    past.read(T, T + HOUR)
    assert (past.since_ns, past.until_ns) == (T - 9 * HOUR, T + HOUR)
    past.read(T - 20 * HOUR, T + HOUR // 2)
    assert (past.since_ns, past.until_ns) == (T - 20 * HOUR, T + HOUR)
    past.read(T + 2 * HOUR, T + 3 * HOUR)  # an hour between them was never read
    assert past.whole_from(T + 2 * HOUR)
    assert not past.whole_from(T + 2 * HOUR - 1)


def test_a_settlement_is_missing_from_its_time_until_its_rate_is_told() -> None:
    past = history()
    past.announce(T, T - HOUR)
    assert not past.overdue(T - 1)
    assert past.overdue(T)
    past.announce(T + 4 * HOUR, T + S)  # the mark has moved on: the rate is still not known
    assert past.overdue(T + S)
    past.settle(T + 3_000_000, D("0.0001"))
    assert not past.overdue(T + S)
    past.announce(T + 4 * HOUR, T + 2 * S)
    assert past.overdue(T + 4 * HOUR)


def test_a_settlement_that_is_moved_is_waited_for_at_its_new_time() -> None:
    past = history()
    past.announce(T + 8 * HOUR, T)
    past.announce(T + HOUR, T + 1)  # the interval has become shorter
    assert past.overdue(T + HOUR)
    past.announce(T + 4 * HOUR, T + 2)  # or longer, well before it was due
    assert not past.overdue(T + HOUR)


def test_a_settlement_that_never_comes_is_given_up_when_it_has_left_every_window() -> None:
    past = history()
    past.announce(T, T - HOUR)
    past.announce(T + 9 * HOUR, T + 8 * HOUR - 1)
    assert past.overdue(T + 8 * HOUR)
    past.announce(T + 9 * HOUR, T + 8 * HOUR)
    assert not past.overdue(T + 8 * HOUR)


def test_what_is_no_longer_kept_is_no_longer_known() -> None:
    past = history()
    for hour in range(70):
        past.settle(T - hour * HOUR, D("0.0001"))
    assert len(past.rates) == 64
    assert past.whole_from(T - 64 * HOUR)
    assert not past.whole_from(T - 70 * HOUR)


@given(st.permutations(range(12)))
def test_reads_of_open_interest_are_in_order_however_they_come(order: list[int]) -> None:
    past = OpenInterestHistory()
    for place in order:
        past.take(T + place * S, D(place))
    past.take(T + 5 * S, D(5))
    assert past.reads == [(T + place * S, D(place)) for place in range(12)]
    assert past.since(T + 4 * S)[0] == (T + 4 * S, D(4))
    assert past.since(T + 4 * S + 1)[0] == (T + 4 * S, D(4)), "the one in force"


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-1"])
def test_an_amount_that_cannot_be_is_not_taken(amount: str) -> None:
    past = OpenInterestHistory()
    past.take(T, D(amount))
    assert past.latest is None


def test_reads_are_bounded_by_age_and_by_number() -> None:
    past = OpenInterestHistory()
    for place in range(READS_KEPT + 10):
        past.take(T + place, D(1))
    assert len(past.reads) == READS_KEPT
    past.take(T + READS_SPAN_NS + READS_KEPT + 10, D(1))
    assert len(past.reads) == 1
