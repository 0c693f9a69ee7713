"""The books of the stories' venue: orders, positions at exact cost, margin by tiers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from contractdesk.domain.account import Account, VenuePosition
from contractdesk.domain.events import VenueOrder
from contractdesk.domain.instrument import ZERO, ContractKind, Instrument
from contractdesk.domain.orders import OrderStatus, OrderType, Side, TimeInForce
from tests.engine.risk_terms import World, booked, bracket, initial, maintenance, profit, value


@dataclass
class Resting:
    """An order as the venue knows it."""

    client_id: str
    venue_id: str
    symbol: str
    side: Side
    size: Decimal
    type: OrderType
    reduce_only: bool
    created_ns: int
    price: Decimal | None = None
    trigger: Decimal | None = None
    tif: TimeInForce = TimeInForce.GTC
    status: OrderStatus = OrderStatus.WORKING
    filled: Decimal = ZERO

    @property
    def live(self) -> bool:
        return self.status.open

    @property
    def left(self) -> Decimal:
        return self.size - self.filled

    def row(self) -> VenueOrder:
        shown = {name: getattr(self, name) for name in ("client_id", "venue_id", "symbol", "side", "type")}
        return VenueOrder(
            **shown, status=self.status, size=self.size, filled=self.filled, price=self.price,
            trigger_price=self.trigger, reduce_only=self.reduce_only, created_ns=self.created_ns,
        )  # fmt: skip


class Books:
    """Wallet and positions; ``marks`` are the true prices, the touch is one tick around them."""

    def __init__(self, world: World, leverage: dict[str, Decimal]) -> None:
        self.asset, self.wallet, self.leverage = world.asset, world.wallet, leverage
        self.terms: dict[str, Instrument] = {terms.symbol: terms for terms in world.prices}
        self.marks = {terms.symbol: price for terms, price in world.prices.items()}
        self.held: dict[str, tuple[Decimal, Fraction]] = {}  # size, exact cost

    def size(self, symbol: str) -> Decimal:
        return self.held.get(symbol, (ZERO, Fraction(0)))[0]

    def touch(self, symbol: str, side: Side) -> Decimal:
        """Where a market order of that side is done."""
        return self.marks[symbol] + side.sign * self.terms[symbol].tick_size

    def apply(self, symbol: str, signed: Decimal, price: Decimal, fee: Decimal) -> None:
        terms = self.terms[symbol]
        size, cost = self.held.get(symbol, (ZERO, Fraction(0)))
        closing = min(abs(size), abs(signed)) if size * signed < 0 else ZERO
        if closing:
            part = closing if size > 0 else -closing
            bought = cost * Fraction(part) / Fraction(size)
            self.wallet += booked(profit(terms, part, bought, price))
            size, cost, signed = size - part, cost - bought, signed + part
        self.held[symbol] = (size + signed, cost + value(terms, signed, price))
        self.wallet -= fee

    def entry(self, symbol: str) -> Decimal:
        """Average price of the open size, zero when flat."""
        size, cost = self.held.get(symbol, (ZERO, Fraction(0)))
        if not size:
            return ZERO
        units, linear = Fraction(size) * Fraction(self.terms[symbol].contract_size), self._linear(symbol)
        return booked(cost / units if linear else units / cost)

    def _linear(self, symbol: str) -> bool:
        return self.terms[symbol].kind is ContractKind.LINEAR

    # -- the account -----------------------------------------------------------------------

    def _notional(self, symbol: str) -> Fraction:
        return abs(value(self.terms[symbol], self.size(symbol), self.marks[symbol]))

    def _unrealized(self, symbol: str) -> Decimal:
        size, cost = self.held[symbol]
        return booked(profit(self.terms[symbol], size, cost, self.marks[symbol]))

    def bankrupt(self) -> bool:
        held = [symbol for symbol in self.held if self.size(symbol)]
        if not held or self._far_from_it(held):
            return False
        needed = sum((maintenance(self.terms[name], self._notional(name)) for name in held), Fraction(0))
        return self.wallet + sum(map(self._unrealized, held)) <= needed

    def _far_from_it(self, held: list[str]) -> bool:
        """At a glance: what is left is a tenth of all that is held, and no tier asks for so much."""
        left, worth = float(self.wallet), 0.0
        for symbol in held:
            size, cost = self.held[symbol]
            units = float(size * self.terms[symbol].contract_size)
            now = (
                units * float(self.marks[symbol])
                if self._linear(symbol)
                else units / float(self.marks[symbol])
            )
            left += (now - float(cost)) * (1 if self._linear(symbol) else -1)
            worth += abs(now)
        return left > worth / 10

    def account(self, venue_ns: int, entries: Iterable[tuple[str, Decimal, Decimal | None]]) -> Account:
        """As the venue shows it; ``entries`` are (symbol, contracts left, limit) of the resting ones."""
        held = [symbol for symbol in self.held if self.size(symbol)]
        unrealized = sum((self._unrealized(symbol) for symbol in held), ZERO)
        bound, needed = Fraction(0), Fraction(0)
        for symbol in held:
            notional = self._notional(symbol)
            bound += initial(self.terms[symbol], notional, self.leverage[symbol])
            needed += maintenance(self.terms[symbol], notional)
        for symbol, left, limit in entries:
            notional = abs(value(self.terms[symbol], left, limit or self.marks[symbol]))
            bound += initial(self.terms[symbol], notional, self.leverage[symbol])
        margin, free = booked(bound), float(self.wallet + unrealized) - float(needed)
        return Account(
            asset=self.asset, wallet_balance=self.wallet, unrealized_pnl=unrealized, initial_margin=margin,
            maintenance_margin=booked(needed), available=max(ZERO, self.wallet + unrealized - margin),
            positions=tuple(self._position(symbol, free) for symbol in held), venue_ns=venue_ns,
        )  # fmt: skip

    def _position(self, symbol: str, free: float) -> VenuePosition:
        return VenuePosition(
            symbol=symbol, size=self.size(symbol), entry_price=self.entry(symbol),
            unrealized_pnl=self._unrealized(symbol), leverage=self.leverage[symbol],
            liquidation_price=self._liquidation(symbol, free),
        )  # fmt: skip

    def _liquidation(self, symbol: str, free: float) -> Decimal | None:
        """Where the ``free`` equity is used up, by the bracket it is in now; None where that is no price."""
        terms, size, mark = self.terms[symbol], self.size(symbol), float(self.marks[symbol])
        units = float(size * terms.contract_size)
        rate = float(bracket(terms, self._notional(symbol)).maintenance_rate)
        if self._linear(symbol):
            price = mark - free / (units - abs(units) * rate)
        else:
            turned = 1 / mark + free / (units + abs(units) * rate)
            price = 1 / turned if turned > 0 else 0.0
        return Decimal(round(price, 8)) if price > 0 else None

    def used(self) -> Fraction:
        """Initial margin of the positions alone."""
        parts = (
            initial(self.terms[s], self._notional(s), self.leverage[s]) for s in self.held if self.size(s)
        )
        return sum(parts, Fraction(0))

    def equity(self) -> Decimal:
        return self.wallet + sum((self._unrealized(s) for s in self.held if self.size(s)), ZERO)
