"""What a sweep keeps of one run: a few figures of its equity, fills and refusals."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from contractdesk.replay.result import Result

YEAR_NS = 365 * 86_400 * 10**9  # these markets never close
Floats = NDArray[np.float64]


class Figures(Struct, frozen=True, kw_only=True):
    """Of one run; amounts in the settle currency. None: it cannot be said."""

    fills: int
    net_profit: float  # last equity less the first: fees and funding are in it, and what is still open
    fees: float
    sharpe: float | None  # a year, of the returns between bars' closes, without a riskless rate
    max_drawdown: float  # a fraction, 0 or below
    refusals: int
    # What the deflated ratio needs, by observation:
    observations: int  # returns
    ratio: float | None  # Sharpe, not annualised
    skew: float
    kurtosis: float  # 3 for a normal distribution


class Curve(Struct, frozen=True):
    """Equity at bars' closes, and before the first of them at ``base_ns``."""

    times_ns: NDArray[np.int64]
    equity: Floats
    base: float

    @classmethod
    def of(cls, result: Result, since_ns: int = 0) -> Curve:
        """From ``since_ns`` on, with what was there at that moment as the base."""
        table = result.equity
        times = cast("Any", table.index).as_unit("ns").asi8
        equity = table["equity"].to_numpy(dtype=np.float64)
        begin = int(np.searchsorted(times, since_ns, side="right"))
        base = float(equity[begin - 1]) if begin else float(result.setup.balance)
        return cls(times[begin:], equity[begin:], base)

    @property
    def returns(self) -> Floats:
        """From bar to bar; empty where the account was ruined, which no ratio describes."""
        values = np.concatenate(([self.base], self.equity))
        return np.diff(values) / values[:-1] if (values > 0).all() else np.zeros(0)

    @property
    def drawdown(self) -> float:
        """The deepest fall from a peak, as a fraction of the peak; 0 or below."""
        values = np.concatenate(([self.base], self.equity))
        return float((values / np.maximum.accumulate(values) - 1).min())

    @property
    def profit(self) -> float:
        return float(self.equity[-1]) - self.base if len(self.equity) else 0.0

    @property
    def sharpe(self) -> float | None:
        """A year, as ``Figures.sharpe``."""
        return self._yearly(_moments(self.returns)[0])

    def figures(self, *, fills: int, fees: float, refusals: int) -> Figures:
        """With what a curve does not know."""
        returns = self.returns
        ratio, skew, kurtosis = _moments(returns)
        return Figures(
            fills=fills,
            net_profit=self.profit,
            fees=fees,
            sharpe=self._yearly(ratio),
            max_drawdown=self.drawdown,
            refusals=refusals,
            observations=len(returns),
            ratio=ratio,
            skew=skew,
            kurtosis=kurtosis,
        )

    def _yearly(self, ratio: float | None) -> float | None:
        steps = np.diff(self.times_ns)
        return None if ratio is None else ratio * math.sqrt(YEAR_NS / float(np.median(steps)))


def figures_of(result: Result, since_ns: int = 0) -> Figures:
    """The figures of a run, or of its part from ``since_ns`` (UTC) on."""
    fills = [fill for fill in result.outcome.fills if fill.venue_ns >= since_ns]
    return Curve.of(result, since_ns).figures(
        fills=len(fills),
        fees=float(sum(fill.fee for fill in fills)),
        refusals=sum(row.ts_ns >= since_ns for row in result.outcome.refusals),
    )


def _moments(returns: Floats) -> tuple[float | None, float, float]:
    """(Sharpe by observation, skew, kurtosis); no Sharpe where nothing ever moved."""
    if len(returns) < 2 or not returns.any():
        return None, 0.0, 3.0
    mean, spread = float(returns.mean()), float(returns.std())
    if not spread > 0:
        return None, 0.0, 3.0
    standard = (returns - mean) / spread
    unbiased = spread * math.sqrt(len(returns) / (len(returns) - 1))
    return mean / unbiased, float((standard**3).mean()), float((standard**4).mean())
