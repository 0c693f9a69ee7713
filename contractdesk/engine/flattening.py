"""Closing a position with reduce-only market orders, in chunks, until it is flat.

Never more is sent than is left to close; the venue's reduce-only rule forbids a flip besides. Failed
orders are repeated with backoff and alarms for as long as there is a position; one that is not closed by
its deadline is said so, again and again. Stops go last.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from contractdesk.domain.commands import ReduceOrder, Severity
from contractdesk.domain.instrument import ZERO, Rounding
from contractdesk.domain.orders import OrderRequest, OrderRole, OrderStatus, OrderType, TimeInForce
from contractdesk.engine.core import SOON_NS, Core
from contractdesk.engine.coverage import oldest_ns
from contractdesk.engine.order_tracker import ABSENT_ANSWERS, OrderTracker
from contractdesk.engine.state import NS_PER_MS, NS_PER_S, Market, Tracked
from contractdesk.risk.words import number

LATE = "flatten_late"  # code of the alarm
MAX_CHUNKS = 10  # market orders sent at once
FIRST_RETRY_NS = 250 * NS_PER_MS
LONGEST_RETRY_NS = 10 * NS_PER_S
ALARM_EVERY = 3  # failures in a row
LATE_AGAIN_NS = 30 * NS_PER_S  # between two alarms that a position is still not closed
TRIGGER_PATIENCE_NS = 2 * NS_PER_S  # a triggered stop's market order is done by then


class Flattening:
    def __init__(self, core: Core, orders: OrderTracker) -> None:
        self._core = core
        self._desk = core.desk
        self._orders = orders

    def begin(self, market: Market, reason: str) -> None:
        """From now on until it is flat: entries are cancelled and the position is closed."""
        guard = market.guard
        guard.flatten_reason, guard.flatten_tries, guard.flatten_ns = reason, 0, 0
        self._core.touch(market.instrument.symbol)

    def drive(self, market: Market) -> None:
        """Close what is not being closed yet; entries, take-profits and resting exits make way."""
        guard, now = market.guard, self._desk.now_ns
        guard.flatten_begun_ns = guard.flatten_begun_ns or now
        if now >= self.late_ns(market):
            self._tell_late(market)
        self._orders.cancel_entries(market)
        for tracked in self._desk.tracked(market, OrderRole.TAKE_PROFIT):
            self._orders.cancel(tracked)
        self.take_back(market)
        if now < guard.flatten_ns:
            return
        guard.flatten_ns = 0
        self.close(market, abs(market.position.size) - self.under_way(market), OrderRole.FLATTEN)

    def late_ns(self, market: Market) -> int:
        """When a person is told that the position, which is being closed, should be gone by then.

        ``flatten_deadline_s`` after its oldest contract was without a stop, or after the closing began; for
        as long as it lasts, every ``LATE_AGAIN_NS``.
        """
        guard = market.guard
        due_ns = self._late_since_ns(market) + int(self._desk.risk.flatten_deadline_s * NS_PER_S)
        return max(due_ns, guard.late_told_ns + LATE_AGAIN_NS) if guard.late_told_ns else due_ns

    def _late_since_ns(self, market: Market) -> int:
        begun_ns = market.guard.flatten_begun_ns
        return min(oldest_ns(market.guard.uncovered) or begun_ns, begun_ns)

    def _tell_late(self, market: Market) -> None:
        guard, symbol, now = market.guard, market.instrument.symbol, self._desk.now_ns
        since_s = (now - self._late_since_ns(market)) / NS_PER_S
        guard.late_told_ns = now
        size, within_s = number(abs(market.position.size)), self._desk.risk.flatten_deadline_s
        last = guard.flatten_failure or "no order that is to close it has been refused"
        text = (
            f"{size} contracts of {symbol} are still held after {since_s:.1f} s, not closed within "
            f"{within_s:g} s ({guard.flatten_reason}). {last}. It is tried on and on: look at the venue"
        )
        self._core.notify(Severity.ALARM, LATE, text, symbol)

    def take_back(self, market: Market) -> None:
        """Cancel the exits that rest at a limit: what they hold is to be closed now."""
        for tracked in self._desk.tracked(market, OrderRole.EXIT):
            if tracked.order.request.type is not OrderType.MARKET:
                self._orders.cancel(tracked)

    def under_way(self, market: Market, *, resting: bool = True) -> Decimal:
        """Contracts that reduce orders are about to close; what is probably lost does not count.

        ``resting=False`` leaves those at a limit out.
        """
        reducing = self._desk.tracked(market, OrderRole.EXIT, OrderRole.FLATTEN)
        side = market.position.closing_side
        total = sum(
            (
                tracked.order.remaining
                for tracked in reducing
                if tracked.order.request.side is side
                and self._alive(tracked)
                and (resting or tracked.order.request.type is OrderType.MARKET)
            ),
            ZERO,
        )
        closing = [t for t in self.triggered(market) if self._desk.now_ns < _patience_ends(t)]
        return total + sum((tracked.order.remaining for tracked in closing), ZERO)

    def close(
        self,
        market: Market,
        size: Decimal,
        role: OrderRole,
        *,
        price: Decimal | None = None,
        time_in_force: TimeInForce = TimeInForce.GTC,
        strategy_id: str = "",
        signal_ns: int = 0,
        intent_id: int = 0,
    ) -> list[str]:
        """Send reduce-only orders for ``size`` contracts in all; returns their client ids."""
        most = market.instrument.max_size if price else market.instrument.max_market_size
        sent = []
        for chunk in _chunks(market.instrument.round_size(size, Rounding.UP), most):
            request = OrderRequest(
                client_id=self._core.client_id(role),
                symbol=market.instrument.symbol,
                side=market.position.closing_side,
                type=OrderType.LIMIT if price else OrderType.MARKET,
                size=chunk,
                role=role,
                price=price,
                time_in_force=time_in_force,
                reduce_only=True,
                strategy_id=strategy_id or market.guard.strategy_id,
                intent_id=intent_id,
            )
            tracked = self._orders.add(request)
            tracked.signal_ns = signal_ns
            self._core.emit(_command(request, signal_ns))
            sent.append(request.client_id)
        return sent

    def on_failed(self, market: Market, tracked: Tracked) -> None:
        """A reduce order has ended before it closed its size: try again, later each time."""
        guard, symbol = market.guard, market.instrument.symbol
        self._core.reconcile_within(SOON_NS)  # it may be that there is nothing left to close
        if not guard.flatten_reason:
            return
        guard.flatten_tries += 1
        guard.flatten_failure = f"{tracked.id} ended {tracked.order.status.value} ({tracked.order.reason})"
        wait = min(FIRST_RETRY_NS << min(guard.flatten_tries - 1, 8), LONGEST_RETRY_NS)
        guard.flatten_ns = self._desk.now_ns + wait
        alarming = guard.flatten_tries % ALARM_EVERY == 0
        self._core.notify(
            Severity.ALARM if alarming else Severity.WARNING,
            "flatten_failed",
            f"{guard.flatten_failure}; try {guard.flatten_tries + 1} in {wait / NS_PER_S:g} s",
            symbol,
        )

    def _alive(self, tracked: Tracked) -> bool:
        """It may still reduce: not probably lost, and not cancelled long since.

        Nobody waits for a second cancel, however the first one ended: two reduce-only orders flip nothing.
        """
        if tracked.order.status is OrderStatus.UNKNOWN and tracked.absent >= ABSENT_ANSWERS:
            return False
        if not tracked.cancelling:
            return True
        return tracked.cancels == 1 and not tracked.cancels_lost and self._desk.now_ns < tracked.cancel_ns

    def triggered(self, market: Market) -> list[Tracked]:
        """Conditional orders that have fired: market orders on their way."""
        conditional = self._desk.tracked(market, OrderRole.STOP, OrderRole.TAKE_PROFIT)
        side = market.position.closing_side
        return [
            tracked for tracked in conditional if tracked.triggered_ns and tracked.order.request.side is side
        ]


def to_close(market: Market) -> Decimal:
    """Contracts of an order that closes all of the position.

    Where the lot has grown meanwhile that may be more than is held: such an order only reduces.
    """
    return market.instrument.round_size(abs(market.position.size), Rounding.UP)


def _patience_ends(tracked: Tracked) -> int:
    return tracked.triggered_ns + TRIGGER_PATIENCE_NS


def _chunks(size: Decimal, most: Decimal) -> Iterator[Decimal]:
    for _ in range(MAX_CHUNKS):
        if size <= 0:
            return
        chunk = min(size, most)
        yield chunk
        size -= chunk


def _command(request: OrderRequest, signal_ns: int) -> ReduceOrder:
    return ReduceOrder(
        client_id=request.client_id,
        symbol=request.symbol,
        side=request.side,
        size=request.size,
        role=request.role,
        price=request.price,
        time_in_force=request.time_in_force,
        strategy_id=request.strategy_id,
        signal_ns=signal_ns,
    )
