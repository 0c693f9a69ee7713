"""The tape: every market input, always on, in rotating files. Appending never waits for the disk.

A segment begins with a checkpoint, so each can be replayed by itself together with the journal. What
a kill may cost is the last quarter of a second of market data, never an order: those are journaled.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from contractdesk.clock import NS_PER_S
from contractdesk.domain.events import Event
from contractdesk.errors import StorageError
from contractdesk.storage.codec import decode_event, encode
from contractdesk.storage.journal_reader import NO_END
from contractdesk.storage.tape_file import (
    Item,
    TapeHeader,
    TornTail,
    encode_block,
    encode_header,
    first_seq_of,
    last_seq_of,
    read_items,
    segment_path,
    segments,
)
from contractdesk.storage.writer import MakeScribe, Writer

MOST_QUEUED = 200_000  # inputs that wait for the disk; beyond, they are lost and ``broken`` says so
GATHER_S = 0.25
MOST_IN_BLOCK = 2_000  # inputs


class TapeLimits(Struct, frozen=True, kw_only=True):
    """When a segment ends, and how much is kept."""

    segment_bytes: int = 64 << 20
    segment_ns: int = 3600 * NS_PER_S
    total_bytes: int = 2 << 30  # the oldest segments are deleted beyond it; at least one is kept


class Tape:
    """Open for appending. A driver that calls ``rotate`` whenever ``due`` says so gives each segment a
    checkpoint; one that does not still has bounded segments, and replays from a session's start.
    """

    def __init__(
        self,
        folder: Path,
        limits: TapeLimits | None = None,
        make_writer: MakeScribe = Writer,
        *,
        needed: Sequence[range] = (),
    ) -> None:
        """Make the folder; StorageError when that is not possible, or the last segment is damaged.

        Segments that begin within one of the ``needed`` ranges of numbers are never deleted.
        """
        self.folder = folder
        self._needed = needed
        self._limits = limits or TapeLimits()
        self._file: BinaryIO | None = None
        self._header: TapeHeader | None = None  # the newest that ``rotate`` was given
        self._current: TapeHeader | None = None  # of the segment that is being written
        self._written = 0  # bytes of the newest header's segment
        self._sound = 0  # bytes of the file that are whole; what follows is a failed attempt
        self._stored = 0  # items of the batch under way that are on the tape already
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StorageError(f"tape {folder}: {error}") from error
        self.last_seq = last_seq(folder)  # at opening
        self._writer = make_writer(
            "contractdesk-tape", self._store, most=MOST_QUEUED, linger_s=GATHER_S, sync=self._reach_the_disk
        )

    def due(self, now_ns: int) -> bool:
        """True when the segment is full or old, and before the first one."""
        if self._header is None:
            return True
        full = self._written >= self._limits.segment_bytes
        return full or now_ns - self._header.opened_ns >= self._limits.segment_ns

    def rotate(self, header: TapeHeader) -> None:
        """Begin a segment with this header; inputs appended from now on belong to it."""
        self._header, self._written = header, 0
        self._writer.put(header)

    def append(self, seq: int, event: Event) -> None:
        """Queue an input; StorageError only when it cannot be encoded."""
        if self._header is None or self._written >= 2 * self._limits.segment_bytes:
            self.rotate(TapeHeader(first_seq=seq, opened_ns=event.ts_ns))
        self._writer.put((seq, encode(event)))

    def barrier(self) -> Future[None]:
        """Done when all that was appended is on the disk; StorageError if it is not."""
        return self._writer.barrier()

    def flush(self) -> None:
        """Wait until all that was appended is on the disk; StorageError if it is not."""
        self.barrier().result(30.0)

    @property
    def broken(self) -> str:
        """Why inputs may not be on the tape; empty when all is well."""
        return self._writer.broken

    def close(self) -> bool:
        """Write what is left; False when that failed."""
        done = self._writer.close()
        if done and self._file is not None:
            self._file.close()
        return done

    # -- on the writer's thread ------------------------------------------------------------

    def _store(self, batch: Sequence[Item | TapeHeader]) -> None:
        while self._stored < len(batch):
            first = batch[self._stored]
            if isinstance(first, TapeHeader):
                self._begin(first)
                self._stored += 1
                continue
            block = list(_until_header(batch[self._stored : self._stored + MOST_IN_BLOCK]))
            self._extend(encode_block(block))
            self._stored += len(block)
        self._stored = 0

    def _begin(self, header: TapeHeader) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None
        self._file = segment_path(self.folder, header.first_seq).open("wb")
        self._current, self._sound = header, 0
        self._extend(encode_header(header))
        self._delete_oldest()

    def _extend(self, data: bytes) -> None:
        """Write behind what is whole; after a failure the next attempt overwrites its remains."""
        assert self._file is not None  # noqa: S101  # append() puts a header before the first input
        self._file.seek(self._sound)
        self._file.truncate()
        self._file.write(data)
        self._file.flush()
        self._sound += len(data)
        if self._current is self._header:
            self._written = self._sound

    def _reach_the_disk(self) -> None:
        """What an entry was decided by must outlast a loss of power, as the entry itself does."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def _delete_oldest(self) -> None:
        kept = segments(self.folder)
        total = sum(path.stat().st_size for path in kept)
        for path in kept[:-1]:
            if total <= self._limits.total_bytes:
                return
            if any(first_seq_of(path) in numbers for numbers in self._needed):
                continue
            total -= path.stat().st_size
            path.unlink()


def _until_header(items: Sequence[Item | TapeHeader]) -> Iterator[Item]:
    for item in items:
        if isinstance(item, TapeHeader):
            return
        yield item


def read_tape(
    folder: Path, from_seq: int = 0, torn: list[TornTail] | None = None, until_seq: int = NO_END
) -> Iterator[tuple[int, Event]]:
    """Inputs from ``from_seq`` on, before ``until_seq``, in order; ``torn`` receives segments without an end.

    StorageError where a segment is damaged before its end.
    """
    paths = segments(folder)
    begins = [first_seq_of(path) for path in paths]
    first = max(0, bisect_right(begins, from_seq) - 1)
    for path in paths[first : bisect_left(begins, until_seq)]:
        for seq, payload in read_items(path, [] if torn is None else torn):
            if from_seq <= seq < until_seq:
                yield seq, decode_event(payload)


def last_seq(folder: Path) -> int:
    """The number of the last input on the tape; 0 where there is none."""
    return next((seq for path in reversed(segments(folder)) if (seq := last_seq_of(path))), 0)
