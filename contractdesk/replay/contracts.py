"""Contracts of a replay: recorded terms, and what recordings do not say, assumed and told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from contractdesk.domain.instrument import ContractKind, Instrument, MarginTier
from contractdesk.errors import ConfigError
from contractdesk.storage.terms import MarketKind, Terms

MOST = Decimal(10) ** 12
ASSUMED = (
    "fees 0.02 % maker, 0.05 % taker; one margin bracket of 1 % maintenance, at most 50 x; no size limits"
)


def contract_of(terms: Terms, **changes: Any) -> Instrument:
    """The instrument of recorded terms; what they do not hold is as ``ASSUMED``, but for ``changes``.

    Raises ConfigError for spot recordings, and for a field that an Instrument has not.
    """
    if terms.kind is MarketKind.SPOT:
        raise ConfigError(f"{terms.symbol} was recorded on a spot market: a replay is of contracts")
    base, quote, settle = _currencies(terms)
    made = Instrument(
        symbol=terms.symbol,
        venue=terms.venue,
        venue_symbol=terms.venue_symbol,
        kind=ContractKind.LINEAR if terms.kind is MarketKind.LINEAR else ContractKind.INVERSE,
        base=base,
        quote=quote,
        settle=settle,
        contract_size=terms.contract_size,
        tick_size=terms.tick_size,
        lot_size=terms.lot_size,
        min_size=terms.lot_size,
        max_size=MOST,
        max_market_size=MOST,
        min_notional=Decimal(0),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        tiers=(
            MarginTier(
                floor=Decimal(0), cap=MOST, max_leverage=Decimal(50), maintenance_rate=Decimal("0.01")
            ),
        ),
    )
    try:
        return replace(made, **changes)
    except TypeError as exc:
        known = ", ".join(Instrument.__struct_fields__)
        raise ConfigError(f"a contract has no such term ({exc}); it has {known}") from exc


def _currencies(terms: Terms) -> tuple[str, str, str]:
    """Base, quote and settle; from ccxt's symbol where the recording names none."""
    if terms.base and terms.quote and terms.settle:
        return terms.base, terms.quote, terms.settle
    pair, _, settle = terms.symbol.partition(":")
    base, _, quote = pair.partition("/")
    if not (base and quote and settle):
        raise ConfigError(f"{terms.symbol!r} is no contract's symbol, such as BTC/USDT:USDT")
    return base, quote, settle
