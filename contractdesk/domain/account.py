"""The account as the venue reports it, and the liquidation price that follows from its tiers."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from fractions import Fraction

from msgspec import Struct

from contractdesk.domain.instrument import ZERO, ContractKind, Instrument, cash


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
    free = Fraction(wallet_balance) + Fraction(other_unrealized) - Fraction(other_maintenance)
    units = Fraction(size) * Fraction(instrument.contract_size)
    for tier in instrument.tiers:
        rate = Fraction(tier.maintenance_rate)
        slack = free + Fraction(tier.maintenance_amount)
        if instrument.kind is ContractKind.LINEAR:
            top, bottom = slack - cost, abs(units) * rate - units
        else:  # pnl = cost - units / p, maintenance = |units| r / p - amount
            top, bottom = units + abs(units) * rate, slack + cost
        if bottom == 0:
            continue
        price = top / bottom
        if price <= 0:
            continue
        notional = abs(units) * price if instrument.kind is ContractKind.LINEAR else abs(units) / price
        last = tier is instrument.tiers[-1]  # its cap limits new positions, not what a price makes of one
        if Fraction(tier.floor) <= notional and (last or notional <= Fraction(tier.cap)):
            return cash(price)
    return None
