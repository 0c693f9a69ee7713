"""Cancels of our own orders: one at a time, later each time, and never given up while the order works.

A cancel that is refused has mostly come too late: the order has filled, and its execution or a read says
so. After the third refusal only a read that shows it working, and was asked since, has it tried again. One
that was lost, or could not be sent, says nothing of the order and is repeated for as long as it takes.
"""

from __future__ import annotations

from collections.abc import Callable

from contractdesk.domain.commands import CancelOrder, Severity
from contractdesk.domain.events import CancelFailed
from contractdesk.domain.orders import OrderStatus
from contractdesk.engine.core import Core
from contractdesk.engine.doubts import CANCEL_RETRY_NS, Doubts
from contractdesk.engine.state import NS_PER_MS, NS_PER_S, Tracked

FIRST_WAIT_NS = 250 * NS_PER_MS
LONGEST_WAIT_NS = 10 * NS_PER_S
MAX_REFUSALS = 3  # then only a read that shows it working makes it worth another try
LOST_ALARM = 10  # cancels without an answer: a person is told


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
        tracked.cancels_refused += 1  # until its answer is known to be lost
        tracked.cancel_sent_ns = now
        spent = tracked.cancels_refused >= MAX_REFUSALS
        tracked.cancel_ns = now + (LONGEST_WAIT_NS if spent else max(CANCEL_RETRY_NS, _wait_ns(tracked)))
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
            alarming = tracked.cancels_refused == MAX_REFUSALS
            self._doubts.settle(tracked)
        else:
            tracked.cancels_lost += 1
            tracked.cancels_refused = max(0, tracked.cancels_refused - 1)
            alarming = tracked.cancels_lost == LOST_ALARM
            tracked.cancel_ns = self._desk.now_ns + _wait_ns(tracked)
            self._doubts.lost(tracked)
        if tracked.order.status.open and alarming:
            text = f"{tracked.id} could not be cancelled: {event.message}"
            self._core.notify(Severity.ALARM, "cancel_failed", text, event.symbol)

    def insist(self, tracked: Tracked) -> None:
        """A person wants it gone, whatever has come of it so far: it is due a moment after the last one."""
        tracked.cancels_refused = 0
        tracked.cancel_ns = min(tracked.cancel_ns, tracked.cancel_sent_ns + CANCEL_RETRY_NS)


def may_cancel(tracked: Tracked) -> bool:
    """The order works, by all that is known, and is to go."""
    works = tracked.order.status in (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)
    return tracked.cancelling and works and tracked.ending is None and not _resists(tracked)


def _resists(tracked: Tracked) -> bool:
    """It was refused so often that it has probably filled, and no read since says that it works."""
    return tracked.cancels_refused >= MAX_REFUSALS and tracked.working_ns <= tracked.cancel_sent_ns


def _wait_ns(tracked: Tracked) -> int:
    """Until the next one, by how many there have been: 0.5, 1, 2, 4 and 8 s, and from then on 10 s."""
    tried = max(tracked.cancels, tracked.cancels_lost)  # what is doubted is cancelled by its doubt
    return min(FIRST_WAIT_NS << min(tried, 16), LONGEST_WAIT_NS)
