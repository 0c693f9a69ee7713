"""Closed bars: a bounded series a strategy looks back on, and the builder of sub-minute bars.

Invariant of a series: its bars are consecutive; a bar that would leave a hole is not taken.
"""

from __future__ import annotations

import copy
import struct
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Self, cast

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from contractdesk.domain.market import Bar, as_floats, timeframe_ns
from contractdesk.strategy.bar_builder import BarBuilder
from contractdesk.strategy.indicators import Indicator
from contractdesk.strategy.running import NAN, Running

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Appended", "BarBuilder", "BarSeries", "Bars", "SeriesState", "Tail"]

Floats = NDArray[np.float64]
DEFAULT_CAPACITY = 2000
MAX_INDICATORS = 64  # declared on one series
ROW_BYTES = 40
_write_row = struct.Struct("5d").pack_into


class Bars(Struct, frozen=True):
    """Columns of consecutive closed bars, oldest first; rows before the history starts are NaN."""

    open_ns: NDArray[np.int64]  # UTC; 0 in rows before the history starts
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats  # contracts

    def __len__(self) -> int:
        return len(self.close)

    @property
    def complete(self) -> bool:
        """True when the history reaches back over all rows."""
        return not len(self) or bool(self.open_ns[0])

    @property
    def df(self) -> pd.DataFrame:
        """The rows that exist, indexed by opening time (UTC)."""
        import pandas as pd

        there = self.open_ns > 0
        columns = {name: getattr(self, name)[there] for name in ("open", "high", "low", "close", "volume")}
        index = pd.to_datetime(self.open_ns[there], utc=True).rename("open_time")
        return pd.DataFrame(columns, index=index)

    @classmethod
    def of(cls, bars: Iterable[Bar]) -> Self:
        rows = list(bars)
        table = np.array([as_floats(bar) for bar in rows], dtype=np.float64).reshape(-1, 5).T.copy()
        return cls(np.array([bar.open_ns for bar in rows], dtype=np.int64), *table)


class Appended(Enum):
    """What became of a bar offered to a series."""

    ADDED = "added"
    REPEATED = "repeated"  # not newer than the last bar: ignored
    HOLE = "hole"  # bars are missing before it: not taken, load them first


class Tail(Struct, frozen=True):
    """The end of a series, to be shown; ``lines`` are indicators, a value for each of the last bars."""

    bars: tuple[Bar, ...]
    lines: tuple[tuple[Indicator, tuple[float, ...]], ...]


class SeriesState(Struct, frozen=True, kw_only=True):
    """A series as a checkpoint keeps it; recursions included, for a warm-up would not repeat them."""

    timeframe: str
    capacity: int
    bars: tuple[Bar, ...]
    indicators: tuple[tuple[Indicator, Running, tuple[float | None, ...]], ...]  # NaN as None: JSON


