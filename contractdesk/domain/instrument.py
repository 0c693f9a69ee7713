"""Contract terms, and the sole converter between price, ticks, contracts, base, notional and PnL.

Linear contracts (USDT-margined) are worth ``contract_size`` units of base each and settle in quote;
inverse ones (coin-margined) are worth ``contract_size`` units of quote each and settle in base.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from enum import Enum
from fractions import Fraction

from msgspec import Struct

ZERO = Decimal(0)
CASH_QUANTUM = Decimal("0.00000001")
_exact = Context(prec=400)  # prices, sizes and contract sizes have some 30 digits each: nothing is rounded


def cash(exact: Fraction | Decimal) -> Decimal:
    """Round one cash booking to 1e-8, half to even: the only rounding money ever sees."""
    if isinstance(exact, Decimal):
        return exact.quantize(CASH_QUANTUM, rounding=ROUND_HALF_EVEN, context=_exact)
    return cash_ratio(*exact.as_integer_ratio())


def cash_ratio(numerator: int, denominator: int) -> Decimal:
    """The same of ``numerator / denominator``: whole numbers are exact, and far quicker than Fractions."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    whole, rest = divmod(numerator * 10**8, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and whole & 1):
        whole += 1
    return Decimal(whole).scaleb(-8, context=_exact)


class ContractKind(Enum):
    """How a contract's value depends on its price."""

    LINEAR = "linear"
    INVERSE = "inverse"


class Rounding(Enum):
    """Where an inexact value goes on its grid."""

    DOWN = "down"
    UP = "up"
    NEAREST = "nearest"


_DECIMAL_ROUNDING = {
    Rounding.DOWN: ROUND_FLOOR,
    Rounding.UP: ROUND_CEILING,
    Rounding.NEAREST: ROUND_HALF_EVEN,
}


class MarginTier(Struct, frozen=True):
    """One bracket of a venue's margin table, by notional in the settle currency."""

    floor: Decimal  # notional from which the tier holds (inclusive)
    cap: Decimal  # notional up to which it holds (inclusive)
    max_leverage: Decimal
    maintenance_rate: Decimal
    maintenance_amount: Decimal = ZERO  # subtracted, so that the margin is continuous


