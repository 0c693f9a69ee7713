"""The bounded queue between the sockets and the engine.

Two lanes: what concerns orders, the account and the person overtakes the market and is never
dropped. Of the market, a consumer that is behind gets one merged book change a symbol, and of marks
with nothing but book changes between them the latest; where even that overflows (more than any stall has
caused), the symbol's feed is cut off and reported, not thinned: its entries are refused until the desk is
opened again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from msgspec.structs import replace

from contractdesk.domain.events import (
    BookChanged,
    BookInvalidated,
    BookSnapshotRead,
    ChannelAlive,
    Event,
    MarketEvent,
    MarkPriced,
    SymbolNotReady,
)

MARKET_CAPACITY = 20_000  # about 0.5 s of the engine's work
MERGE_LIMIT_BYTES = 1 << 20  # beyond this a merged change is left as it is, and the next one begins
Overflow = Callable[[str], None]


class _Slot:
    """A place in the queue whose event may still be merged with a newer one."""

    __slots__ = ("done", "event")

    def __init__(self, event: Event, done: asyncio.Future[object] | None = None) -> None:
        self.event = event
        self.done = done


class Inbox:
    """Belongs to one loop: all methods are called on it. One consumer."""

    def __init__(self, on_overflow: Overflow, capacity: int = MARKET_CAPACITY) -> None:
        self._urgent: deque[_Slot] = deque()
        self._market: deque[_Slot] = deque()
        self._mergeable: dict[tuple[str, str], _Slot] = {}
        self._cut: set[str] = set()
        self._capacity = capacity
        self._on_overflow = on_overflow
        self._wake = asyncio.Event()
        self.merged = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._urgent) + len(self._market)

    def put(self, event: Event, done: asyncio.Future[object] | None = None) -> None:
        """Queue one event; one whose answer is waited for (``done``) is urgent, whatever it is."""
        if isinstance(event, MarketEvent) and done is None:
            self._put_market(event)
        else:
            self._urgent.append(_Slot(event, done))
        self._wake.set()

    async def get(self) -> tuple[Event, asyncio.Future[object] | None]:
        """The next event, urgent ones first."""
        while not self._urgent and not self._market:
            self._wake.clear()
            await self._wake.wait()
        if self._urgent:
            slot = self._urgent.popleft()
            return slot.event, slot.done
        slot = self._market.popleft()
        key = _merge_key(slot.event)
        if key is not None and self._mergeable.get(key) is slot:
            del self._mergeable[key]
        return slot.event, None

    # -- the market lane -------------------------------------------------------------------

    def _put_market(self, event: Event) -> None:
        assert isinstance(event, MarketEvent)  # noqa: S101  # narrows the union for the type checker
        if event.symbol in self._cut:
            self.dropped += 1
            return
        if isinstance(event, BookSnapshotRead | BookInvalidated):
            self._mergeable.pop(("book", event.symbol), None)  # a delta never crosses these
        key = _merge_key(event)
        if key is None:  # a mark never crosses a trade: its time says which trades can be here
            self._mergeable.pop(("mark", event.symbol), None)
        waiting = self._mergeable.get(key) if key is not None else None
        if waiting is not None and _mergeable(waiting.event):
            waiting.event = _merge(waiting.event, event)
            self.merged += 1
        elif len(self._market) >= self._capacity:
            self._cut_off(event)
        else:
            slot = _Slot(event)
            self._market.append(slot)
            if key is not None:
                self._mergeable[key] = slot

    def _cut_off(self, event: MarketEvent) -> None:
        """Throw the symbol's backlog away as a whole: a thinned one would lie to its reader."""
        symbol = event.symbol
        kept = deque(slot for slot in self._market if _symbol(slot.event) != symbol)
        self.dropped += len(self._market) - len(kept) + 1
        self._market = kept
        self._mergeable = {key: slot for key, slot in self._mergeable.items() if key[1] != symbol}
        reason = "the desk was too slow for the feed; open it again"
        self._market.append(_Slot(BookInvalidated(ts_ns=event.ts_ns, symbol=symbol, reason=reason)))
        self._market.append(_Slot(SymbolNotReady(ts_ns=event.ts_ns, symbol=symbol, reason=reason)))
        self._cut.add(symbol)
        self._on_overflow(symbol)


def _symbol(event: Event) -> str:
    return event.symbol if isinstance(event, MarketEvent) else ""


def _merge_key(event: Event) -> tuple[str, str] | None:
    match event:
        case BookChanged(symbol=symbol):
            return "book", symbol
        case MarkPriced(symbol=symbol):
            return "mark", symbol
        case ChannelAlive(symbol=symbol, channel=channel):
            return f"alive {channel}", symbol
        case _:
            return None


def _mergeable(event: Event) -> bool:
    return not isinstance(event, BookChanged) or len(event.bids) + len(event.asks) < MERGE_LIMIT_BYTES


def _merge(old: Event, new: Event) -> Event:
    """One event for two: levels of a book are absolute, so the later ones simply follow."""
    match old, new:
        case BookChanged(), BookChanged():
            return replace(new, first_id=old.first_id, bids=old.bids + new.bids, asks=old.asks + new.asks)
        case _:
            return new
