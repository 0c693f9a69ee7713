"""A net position, folded from its fills with exact cost.

Law, linear and inverse: realized + unrealized = every fill marked to market, less fees (to the
rounding of each booking, 1e-8 half even).
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from contractdesk.domain.account import VenuePosition
from contractdesk.domain.fills import Fill
from contractdesk.domain.instrument import ZERO, Instrument
from contractdesk.domain.intents import AtrStop
from contractdesk.domain.orders import Side

NOTHING = Fraction(0)


def external_cost(
    terms: Instrument, ours: Position, external_size: Decimal, shown: VenuePosition | None
) -> Fraction | None:
    """Exact cost of the contracts that are not ours; None where the venue names no price.

    The venue's average is of the whole position, ours included. Where it is of another size, an older
    picture, or leaves less than nothing for the rest, being rounded, it is the best guess itself.
    """
    if shown is None or shown.entry_price <= 0:
        return None
    rest = terms.cost(shown.size, shown.entry_price) - ours.cost
    if shown.size == ours.size + external_size and rest * Fraction(external_size) > 0:
        return rest
    return terms.cost(external_size, shown.entry_price)


class Trail(Struct, frozen=True, kw_only=True):
    """How the stop of an open position follows the market."""

    on: bool = False
    by: AtrStop | None = None  # so far behind; None: as the risk settings say
    timeframe: str = ""  # of the bars, where neither says
    best: Decimal | None = None  # the best valid mark since the position was opened
    atr: Decimal | None = None  # that it was last reckoned with; None: unknown


class Position(Struct, frozen=True, kw_only=True):
    """Net position in one instrument."""

    symbol: str
    size: Decimal = ZERO  # contracts; + long, - short
    cost: Fraction = NOTHING  # exact settle-currency value of the open size, signed like it
    realized_pnl: Decimal = ZERO  # settle currency, fees and funding not included
    fees: Decimal = ZERO  # + paid
    funding: Decimal = ZERO  # + received
    funding_before: Decimal = ZERO  # of it, what was booked before the open size was opened
    opened_ns: int = 0  # when the open size last left zero, or crossed it

    @property
    def flat(self) -> bool:
        return self.size == 0

    @property
    def closing_side(self) -> Side:
        """The side of an order that reduces the position."""
        return Side.SELL if self.size > 0 else Side.BUY

    @property
    def net_pnl(self) -> Decimal:
        """Realized, less fees, plus funding."""
        return self.realized_pnl - self.fees + self.funding

    @property
    def accrued_funding(self) -> Decimal:
        """Funding booked since the open size was opened (+ received); zero when flat."""
        return ZERO if self.flat else self.funding - self.funding_before

    def apply(self, fill: Fill, instrument: Instrument) -> Self:
        """The position after ``fill``; one that crosses zero closes, then opens."""
        closed = self._closed_by(fill)  # signed like the position
        opened = fill.signed_size + closed  # what is left of the fill to open with
        cost_closed = self._share(closed)
        pnl = instrument.pnl(closed, cost_closed, fill.price) if closed else ZERO
        cost = NOTHING if closed == self.size else self.cost - cost_closed
        if opened:
            added = instrument.cost(opened, fill.price)
            cost = cost + added if cost else added
        size = self.size - closed + opened
        fresh = self.size == 0 or (opened != 0 and self.size == closed)
        return replace(
            self,
            size=size,
            cost=cost,
            realized_pnl=self.realized_pnl + pnl,
            fees=self.fees + fill.fee,
            funding_before=self.funding if fresh else self.funding_before,
            opened_ns=fill.ts_ns if fresh else self.opened_ns,
        )

    def paid(self, funding: Decimal) -> Self:
        """The position after a funding payment (+ received)."""
        return replace(self, funding=self.funding + funding)

    def entry_price(self, instrument: Instrument) -> Decimal:
        """Average price of the open size, rounded to 1e-8; zero when flat."""
        return instrument.average_price(self.size, self.cost)

    def unrealized_pnl(self, instrument: Instrument, mark: Decimal) -> Decimal:
        """Profit of the open size at ``mark``, settle currency, rounded to 1e-8."""
        if self.flat:
            return ZERO
        return instrument.pnl(self.size, self.cost, mark)

    def _share(self, closed: Decimal) -> Fraction:
        """Of the cost, what was paid for ``closed`` contracts."""
        if not closed:
            return NOTHING
        return self.cost if closed == self.size else self.cost * Fraction(closed) / Fraction(self.size)

    def _closed_by(self, fill: Fill) -> Decimal:
        if self.size == 0 or (self.size > 0) == (fill.signed_size > 0):
            return ZERO
        closed = min(abs(self.size), fill.size)
        return closed if self.size > 0 else -closed
