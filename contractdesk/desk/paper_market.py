"""The loopback exchange's core, fed by a real venue's market: what paper trading is matched against.

The venue's depth is the background liquidity of the book, its prints pass through our orders, its
mark triggers, margins and funds: the same mechanism by which a recording is replayed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import unpack_levels
from contractdesk.exchange.accounts import Holding
from contractdesk.exchange.book import Book
from contractdesk.exchange.core import Exchange
from contractdesk.exchange.events import Event
from contractdesk.exchange.market import Depth, Level, MarkTick, Message
from contractdesk.exchange.prints import Prints
from contractdesk.exchange.terms import Listing
from contractdesk.exchange.words import MarginMode, Reason, Refused

NEVER_NS = 1 << 62
FUNDING_INTERVAL_NS = 8 * 3600 * 1_000_000_000  # until a mark names the next settlement


class PushedMarket:
    """One symbol's background: whatever was pushed since the last ``pop`` is due at once."""

    def __init__(self, depth: Depth, tick: MarkTick) -> None:
        self._opening = depth, tick
        self._due: deque[Message] = deque()
        self.next_ns = NEVER_NS

    @property
    def funding_interval_ns(self) -> int:
        return FUNDING_INTERVAL_NS

    def push(self, message: Message, now_ns: int) -> None:
        """Let this happen now; the owner advances the exchange next."""
        self._due.append(message)
        self.next_ns = min(self.next_ns, now_ns)

    def open(self, prints: Prints) -> tuple[Depth, MarkTick]:  # noqa: ARG002  # nothing printed before
        return self._opening

    def pop(self) -> Sequence[Message]:
        messages = tuple(self._due)
        self._due.clear()
        self.next_ns = NEVER_NS
        return messages

    def sleep_until(self, now_ns: int) -> None:
        """It never lags behind: it is pushed."""

    def walk_to(self, tick: int, seconds: float) -> None:
        raise Refused(Reason.MARKET_NOT_STEERABLE, f"to {tick} ticks in {seconds} s")


class PaperExchange(Exchange):
    """An exchange that lists a symbol when its real market is first seen."""

    def __init__(self, start_ns: int) -> None:
        super().__init__((), {}, start_ns)

    def list_market(self, listing: Listing, market: PushedMarket) -> None:
        """Open one more symbol, for the accounts there are and those to come."""
        symbol = listing.symbol
        floor = self._floor
        self.listings[symbol] = floor.listings[symbol] = listing
        self._markets = {**self._markets, symbol: market}
        floor.books[symbol] = Book(symbol)
        floor.prints[symbol] = Prints(listing)
        for account in floor.accounts.values():
            account.holdings[symbol] = Holding()
            account.leverage[symbol] = listing.terms.default_leverage
            account.margin_mode[symbol] = MarginMode.CROSS
        self._open_market(symbol)
        floor.drain()

    @property
    def next_due_ns(self) -> int:
        return super().next_due_ns if self._markets else NEVER_NS

    def advance(self, now_ns: int) -> list[Event]:
        return super().advance(now_ns) if self._markets else []


class Background:
    """What is known of one symbol until both its book and its mark are there."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.tick: MarkTick | None = None
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    @property
    def opening(self) -> tuple[Depth, MarkTick] | None:
        """The book and the mark to open with; None while either is missing."""
        if self.tick is None or not self._bids or not self._asks:
            return None
        return Depth(tuple(self._bids.items()), tuple(self._asks.items())), self.tick

    def replace(self, bids: bytes, asks: bytes) -> Depth:
        """A whole new book, as the change from the old one."""
        return Depth(_replaced(self._bids, bids), _replaced(self._asks, asks))

    def change(self, bids: bytes, asks: bytes) -> Depth:
        """A delta of the venue's book."""
        return Depth(_changed(self._bids, bids), _changed(self._asks, asks))


def _replaced(levels: dict[int, int], packed: bytes) -> list[Level]:
    fresh = dict(unpack_levels(packed))
    gone = [(tick, 0) for tick in levels if tick not in fresh]
    levels.clear()
    levels.update(fresh)
    return [*gone, *fresh.items()]


def _changed(levels: dict[int, int], packed: bytes) -> list[Level]:
    changes = unpack_levels(packed)
    for tick, lots in changes:
        if lots:
            levels[tick] = lots
        else:
            levels.pop(tick, None)
    return changes
