"""Recorded depth as a replay takes it: the messages of one market in their order, each sound in its chain.

Deltas that the first snapshot already has in it are left out; one that does not follow the one before makes
the book invalid until the next snapshot.
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/How-to-manage-a-local-order-book-correctly
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import Enum
from typing import assert_never

import numpy as np
import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace

from contractdesk.domain.instrument import Instrument
from contractdesk.errors import StorageError
from contractdesk.replay.ticks import Ints, shortest_delay, whole_ratio
from contractdesk.storage.dataset import Dataset, Rows
from contractdesk.storage.schema import DepthFlag, Kind

COLUMNS = (
    "local_ns", "venue_ns", "seq", "first_id", "last_id", "previous_id", "side", "ticks", "lots", "flags",
    "note",
)  # fmt: skip
_ONCE = ("venue_ns", "local_ns", "first_id", "last_id", "previous_id", "flags", "note")  # equal in a message


MOST_WAITING = 4_096  # deltas that are kept until a snapshot comes


class What(Enum):
    """What a message does to the book."""

    DELTA = "delta"
    SNAPSHOT = "snapshot"
    INVALID = "invalid"


class Message(Struct, frozen=True):
    """One message; ``bids`` and ``asks`` are packed (ticks, lots) levels."""

    venue_ns: int  # never falls
    heard_ns: int  # by the desk: later than ``venue_ns``, and than the message before
    what: What
    bids: bytes = b""
    asks: bytes = b""
    first_id: int = 0
    last_id: int = 0
    previous_id: int = 0
    note: str = ""

    def tells(self, *, bid: bool, ticks: int) -> bool:
        """It says what is at a level now; else that is what it was."""
        if self.what is not What.DELTA:
            return True
        return ticks in memoryview(self.bids if bid else self.asks).cast("q")[::2].tolist()


def read_depth(
    dataset: Dataset, terms: Instrument, *, feed_ns: int, recorded: bool, beside: Dataset
) -> Iterator[list[Message]]:
    """Batches of messages. The recording has to begin with a snapshot, or have one somewhere.

    ``recorded`` takes the delays of the recording, shifted as those of the trades ``beside`` it are: both
    were stamped by the same two clocks. StorageError where it is of another kind or other terms.
    """
    if dataset.series.kind is not Kind.DEPTH:
        raise StorageError(f"{dataset.series} is no depth")
    chain = _Chain()
    shift_ns = feed_ns - shortest_delay(beside) if recorded else 0
    times = _Times(feed_ns, shift_ns, recorded=recorded)
    rest: pa.RecordBatch | None = None
    rows: Rows | None = None
    for rows in dataset.scan(COLUMNS):
        table = rows.data if rest is None else pa.concat_batches([rest, rows.data])
        last = int(_starts(table)[-1])  # the last message may go on in the next batch
        rest = table.slice(last)
        yield _messages(Rows(rows.terms, table.slice(0, last)), terms, times, chain)
    if rest is not None and rows is not None:
        yield _messages(Rows(rows.terms, rest), terms, times, chain)


def _starts(batch: pa.RecordBatch) -> Ints:
    """Where messages begin."""
    seq, local = batch["seq"].to_numpy(), batch["local_ns"].to_numpy()
    return np.flatnonzero(np.concatenate(([True], (np.diff(seq) != 0) | (np.diff(local) != 0))))


def _messages(rows: Rows, terms: Instrument, times: _Times, chain: _Chain) -> list[Message]:
    batch = rows.data
    if not batch.num_rows:
        return []
    starts = _starts(batch)
    ends = np.append(starts[1:], batch.num_rows)
    side = batch["side"].to_numpy()
    middles = starts + np.add.reduceat((side > 0).astype(np.int64), starts)
    ticks = batch["ticks"].to_numpy() * whole_ratio(rows.terms.tick_size, terms.tick_size, rows)
    lots = batch["lots"].to_numpy() * whole_ratio(rows.terms.lot_size, terms.lot_size, rows)
    packed = np.stack([ticks, lots], axis=1).astype("<i8").tobytes()
    once = {name: batch[name].take(pa.array(starts)).to_pylist() for name in _ONCE}
    venue_ns, heard_ns = times.of(np.array(once["venue_ns"]), np.array(once["local_ns"]))
    made: list[Message] = []
    for place, (begin, middle, end) in enumerate(
        zip(starts.tolist(), middles.tolist(), ends.tolist(), strict=True)
    ):
        flags = DepthFlag(once["flags"][place])
        use = not flags & (DepthFlag.EMPTY | DepthFlag.INVALID)
        made += chain.take(
            Message(
                venue_ns=venue_ns[place],
                heard_ns=heard_ns[place],
                what=_what(flags),
                bids=packed[16 * begin : 16 * middle] if use else b"",
                asks=packed[16 * middle : 16 * end] if use else b"",
                first_id=once["first_id"][place],
                last_id=once["last_id"][place],
                previous_id=once["previous_id"][place],
                note=once["note"][place] or "",
            )
        )
    return made


def _what(flags: DepthFlag) -> What:
    if flags & DepthFlag.INVALID:
        return What.INVALID
    return What.SNAPSHOT if flags & DepthFlag.SNAPSHOT else What.DELTA


class _Times:
    """When each message changed the venue's book, and when the desk hears of it."""

    def __init__(self, feed_ns: int, shift_ns: int, *, recorded: bool) -> None:
        self._feed_ns, self._shift_ns, self._recorded = feed_ns, shift_ns, recorded

    def of(self, venue: Ints, local: Ints) -> tuple[list[int], list[int]]:
        """What the venue has not stamped happened when it was heard, less the feed's delay."""
        told = np.where(venue > 0, venue, local + self._shift_ns - self._feed_ns)
        heard = local + self._shift_ns if self._recorded else told + self._feed_ns
        return told.tolist(), heard.tolist()


