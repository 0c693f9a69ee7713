"""Funding and open interest of the past: what is kept, and what is known to be missing."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pandas as pd
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


@given(
    st.sampled_from([1, 2, 4, 8]),
    st.integers(0, 23),
    st.lists(st.integers(-400, 499), min_size=1, max_size=30),
    st.booleans(),
)
def test_the_interval_is_the_venues_own_whatever_the_jitter(
    every: int, first: int, jitters_ms: list[int], moved_on: bool
) -> None:
    """By the last settlement and the next; when the mark still names the last one, by the last two."""
    past = FundingHistory()
    start = T + first * every * HOUR
    for number, jitter_ms in enumerate(jitters_ms):
        past.settle(start + number * every * HOUR + jitter_ms * S // 1000, D("0.0001"))
    last = start + (len(jitters_ms) - 1) * every * HOUR
    shown = moved_on or len(jitters_ms) > 1
    assert past.interval_ns(last + every * HOUR if moved_on else last) == (every * HOUR if shown else 0)


@pytest.mark.parametrize(
    ("hours", "next_hour", "expected"),
    [
        ([], 8, 0),  # a new contract
        ([0, 8], 16, 8),
        ([0, 8], 12, 4),  # it has become shorter
        ([5, 6, 7, 8], 16, 8),  # or longer
        ([0, 4.37], 8, 8),  # one out of turn says nothing
        ([0, 8], 24, 0),  # 16 h: one is missing
        ([6, 7], 16, 0),  # 9 h: nothing that a venue has
        ([0], 0, 0),
    ],
)
def test_an_interval_that_has_not_been_shown_is_not_known(
    hours: list[float], next_hour: int, expected: int
) -> None:
    past = FundingHistory()
    for hour in hours:
        past.settle(T + int(hour * 3600) * S + 3_000_000, D("0.0001"))
    assert past.interval_ns(T + next_hour * HOUR) == expected * HOUR


def test_an_announced_settlement_whose_rate_is_not_told_yet_counts_for_the_interval() -> None:
    past = history()
    past.settle(T, D("0.0001"))
    past.announce(T + 4 * HOUR, T + S)
    past.announce(T + 8 * HOUR, T + 4 * HOUR + S)
    assert past.interval_ns(T + 8 * HOUR) == 4 * HOUR


def test_a_sum_is_given_only_where_none_can_be_missing() -> None:
    past = history()
    for hour in range(4):
        past.settle(T - hour * HOUR + 2_000_000, D("0.0001"))
    assert past.total(T - 2 * HOUR, T) == D("0.0002")
    assert past.total(T - 101 * HOUR, T) is None
    past.announce(T + HOUR, T)
    assert past.total(T - 2 * HOUR, T + HOUR) is None
    past.settle(T + HOUR, D("0.0007"))
    assert past.total(T - 2 * HOUR, T + HOUR) == D("0.0009")
    assert FundingHistory().total(T - 1, T) is None


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


@pytest.mark.recording
@pytest.mark.parametrize("base", ["BTC", "SOL", "BNB"])
def test_the_interval_of_the_real_history_is_eight_hours_at_each_settlement(
    recordings: Path, base: str
) -> None:
    """The venue's own stamps, with their jitter of some milliseconds."""
    folder = recordings / "funding" / "binance_usdm"
    frame = pd.read_parquet(folder / f"{base}_USDT_USDT-8h-funding_rate.parquet").sort_values("date")
    stamps = pd.DatetimeIndex(frame["date"]).as_unit("ns").asi8.tolist()
    assert any(ns % S for ns in stamps), "there is jitter"
    past = FundingHistory()
    for ns in stamps:
        past.settle(ns, D("0.0001"))
        assert past.interval_ns(on_the_second(ns) + 8 * HOUR) == 8 * HOUR
