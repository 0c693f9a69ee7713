"""What an account's reads show that lag behind: everything as it stood some time ago."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from contractdesk.exchange.accounts import Holding
from contractdesk.exchange.core import Exchange
from contractdesk.exchange.rows import ZERO, AccountState, AlgoOrder, Fill, LedgerEntry, Order, Position
from contractdesk.exchange.terms import money
from contractdesk.exchange.words import AlgoStatus, OrderStatus, Reason, Refused


class Past(Exchange):
    """The reads of an account at ``then_ns``; all else is the exchange's own, as it stands.

    Orders are shown with what had been executed, fills that came later are not, and positions are those
    of the fills before; margins are today's.
    """

    def __init__(self, exchange: Exchange, then_ns: int) -> None:
        self._now = exchange
        self._then_ns = then_ns
        self.listings = exchange.listings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now, name)

    # -- orders ------------------------------------------------------------------------------

    def order(self, name: str, symbol: str, *, order_id: int = 0, client_id: str = "") -> Order:
        order = self._now.order(name, symbol, order_id=order_id, client_id=client_id)
        if order.created_ns > self._then_ns:
            raise Refused(Reason.UNKNOWN_ORDER, client_id or str(order_id))
        return self._order(order)

    def orders(self, name: str, symbol: str | None = None) -> list[Order]:
        rows = self._now.orders(name, symbol)
        return [self._order(row) for row in rows if row.created_ns <= self._then_ns]

    def open_orders(self, name: str, symbol: str | None = None) -> list[Order]:
        return [row for row in self.orders(name, symbol) if row.status.open]

    def algo(self, name: str, *, algo_id: int = 0, client_id: str = "") -> AlgoOrder:
        algo = self._now.algo(name, algo_id=algo_id, client_id=client_id)
        if algo.created_ns > self._then_ns:
            raise Refused(Reason.UNKNOWN_ORDER, client_id or str(algo_id))
        return self._algo(algo)

    def algos(self, name: str, symbol: str | None = None) -> list[AlgoOrder]:
        rows = self._now.algos(name, symbol)
        return [self._algo(row) for row in rows if row.created_ns <= self._then_ns]

    def open_algos(self, name: str, symbol: str | None = None) -> list[AlgoOrder]:
        return [row for row in self.algos(name, symbol) if row.status.open]

    # -- fills, positions, cash --------------------------------------------------------------

    def fills(self, name: str, symbol: str | None = None) -> list[Fill]:
        return [fill for fill in self._now.fills(name, symbol) if fill.ts_ns <= self._then_ns]

    def ledger(self, name: str) -> list[LedgerEntry]:
        return [entry for entry in self._now.ledger(name) if entry.ts_ns <= self._then_ns]

    def account(self, name: str) -> AccountState:
        state = self._now.account(name)
        return replace(state, positions=tuple(self._position(row) for row in state.positions))

    # -- parts -------------------------------------------------------------------------------

    def _order(self, order: Order) -> Order:
        """As it stood; its average price is that of the fills until then."""
        if order.updated_ns <= self._then_ns:
            return order
        fills = [fill for fill in self.fills(order.account, order.symbol) if fill.order_id == order.order_id]
        executed = sum((fill.quantity for fill in fills), ZERO)
        worth = sum((fill.quote_quantity for fill in fills), ZERO)
        status = OrderStatus.PARTIALLY_FILLED if executed else OrderStatus.NEW
        return replace(
            order,
            status=status,
            executed=executed,
            cum_quote=worth,
            average_price=_average(fills),
            closed_ns=0,
            updated_ns=max([order.created_ns, *(fill.ts_ns for fill in fills)]),
        )

    def _algo(self, algo: AlgoOrder) -> AlgoOrder:
        if not algo.closed_ns or algo.closed_ns <= self._then_ns:
            return algo
        return replace(algo, status=AlgoStatus.NEW, closed_ns=0, triggered_ns=0, order_id=0, executed=ZERO)

    def _position(self, row: Position) -> Position:
        if row.updated_ns <= self._then_ns:
            return row
        listing, held = self.listings[row.symbol], Holding()
        for fill in self.fills(row.account, row.symbol):
            lots = int(fill.quantity / listing.instrument.lot_size) * fill.side.sign
            held.take(listing, lots, int(fill.price / listing.instrument.tick_size))
        worth = listing.value_at(held.lots, Fraction(row.mark_price))
        return replace(
            row,
            size=listing.quantity(held.lots),
            entry_price=money(listing.average(held.lots, held.cost)),
            unrealized=money(listing.profit(held.cost, worth)) if held.lots else ZERO,
            notional=money(worth) if held.lots else ZERO,
        )


def _average(fills: list[Fill]) -> Decimal:
    """Of their prices, by quantity; 0 for none."""
    size = sum((fill.quantity for fill in fills), ZERO)
    total = sum((fill.quantity * fill.price for fill in fills), ZERO)
    return money(Fraction(total) / Fraction(size)) if size else ZERO
