"""Contract terms as the exchange computes with them: whole lots and ticks, exact fractions.

This is the ledger's own arithmetic, on purpose not the desk's: two witnesses that share code prove
nothing. The one shared rule: each cash booking is rounded once, to 1e-8, half to even.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from contractdesk.domain.instrument import ContractKind, Instrument, MarginTier

CENT = 100_000_000  # cash is counted in 1e-8


def money(exact: Fraction) -> Decimal:
    """Round to 1e-8, half to even."""
    whole, rest = divmod(exact.numerator * CENT, exact.denominator)
    doubled = 2 * rest
    if doubled > exact.denominator or (doubled == exact.denominator and whole % 2):
        whole += 1
    return Decimal(whole).scaleb(-8)


class Terms(Struct, frozen=True, kw_only=True):
    """What a listing adds to the instrument: the exchange's own rules."""

    band: Decimal = Decimal("0.05")  # a limit may be this far through the mark
    liquidation_fee: Decimal = Decimal("0.0125")  # of the notional, to the insurance fund
    default_leverage: int = 20
    max_open_orders: int = 200  # a symbol and account
    open_interest: Decimal = Decimal(0)  # contracts held by others than our accounts


class Listing:
    """One instrument, ready to compute with. Sizes are lots (signed where said), prices ticks."""

    def __init__(self, instrument: Instrument, terms: Terms | None = None) -> None:
        self.instrument = instrument  # the grid that everything is reckoned on
        self.shown = instrument  # the filters in force: on a coarser grid, where they were changed
        self.terms = terms or Terms()
        self.symbol = instrument.venue_symbol
        self.asset = instrument.settle
        self.inverse = instrument.kind is ContractKind.INVERSE
        self._tick = Fraction(instrument.tick_size)
        self._lot = Fraction(instrument.lot_size) * Fraction(instrument.contract_size)
        self._product = self._tick * self._lot
        self.maker_fee = Fraction(instrument.maker_fee)
        self.taker_fee = Fraction(instrument.taker_fee)
        self.liquidation_fee = Fraction(self.terms.liquidation_fee)
        self.max_leverage = int(instrument.tiers[0].max_leverage)

    def refilter(self, **changes: Decimal) -> None:
        """Change filters from now on; ValueError for a grid that is finer than the one reckoned on."""
        for name in ("tick_size", "lot_size", "min_size"):
            step = self.instrument.tick_size if name == "tick_size" else self.instrument.lot_size
            wanted = changes.get(name, step)
            if wanted <= 0 or wanted % step:
                raise ValueError(f"{name} of {self.symbol} is a multiple of {step}, not {wanted}")
        self.shown = replace(self.shown, **changes)

    # -- grids -----------------------------------------------------------------------------

    def price(self, ticks: int) -> Decimal:
        return self.instrument.tick_size * ticks

    def quantity(self, lots: int) -> Decimal:
        return self.instrument.lot_size * lots

    # -- values in the settle asset -----------------------------------------------------------

    def value(self, lots: int, ticks: int) -> Fraction:
        """Exact worth of ``lots`` at ``ticks``; keeps the sign of ``lots``."""
        return self._lot * lots / (self._tick * ticks) if self.inverse else self._product * (lots * ticks)

    def value_at(self, lots: int, price: Fraction) -> Fraction:
        """Exact worth of ``lots`` at a price that need not lie on the grid, such as a mark."""
        return self._lot * lots / price if self.inverse else self._lot * lots * price

    def profit(self, cost: Fraction, worth: Fraction) -> Fraction:
        """What a position bought for ``cost`` and now worth ``worth`` (both signed) has earned."""
        return cost - worth if self.inverse else worth - cost

    def average(self, lots: int, worth: Fraction) -> Fraction:
        """The price at which ``lots`` are worth ``worth``; 0 for none."""
        if not lots or not worth:
            return Fraction(0)
        units = self._lot * lots
        return units / worth if self.inverse else worth / units

    def units(self, lots: int) -> Fraction:
        """Base (linear) or quote (inverse) that ``lots`` stand for."""
        return self._lot * lots

    def quote_value(self, lots: int, ticks: int) -> Decimal:
        """Unsigned worth in quote, exact: what the minimum notional and ``cumQuote`` speak of."""
        instrument = self.instrument
        worth = instrument.lot_size * lots * instrument.contract_size
        return worth if self.inverse else worth * instrument.tick_size * ticks

    def turnover(self, lots: int, ticks: int) -> Decimal:
        """What public prints and bars are worth: quote, exact; of inverse ones base, rounded to 1e-8."""
        return money(self.value(lots, ticks)) if self.inverse else self.quote_value(lots, ticks)

    # -- brackets ----------------------------------------------------------------------------

    def tier(self, notional: Fraction) -> MarginTier:
        for tier in self.instrument.tiers:
            if notional <= tier.cap:
                return tier
        return self.instrument.tiers[-1]

    def initial_margin(self, notional: Fraction, leverage: int) -> Fraction:
        return notional / min(leverage, int(self.tier(notional).max_leverage))

    def maintenance_margin(self, notional: Fraction) -> Fraction:
        tier = self.tier(notional)
        return notional * Fraction(tier.maintenance_rate) - Fraction(tier.maintenance_amount)

    def max_notional(self, leverage: int) -> Decimal:
        """The largest position that ``leverage`` allows."""
        allowed = [tier.cap for tier in self.instrument.tiers if tier.max_leverage >= leverage]
        return allowed[-1] if allowed else Decimal(0)
