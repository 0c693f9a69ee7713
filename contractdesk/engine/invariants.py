"""What must hold between any two events; tests call it after each."""

from __future__ import annotations

from contractdesk.domain.instrument import ZERO
from contractdesk.domain.orders import OrderRole
from contractdesk.domain.views import TradingState
from contractdesk.engine.amending import MAX_AMENDS, covers, under_way
from contractdesk.engine.core import Core
from contractdesk.engine.state import Desk, Market
from contractdesk.engine.stops import CONFIRMED, MAX_LIVE_STOPS
from contractdesk.errors import EngineFault


def validate_state(core: Core) -> None:
    """Raises EngineFault naming the first invariant that is broken."""
    if core.busy or core.out:
        raise EngineFault("an event was not handled to its end")
    if core.desk.reduced and core.desk.state is TradingState.ACTIVE:
        raise EngineFault(f"ACTIVE, though only resume() ends: {core.desk.reduced}")
    for market in core.desk.symbols.values():
        _check_orders(core.desk, market)
        _check_protection(core.desk, market)
        _check_amends(core.desk, market)
    _check_indexes(core.desk)


def _check_orders(desk: Desk, market: Market) -> None:
    for tracked in desk.tracked(market):
        if not tracked.order.status.open:
            raise EngineFault(f"{tracked.id} is indexed as open and is {tracked.order.status.value}")
        if tracked.order.request.symbol != market.instrument.symbol:
            raise EngineFault(f"{tracked.id} is indexed under another symbol")
    for tracked in desk.tracked(market, OrderRole.ENTRY):
        if desk.state is not TradingState.ACTIVE and not tracked.cancelling:
            raise EngineFault(f"{tracked.id} may still open a position in state {desk.state.value}")


def _check_protection(desk: Desk, market: Market) -> None:
    symbol, size, guard = market.instrument.symbol, abs(market.position.size), market.guard
    stops = desk.tracked(market, OrderRole.STOP)
    if len(stops) > MAX_LIVE_STOPS:
        raise EngineFault(f"{symbol} has {len(stops)} live stops")
    if market.position.size * market.external_size < 0:
        raise EngineFault(f"{symbol}: {market.position.size} ours against {market.external_size} external")
    if not ZERO <= market.guarded <= size:
        raise EngineFault(f"{symbol}: {market.guarded} of {size} contracts are guarded")
    levels = [item.level for item in guard.uncovered]
    if levels != sorted(set(levels)) or (market.guarded < size) != bool(levels):
        raise EngineFault(f"{symbol}: uncovered levels {levels} of {size}, {market.guarded} guarded")
    if levels and (levels[0] <= market.guarded or levels[-1] != size):
        raise EngineFault(f"{symbol}: uncovered levels {levels} do not fit {market.guarded} of {size}")
    for tracked in stops:
        if not tracked.order.request.reduce_only:
            raise EngineFault(f"the stop {tracked.id} could open a position")


def _check_amends(desk: Desk, market: Market) -> None:
    """Only a stop is amended, a bounded number of times, and it covers no more than is certain."""
    certain, side = ZERO, market.position.closing_side
    for tracked in desk.tracked(market):
        stop = tracked.role is OrderRole.STOP
        if tracked.amending is not None and not (stop and desk.config.amend_stop):
            raise EngineFault(f"{tracked.id} is being amended, and must not be")
        if tracked.amends > MAX_AMENDS or (under_way(tracked) and not tracked.amends):
            raise EngineFault(f"{tracked.id} has been amended {tracked.amends} times in one move")
        if stop and tracked.order.request.side is side and tracked.order.status in CONFIRMED:
            certain += covers(tracked)
    if market.guarded > certain:
        raise EngineFault(f"{market.guarded} contracts count as guarded, and {certain} are for certain")


def _check_indexes(desk: Desk) -> None:
    for client_id, tracked in desk.orders_by_id.items():
        market = desk.symbols[tracked.order.request.symbol]
        opened, closed = client_id in market.open_ids, client_id in desk.closed_ids
        if opened == closed or opened != tracked.order.status.open:
            raise EngineFault(f"{client_id} is {tracked.order.status.value} and indexed otherwise")
