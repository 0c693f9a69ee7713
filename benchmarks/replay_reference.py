"""What the replay must come to: the strategy of `replay_terms` as one compiled loop over the trades.

It shares no code with contractdesk, and its money is whole numbers. `Plain` is the same strategy once more,
in ordinary Python with prices as floats. Alone, `replay_reference.py FILE` reports the loop's time from
file to result as a line of JSON, and `replay_reference.py FILE --check` compares the two.
"""

from __future__ import annotations

import sys
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numba import njit
from replay_data import Trades, read
from replay_terms import (
    FAST,
    LATENCY_NS,
    MINUTE_NS,
    SLOW,
    SLOW_BARS,
    STOP_ATRS,
    TARGET_LOTS,
    TICKS_A_UNIT,
    WILDER,
    Account,
    Fill,
    Stopwatch,
    Took,
    better_of_two,
    money,
)

NEVER = 2**63 - 1
COMPARED = 200_000  # of the first trades, when both versions are run


class Result(NamedTuple):
    fills: list[Fill]
    fees: float
    equity: float
    bars: int  # that closed


def replay(ts_ns: np.ndarray, ticks: np.ndarray) -> Result:
    """Fills, fees and equity of the strategy over trades at ``ts_ns`` (int64) for ``ticks`` (int64)."""
    most = 2 * ((int(ts_ns[-1]) - int(ts_ns[0])) // MINUTE_NS + 2)  # an order and a stop in each minute
    book = np.empty((most, 3), np.int64)
    count, bars = _run(_frozen(ts_ns), _frozen(ticks), book)
    fills = [(ns, lots, price) for ns, lots, price in book[:count].tolist()]
    return Result(fills, *money(fills, int(ticks[-1])), bars)


def _frozen(column: np.ndarray) -> np.ndarray:
    """Read-only, as columns of a file sometimes are: else numba would compile the loop once for each kind."""
    view = column.view()
    view.flags.writeable = False
    return view


@njit(cache=True)
def _run(ts_ns, ticks, book):
    bars = count = position = sign = 0
    order, order_ns = 0, NEVER  # lots, and when they execute
    stop, moved, moved_ns = 0, 0, NEVER  # where it rests (0: nowhere), where it goes to, and when
    fast = slow = atr = before = 0.0
    bar_end = ts_ns[0] - ts_ns[0] % MINUTE_NS + MINUTE_NS
    high = low = close = ticks[0]
    for i in range(ts_ns.size):
        now, tick = ts_ns[i], ticks[i]
        if now >= bar_end:
            bars += 1
            fast, slow, atr, before = _averages(bars, high, low, close, fast, slow, atr, before)
            order, order_ns, moved, moved_ns, sign = _decide(
                bars, bar_end, fast, slow, atr, before, position, sign, order, order_ns, stop, moved, moved_ns
            )
            bar_end = now - now % MINUTE_NS + MINUTE_NS
            high = low = tick
        high, low, close = max(high, tick), min(low, tick), tick
        if stop and (tick - stop) * position <= 0:
            count = _fill(book, count, now, -position, tick)
            position, stop, moved_ns = 0, 0, NEVER
        if now >= moved_ns:
            stop, moved_ns = moved, NEVER
        if now >= order_ns:
            count = _fill(book, count, now, order, tick)
            position, stop, order_ns = position + order, 0, NEVER
            if position:
                filled = book[count - 1, 2] / TICKS_A_UNIT
                moved, moved_ns = _stop_at(filled, position, atr), now + LATENCY_NS
    return count, bars


@njit(cache=True)
def _averages(bars, high, low, close, fast, slow, atr, before):
    """Fast, slow and ATR with the bar that closed, and its close: prices, not ticks."""
    top, bottom, last = high / TICKS_A_UNIT, low / TICKS_A_UNIT, close / TICKS_A_UNIT
    if bars == 1:
        return last, last, top - bottom, last
    reach = max(top - bottom, abs(top - before), abs(bottom - before))
    return fast + FAST * (last - fast), slow + SLOW * (last - slow), atr + WILDER * (reach - atr), last


@njit(cache=True)
def _decide(bars, now, fast, slow, atr, close, position, sign, order, order_ns, stop, moved, moved_ns):
    """The order, the stop's way and the last sign after a bar."""
    found = 0 if bars < SLOW_BARS else int(fast > slow) - int(fast < slow)
    if found and bars > SLOW_BARS and found != sign:
        missing = found * TARGET_LOTS - position
        if missing:
            order, order_ns, moved_ns = missing, now + LATENCY_NS, NEVER
    elif position and order_ns == NEVER:
        wanted = _stop_at(close, position, atr)
        if (wanted - (stop if moved_ns == NEVER else moved)) * position > 0:
            moved, moved_ns = wanted, now + LATENCY_NS
    return order, order_ns, moved, moved_ns, found if found else sign


@njit(cache=True)
def _stop_at(price, position, atr):
    """In ticks."""
    away = STOP_ATRS * atr
    return int((price - away if position > 0 else price + away) * TICKS_A_UNIT + 0.5)


@njit(cache=True)
def _fill(book, count, now, lots, tick):
    book[count, 0], book[count, 1], book[count, 2] = now, lots, tick + (1 if lots > 0 else -1)
    return count + 1


class Plain:
    """The strategy as one would write it down: an object, floats, one trade after the other."""

    def __init__(self) -> None:
        self.fills: list[Fill] = []
        self._bar: list[float] = []  # high, low, close
        self._end = self._bars = self._position = self._sign = 0
        self._fast = self._slow = self._atr = self._before = 0.0
        self._order: tuple[int, int] | None = None  # when it executes, lots
        self._moved: tuple[int, float] | None = None  # when it executes, the stop's price
        self._stop: float | None = None

    def run(self, trades: Trades) -> list[Fill]:
        for ns, tick in zip(trades.ts_ns.tolist(), trades.ticks.tolist(), strict=True):
            self._on_trade(ns, tick, tick / TICKS_A_UNIT)
        return self.fills

    def _on_trade(self, ns: int, tick: int, price: float) -> None:
        if ns >= self._end:
            if self._bar:
                self._on_bar(*self._bar)
            self._end = ns - ns % MINUTE_NS + MINUTE_NS
            self._bar = [price, price, price]
        self._bar = [max(self._bar[0], price), min(self._bar[1], price), price]
        if self._stop is not None and (price <= self._stop if self._position > 0 else price >= self._stop):
            self._fill(ns, -self._position, tick)
        if self._moved is not None and ns >= self._moved[0]:
            self._stop, self._moved = self._moved[1], None
        if self._order is not None and ns >= self._order[0]:
            lots, self._order = self._order[1], None
            filled = self._fill(ns, lots, tick)
            if self._position:
                self._moved = ns + LATENCY_NS, self._away_from(filled)

    def _fill(self, ns: int, lots: int, tick: int) -> float:
        tick += 1 if lots > 0 else -1
        self.fills.append((ns, lots, tick))
        self._position += lots
        self._stop = self._moved = None
        return tick / TICKS_A_UNIT

    def _on_bar(self, high: float, low: float, close: float) -> None:
        self._bars += 1
        self._average(high, low, close)
        if self._bars < SLOW_BARS:
            return
        sign = (self._fast > self._slow) - (self._fast < self._slow)
        lots = sign * TARGET_LOTS - self._position
        if sign and sign != self._sign and self._bars > SLOW_BARS:
            if lots:
                self._order, self._moved = (self._end + LATENCY_NS, lots), None
        elif self._position and self._order is None:
            self._tighten(self._away_from(close))
        self._sign = sign or self._sign

    def _average(self, high: float, low: float, close: float) -> None:
        if self._bars == 1:
            self._fast = self._slow = close
            self._atr = high - low
        else:
            reach = max(high, self._before) - min(low, self._before)
            self._fast += FAST * (close - self._fast)
            self._slow += SLOW * (close - self._slow)
            self._atr += WILDER * (reach - self._atr)
        self._before = close

    def _tighten(self, wanted: float) -> None:
        standing = self._moved[1] if self._moved else self._stop
        if wanted > standing if self._position > 0 else wanted < standing:
            self._moved = self._end + LATENCY_NS, wanted

    def _away_from(self, price: float) -> float:
        away = STOP_ATRS * self._atr
        return int((price - away if self._position > 0 else price + away) * TICKS_A_UNIT + 0.5) / TICKS_A_UNIT


def check(trades: Trades) -> int:
    """How many fills both versions have, run over these trades; ValueError where they differ."""
    compiled, plain = replay(trades.ts_ns, trades.ticks).fills, Plain().run(trades)
    for number, (one, other) in enumerate(zip_longest(compiled, plain)):
        if one != other:
            raise ValueError(f"fill {number}: the compiled loop has {one}, the plain one {other}")
    return len(compiled)


def measure(path: Path) -> None:
    """Time the loop from file to result, compiled before, and report."""
    replay(*_columns(path, rows=1_000))
    account, took = better_of_two(lambda: _timed(path))
    ticks = _columns(path)[1]
    account.report("compiled loop", len(ticks), int(ticks[-1]), took)


def _timed(path: Path) -> tuple[Account, Took]:
    watch = Stopwatch()
    with watch.loading():
        columns = _columns(path)
    found = replay(*columns)
    return Account.of(found.fills), watch.read()


def _columns(path: Path, rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Times and prices, which is all that the strategy looks at."""
    file = pq.ParquetFile(path, memory_map=True)
    names = ["ts_ns", "ticks"]
    table = (
        file.read(names)
        if rows is None
        else pa.Table.from_batches([next(file.iter_batches(rows, columns=names))])
    )
    return table["ts_ns"].to_numpy(), table["ticks"].to_numpy()


if __name__ == "__main__":
    if "--check" in sys.argv:
        head = Trades(*(column[:COMPARED] for column in read(Path(sys.argv[1]))))
        print(f"both versions have the same {check(head)} fills in {COMPARED} trades")
    else:
        measure(Path(sys.argv[1]))