class Instrument(Struct, frozen=True, kw_only=True):
    """The tradable terms of one contract. Sizes are in contracts, prices in quote per base."""

    symbol: str  # ccxt's unified symbol, e.g. BTC/USDT:USDT
    venue: str
    venue_symbol: str  # e.g. BTCUSDT
    kind: ContractKind
    base: str
    quote: str
    settle: str
    contract_size: Decimal  # base units (linear) or quote units (inverse) a contract
    tick_size: Decimal
    lot_size: Decimal
    min_size: Decimal
    max_size: Decimal
    max_market_size: Decimal
    min_notional: Decimal  # in quote
    maker_fee: Decimal  # fraction of notional
    taker_fee: Decimal
    tiers: tuple[MarginTier, ...]  # ascending by floor; never empty

    # -- grids -----------------------------------------------------------------------------

    def to_ticks(self, price: Decimal) -> int:
        """The price as a whole number of ticks; ``ValueError`` when it lies off the grid."""
        return _whole(price, self.tick_size, "price", "tick size")

    def from_ticks(self, ticks: int) -> Decimal:
        return self.tick_size * ticks

    def to_lots(self, size: Decimal) -> int:
        """The size as a whole number of lots; ``ValueError`` when it lies off the grid."""
        return _whole(size, self.lot_size, "size", "lot size")

    def from_lots(self, lots: int) -> Decimal:
        return self.lot_size * lots

    def round_price(self, price: Decimal, rounding: Rounding) -> Decimal:
        return _on_grid(price, self.tick_size, rounding)

    def round_size(self, size: Decimal, rounding: Rounding = Rounding.DOWN) -> Decimal:
        return _on_grid(size, self.lot_size, rounding)

    # -- values ----------------------------------------------------------------------------

    def cost(self, size: Decimal, price: Decimal) -> Fraction:
        """Exact value of ``size`` contracts at ``price`` in the settle currency; keeps the sign."""
        value = _exact.multiply(size, self.contract_size)
        if self.kind is ContractKind.LINEAR:
            return Fraction(*_exact.multiply(value, price).as_integer_ratio())
        return Fraction(value) / Fraction(price)

    def notional(self, size: Decimal, price: Decimal) -> Decimal:
        """Unsigned value in the settle currency, rounded to 1e-8."""
        if self.kind is ContractKind.LINEAR:
            value = _exact.multiply(_exact.multiply(size, self.contract_size), price)
            return cash(value.copy_abs())
        return cash(abs(self.cost(size, price)))

    def quote_notional(self, size: Decimal, price: Decimal) -> Decimal:
        """Unsigned value in the quote currency: what ``min_notional`` speaks of."""
        if self.kind is ContractKind.LINEAR:
            return abs(size) * self.contract_size * price
        return abs(size) * self.contract_size

    def exact_pnl(self, size: Decimal, cost: Fraction, price: Decimal) -> Fraction:
        """Profit of ``size`` (signed) contracts bought at ``cost`` (signed), marked at ``price``."""
        now = self.cost(size, price)
        return now - cost if self.kind is ContractKind.LINEAR else cost - now

    def pnl(self, size: Decimal, cost: Fraction, price: Decimal) -> Decimal:
        """``exact_pnl`` as one booking: rounded once."""
        if self.kind is not ContractKind.LINEAR:
            return cash(self.exact_pnl(size, cost, price))
        now = _exact.multiply(_exact.multiply(size, self.contract_size), price)
        (worth, parts), (paid, shares) = now.as_integer_ratio(), cost.as_integer_ratio()
        return cash_ratio(worth * shares - paid * parts, parts * shares)

    def average_price(self, size: Decimal, cost: Fraction) -> Decimal:
        """The price at which ``size`` contracts are worth ``cost``; zero for no contracts."""
        if not size or not cost:
            return ZERO
        paid, shares = cost.as_integer_ratio()
        units, parts = _exact.multiply(size, self.contract_size).as_integer_ratio()
        if self.kind is ContractKind.LINEAR:
            return cash_ratio(paid * parts, shares * units)
        return cash_ratio(units * shares, parts * paid)

    def size_for_notional(self, notional: Decimal | Fraction, price: Decimal) -> Decimal:
        """The largest size on the lot grid whose notional at ``price`` is at most ``notional``."""
        one = self.cost(Decimal(1), price)
        lots = Fraction(notional) / one / Fraction(self.lot_size)
        return self.from_lots(max(0, lots.numerator // lots.denominator))

    def fee(self, size: Decimal, price: Decimal, *, maker: bool) -> Decimal:
        """Fee of a fill in the settle currency, + paid, rounded once."""
        return self.charge(size, price, self.maker_fee if maker else self.taker_fee)

    def charge(self, size: Decimal, price: Decimal, rate: Decimal) -> Decimal:
        """``rate`` of a fill's value, rounded once; + paid."""
        if self.kind is not ContractKind.LINEAR:
            return cash(abs(self.cost(size, price)) * Fraction(rate))
        value = _exact.multiply(_exact.multiply(size, self.contract_size), price).copy_abs()
        return cash_ratio(*_exact.multiply(value, rate).as_integer_ratio())

    # -- margin ----------------------------------------------------------------------------

    def tier(self, notional: Decimal | Fraction) -> MarginTier:
        """The bracket that ``notional`` (settle currency) falls into; the last one is open."""
        for tier in self.tiers[:-1]:
            if notional <= tier.cap:
                return tier
        return self.tiers[-1]

    def initial_margin(self, notional: Decimal, leverage: Decimal) -> Decimal:
        """Initial margin at the chosen leverage, or at the tier's maximum where that is lower."""
        worth, parts = notional.as_integer_ratio()
        times, shares = min(leverage, self.tier(notional).max_leverage).as_integer_ratio()
        return cash_ratio(worth * shares, parts * times)

    def maintenance_margin(self, notional: Decimal) -> Decimal:
        tier = self.tier(notional)
        return cash(notional * tier.maintenance_rate - tier.maintenance_amount)


def _whole(value: Decimal, step: Decimal, what: str, grid: str) -> int:
    count = value / step
    whole = int(count)
    if whole != count:
        raise ValueError(f"{what} {value} is not a multiple of the {grid} {step}")
    return whole


def _on_grid(value: Decimal, step: Decimal, rounding: Rounding) -> Decimal:
    return (value / step).quantize(Decimal(1), rounding=_DECIMAL_ROUNDING[rounding]) * step
