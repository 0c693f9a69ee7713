"""Contracts and hypothesis strategies that the laws share."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ContractKind, Instrument, MarginTier

D = Decimal


def tiers(*rows: tuple[str, str, str]) -> tuple[MarginTier, ...]:
    """Brackets from (cap, max leverage, maintenance rate), with the amounts that join them."""
    made: list[MarginTier] = []
    floor = amount = rate = D(0)
    for cap, leverage, next_rate in rows:
        amount += floor * (D(next_rate) - rate)
        rate = D(next_rate)
        made.append(MarginTier(floor, D(cap), D(leverage), rate, amount))
        floor = D(cap)
    return tuple(made)


LINEAR = Instrument(
    symbol="BTC/USDT:USDT",
    venue="binance",
    venue_symbol="BTCUSDT",
    kind=ContractKind.LINEAR,
    base="BTC",
    quote="USDT",
    settle="USDT",
    contract_size=D(1),
    tick_size=D("0.10"),
    lot_size=D("0.001"),
    min_size=D("0.001"),
    max_size=D(1000),
    max_market_size=D(120),
    min_notional=D(20),
    maker_fee=D("0.0002"),
    taker_fee=D("0.0004"),
    tiers=tiers(("50000", "125", "0.004"), ("250000", "100", "0.005"), ("1000000", "50", "0.01"),
                ("10000000", "20", "0.025"), ("20000000", "10", "0.05")),
)  # fmt: skip

INVERSE = Instrument(
    symbol="BTC/USD:BTC",
    venue="binance",
    venue_symbol="BTCUSD_PERP",
    kind=ContractKind.INVERSE,
    base="BTC",
    quote="USD",
    settle="BTC",
    contract_size=D(100),
    tick_size=D("0.1"),
    lot_size=D(1),
    min_size=D(1),
    max_size=D(1_000_000),
    max_market_size=D(60_000),
    min_notional=D(0),
    maker_fee=D("0.0001"),
    taker_fee=D("0.0005"),
    tiers=tiers(("5", "125", "0.004"), ("10", "100", "0.005"), ("20", "50", "0.01"), ("50", "20", "0.025")),
)

MULTIPLIED = Instrument(  # a linear contract of many units, as on OKX
    symbol="DOGE/USDT:USDT",
    venue="okx",
    venue_symbol="DOGE-USDT-SWAP",
    kind=ContractKind.LINEAR,
    base="DOGE",
    quote="USDT",
    settle="USDT",
    contract_size=D(1000),
    tick_size=D("0.00001"),
    lot_size=D("0.01"),
    min_size=D("0.01"),
    max_size=D(100_000),
    max_market_size=D(100_000),
    min_notional=D(0),
    maker_fee=D("0.0002"),
    taker_fee=D("0.0005"),
    tiers=tiers(("10000", "75", "0.0065"), ("100000", "50", "0.01")),
)

CONTRACTS = (LINEAR, INVERSE, MULTIPLIED)
contracts = st.sampled_from(CONTRACTS)


@st.composite
def prices(draw: st.DrawFn, instrument: Instrument) -> Decimal:
    """Prices on the grid, over two orders of magnitude around a usual one."""
    low, high = (100, 100_000_000) if instrument is MULTIPLIED else (10_000, 10_000_000)
    return instrument.from_ticks(draw(st.integers(low, high)))


@st.composite
def sizes(draw: st.DrawFn, instrument: Instrument) -> Decimal:
    """Unsigned sizes on the lot grid."""
    return instrument.from_lots(draw(st.integers(1, 100_000)))


@st.composite
def fills(draw: st.DrawFn, instrument: Instrument, number: int) -> Fill:
    size = draw(sizes(instrument)) * draw(st.sampled_from([1, -1]))
    return Fill(
        symbol=instrument.symbol,
        trade_id=str(number),
        client_id="c",
        venue_order_id="v",
        signed_size=size,
        price=draw(prices(instrument)),
        fee=D(draw(st.integers(-10_000, 1_000_000))).scaleb(-8),
        fee_asset=instrument.settle,
        liquidity=Liquidity.TAKER,
        venue_ns=number,
        ts_ns=number,
    )


@st.composite
def histories(draw: st.DrawFn, most: int = 12) -> tuple[Instrument, list[Fill]]:
    """A contract and some fills in it."""
    instrument = draw(contracts)
    return instrument, [
        draw(fills(instrument, number)) for number in range(1, draw(st.integers(1, most)) + 1)
    ]
