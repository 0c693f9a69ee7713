"""The account as the venue reports it, and the liquidation price that follows from its tiers."""

from __future__ import annotations

from decimal import Context, Decimal
from enum import Enum
from fractions import Fraction

from msgspec import Struct

from contractdesk.domain.instrument import ZERO, ContractKind, Instrument, cash_ratio

_exact = Context(prec=400)  # sums and products of money, sizes and rates: nothing is rounded


class MarginMode(Enum):
    CROSS = "cross"
    ISOLATED = "isolated"


class PositionMode(Enum):
    ONE_WAY = "one_way"
    HEDGE = "hedge"


class VenuePosition(Struct, frozen=True, kw_only=True):
    """One position as the venue reports it: the truth that ours is compared with."""

    symbol: str
    size: Decimal  # contracts; + long, - short
    entry_price: Decimal
    unrealized_pnl: Decimal
    leverage: Decimal
    margin_mode: MarginMode = MarginMode.CROSS
    liquidation_price: Decimal | None = None  # None: the venue says there is none
    settle: str = ""  # of its profit; "" = the account's own asset

    def settles_in(self, asset: str) -> bool:
        """True where its profit goes to the account that is kept in ``asset``."""
        return self.settle in ("", asset)


class Account(Struct, frozen=True, kw_only=True):
    """Margin account in one settle currency; every amount is in that currency."""

    asset: str
    wallet_balance: Decimal
    unrealized_pnl: Decimal
    initial_margin: Decimal  # open orders included
    maintenance_margin: Decimal
    available: Decimal  # free for new initial margin
    positions: tuple[VenuePosition, ...] = ()
    venue_ns: int = 0

    @property
    def equity(self) -> Decimal:
        """The margin balance: wallet + unrealized."""
        return self.wallet_balance + self.unrealized_pnl

    @property
    def margin_ratio(self) -> Decimal | None:
        """Initial margin over equity; None where equity is not positive."""
        return self.initial_margin / self.equity if self.equity > 0 else None


def liquidation_price(
    instrument: Instrument,
    size: Decimal,
    cost: Fraction,
    wallet_balance: Decimal,
    *,
    other_maintenance: Decimal = ZERO,
    other_unrealized: Decimal = ZERO,
) -> Decimal | None:
    """Mark at which a cross-margined position of ``size`` contracts is liquidated; None if never.

    Solves ``wallet + other_unrealized + pnl(p) = other_maintenance + maintenance(p)`` within each
    tier, and takes the solution that lies in the tier it was solved for. Linear (Binance's own
    formula): p (|q| r - q) = W - other_maintenance + other_unrealized - cost + amount.
    """
    if not size:
        return None
    linear = instrument.kind is ContractKind.LINEAR
    free = _exact.subtract(_exact.add(wallet_balance, other_unrealized), other_maintenance)
    units = _exact.multiply(size, instrument.contract_size)
    worth = units.copy_abs()
    for tier in instrument.tiers:
        slack = _exact.add(free, tier.maintenance_amount)
        kept = _exact.multiply(worth, tier.maintenance_rate)
        if linear:
            top, bottom = _plus(slack, -cost), _exact.subtract(kept, units).as_integer_ratio()
        else:  # pnl = cost - units / p, maintenance = |units| r / p - amount
            top, bottom = _exact.add(units, kept).as_integer_ratio(), _plus(slack, cost)
        price = _over(top, bottom)
        if price is None:
            continue
        notional = _times(worth, price if linear else (price[1], price[0]))
        last = tier is instrument.tiers[-1]  # its cap limits new positions, not what a price makes of one
        if _at_most(tier.floor, notional) and (last or not _below(tier.cap, notional)):
            return cash_ratio(*price)
    return None


# Ratios of whole numbers, denominator above 0, never reduced: exact as Fractions are, and quicker.
Ratio = tuple[int, int]


def _plus(amount: Decimal, cost: Fraction) -> Ratio:
    (first, parts), (second, shares) = amount.as_integer_ratio(), cost.as_integer_ratio()
    return first * shares + second * parts, parts * shares


def _times(amount: Decimal, ratio: Ratio) -> Ratio:
    first, parts = amount.as_integer_ratio()
    return first * ratio[0], parts * ratio[1]


def _over(top: Ratio, bottom: Ratio) -> Ratio | None:
    """``top / bottom`` where that is above zero."""
    price = top[0] * bottom[1], top[1] * bottom[0]
    if price[1] < 0:
        price = -price[0], -price[1]
    return price if price[0] > 0 and price[1] else None


def _at_most(amount: Decimal, ratio: Ratio) -> bool:
    """``amount <= ratio``."""
    first, parts = amount.as_integer_ratio()
    return first * ratio[1] <= ratio[0] * parts


def _below(amount: Decimal, ratio: Ratio) -> bool:
    """``amount < ratio``."""
    first, parts = amount.as_integer_ratio()
    return first * ratio[1] < ratio[0] * parts
