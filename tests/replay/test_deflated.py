"""The deflated Sharpe ratio, against the paper's own figures and against other arithmetic."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.replay.deflated import deflated_sharpe, expected_best, ratios_variance

YEARS_DAYS = 250  # trading days of the paper's example
EULER = math.fsum(1 / k for k in range(1, 100_001)) - math.log(100_000) - 1 / 200_000  # its definition


def normal(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def quantile(p: float) -> float:
    """By bisection of the distribution function."""
    low, high = -12.0, 12.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if normal(middle) < p else (low, middle)
    return low


def test_the_papers_numerical_example() -> None:
    """Section "A numerical example": SR 2.5 a year over 1250 days, V = 1/2 a year, skew -3, kurtosis 10."""
    ratio, variance = 2.5 / math.sqrt(YEARS_DAYS), 0.5 / YEARS_DAYS
    best = expected_best(variance, 100)
    assert best == pytest.approx(0.1132, abs=5e-5)
    deflated = deflated_sharpe(ratio, best, observations=1250, skew=-3, kurtosis=10)
    assert deflated == pytest.approx(0.9004, abs=5e-5)
    fewer = expected_best(variance, 46)
    assert deflated_sharpe(ratio, fewer, observations=1250, skew=-3, kurtosis=10) == pytest.approx(
        0.9505, abs=5e-5
    )


@given(
    st.floats(-0.5, 0.5), st.floats(1e-6, 0.05), st.integers(2, 10_000), st.integers(2, 100_000),
    st.floats(-3, 3), st.floats(0, 20),
)  # fmt: skip
def test_it_equals_the_formula_written_out_anew(
    ratio: float, variance: float, trials: int, observations: int, skew: float, above: float
) -> None:
    kurtosis = 1 + skew**2 + above  # no distribution has less
    high, higher = quantile(1 - 1 / trials), quantile(1 - 1 / (trials * math.e))
    best = variance**0.5 * (high + EULER * (higher - high))
    error = math.sqrt((1 - skew * ratio + (kurtosis - 1) * ratio**2 / 4) / (observations - 1))
    assert expected_best(variance, trials) == pytest.approx(best, abs=1e-9)
    found = deflated_sharpe(ratio, best, observations=observations, skew=skew, kurtosis=kurtosis)
    assert found == pytest.approx(normal((ratio - best) / error), abs=1e-9)


def test_the_expected_best_is_what_the_best_of_many_unskilled_is() -> None:
    """E[max] of N standard normals by integration of 1 - F^N: the formula errs by under 4 %."""
    grid = np.linspace(-10, 10, 40_001)
    below = np.array([normal(x) for x in grid])
    for trials in (5, 10, 100, 1000):
        inner = np.where(grid < 0, -(below**trials), 1 - below**trials)
        exact = float(((inner[1:] + inner[:-1]) / 2 * np.diff(grid)).sum())
        assert expected_best(1.0, trials) == pytest.approx(exact, rel=0.04)


def test_more_trials_leave_less() -> None:
    best = [expected_best(0.002, trials) for trials in (1, 2, 10, 100, 1000)]
    assert best[0] == 0
    assert all(fewer < more for fewer, more in pairwise(best))


def test_what_cannot_be_said_is_not() -> None:
    assert math.isnan(deflated_sharpe(0.1, 0.0, observations=1, skew=0, kurtosis=3))
    assert ratios_variance([]) == ratios_variance([0.3]) == 0
    assert ratios_variance([0.1, 0.3]) == pytest.approx(0.02)
    with pytest.raises(ValueError, match="no best one"):
        expected_best(0.1, 0)
