"""Orders by client id: from sent to done, whatever the venue says and in whatever order.

A create whose answer was lost is asked for and never sent again; it counts as not accepted only
after its fence in the venue's own time, and two answers that there is no such order. A read that
failed proves nothing.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from contractdesk.domain.commands import QueryOrder, Severity
from contractdesk.domain.events import (
    AmendFailed,
    CancelFailed,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    OrderRead,
    OrderRejected,
    OutcomeUnknown,
    StopTriggered,
    VenueOrder,
)
from contractdesk.domain.fills import Fill
from contractdesk.domain.orders import Order, OrderRequest, OrderRole, OrderStatus, OrderType
from contractdesk.engine.amending import Amends
from contractdesk.engine.cancelling import Cancels
from contractdesk.engine.core import EXPOSED_NS, SOON_NS, Core
from contractdesk.engine.doubts import Doubts
from contractdesk.engine.orphans import cancel_orphan
from contractdesk.engine.state import NS_PER_MS, NS_PER_S, Limits, Market, Tracked
from contractdesk.engine.under_way import Ending

FENCE_MARGIN_NS = 2 * NS_PER_S  # beyond the fence, for the venue's own clock and read lag
ABSENT_ANSWERS = 2
ABSENT_SPAN_NS = 2 * NS_PER_S  # between the first and the deciding "no such order" of a live order
IN_FLIGHT_CHECK_NS = 2 * NS_PER_S  # no answer at all for so long: ask
FIRST_QUERY_NS = 250 * NS_PER_MS
LONGEST_QUERY_NS = 10 * NS_PER_S
GONE = "the venue no longer has it"
NOT_ACCEPTED = "not accepted"

OrderReport = (
    OrderAccepted | OrderRejected | OutcomeUnknown | OrderCancelled | OrderExpired
    | OrderAmended | AmendFailed | StopTriggered | CancelFailed | OrderRead
)  # fmt: skip


class OrderTracker:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._desk = core.desk
        self.amends = Amends(core, self._ask_now)
        self.doubts = Doubts(core)
        self.cancels = Cancels(core, self.doubts, self.ask)

    # -- ours ------------------------------------------------------------------------------

    def add(self, request: OrderRequest) -> Tracked:
        """Take up an order that is about to be sent."""
        now = self._desk.now_ns
        tracked = Tracked(
            order=Order(request=request, created_ns=now, updated_ns=now),
            query_ns=now + IN_FLIGHT_CHECK_NS,
        )
        self._desk.orders_by_id[request.client_id] = tracked
        self._desk.symbols[request.symbol].open_ids[request.client_id] = None
        self._core.touch(request.symbol)
        return tracked

    def cancel(self, tracked: Tracked) -> None:
        """Want the order gone: at once where it works, as soon as it is accepted where it is not."""
        if tracked.order.status.open:
            tracked.cancelling = True
            self.cancels.attempt(tracked)

    def cancel_by_hand(self, tracked: Tracked) -> None:
        """A person wants it gone, however often that has failed."""
        self.cancels.insist(tracked)
        self.cancel(tracked)

    def cancel_entries(self, market: Market) -> int:
        """Cancel every own entry of the symbol that may still fill; returns how many there are."""
        entries = self._desk.tracked(market, OrderRole.ENTRY)
        for tracked in entries:
            self.cancel(tracked)
        return len(entries)

    # -- the venue's reports ---------------------------------------------------------------

    def find(self, client_id: str, venue_id: str = "") -> Tracked | None:
        """Our order by client id, or by the venue's id of what a conditional order became."""
        found = self._desk.orders_by_id.get(client_id)
        if found is None and venue_id in self._desk.children:
            found = self._desk.orders_by_id.get(self._desk.children[venue_id])
        return found

    def on_report(self, event: OrderReport) -> None:  # noqa: C901  (a flat dispatch, a case each)
        tracked = self.find(event.client_id)
        if tracked is None:
            self._on_stranger(event)
            return
        match event:
            case OrderAccepted():
                self._on_accepted(tracked, event.venue_id)
            case OrderRejected():
                self._on_rejected(tracked, event)
            case OutcomeUnknown():
                self.lose(tracked, event.fence_ns, event.reason)
            case OrderCancelled():
                self.doubts.settle(tracked)
                self._end(tracked, OrderStatus.CANCELLED, event.reason, event.filled)
            case OrderExpired():
                self._end(tracked, OrderStatus.EXPIRED, event.reason, event.filled)
            case OrderAmended():
                self.amends.on_amended(tracked, event)
            case AmendFailed():
                self.amends.on_failed(tracked, event)
            case StopTriggered():
                self._on_triggered(tracked, event.child_venue_id)
            case CancelFailed():
                self.cancels.on_failed(tracked, event)
            case OrderRead(order=None):
                self._on_absent(tracked)
            case OrderRead(order=VenueOrder() as order):
                self.merge(tracked, order, tracked.asked_ns)

    def on_fill(self, tracked: Tracked, fill: Fill) -> None:
        """Count a fill (booked once by the ledger) towards its order."""
        before = tracked.order
        after = before.apply(fill)
        if before.request.type.conditional and not tracked.triggered_ns:
            tracked.triggered_ns = self._desk.now_ns
        if after.filled > after.request.size:
            self._core.notify(
                Severity.ALARM,
                "overfilled",
                f"{tracked.id} filled {after.filled} of {after.request.size} contracts",
                fill.symbol,
            )
            self._core.halt(f"order {tracked.id} was filled beyond its size")
        self._settle(tracked, after)
        ending = tracked.ending
        if ending is not None and after.filled >= ending.filled:
            self.move(tracked, ending.status, ending.reason)

    def merge(self, tracked: Tracked, seen: VenueOrder, asked_ns: int) -> None:
        """Take over what a query, or a picture of all open orders, shows of an order of ours."""
        tracked.absent = 0
        tracked.query_id = 0
        if seen.filled > tracked.order.filled:
            self._core.reconcile_within(SOON_NS)  # the fills themselves are the only source of our size
        match seen.status:
            case OrderStatus.WORKING | OrderStatus.PARTIALLY_FILLED:
                tracked.working_ns = max(tracked.working_ns, asked_ns)
                self._believe_again(tracked)
                self.amends.on_seen(tracked, seen, asked_ns)
                self._on_accepted(tracked, seen.venue_id)
            case OrderStatus.TRIGGERED:
                self._on_triggered(tracked, "")
            case OrderStatus.FILLED:
                self._on_seen_filled(tracked, seen)
            case OrderStatus.CANCELLED | OrderStatus.EXPIRED | OrderStatus.REJECTED:
                reason = tracked.order.reason or "seen by a query"
                self._end(tracked, seen.status, reason, seen.filled, seen.venue_id)
            case OrderStatus.IN_FLIGHT | OrderStatus.UNKNOWN:
                self.ask(tracked, FIRST_QUERY_NS)

    def lose(self, tracked: Tracked, fence_ns: int, reason: str) -> None:
        """The answer to a create is lost: ask what became of it."""
        if tracked.order.status is not OrderStatus.IN_FLIGHT:
            return  # a fill or a report has already proven that it exists
        tracked.fence_ns, tracked.absent, tracked.queries = fence_ns, 0, 0
        self.move(tracked, OrderStatus.UNKNOWN, reason)
        self.ask(tracked, FIRST_QUERY_NS)

    # -- questions -------------------------------------------------------------------------

    def ask(self, tracked: Tracked, delay_ns: int) -> None:
        """Let the order be queried no later than ``delay_ns`` from now."""
        due = self._desk.now_ns + delay_ns
        if not tracked.query_ns or due < tracked.query_ns:
            tracked.query_ns = due

    def on_time(self, tracked: Tracked) -> None:
        """Whatever is due on an open order."""
        now = self._desk.now_ns
        if tracked.expire_ns and now >= tracked.expire_ns and not tracked.cancelling:
            self.cancel(tracked)
        if tracked.cancel_ns and now >= tracked.cancel_ns:
            self.cancels.attempt(tracked)
        self.amends.on_time(tracked)
        if tracked.query_ns and now >= tracked.query_ns:
            self._query(tracked)

    def on_read_failed(self, request_id: int) -> bool:
        """A query got no answer: it is asked again in time; True when the question was ours."""
        for tracked in self._desk.orders_by_id.values():
            if tracked.query_id == request_id:
                tracked.query_id = 0
                return True
        return False

    def _ask_now(self, tracked: Tracked) -> None:
        tracked.queries = 0
        self._query(tracked)

    def _query(self, tracked: Tracked) -> None:
        request = tracked.order.request
        backoff = min(FIRST_QUERY_NS << tracked.queries, LONGEST_QUERY_NS)
        tracked.queries = min(tracked.queries + 1, 16)
        tracked.asked_ns = self._desk.now_ns
        tracked.query_ns = self._desk.now_ns + backoff
        tracked.query_id = self._core.request_id()
        self._core.emit(
            QueryOrder(
                request_id=tracked.query_id,
                client_id=request.client_id,
                symbol=request.symbol,
                conditional=request.type.conditional,
            )
        )

    def _on_absent(self, tracked: Tracked) -> None:
        """The venue says that it has no such order: believed only when it must be true."""
        now, status = self._desk.now_ns, tracked.order.status
        tracked.query_id = 0
        if not tracked.absent:
            tracked.absent_ns = now
        tracked.absent += 1
        enough = tracked.absent >= ABSENT_ANSWERS
        fence_ns = tracked.fence_ns + FENCE_MARGIN_NS
        match status:
            case OrderStatus.UNKNOWN if enough and self._desk.venue_now_ns > fence_ns:
                self.move(tracked, OrderStatus.REJECTED, NOT_ACCEPTED)
            case OrderStatus.WORKING | OrderStatus.PARTIALLY_FILLED | OrderStatus.TRIGGERED if (
                enough and now - tracked.absent_ns >= ABSENT_SPAN_NS
            ):
                self._core.reconcile_within(SOON_NS)
                self.doubts.doubt(tracked)
                self.move(tracked, OrderStatus.EXPIRED, GONE)
            case OrderStatus.WORKING | OrderStatus.PARTIALLY_FILLED | OrderStatus.TRIGGERED:
                self.ask(tracked, ABSENT_SPAN_NS)
            case _:
                pass  # in flight, or unknown before its fence: the query's own backoff goes on
        self._core.touch(tracked.order.request.symbol)

    # -- transitions -----------------------------------------------------------------------

    def move(self, tracked: Tracked, status: OrderStatus, reason: str = "", venue_id: str = "") -> None:
        """Put the order into ``status`` where the table of transitions allows it."""
        moved = tracked.order.moved(status, self._desk.now_ns, venue_id=venue_id, reason=reason)
        self._settle(tracked, moved)

    def _end(
        self, tracked: Tracked, status: OrderStatus, reason: str, filled: Decimal | None, venue_id: str = ""
    ) -> None:
        """The order is over at the venue. An entry counts as open until all of its fills are here.

        Whoever enters anew instead of it would not know how much is held already.
        """
        entry = tracked.role is OrderRole.ENTRY and tracked.order.status.open
        if not entry or filled is None or filled <= tracked.order.filled:
            self.move(tracked, status, reason, venue_id)
            return
        if tracked.ending is None:
            self._core.reconcile_within(SOON_NS)
        tracked.ending = Ending(status=status, reason=reason, filled=filled)

    def _settle(self, tracked: Tracked, after: Order) -> None:
        """Store the order, keep the indexes, and tell the others when it has moved."""
        before, tracked.order = tracked.order, after
        if after.status is before.status and after.filled == before.filled:
            return
        request = after.request
        market = self._desk.symbols[request.symbol]
        if after.status.open:
            market.open_ids[request.client_id] = None
            self._desk.closed_ids.pop(request.client_id, None)
        else:
            tracked.query_ns, tracked.amending = 0, None
            market.open_ids.pop(request.client_id, None)
            self._close(request.client_id)
        self._core.changes.append(tracked)
        self._core.touch(request.symbol)

    def _close(self, client_id: str) -> None:
        self._desk.closed_ids[client_id] = None
        while len(self._desk.closed_ids) > Limits.ORDERS:
            oldest = next(iter(self._desk.closed_ids))
            del self._desk.closed_ids[oldest]
            del self._desk.orders_by_id[oldest]

    def _on_rejected(self, tracked: Tracked, event: OrderRejected) -> None:
        tracked.would_trigger, tracked.unheard = event.would_trigger, event.unheard
        if event.at_trigger and not tracked.triggered_ns:
            tracked.triggered_ns = self._desk.now_ns
        if tracked.role is OrderRole.ENTRY and event.code and not (event.unheard or event.would_take):
            self._core.doubt_account()  # what we measured it by is not what the venue measured it by
        self.move(tracked, OrderStatus.REJECTED, f"{event.code}: {event.message}")

    def _on_accepted(self, tracked: Tracked, venue_id: str) -> None:
        before = tracked.order.status
        self.move(tracked, OrderStatus.WORKING, venue_id=venue_id)
        if tracked.order.status is not before:
            tracked.query_ns, tracked.queries, tracked.absent = 0, 0, 0
            market = tracked.order.request.type is OrderType.MARKET
            if market:
                self.ask(tracked, IN_FLIGHT_CHECK_NS)  # it should be done by then
            self._core.reconcile_within(NS_PER_S if market else EXPOSED_NS)  # what rests may fill unheard
            if before is OrderStatus.REJECTED:
                self._on_surfaced(tracked)
        self.cancels.attempt(tracked)

    def _believe_again(self, tracked: Tracked) -> None:
        """The venue shows what it denied to have: nothing but its reads had ended that order."""
        order = tracked.order
        self.doubts.surfaced(tracked)
        if order.status is OrderStatus.EXPIRED and order.reason == GONE:
            tracked.order = replace(order, status=OrderStatus.REJECTED)  # of these, one may surface

    def _on_surfaced(self, tracked: Tracked) -> None:
        """An order that was declared absent works after all."""
        self._core.notify(
            Severity.WARNING,
            "order_surfaced",
            f"{tracked.id} was not there, and now works",
            tracked.order.request.symbol,
        )
        if tracked.role is OrderRole.ENTRY:
            self.cancel(tracked)

    def _on_seen_filled(self, tracked: Tracked, seen: VenueOrder) -> None:
        """Filled by the venue's word: the order is done only when its fills are here."""
        if tracked.order.request.type.conditional:
            self._on_triggered(tracked, "")
        elif not tracked.order.status.open:
            return
        else:
            self._on_accepted(tracked, seen.venue_id)
            self.ask(tracked, IN_FLIGHT_CHECK_NS)
        self._core.reconcile_within(SOON_NS)

    def _on_triggered(self, tracked: Tracked, child_venue_id: str) -> None:
        if child_venue_id:
            tracked.child_venue_id = child_venue_id
            self._desk.children[child_venue_id] = tracked.id
            while len(self._desk.children) > Limits.ORDERS:
                del self._desk.children[next(iter(self._desk.children))]
        if not tracked.triggered_ns:
            tracked.triggered_ns = self._desk.now_ns
        self.move(tracked, OrderStatus.TRIGGERED)
        if tracked.order.status.open:
            self.ask(tracked, IN_FLIGHT_CHECK_NS)
            self._core.reconcile_within(NS_PER_S)

    def _on_stranger(self, event: OrderReport) -> None:
        """A report on an order that we do not track."""
        if isinstance(event, OrderAccepted):
            cancel_orphan(self._core, event.client_id, event.symbol, event.venue_id)
