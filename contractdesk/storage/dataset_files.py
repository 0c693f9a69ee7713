"""Where a series lies, and what its files say about themselves.

``<root>/<dataset>/venue=binance/symbol=BTC%2FUSDT%3AUSDT/date=2024-10-18/<terms>.parquet``: hive
partitions, percent-encoded, that pyarrow, DuckDB and polars read as they are. A day has one file for
each set of terms, named by it. Files whose name begins with a dot are unfinished.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from contractdesk.errors import StorageError
from contractdesk.storage.schema import ROW_GROUP, SCHEMA, Series
from contractdesk.storage.terms import Terms, decode_terms

DAY_NS = 86_400 * 10**9
_TERMS, _VERSION = b"contractdesk.terms", b"contractdesk.schema"
_EPOCH = date(1970, 1, 1).toordinal()


class DayFile(Struct, frozen=True, kw_only=True):
    """One file of the store."""

    path: Path
    day: date  # UTC
    terms: Terms
    rows: int
    first_ns: int  # of the series' time column; 0 where the file has no rows
    last_ns: int


def series_folder(root: Path, series: Series) -> Path:
    symbol = quote(series.symbol, safe="")
    return root / series.dataset / f"venue={quote(series.venue, safe='')}" / f"symbol={symbol}"


def day_folder(root: Path, series: Series, day: date) -> Path:
    return series_folder(root, series) / f"date={day.isoformat()}"


def day_of(ts_ns: int) -> date:
    return date.fromordinal(_EPOCH + ts_ns // DAY_NS)


def start_of(day: date) -> int:
    """Midnight UTC in nanoseconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 10**9


def list_days(root: Path, series: Series) -> list[date]:
    """The days of which there is anything, ascending."""
    folders = series_folder(root, series).glob("date=*")
    return sorted(date.fromisoformat(path.name.removeprefix("date=")) for path in folders)


def day_files(root: Path, series: Series, day: date) -> list[DayFile]:
    """The files of a day in the order of time.

    StorageError when one cannot be read, or when two of different terms tell of the same time.
    """
    paths = sorted(day_folder(root, series, day).glob("[!.]*.parquet"))
    found = sorted((read_day(path, series, day) for path in paths), key=lambda each: each.first_ns)
    for before, after in pairwise(found):
        if after.first_ns <= before.last_ns:
            raise StorageError(
                f"{before.path} and {after.path} tell of the same time under different terms (ticks of "
                f"{before.terms.tick_size} and {after.terms.tick_size}): remove the one that is wrong"
            )
    return found


def read_day(path: Path, series: Series, day: date) -> DayFile:
    """What a file says of itself; StorageError when it is damaged, newer than this code or foreign."""
    try:
        about = pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError) as exc:
        raise StorageError(f"{path} is damaged ({exc}): remove it and import that day again") from exc
    told = about.metadata or {}
    if _TERMS not in told:
        raise StorageError(f"{path} is no file of this store: move it away")
    if int(told[_VERSION]) > SCHEMA:
        raise StorageError(f"{path} has schema {told[_VERSION].decode()}: update contractdesk")
    column = series.shape.schema.get_field_index(series.shape.time)
    groups = [about.row_group(i).column(column).statistics for i in range(about.num_row_groups)]
    return DayFile(
        path=path,
        day=day,
        terms=decode_terms(told[_TERMS]),
        rows=about.num_rows,
        first_ns=groups[0].min if groups else 0,
        last_ns=groups[-1].max if groups else 0,
    )


def with_terms(series: Series, terms: Terms) -> pa.Schema:
    """The schema of a file, with what makes it explain itself."""
    told = {_TERMS: terms.encode(), _VERSION: str(SCHEMA).encode()}
    return series.shape.schema.with_metadata(told)


@contextmanager
def parquet_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Integers as deltas, everything under zstd: the smallest of what was measured, and fast to decode."""
    deltas = {field.name: "DELTA_BINARY_PACKED" for field in schema if field.type in (pa.int64(), pa.int32())}
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=[field.name for field in schema if field.name not in deltas],
        column_encoding=deltas,
        write_statistics=True,
        version="2.6",
    ) as writer:
        yield writer


def batches(path: Path, columns: list[str] | None = None, rows: int = ROW_GROUP) -> Iterator[pa.RecordBatch]:
    """The rows of a file; no more than a row group of the named columns is in memory."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield from file.iter_batches(rows, row_groups=[group], columns=columns, use_threads=False)


def sync_folder(folder: Path) -> None:
    """Have the names within survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
