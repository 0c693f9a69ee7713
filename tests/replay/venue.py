"""A venue of a replay in a test's hand: commands go in, and what it tells is kept."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, TypeVar

from contractdesk.domain.commands import (
    AmendStop,
    Approved,
    CancelOrder,
    PlaceStop,
    ReduceOrder,
    SubmitOrder,
)
from contractdesk.domain.events import Event, OrderFilled
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.orders import OrderRequest, OrderRole, OrderType, Side, TimeInForce
from contractdesk.replay.account import Books
from contractdesk.replay.matching import Matching
from contractdesk.replay.models import ConstantLatency, Models
from contractdesk.replay.standing import Quote
from tests.domain.terms import LINEAR

D = Decimal
AT_ONCE = ConstantLatency(feed_ms=0, entry_ms=0, answer_ms=0, read_ms=0)
E = TypeVar("E", bound=Event)
BUY, SELL = Side.BUY, Side.SELL


class Venue:
    """One account; prices and sizes in ticks and lots, as the replay has them.

    With ``on_marks`` and ``quote`` it is the venue of a recorded session.
    """

    def __init__(
        self,
        *instruments: Instrument,
        balance: str = "100000",
        leverage: str = "10",
        quote: Quote | None = None,
        on_marks: bool = False,
        **models: Any,
    ) -> None:
        self.instruments = instruments or (LINEAR,)
        assumed = Models(**({"latency": AT_ONCE, "maker_fee": 0.0, "taker_fee": 0.0} | models))
        leverages = {terms.symbol: D(leverage) for terms in self.instruments}
        self.books = Books(self.instruments, self.instruments[0].settle, D(balance), leverages)
        self.told: list[Event] = []
        delays = assumed.latency.start(assumed.seed)
        self.matching = Matching(
            self.books, assumed, delays, self.told.append, quote=quote, on_marks=on_marks
        )
        self.now_ns = self.named = 0

    # -- what comes ------------------------------------------------------------------------

    def trade(self, ticks: int, lots: int = 1, place: int = 0) -> None:
        self.now_ns += 1
        self.matching.on_trade(place, self.now_ns, ticks, lots)

    def mark(self, ticks: int, place: int = 0) -> None:
        self.now_ns += 1
        self.matching.on_mark(place, self.now_ns, D(ticks))

    def enter(
        self, side: Side, lots: int, ticks: int = 0, tif: TimeInForce = TimeInForce.GTC, place: int = 0
    ) -> str:
        terms = self.instruments[place]
        request = OrderRequest(
            client_id=self._name(), symbol=terms.symbol, side=side,
            type=OrderType.LIMIT if ticks else OrderType.MARKET, size=terms.from_lots(lots),
            role=OrderRole.ENTRY, price=terms.from_ticks(ticks) if ticks else None, time_in_force=tif,
        )  # fmt: skip
        worst = terms.from_ticks(ticks or 1)  # what the gate has checked is no business of the venue's
        approved = Approved(request=request, worst_price=worst, stop_price=worst, signal_ns=self.now_ns)
        return self._take(SubmitOrder(approved=approved))

    def reduce(self, side: Side, lots: int, ticks: int = 0, place: int = 0) -> str:
        terms = self.instruments[place]
        return self._take(
            ReduceOrder(
                client_id=self._name(), symbol=terms.symbol, side=side, size=terms.from_lots(lots),
                role=OrderRole.EXIT, price=terms.from_ticks(ticks) if ticks else None,
            )
        )  # fmt: skip

    def stop(
        self, side: Side, lots: int, trigger: int, kind: OrderType = OrderType.STOP_MARKET, place: int = 0
    ) -> str:
        terms = self.instruments[place]
        return self._take(
            PlaceStop(
                client_id=self._name(), symbol=terms.symbol, side=side, size=terms.from_lots(lots),
                trigger_price=terms.from_ticks(trigger), type=kind,
            )
        )  # fmt: skip

    def amend(self, client_id: str, side: Side, lots: int, trigger: int) -> None:
        terms = self.instruments[0]
        self._take(
            AmendStop(
                client_id=client_id, symbol=terms.symbol, side=side, size=terms.from_lots(lots),
                trigger_price=terms.from_ticks(trigger), venue_id="",
            )
        )  # fmt: skip

    def cancel(self, client_id: str) -> None:
        symbol = self.instruments[0].symbol
        self._take(CancelOrder(client_id=client_id, symbol=symbol, conditional=False, venue_id=""))

    # -- what came of it -------------------------------------------------------------------

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.told if isinstance(event, kind)]

    @property
    def fills(self) -> list[tuple[int, int]]:
        """(signed lots, ticks) each."""
        return list(self._fills())

    @property
    def lots(self) -> int:
        terms = self.instruments[0]
        return terms.to_lots(self.books.positions[0].size)

    def _fills(self) -> Iterator[tuple[int, int]]:
        for event in self.all(OrderFilled):
            terms = next(each for each in self.instruments if each.symbol == event.symbol)
            yield terms.to_lots(event.fill.signed_size), terms.to_ticks(event.fill.price)

    def _name(self) -> str:
        self.named += 1
        return f"order-{self.named}"

    def _take(self, command: Any) -> str:
        self.now_ns += 1
        self.matching.take(command, self.now_ns)
        approved = getattr(command, "approved", None)
        return str(approved.request.client_id if approved else command.client_id)
