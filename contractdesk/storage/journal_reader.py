"""Reading a journal: also one that another process is writing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec import Struct

from contractdesk.domain.commands import Command
from contractdesk.domain.events import Event
from contractdesk.errors import StorageDamaged, StorageError
from contractdesk.storage.codec import decode_command, decode_event
from contractdesk.storage.journal_file import check, guarded, open_for_reading

NO_END = 1 << 62  # above the number of every input
_HAS_SESSIONS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sessions'"


class RecordKind(Enum):
    EVENT = "event"
    COMMAND = "command"


class Record(Struct, frozen=True):
    """One row: an input (part 0), or a command that was the answer to input ``seq`` (part 1, 2, ..)."""

    seq: int
    part: int
    ts_ns: int  # of the input
    kind: RecordKind
    payload: bytes

    @property
    def event(self) -> Event:
        """StorageError when it is not one."""
        return decode_event(self.payload)

    @property
    def command(self) -> Command:
        """StorageError when it is not one."""
        return decode_command(self.payload)


class SessionMeta(Struct, frozen=True, kw_only=True):
    """Who wrote from ``first_seq`` on, with what code and settings. No secret has a place here."""

    first_seq: int
    opened_ns: int
    desk: str
    account: str
    code_version: str
    settings: bytes  # the engine's configuration, as its owner encodes it


def spans_of(sessions: Sequence[SessionMeta], account: str) -> list[range]:
    """The numbers that each session on ``account`` wrote, of ``sessions`` in their order."""
    ends = [*(meta.first_seq for meta in sessions[1:]), NO_END]
    pairs = zip(sessions, ends, strict=False)  # one end is too many where there are none
    return [range(meta.first_seq, end) for meta, end in pairs if meta.account == account]


class JournalReader:
    """A read-only view; several may be open at once. StorageError where the file is unfit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = open_for_reading(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def records(self, from_seq: int = 0, until_seq: int = NO_END) -> Iterator[Record]:
        """All records from input ``from_seq`` on, before ``until_seq``, in order; StorageError at one that
        is damaged.
        """
        return self._selected("seq >= ? AND seq < ?", (from_seq, until_seq))

    def events(self, from_seq: int = 0, until_seq: int = NO_END) -> Iterator[tuple[int, Event]]:
        """The inputs with their numbers."""
        return ((r.seq, r.event) for r in self.records(from_seq, until_seq) if r.kind is RecordKind.EVENT)

    def events_named(self, names: Sequence[str], from_seq: int = 0) -> Iterator[tuple[int, Event]]:
        """The inputs of these classes alone: SQLite looks for the names, the others are not decoded."""
        mentioned = " OR ".join("instr(payload, CAST(? AS BLOB)) > 0" for _ in names)
        for record in self._selected(f"seq >= ? AND part = 0 AND ({mentioned})", (from_seq, *names)):
            event = record.event
            if type(event).__name__ in names:  # the word may stand elsewhere in a record
                yield record.seq, event

    def _selected(self, where: str, values: tuple[Any, ...]) -> Iterator[Record]:
        query = (
            "SELECT seq, part, ts_ns, kind, CAST(payload AS BLOB), crc FROM records "  # noqa: S608  (our own)
            f"WHERE {where} ORDER BY seq, part"
        )
        with guarded(self.path):
            for seq, part, ts_ns, kind, payload, crc in self._connection.execute(query, values):
                if zlib.crc32(payload) != crc:
                    raise StorageDamaged(
                        f"journal {self.path}: record {seq}.{part} is damaged; what is before it can be "
                        f"used, what is after it read with from_seq={seq + 1}"
                    )
                yield Record(seq, part, ts_ns, RecordKind(kind), payload)

    def commands(self, from_seq: int = 0) -> Iterator[tuple[int, Command]]:
        """The commands with the numbers of the inputs that caused them."""
        return ((r.seq, r.command) for r in self.records(from_seq) if r.kind is RecordKind.COMMAND)

    def sessions(self) -> list[SessionMeta]:
        """Every opening of the desk, oldest first; StorageError where one cannot be read."""
        with guarded(self.path):
            if not self._connection.execute(_HAS_SESSIONS).fetchone():
                return []  # its maker was killed before it had made the tables
            rows = self._connection.execute(
                "SELECT meta FROM sessions ORDER BY first_seq, opened_ns"
            ).fetchall()
        try:
            return [msgspec.msgpack.decode(meta, type=SessionMeta) for (meta,) in rows]
        except msgspec.MsgspecError as exc:
            raise StorageError(
                f"journal {self.path}: a session cannot be read ({exc}): it is damaged, or was written by "
                "another version of contractdesk"
            ) from exc

    def source(self, digest: str) -> str:
        """The source of a strategy by its sha256; StorageError where the journal has it not."""
        with guarded(self.path):
            row = self._connection.execute(
                "SELECT source FROM sources WHERE sha256 = ?", (digest,)
            ).fetchone()
        if row is None:
            raise StorageError(f"journal {self.path} has no strategy source {digest[:12]}")
        return str(row[0])

    def sources(self) -> dict[str, str]:
        """All sources, by sha256."""
        with guarded(self.path):
            return dict(self._connection.execute("SELECT sha256, source FROM sources"))

    @property
    def last_seq(self) -> int:
        """The number of the last input that has a record; 0 where there is none."""
        with guarded(self.path):
            (last,) = self._connection.execute("SELECT max(seq) FROM records").fetchone()
        return last or 0

    @property
    def last_begun(self) -> int:
        """From which number on the last session wrote, though nothing of it may be here; 0: there is none."""
        with guarded(self.path):
            (last,) = self._connection.execute("SELECT max(first_seq) FROM sessions").fetchone()
        return last or 0

    def verify(self) -> int:
        """Read and check everything; returns the number of records. StorageError when damaged."""
        with guarded(self.path):
            check(self._connection, self.path)
        return sum(1 for _ in self.records())

    def close(self) -> None:
        self._connection.close()
