"""What happened between two snapshots, in words: the body of every receipt. Pure."""

from __future__ import annotations

from decimal import Decimal

from contractdesk.console.tables import shown
from contractdesk.domain.orders import Order, OrderRole, OrderStatus, OrderType
from contractdesk.domain.views import DeskSnapshot, PositionRow

_PROTECTIVE = (OrderRole.STOP, OrderRole.TAKE_PROFIT)


def order_line(order: Order) -> str:
    """One order in one line: ``filled buy 0.01 BTC/USDT:USDT at market (cd..)``."""
    request = order.request
    if request.type.conditional:
        kind = "stop" if request.type is OrderType.STOP_MARKET else "take-profit"
        price = f"{kind} at {shown(request.trigger_price)}"
    else:
        price = "at market" if request.price is None else f"at {shown(request.price)}"
    filled = (
        f", {shown(order.filled)} filled" if order.filled and order.status is not OrderStatus.FILLED else ""
    )
    reason = f" ({order.reason})" if order.reason else ""
    return (
        f"{order.status.value.replace('_', ' ')}: {request.side.value} {shown(request.size)} {request.symbol}"
        f" {price}{filled}{reason} [{request.client_id}]"
    )


def changed_orders(before: DeskSnapshot, after: DeskSnapshot) -> tuple[str, ...]:
    """Orders other than stops that are new or have moved."""
    known = {order.request.client_id: order for order in before.orders}
    return tuple(
        order_line(order)
        for order in after.orders
        if order.request.role not in _PROTECTIVE and _moved(known.get(order.request.client_id), order)
    )


def stops_now(before: DeskSnapshot, after: DeskSnapshot) -> tuple[str, ...]:
    """Stops that stand, and those that went or came since ``before``."""
    known = {order.request.client_id: order for order in before.orders}
    lines = []
    for order in after.orders:
        if order.request.role not in _PROTECTIVE:
            continue
        old = known.get(order.request.client_id)
        if order.status.open:
            lines.append(
                f"{'kept' if old is not None and old.status.open else 'placed'}: {_stop_text(order)}"
            )
        elif _moved(old, order) and (old is None or old.status.open):
            lines.append(f"{order.status.value}: {_stop_text(order)}")
    return tuple(lines)


def positions_now(before: DeskSnapshot, after: DeskSnapshot) -> tuple[str, ...]:
    """Open positions, and what became of those that were open."""
    old = {(row.symbol, row.origin): row for row in before.positions}
    lines = [_position_line(old.pop((row.symbol, row.origin), None), row) for row in after.positions]
    lines += [f"closed: {row.symbol}, was {shown(row.size)}" for row in old.values() if row.size]
    return tuple(line for line in lines if line)


def _moved(old: Order | None, new: Order) -> bool:
    return old is None or (old.status, old.filled) != (new.status, new.filled)


def _stop_text(order: Order) -> str:
    request = order.request
    return (
        f"{request.side.value} {shown(request.size)} {request.symbol} at mark {shown(request.trigger_price)}"
        f" [{request.client_id}]"
    )


def _position_line(old: PositionRow | None, row: PositionRow) -> str:
    was = old.size if old else Decimal(0)
    if not row.size:
        return f"closed: {row.symbol}, was {shown(was)}; realized {shown(row.realized_pnl)}" if was else ""
    what = "unchanged" if was == row.size else f"was {shown(was)}"
    stop = f"stop {shown(row.stop_price)}" if row.stop_price is not None else "NO STOP"
    if row.origin == "external":
        stop = "external: left alone, adopt() takes it"
    return f"{row.symbol} {shown(row.size)} at {shown(row.entry_price)} ({what}), {stop}"


def left_alone(snapshot: DeskSnapshot) -> str:
    """What is not ours and stays, to be said beside what was closed."""
    foreign = [row.symbol for row in snapshot.positions if row.size and row.origin == "external"]
    return f"; external and left alone: {', '.join(foreign)}" if foreign else ""
