"""The figures of a replay, as pure functions on columns: each says its unit and its formula.

Money is in the settle currency, times are UTC ns, shares and returns are fractions (0.01 = 1 %). Where
there is too little to speak of, the answer is None: never NaN, and never a number that is made up.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DAY_NS = 24 * 3600 * 10**9
DAYS_A_YEAR = 365  # these markets never close
LEAST_DAYS = 7  # below, nothing is said of a year
FLAT = 1e-9  # a deviation below so much of the mean is rounding

# -- trips: ``net`` is each closed trip's profit after fees and funding -------------------------


def gross_profit(net: Floats) -> float:
    """Settle currency, >= 0: the sum of all trips that won."""
    return float(net[net > 0].sum())


def gross_loss(net: Floats) -> float:
    """Settle currency, <= 0: the sum of all trips that lost."""
    return float(net[net < 0].sum())


def win_rate(net: Floats) -> float | None:
    """Fraction: trips with a net above 0, of all; None without a trip."""
    return float((net > 0).mean()) if len(net) else None


def profit_factor(net: Floats) -> float | None:
    """A ratio: gross profit / -gross loss; None where nothing was lost."""
    lost = gross_loss(net)
    return gross_profit(net) / -lost if lost else None


def expectancy(net: Floats) -> float | None:
    """Settle currency a trip: the mean of net; None without a trip."""
    return float(net.mean()) if len(net) else None


def average_win(net: Floats) -> float | None:
    """Settle currency, > 0: the mean of the trips that won; None where none has."""
    return expectancy(net[net > 0])


def average_loss(net: Floats) -> float | None:
    """Settle currency, < 0: the mean of the trips that lost; None where none has."""
    return expectancy(net[net < 0])


# -- drawdown -----------------------------------------------------------------------------------


class Drawdown(Struct, frozen=True, kw_only=True):
    """The deepest fall from a highest point so far."""

    fraction: float = 0.0  # of the peak, >= 0; above 1 where more was lost than there was
    amount: float = 0.0  # settle currency, >= 0: the deepest in money, which may be another fall
    peak_ns: int = 0  # where the deepest (by fraction) begins; 0 without a fall
    trough_ns: int = 0  # and where it is deepest
    recovered_ns: int = 0  # when its peak was reached again; 0: not until the end
    underwater_ns: int = 0  # the longest time below a peak, until the next one or the end


def drawdown(times_ns: Ints, equity: Floats, start_ns: int, start: float) -> Drawdown:
    """max(1 - equity / highest equity so far), and max(highest - equity); ``start`` is the first peak.

    Seen at the given times alone: what lies between two of them is not known.
    """
    times = np.concatenate(([start_ns], times_ns))
    values = np.concatenate(([start], equity))
    peaks = np.maximum.accumulate(values)
    fall = 1 - values / peaks
    trough = int(fall.argmax())
    if fall[trough] <= 0:
        return Drawdown()
    # The last time at the peak before the trough: what was held flat there was not under water.
    begin = int(np.flatnonzero(values[: trough + 1] == peaks[trough])[-1])
    again = np.flatnonzero(values[trough:] >= peaks[trough])
    return Drawdown(
        fraction=float(fall[trough]),
        amount=float((peaks - values).max()),
        peak_ns=int(times[begin]),
        trough_ns=int(times[trough]),
        recovered_ns=int(times[trough + again[0]]) if len(again) else 0,
        underwater_ns=_longest_below(times, values >= peaks),
    )


def _longest_below(times: Ints, at_peak: NDArray[np.bool_]) -> int:
    """ns from a peak to the next one, or to the end."""
    tops = times[at_peak]
    ends = np.append(tops[1:], times[-1])
    below = np.flatnonzero(np.append(np.diff(np.flatnonzero(at_peak)) > 1, not at_peak[-1]))
    return int((ends[below] - tops[below]).max()) if len(below) else 0


# -- returns ------------------------------------------------------------------------------------


def daily_equity(times_ns: Ints, equity: Floats, start: float, *, late_ns: int = 0) -> Floats:
    """Settle currency: ``start``, and the last equity of each UTC day from the first to the last one.

    ``late_ns``: how late a day's last point is stamped. A day without a point keeps the day's before.
    """
    if not len(equity):
        return np.array([start])
    days = (times_ns - late_ns - 1) // DAY_NS
    wanted = np.arange(days[0], days[-1] + 1)
    last = np.searchsorted(days, wanted, side="right") - 1
    return np.concatenate(([start], equity[last]))


def daily_returns(daily: Floats) -> Floats | None:
    """Fractions: equity / equity of the day before - 1; None where the equity was not above 0."""
    if not (daily > 0).all():
        return None
    return np.asarray(daily[1:] / daily[:-1] - 1)


def annual_return(start: float, end: float, span_ns: int) -> float | None:
    """Fraction a year, compounded: (end / start) ^ (365 days / span) - 1.

    None for less than ``LEAST_DAYS``, or where nothing is left.
    """
    if span_ns < LEAST_DAYS * DAY_NS or end <= 0 or start <= 0:
        return None
    power = math.log(end / start) * DAYS_A_YEAR * DAY_NS / span_ns
    return math.expm1(power) if power < 700 else None


def sharpe(returns: Floats | None) -> float | None:
    """A ratio a year: mean / standard deviation (n - 1) of daily returns x sqrt(365), riskless rate 0.

    Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994). None for fewer than
    ``LEAST_DAYS`` returns, and where they do not differ.
    """
    if returns is None or len(returns) < LEAST_DAYS:
        return None
    mean, deviation = float(returns.mean()), float(returns.std(ddof=1))
    return mean / deviation * math.sqrt(DAYS_A_YEAR) if deviation > FLAT * abs(mean) else None


def sortino(returns: Floats | None) -> float | None:
    """A ratio a year: mean / sqrt(mean(min(return, 0)^2)) of daily returns x sqrt(365), target 0.

    Sortino and Price, "Performance Measurement in a Downside Risk Framework", Journal of Investing 3
    (1994): all days count below the root, not only those that lost. None as for ``sharpe``.
    """
    if returns is None or len(returns) < LEAST_DAYS:
        return None
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return float(returns.mean()) / downside * math.sqrt(DAYS_A_YEAR) if downside else None


# -- trading ------------------------------------------------------------------------------------


def turnover(notional: Floats) -> float:
    """Settle currency: the sum of all fills' notional, bought and sold."""
    return float(notional.sum())


