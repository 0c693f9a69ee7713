"""What the loopback exchange lists: Binance's terms of three USDT perpetuals and of a coin-margined one.

Filters and fees as of the venue's public exchangeInfo (regular tier: maker 0.02 %, taker 0.05 %);
the brackets follow its leverage tables, cut after the sixth.
"""

from __future__ import annotations

from decimal import Decimal

from contractdesk.domain.instrument import ContractKind, Instrument, MarginTier
from contractdesk.exchange.terms import Listing, Terms

Row = tuple[str, str, str]  # cap of the bracket, its maximal leverage, its maintenance rate

_BTC: tuple[Row, ...] = (
    ("300000", "125", "0.004"),
    ("800000", "100", "0.005"),
    ("3000000", "75", "0.0065"),
    ("12000000", "50", "0.01"),
    ("70000000", "25", "0.02"),
    ("100000000", "20", "0.025"),
)
_ETH: tuple[Row, ...] = (
    ("300000", "125", "0.004"),
    ("800000", "100", "0.005"),
    ("3000000", "75", "0.0065"),
    ("12000000", "50", "0.01"),
    ("50000000", "25", "0.02"),
    ("65000000", "20", "0.025"),
)
_SOL: tuple[Row, ...] = (
    ("50000", "100", "0.005"),
    ("300000", "75", "0.0065"),
    ("1000000", "50", "0.01"),
    ("5000000", "25", "0.02"),
    ("10000000", "20", "0.025"),
    ("20000000", "10", "0.05"),
)
_BTC_COIN: tuple[Row, ...] = (  # caps in BTC
    ("5", "125", "0.004"),
    ("10", "100", "0.005"),
    ("20", "50", "0.01"),
    ("50", "20", "0.025"),
    ("100", "10", "0.05"),
    ("200", "5", "0.1"),
)


def brackets(rows: tuple[Row, ...]) -> tuple[MarginTier, ...]:
    """Margin tiers whose maintenance amounts make the margin continuous from bracket to bracket."""
    tiers: list[MarginTier] = []
    floor, rate, amount = Decimal(0), Decimal(0), Decimal(0)
    for cap, leverage, maintenance in rows:
        next_rate = Decimal(maintenance)
        amount += floor * (next_rate - rate) if tiers else Decimal(0)
        rate = next_rate
        tiers.append(MarginTier(floor, Decimal(cap), Decimal(leverage), rate, amount))
        floor = Decimal(cap)
    return tuple(tiers)


def linear(
    base: str,
    tick: str,
    lot: str,
    largest: str,
    market: str,
    min_notional: str,
    interest: str,
    rows: tuple[Row, ...],
) -> Listing:
    """A USDT-margined perpetual with Binance's fees."""
    instrument = Instrument(
        symbol=f"{base}/USDT:USDT",
        venue="binance",
        venue_symbol=f"{base}USDT",
        kind=ContractKind.LINEAR,
        base=base,
        quote="USDT",
        settle="USDT",
        contract_size=Decimal(1),
        tick_size=Decimal(tick),
        lot_size=Decimal(lot),
        min_size=Decimal(lot),
        max_size=Decimal(largest),
        max_market_size=Decimal(market),
        min_notional=Decimal(min_notional),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        tiers=brackets(rows),
    )
    return Listing(instrument, Terms(open_interest=Decimal(interest)))


def inverse(
    base: str, contract: str, tick: str, largest: str, market: str, interest: str, rows: tuple[Row, ...]
) -> Listing:
    """A coin-margined perpetual of ``contract`` USD each, with Binance's fees; sizes are whole contracts."""
    instrument = Instrument(
        symbol=f"{base}/USD:{base}",
        venue="binance",
        venue_symbol=f"{base}USD_PERP",
        kind=ContractKind.INVERSE,
        base=base,
        quote="USD",
        settle=base,
        contract_size=Decimal(contract),
        tick_size=Decimal(tick),
        lot_size=Decimal(1),
        min_size=Decimal(1),
        max_size=Decimal(largest),
        max_market_size=Decimal(market),
        min_notional=Decimal(0),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        tiers=brackets(rows),
    )
    return Listing(instrument, Terms(open_interest=Decimal(interest), liquidation_fee=Decimal("0.015")))


def default_listings() -> tuple[Listing, ...]:
    """BTCUSDT, ETHUSDT, SOLUSDT; BTCUSD_PERP."""
    return (
        linear("BTC", "0.1", "0.001", "1000", "120", "100", "84000", _BTC),
        linear("ETH", "0.01", "0.001", "10000", "2000", "20", "1900000", _ETH),
        linear("SOL", "0.01", "0.01", "1000000", "5000", "5", "9000000", _SOL),
        inverse("BTC", "100", "0.1", "1000000", "60000", "11800000", _BTC_COIN),
    )
