"""Journal and tape together: every input the engine had, in the order it had them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from msgspec import Struct

from contractdesk.domain.commands import Command
from contractdesk.domain.events import Event, TimePassed
from contractdesk.errors import StorageError
from contractdesk.storage.journal_reader import NO_END, JournalReader, Record, RecordKind
from contractdesk.storage.tape import read_tape
from contractdesk.storage.tape_file import TapeHeader, TornTail, first_seq_of, read_header, segments

Input = tuple[int, Event]


def read_inputs(
    journal: JournalReader,
    tape: Path,
    from_seq: int = 0,
    torn: list[TornTail] | None = None,
    until_seq: int = NO_END,
) -> Iterator[Input]:
    """The inputs of both from ``from_seq`` on, before ``until_seq``, as (seq, event) by seq.

    StorageError at damage.
    """
    asked = journal.events(from_seq, until_seq)
    return heapq.merge(asked, read_tape(tape, from_seq, torn, until_seq), key=itemgetter(0))


class Step(Struct, frozen=True):
    """One input, and what the record has of its consequences."""

    seq: int
    told: Event | None  # None: lost, and only what came of it is on record
    rows: tuple[Record, ...]  # its commands

    @property
    def whole(self) -> bool:
        return self.told is not None

    @property
    def event(self) -> Event:
        """The input; that its time has come, where it is lost itself."""
        return self.told or TimePassed(ts_ns=self.rows[0].ts_ns)

    @property
    def answer(self) -> list[Command]:
        """What the engine wanted done because of it, in order; StorageError where that is damaged."""
        return [row.command for row in self.rows]


def steps(journal: JournalReader, tape: Path, spans: Iterable[range]) -> Iterator[Step]:
    """The inputs within ``spans``, and those that are lost but had consequences; StorageError at damage."""
    for span in spans:
        told = ((record.seq, record) for record in journal.records(span.start, span.stop))
        heard = read_tape(tape, span.start, None, span.stop)
        both: Iterator[tuple[int, Record | Event]] = heapq.merge(heard, told, key=itemgetter(0))
        for seq, found in groupby(both, key=itemgetter(0)):
            event: Event | None = None
            rows = []
            for _, each in found:
                if not isinstance(each, Record):
                    event = each
                elif each.kind is RecordKind.EVENT:
                    event = each.event
                else:
                    rows.append(each)
            yield Step(seq, event, tuple(rows))


def without_holes(inputs: Iterable[Input]) -> Iterator[Input]:
    """The same inputs; StorageError where a number is missing (a torn tape, a deleted segment)."""
    expected: int | None = None
    for seq, event in inputs:
        if expected is not None and seq != expected:
            raise StorageError(
                f"inputs {expected} to {seq - 1} are missing: the tape ends early there, or was deleted; "
                "replay from a later checkpoint"
            )
        expected = seq + 1
        yield seq, event


def checkpoints(tape: Path) -> list[TapeHeader]:
    """The headers with a checkpoint, oldest first: the points from which a replay can begin."""
    headers = []
    for path in segments(tape):
        with suppress(EOFError):  # torn before it said anything
            headers.append(read_header(path))
    return [header for header in headers if header.checkpoint]


def last_checkpoint(tape: Path, within: Sequence[range]) -> TapeHeader | None:
    """The newest header with a checkpoint whose number lies in one of the ranges; no other one is read."""
    for path in reversed(segments(tape)):
        if any(first_seq_of(path) in numbers for numbers in within):
            with suppress(EOFError):
                header = read_header(path)
                if header.checkpoint:
                    return header
    return None
