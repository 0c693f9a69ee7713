"""Taking in again what a killed process took in, where the record has a hole.

Market data reaches the disk a little later than orders and fills: a kill may cost the last of it. What is
repeated behind such a hole can stray from what was. The commands are on record, so what was really sent is
known: those orders are taken up as they were, stops are where they were asked to be, what was being closed
is being closed, and a breaker that tripped has tripped. Whatever the repetition makes up beside them gets
ids that no venue has ever seen, and is dropped in the end. Otherwise one id would name two orders, and the
stop of another symbol would be cancelled for ours; a stop that was moved last would be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

from msgspec.structs import replace

from contractdesk.domain.commands import AmendStop, Command, Notify, PlaceStop, SubmitOrder
from contractdesk.domain.events import Event, MarketEvent, TimePassed
from contractdesk.domain.orders import OrderRequest, OrderRole, Side
from contractdesk.domain.requests import created_by
from contractdesk.engine import client_ids
from contractdesk.engine.breaking import TRIPPED, Breaking
from contractdesk.engine.core import Core
from contractdesk.engine.order_tracker import OrderTracker
from contractdesk.engine.protection import CLOSING
from contractdesk.engine.state import Market, Tracked


class Repeating:
    def __init__(self, core: Core, orders: OrderTracker, breaking: Breaking) -> None:
        self._core = core
        self._desk = core.desk
        self._orders = orders
        self._breaking = breaking

    @contextmanager
    def of(self, event: Event, answer: Sequence[Command]) -> Iterator[None]:
        """Take in ``event`` within: new orders get the ids of those that were sent, each for its role.

        Afterwards, also of one that faults, all of ``answer`` is known. Up to the end of the event's
        consequences (the caller ends ``sent_ids``) what is created is made up.
        """
        created = [created_by(command) for command in answer]
        self._core.sent_ids = [request.client_id for request in created if request is not None]
        by_market = isinstance(event, MarketEvent | TimePassed)
        stops = {symbol: _guard_of(market) for symbol, market in self._desk.symbols.items() if by_market}
        try:
            yield
        finally:
            self._core.sent_ids = []
            for symbol, (direction, price, closing) in stops.items():
                market = self._desk.symbols[symbol]
                if direction and direction == _guard_of(market)[0]:  # what the market has changed was said
                    market.guard.stop_price, market.guard.flatten_reason = price, closing
            for command in answer:
                self._recall(command)

    def _recall(self, command: Command) -> None:
        match command:
            case Notify(code=code, message=message) if code == TRIPPED:
                self._breaking.recall(message)
            case Notify(code=code, symbol=symbol) if code == CLOSING and symbol in self._desk.symbols:
                guard = self._desk.symbols[symbol].guard
                guard.flatten_reason = guard.flatten_reason or command.message
                self._core.touch(symbol)
            case AmendStop():
                self._guard(command.symbol, command.side, OrderRole.STOP, command.trigger_price)
            case _:
                request = created_by(command)
                if request is not None and request.symbol in self._desk.symbols:
                    self._take_up(command, request)

    def _take_up(self, command: Command, request: OrderRequest) -> None:
        known = self._orders.find(request.client_id)
        tracked = self._orders.add(request) if known is None else self._correct(known, request)
        self._count(request.client_id)
        if isinstance(command, SubmitOrder):
            tracked.stop_price = command.approved.stop_price
            tracked.take_profit, tracked.trail = command.take_profit, command.trail
            tracked.expire_ns = command.expire_ns
        elif isinstance(command, PlaceStop):
            self._guard(command.symbol, command.side, request.role, command.trigger_price)

    def _correct(self, known: Tracked, request: OrderRequest) -> Tracked:
        """It was sent, perhaps otherwise than it would be now."""
        ours = known.order.request
        if (ours.symbol, ours.side) != (request.symbol, request.side):
            self._desk.symbols[ours.symbol].open_ids.pop(known.id, None)
            return self._orders.add(request)
        sent = replace(request, intent_id=ours.intent_id, strategy_id=ours.strategy_id)
        if sent != ours:
            known.order = replace(known.order, request=sent)
            self._core.touch(request.symbol)
        return known

    def _count(self, client_id: str) -> None:
        """No later order of ours gets its number, in whatever epoch."""
        parsed, given = client_ids.parse(client_id), self._desk.sequence % client_ids.NEVER_SENT
        if parsed is not None and given < parsed.sequence < client_ids.GUARDIAN:
            self._desk.sequence += parsed.sequence - given

    def _guard(self, symbol: str, side: Side, role: OrderRole, price: Decimal) -> None:
        """The position is to be stopped, or closed with a profit, where that was asked for."""
        market = self._desk.symbols.get(symbol)
        if market is None or not market.position.size or side is not market.position.closing_side:
            return
        guard = market.guard
        before = guard.stop_price, guard.take_profit
        if role is OrderRole.STOP:
            guard.stop_price = price
        else:
            guard.take_profit = price
        if before != (guard.stop_price, guard.take_profit):
            self._core.touch(symbol)


def _guard_of(market: Market) -> tuple[int, Decimal | None, str]:
    """Of the position its direction, where it is to be stopped, and why it is being closed."""
    size, guard = market.position.size, market.guard
    return (size > 0) - (size < 0), guard.stop_price, guard.flatten_reason
