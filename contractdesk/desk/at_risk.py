"""What a guardian must know of the engine's state: the symbols in which contracts are or may be held."""

from __future__ import annotations

from contractdesk.desk.guardian_words import EntryAtRisk, SymbolAtRisk
from contractdesk.domain.orders import OrderRole, OrderStatus, OrderType
from contractdesk.engine.state import Desk, Market, Tracked

RESTING = (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)


def at_risk(desk: Desk) -> tuple[SymbolAtRisk, ...]:
    """Own positions and open entries; positions of others are no matter of the guardian's."""
    rows = (
        row_of(desk, market) for market in desk.symbols.values() if market.position.size or market.open_ids
    )
    return tuple(row for row in rows if row.size or row.entries)


def row_of(desk: Desk, market: Market) -> SymbolAtRisk:
    """One symbol."""
    return SymbolAtRisk(
        symbol=market.instrument.symbol,
        size=market.position.size,
        external=market.external_size,
        guarded=market.guarded,
        stop_price=market.guard.stop_price,
        entries=tuple(_entry(tracked) for tracked in desk.tracked(market, OrderRole.ENTRY)),
    )


def _entry(tracked: Tracked) -> EntryAtRisk:
    request = tracked.order.request
    return EntryAtRisk(
        client_id=request.client_id,
        side=request.side,
        size=tracked.order.remaining,
        resting=tracked.order.status in RESTING,
        limit=request.type is OrderType.LIMIT,
        stop_price=tracked.stop_price,
    )
