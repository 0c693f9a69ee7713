"""Each formula against one written out in a loop; and where there is too little, None."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.replay.reports import metrics
from contractdesk.replay.reports.metrics import DAY_NS, Drawdown

money = st.floats(-1e6, 1e6).map(lambda value: round(value, 2))
equities = st.lists(st.floats(1.0, 1e6), min_size=1, max_size=60)
returns = st.lists(st.floats(-0.5, 0.5).map(lambda r: round(r, 6)), min_size=7, max_size=60)


def array(values: list[float]) -> metrics.Floats:
    return np.array(values, dtype=np.float64)


@given(st.lists(money, max_size=40))
def test_trips_are_counted_and_summed(net: list[float]) -> None:
    wins, losses = [each for each in net if each > 0], [each for each in net if each < 0]
    column = array(net)
    assert metrics.gross_profit(column) == pytest.approx(sum(wins))
    assert metrics.gross_loss(column) == pytest.approx(sum(losses))
    assert metrics.win_rate(column) == (len(wins) / len(net) if net else None)
    assert metrics.expectancy(column) == (pytest.approx(sum(net) / len(net), abs=1e-6) if net else None)
    assert metrics.average_win(column) == (pytest.approx(statistics.fmean(wins)) if wins else None)
    assert metrics.average_loss(column) == (pytest.approx(statistics.fmean(losses)) if losses else None)
    factor = pytest.approx(sum(wins) / -sum(losses)) if losses else None
    assert metrics.profit_factor(column) == factor


def fall_of(times: list[int], values: list[float]) -> tuple[float, float, int]:
    """(deepest fraction, deepest amount, longest time under water), one point after the other."""
    peak, since, fraction, amount, longest, under = values[0], times[0], 0.0, 0.0, 0, False
    for at, value in zip(times, values, strict=True):
        if value >= peak:
            longest = max(longest, at - since) if under else longest
            peak, since, under = value, at, False
            continue
        under = True
        fraction, amount = max(fraction, 1 - value / peak), max(amount, peak - value)
        longest = max(longest, at - since)
    return fraction, amount, longest


@given(equities, st.floats(1.0, 1e6), st.data())
def test_the_drawdown_is_that_of_a_plain_walk(values: list[float], start: float, data: st.DataObject) -> None:
    gaps = data.draw(st.lists(st.integers(1, 10**6), min_size=len(values), max_size=len(values)))
    times = np.cumsum(np.array(gaps, dtype=np.int64))
    found = metrics.drawdown(times, array(values), 0, start)
    all_times, all_values = [0, *times.tolist()], [start, *values]
    assert (found.fraction, found.amount, found.underwater_ns) == pytest.approx(
        fall_of(all_times, all_values)
    )
    if found.fraction:
        peak, trough = all_times.index(found.peak_ns), all_times.index(found.trough_ns)
        assert all_values[peak] == max(all_values[: trough + 1])
        assert 1 - all_values[trough] / all_values[peak] == pytest.approx(found.fraction)
        later = [at for at in range(trough, len(all_values)) if all_values[at] >= all_values[peak]]
        assert found.recovered_ns == (all_times[later[0]] if later else 0)


def test_a_drawdown_with_its_dates() -> None:
    values = array([110, 110, 99, 105, 110, 120, 118])
    found = metrics.drawdown(np.arange(1, 8), values, 0, 100.0)
    assert found == Drawdown(
        fraction=pytest.approx(0.1), amount=11, peak_ns=2, trough_ns=3, recovered_ns=5, underwater_ns=3
    )
    assert metrics.drawdown(np.arange(1, 3), array([100, 101]), 0, 100.0) == Drawdown()
    assert metrics.drawdown(np.arange(1, 2), array([-50]), 0, 100.0).fraction == 1.5, "more than there was"


@given(returns)
def test_sharpe_and_sortino_are_those_of_their_papers(daily: list[float]) -> None:
    mean = statistics.fmean(daily)
    spread, below = statistics.stdev(daily), math.sqrt(sum(min(r, 0.0) ** 2 for r in daily) / len(daily))
    if spread > 1e-6:
        sharpe = mean / spread * math.sqrt(365)
        assert metrics.sharpe(array(daily)) == pytest.approx(sharpe, rel=1e-6, abs=1e-9)
    expected = pytest.approx(mean / below * math.sqrt(365), rel=1e-6, abs=1e-9) if below else None
    assert metrics.sortino(array(daily)) == expected


def test_too_little_is_none_and_never_nan() -> None:
    few, same = array([0.01, -0.01]), array([0.001] * 10)
    assert metrics.sharpe(few) is metrics.sortino(few) is metrics.sharpe(None) is None
    assert metrics.sharpe(same) is None, "days that do not differ have no ratio"
    assert metrics.sharpe(array([0.0] * 10)) is None
    assert metrics.sortino(same) is None, "nothing was lost"
    assert metrics.annual_return(100, 110, 6 * DAY_NS) is None
    assert metrics.annual_return(100, -1, 60 * DAY_NS) is None
    assert metrics.annual_return(1, 1e9, 7 * DAY_NS) is None, "beyond what a float holds"
    assert metrics.daily_returns(array([100, 0, 100])) is None
    nothing = array([])
    assert metrics.win_rate(nothing) is metrics.expectancy(nothing) is metrics.profit_factor(nothing) is None
    assert metrics.maker_share(nothing, np.array([], dtype=np.bool_)) is None
    assert metrics.exposure(np.array([], dtype=np.int64), nothing, nothing, 0) is None


def test_a_year_is_compounded() -> None:
    assert metrics.annual_return(100, 110, 73 * DAY_NS) == pytest.approx(1.1**5 - 1)
    assert metrics.annual_return(100, 121, 730 * DAY_NS) == pytest.approx(0.1)


def test_a_days_equity_is_its_last_and_a_late_close_still_belongs_to_it() -> None:
    late = 5
    times = np.array([DAY_NS // 2, DAY_NS + late, DAY_NS + 10, 3 * DAY_NS + late, 3 * DAY_NS + 6])
    daily = metrics.daily_equity(times, array([101, 102, 103, 104, 105]), 100.0, late_ns=late)
    assert daily.tolist() == [100, 102, 103, 104, 105], "the start, two days, one without a point, the last"
    found = metrics.daily_returns(daily)
    assert found is not None
    assert found.tolist() == pytest.approx([0.02, 103 / 102 - 1, 104 / 103 - 1, 105 / 104 - 1])
    assert metrics.daily_equity(np.array([], dtype=np.int64), array([]), 100.0).tolist() == [100.0]


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60)), max_size=12))
def test_time_in_a_position_counts_no_moment_twice(spans: list[tuple[int, int]]) -> None:
    opened = np.array([begin for begin, _ in spans], dtype=np.int64)
    closed = np.array([begin + held for begin, held in spans], dtype=np.int64)
    moments = {moment for begin, held in spans for moment in range(begin, begin + held)}
    assert metrics.time_in_position(opened, closed, 0, 300) == pytest.approx(len(moments) / 300)
    assert metrics.time_in_position(opened, closed, 7, 7) is None


def test_exposure_weighs_time_and_the_share_of_makers_weighs_money() -> None:
    found = metrics.exposure(np.array([10, 40]), array([50, 100]), array([100, 200]), 0)
    assert found == (pytest.approx(0.5), 0.5)
    found = metrics.exposure(np.array([10, 40]), array([0, 100]), array([100, 100]), 0)
    assert found == (pytest.approx(0.75), 1.0)
    assert metrics.exposure(np.array([10]), array([50]), array([0]), 0) is None
    assert metrics.maker_share(array([100, 300]), np.array([True, False])) == 0.25
    assert metrics.turnover(array([100, 300])) == 400
