"""Writing a series: rows in any order, files that appear whole or not at all.

Rows are gathered by day, spilled as sorted runs, and merged with what the store has of the day at
``commit``. Writing the same rows again changes no file; memory is bounded by the limits below.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from contractdesk.errors import StorageError
from contractdesk.storage.dataset_files import (
    DAY_NS,
    batches,
    day_folder,
    day_of,
    parquet_writer,
    series_folder,
    sync_folder,
    with_terms,
)
from contractdesk.storage.merge import canonical, merged, rechunked
from contractdesk.storage.schema import ROW_GROUP, Series
from contractdesk.storage.terms import Terms

HELD = ROW_GROUP  # rows that wait in memory, of all days together
RUN_BATCH = 1 << 15  # rows of each run in memory while runs are merged
MOST_RUNS = 16  # of one day; beyond, they are merged into one


class DayWritten(Struct, frozen=True, kw_only=True):
    """What a commit did to one day."""

    day: str  # ISO date, UTC
    rows: int  # that the day's file has now
    added: int
    changed: bool  # also True where only times of hearing were learned
    path: str


class DatasetWriter:
    """A context manager: what is not committed at its end leaves no trace."""

    def __init__(self, root: Path, series: Series, terms: Terms) -> None:
        """Make the folder; StorageError when that is not possible."""
        self._root, self._series, self._terms = root, series, terms
        self._schema = with_terms(series, terms)
        self._held: dict[date, list[pa.RecordBatch]] = {}
        self._held_rows = 0
        self._runs: dict[date, list[Path]] = {}
        self._run_count = 0
        try:
            folder = series_folder(root, series)
            folder.mkdir(parents=True, exist_ok=True)
            self._staging = Path(mkdtemp(prefix=".staging-", dir=folder))
        except OSError as error:
            raise StorageError(f"history {root}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)

    def append(self, batch: pa.RecordBatch) -> None:
        """Add rows of the series' schema, of any days and in any order."""
        batch = batch.cast(self._series.shape.schema)
        days = batch[self._series.shape.time].to_numpy() // DAY_NS
        borders = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
        for begin, end in pairwise(borders):
            if begin < end:
                day = day_of(int(days[begin]) * DAY_NS)
                self._held.setdefault(day, []).append(batch.slice(begin, end - begin))
        self._held_rows += batch.num_rows
        if self._held_rows >= HELD:
            self._spill()

    def commit(self) -> tuple[DayWritten, ...]:
        """Merge everything into the store, day by day; StorageError when the disk refuses."""
        self._spill()
        try:
            written = tuple(self._commit_day(day, self._runs[day]) for day in sorted(self._runs))
        except (OSError, pa.ArrowInvalid) as error:
            raise StorageError(f"history {self._root}: {error}") from error
        self._runs.clear()
        return written

    def _spill(self) -> None:
        for day, parts in self._held.items():
            rows = canonical(pa.Table.from_batches(parts), self._series.shape)
            self._keep_run(day, [rows])
        self._held.clear()
        self._held_rows = 0

    def _keep_run(self, day: date, tables: list[pa.Table] | Iterator[pa.Table]) -> None:
        runs = self._runs.setdefault(day, [])
        self._run_count += 1
        path = self._staging / f"{day.isoformat()}-{self._run_count}.parquet"
        self._write(path, tables)
        runs.append(path)
        if len(runs) >= MOST_RUNS:
            self._runs[day] = []
            self._keep_run(day, self._merge(runs))
            for run in runs:
                run.unlink()

    def _merge(self, paths: list[Path]) -> Iterator[pa.Table]:
        return merged([batches(path, rows=RUN_BATCH) for path in paths], self._series.shape)

    def _write(self, path: Path, tables: list[pa.Table] | Iterator[pa.Table]) -> None:
        with parquet_writer(path, self._schema) as writer:
            for table in rechunked(tables, ROW_GROUP):
                writer.write_table(table.cast(self._schema), row_group_size=ROW_GROUP)

    def _commit_day(self, day: date, runs: list[Path]) -> DayWritten:
        folder = day_folder(self._root, self._series, day)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{self._terms.digest}.parquet"
        with _locked(folder):
            before = pq.read_metadata(target).num_rows if target.exists() else 0
            fresh = folder / f".{target.name}.{os.getpid()}.tmp"
            try:
                self._write(fresh, self._merge([*([target] if before else []), *runs]))
                changed = _publish(fresh, target)
            finally:
                fresh.unlink(missing_ok=True)
        rows = pq.read_metadata(target).num_rows
        return DayWritten(
            day=day.isoformat(), rows=rows, added=rows - before, changed=changed, path=str(target)
        )


def _publish(fresh: Path, target: Path) -> bool:
    """Put the new file in the old one's place; False, and nothing done, where it says the same."""
    if target.exists() and same_rows(fresh, target):
        return False
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(target)
    sync_folder(target.parent)
    return True


def same_rows(one: Path, other: Path) -> bool:
    """True when both hold the same rows in the same order."""
    if pq.read_metadata(one).num_rows != pq.read_metadata(other).num_rows:
        return False
    pairs = zip(batches(one), batches(other), strict=True)
    return all(a.equals(b) for a, b in pairs)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time may replace a day; the lock goes with its process."""
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
