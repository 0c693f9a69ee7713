"""Whose order is it? A conditional order that triggers becomes a regular one with an id of its own.

ALGO_UPDATE names that child (``ai``), ORDER_TRADE_UPDATE reports its fills, and neither comes first by
any rule. So an order update that could belong to one of our armed stops is held back until the child
is named, by stream or by query, or until its time is over. Pure, and bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from msgspec import Struct

from contractdesk.clock import NS_PER_S
from contractdesk.venues.binance.fill_watch import remember

HOLD_NS = 2 * NS_PER_S
MAX_HELD = 256
T = TypeVar("T")


class Armed(Struct, frozen=True):
    """A conditional order of ours that has no child yet."""

    client_id: str
    symbol: str  # the venue's
    side: str  # the venue's word


class Held(Struct, Generic[T], frozen=True):
    """An update that waits for its parent to be known."""

    venue_id: str
    update: T
    until_ns: int


class Attribution(Generic[T]):
    """Maps venue order ids to our client ids; ``T`` is whatever update is held back."""

    def __init__(self) -> None:
        self._client_ids: OrderedDict[str, str] = OrderedDict()  # regular order id -> our client id
        self._ours: OrderedDict[str, None] = OrderedDict()  # client ids that we have sent or adopted
        self._armed: OrderedDict[str, Armed] = OrderedDict()
        self._held: list[Held[T]] = []

    def sent(self, client_id: str) -> None:
        """We are about to send a regular order under this id."""
        remember(self._ours, client_id, None)

    def armed(self, armed: Armed) -> None:
        """A conditional order of ours rests, or is about to."""
        remember(self._ours, armed.client_id, None)
        remember(self._armed, armed.client_id, armed)

    def ended(self, client_id: str) -> None:
        """A conditional order that can have no child any more."""
        self._armed.pop(client_id, None)

    def placed(self, venue_id: str, client_id: str) -> None:
        """A regular order of ours is known to the venue by ``venue_id``."""
        remember(self._client_ids, venue_id, client_id)

    def triggered(self, client_id: str, venue_id: str) -> tuple[T, ...]:
        """The child of ``client_id`` is known; returns the updates that waited for it, in order."""
        self.placed(venue_id, client_id)
        self._armed.pop(client_id, None)
        released = tuple(held.update for held in self._held if held.venue_id == venue_id)
        self._held = [held for held in self._held if held.venue_id != venue_id]
        return released

    def client_id(self, venue_id: str, reported: str) -> str:
        """Our client id of a regular order; ``reported`` where it is not a child of ours."""
        return self._client_ids.get(venue_id, reported)

    def known(self, venue_id: str) -> str | None:
        """Our client id of a regular order, if we know it."""
        return self._client_ids.get(venue_id)

    def candidates(self, symbol: str, side: str) -> tuple[Armed, ...]:
        """Armed orders that a strange order of that symbol and side may stem from."""
        return tuple(a for a in self._armed.values() if a.symbol == symbol and a.side == side)

    def should_hold(self, venue_id: str, reported: str, symbol: str, side: str) -> bool:
        """True for an update that is nobody's yet and might be a child's."""
        if venue_id in self._client_ids or reported in self._ours or len(self._held) >= MAX_HELD:
            return False
        return bool(self.candidates(symbol, side))

    def hold(self, venue_id: str, update: T, now_ns: int) -> None:
        self._held.append(Held(venue_id, update, now_ns + HOLD_NS))

    def expire(self, now_ns: int) -> tuple[T, ...]:
        """Updates whose time is over: they are somebody else's."""
        over = tuple(held.update for held in self._held if held.until_ns <= now_ns)
        self._held = [held for held in self._held if held.until_ns > now_ns]
        return over

    @property
    def holding(self) -> int:
        return len(self._held)
