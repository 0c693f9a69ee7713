"""Orders as the venue of a replay holds them, and the words in which it tells what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

from msgspec import Struct

from contractdesk.domain.events import Event, OrderCancelled, OrderExpired, VenueOrder, WalletChanged
from contractdesk.domain.instrument import ZERO, cash
from contractdesk.domain.orders import OrderStatus, OrderType, Side
from contractdesk.replay.account import Books
from contractdesk.replay.depth import InLine
from contractdesk.replay.models import Delays

# (place, side, lots, limit in ticks, 0: none): what a session's book fills of a taking order at once, as
# (lots, average price in ticks, rounded against it). None where no book is known, or one without a limit
# would not be filled whole.
Quote = Callable[[int, Side, int, int], tuple[int, int] | None]

KEPT = 2_000  # ended orders that a query still finds


class Kept(Enum):
    """Where an order waits."""

    MARKET = "market"  # for the next trade
    LIMIT = "limit"  # in the book
    STOP = "stop"  # for its trigger


class Standing(Struct, kw_only=True):
    """An order at the venue."""

    client_id: str
    venue_id: str
    place: int  # of its instrument
    side: Side
    type: OrderType
    lots: int
    left: int
    ticks: int = 0  # limit
    trigger: int = 0
    reduce_only: bool = False
    ahead: int = 0  # lots before it at its price; negative: only what trades beyond it fills it
    line: InLine | None = None  # its place by recorded depth, which then stands for ``ahead``
    met: int = 0  # lots of the other side that the recorded book has shown at its price or beyond
    margin: Decimal = ZERO  # initial, held while it rests
    created_ns: int = 0
    status: OrderStatus = OrderStatus.WORKING
    kept: Kept | None = None

    def triggers(self, ticks: int | Decimal) -> bool:
        """A mark at ``ticks`` fires this conditional order."""
        falling = (self.type is OrderType.STOP_MARKET) == (self.side is Side.SELL)
        return ticks <= self.trigger if falling else ticks >= self.trigger


class Floor:
    """What taking orders up and filling them share: the orders, the books, and who is told."""

    def __init__(self, books: Books, delays: Delays, tell: Callable[[Event], None]) -> None:
        """``tell`` gets each event with ``ts_ns``, when the desk hears of it."""
        self.books = books
        self.delays = delays
        self.tell = tell
        self.now_ns = 0
        self.quote: Quote | None = None
        self.orders: dict[str, Standing] = {}
        self.against: dict[str, int] = {}  # ticks beyond the trade's price, by client id of what has taken
        self._made = 0
        self._waiting: list[dict[Kept, dict[str, Standing]]] = [
            {kept: {} for kept in Kept} for _ in books.instruments
        ]

    def number(self) -> int:
        """Of orders, trades and payments: never used twice."""
        self._made += 1
        return self._made

    def heard_ns(self) -> int:
        """When the desk hears of what is done now."""
        return self.now_ns + self.delays.answer_ns()

    def about(self, order: Standing, heard_ns: int) -> dict[str, Any]:
        """What every report on an order says."""
        return {
            "ts_ns": heard_ns,
            "client_id": order.client_id,
            "symbol": self.books.instruments[order.place].symbol,
            "venue_ns": self.now_ns,
        }

    def waiting(self, place: int, kept: Kept) -> list[Standing]:
        """Those that wait there, oldest first; a list, so that they may leave."""
        return list(self._waiting[place][kept].values())

    def rests(self, place: int) -> bool:
        """Somebody waits in the book there."""
        return bool(self._waiting[place][Kept.LIMIT])

    def keep(self, order: Standing, kept: Kept) -> None:
        self.drop(order)
        order.kept = kept
        self._waiting[order.place][kept][order.client_id] = order
        if kept is Kept.LIMIT:
            self.books.resting += order.margin

    def drop(self, order: Standing) -> None:
        """It waits nowhere any more."""
        if order.kept is None:
            return
        del self._waiting[order.place][order.kept][order.client_id]
        if order.kept is Kept.LIMIT:
            self.books.resting -= order.margin
        order.kept = None

    def release(self, order: Standing, lots: int) -> None:
        """Of those that are filled now the position needs the margin, not the order."""
        freed = cash(Fraction(order.margin) * lots / order.left)
        order.margin -= freed
        if order.kept is Kept.LIMIT:
            self.books.resting -= freed

    def end(self, order: Standing, status: OrderStatus, reason: str = "") -> None:
        """Cancelled or expired, and told so."""
        self.finish(order, status)
        event = OrderCancelled if status is OrderStatus.CANCELLED else OrderExpired
        self.tell(event(**self.about(order, self.heard_ns()), reason=reason))

    def finish(self, order: Standing, status: OrderStatus) -> None:
        order.status = status
        self.drop(order)
        if len(self.orders) > 2 * KEPT:
            ended = [name for name, each in self.orders.items() if not each.status.open]
            for name in ended[:KEPT]:
                del self.orders[name]

    def tell_wallet(self, heard_ns: int, cause: str, change: Decimal = ZERO) -> None:
        self.tell(
            WalletChanged(
                ts_ns=heard_ns,
                asset=self.books.asset,
                wallet_balance=self.books.wallet,
                change=change,
                cause=cause,
                venue_ns=self.now_ns,
            )
        )

    def shown(self, client_id: str) -> VenueOrder | None:
        """An order as a query shows it; None for one that is not known."""
        order = self.orders.get(client_id)
        if order is None:
            return None
        terms = self.books.instruments[order.place]
        return VenueOrder(
            client_id=order.client_id,
            venue_id=order.venue_id,
            symbol=terms.symbol,
            side=order.side,
            type=order.type,
            status=order.status,
            size=terms.from_lots(order.lots),
            filled=terms.from_lots(order.lots - order.left),
            price=terms.from_ticks(order.ticks) if order.ticks else None,
            trigger_price=terms.from_ticks(order.trigger) if order.trigger else None,
            reduce_only=order.reduce_only,
            created_ns=order.created_ns,
        )

    def open_orders(self) -> Iterator[VenueOrder]:
        for client_id, order in self.orders.items():
            if order.status.open and (row := self.shown(client_id)) is not None:
                yield row
