"""The two public sockets, and the way of a frame from there to its symbol's feed.

Depth frames go through the compiled scanner; whatever it does not understand to the last byte goes to
the typed codec, and what that does not understand is put aside and counted.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from contractdesk.clock import NS_PER_MS, Clock
from contractdesk.domain.events import StreamLost, StreamName, StreamRestored
from contractdesk.domain.instrument import Instrument
from contractdesk.errors import VenueProtocolError
from contractdesk.venues.backoff import Backoff
from contractdesk.venues.base import Emit
from contractdesk.venues.binance.codec_market import Ack, SymbolFact, decode_market
from contractdesk.venues.binance.feed import SymbolFeed
from contractdesk.venues.binance.product import USDM, Product
from contractdesk.venues.book_sync import DepthDelta
from contractdesk.venues.scanner import DepthScanner
from contractdesk.venues.streams import Stream, StreamTimes
from contractdesk.venues.transport import NETWORK, Transport

log = logging.getLogger(__name__)


class MarketStreams:
    """Owns both sockets, whose paths are the product's; the feeds are the venue's."""

    def __init__(
        self,
        clock: Clock,
        emit: Emit,
        by_venue: Mapping[str, Instrument],
        feeds: Mapping[str, SymbolFeed],
        *,
        ws_url: str,
        backoff: Backoff,
        proxy: bool,
        times: StreamTimes | None,
        product: Product = USDM,
        transport: Transport = NETWORK,
    ) -> None:
        """``by_venue`` by the venue's symbol, ``feeds`` by the unified one; both may change in place."""
        self._clock = clock
        self._emit = emit
        self._by_venue = by_venue
        self._feeds = feeds
        self._restored: set[StreamName] = set()
        self._scanners: dict[bytes, tuple[str, DepthScanner]] = {}  # by how its frames begin
        self.quarantined: Counter[str] = Counter()
        self.scanned = 0
        paths = {StreamName.PUBLIC: product.public_path, StreamName.MARKET: product.market_path}
        self.streams = {
            name: Stream(
                name.value, self._at(ws_url + path), self._reader(name),
                self._up(name), self._down(name), clock=clock, backoff=backoff, proxy=proxy, times=times,
                transport=transport,
            )
            for name, path in paths.items()
        }  # fmt: skip

    async def stop(self) -> None:
        for stream in self.streams.values():
            await stream.stop()

    def scan(self, instrument: Instrument) -> None:
        """Read this instrument's depth frames with the compiled scanner from now on."""
        begin = f'{{"stream":"{instrument.venue_symbol.lower()}@depth'.encode()
        scanner = DepthScanner(instrument.venue_symbol, instrument.tick_size, instrument.lot_size)
        self._scanners[begin] = (instrument.symbol, scanner)

    # -- frames ----------------------------------------------------------------------------

    def _reader(self, name: StreamName) -> Callable[[bytes], None]:
        def read(frame: bytes) -> None:
            delta = self._scan(frame) if name is StreamName.PUBLIC else None
            if delta is not None:
                self._deliver(delta.symbol, delta)
                return
            try:
                fact = decode_market(frame, self._by_venue, self._clock.now_ns())
            except VenueProtocolError as unfit:
                self._put_aside(unfit)
                return
            if isinstance(fact, Ack):
                self.streams[name].acknowledge(fact.id, fact.error)
            elif fact is not None:
                self._deliver(fact.symbol, fact)

        return read

    def _scan(self, frame: bytes) -> DepthDelta | None:
        found = self._scanners.get(frame[: frame.find(b"@depth") + 6])
        if found is None:
            return None
        symbol, scanner = found
        depth = scanner.scan(frame)
        if depth is None or depth.snapshot:
            return None
        self.scanned += 1
        return DepthDelta(
            symbol=symbol,
            first_id=depth.first_id,
            last_id=depth.last_id,
            previous_id=depth.prev_id,
            bids=depth.bids,
            asks=depth.asks,
            venue_ns=depth.match_ms * NS_PER_MS,
        )

    def _deliver(self, symbol: str, fact: SymbolFact) -> None:
        feed = self._feeds.get(symbol)
        if feed is not None:
            feed.on_fact(fact)

    def _put_aside(self, unfit: VenueProtocolError) -> None:
        kind = type(unfit.__cause__).__name__
        self.quarantined[kind] += 1
        log.warning("a frame was put aside (%s, %d so far)", kind, self.quarantined[kind])

    # -- connections -----------------------------------------------------------------------

    def _at(self, url: str) -> Callable[[], Awaitable[str]]:
        async def address() -> str:
            return url

        return address

    def _up(self, name: StreamName) -> Callable[[], None]:
        def up() -> None:
            self._restored.add(name)
            self._emit(StreamRestored(ts_ns=self._clock.now_ns(), stream=name))

        return up

    def _down(self, name: StreamName) -> Callable[[str], None]:
        def down(reason: str) -> None:
            if name in self._restored:
                self._restored.discard(name)
                self._emit(StreamLost(ts_ns=self._clock.now_ns(), stream=name, reason=reason))
            for feed in list(self._feeds.values()):
                feed.on_down(name, reason)

        return down
