"""Moving a stop in place: what was asked of the venue, and what it has confirmed of it.

Amending is absolute, so the same terms may be asked for twice. One whose outcome is not known counts
with the smaller of both sizes until a read says which; while it may still be done, other terms are
not asked for: the stop is replaced instead.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from msgspec.structs import replace

from contractdesk.domain.commands import AmendStop, Severity
from contractdesk.domain.events import AmendFailed, OrderAmended, VenueOrder
from contractdesk.domain.orders import OrderRole
from contractdesk.engine.core import Core
from contractdesk.engine.state import NS_PER_S, Tracked
from contractdesk.engine.under_way import Amending, AmendState

ANSWER_WITHIN_NS = 2 * NS_PER_S  # of the venue to an amend, and of a read to what became of it
FENCE_NS = 6 * NS_PER_S  # the dispatcher's wait and the venue's promise: later it is not done any more
MAX_AMENDS = 2  # of one move


class Amends:
    def __init__(self, core: Core, ask: Callable[[Tracked], None]) -> None:
        """``ask`` queries an order at once."""
        self._core = core
        self._desk = core.desk
        self._ask = ask

    def attempt(self, tracked: Tracked, size: Decimal, trigger_price: Decimal) -> bool:
        """Ask the venue for these terms; False where that may not be: the stop is to be replaced."""
        now, known = self._desk.now_ns, tracked.amending
        same = known is not None and _terms(known) == (size, trigger_price)
        doubtful = known is not None or now < tracked.amend_fence_ns
        if tracked.amends >= MAX_AMENDS or (doubtful and not same):
            return False
        tracked.amends += 1
        tracked.amending = Amending(
            size=size,
            trigger_price=trigger_price,
            sent_ns=now,
            venue_ns=self._desk.venue_now_ns,
            since_ns=now,
        )
        self._core.emit(
            AmendStop(
                client_id=tracked.id,
                symbol=tracked.order.request.symbol,
                side=tracked.order.request.side,
                size=size,
                trigger_price=trigger_price,
                venue_id=tracked.order.venue_id,
            )
        )
        return True

    # -- what comes of it ------------------------------------------------------------------

    def on_amended(self, tracked: Tracked, event: OrderAmended) -> None:
        """The venue's word on an order's terms; one that is older than what we know is no news."""
        if event.venue_ns and event.venue_ns < tracked.amended_ns:
            return
        known = tracked.amending
        self._take(tracked, event.size, event.price, event.trigger_price)
        if known is not None and (event.size, event.trigger_price) == _terms(known):
            self._confirm(tracked, event.venue_ns or known.venue_ns)

    def on_failed(self, tracked: Tracked, event: AmendFailed) -> None:
        """Refused, or the answer is lost: what the order is now, a query says."""
        known = tracked.amending
        if known is None or known.state is AmendState.OPEN:
            return  # it has been settled without this answer
        if event.code == 0:
            self._lose(tracked, known)
            return
        tracked.amends = MAX_AMENDS
        text = f"{tracked.id} could not be amended ({event.code}: {event.message}): it is replaced"
        self._core.notify(Severity.WARNING, "amend_failed", text, event.symbol)
        self._enter(tracked, known, AmendState.REFUSED)
        self._ask(tracked)

    def on_seen(self, tracked: Tracked, seen: VenueOrder, asked_ns: int) -> None:
        """What a read that was ``asked_ns`` shows of a stop that works: it settles what is in doubt."""
        if not self._desk.config.amend_stop or tracked.role is not OrderRole.STOP:
            return
        known, request = tracked.amending, tracked.order.request
        if seen.trigger_price is None or asked_ns < tracked.order.updated_ns:
            return  # it may be older than what we know
        shown = (seen.size, seen.trigger_price)
        if shown != (request.size, request.trigger_price):
            self._take(tracked, seen.size, None, seen.trigger_price)
        if known is None or asked_ns < known.sent_ns:
            return
        if shown == _terms(known):
            self._confirm(tracked, known.venue_ns)
        elif known.state in (AmendState.LOST, AmendState.REFUSED) and asked_ns >= known.since_ns:
            self._enter(tracked, known, AmendState.OPEN)
            _stop_asking(tracked)

    def on_time(self, tracked: Tracked) -> None:
        """No answer, to the amend or to the question after it."""
        known, due_ns = tracked.amending, amend_due_ns(tracked)
        if known is None or not 0 < due_ns <= self._desk.now_ns:
            return
        if known.state is AmendState.SENT:
            self._lose(tracked, known)
        else:
            tracked.amends = MAX_AMENDS
            self._enter(tracked, known, AmendState.OPEN)

    # -- steps -----------------------------------------------------------------------------

    def _lose(self, tracked: Tracked, known: Amending) -> None:
        tracked.amend_fence_ns = known.sent_ns + FENCE_NS
        if known.state is AmendState.SENT:
            self._enter(tracked, known, AmendState.LOST)
            self._ask(tracked)

    def _confirm(self, tracked: Tracked, venue_ns: int) -> None:
        tracked.amending, tracked.amends = None, 0
        tracked.amended_ns = max(tracked.amended_ns, venue_ns)
        _stop_asking(tracked)
        self._core.touch(tracked.order.request.symbol)

    def _enter(self, tracked: Tracked, known: Amending, state: AmendState) -> None:
        known.state, known.since_ns = state, self._desk.now_ns
        self._core.touch(tracked.order.request.symbol)

    def _take(
        self, tracked: Tracked, size: Decimal, price: Decimal | None, trigger_price: Decimal | None
    ) -> None:
        """The order's terms are these."""
        known = tracked.order.request
        request = replace(
            known,
            size=size,
            price=price or known.price,
            trigger_price=trigger_price or known.trigger_price,
        )
        tracked.order = replace(tracked.order, request=request, updated_ns=self._desk.now_ns)
        self._core.touch(request.symbol)


def under_way(tracked: Tracked) -> bool:
    """An amend has been sent, and whether it was done is yet to be heard."""
    return tracked.amending is not None and tracked.amending.state is not AmendState.OPEN


def covers(tracked: Tracked) -> Decimal:
    """Contracts that the stop covers for sure, whichever of its terms the venue has."""
    remaining = tracked.order.remaining
    return remaining if tracked.amending is None else min(remaining, tracked.amending.size)


def amend_due_ns(tracked: Tracked) -> int:
    """When the silence about an amend has lasted too long; 0 = never."""
    known = tracked.amending
    return known.since_ns + ANSWER_WITHIN_NS if known is not None and under_way(tracked) else 0


def _terms(amending: Amending) -> tuple[Decimal, Decimal]:
    return amending.size, amending.trigger_price


def _stop_asking(tracked: Tracked) -> None:
    """It is known now; what else an order is asked for, goes on."""
    if not tracked.cancelling and not tracked.absent:
        tracked.query_ns = tracked.queries = 0
