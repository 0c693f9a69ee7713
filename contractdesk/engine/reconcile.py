"""Comparing the venue's picture with ours; a difference is said, and never silently overwritten.

Fills that were missed are booked first. A position that still differs must differ in two reads at
least two seconds apart, with nothing in flight; then the difference is booked as what it is, an
execution that was not ours. A read that failed proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from contractdesk.domain.account import VenuePosition
from contractdesk.domain.commands import Severity
from contractdesk.domain.events import PositionReported, VenueStateRead
from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.orders import OrderRole, OrderStatus
from contractdesk.domain.views import TradingState
from contractdesk.engine.core import EXPOSED_NS, READ_TIMEOUT_NS, Core
from contractdesk.engine.coverage import renewed
from contractdesk.engine.executions import Executions
from contractdesk.engine.found_stops import take_up
from contractdesk.engine.ledger import Ledger
from contractdesk.engine.order_tracker import OrderTracker
from contractdesk.engine.orphans import cancel_orphan
from contractdesk.engine.state import NS_PER_S, Drift, Market

FLAT_NS = 30 * NS_PER_S
RETRY_NS = 2 * NS_PER_S
CONFIRM_NS = 2 * NS_PER_S  # between the two reads that prove a drift
WITNESS_NS = NS_PER_S  # a pushed size that differs: our fills may still be under way
CRASH_FENCE_NS = 5 * NS_PER_S  # after it nothing that an earlier process sent can be accepted
STARTUP_REQUEST = 0
UNANSWERED = (OrderStatus.IN_FLIGHT, OrderStatus.UNKNOWN)


class Reconciliation:
    def __init__(self, core: Core, orders: OrderTracker, ledger: Ledger, executions: Executions) -> None:
        self._core = core
        self._desk = core.desk
        self._orders = orders
        self._ledger = ledger
        self._executions = executions

    def on_read(self, event: VenueStateRead) -> bool:
        """Take in a picture of the venue; False for an answer to a question that was given up."""
        read, startup = self._desk.state_read, event.request_id == STARTUP_REQUEST
        if not startup and (read is None or read.request_id != event.request_id):
            return False
        asked_ns = event.ts_ns if startup or read is None else read.asked_ns
        if not startup:
            self._desk.state_read = None
        overtaken = self._overtaken(event)
        fresh = startup and not self._desk.started and not self._desk.orders_by_id
        if fresh:  # a ledger that begins now: what was executed before is not its own
            self._desk.since_ns = self._desk.last_fill_ns = self._desk.venue_now_ns
        self._ledger.on_account(event.account, asked_ns, event.request_id)
        for fill in event.fills:
            self._executions.apply_read(fill)
        self._know_fills(event, asked_ns)
        if startup:
            self._fence_the_past()
        self._compare_orders(event, asked_ns)
        at_once = startup and not overtaken
        self._compare_positions(event.account.positions, asked_ns, startup=at_once)
        self._meet_strangers(event)
        self._conclude(asked_ns, startup=startup)
        return True

    def _overtaken(self, event: VenueStateRead) -> bool:
        """True when a fill has been booked that is younger than the picture, or may be."""
        taken_ns = event.account.venue_ns
        return bool(taken_ns) and self._desk.last_fill_ns > taken_ns - NS_PER_S

    def _know_fills(self, event: VenueStateRead, asked_ns: int) -> None:
        """All fills until it was asked have been read, of every symbol: what is asked names all that we know.

        Whatever time it was asked at, be it before the last one: a clock that was wrong once is right again.
        """
        desk = self._desk
        desk.fills_known_ns = event.account.venue_ns or asked_ns + desk.venue_now_ns - desk.now_ns

    def on_failed(self) -> None:
        """Unknown is not empty: nothing changes but the time of the next read."""
        self._desk.state_read = None
        self._core.reconcile_within(RETRY_NS)

    def on_witness(self, event: PositionReported) -> None:
        """A size that was pushed: where it disagrees, the whole picture is read."""
        market = self._core.market(event.symbol)
        if market is not None and event.size != market.position.size + market.external_size:
            self._core.reconcile_within(WITNESS_NS)

    def on_time(self) -> None:
        """Ask for the next picture when it is due, or again when the last question got no answer."""
        desk, now = self._desk, self._desk.now_ns
        if desk.state_read and now >= desk.state_read.asked_ns + READ_TIMEOUT_NS:
            self.on_failed()
        if not desk.reconcile_due_ns or now < desk.reconcile_due_ns:
            return
        if now < desk.silent_until_ns or desk.state_read:
            desk.reconcile_due_ns = max(now + NS_PER_S, desk.silent_until_ns)
        else:
            desk.reconcile_due_ns = 0
            self._core.read_state()

    def deadline_ns(self) -> int:
        """When ``on_time`` has something to do; 0 = never."""
        desk = self._desk
        times = [desk.reconcile_due_ns] if desk.reconcile_due_ns else []
        if desk.state_read:
            times.append(desk.state_read.asked_ns + READ_TIMEOUT_NS)
        return min(times, default=0)

    # -- orders ----------------------------------------------------------------------------

    def _fence_the_past(self) -> None:
        """At start no order can be in flight: its sender is dead, and its answer lost.

        It was dead when this desk took the account, which may have been seconds ago.
        """
        desk = self._desk
        dead_ns = max(0, desk.now_ns - desk.config.taken_ns) if desk.config.taken_ns else 0
        for tracked in list(desk.orders_by_id.values()):
            if tracked.order.status is OrderStatus.IN_FLIGHT:
                fence = desk.venue_now_ns - dead_ns + CRASH_FENCE_NS
                self._orders.lose(tracked, fence, "in flight when the desk stopped")

    def _compare_orders(self, event: VenueStateRead, asked_ns: int) -> None:
        seen: dict[str, None] = {}
        self._desk.foreign_conditional = event.conditional_elsewhere
        for row in event.orders:
            tracked = self._orders.find(row.client_id, row.venue_id)
            if tracked is None:
                self._desk.foreign_conditional += row.type.conditional
            else:
                seen[tracked.id] = None
                self._orders.merge(tracked, row, asked_ns)
        for market in self._desk.symbols.values():
            for item in self._desk.tracked(market):
                settled = item.order.status not in UNANSWERED and item.order.updated_ns < asked_ns
                if settled and item.id not in seen:
                    self._orders.ask(item, 0)

    def _meet_strangers(self, event: VenueStateRead) -> None:
        """Once the positions are compared: by then it is known what is ours and what is guarded.

        A stop of our making is taken up, whatever else we do not remember is cancelled.
        """
        sizes = {position.symbol: position.size for position in event.account.positions}
        for row in event.orders:
            if self._orders.find(row.client_id, row.venue_id) is not None:
                continue
            if take_up(self._core, self._orders, row):
                continue
            market = self._core.market(row.symbol)
            guarded = (
                market is not None
                and sizes.get(row.symbol, ZERO) == market.position.size
                and market.guarded >= abs(market.position.size)
            )
            cancel_orphan(self._core, row.client_id, row.symbol, row.venue_id, guarded=guarded)

    # -- positions -------------------------------------------------------------------------

    def _compare_positions(self, positions: Iterable[VenuePosition], asked_ns: int, *, startup: bool) -> None:
        by_symbol = {position.symbol: position for position in positions}
        for symbol, market in self._desk.symbols.items():
            reported = by_symbol.get(symbol)
            size = reported.size if reported else ZERO
            difference = size - market.position.size - market.external_size
            if not difference:
                market.drift = None
            elif startup or self._confirmed(market, difference, asked_ns):
                market.drift = None
                self._settle_difference(market, difference, reported, startup=startup)

    def _confirmed(self, market: Market, difference: Decimal, asked_ns: int) -> bool:
        """A second read says the same, and nothing was moving meanwhile."""
        busy = market.filled_ns >= asked_ns or any(
            tracked.order.status in UNANSWERED for tracked in self._desk.tracked(market)
        )
        known = market.drift
        if busy or known is None or known.difference != difference:
            market.drift = None if busy else Drift(difference=difference, since_ns=asked_ns)
            self._core.reconcile_within(CONFIRM_NS)
            return False
        if asked_ns - known.since_ns < CONFIRM_NS:
            self._core.reconcile_within(known.since_ns + CONFIRM_NS - asked_ns)
            return False
        return True

    def _settle_difference(
        self, market: Market, difference: Decimal, reported: VenuePosition | None, *, startup: bool
    ) -> None:
        """Book the difference as an execution that was not ours, and say so."""
        symbol, ours = market.instrument.symbol, market.position.size
        venue = reported.size if reported else ZERO
        opening = startup and not ours
        self._core.notify(
            Severity.INFO if opening else Severity.ALARM,
            "external_position" if opening else "drift",
            f"the venue has {venue} contracts, ours are {ours}, external {market.external_size}: "
            f"{difference:+} is booked as not ours",
            symbol,
        )
        price = market.mark or (reported.entry_price if reported else ZERO)
        self._ledger.book_foreign(
            Fill(
                symbol=symbol,
                trade_id=f"drift-{self._core.request_id()}",
                client_id="drift",
                venue_order_id="",
                signed_size=difference,
                price=price or market.position.entry_price(market.instrument),
                fee=ZERO,
                fee_asset=market.instrument.settle,
                liquidity=Liquidity.TAKER,
                venue_ns=self._desk.venue_now_ns,
                ts_ns=self._desk.now_ns,
            )
        )

    # -- and then --------------------------------------------------------------------------

    def _conclude(self, asked_ns: int, *, startup: bool) -> None:
        """Reconciled: the private stream counts again, and a desk that was starting trades."""
        desk = self._desk
        if desk.stream_up and (startup or (desk.started and asked_ns >= desk.restored_ns)):
            desk.private_stream_ready = True
        if startup and not desk.started:
            desk.started = True
            for market in desk.symbols.values():  # see first, then judge
                market.guard.uncovered = renewed(market.guard.uncovered, desk.now_ns)
                market.guard.flatten_begun_ns = market.guard.late_told_ns = 0
            desk.account_due_ns = desk.now_ns
            if desk.starting:
                self._core.enter_state(TradingState.ACTIVE, "")
        # An entry that rests may fill unheard, and then it is as naked as a position.
        exposed = any(
            market.position.size or desk.tracked(market, OrderRole.ENTRY) for market in desk.symbols.values()
        )
        self._core.reconcile_within(EXPOSED_NS if exposed else FLAT_NS)
        for symbol in desk.symbols:
            self._core.touch(symbol)
