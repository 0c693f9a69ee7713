"""Sweeps on workers: two against one, one of them killed on the way, and the table of the serial run.

    python benchmarks/sweep.py [--runs N] [--ticks N] [--hours N] [--turns N]

Ticks are a random walk from a seed, written to a store as an import writes them. A cluster of one worker
and one of two take short turns over the same combinations, so that a machine that is busy with other
things is so for both; `ratio sweep_2_workers X` is of the sums of their wall times. Processor time says
what two idle processors would give at most. Exit code 1: a table differs, or a killed worker cost a run.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import distributed
import numpy as np
import pyarrow as pa

import contractdesk as cd
from contractdesk.replay.sweep_result import Sweep
from contractdesk.storage.dataset import Dataset
from contractdesk.storage.dataset_writer import DatasetWriter
from contractdesk.storage.schema import Kind, Series
from contractdesk.storage.terms import Terms

SYMBOL = "BTC/USDT:USDT"
SERIES = Series(Kind.TRADES, "binance", SYMBOL)
TERMS = Terms(
    venue="binance", symbol=SYMBOL, venue_symbol="BTCUSDT", tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"), base="BTC", quote="USDT", settle="USDT",
)  # fmt: skip
START_NS = 1_699_920_000 * 10**9  # 2023-11-14
AIM = 1.7


def generated(root: Path, ticks: int, hours: int) -> Dataset:
    """Trades at random times on a random walk, of which trends can be followed."""
    chance = np.random.default_rng(7)
    times = START_NS + np.sort(chance.integers(0, hours * 3600 * 10**9, ticks))
    prices = 600_000 + np.cumsum(chance.integers(-3, 4, ticks))
    columns = {
        "venue_ns": times, "local_ns": times, "trade_id": np.arange(ticks), "ticks": prices,
        "lots": chance.integers(1, 500, ticks), "side": np.ones(ticks), "flags": np.zeros(ticks),
    }  # fmt: skip
    schema = SERIES.shape.schema
    arrays = [pa.array(columns[field.name].astype(field.type.to_pandas_dtype())) for field in schema]
    with DatasetWriter(root, SERIES, TERMS) as writer:
        writer.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
        writer.commit()
    return Dataset(root=root, series=SERIES)


def grid(runs: int) -> list[dict[str, Any]]:
    """So many combinations; one in ten is not permitted (fast >= slow), and has to be a row that says so."""
    pairs = [{"fast": 2 + n % 10, "slow": 11 if n % 10 == 9 else 12 + n // 10} for n in range(runs)]
    return [{**pair, "atr_period": 5 + n // 10} for n, pair in enumerate(pairs)]


def swept(data: Dataset, combinations: list[dict[str, Any]], folder: Path, **where: Any) -> Sweep:
    trend = cd.library.TrendFollow([SYMBOL], timeframe="5m")
    return cd.sweep(trend, combinations, data, folder=folder, progress=False, **where)


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as made,
        distributed.Client(made, set_as_default=False) as client,
    ):
        yield client


def killer(client: Any, after: int, rows: list[object]) -> Callable[[object], None]:
    """Kills a worker, without a warning, when ``after`` results have come."""

    def each(row: object) -> None:
        rows.append(row)
        if len(rows) == after:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    return each


def same(one: Sweep, other: Sweep) -> bool:
    return bool(one.df.drop(columns="seconds").equals(other.df.drop(columns="seconds")))


class Lane:
    """A cluster that takes its turns; idle, it costs next to nothing."""

    def __init__(self, client: Any, data: Dataset, folder: Path) -> None:
        self._client, self._data, self._folder = client, data, folder
        self.wall = self.processors = 0.0

    def run(self, combinations: list[dict[str, Any]]) -> None:
        before, begin = self._used(), perf_counter()
        swept(self._data, combinations, self._folder, client=self._client)
        self.wall += perf_counter() - begin
        self.processors += self._used() - before

    def _used(self) -> float:
        """Processor seconds of the workers and of this process, which has the scheduler."""
        return sum(self._client.run(process_time).values()) + process_time()


def lanes(data: Dataset, combinations: list[dict[str, Any]], folder: Path, turns: int) -> tuple[Lane, Lane]:
    """One worker and two, each making all combinations, in turns."""
    with cluster(1) as one, cluster(2) as two:
        first, second = Lane(one, data, folder / "one"), Lane(two, data, folder / "two")
        # Imports and the first decoding are of a worker's start, not of its running.
        swept(data, combinations[:8], folder / "warm", client=one)
        swept(data, combinations[:8], folder / "warm-two", client=two)
        size = -(-len(combinations) // turns)
        for place in range(0, len(combinations), size):
            part = combinations[place : place + size]
            for lane in (first, second) if place // size % 2 else (second, first):
                lane.run(part)
    for words, lane in (("1 worker ", first), ("2 workers", second)):
        print(f"{words} {lane.wall:6.1f} s, processors {lane.processors:6.1f} s")
    return first, second


def killed(data: Dataset, combinations: list[dict[str, Any]], folder: Path) -> Sweep:
    """Two workers, of which one is killed after a quarter of the runs."""
    rows: list[object] = []
    after = len(combinations) // 4
    with cluster(2) as client:
        table = swept(data, combinations, folder, client=client, on_result=killer(client, after, rows))
    print(f"2 workers, one killed after {after} runs: {table.seconds:.1f} s, {len(rows)} rows")
    return table


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--runs", type=int, default=200)
    arguments.add_argument("--ticks", type=int, default=1_000_000)
    arguments.add_argument("--hours", type=int, default=24)
    arguments.add_argument("--turns", type=int, default=5)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="contractdesk-sweep-") as name:
        folder, combinations = Path(name), grid(options.runs)
        data = generated(folder / "store", options.ticks, options.hours)
        print(f"{options.runs} combinations over {options.ticks:,} trades of {options.hours} h")
        one, two = lanes(data, combinations, folder, options.turns)
        serial = swept(data, combinations, folder / "serial", workers=0)
        print(f"this process alone, without dask: {serial.seconds:.1f} s")
        # All of it is on record: these calls run nothing, and give the whole tables.
        tables = [swept(data, combinations, folder / lane, workers=0) for lane in ("one", "two")]
        assert all(table.known == options.runs for table in tables)
        tables.append(killed(data, combinations, folder / "killed"))
    agree = [same(table, serial) for table in tables]
    lost = sum(row.lost for table in tables for row in table.rows)
    quiet = min(2.0, 2 * one.processors / two.processors)
    print(f"failed rows in each table: {sum(bool(row.failure) for row in serial.rows)}; lost: {lost}")
    print(f"tables equal to the serial one: {sum(agree)} of {len(agree)}")
    print(f"by processor time, two idle processors would give at most {quiet:.2f}")
    print(f"ratio sweep_2_workers {one.wall / two.wall:.2f} (aim {AIM})")
    print(serial.warning)
    return 0 if all(agree) and not lost else 1


if __name__ == "__main__":
    sys.exit(main())
