"""Declared indicators: values that name a computation, usable bar by bar and as vectors.

``Ema(12)`` is a frozen value: ``start()`` gives the recursion that a live series feeds, ``vector()``
TA-Lib's own array. Law: the two are equal at every bar, from the same first bar on.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from contractdesk.errors import ConfigError
from contractdesk.strategy.running import (
    Running,
    RunningAtr,
    RunningBollinger,
    RunningEma,
    RunningMacd,
    RunningRsi,
    RunningSma,
)

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from contractdesk.strategy.bars import Bars

MAX_PERIOD = 1000


class MacdOutput(Enum):
    """Which of MACD's three lines; the value is TA-Lib's place of it."""

    LINE = 0
    SIGNAL = 1
    HISTOGRAM = 2


class Seed(Enum):
    """What a recursion starts from."""

    MEAN = "mean"  # of the first ``period`` bars, as TA-Lib does
    FIRST = "first"  # the first bar, as pandas' ``ewm(adjust=False)`` does; there is a value at once

    __hash__ = object.__hash__  # an indicator is looked up at each bar, and Enum's own is slow


class Sma(Struct, frozen=True, cache_hash=True, tag="sma"):
    """Simple mean of the last ``period`` closes."""

    period: int

    def __post_init__(self) -> None:
        _check_period(self, self.period)

    def start(self) -> Running:
        return RunningSma(self.period)

    def vector(self, bars: Bars) -> NDArray[float64]:
        return _first(_talib().SMA(bars.close, self.period))


class Ema(Struct, frozen=True, cache_hash=True, tag="ema"):
    """Exponential mean of the closes, weight 2 / (period + 1)."""

    period: int
    seed: Seed = Seed.MEAN

    def __post_init__(self) -> None:
        _check_period(self, self.period)

    def start(self) -> Running:
        return RunningEma(self.period, from_first=self.seed is Seed.FIRST)

    def vector(self, bars: Bars) -> NDArray[float64]:
        if self.seed is Seed.FIRST:
            return _smoothed(bars.close, 2 / (self.period + 1))
        return _first(_talib().EMA(bars.close, self.period))


class Atr(Struct, frozen=True, cache_hash=True, tag="atr"):
    """Wilder's average true range, in price units."""

    period: int = 14
    seed: Seed = Seed.MEAN

    def __post_init__(self) -> None:
        _check_period(self, self.period, least=1)

    def start(self) -> Running:
        return RunningAtr(self.period, from_first=self.seed is Seed.FIRST)

    def vector(self, bars: Bars) -> NDArray[float64]:
        if self.seed is Seed.FIRST:
            return _smoothed(_true_ranges(bars), 1 / self.period)
        return _first(_talib().ATR(bars.high, bars.low, bars.close, self.period))


class Rsi(Struct, frozen=True, cache_hash=True, tag="rsi"):
    """Wilder's relative strength of the closes, 0 to 100."""

    period: int = 14

    def __post_init__(self) -> None:
        _check_period(self, self.period)

    def start(self) -> Running:
        return RunningRsi(self.period)

    def vector(self, bars: Bars) -> NDArray[float64]:
        return _first(_talib().RSI(bars.close, self.period))


class Macd(Struct, frozen=True, cache_hash=True, tag="macd"):
    """EMA(fast) less EMA(slow) of the closes, its signal line, or their difference."""

    fast: int = 12
    slow: int = 26
    signal: int = 9
    output: MacdOutput = MacdOutput.LINE

    def __post_init__(self) -> None:
        for period in (self.fast, self.slow, self.signal):  # TA-Lib's first value at signal 1 is not set
            _check_period(self, period)
        if self.fast >= self.slow:
            raise ConfigError(f"{self}: fast must be below slow")

    def start(self) -> Running:
        fast = RunningEma(self.fast, skip=self.slow - self.fast)
        return RunningMacd(fast, RunningEma(self.slow), RunningEma(self.signal), self.output.value)

    def vector(self, bars: Bars) -> NDArray[float64]:
        return _first(_talib().MACD(bars.close, self.fast, self.slow, self.signal)[self.output.value])


class Bollinger(Struct, frozen=True, cache_hash=True, tag="bollinger"):
    """Mean of the closes plus ``offset`` population deviations: +2 the upper band, -2 the lower."""

    period: int = 20
    offset: float = 2.0

    def __post_init__(self) -> None:
        _check_period(self, self.period)

    def start(self) -> Running:
        return RunningBollinger(RunningSma(self.period), self.offset)

    def vector(self, bars: Bars) -> NDArray[float64]:
        width = abs(self.offset)
        upper, middle, lower = _talib().BBANDS(bars.close, self.period, width, width)
        if not self.offset:
            return _first(middle)
        return _first(upper if self.offset > 0 else lower)


Indicator = Sma | Ema | Atr | Rsi | Macd | Bollinger


def _check_period(indicator: object, period: int, *, least: int = 2) -> None:
    if not least <= period <= MAX_PERIOD:
        raise ConfigError(f"{indicator}: a period must be from {least} to {MAX_PERIOD} bars")


def _talib() -> Any:
    """TA-Lib costs 0.7 s to import: only who asks for vectors pays it."""
    import talib

    return talib


def _true_ranges(bars: Bars) -> NDArray[float64]:
    import numpy as np

    before = np.concatenate((bars.high[:1], bars.close[:-1]))  # of the first bar its range alone counts
    return np.maximum(bars.high, before) - np.minimum(bars.low, before)


def _smoothed(values: NDArray[float64], weight: float) -> NDArray[float64]:
    import pandas as pd

    return pd.Series(values).ewm(alpha=weight, adjust=False).mean().to_numpy()


def _first(values: Any) -> NDArray[float64]:
    vector: NDArray[float64] = values
    return vector
