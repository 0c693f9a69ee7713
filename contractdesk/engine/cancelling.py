"""Cancels of our own orders: one at a time, and what came of it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from contractdesk.domain.commands import CancelOrder, Severity
from contractdesk.domain.events import CancelFailed
from contractdesk.domain.orders import OrderStatus
from contractdesk.engine.core import Core
from contractdesk.engine.doubts import CANCEL_RETRY_NS, Doubts
from contractdesk.engine.orphans import MAX_CANCELS
from contractdesk.engine.state import NS_PER_MS, NS_PER_S, Tracked

FIRST_WAIT_NS = 250 * NS_PER_MS
LONGEST_WAIT_NS = 10 * NS_PER_S
MAX_CANCELS_EVER = 10  # with those that were lost: a cancel is idempotent


class Cancels:
    def __init__(self, core: Core, doubts: Doubts, ask: Callable[[Tracked, int], None]) -> None:
        """``ask(tracked, delay_ns)`` has an order queried no later than so long from now."""
        self._core = core
        self._desk = core.desk
        self._doubts = doubts
        self._ask = ask

    def attempt(self, tracked: Tracked) -> None:
        """Send the cancel that is wanted, unless one is under way or the venue has not the order."""
        now = self._desk.now_ns
        if now < tracked.cancel_ns or not may_cancel(tracked):
            return
        tracked.cancels += 1
        tracked.cancel_ns = now + CANCEL_RETRY_NS
        self._ask(tracked, CANCEL_RETRY_NS)
        request = tracked.order.request
        self._core.emit(
            CancelOrder(
                client_id=request.client_id,
                symbol=request.symbol,
                conditional=request.type.conditional,
                venue_id=tracked.order.venue_id,
            )
        )

    def on_failed(self, tracked: Tracked, event: CancelFailed) -> None:
        """Refused or lost: what the order is now, only a query can say."""
        self._ask(tracked, FIRST_WAIT_NS)
        if event.code:
            self._doubts.settle(tracked)
        else:
            self._doubts.lost(tracked)
            tracked.cancels_lost += 1
            wait = min(FIRST_WAIT_NS << tracked.cancels_lost, LONGEST_WAIT_NS)
            tracked.cancel_ns = self._desk.now_ns + wait
        if tracked.order.status.open and _resists(tracked):
            text = f"{tracked.id} could not be cancelled: {event.message}"
            self._core.notify(Severity.ALARM, "cancel_failed", text, event.symbol)


def may_cancel(tracked: Tracked) -> bool:
    """The order works, is to go, and has not resisted too often."""
    works = tracked.order.status in (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)
    return tracked.cancelling and works and tracked.ending is None and not _resists(tracked)


def _resists(tracked: Tracked) -> bool:
    """It has been tried often enough: the cancel is refused, or the venue does not answer."""
    refused = tracked.cancels - tracked.cancels_lost
    return refused >= MAX_CANCELS or tracked.cancels >= MAX_CANCELS_EVER
