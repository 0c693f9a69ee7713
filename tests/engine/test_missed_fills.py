"""From when on fills are read: an older one that was missed is booked, whatever was streamed since."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from contractdesk.domain.account import VenuePosition
from contractdesk.domain.commands import PlaceStop, ReadVenueState
from contractdesk.domain.events import (
    ClockMeasured,
    InstrumentListed,
    ReadFailed,
    StreamLost,
    StreamName,
    StreamRestored,
)
from contractdesk.engine.checkpoint import decode_desk
from contractdesk.engine.core import OVERLAP_NS, fills_since_ns
from contractdesk.engine.engine import Engine
from contractdesk.engine.state import Desk
from tests.engine.bench import MARK, NS_PER_S, SYMBOL, Bench, D
from tests.engine.test_reconcile import next_picture


def desk_of(bench: Bench) -> Desk:
    return bench.engine._desk


def next_read(bench: Bench) -> ReadVenueState:
    """The next question for everything; it waits for its answer."""
    for _ in range(400):
        reads = [command for command in bench.advance(0.1) if isinstance(command, ReadVenueState)]
        if reads:
            return reads[-1]
    raise AssertionError("nothing was read")


def reopened(bench: Bench, away_s: int) -> None:
    """Its process dies; another one goes on with what it knew, and its stream is up."""
    bench.engine = Engine.restore(bench.engine.checkpoint(), {})
    desk_of(bench).started = False
    bench.now_ns += away_s * NS_PER_S
    bench.feed(StreamLost(ts_ns=bench.now_ns, stream=StreamName.PRIVATE, reason="away"))
    bench.feed(StreamRestored(ts_ns=bench.now_ns, stream=StreamName.PRIVATE))


def test_a_fill_missed_while_the_desk_was_away_is_booked_though_a_newer_one_was_streamed() -> None:
    bench = Bench()
    entry = bench.enter("0.04", limit=D(29_990)).approved.request.client_id
    bench.accept(entry)
    reopened(bench, away_s=300)
    missed = replace(bench.make_fill(entry, "0.03"), venue_ns=bench.now_ns - 200 * NS_PER_S)
    bench.fill(entry, "0.01")
    since_ns = fills_since_ns(desk_of(bench))
    assert since_ns <= missed.venue_ns
    bench.picture(0, D("0.04"), fills=tuple(fill for fill in (missed,) if fill.venue_ns >= since_ns))
    bench.make_ready()
    assert (bench.market.position.size, bench.market.external_size) == (D("0.04"), 0)
    bench.accept(bench.all(PlaceStop)[0].client_id)
    assert bench.last(PlaceStop).size == D("0.04")
    assert "drift" not in bench.codes


def test_it_is_not_missed_while_readings_fail_either() -> None:
    bench = Bench()
    entry = bench.enter("0.04", limit=D(29_990)).approved.request.client_id
    bench.accept(entry)
    missed = bench.make_fill(entry, "0.03")
    for _ in range(60):
        read = next_read(bench)
        bench.feed(ReadFailed(ts_ns=bench.now_ns, request_id=read.request_id, what="state", reason="503"))
    assert bench.now_ns - missed.venue_ns > 2 * OVERLAP_NS
    bench.fill(entry, "0.01")
    assert next_read(bench).fills_since_ns <= missed.venue_ns


def test_the_window_does_not_grow_while_nothing_fills() -> None:
    bench = Bench()
    for _ in range(120):  # an hour
        read = next_read(bench)
        assert bench.now_ns - read.fills_since_ns < OVERLAP_NS + 31 * NS_PER_S
        bench.picture(read.request_id)


def test_it_counts_by_the_venue_s_clock_when_the_account_was_asked_for() -> None:
    bench = Bench()
    bench.feed(ClockMeasured(ts_ns=bench.now_ns, offset_ms=-400.0, rtt_ms=1.0))
    read = next_read(bench)
    asked_ns = bench.now_ns
    bench.now_ns += 5 * NS_PER_S
    bench.picture(read.request_id)
    assert desk_of(bench).fills_known_ns == asked_ns - 400_000_000
    read = next_read(bench)
    bench.picture(read.request_id, account=bench.account(venue_ns=bench.now_ns - 7))
    assert desk_of(bench).fills_known_ns == bench.now_ns - 7


def test_a_clock_that_was_far_ahead_once_is_right_again_with_the_next_reading() -> None:
    bench = Bench()
    read = next_read(bench)
    bench.picture(read.request_id, account=bench.account(venue_ns=bench.now_ns + 3600 * NS_PER_S))
    read = next_read(bench)
    bench.picture(read.request_id, account=bench.account(venue_ns=bench.now_ns))
    assert next_read(bench).fills_since_ns < bench.now_ns - OVERLAP_NS


def test_a_symbol_that_is_listed_with_a_position_has_not_been_read_before() -> None:
    bench = Bench()
    bench.open("0.02")
    filled_ns = desk_of(bench).last_fill_ns
    elsewhere = VenuePosition(
        symbol="ETH/USDT:USDT", size=D(1), entry_price=MARK, unrealized_pnl=D(0), leverage=D(10)
    )
    for _ in range(12):
        held = bench.account(D("0.02"))
        next_picture(bench, "0.02", account=replace(held, positions=(*held.positions, elsewhere)))
    assert fills_since_ns(desk_of(bench)) > filled_ns
    listed = replace(bench.market.instrument, symbol="ETH/USDT:USDT", venue_symbol="ETHUSDT")
    bench.feed(InstrumentListed(ts_ns=bench.now_ns, instrument=listed))
    assert next_read(bench).fills_since_ns == filled_ns - OVERLAP_NS
    assert bench.market.instrument.symbol == SYMBOL


def test_a_checkpoint_of_the_version_before_reads_from_its_newest_fill() -> None:
    bench = Bench()
    bench.open("0.02")
    before = msgspec.msgpack.decode(bench.engine.checkpoint())
    before["version"] = 3
    del before["desk"]["fills_known_ns"]
    desk = decode_desk(msgspec.msgpack.encode(before))
    assert desk.fills_known_ns == desk.last_fill_ns == bench.now_ns
