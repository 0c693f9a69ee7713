"""The order that a command asks for, as the venue is to be given it."""

from __future__ import annotations

from contractdesk.domain.commands import Command, PlaceStop, ReduceOrder, SubmitOrder
from contractdesk.domain.orders import OrderRequest, OrderRole, OrderType


def created_by(command: Command) -> OrderRequest | None:
    """What is created by the command; None for one that creates no order."""
    match command:
        case SubmitOrder(approved=approved):
            return approved.request
        case PlaceStop():
            return stop_request(command)
        case ReduceOrder():
            return reduce_request(command)
        case _:
            return None


def stop_request(command: PlaceStop) -> OrderRequest:
    """A stop or a take-profit, by its type; always reduce-only."""
    protective = command.type is OrderType.STOP_MARKET
    return OrderRequest(
        client_id=command.client_id,
        symbol=command.symbol,
        side=command.side,
        type=command.type,
        size=command.size,
        role=OrderRole.STOP if protective else OrderRole.TAKE_PROFIT,
        trigger_price=command.trigger_price,
        reduce_only=True,
        strategy_id=command.strategy_id,
    )


def reduce_request(command: ReduceOrder) -> OrderRequest:
    """At market, unless it has a price; always reduce-only."""
    return OrderRequest(
        client_id=command.client_id,
        symbol=command.symbol,
        side=command.side,
        type=OrderType.MARKET if command.price is None else OrderType.LIMIT,
        size=command.size,
        role=command.role,
        price=command.price,
        time_in_force=command.time_in_force,
        reduce_only=True,
        strategy_id=command.strategy_id,
    )
