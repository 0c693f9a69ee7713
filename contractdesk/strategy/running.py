"""TA-Lib's recursions, one bar at a time: same seeds, same order of operations, same results.

Each is a mutable struct of plain numbers, so that a checkpoint can hold it. ``update`` takes one bar
and returns the value at it, NaN during warm-up. Source: ta-lib/src/ta_func, version 0.6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

NAN = math.nan
EPSILON = 1e-14  # TA-Lib's TA_EPSILON: below it a sum or a variance counts as zero


class RunningSma(Struct, tag="sma"):
    """Mean of the last ``period`` values, by a running total (ta_SMA.c)."""

    period: int
    window: list[float] = []  # the last ``period`` values, oldest first
    total: float = 0.0

    def step(self, value: float) -> float:
        self.total += value
        self.window.append(value)
        if len(self.window) < self.period:
            return NAN
        mean = self.total / self.period
        self.total -= self.window.pop(0)
        return mean

    def update(self, high: float, low: float, close: float) -> float:  # noqa: ARG002  (one shape for all)
        return self.step(close)


class RunningEma(Struct, tag="ema"):
    """Exponential mean, seeded with the mean of the first ``period`` values (ta_EMA.c), or with the first."""

    period: int
    skip: int = 0  # values to pass over before the seed: MACD aligns its two means so
    count: int = 0
    value: float = 0.0
    from_first: bool = False

    def step(self, value: float) -> float:
        self.count += 1
        seen = self.count - self.skip
        if seen < 1:
            return NAN
        if self.from_first and seen == 1:
            self.value = value
            return value
        if seen <= self.period and not self.from_first:
            self.value += value
            if seen < self.period:
                return NAN
            self.value /= self.period
            return self.value
        self.value = (value - self.value) * (2.0 / (self.period + 1)) + self.value
        return self.value

    def update(self, high: float, low: float, close: float) -> float:  # noqa: ARG002  (one shape for all)
        return self.step(close)


class RunningAtr(Struct, tag="atr"):
    """Wilder's average true range; the first true range needs a previous close (ta_ATR.c).

    From the first bar on, that one's range is the seed.
    """

    period: int
    count: int = 0  # true ranges seen
    value: float = 0.0
    previous_close: float | None = None
    from_first: bool = False

    def update(self, high: float, low: float, close: float) -> float:
        previous, self.previous_close = self.previous_close, close
        if previous is None:
            if not self.from_first:
                return NAN
            self.count, self.value = self.period, high - low
            return self.value
        true_range = max(high - low, abs(previous - high), abs(previous - low))
        self.count += 1
        if self.count <= self.period:
            self.value += true_range
            if self.count < self.period:
                return NAN
            self.value /= self.period
            return self.value
        self.value = (self.value * (self.period - 1) + true_range) / self.period
        return self.value


class RunningRsi(Struct, tag="rsi"):
    """Wilder's relative strength, 0 to 100; 0 where nothing moved (ta_RSI.c)."""

    period: int
    count: int = 0  # changes seen
    gain: float = 0.0
    loss: float = 0.0
    previous: float | None = None

    def update(self, high: float, low: float, close: float) -> float:  # noqa: ARG002  (one shape for all)
        previous, self.previous = self.previous, close
        if previous is None:
            return NAN
        change = close - previous
        self.count += 1
        warm = self.count > self.period
        if warm:
            self.gain *= self.period - 1
            self.loss *= self.period - 1
        if change < 0:
            self.loss -= change
        else:
            self.gain += change
        if warm or self.count == self.period:
            self.gain /= self.period
            self.loss /= self.period
            total = self.gain + self.loss
            return 100.0 * (self.gain / total) if abs(total) >= EPSILON else 0.0
        return NAN


class RunningMacd(Struct, tag="macd"):
    """Fast less slow mean, and its own mean; both start at the slow one's first bar (ta_MACD.c)."""

    fast: RunningEma
    slow: RunningEma
    signal: RunningEma
    output: int  # 0 line, 1 signal, 2 histogram

    def update(self, high: float, low: float, close: float) -> float:  # noqa: ARG002  (one shape for all)
        line = self.fast.step(close) - self.slow.step(close)
        if math.isnan(line):
            return NAN
        signal = self.signal.step(line)
        if math.isnan(signal):
            return NAN  # TA-Lib gives all three from the signal's first bar on
        outputs: Sequence[float] = (line, signal, line - signal)
        return outputs[self.output]


class RunningBollinger(Struct, tag="bollinger"):
    """Mean plus ``offset`` population deviations, by running totals (ta_BBANDS.c, ta_STDDEV.c)."""

    mean: RunningSma
    offset: float
    squares: float = 0.0

    def update(self, high: float, low: float, close: float) -> float:  # noqa: ARG002  (one shape for all)
        self.squares += close * close
        oldest = self.mean.window[0] if self.mean.window else close
        middle = self.mean.step(close)
        if math.isnan(middle):
            return NAN
        variance = self.squares / self.mean.period - middle * middle
        self.squares -= oldest * oldest
        deviation = math.sqrt(variance) if variance >= EPSILON else 0.0
        return middle + self.offset * deviation


Running = RunningSma | RunningEma | RunningAtr | RunningRsi | RunningMacd | RunningBollinger
