"""The splice and gap machine against a venue's book that is kept independently, as dicts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.domain.events import BookChanged, BookInvalidated, BookSnapshotRead
from contractdesk.domain.market import pack_levels, unpack_levels
from contractdesk.venues.binance.codec_market import decode_market, decode_snapshot
from contractdesk.venues.book_sync import BookEvent, BookSync, DepthDelta, DepthSnapshot

from .captures import ACROSS_THE_SETTLEMENT, frames, is_stream
from .terms import BTCUSDT, INSTRUMENTS

SYMBOL = BTCUSDT.symbol
Side = dict[int, int]


class DictBook:
    """A book as two dicts: the witness."""

    def __init__(self) -> None:
        self.bids: Side = {}
        self.asks: Side = {}
        self.update_id = 0
        self.valid = False

    def put(self, bids: bytes, asks: bytes, update_id: int) -> None:
        for side, packed in ((self.bids, bids), (self.asks, asks)):
            for tick, lots in unpack_levels(packed):
                if lots:
                    side[tick] = lots
                else:
                    side.pop(tick, None)
        self.update_id, self.valid = update_id, True

    def follow(self, events: Iterable[BookEvent]) -> None:
        for event in events:
            match event:
                case BookSnapshotRead():
                    self.bids, self.asks = {}, {}
                    self.put(event.bids, event.asks, event.update_id)
                case BookChanged():
                    assert self.valid, "a change of a book that is not valid"
                    self.put(event.bids, event.asks, event.last_id)
                case BookInvalidated():
                    self.bids, self.asks, self.valid = {}, {}, False

    def snapshot(self) -> DepthSnapshot:
        return DepthSnapshot(
            symbol=SYMBOL,
            update_id=self.update_id,
            bids=pack_levels(self.bids.items()),
            asks=pack_levels(self.asks.items()),
        )

    @property
    def crossed(self) -> bool:
        return bool(self.bids and self.asks) and max(self.bids) >= min(self.asks)

    def same(self, other: DictBook) -> bool:
        return (self.bids, self.asks, self.update_id) == (other.bids, other.asks, other.update_id)


def delta(previous: int, last: int, bids: Side, asks: Side) -> DepthDelta:
    return DepthDelta(
        symbol=SYMBOL,
        first_id=previous + 1,
        last_id=last,
        previous_id=previous,
        bids=pack_levels(bids.items()),
        asks=pack_levels(asks.items()),
        venue_ns=0,
    )


LEVELS = st.dictionaries(st.integers(1, 12), st.integers(0, 3), max_size=4)
DELTAS = st.lists(st.tuples(st.integers(1, 5), LEVELS, LEVELS), min_size=1, max_size=40)
FATE = st.sampled_from(["pass", "pass", "pass", "drop", "repeat", "late"])


@given(DELTAS, st.lists(FATE, min_size=40, max_size=40), st.data())
def test_the_book_is_the_venues_or_invalid(
    deltas: list[tuple[int, Side, Side]], fates: list[str], data: st.DataObject
) -> None:
    sync, venue, ours = BookSync(SYMBOL), DictBook(), DictBook()
    old = [venue.snapshot()]
    previous = last_id = 100
    venue.update_id = previous
    sent: list[DepthDelta] = []
    for (step, bids, asks), fate in zip(deltas, fates, strict=False):
        last_id += step
        item = delta(previous, last_id, bids, asks)
        venue.put(item.bids, item.asks, item.last_id)
        previous = last_id
        old.append(venue.snapshot())
        if fate != "drop":
            ours.follow(sync.on_delta(item, 0))
            sent.append(item)
        if fate == "repeat" and sent:
            ours.follow(sync.on_delta(data.draw(st.sampled_from(sent)), 0))
        if sync.wants_snapshot and data.draw(st.booleans()):
            lag = data.draw(st.integers(0, min(3, len(old) - 1)))
            ours.follow(sync.on_snapshot(old[-1 - lag], 0))
        assert sync.live == ours.valid
        if sync.live:
            expected = next(s for s in old if s.update_id == ours.update_id)
            assert ours.snapshot().update_id == sync.last_id
            assert dict(unpack_levels(expected.bids)) == ours.bids
            assert dict(unpack_levels(expected.asks)) == ours.asks


def test_a_gap_is_seen_at_the_next_message_and_healed_by_a_snapshot() -> None:
    sync = BookSync(SYMBOL)
    assert sync.on_snapshot(DepthSnapshot(symbol=SYMBOL, update_id=10, bids=b"", asks=b""), 0)
    assert [type(e) for e in sync.on_delta(delta(9, 12, {1: 1}, {}), 0)] == [BookChanged]
    (lost,) = sync.on_delta(delta(15, 17, {2: 1}, {}), 5)
    assert isinstance(lost, BookInvalidated)
    assert lost.ts_ns == 5
    assert sync.wants_snapshot
    assert sync.on_delta(delta(17, 18, {3: 1}, {}), 6) == ()
    healed = sync.on_snapshot(DepthSnapshot(symbol=SYMBOL, update_id=16, bids=b"", asks=b""), 7)
    assert [type(e) for e in healed] == [BookSnapshotRead, BookChanged, BookChanged]
    assert sync.last_id == 18


def test_a_snapshot_older_than_the_buffer_is_refused() -> None:
    sync = BookSync(SYMBOL)
    sync.on_delta(delta(20, 22, {}, {}), 0)
    assert sync.on_snapshot(DepthSnapshot(symbol=SYMBOL, update_id=19, bids=b"", asks=b""), 0) == ()
    assert sync.wants_snapshot
    assert sync.on_snapshot(DepthSnapshot(symbol=SYMBOL, update_id=20, bids=b"", asks=b""), 0)


def test_the_buffer_is_bounded_and_a_fresh_snapshot_heals_what_it_lost() -> None:
    sync = BookSync(SYMBOL, capacity=3)
    for last in range(1, 10):
        sync.on_delta(delta(last - 1, last, {last: 1}, {}), 0)
    assert sync.on_snapshot(DepthSnapshot(symbol=SYMBOL, update_id=2, bids=b"", asks=b""), 0) == ()
    assert sync.on_snapshot(DepthSnapshot(symbol=SYMBOL, update_id=7, bids=b"", asks=b""), 0)
    assert sync.last_id == 9


@pytest.mark.recording
def test_the_recorded_book_is_gapless_never_crossed_and_equal_to_the_witness(recordings: Path) -> None:
    sync, ours, witness = BookSync(SYMBOL), DictBook(), DictBook()
    snapshot: DepthSnapshot | None = None
    seen: list[DepthDelta] = []
    for frame in frames(recordings, *ACROSS_THE_SETTLEMENT):
        if not is_stream(frame):
            snapshot = decode_snapshot(frame, BTCUSDT)
            ours.follow(sync.on_snapshot(snapshot, 0))
        elif isinstance(fact := decode_market(frame, INSTRUMENTS, 0), DepthDelta):
            seen.append(fact)
            ours.follow(sync.on_delta(fact, 0))
            assert not ours.crossed
    assert snapshot is not None
    witness.put(snapshot.bids, snapshot.asks, snapshot.update_id)
    for fact in seen:
        if fact.last_id >= snapshot.update_id:
            witness.put(fact.bids, fact.asks, fact.last_id)
    assert sync.live
    assert sync.gaps == 0
    assert ours.same(witness)


@pytest.mark.recording
def test_each_dropped_message_is_seen_at_once_and_resynced(recordings: Path) -> None:
    sync, ours, witness = BookSync(SYMBOL), DictBook(), DictBook()
    count = dropped = 0
    gap_due = False
    for frame in frames(recordings, *ACROSS_THE_SETTLEMENT):
        if not is_stream(frame):
            snapshot = decode_snapshot(frame, BTCUSDT)
            witness.put(snapshot.bids, snapshot.asks, snapshot.update_id)
            ours.follow(sync.on_snapshot(snapshot, 0))
        elif isinstance(fact := decode_market(frame, INSTRUMENTS, 0), DepthDelta) and witness.valid:
            if fact.last_id < witness.update_id:
                continue
            witness.put(fact.bids, fact.asks, fact.last_id)
            count += 1
            if count % 500 == 0:
                dropped, gap_due = dropped + 1, True
                continue
            events = sync.on_delta(fact, 0)
            ours.follow(events)
            assert gap_due == any(isinstance(event, BookInvalidated) for event in events)
            assert gap_due == sync.wants_snapshot
            if sync.wants_snapshot:
                ours.follow(sync.on_snapshot(witness.snapshot(), 0))
                gap_due = False
            assert ours.same(witness)
    assert sync.gaps == dropped > 20
