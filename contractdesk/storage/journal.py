"""The journal: every input but market data, and every command, on disk before an order is sent.

A record's place is ``(seq, part)``: ``seq`` is the number of the input, part 0 the input itself, parts
1, 2, .. the commands that the engine answered with (also those to inputs that are on the tape).
SQLite in WAL mode, ``synchronous=FULL``; one process writes, others may read meanwhile. Nothing is
ever changed or deleted.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from concurrent.futures import Future
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from contractdesk.domain.commands import Command
from contractdesk.domain.events import Event
from contractdesk.errors import StorageError
from contractdesk.storage.codec import encode
from contractdesk.storage.journal_file import guarded, open_for_writing
from contractdesk.storage.journal_reader import JournalReader, RecordKind, SessionMeta
from contractdesk.storage.writer import MakeScribe, Writer

MOST_QUEUED = 50_000  # rows that wait for the disk; beyond, they are lost and entries are refused
DISK_ANSWERS_WITHIN_S = 30.0  # how long ``append`` waits

Row = tuple[str, tuple[Any, ...]]  # a statement and its values
_RECORD = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)"
_SESSION = "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)"
_SOURCE = "INSERT OR IGNORE INTO sources VALUES (?, ?)"


class Journal:
    """Open for appending. Only ``append`` and ``close`` wait for the disk."""

    def __init__(self, path: Path, make_writer: MakeScribe = Writer) -> None:
        """Open or create; StorageError when the file is newer than this code, damaged, or no journal."""
        self.path = path
        self._connection = open_for_writing(path)
        with JournalReader(path) as reader:
            self.last_seq = max(reader.last_seq, reader.last_begun)  # at opening
        self._writer = make_writer("contractdesk-journal", self._store, most=MOST_QUEUED)

    def put_event(self, seq: int, event: Event) -> None:
        """Queue an input; StorageError only when it cannot be encoded."""
        self._put(seq, 0, event.ts_ns, RecordKind.EVENT, encode(event))

    def put_commands(self, seq: int, ts_ns: int, commands: Sequence[Command]) -> None:
        """Queue what the engine answered to input ``seq``."""
        for part, command in enumerate(commands, 1):
            self._put(seq, part, ts_ns, RecordKind.COMMAND, encode(command))

    def begin_session(self, meta: SessionMeta) -> None:
        """Queue who writes from ``meta.first_seq`` on."""
        self._writer.put((_SESSION, (meta.first_seq, meta.opened_ns, msgspec.msgpack.encode(meta))))

    def keep_source(self, source: str) -> str:
        """Queue a strategy's source; returns its sha256 (hex), by which it is found again."""
        digest = sha256(source.encode()).hexdigest()
        self._writer.put((_SOURCE, (digest, source)))
        return digest

    def barrier(self) -> Future[None]:
        """Done when everything queued so far is on disk; fails with StorageError when it is not."""
        return self._writer.barrier()

    def append(self, seq: int, event: Event, commands: Sequence[Command] = ()) -> None:
        """Write an input and its commands: on disk when this returns. StorageError when that fails."""
        self.put_event(seq, event)
        self.put_commands(seq, event.ts_ns, commands)
        try:
            self.barrier().result(DISK_ANSWERS_WITHIN_S)
        except TimeoutError:
            raise StorageError(
                f"journal {self.path}: the disk did not answer within {DISK_ANSWERS_WITHIN_S:.0f} s"
            ) from None

    @property
    def broken(self) -> str:
        """Why records may not be on disk; empty when all is well."""
        return self._writer.broken

    def close(self) -> bool:
        """Write what is left; False when that failed (the file stays sound)."""
        complete = self._writer.close()
        if self._writer.ended:
            self._connection.close()
        return complete

    def _put(self, seq: int, part: int, ts_ns: int, kind: RecordKind, payload: bytes) -> None:
        self._writer.put((_RECORD, (seq, part, ts_ns, kind.value, payload, zlib.crc32(payload))))

    def _store(self, rows: Sequence[Row]) -> None:
        """One transaction: all of the rows, or none and StorageError."""
        with guarded(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in rows:
                    self._connection.execute(statement, values)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
