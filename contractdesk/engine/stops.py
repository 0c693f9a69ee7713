"""The stop of a position: placed, resized and moved, and never away in between.

Where the venue amends in place the one confirmed stop is amended. Elsewhere, and wherever an amend
has failed, the new one is placed first and the old one cancelled once the new one is confirmed: one
stop a position, two only while one replaces the other.
"""

from __future__ import annotations

from decimal import Decimal

from contractdesk.domain.commands import PlaceStop
from contractdesk.domain.orders import OrderRequest, OrderRole, OrderStatus, OrderType
from contractdesk.engine.amending import covers, under_way
from contractdesk.engine.core import Core
from contractdesk.engine.flattening import Flattening, to_close
from contractdesk.engine.order_tracker import OrderTracker
from contractdesk.engine.state import Market, Tracked
from contractdesk.engine.under_way import AmendState

MAX_LIVE_STOPS = 2
CONFIRMED = (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED, OrderStatus.TRIGGERED)


class Stops:
    def __init__(self, core: Core, orders: OrderTracker, flattening: Flattening) -> None:
        self._core = core
        self._desk = core.desk
        self._orders = orders
        self._flattening = flattening

    def right(self, market: Market) -> list[Tracked]:
        """Open stops on the closing side."""
        side = market.position.closing_side
        return [tracked for tracked in self._live(market) if tracked.order.request.side is side]

    def fit(self, market: Market) -> None:
        """Bring the stops to exactly one that fits."""
        live, side = self._live(market), market.position.closing_side
        right = [tracked for tracked in live if tracked.order.request.side is side]
        if any(tracked.triggered_ns for tracked in right):
            return  # it is closing the position just now
        for tracked in live:
            if tracked.order.request.side is not market.position.closing_side:
                self._orders.cancel(tracked)
        fitting = [tracked for tracked in right if self._fits(market, tracked)]
        holding = [tracked for tracked in fitting if tracked.order.status in CONFIRMED]
        if holding:
            self._orders.doubts.cancel(market)
            market.guard.rejections = market.guard.unheard = market.guard.moves_refused = 0
            staying = max(holding, key=_seen_ns)  # of two, one may be gone, and nobody has heard of it yet
            for tracked in right:
                if tracked is not staying:
                    self._orders.cancel(tracked)
            return
        waiting = any(tracked.order.status is OrderStatus.IN_FLIGHT for tracked in fitting)
        if waiting or self._shrinking(market) or self._amended(market, right):
            return
        guard, now = market.guard, self._desk.now_ns
        if now < guard.stop_ns or (now < guard.move_ns and not guard.uncovered):
            return
        if len(live) + len(market.doubted) < MAX_LIVE_STOPS:
            self.place(market, OrderRole.STOP, OrderType.STOP_MARKET, market.guard.stop_price)
        else:
            self._free_place(market, right)

    def place(self, market: Market, role: OrderRole, kind: OrderType, trigger_price: Decimal | None) -> None:
        """Send a reduce-only conditional order for the whole position."""
        if trigger_price is None:
            return
        request = OrderRequest(
            client_id=self._core.client_id(role),
            symbol=market.instrument.symbol,
            side=market.position.closing_side,
            type=kind,
            size=to_close(market),
            role=role,
            trigger_price=trigger_price,
            reduce_only=True,
            strategy_id=market.guard.strategy_id,
        )
        self._orders.add(request)
        self._core.emit(
            PlaceStop(
                client_id=request.client_id,
                symbol=request.symbol,
                side=request.side,
                size=request.size,
                trigger_price=trigger_price,
                type=kind,
                strategy_id=request.strategy_id,
            )
        )

    # -- parts -----------------------------------------------------------------------------

    def _live(self, market: Market) -> list[Tracked]:
        return self._desk.tracked(market, OrderRole.STOP)

    def _fits(self, market: Market, tracked: Tracked) -> bool:
        return (
            not tracked.cancelling
            and tracked.amending is None
            and tracked.order.remaining == to_close(market)
            and tracked.order.request.trigger_price == market.guard.stop_price
        )

    def _shrinking(self, market: Market) -> bool:
        """All is covered at the right price and a reduce order is under way: wait for its end."""
        if market.guard.uncovered or not self._flattening.under_way(market):
            return False
        return any(
            tracked.order.request.trigger_price == market.guard.stop_price and not tracked.cancelling
            for tracked in self.right(market)
        )

    def _amended(self, market: Market, right: list[Tracked]) -> bool:
        """The one confirmed stop is being amended, or is now; False where it must be replaced."""
        wanted = market.guard.stop_price
        staying = [tracked for tracked in right if not tracked.cancelling]
        if not self._desk.config.amend_stop or wanted is None or len(staying) != 1:
            return False
        stop = staying[0]
        if under_way(stop):
            lost = stop.amending is not None and stop.amending.state is AmendState.LOST
            return not (lost and market.guard.uncovered)  # a second stop covers what waits for an answer
        working = stop.order.status is OrderStatus.WORKING
        return working and self._orders.amends.attempt(stop, to_close(market), wanted)

    def _free_place(self, market: Market, right: list[Tracked]) -> None:
        """Two stops live, or may, and neither fits: give up one.

        One that reads deny, or else the one that covers less, if both are confirmed.
        """
        self._orders.doubts.cancel(market)
        settled = [t for t in right if t.order.status in CONFIRMED and not t.cancelling]
        if len(settled) == MAX_LIVE_STOPS:
            self._orders.cancel(min(settled, key=covers))
            self._core.touch(market.instrument.symbol)  # the one that stays may be amended now


def guards(tracked: Tracked) -> bool:
    """It stands at the venue, and will: one that is being cancelled guards only when it fires first."""
    staying = not tracked.cancelling or bool(tracked.triggered_ns)
    return staying and tracked.order.status in CONFIRMED


def _seen_ns(tracked: Tracked) -> int:
    """When the venue last showed it working."""
    return tracked.working_ns