class _Chain:
    """Lets through what follows, in the order of time, each message heard after the one before.

    A snapshot may be heard after deltas that go on from it: those wait for it.
    """

    def __init__(self) -> None:
        self._last_id = self._venue_ns = self._heard_ns = 0
        self._valid = False
        self._fresh = False  # nothing has come after the snapshot yet
        self._waiting: deque[Message] = deque(maxlen=MOST_WAITING)

    def take(self, message: Message) -> Iterator[Message]:
        """What becomes of a message: itself, nothing yet, or itself and those that waited for it."""
        match message.what:
            case What.INVALID:
                yield from self._break(message, message.note or "the recording says so")
            case What.SNAPSHOT:
                yield from self._begin(message)
            case What.DELTA:
                yield from self._go_on(message)
            case _:
                assert_never(message.what)

    def _begin(self, message: Message) -> Iterator[Message]:
        if self._valid and message.last_id <= self._last_id:
            return  # late: the book is newer
        self._valid = self._fresh = True
        self._last_id = message.last_id
        yield self._timed(message)
        waiting, self._waiting = self._waiting, deque(maxlen=MOST_WAITING)
        for each in waiting:
            yield from self._go_on(each)

    def _go_on(self, message: Message) -> Iterator[Message]:
        if not self._valid:
            self._waiting.append(message)
        elif self._fresh and message.last_id <= self._last_id:
            return  # the snapshot has it
        elif not self._follows(message):
            yield from self._break(message, f"message {message.last_id} does not follow {self._last_id}")
            self._waiting.append(message)
        else:
            self._fresh, self._last_id = False, message.last_id
            yield self._timed(message)

    def _follows(self, message: Message) -> bool:
        if not self._fresh:
            return message.previous_id in (0, self._last_id)
        before = message.previous_id or message.first_id - 1
        return min(before, message.first_id - 1) <= self._last_id

    def _break(self, message: Message, why: str) -> Iterator[Message]:
        self._waiting.clear()
        if self._valid:
            self._valid = False
            yield self._timed(replace(message, what=What.INVALID, bids=b"", asks=b"", note=why))

    def _timed(self, message: Message) -> Message:
        venue_ns = max(message.venue_ns, self._venue_ns)
        heard_ns = max(message.heard_ns, venue_ns + 1, self._heard_ns + 1)
        self._venue_ns, self._heard_ns = venue_ns, heard_ns
        return replace(message, venue_ns=venue_ns, heard_ns=heard_ns)
