"""What a channel of a symbol is, and the book's: each keeps itself whole and proves that it is alive.

A channel is fed facts by its stream and is served by a task of its own (``serve``, at least each tick),
which reads over REST whatever is missing. What it reads and receives it emits, in order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.domain.events import ChannelAlive, Event, StreamName
from contractdesk.domain.instrument import Instrument
from contractdesk.venues.binance.api import BinanceApi
from contractdesk.venues.binance.codec_market import SymbolFact
from contractdesk.venues.book_sync import BookSync, DepthDelta

BOOK_SILENCE_NS = NS_PER_S  # then it is asked whether anything was missed
PATIENCE_NS = NS_PER_S // 2  # between a suspicion and the verdict


class Polls(Struct, frozen=True, kw_only=True):
    """How often is read what no stream tells."""

    open_interest_s: float = 45.0
    settlements_s: float = 60.0


AT_HOME = Polls(open_interest_s=2.0, settlements_s=2.0)  # a venue on this host: its weight costs nobody


class Host(Protocol):
    """What a channel sees of its symbol's feed."""

    instrument: Instrument
    api: BinanceApi
    clock: Clock
    polls: Polls

    def emit(self, event: Event) -> None: ...

    def tell_again(self, history: Iterable[Event], reason: str) -> None:
        """Emit what was told already, from further back: the symbol is not ready while it is being told."""
        ...

    def wake(self) -> None:
        """Serve the channels now rather than at the next tick."""
        ...

    def dead(self, stream: StreamName, reason: str) -> None:
        """The stream delivers nothing although the venue has more: reconnect."""
        ...


class Channel(Protocol):
    """See the module."""

    @property
    def name(self) -> str: ...

    @property
    def stream(self) -> StreamName: ...

    @property
    def topics(self) -> tuple[str, ...]: ...

    @property
    def whole(self) -> bool:
        """True when nothing is missing."""
        ...

    @property
    def due(self) -> bool:
        """True while history that was asked for besides is being read: a ready symbol stays ready."""
        ...

    def on_up(self) -> None:
        """The stream delivers (again): what came before may be missing."""
        ...

    def on_down(self, reason: str) -> None: ...

    def on_fact(self, fact: SymbolFact) -> None: ...

    async def serve(self) -> None:
        """Read what is missing, prove life; VenueError: tried again later."""
        ...


class Silence:
    """How long a channel has said nothing, and whether the venue had something to say meanwhile."""

    def __init__(self, clock: Clock, limit_ns: int) -> None:
        self._clock = clock
        self._limit_ns = limit_ns
        self._heard_ns = clock.monotonic_ns()
        self._suspected_ns: int | None = None

    def heard(self) -> None:
        self._heard_ns, self._suspected_ns = self._clock.monotonic_ns(), None

    @property
    def too_long(self) -> bool:
        """True when it is time to ask."""
        since = self._heard_ns if self._suspected_ns is None else self._suspected_ns + PATIENCE_NS
        limit = self._limit_ns if self._suspected_ns is None else 0
        return self._clock.monotonic_ns() - since >= limit

    def suspect(self) -> bool:
        """The venue is ahead of what was heard; True when it was so before, too: dead."""
        if self._suspected_ns is not None:
            return True
        self._suspected_ns = self._clock.monotonic_ns()
        return False


class BookChannel:
    """Depth at 100 ms, spliced with a snapshot."""

    name = "book"
    stream = StreamName.PUBLIC
    due = False

    def __init__(self, host: Host) -> None:
        self.topics = (f"{host.instrument.venue_symbol.lower()}@depth@100ms",)
        self.sync = BookSync(host.instrument.symbol)
        self._host = host
        self._delivering = False
        self._silence = Silence(host.clock, BOOK_SILENCE_NS)

    @property
    def whole(self) -> bool:
        return self.sync.live

    def on_up(self) -> None:
        self._delivering = True
        self._silence.heard()

    def on_down(self, reason: str) -> None:
        self._delivering = False
        self._emit_all(self.sync.on_lost(reason, self._host.clock.now_ns()))

    def on_fact(self, fact: SymbolFact) -> None:
        if not isinstance(fact, DepthDelta):
            return
        self._silence.heard()
        self._emit_all(self.sync.on_delta(fact, self._host.clock.now_ns()))
        if self.sync.wants_snapshot:
            self._host.wake()

    def on_spoilt(self, reason: str) -> None:
        """No message is missing, and yet what they have made cannot be the venue's book."""
        self._emit_all(self.sync.on_lost(reason, self._host.clock.now_ns()))
        self._host.wake()

    async def serve(self) -> None:
        if not self._delivering:
            return
        if self.sync.wants_snapshot:
            snapshot = await self._host.api.depth(self._host.instrument)
            self._emit_all(self.sync.on_snapshot(snapshot, self._host.clock.now_ns()))
        elif self._silence.too_long:
            await self._probe()

    async def _probe(self) -> None:
        host = self._host
        theirs = await host.api.depth_id(host.instrument.venue_symbol)
        if theirs <= self.sync.last_id:
            self._silence.heard()
            host.emit(ChannelAlive(ts_ns=host.clock.now_ns(), symbol=self.sync.symbol, channel=self.name))
        elif self._silence.too_long and self._silence.suspect():
            host.dead(self.stream, f"the book of {self.sync.symbol} went on without us")

    def _emit_all(self, events: tuple[Event, ...]) -> None:
        for event in events:
            self._host.emit(event)
