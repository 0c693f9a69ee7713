"""Journal and tape together: every input the engine had, in the order it had them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from contextlib import suppress
from operator import itemgetter
from pathlib import Path

from contractdesk.domain.events import Event
from contractdesk.errors import StorageError
from contractdesk.storage.journal_reader import JournalReader
from contractdesk.storage.tape import read_tape
from contractdesk.storage.tape_file import TapeHeader, TornTail, read_header, segments

Input = tuple[int, Event]


def read_inputs(
    journal: JournalReader, tape: Path, from_seq: int = 0, torn: list[TornTail] | None = None
) -> Iterator[Input]:
    """The inputs of both from ``from_seq`` on, as (seq, event) by seq. StorageError at damage."""
    return heapq.merge(journal.events(from_seq), read_tape(tape, from_seq, torn), key=itemgetter(0))


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
