"""Which stretches of a series have been fetched to the end: what a second run need not ask for.

A file beside the data, ``_fetched.json``. It is believed only as far as the data are there: a day of which
rows have gone since is fetched again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import msgspec
from msgspec import Struct, field

from contractdesk.errors import StorageError, UserError
from contractdesk.storage.dataset_files import (
    DAY_NS,
    day_files,
    series_folder,
    start_of,
    sync_folder,
)
from contractdesk.storage.dataset_writer import DayWritten
from contractdesk.storage.schema import Series
from contractdesk.venues.past import Span

FILE = "_fetched.json"


class _Told(Struct):
    """What is written: spans in ns, and how many rows each day had."""

    spans: list[tuple[int, int]] = field(default_factory=list)
    rows: dict[date, int] = field(default_factory=dict)


class Coverage:
    """Of one series; ``spans`` are apart and ascend."""

    def __init__(self, root: Path, series: Series) -> None:
        """Reads it; StorageError where it, or a day that it speaks of, is damaged."""
        self._root, self._series = root, series
        self._path = series_folder(root, series) / FILE
        told = self._read()
        self._rows = told.rows
        self.spans = [Span(*each) for each in told.spans]
        for day in self._spoilt_days():
            start_ns = start_of(day)
            self.spans = [
                part for each in self.spans for part in without(each, [Span(start_ns, start_ns + DAY_NS)])
            ]

    def missing(self, wanted: Span) -> list[Span]:
        """What of it has not been fetched yet, ascending."""
        return without(wanted, self.spans)

    def note(self, covered: Span, days: Iterable[DayWritten]) -> None:
        """Everything in ``covered`` is stored, and these days were written; StorageError from the disk."""
        self.spans = joined([*self.spans, covered])
        written = [date.fromisoformat(each.day) for each in days]
        self._rows |= {day: self._stored(day) for day in written}
        told = _Told([(each.start_ns, each.end_ns) for each in self.spans], self._rows)
        fresh = self._path.with_name(f".{FILE}.tmp")
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(told), indent=1))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise StorageError(f"history {self._root}: {error}") from error

    def _read(self) -> _Told:
        if not self._path.exists():
            return _Told()
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Told)
        except (OSError, msgspec.MsgspecError) as exc:
            raise StorageError(
                f"{self._path} is damaged ({exc}): remove it, then all is fetched again"
            ) from exc

    def _spoilt_days(self) -> list[date]:
        """Those that have fewer rows than they had."""
        return [day for day, rows in self._rows.items() if self._stored(day) < rows]

    def _stored(self, day: date) -> int:
        return sum(each.rows for each in day_files(self._root, self._series, day))


@contextmanager
def sole_fetcher(root: Path, series: Series) -> Iterator[None]:
    """One fetch of a series at a time; UserError for a second one. The lock goes with its process."""
    folder = series_folder(root, series)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / ".fetch.lock").open("w")
    except OSError as error:
        raise StorageError(f"history {root}: {error}") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{series} is being fetched already: wait for that, or stop it") from None
        yield


def joined(spans: Iterable[Span]) -> list[Span]:
    """Their union, ascending and apart."""
    found: list[Span] = []
    for each in sorted((span for span in spans if span.length_ns), key=lambda span: span.start_ns):
        if found and each.start_ns <= found[-1].end_ns:
            found[-1] = Span(found[-1].start_ns, max(found[-1].end_ns, each.end_ns))
        else:
            found.append(each)
    return found


def without(wanted: Span, taken: Iterable[Span]) -> list[Span]:
    """What is left of ``wanted``, ascending."""
    left, at_ns = [], wanted.start_ns
    for each in joined(taken):
        if at_ns < min(each.start_ns, wanted.end_ns):
            left.append(Span(at_ns, min(each.start_ns, wanted.end_ns)))
        at_ns = max(at_ns, each.end_ns)
    if at_ns < wanted.end_ns:
        left.append(Span(at_ns, wanted.end_ns))
    return left
