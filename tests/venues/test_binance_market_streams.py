"""From frames to feeds: the compiled scanner and the typed codec agree, and garbage is put aside."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from contractdesk.clock import ManualClock
from contractdesk.domain.events import Event, StreamName
from contractdesk.venues.backoff import Backoff
from contractdesk.venues.binance.codec_market import SymbolFact, decode_market
from contractdesk.venues.binance.market_streams import MarketStreams
from contractdesk.venues.book_sync import DepthDelta

from .captures import AUGUST_2024, frames, is_stream
from .rig import live
from .terms import BTCUSDT, INSTRUMENTS

GARBAGE = [b"", b"{}", b"\xff", b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1}}', b"[1]"]


class Listener:
    """Stands where a feed stands."""

    def __init__(self) -> None:
        self.facts: list[SymbolFact] = []

    def on_fact(self, fact: SymbolFact) -> None:
        self.facts.append(fact)


def streams(listener: Listener) -> MarketStreams:
    events: list[Event] = []
    feeds = {BTCUSDT.symbol: listener}
    backoff = Backoff(base_s=1, cap_s=1, random=lambda: 0.5)
    return MarketStreams(
        ManualClock(1), events.append, INSTRUMENTS, feeds,  # type: ignore[arg-type]
        ws_url="ws://nowhere", backoff=backoff, proxy=False, times=None,
    )  # fmt: skip


def depth_frames(recordings: Path) -> Iterator[bytes]:
    return (frame for frame in frames(recordings, AUGUST_2024) if is_stream(frame) and b"@depth" in frame)


@pytest.mark.recording
@live
async def test_scanner_and_codec_read_the_same_deltas(recordings: Path) -> None:
    listener = Listener()
    market = streams(listener)
    market.scan(BTCUSDT)
    read = market._reader(StreamName.PUBLIC)
    given = list(islice(depth_frames(recordings), 3_000))
    for frame in given:
        read(frame)
    assert market.scanned == len(given), "the fast path took them all"
    assert listener.facts == [decode_market(frame, INSTRUMENTS, 1) for frame in given]


@live
async def test_garbage_is_counted_and_what_follows_is_read() -> None:
    listener = Listener()
    market = streams(listener)
    market.scan(BTCUSDT)
    read = market._reader(StreamName.PUBLIC)
    for frame in GARBAGE:
        read(frame)
    assert market.quarantined.total() == len(GARBAGE)
    read(
        b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":1,"u":2,'
        b'"pu":0,"b":[["1.0","1.000"]],"a":[]}}'
    )
    assert [type(fact) for fact in listener.facts] == [DepthDelta]
