"""Journal and tape together: every input the engine had, in the order it had them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from operator import itemgetter
from pathlib import Path

from contractdesk.domain.events import Event
from contractdesk.errors import StorageError
from contractdesk.storage.journal_reader import NO_END, JournalReader
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
