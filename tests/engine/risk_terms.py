"""The contracts, settings and strategy that the stories of the risk laws are about."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar

from msgspec.structs import replace

from contractdesk.domain.events import TradePrinted
from contractdesk.domain.instrument import ContractKind, Instrument, MarginTier
from contractdesk.domain.intents import Intent
from contractdesk.strategy.base import Context, Strategy, Wish
from tests.domain.terms import INVERSE, LINEAR

D = Decimal
NS_PER_S = 1_000_000_000
MS = NS_PER_S // 1000
START = 1_700_000_000 * NS_PER_S
SLEEP_NS = 15 * NS_PER_S  # without any event for longer, the desk takes it that the host slept

ETHER = replace(
    LINEAR,
    symbol="ETH/USDT:USDT",
    venue_symbol="ETHUSDT",
    base="ETH",
    tick_size=D("0.01"),
    max_market_size=D(40),
)
SOLANA = replace(
    LINEAR, symbol="SOL/USDT:USDT", venue_symbol="SOLUSDT", base="SOL", lot_size=D("0.01"),
    min_size=D("0.01"), tick_size=D("0.01"), max_size=D(10_000), max_market_size=D(2_000),
)  # fmt: skip
QUARTER = replace(INVERSE, symbol="BTC/USD:BTC-261225", venue_symbol="BTCUSD_261225")


@dataclass(frozen=True)
class World:
    """One account: its asset and wallet, the contracts that share it, and their first prices."""

    asset: str
    wallet: Decimal
    prices: dict[Instrument, Decimal]


class Puppet(Strategy):
    """Wishes what the story has written down for the trade that is printed; remembers how many."""

    script: ClassVar[dict[int, list[Intent]]] = {}

    def on_trade(self, trade: TradePrinted, ctx: Context) -> Wish:
        self.state["wishes"] = self.state.get("wishes", 0) + 1
        return self.script.get(trade.trade_id, [])


def linear_world(symbols: int) -> World:
    """Two or three contracts on one USDT account."""
    prices = {LINEAR: D(30_000), ETHER: D(2_000), SOLANA: D(50)}
    return World("USDT", D(10_000), dict(list(prices.items())[:symbols]))


def inverse_world() -> World:
    """Two inverse contracts on one BTC account, and one that settles in another asset."""
    return World("BTC", D("0.5"), {INVERSE: D(30_000), QUARTER: D(30_600), LINEAR: D(30_000)})


# -- the venue's and the oracle's own arithmetic: fractions, shared with nothing of the desk ----------


def value(terms: Instrument, size: Decimal, price: Decimal) -> Fraction:
    """What ``size`` contracts are worth at ``price``, settle currency; signed like the size."""
    units = Fraction(size) * Fraction(terms.contract_size)
    return units * Fraction(price) if terms.kind is ContractKind.LINEAR else units / Fraction(price)


def profit(terms: Instrument, size: Decimal, cost: Fraction, price: Decimal) -> Fraction:
    """Of ``size`` contracts that were worth ``cost`` when they were bought."""
    now = value(terms, size, price)
    return now - cost if terms.kind is ContractKind.LINEAR else cost - now


def booked(amount: Fraction) -> Decimal:
    """One booking: to 1e-8, half to even."""
    whole, rest = divmod(amount * 10**8, 1)
    up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1)
    return D(int(whole) + up).scaleb(-8)


def bracket(terms: Instrument, notional: Fraction) -> MarginTier:
    return next((tier for tier in terms.tiers if notional <= Fraction(tier.cap)), terms.tiers[-1])


def initial(terms: Instrument, notional: Fraction, leverage: Decimal) -> Fraction:
    return notional / Fraction(min(leverage, bracket(terms, notional).max_leverage))


def maintenance(terms: Instrument, notional: Fraction) -> Fraction:
    tier = bracket(terms, notional)
    return notional * Fraction(tier.maintenance_rate) - Fraction(tier.maintenance_amount)