class BarSeries:
    """The last ``capacity`` closed bars of one symbol and timeframe, with declared indicators."""

    def __init__(self, timeframe: str, capacity: int = DEFAULT_CAPACITY) -> None:
        self.timeframe = timeframe
        self.capacity = capacity
        self._step_ns = timeframe_ns(timeframe)
        self._start = self._end = 0  # rows in use; they slide to the front when the arrays are full
        self._open_ns = np.zeros(2 * capacity, dtype=np.int64)
        self._table = np.zeros((2 * capacity, 5), dtype=np.float64)
        self._memory = self._table.data
        self._bars: deque[Bar] = deque(maxlen=capacity)  # exact
        self.figures: tuple[float, ...] = ()  # of the last bar: open, high, low, close, volume
        self._running: dict[Indicator, tuple[Running, Floats]] = {}
        self._updates: list[tuple[Callable[[float, float, float], float], memoryview[float]]] = []
        self._tail: tuple[tuple[object, ...], Tail] | None = None  # the last one made, and what it is of

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def last_bar(self) -> Bar | None:
        return self._bars[-1] if self._bars else None

    @property
    def first_open_ns(self) -> int | None:
        """Opening time of the oldest bar that is kept; None while it is empty."""
        return self._bars[0].open_ns if self._bars else None

    @property
    def next_open_ns(self) -> int | None:
        """Opening time of the bar that the series expects; None while it is empty."""
        return self._bars[-1].open_ns + self._step_ns if self._bars else None

    # -- writing ---------------------------------------------------------------------------

    def append(self, bar: Bar) -> Appended:
        """Take the next closed bar; a repeat is ignored, and one after a hole is not taken."""
        expected = self.next_open_ns
        if expected is not None and bar.open_ns != expected:
            return Appended.REPEATED if bar.open_ns < expected else Appended.HOLE
        self._push(bar)
        return Appended.ADDED

    def extend(self, bars: Iterable[Bar]) -> int:
        """Take loaded history (ascending, without holes); returns how many bars were new.

        What reaches further back goes before what is there, as far as there is room, and the declared
        indicators start again at the new beginning. History that does not join what is there replaces it.
        """
        loaded, before = tuple(bars), len(self)
        if self._lengthens(loaded):
            return self._begin_with(loaded) - before + self.extend(loaded)
        added = 0
        for bar in loaded:
            match self.append(bar):
                case Appended.ADDED:
                    added += 1
                case Appended.HOLE:
                    self.clear()
                    self._push(bar)
                    added = 1
                case Appended.REPEATED:
                    pass
        return added

    def _lengthens(self, loaded: tuple[Bar, ...]) -> bool:
        """It begins before the oldest bar, ends next to it or later, and a full series keeps no more."""
        first = self.first_open_ns
        if first is None or not loaded or len(self) >= self.capacity:
            return False
        return loaded[0].open_ns < first <= loaded[-1].open_ns + self._step_ns

    def _begin_with(self, loaded: tuple[Bar, ...]) -> int:
        """Put what is older than the first bar before it; returns how many bars there are then."""
        kept = tuple(self._bars)
        older = [bar for bar in loaded if bar.open_ns < kept[0].open_ns]
        self.clear()
        self._tail = None  # its last bar tells nothing of those before it
        for bar in (*older[len(kept) - self.capacity :], *kept):
            self._push(bar)
        return len(self)

    def clear(self) -> None:
        """Forget all bars; declared indicators start again."""
        self._start = self._end = 0
        self._bars.clear()
        for indicator, (_, values) in self._running.items():
            self._running[indicator] = (indicator.start(), values)
        self._index()

    def declare(self, indicator: Indicator) -> None:
        """Keep ``indicator`` up to date from now on; it starts at the oldest bar that is there."""
        if indicator in self._running:
            return
        if len(self._running) >= MAX_INDICATORS:
            oldest = next(iter(self._running))
            del self._running[oldest]
        running, values = indicator.start(), np.full(2 * self.capacity, NAN)
        self._running[indicator] = (running, values)
        for row in range(self._start, self._end):
            values[row] = self._step(running, row)
        self._index()

    # -- reading ---------------------------------------------------------------------------

    def follows(self, indicator: Indicator) -> bool:
        """It is kept up to date: to ask for it changes nothing."""
        return indicator in self._running

    def last(self, n: int, before: int | None = None) -> Bars:
        """Exactly ``n`` bars, only those opened before ``before`` (ns); NaN rows where there are none."""
        if not 0 <= n <= self.capacity:
            raise ValueError(f"{n} bars were asked for: a series keeps {self.capacity}")
        rows, missing = self._rows(n, before)
        opens, columns = self._open_ns[rows], self._table[rows].T
        if missing:
            opens = np.concatenate((np.zeros(missing, dtype=np.int64), opens))
            columns = np.concatenate((np.full((5, missing), NAN), columns), axis=1)
        else:
            opens, columns = opens.copy(), columns.copy(order="C")
        return Bars(opens, *columns)

    def value(self, indicator: Indicator, ago: int = 0) -> float:
        """The indicator at the last closed bar, or ``ago`` bars before it; NaN where there is none."""
        known = self._running.get(indicator)
        if known is None:
            self.declare(indicator)
            known = self._running[indicator]
        row = self._end - 1 - ago
        return known[1].item(row) if self._start <= row < self._end else NAN

    def values(self, indicator: Indicator, n: int) -> Floats:
        """The last ``n`` values, oldest first; NaN where there are none."""
        self.declare(indicator)
        rows, missing = self._rows(n, None)
        return np.concatenate((np.full(missing, NAN), self._running[indicator][1][rows]))

    def tail(self, n: int) -> Tail:
        """The last ``n`` bars at most, with the declared indicators; the same object until they change."""
        made_of = (n, self.last_bar, tuple(self._running))
        if self._tail is None or self._tail[0] != made_of:
            self._tail = made_of, self._cut(n)
        return self._tail[1]

    def _cut(self, n: int) -> Tail:
        first = max(self._start, self._end - n)
        lines = tuple(
            (indicator, tuple(value for value in values[first : self._end].tolist() if value == value))
            for indicator, (_, values) in self._running.items()
        )
        count = min(n, len(self._bars))
        return Tail(tuple(islice(self._bars, len(self._bars) - count, None)), lines)

    # -- checkpoints -----------------------------------------------------------------------

    def dump(self) -> SeriesState:
        rows = slice(self._start, self._end)
        return SeriesState(
            timeframe=self.timeframe,
            capacity=self.capacity,
            bars=tuple(self._bars),
            indicators=tuple(
                (
                    indicator,
                    copy.deepcopy(running),
                    tuple(None if v != v else v for v in values[rows].tolist()),
                )
                for indicator, (running, values) in self._running.items()
            ),
        )

    @classmethod
    def load(cls, state: SeriesState) -> Self:
        series = cls(state.timeframe, state.capacity)
        for bar in state.bars:
            series._push(bar)
        for indicator, running, values in state.indicators:
            kept = np.full(2 * state.capacity, NAN)
            kept[series._start : series._end] = [NAN if value is None else value for value in values]
            series._running[indicator] = (copy.deepcopy(running), kept)
        series._index()
        return series

    # -- rows ------------------------------------------------------------------------------

    def _push(self, bar: Bar) -> None:
        if self._end == 2 * self.capacity:
            self._slide()
        row = self._end
        self._open_ns[row] = bar.open_ns
        self.figures = figures = as_floats(bar)
        _write_row(self._memory, row * ROW_BYTES, *figures)
        self._bars.append(bar)
        self._end = row + 1
        if row + 1 - self._start > self.capacity:
            self._start += 1
        _, high, low, close, _ = figures
        for update, values in self._updates:
            values[row] = update(high, low, close)

    def _index(self) -> None:
        """What each bar has to do, found once; a ``memoryview`` stores a float quicker than its array."""
        self._updates = [
            (running.update, cast("memoryview[float]", values.data))
            for running, values in self._running.values()
        ]

    def _slide(self) -> None:
        """Move the rows in use to the front: once in ``capacity`` bars."""
        rows, count = slice(self._start, self._end), len(self)
        for array in (self._open_ns, self._table, *(values for _, values in self._running.values())):
            array[:count] = array[rows].copy()
        self._start, self._end = 0, count

    def _step(self, running: Running, row: int) -> float:
        _, high, low, close, _ = self._table[row].tolist()
        return running.update(high, low, close)

    def _rows(self, n: int, before: int | None) -> tuple[slice, int]:
        end = self._end
        if before is not None:
            opens = self._open_ns[self._start : self._end]
            end = self._start + int(np.searchsorted(opens, before, side="left"))
        start = max(self._start, end - n)
        return slice(start, end), n - (end - start)
