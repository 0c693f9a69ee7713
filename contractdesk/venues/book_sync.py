"""Splices a REST snapshot into a stream of depth deltas, and sees every gap at the next message.

Pure: deltas and snapshots in, events out. The rules are Binance's ("How to manage a local order book
correctly", https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams):
buffer, drop what the snapshot holds, bridge it, then each delta names its predecessor (``pu``).
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from contractdesk.domain.events import BookChanged, BookInvalidated, BookSnapshotRead

DEFAULT_CAPACITY = 2_000  # deltas: over three minutes at one each 100 ms


class DepthDelta(Struct, frozen=True, kw_only=True):
    """Absolute lots at ticks (packed), with the sequence numbers that prove continuity."""

    symbol: str
    first_id: int
    last_id: int
    previous_id: int  # last_id of the delta before this one
    bids: bytes
    asks: bytes
    venue_ns: int


class DepthSnapshot(Struct, frozen=True, kw_only=True):
    """A whole book as of ``update_id``; packed levels."""

    symbol: str
    update_id: int
    bids: bytes
    asks: bytes
    venue_ns: int = 0


BookEvent = BookSnapshotRead | BookChanged | BookInvalidated
NOTHING: tuple[BookEvent, ...] = ()


class BookSync:
    """One symbol's sequence machine: waiting for a snapshot, or live.

    ``wants_snapshot`` asks the owner to read one; it stays True until one fits. Law: applying the
    emitted events yields the venue's book at ``last_id``, or the book is invalid.
    """

    def __init__(self, symbol: str, capacity: int = DEFAULT_CAPACITY) -> None:
        self.symbol = symbol
        self.wants_snapshot = True
        self.last_id = 0  # the venue's update id that the emitted book stands at
        self.gaps = 0
        self._buffer: deque[DepthDelta] = deque(maxlen=capacity)  # full: the oldest goes, and is re-read
        self._bridged = False  # False: the snapshot has been taken, and no later delta seen yet

    @property
    def live(self) -> bool:
        """True while the emitted book is the venue's."""
        return not self.wants_snapshot

    def on_delta(self, delta: DepthDelta, ts_ns: int) -> tuple[BookEvent, ...]:
        """A delta of the stream: passed on, buffered, dropped as old, or the proof of a gap."""
        if self.wants_snapshot:
            self._buffer.append(delta)
            return NOTHING
        if delta.last_id <= self.last_id:  # a repeat, or already in the snapshot
            return NOTHING
        if not self._follows(delta):
            self.gaps += 1
            lost = f"expected the delta after {self.last_id}, got the one after {delta.previous_id}"
            events = self.on_lost(lost, ts_ns)
            self._buffer.append(delta)
            return events
        return (self._advance(delta, ts_ns),)

    def on_snapshot(self, snapshot: DepthSnapshot, ts_ns: int) -> tuple[BookEvent, ...]:
        """A snapshot read from REST; nothing comes out when it is too old for what is buffered."""
        later = [delta for delta in self._buffer if delta.last_id > snapshot.update_id]
        if not self.wants_snapshot or (later and later[0].previous_id > snapshot.update_id):
            return NOTHING
        self.wants_snapshot, self._bridged = False, False
        self.last_id = snapshot.update_id
        self._buffer.clear()
        events: list[BookEvent] = [
            BookSnapshotRead(
                ts_ns=ts_ns,
                symbol=self.symbol,
                update_id=snapshot.update_id,
                bids=snapshot.bids,
                asks=snapshot.asks,
                venue_ns=snapshot.venue_ns,
            )
        ]
        for delta in later:  # a hole among the buffered ones ends it here, and asks anew
            events.extend(self.on_delta(delta, ts_ns))
        return tuple(events)

    def on_lost(self, reason: str, ts_ns: int) -> tuple[BookEvent, ...]:
        """The stream is gone, or cannot be trusted: forget the book, ask for a snapshot."""
        was_live = self.live
        self.wants_snapshot, self.last_id = True, 0
        self._buffer.clear()
        return (BookInvalidated(ts_ns=ts_ns, symbol=self.symbol, reason=reason),) if was_live else NOTHING

    def _follows(self, delta: DepthDelta) -> bool:
        if self._bridged:
            return delta.previous_id == self.last_id
        # The first delta after a snapshot may overlap it: its levels are absolute, so that is exact.
        return delta.previous_id <= self.last_id

    def _advance(self, delta: DepthDelta, ts_ns: int) -> BookChanged:
        self._bridged, self.last_id = True, delta.last_id
        return BookChanged(
            ts_ns=ts_ns,
            symbol=self.symbol,
            first_id=delta.first_id,
            last_id=delta.last_id,
            bids=delta.bids,
            asks=delta.asks,
            venue_ns=delta.venue_ns,
        )
