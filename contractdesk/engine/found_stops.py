"""A working stop of our making that no journal of ours remembers: it was sent just before a kill, or by the
guardian while the desk was silent.

It is taken up like any other. It may be the only one that stands, whatever the journal says; and where it
is tighter than the one that is remembered, it stays the stop, for a stop never loosens.
"""

from __future__ import annotations

from contractdesk.domain.commands import Severity
from contractdesk.domain.events import VenueOrder
from contractdesk.domain.orders import OrderRequest, OrderRole, OrderStatus, OrderType
from contractdesk.engine import client_ids
from contractdesk.engine.core import Core
from contractdesk.engine.order_tracker import OrderTracker


def take_up(core: Core, orders: OrderTracker, row: VenueOrder) -> bool:
    """Track the stop that ``row`` shows, and guard by it; False where it guards no position of ours."""
    parsed, market = client_ids.parse(row.client_id), core.market(row.symbol)
    if parsed is None or parsed.bot != core.desk.config.bot or parsed.role is not OrderRole.STOP:
        return False
    if row.type is not OrderType.STOP_MARKET or not row.reduce_only or not row.trigger_price:
        return False
    if market is None or not market.position.size or row.side is not market.position.closing_side:
        return False
    request = OrderRequest(
        client_id=row.client_id,
        symbol=row.symbol,
        side=row.side,
        type=row.type,
        size=row.size,
        role=OrderRole.STOP,
        trigger_price=row.trigger_price,
        reduce_only=True,
        strategy_id=market.guard.strategy_id,
    )
    tracked = orders.add(request)
    tracked.working_ns = core.desk.now_ns
    orders.move(tracked, OrderStatus.WORKING, venue_id=row.venue_id)
    tightest = max if market.position.size > 0 else min
    market.guard.stop_price = tightest(market.guard.stop_price or row.trigger_price, row.trigger_price)
    text = f"the stop {row.client_id} at {row.trigger_price} was not remembered; it is taken up"
    core.notify(Severity.WARNING, "stop_found", text, row.symbol)
    return True
