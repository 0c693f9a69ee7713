"""Thirty days of made-up perpetual trades, the same on every machine: what tick replay is measured on.

A random walk whose volatility comes in clusters and has a daily cycle, more trades where it is high,
several trades in one millisecond, prices on a grid of 0.1 and sizes on one of 0.001. The span does not
depend on the number of trades: more trades make the bars denser, not more of them. The random numbers
are drawn in a fixed order from one seed, so a change of that order makes another market.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 7
DAYS = 30
MINUTES = DAYS * 1440
START_NS = 1_717_200_000_000_000_000  # 2024-06-01 UTC
FIRST_PRICE = 60_000
TICK = 0.1
MONTHLY_VOLATILITY = 0.18
HALF_LIFE_MINUTES = 180
MOST_LOTS = 200_000
ROWS_A_GROUP = 1 << 20


class Trades(NamedTuple):
    """Columns of equal length, in the order of time."""

    ts_ns: np.ndarray  # int64, whole milliseconds, never falling
    ticks: np.ndarray  # int64, prices in 0.1
    lots: np.ndarray  # int64, sizes in 0.001
    side: np.ndarray  # int8, of who took: 1 buy, -1 sell


def make(trades: int) -> Trades:
    """The market of ``trades`` trades."""
    rng = np.random.default_rng(SEED)
    volatility = _volatility(rng)
    intensity = volatility**0.8
    counts = rng.multinomial(trades, intensity / intensity.sum())
    minute = np.repeat(np.arange(MINUTES, dtype=np.int64), counts)
    ts_ns = START_NS + _milliseconds(rng, minute) * 1_000_000
    ticks = _walk(rng, volatility, counts, minute)
    side = _sides(rng, ticks)
    lots = np.clip(np.rint(np.exp(rng.normal(3.0, 1.4, trades))), 1, MOST_LOTS).astype(np.int64)
    return Trades(ts_ns, ticks, lots, side)


def _volatility(rng: np.random.Generator) -> np.ndarray:
    """Of each minute, around one: its logarithm is an AR(1) process on a daily wave."""
    keep = 0.5 ** (1 / HALF_LIFE_MINUTES)
    shocks = rng.normal(0, 1, MINUTES) * np.sqrt(1 - keep * keep) * 0.7
    level, levels = 0.0, np.empty(MINUTES)
    for number, shock in enumerate(shocks):
        level = keep * level + shock
        levels[number] = level
    return np.exp(levels + 0.35 * np.sin(2 * np.pi * np.arange(MINUTES) / 1440.0))


def _milliseconds(rng: np.random.Generator, minute: np.ndarray) -> np.ndarray:
    """Since the start; three in ten trades share the millisecond of the one before, as sweeps do."""
    since = minute * 60_000 + rng.integers(0, 60_000, len(minute))
    since.sort()
    burst = rng.random(len(minute)) < 0.3
    burst[0] = False
    before = np.concatenate(([-1], minute[:-1]))
    same = np.flatnonzero(burst & (before == minute))
    for _ in range(3):  # so that bursts of up to four arise
        since[same] = since[same - 1]
    return np.maximum.accumulate(since)


def _walk(
    rng: np.random.Generator, volatility: np.ndarray, counts: np.ndarray, minute: np.ndarray
) -> np.ndarray:
    """Prices in ticks: six in ten trades leave the price, and slow drifts make trends."""
    size = len(minute)
    variance = volatility[minute] ** 2 / np.maximum(counts[minute], 1)
    scale = np.sqrt(variance / variance.sum()) * MONTHLY_VOLATILITY
    steps = rng.standard_t(5, size) / np.sqrt(5 / 3) * scale
    moves = rng.random(size) < 0.4
    steps = np.where(moves, steps / np.sqrt(0.4), 0.0)
    drifts = np.repeat(rng.normal(0, 1, MINUTES // 240 + 1), 240)[:MINUTES] * 2.0e-5
    steps = steps + (drifts / np.maximum(counts, 1))[minute]
    return np.rint(FIRST_PRICE * np.exp(np.cumsum(steps)) / TICK).astype(np.int64)


def _sides(rng: np.random.Generator, ticks: np.ndarray) -> np.ndarray:
    """A rise was bought and a fall sold, but for one in twenty."""
    change = np.diff(ticks, prepend=ticks[0])
    either = np.where(rng.random(len(ticks)) < 0.5, 1, -1)
    side = np.where(change > 0, 1, np.where(change < 0, -1, either))
    return np.where(rng.random(len(ticks)) < 0.05, -side, side).astype(np.int8)


def parquet(trades: int, folder: Path) -> Path:
    """The market in a file under ``folder``, made when it is not there."""
    path = folder / f"trades-{trades}-seed{SEED}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        _write(make(trades), unfinished)
        os.replace(unfinished, path)  # noqa: PTH105  (an interrupted run leaves no half file behind)
    return path


def _write(trades: Trades, path: Path) -> None:
    """Whole numbers as differences, compressed: the layout that is read fastest, and the smallest."""
    pq.write_table(
        pa.table(trades._asdict()),
        path,
        row_group_size=ROWS_A_GROUP,
        compression="zstd",
        use_dictionary=False,
        column_encoding={"ts_ns": "DELTA_BINARY_PACKED", "ticks": "DELTA_BINARY_PACKED",
                         "lots": "DELTA_BINARY_PACKED", "side": "PLAIN"},
    )  # fmt: skip


def read(path: Path) -> Trades:
    """All columns of a file of ``parquet``, as arrays."""
    table = pq.ParquetFile(path, memory_map=True).read()
    return Trades(*(table[name].to_numpy() for name in Trades._fields))
