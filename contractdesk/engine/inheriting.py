"""A stop of our making that we do not track: the guardian placed it while the desk was silent.

Where it covers a position of ours it is taken up as what it is; protection then keeps it, or replaces it.
"""

from __future__ import annotations

from contractdesk.domain.commands import Severity
from contractdesk.domain.events import VenueOrder
from contractdesk.domain.orders import OrderRequest, OrderRole, OrderStatus, OrderType
from contractdesk.engine import client_ids
from contractdesk.engine.core import Core
from contractdesk.engine.order_tracker import OrderTracker
from contractdesk.engine.state import Tracked

LIVE = (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)


def inherited(core: Core, orders: OrderTracker, row: VenueOrder) -> Tracked | None:
    """The order as one of ours from now on; None where it is not such a stop."""
    parsed, market = client_ids.parse(row.client_id), core.market(row.symbol)
    if parsed is None or market is None or parsed.bot != core.desk.config.bot:
        return None
    position = market.position
    stops = parsed.role is OrderRole.STOP and row.type is OrderType.STOP_MARKET and row.reduce_only
    if not stops or row.status not in LIVE or row.trigger_price is None:
        return None
    if not position.size or row.side is not position.closing_side:
        return None
    price, known = row.trigger_price, market.guard.stop_price
    if known is None:
        market.guard.stop_price = price
    else:  # a stop never loosens, whoever has placed it
        market.guard.stop_price = max(known, price) if position.size > 0 else min(known, price)
    text = f"{row.client_id}, a stop at {price}, was placed while this desk was silent: it is its own now"
    core.notify(Severity.WARNING, "stop_inherited", text, row.symbol)
    return orders.add(
        OrderRequest(
            client_id=row.client_id,
            symbol=row.symbol,
            side=row.side,
            type=row.type,
            size=row.size,
            role=OrderRole.STOP,
            trigger_price=price,
            reduce_only=True,
            strategy_id=market.guard.strategy_id,
        )
    )
