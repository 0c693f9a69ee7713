"""Taking in again what a killed process took in, where the record has a hole.

Market data reaches the disk a little later than orders and fills: a kill may cost the last of it. What is
repeated behind such a hole can stray from what was. The commands are on record, so what was really sent is
known: those orders are taken up as they were, and whatever the repetition makes up beside them gets ids
that no venue has ever seen. Otherwise one id would name two orders, and the stop of another symbol would be
cancelled for ours; a stop that was moved last would be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

from msgspec.structs import replace

from contractdesk.domain.commands import AmendStop, OrderCommand, SubmitOrder
from contractdesk.domain.orders import OrderRequest, OrderRole, Side
from contractdesk.domain.requests import created_by
from contractdesk.engine.core import Core
from contractdesk.engine.order_tracker import OrderTracker
from contractdesk.engine.state import Tracked


class Repeating:
    def __init__(self, core: Core, orders: OrderTracker) -> None:
        self._core = core
        self._orders = orders

    @contextmanager
    def of(self, sent: Sequence[OrderCommand]) -> Iterator[None]:
        """Meanwhile new orders get the ids of those that were sent, each for its role."""
        created = [created_by(command) for command in sent]
        self._core.sent_ids = [request.client_id for request in created if request is not None]
        try:
            yield
        finally:
            self._core.sent_ids = None

    def recall(self, sent: Sequence[OrderCommand]) -> bool:
        """Know of these what the repetition has not come to itself; True where there was something."""
        return sum(map(self._recall, sent)) > 0  # each of them is asked

    def _recall(self, command: OrderCommand) -> bool:
        if isinstance(command, AmendStop):
            return self._tighten(command.symbol, command.side, command.trigger_price)
        request = created_by(command)
        if request is None or request.symbol not in self._core.desk.symbols:
            return False
        known = self._orders.find(request.client_id)
        if known is not None and _asks_the_same(known.order.request, request):
            return False
        tracked = self._correct(known, request) if known is not None else self._orders.add(request)
        if isinstance(command, SubmitOrder):
            tracked.stop_price = command.approved.stop_price
        if request.role is OrderRole.STOP and request.trigger_price is not None:
            self._tighten(request.symbol, request.side, request.trigger_price)
        return True

    def _correct(self, known: Tracked, request: OrderRequest) -> Tracked:
        """It was sent, and otherwise than it would be now."""
        ours = known.order.request
        if (ours.symbol, ours.side) != (request.symbol, request.side):
            self._core.desk.symbols[ours.symbol].open_ids.pop(known.id, None)
            return self._orders.add(request)
        known.order = replace(known.order, request=replace(request, intent_id=ours.intent_id))
        self._core.touch(request.symbol)
        return known

    def _tighten(self, symbol: str, side: Side, price: Decimal) -> bool:
        """A stop never loosens: where one was asked for, the position is to be stopped, or nearer."""
        market = self._core.market(symbol)
        if market is None or not market.position.size or side is not market.position.closing_side:
            return False
        known, nearer = market.guard.stop_price, max if market.position.size > 0 else min
        market.guard.stop_price = price if known is None else nearer(known, price)
        return market.guard.stop_price != known


def _asks_the_same(ours: OrderRequest, sent: OrderRequest) -> bool:
    return replace(ours, intent_id=0, strategy_id="") == replace(sent, intent_id=0, strategy_id="")
