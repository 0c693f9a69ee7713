"""Orders: what is asked of a venue, what becomes of it, and the table of legal transitions."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from contractdesk.domain.fills import Fill
from contractdesk.domain.instrument import ZERO


class Side(Enum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for buy, -1 for sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(Enum):
    LIMIT = "limit"
    MARKET = "market"
    STOP_MARKET = "stop_market"
    TAKE_PROFIT_MARKET = "take_profit_market"

    @property
    def conditional(self) -> bool:
        """True for what rests in the venue's conditional (algo) book until its trigger."""
        return self in (OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET)


class TimeInForce(Enum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"  # post-only: never takes


class OrderRole(Enum):
    """Why an order exists; the letter stands in its client id."""

    ENTRY = "e"
    EXIT = "x"  # reduce-only, wished by a strategy or a person
    STOP = "s"  # the protective stop
    TAKE_PROFIT = "t"
    FLATTEN = "f"  # reduce-only, by protection or by flatten()


class OrderStatus(Enum):
    IN_FLIGHT = "in_flight"  # journaled, sent or about to be; no answer yet
    UNKNOWN = "unknown"  # the answer was lost; being queried
    WORKING = "working"
    PARTIALLY_FILLED = "partially_filled"
    TRIGGERED = "triggered"  # a conditional order has become a regular one
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def open(self) -> bool:
        """True while the order may still fill."""
        return self in OPEN_STATUSES


S = OrderStatus
OPEN_STATUSES = frozenset({S.IN_FLIGHT, S.UNKNOWN, S.WORKING, S.PARTIALLY_FILLED, S.TRIGGERED})

# Reality, not wishes: a fill can overtake the acceptance, a cancel can lose against a fill, an
# order declared absent can surface, and a venue may report a cancel before the last fill.
TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    S.IN_FLIGHT: frozenset(set(S) - {S.IN_FLIGHT}),
    S.UNKNOWN: frozenset(set(S) - {S.IN_FLIGHT}),
    S.WORKING: frozenset({S.PARTIALLY_FILLED, S.TRIGGERED, S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED}),
    S.PARTIALLY_FILLED: frozenset({S.PARTIALLY_FILLED, S.FILLED, S.CANCELLED, S.EXPIRED}),
    S.TRIGGERED: frozenset({S.PARTIALLY_FILLED, S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED}),
    S.CANCELLED: frozenset({S.FILLED}),
    S.EXPIRED: frozenset({S.FILLED}),
    S.REJECTED: frozenset({S.WORKING, S.PARTIALLY_FILLED, S.FILLED}),
    S.FILLED: frozenset(),
}
del S


class OrderRequest(Struct, frozen=True, kw_only=True):
    """One order as it will be sent. ``price`` is a limit, ``trigger_price`` a conditional's."""

    client_id: str
    symbol: str
    side: Side
    type: OrderType
    size: Decimal  # contracts, unsigned
    role: OrderRole
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    strategy_id: str = ""  # "" for orders by hand and by protection of adopted positions
    intent_id: int = 0  # the sequence number of the intent that wished it; 0 for protection


class Order(Struct, frozen=True, kw_only=True):
    """A request and what became of it, folded from the venue's events."""

    request: OrderRequest
    status: OrderStatus = OrderStatus.IN_FLIGHT
    venue_id: str = ""
    filled: Decimal = ZERO  # contracts
    fill_ids: tuple[str, ...] = ()
    created_ns: int = 0
    updated_ns: int = 0
    reason: str = ""  # of a rejection, an expiry, a cancel

    @property
    def remaining(self) -> Decimal:
        return max(ZERO, self.request.size - self.filled)

    def moved(self, status: OrderStatus, ts_ns: int, *, venue_id: str = "", reason: str = "") -> Self:
        """The order in ``status``; unchanged where the table has no such step (a late repeat)."""
        if status not in TRANSITIONS[self.status]:
            return self if not venue_id or self.venue_id else replace(self, venue_id=venue_id)
        return replace(
            self,
            status=status,
            venue_id=venue_id or self.venue_id,
            updated_ns=ts_ns,
            reason=reason or self.reason,
        )

    def apply(self, fill: Fill) -> Self:
        """The order after ``fill``; a fill already applied (same trade id) changes nothing."""
        if fill.trade_id in self.fill_ids:
            return self
        filled = self.filled + fill.size
        done = filled >= self.request.size
        status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
        if status not in TRANSITIONS[self.status] and not done:
            status = self.status  # a partial fill that arrives after a cancel: still cancelled
        return replace(
            self,
            status=status,
            filled=filled,
            fill_ids=(*self.fill_ids, fill.trade_id),
            venue_id=self.venue_id or fill.venue_order_id,
            updated_ns=fill.ts_ns,
        )
