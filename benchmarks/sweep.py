"""Sweeps on workers: two against one, one of them killed on the way, and the table of the serial run.

    python benchmarks/sweep.py [--runs N] [--ticks N] [--hours N] [--rounds N]

Ticks are a random walk from a seed, written to a store as an import writes them. One and two workers take
turns, the best round of each counts. Printed: the wall time of the whole call, workers' start included,
and of the runs alone; `ratio sweep_2_workers X` is of the runs alone. On a machine that is busy with
other things wall times mislead: processor time says what two idle processors would give at most. Exit
code 1: a table differs, or the killed worker cost a run.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import Struct

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


def swept(data: Dataset, runs: int, folder: Path, **where: Any) -> tuple[Sweep, float]:
    trend = cd.library.TrendFollow([SYMBOL], timeframe="5m")
    begin = perf_counter()
    table = cd.sweep(trend, grid(runs), data, folder=folder, progress=False, **where)
    return table, perf_counter() - begin


def killer(client: Any, after: int, rows: list[object]) -> Callable[[object], None]:
    """Kills a worker, without a warning, when ``after`` results have come."""

    def each(row: object) -> None:
        rows.append(row)
        if len(rows) == after:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    return each


def same(one: Sweep, other: Sweep) -> bool:
    return bool(one.df.drop(columns="seconds").equals(other.df.drop(columns="seconds")))


class Spans(Struct):
    """Seconds of one sweep: of the whole call, of the runs alone, and of processors, workers' and ours."""

    call: float
    runs: float
    processors: float


def used() -> float:
    both = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(each.ru_utime + each.ru_stime for each in both)


def timed(data: Dataset, runs: int, folder: Path, workers: int) -> tuple[Sweep, Spans]:
    before = used()
    table, call = swept(data, runs, folder, workers=workers)
    spans = Spans(call, table.seconds, used() - before)
    print(
        f"{workers} worker{'s' if workers > 1 else ' '}  call {call:6.1f} s, runs alone {spans.runs:6.1f} s, "
        f"processors {spans.processors:6.1f} s"
    )
    return table, spans


def killed(data: Dataset, runs: int, folder: Path) -> Sweep:
    """A cluster of the user's own, that loses one of its two workers after a quarter of the runs."""
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        rows: list[object] = []
        table, wall = swept(data, runs, folder, client=client, on_result=killer(client, runs // 4, rows))
    print(f"2 workers, one killed after {runs // 4} runs: {wall:.1f} s, {len(rows)} rows")
    return table


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--runs", type=int, default=200)
    arguments.add_argument("--ticks", type=int, default=1_000_000)
    arguments.add_argument("--hours", type=int, default=24)
    arguments.add_argument("--rounds", type=int, default=2, help="of one and two workers, in turn")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="contractdesk-sweep-") as name:
        folder = Path(name)
        data = generated(folder / "store", options.ticks, options.hours)
        print(f"{options.runs} combinations over {options.ticks:,} trades of {options.hours} h")
        one: list[Spans] = []
        two: list[Spans] = []
        tables = []
        for place in range(options.rounds):
            for workers, found in ((1, one), (2, two)):
                table, spans = timed(data, options.runs, folder / f"{workers}-{place}", workers)
                tables.append(table)
                found.append(spans)
        serial, _ = swept(data, options.runs, folder / "serial", workers=0)
        tables.append(killed(data, options.runs, folder / "killed"))
        agree = [same(table, serial) for table in tables]
    lost = sum(row.lost for table in tables for row in table.rows)
    ratio = min(each.runs for each in one) / min(each.runs for each in two)
    calls = min(each.call for each in one) / min(each.call for each in two)
    quiet = min(2.0, 2 * min(each.processors for each in one) / min(each.processors for each in two))
    print(f"failed rows in each table: {sum(bool(row.failure) for row in serial.rows)}; lost: {lost}")
    print(f"tables equal to the serial one: {sum(agree)} of {len(agree)}")
    print(f"of the whole calls {calls:.2f}; of two processors that do nothing else, at most {quiet:.2f}")
    print(f"ratio sweep_2_workers {ratio:.2f} (aim {AIM})")
    print(serial.warning)
    return 0 if all(agree) and not lost else 1


if __name__ == "__main__":
    sys.exit(main())
