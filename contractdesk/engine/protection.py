"""Every filled contract stands under a reduce-only stop on the venue, or the position is closed.

``ensure`` compares what is wanted with what is there, whatever happened and in whatever order; so
an event that is lost, late or repeated changes when, not whether. How a stop is placed, resized and moved
stands in ``stops``. What a stop cannot cover in time is flattened.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from contractdesk.domain.commands import Severity
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.orders import Order, OrderRole, OrderStatus, OrderType
from contractdesk.domain.position import Trail
from contractdesk.domain.views import TradingState
from contractdesk.engine.amending import covers
from contractdesk.engine.core import SOON_NS, Booking, Core
from contractdesk.engine.coverage import oldest_ns, recount
from contractdesk.engine.flattening import (
    FIRST_RETRY_NS,
    LONGEST_RETRY_NS,
    TRIGGER_PATIENCE_NS,
    Flattening,
    to_close,
)
from contractdesk.engine.order_tracker import OrderTracker
from contractdesk.engine.state import NS_PER_S, Guard, Market, Tracked
from contractdesk.engine.stops import Stops, guards
from contractdesk.risk.freshness import mark_age_ns
from contractdesk.risk.trailing import TrailingStop

CLOSING = "flattening"  # code of the notice
MAX_REJECTIONS = 2  # stops refused in a row before the position is closed
MAX_LOSSES = 3  # stops taken away by somebody else before the position is closed
MAX_PROFIT_REJECTIONS = 2


class Protection:
    def __init__(self, core: Core, orders: OrderTracker) -> None:
        self._core = core
        self._desk = core.desk
        self._orders = orders
        self.flattening = Flattening(core, orders)
        self.stops = Stops(core, orders, self.flattening)

    # -- what happened ---------------------------------------------------------------------

    def on_booking(self, booking: Booking, market: Market) -> None:
        """A fill has changed our position: where is it to be stopped from now on?"""
        size, guard = market.position.size, market.guard
        fresh = booking.fill.signed_size
        if not size or (size > 0) != (fresh > 0):
            return  # it has closed, not opened: the stop stays where it is
        opened = abs(fresh) >= abs(size)
        if opened:
            self._open(market, booking.tracked)
        elif booking.tracked is not None and booking.tracked.stop_price is not None:
            guard.stop_price = _tighter(size, guard.stop_price, booking.tracked.stop_price)
            guard.take_profit = booking.tracked.take_profit or guard.take_profit

    def on_change(self, tracked: Tracked) -> None:
        """A stop or a take-profit has ended: by our wish, by the venue's, or by somebody else's."""
        market = self._desk.symbols[tracked.order.request.symbol]
        if tracked.order.status.open or not market.position.size:
            return
        if tracked.order.request.side is not market.position.closing_side:
            if tracked.role in (OrderRole.EXIT, OrderRole.FLATTEN):
                self._core.reconcile_within(SOON_NS)  # what it did, the venue's picture will show
            return  # it was of the position before this one, which an entry has reversed
        match tracked.role:
            case OrderRole.STOP:
                self._on_stop_ended(market, tracked)
            case OrderRole.TAKE_PROFIT if not tracked.cancelling:
                self._on_profit_ended(market, tracked)
            case OrderRole.EXIT if _refused_close(market, tracked):
                self.flatten(market, f"the order to close it was rejected: {tracked.order.reason}")
            case OrderRole.EXIT | OrderRole.FLATTEN if tracked.order.remaining:
                self.flattening.on_failed(market, tracked)
            case _:
                pass

    # -- what must hold --------------------------------------------------------------------

    def ensure(self, market: Market) -> None:
        """Do what is missing; called after everything that has touched the symbol."""
        self._measure(market)
        if self._desk.state is not TradingState.ACTIVE:
            self._orders.cancel_entries(market)
        if not self._desk.started:
            return  # a desk that comes back: what stands at the venue, its first picture will show
        if not market.position.size:
            self._stand_down(market)
            return
        guard = market.guard
        if not guard.flatten_reason:
            self._judge(market)
        if guard.flatten_reason:
            self.flattening.drive(market)
            return
        self.stops.fit(market)
        self._fit_profit(market)

    def deadlines_ns(self, market: Market) -> list[int]:
        """When ``ensure`` must be called though nothing happens; those that have passed count not."""
        guard = market.guard
        times = [guard.flatten_ns, guard.stop_ns, guard.move_ns, *market.doubted.values()]
        if guard.uncovered:
            times.append(oldest_ns(guard.uncovered) + self._patience_ns)
        if guard.flatten_reason and market.position.size:
            times.append(self.flattening.late_ns(market))
        times += [row.triggered_ns + TRIGGER_PATIENCE_NS for row in self.flattening.triggered(market)]
        return times

    def naked_s(self, market: Market) -> float:
        """How long the oldest uncovered contract has been so."""
        since = oldest_ns(market.guard.uncovered)
        return (self._desk.now_ns - since) / NS_PER_S if since else 0.0

    # -- measuring -------------------------------------------------------------------------

    @property
    def _patience_ns(self) -> int:
        return int(self._desk.risk.stop_deadline_s * NS_PER_S)

    def _measure(self, market: Market) -> None:
        """Count what confirmed stops cover, and since when the rest is uncovered."""
        size, guard = abs(market.position.size), market.guard
        confirmed = self._confirmed(market)
        guarded = _covered(size, confirmed)
        guard.uncovered = recount(guard.uncovered, size, guarded, market.guarded, self._desk.now_ns)
        market.guarded = guarded
        market.stop_price = confirmed[-1].order.request.trigger_price if confirmed else None

    def _confirmed(self, market: Market) -> list[Tracked]:
        return [tracked for tracked in self.stops.right(market) if guards(tracked)]

    def _judge(self, market: Market) -> None:
        """Is there a reason to close instead of to guard?"""
        guard, now = market.guard, self._desk.now_ns
        uncovered = oldest_ns(guard.uncovered)
        if guard.stop_price is None:
            self.flatten(market, "there is no price to stop it at")
        elif uncovered and now >= uncovered + self._patience_ns:
            self.flatten(market, f"not under a stop within {self._desk.risk.stop_deadline_s} s")
        elif guard.uncovered and self._crossed(market, guard.stop_price):
            self.flatten(market, f"the mark {market.trusted.price} is beyond the stop {guard.stop_price}")
        elif any(
            tracked.triggered_ns and now >= tracked.triggered_ns + TRIGGER_PATIENCE_NS
            for tracked in self.stops.right(market)
        ):
            self.flatten(market, "its stop has triggered and has not closed it")

    def _crossed(self, market: Market, stop_price: Decimal) -> bool:
        """True when a stop at ``stop_price`` would trigger at once, by a mark that is fresh and beyond doubt.

        A doubt ends within seconds, and where no mark is known the stop's deadline closes the position.
        """
        mark = self._fresh_mark(market)
        if mark is None:
            return False
        return mark <= stop_price if market.position.size > 0 else mark >= stop_price

    def flatten(self, market: Market, reason: str) -> None:
        """Close the position, whatever it takes; an alarm says why."""
        if not market.guard.flatten_reason:
            self.flattening.begin(market, reason)
            symbol = market.instrument.symbol
            self._core.notify(Severity.ALARM, CLOSING, f"closing {symbol}: {reason}", symbol)

    # -- the stop --------------------------------------------------------------------------

    def _open(self, market: Market, tracked: Tracked | None) -> None:
        """A position has been opened, or has crossed zero: its guard starts anew."""
        market.guard = Guard(
            stop_price=tracked.stop_price if tracked else None,
            take_profit=tracked.take_profit if tracked else None,
            strategy_id=tracked.order.request.strategy_id if tracked else "",
            flatten_reason=market.guard.flatten_reason,
        )
        market.guarded = ZERO
        market.trail = self._trail(market, tracked.trail if tracked else Trail())

    def _trail(self, market: Market, trail: Trail) -> Trail:
        """From the mark at which the position opens on."""
        rule = TrailingStop.of(self._desk.risk, trail)
        atr = self._desk.atr(market.instrument.symbol, rule.timeframe, rule.period) if trail.on else None
        return replace(trail, best=self._fresh_mark(market), atr=atr)

    def _fresh_mark(self, market: Market) -> Decimal | None:
        """The last one beyond doubt, while the mark is fresh: one bad tick closes and moves nothing."""
        fresh = mark_age_ns(market, self._desk) <= self._desk.risk.mark_max_age_s * NS_PER_S
        return market.trusted.price if fresh else None

    def _stand_down(self, market: Market) -> None:
        """Flat: no stop or exit may stay, and a flattening is over once nothing can open a position again."""
        self._orders.doubts.cancel(market)
        for tracked in self._desk.tracked(market, OrderRole.STOP, OrderRole.TAKE_PROFIT):
            self._orders.cancel(tracked)
        self.flattening.take_back(market)  # it would close the next position, or somebody else's
        if market.guard.flatten_reason:
            self._orders.cancel_entries(market)
            if self._desk.tracked(market, OrderRole.ENTRY, OrderRole.EXIT, OrderRole.FLATTEN):
                return
        if market.guard != _IDLE:
            market.guard, market.trail = Guard(), Trail()

    def _on_stop_ended(self, market: Market, tracked: Tracked) -> None:
        """A stop is gone and the position is not."""
        guard, order = market.guard, tracked.order
        if tracked.would_trigger:
            self.flatten(market, f"the price is beyond its stop: {order.reason}")
        elif tracked.triggered_ns:
            self.flatten(market, f"its stop ended {order.status.value} after its trigger: {order.reason}")
        elif tracked.cancelling or order.status is OrderStatus.FILLED:
            return
        elif order.status is OrderStatus.REJECTED and tracked.unheard:
            self._on_unheard(guard)
        elif order.status is OrderStatus.REJECTED and market.guarded == abs(market.position.size):
            self._on_move_refused(market, order)
        elif order.status is OrderStatus.REJECTED:
            guard.rejections += 1
            if guard.rejections >= MAX_REJECTIONS:
                self.flatten(market, f"its stop was rejected: {order.reason}")
        else:
            self._on_stop_lost(market, tracked)

    def _on_unheard(self, guard: Guard) -> None:
        """No connection, or a limit: the stop is tried again and again, until its deadline has passed."""
        wait = min(FIRST_RETRY_NS << min(guard.unheard, 8), LONGEST_RETRY_NS)
        guard.unheard += 1
        guard.stop_ns = self._desk.now_ns + wait

    def _on_move_refused(self, market: Market, order: Order) -> None:
        """The stop that was to be replaced covers all and stays; the move is tried later each time."""
        guard = market.guard
        wait = min(FIRST_RETRY_NS << min(guard.moves_refused, 8), LONGEST_RETRY_NS)
        guard.move_ns, guard.moves_refused = self._desk.now_ns + wait, guard.moves_refused + 1
        text = (
            f"the stop stays at {market.stop_price}: {order.request.trigger_price} was rejected "
            f"({order.reason}); again in {wait / NS_PER_S:g} s"
        )
        self._core.notify(Severity.WARNING, "stop_not_moved", text, order.request.symbol)

    def _on_stop_lost(self, market: Market, tracked: Tracked) -> None:
        """Where others cover all it was not taken away: a guardian puts its own in the place of ours."""
        guard, symbol, size = market.guard, market.instrument.symbol, abs(market.position.size)
        text = f"the stop {tracked.id} is gone ({tracked.order.reason or tracked.order.status.value})"
        if _covered(size, self._confirmed(market)) == size:
            self._core.notify(Severity.INFO, "stop_replaced", f"{text}; others cover the position", symbol)
            return
        guard.losses += self._desk.started  # else the venue's first picture may show the one in its place
        self._core.notify(Severity.WARNING, "stop_lost", text, symbol)
        if guard.losses >= MAX_LOSSES:
            self.flatten(market, f"{guard.losses} stops were taken away")
            self._core.halt(f"{symbol}: {guard.losses} stops were taken away")

    # -- the take-profit -------------------------------------------------------------------

    def _fit_profit(self, market: Market) -> None:
        """One take-profit for the whole position; it is never urgent, so it is replaced old-first."""
        guard = market.guard
        live = self._desk.tracked(market, OrderRole.TAKE_PROFIT)
        wanted = guard.take_profit if not guard.uncovered else None
        for tracked in live:
            request = tracked.order.request
            fits = (
                tracked.order.remaining == to_close(market)
                and request.trigger_price == guard.take_profit
                and request.side is market.position.closing_side
            )
            if not fits and not tracked.triggered_ns and not self.flattening.under_way(market):
                self._orders.cancel(tracked)
        if wanted is not None and not live and guard.profit_rejections < MAX_PROFIT_REJECTIONS:
            self.stops.place(market, OrderRole.TAKE_PROFIT, OrderType.TAKE_PROFIT_MARKET, wanted)

    def _on_profit_ended(self, market: Market, tracked: Tracked) -> None:
        if tracked.order.status is OrderStatus.FILLED:
            return
        market.guard.profit_rejections += 1
        text = f"the take-profit {tracked.id} is gone: {tracked.order.reason or tracked.order.status.value}"
        self._core.notify(Severity.WARNING, "take_profit_lost", text, market.instrument.symbol)


_IDLE = Guard()


def _covered(size: Decimal, confirmed: list[Tracked]) -> Decimal:
    """Contracts of ``size`` that these stops cover."""
    return min(size, sum((covers(tracked) for tracked in confirmed), ZERO))


def _tighter(size: Decimal, known: Decimal | None, new: Decimal) -> Decimal:
    """Of two stops the one nearer to the market: a stop never loosens."""
    if known is None:
        return new
    return max(known, new) if size > 0 else min(known, new)


def _refused_close(market: Market, tracked: Tracked) -> bool:
    """The venue has refused an order that was to close all of the position at market."""
    order = tracked.order
    whole = order.request.size >= abs(market.position.size)
    return order.status is OrderStatus.REJECTED and order.request.type is OrderType.MARKET and whole
