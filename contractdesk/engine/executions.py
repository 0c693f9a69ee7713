"""Fills, from whichever side they come: the private stream, a query, or a picture of the account.

Each is booked once, on the order it belongs to and on the position; protection hears of it before
anything else does.
"""

from __future__ import annotations

from msgspec.structs import replace

from contractdesk.domain.commands import Severity
from contractdesk.domain.fills import Fill
from contractdesk.domain.orders import OrderRole
from contractdesk.engine import client_ids
from contractdesk.engine.core import Core
from contractdesk.engine.ledger import Ledger
from contractdesk.engine.market_feed import MarketFeed
from contractdesk.engine.order_tracker import OrderTracker
from contractdesk.engine.protection import Protection
from contractdesk.engine.state import Market


class Executions:
    def __init__(
        self, core: Core, orders: OrderTracker, ledger: Ledger, protection: Protection, feed: MarketFeed
    ) -> None:
        self._core = core
        self._desk = core.desk
        self._orders = orders
        self._ledger = ledger
        self._protection = protection
        self._feed = feed

    def apply(self, fill: Fill) -> None:
        """Book a fill, unless it is known; where it belongs follows from its ids."""
        fill = _named(fill)
        if not self._ledger.is_new(fill):
            return
        tracked = self._orders.find(fill.client_id, fill.venue_order_id)
        market = self._desk.symbols[fill.symbol]
        market.filled_ns = self._desk.now_ns
        if tracked is not None and tracked.order.request.symbol == fill.symbol:
            self._orders.on_fill(tracked, fill)
            self._protection.on_booking(self._ledger.book(fill, tracked), market)
            self._feed.attend(market)
        elif client_ids.is_own(fill.client_id, self._desk.config.bot):
            self._untracked(fill)
        else:
            self._ledger.book_foreign(fill)
            self._make_way(market)

    def _make_way(self, market: Market) -> None:
        """What is external now, entries of ours must not trade against: it is somebody else's to close."""
        for tracked in self._desk.tracked(market, OrderRole.ENTRY):
            if tracked.order.request.side.sign * market.external_size < 0:
                self._orders.cancel(tracked)

    def apply_read(self, fill: Fill) -> None:
        """A fill from a read: what was executed before this ledger began is not booked."""
        ours = self._orders.find(fill.client_id, fill.venue_order_id) is not None
        market = self._core.market(fill.symbol)
        if market is None or ours or fill.venue_ns > self._desk.since_ns:
            self.apply(fill)
        else:
            market.trade_ids[_named(fill).identity] = None

    def _untracked(self, fill: Fill) -> None:
        """An order of our own making that no journal remembers: ours, and without a stop price."""
        self._core.notify(
            Severity.ALARM, "untracked_fill", f"{fill.client_id} filled and is not known here", fill.symbol
        )
        market = self._desk.symbols[fill.symbol]
        self._protection.on_booking(self._ledger.book(fill, None), market)
        self._feed.attend(market)


def _named(fill: Fill) -> Fill:
    """With an id where it came without: the same one for every repeat."""
    if fill.trade_id:
        return fill
    made = f"~{fill.venue_order_id}:{fill.venue_ns}:{fill.signed_size}:{fill.price}"
    return replace(fill, trade_id=made)
