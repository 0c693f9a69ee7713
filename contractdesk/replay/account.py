"""The margin account of a replay: cash, positions and margins as a venue keeps them, cross-margined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from contractdesk.domain.account import Account, VenuePosition, liquidation_price
from contractdesk.domain.fills import Fill
from contractdesk.domain.instrument import ZERO, ContractKind, Instrument, cash
from contractdesk.domain.position import Position

FAR = 1 << 62


class Books:
    """One wallet, and a position an instrument. Marks are the last trades', in ticks; 0 = none yet."""

    def __init__(
        self, instruments: Sequence[Instrument], asset: str, balance: Decimal, leverage: Mapping[str, Decimal]
    ) -> None:
        self.instruments = tuple(instruments)
        self.asset = asset
        self.wallet = balance
        self.positions = [Position(symbol=terms.symbol) for terms in instruments]
        self.marks = [0] * len(self.instruments)
        self.resting = ZERO  # initial margin of entries that rest
        self._leverage = [leverage.get(terms.symbol, Decimal(1)) for terms in instruments]

    # -- bookings --------------------------------------------------------------------------

    def book(self, place: int, fill: Fill) -> None:
        """A fill of ours: realized profit and the fee go to the wallet at once."""
        before = self.positions[place]
        after = self.positions[place] = before.apply(fill, self.instruments[place])
        self.wallet += (after.realized_pnl - before.realized_pnl) - fill.fee

    def pay_funding(self, place: int, rate: Decimal) -> Decimal:
        """Settle funding on the position at its mark; returns what was received (negative: paid)."""
        position, ticks = self.positions[place], self.marks[place]
        if not position.size or not ticks:
            return ZERO
        terms = self.instruments[place]
        amount = cash(-terms.cost(position.size, terms.from_ticks(ticks)) * Fraction(rate))
        self.positions[place] = position.paid(amount)
        self.wallet += amount
        return amount

    def set_leverages(self, leverages: Mapping[str, Decimal]) -> None:
        """As the venue has them, by symbol."""
        for place, terms in enumerate(self.instruments):
            if leverages.get(terms.symbol, ZERO) > 0:
                self._leverage[place] = leverages[terms.symbol]

    # -- margins ---------------------------------------------------------------------------

    def equity(self) -> Decimal:
        return self.wallet + sum((self._unrealized(place) for place in range(len(self.positions))), ZERO)

    def maintenance(self) -> Decimal:
        return sum(
            (
                terms.maintenance_margin(self._notional(place))
                for place, terms in enumerate(self.instruments)
                if self.positions[place].size
            ),
            ZERO,
        )

    def initial(self) -> Decimal:
        """Of positions and of resting entries."""
        held = (self.initial_of(place, self._notional(place)) for place in range(len(self.positions)))
        return sum(held, self.resting)

    def initial_of(self, place: int, notional: Decimal) -> Decimal:
        terms = self.instruments[place]
        return terms.initial_margin(notional, self._leverage[place]) if notional else ZERO

    def danger(self, place: int) -> tuple[int, int]:
        """(low, high) ticks: between them this position alone brings nothing near to a liquidation.

        Each position may use its part of half of what is left above the maintenance margin. Where
        nothing is left, any trade of any contract is the last one.
        """
        equity, needed, worth = float(self.wallet), 0.0, 0.0
        for each, position in enumerate(self.positions):
            if position.size and self.marks[each]:
                notional, unrealized = self._roughly(each)
                tier = self.instruments[each].tier(Decimal(notional))
                needed += notional * float(tier.maintenance_rate)
                equity, worth = equity + unrealized, worth + notional
        if worth and equity <= needed:
            return FAR, -FAR
        ticks = self.marks[place]
        if not self.positions[place].size or not ticks:
            return -FAR, FAR
        room = (equity - needed) / 2 / worth  # half of it: rates grow with the notional
        share = room / (1 + room)
        return int(ticks * (1 - share)), int(ticks * (1 + share)) + 1

    def _roughly(self, place: int) -> tuple[float, float]:
        """(notional, unrealized) in floats."""
        terms, position = self.instruments[place], self.positions[place]
        units = float(position.size * terms.contract_size)
        price, cost = self.marks[place] * float(terms.tick_size), float(position.cost)
        if terms.kind is ContractKind.LINEAR:
            return abs(units) * price, units * price - cost
        return abs(units) / price, cost - units / price

    @property
    def broke(self) -> bool:
        """True when the venue takes the positions away."""
        held = any(position.size for position in self.positions)
        return held and self.equity() <= self.maintenance()

    def read(self, now_ns: int) -> Account:
        """The account as the venue shows it."""
        initial, equity = self.initial(), self.equity()
        return Account(
            asset=self.asset,
            wallet_balance=self.wallet,
            unrealized_pnl=equity - self.wallet,
            initial_margin=initial,
            maintenance_margin=self.maintenance(),
            available=max(ZERO, equity - initial),
            positions=tuple(self._shown(place) for place, row in enumerate(self.positions) if row.size),
            venue_ns=now_ns,
        )

    def _shown(self, place: int) -> VenuePosition:
        position, terms = self.positions[place], self.instruments[place]
        own = self.maintenance() - terms.maintenance_margin(self._notional(place))
        unrealized = self._unrealized(place)
        others = self.equity() - self.wallet - unrealized
        return VenuePosition(
            symbol=terms.symbol,
            size=position.size,
            entry_price=position.entry_price(terms),
            unrealized_pnl=unrealized,
            leverage=self._leverage[place],
            liquidation_price=liquidation_price(
                terms,
                position.size,
                position.cost,
                self.wallet,
                other_maintenance=own,
                other_unrealized=others,
            ),
            settle=terms.settle,
        )

    def _unrealized(self, place: int) -> Decimal:
        position, ticks = self.positions[place], self.marks[place]
        if not position.size or not ticks:
            return ZERO
        terms = self.instruments[place]
        return position.unrealized_pnl(terms, terms.from_ticks(ticks))

    def _notional(self, place: int) -> Decimal:
        position, ticks = self.positions[place], self.marks[place]
        if not position.size or not ticks:
            return ZERO
        terms = self.instruments[place]
        return terms.notional(position.size, terms.from_ticks(ticks))
