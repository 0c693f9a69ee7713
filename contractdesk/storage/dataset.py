"""Reading a series: batches in the order of time, over any number of days, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from msgspec import Struct

from contractdesk.errors import StorageError
from contractdesk.storage.dataset_files import DAY_NS, DayFile, batches, day_files, day_of, list_days
from contractdesk.storage.schema import ROW_GROUP, Series
from contractdesk.storage.terms import Terms

EVER = 2**63 - 1


class Rows(Struct, frozen=True):
    """Some rows and the terms by which their ticks and lots are read."""

    terms: Terms
    data: pa.RecordBatch


class Dataset(Struct, frozen=True, kw_only=True):
    """A series between two times (of its time column), ``start_ns`` included and ``end_ns`` not.

    Nothing is read before it is asked for.
    """

    root: Path
    series: Series
    start_ns: int = 0
    end_ns: int = EVER

    def files(self) -> list[DayFile]:
        """In the order of time; StorageError where one is damaged or two contradict each other."""
        days = [day for day in list_days(self.root, self.series) if self._touches_day(day.toordinal())]
        found = [each for day in days for each in day_files(self.root, self.series, day)]
        return [each for each in found if each.first_ns < self.end_ns and each.last_ns >= self.start_ns]

    def scan(self, columns: Sequence[str] | None = None, rows: int = ROW_GROUP) -> Iterator[Rows]:
        """Batches of at most ``rows``; all columns, or those named, in that order.

        StorageError for a column that the kind has not, and for a damaged file.
        """
        names = list(columns) if columns is not None else self.series.shape.schema.names
        if unknown := [name for name in names if name not in self.series.shape.schema.names]:
            have = ", ".join(self.series.shape.schema.names)
            raise StorageError(f"{self.series.kind.value} have no column {unknown[0]!r}; they have {have}")
        time = self.series.shape.time
        for file in self.files():
            for batch in _read(file, sorted({time, *names}), rows):
                begin, end = np.searchsorted(batch[time].to_numpy(), (self.start_ns, self.end_ns))
                if begin < end:
                    yield Rows(file.terms, batch.slice(begin, end - begin).select(names))

    def _touches_day(self, ordinal: int) -> bool:
        first = day_of(max(self.start_ns, 0)).toordinal()
        last = day_of(min(self.end_ns, 100_000 * DAY_NS)).toordinal()
        return first <= ordinal <= last


def _read(file: DayFile, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches(file.path, columns, rows)
    except (pa.ArrowInvalid, OSError) as exc:
        raise StorageError(f"{file.path} is damaged ({exc}): remove it and import that day again") from exc
