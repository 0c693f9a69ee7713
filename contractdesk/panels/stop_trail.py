"""Where the stop of a symbol has been: a step line, of its stop orders at first, then of what is seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from contractdesk.domain.orders import Order, OrderRole, OrderStatus, Side
from contractdesk.domain.views import DeskSnapshot

MAX_STEPS: Final = 600
Step = tuple[int, Decimal | None]  # since when (UTC ns), and where; None: there is no stop

_NEVER_STOOD: Final = frozenset({OrderStatus.IN_FLIGHT, OrderStatus.UNKNOWN, OrderStatus.REJECTED})


class StopTrail:
    """Belongs to one panel and looks at one symbol at a time; bounded."""

    def __init__(self) -> None:
        self._symbol = ""
        self._side = 0  # of the position that the last step protects
        self._steps: deque[Step] = deque(maxlen=MAX_STEPS)

    def saw(self, snapshot: DeskSnapshot, symbol: str) -> Sequence[Step]:
        """The steps up to ``snapshot``, oldest first; another symbol begins with what its orders tell."""
        if symbol != self._symbol:
            self._symbol, self._side = symbol, 0
            self._steps = deque(steps_of(snapshot.orders, symbol), maxlen=MAX_STEPS)
        held = next((row for row in snapshot.positions if row.symbol == symbol and row.size), None)
        side = 0 if held is None else 1 if held.size > 0 else -1
        self._step(snapshot.ts_ns, held.stop_price if held else None, side)
        return tuple(self._steps)

    def _step(self, ts_ns: int, price: Decimal | None, side: int) -> None:
        """Remember what has changed; the line breaks where the position was reversed in between."""
        reversed_, self._side = bool(side) and side == -self._side, side or self._side
        if reversed_ and price is not None and self._last is not None:
            self._steps.append((ts_ns, None))
        if price != self._last:
            self._steps.append((ts_ns, price))

    @property
    def _last(self) -> Decimal | None:
        return self._steps[-1][1] if self._steps else None


def steps_of(orders: Sequence[Order], symbol: str) -> list[Step]:
    """Where the stops of those orders stood; the newest counts, where two stand during a replacement."""
    stops = [order for order in orders if order.request.symbol == symbol and _stood(order)]
    moments = sorted({order.created_ns for order in stops} | {_ended(order) for order in stops} - {0})
    steps: list[Step] = []
    side: Side | None = None
    for now_ns in moments:
        alive = [order for order in stops if order.created_ns <= now_ns and not 0 < _ended(order) <= now_ns]
        newest = max(alive, key=lambda order: order.created_ns, default=None)
        price = newest.request.trigger_price if newest else None
        if newest and side not in (None, newest.request.side) and steps and steps[-1][1] is not None:
            steps.append((now_ns, None))
        side = newest.request.side if newest else side
        if not steps or steps[-1][1] != price:
            steps.append((now_ns, price))
    return steps


def _stood(order: Order) -> bool:
    return order.request.role is OrderRole.STOP and order.status not in _NEVER_STOOD


def _ended(order: Order) -> int:
    """When it stood no more; 0 while it does."""
    return 0 if order.status.open else order.updated_ns