def maker_share(notional: Floats, maker: NDArray[np.bool_]) -> float | None:
    """Fraction: notional of fills that rested, of all; None without a fill."""
    total = turnover(notional)
    return float(notional[maker].sum()) / total if total else None


def time_in_position(opened_ns: Ints, closed_ns: Ints, start_ns: int, end_ns: int) -> float | None:
    """Fraction: time with at least one position (the union of all), of the run; None for one of no length."""
    if end_ns <= start_ns:
        return None
    order = np.argsort(opened_ns, kind="stable")
    begins, ends = opened_ns[order], np.maximum.accumulate(closed_ns[order])
    seen = np.concatenate(([start_ns], ends[:-1]))[: len(ends)]
    return int(np.maximum(ends - np.maximum(begins, seen), 0).sum()) / (end_ns - start_ns)


def exposure(times_ns: Ints, gross: Floats, equity: Floats, start_ns: int) -> tuple[float, float] | None:
    """(average, most): fractions, gross notional / equity.

    Each point stands for the time since the one before it. None without a point, or where the equity
    was not above 0.
    """
    weights = np.diff(np.concatenate(([start_ns], times_ns)))
    if not len(gross) or not weights.sum() or not (equity > 0).all():
        return None
    ratios = gross / equity
    return float((ratios * weights).sum() / weights.sum()), float(ratios.max())
