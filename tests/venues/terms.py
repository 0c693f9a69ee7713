"""The instrument that these tests trade."""

from __future__ import annotations

from decimal import Decimal

from contractdesk.domain.instrument import ContractKind, Instrument, MarginTier

D = Decimal
BTCUSDT = Instrument(
    symbol="BTC/USDT:USDT",
    venue="binance",
    venue_symbol="BTCUSDT",
    kind=ContractKind.LINEAR,
    base="BTC",
    quote="USDT",
    settle="USDT",
    contract_size=D(1),
    tick_size=D("0.1"),
    lot_size=D("0.001"),
    min_size=D("0.001"),
    max_size=D(1000),
    max_market_size=D(120),
    min_notional=D(100),
    maker_fee=D("0.0002"),
    taker_fee=D("0.0005"),
    tiers=(MarginTier(D(0), D(50_000), D(125), D("0.004")),),
)
INSTRUMENTS = {"BTCUSDT": BTCUSDT}
