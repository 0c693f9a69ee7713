"""A ladder as a person sits at it: a desk that records, messages as a browser sends them, a still clock."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from contractdesk.clock import ManualClock
from contractdesk.domain.orders import OrderRole
from contractdesk.panels.calling import THREAD
from contractdesk.panels.ladder import Ladder
from tests.e2e.synthetic import BTC
from tests.panels.trading import TradingDesk

D = Decimal
ORDER = {
    "kind": "order", "symbol": BTC.symbol, "side": "buy", "price": "28140.0", "notional": "",
    "stop": "atr", "by": "2.5",
}  # fmt: skip


class Seat:
    """A ladder on a recording desk, and a clock that only the test moves."""

    def __init__(self, label: str = "EMBEDDED") -> None:
        self.desk = TradingDesk(label)
        self.desk.snapshot = by_hand(self.desk.snapshot)
        self.clock = ManualClock()
        self.ladder = Ladder(self.desk, clock=self.clock)
        self.look()

    def look(self) -> dict[str, Any]:
        """A new picture; returns what it says of the hand."""
        self.ladder.refresh(self.desk.snapshot)
        hand: dict[str, Any] = self.ladder.hand
        return hand

    def send(self, **content: Any) -> dict[str, Any]:
        """A message, its threads' ends awaited, and the picture after it."""
        self.ladder._on_message(self.ladder, {"seen": self.ladder.seq, **content}, [])
        joined()
        return self.look()

    def on(self) -> Seat:
        assert self.send(trade=True)["on"]
        return self

    def arm(self, **changes: Any) -> dict[str, Any]:
        ticket: dict[str, Any] = self.send(arm=ORDER | changes)["ticket"]
        return ticket

    def close(self) -> None:
        self.ladder.close()


def by_hand(snapshot: Any) -> Any:
    """The synthetic picture with its entry placed by a person."""
    orders = tuple(
        replace(order, request=replace(order.request, strategy_id="", client_id=f"hand{number}"))
        if order.request.role is OrderRole.ENTRY
        else order
        for number, order in enumerate(snapshot.orders)
    )
    return replace(snapshot, orders=orders)


def joined() -> None:
    """All threads that a click has started have ended; those of other desks in this process go on."""
    for thread in threading.enumerate():
        if thread.name.startswith(THREAD):
            thread.join(30)
            assert not thread.is_alive(), f"{thread.name} has not ended"
