"""The strategy that tick replay is measured with, and the line in which every contender reports.

The strategy, in the words that every implementation follows:

- Bars of one minute, aligned to the clock, of the minutes that hold a trade. A bar closes at its
  minute's end, before the first trade at or after that moment is looked at; the last one stays open.
- Averages of the closes over 12 and 48 bars, `v += 2 / (n + 1) * (close - v)`, from the first close on.
  ATR over 14 bars, `v += 1 / 14 * (true range - v)`, from the first bar's high less low on.
- From the 48th bar on the sign of fast less slow is watched. When it differs from the last sign that was
  not zero, a market order goes for what is missing to a position of 0.1 in the sign's direction. A stop
  that is on its way is dropped; one that rests dies when the order executes, and until then it may fill.
- After a stop the strategy stays flat up to the next cross.
- Every command takes 50 ms: it executes at the first trade that is at least so much later. An order fills
  there, a tick worse than the trade, whatever its size.
- The fill of an order that leaves a position sends a stop 2.5 ATR away from the price filled. At each bar
  that is not a cross, with a position and no order on its way, the stop moves to 2.5 ATR from the close
  if that is tighter. A stop's price is rounded to the nearest tick.
- At each trade, in this order: a bar that it ends; the resting stop, which a trade at its price or beyond
  fills, a tick worse than that trade; a stop that is due; an order that is due.
- Fee 5 basis points of the notional of each fill. Equity: cash less fees, and the position at the last price.

Only the standard library is needed here: the contenders run in environments of their own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

MINUTE_NS = 60_000_000_000
LATENCY_NS = 50_000_000
TICKS_A_UNIT = 10  # a tick is 0.1
LOTS_A_UNIT = 1_000  # a lot is 0.001
TARGET_LOTS = 100
FAST_BARS, SLOW_BARS, ATR_BARS = 12, 48, 14
FAST, SLOW, WILDER = 2 / (FAST_BARS + 1), 2 / (SLOW_BARS + 1), 1 / ATR_BARS
STOP_ATRS = 2.5
FEE = 0.0005

Fill = tuple[int, int, int]  # exchange's time in ns, lots (+ bought, - sold), price in ticks


def money(fills: list[Fill], last_ticks: int) -> tuple[float, float]:
    """Fees and equity of fills, reckoned in whole numbers so that only the last step rounds."""
    cash = -sum(lots * ticks for _, lots, ticks in fills)
    position = sum(lots for _, lots, _ in fills)
    turnover = sum(abs(lots) * ticks for _, lots, ticks in fills)
    worth, fee_bps = TICKS_A_UNIT * LOTS_A_UNIT, round(FEE * 10_000)
    equity = (cash + position * last_ticks) * 10_000 - turnover * fee_bps
    return turnover * fee_bps / (worth * 10_000), equity / (worth * 10_000)


Result = TypeVar("Result")


class Took(NamedTuple):
    """Seconds from the file to the result; CPU of all threads of the process, imports left out."""

    wall_s: float
    cpu_s: float
    engine_cpu_s: float  # of it, without reading and converting


class Stopwatch:
    """Started when it is made; what lies in `with watch.loading()` is not the engine's."""

    def __init__(self) -> None:
        self._wall, self._cpu, self._loading = time.perf_counter(), time.process_time(), 0.0

    @contextmanager
    def loading(self) -> Iterator[None]:
        begin = time.process_time()
        yield
        self._loading += time.process_time() - begin

    def read(self) -> Took:
        cpu = time.process_time() - self._cpu
        return Took(time.perf_counter() - self._wall, cpu, cpu - self._loading)


def better_of_two(run: Callable[[], tuple[Result, Took]]) -> tuple[Result, Took]:
    """The run that took less CPU. The first one in a process pays for each page of memory that the machine
    had not yet lent it, which on a virtual machine can cost more than the replay: whoever holds all data
    in memory is measured without that."""
    return min((run() for _ in range(2)), key=lambda done: done[1].cpu_s)


def peak_rss_mb() -> float:
    """The most memory this process has had, imports included; what getrusage tells may be its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


class Account:
    """What a run has done: the venue's fills, and when each order was filled by how much."""

    def __init__(self) -> None:
        self.fills: list[Fill] = []
        self._orders: dict[object, list[int]] = {}

    def add(self, fill: Fill, order: object) -> None:
        """``order`` is any key: an order that is filled in parts counts once, at its first part's time."""
        self.fills.append(fill)
        filled = self._orders.setdefault(order, [fill[0], 0])
        filled[1] += fill[1]

    @classmethod
    def of(cls, fills: list[Fill]) -> Account:
        """Of fills that were never in parts."""
        account = cls()
        for number, fill in enumerate(fills):
            account.add(fill, number)
        return account

    def report(self, name: str, trades: int, last_ticks: int, took: Took) -> None:
        """Print the run as one line of JSON."""
        fees, equity = money(self.fills, last_ticks)
        filled = list(self._orders.values())
        run = {"name": name, "trades": trades, **took._asdict(), "rss_mb": peak_rss_mb(),
               "fills": len(filled), "fees": fees, "equity": equity, "filled": filled}  # fmt: skip
        print(json.dumps(run))
