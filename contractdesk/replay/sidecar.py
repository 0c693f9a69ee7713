"""Columns beside a store: what one run has decoded, a later one maps into memory.

A file holds blocks: a count of rows, then their times, ticks and lots, all int64; at its end stands minus
the sum of the counts. It is named by what it was made of (files, their sizes and times, span and grid),
so changed data has another name. It is written under another name and appears whole, or not at all;
nothing depends on it: whatever is wrong with a cache, the store is read instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from contractdesk.domain.instrument import Instrument
from contractdesk.storage.dataset import Dataset
from contractdesk.storage.dataset_files import DayFile

Ints = NDArray[np.int64]
Block = tuple[Ints, Ints, Ints]  # ts_ns, ticks, lots
VERSION = 1
FEWEST_ROWS = 200_000  # less is decoded sooner than it is worth a file
MOST_BYTES = 4 << 30  # of all files in a folder
WORD = 8


def default_folder() -> Path:
    """``CONTRACTDESK_CACHE``, or the user's cache folder."""
    told = os.environ.get("CONTRACTDESK_CACHE")
    if told:
        return Path(told)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "contractdesk" / "replay"


class Sidecar(Struct, frozen=True):
    """A folder of such files, the least used of which make way."""

    folder: Path
    most_bytes: int = MOST_BYTES
    fewest_rows: int = FEWEST_ROWS

    def columns(self, dataset: Dataset, terms: Instrument, decoded: Iterable[Block]) -> Iterator[Block]:
        """The blocks of ``decoded``, from a file where there is one; else it is written on the way."""
        files = dataset.files()
        if sum(file.rows for file in files) < self.fewest_rows:
            yield from decoded
            return
        path = self.folder / f"{_name(dataset, files, terms)}.ticks"
        found = _opened(path)
        if found is None:
            yield from self._written(path, decoded)
        else:
            with found:
                yield from _blocks(found)

    def _written(self, path: Path, decoded: Iterable[Block]) -> Iterator[Block]:
        """Pass the blocks through; the file appears when all have passed."""
        draft = _draft(path)
        try:
            for block in decoded:
                if draft is not None and not draft.add(block):
                    _dropped(draft)
                    draft = None
                yield block
            if draft is not None and draft.finish(path, self.most_bytes):
                self._make_room(path)
        finally:
            _dropped(draft)

    def _make_room(self, newest: Path) -> None:
        with contextlib.suppress(OSError):  # another run may be doing the same
            kept = [(path.stat(), path) for path in self.folder.glob("*.ticks")]
            kept.sort(key=lambda each: each[0].st_mtime_ns, reverse=True)
            used = 0
            for about, path in kept:
                used += about.st_size
                if used > self.most_bytes and path != newest:
                    path.unlink(missing_ok=True)


class Draft:
    """A file that is being written; an error of the disk ends it, and nothing else."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self.path = path
        self._rows = 0

    def add(self, block: Block) -> bool:
        """False where the disk does not take it."""
        try:
            self._file.write(np.array([len(block[0])], dtype=np.int64).tobytes())
            for column in block:
                self._file.write(np.ascontiguousarray(column, dtype=np.int64).data)
        except OSError:
            return False
        self._rows += len(block[0])
        return True

    def finish(self, path: Path, most_bytes: int) -> bool:
        """Give it its name; False where it cannot have one, or is too large to be kept."""
        try:
            self._file.write(np.array([-self._rows], dtype=np.int64).tobytes())
            self._file.flush()
            os.fsync(self._file.fileno())
            if self._file.tell() > most_bytes:
                return False
            self._file.close()
            self.path.replace(path)
        except OSError:
            return False
        return True

    def drop(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
            self.path.unlink(missing_ok=True)


def _draft(path: Path) -> Draft | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".draft", dir=path.parent)
    except OSError:
        return None
    return Draft(os.fdopen(handle, "wb", buffering=0), Path(name))


def _dropped(draft: Draft | None) -> None:
    if draft is not None:
        draft.drop()


def _name(dataset: Dataset, files: list[DayFile], terms: Instrument) -> str:
    """Of everything that the columns depend on."""
    told = [VERSION, str(dataset.series), dataset.start_ns, dataset.end_ns, terms.tick_size, terms.lot_size]
    for file in files:
        about = file.path.stat()
        told += [file.path.resolve(), about.st_size, about.st_mtime_ns, about.st_ino]
    return hashlib.sha256("\n".join(map(str, told)).encode()).hexdigest()[:32]


def _opened(path: Path) -> IO[bytes] | None:
    """The file, if it is whole; it counts as used now."""
    try:
        file = path.open("rb")
        if _whole(file):
            os.utime(path)
            return file
    except OSError:
        return None
    file.close()
    return None


def _whole(file: IO[bytes]) -> bool:
    rows = 0
    for begin, count in _heads(file):
        if count <= 0:
            return count == -rows and begin == file.seek(0, os.SEEK_END)
        rows += count
    return False


def _heads(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """(where its rows begin, how many) of each block, the end included."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(WORD)
        if len(head) < WORD:
            return
        count = int(np.frombuffer(head, dtype=np.int64)[0])
        yield at + WORD, count
        if count <= 0:
            return
        at += WORD * (1 + 3 * count)


def _blocks(file: IO[bytes]) -> Iterator[Block]:
    """Each block mapped by itself: what has been walked through is memory no more."""
    for begin, count in _heads(file):
        if count > 0:
            columns = (_mapped(file, begin + place * WORD * count, count) for place in range(3))
            ts_ns, ticks, lots = columns
            yield ts_ns, ticks, lots


def _mapped(file: IO[bytes], begin: int, count: int) -> Ints:
    mapped: Ints = np.memmap(file, dtype=np.int64, mode="r", offset=begin, shape=(count,)).view(np.ndarray)
    return mapped
