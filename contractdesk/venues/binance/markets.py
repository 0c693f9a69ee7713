"""exchangeInfo and leverage brackets to Instruments, under the names that ccxt gives them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Container, Iterable, Mapping
from decimal import Decimal

import msgspec

from contractdesk.domain.instrument import ContractKind, Instrument, MarginTier
from contractdesk.errors import UnknownSymbol, VenueProtocolError
from contractdesk.venues.binance import rows

MAKER_FEE, TAKER_FEE = Decimal("0.0002"), Decimal("0.0005")  # regular user; replaced by the account's own
PERCENT = Decimal(100)
NO_CAP = Decimal(10) ** 15

_info = msgspec.json.Decoder(rows.ExchangeInfo, strict=False)
_row = msgspec.json.Decoder(rows.SymbolRow, strict=False)


class Listing:
    """The contracts that the venue lists, under both names; changed in place."""

    def __init__(self) -> None:
        self.unified: dict[str, Instrument] = {}
        self.venues: dict[str, Instrument] = {}

    def put(self, instrument: Instrument) -> None:
        self.unified[instrument.symbol] = self.venues[instrument.venue_symbol] = instrument

    def find(self, symbol: str) -> Instrument:
        """By ccxt's or the venue's own name; ``UnknownSymbol`` with near matches."""
        found = self.unified.get(symbol) or self.venues.get(symbol.upper())
        if found is not None:
            return found
        near = difflib.get_close_matches(symbol.upper(), [*self.unified, *self.venues], n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UnknownSymbol(f"binance lists no contract {symbol!r}{hint}")


def symbol_rows(body: bytes) -> list[bytes]:
    """The contracts' rows as they came, to be compared; VenueProtocolError."""
    try:
        return [bytes(row) for row in _info.decode(body).symbols]
    except msgspec.DecodeError as unfit:
        raise VenueProtocolError("binance", body) from unfit


def read_instruments(
    body: bytes,
    brackets: Mapping[str, rows.BracketRow],
    unified: Callable[[object], str],
    held: Container[str] = (),
) -> dict[str, Instrument]:
    """Every contract that trades, and those that are ``held`` (the venue's symbols), by unified symbol.

    ``unified`` names a raw row (ccxt's ``parse_market``). Raises VenueProtocolError.
    """
    instruments = {}
    try:
        for raw in _info.decode(body).symbols:
            row = _row.decode(raw)
            if row.contract_type and (row.trades or row.symbol in held):
                symbol = unified(msgspec.json.decode(raw))
                instruments[symbol] = _instrument(row, symbol, brackets.get(row.symbol))
    except (msgspec.DecodeError, KeyError, ValueError, StopIteration) as unfit:
        raise VenueProtocolError("binance", body) from unfit
    return instruments


def read_statuses(body: bytes) -> dict[str, str]:
    """The venue's word for what may be done in each contract, by its own symbol; "TRADING" is all."""
    try:
        rows_read = [_row.decode(raw) for raw in _info.decode(body).symbols]
    except msgspec.DecodeError as unfit:
        raise VenueProtocolError("binance", body) from unfit
    return {row.symbol: row.status or row.contract_status for row in rows_read}


def _instrument(row: rows.SymbolRow, symbol: str, brackets: rows.BracketRow | None) -> Instrument:
    filters = {each.filter_type: each for each in row.filters}
    lot, market_lot = filters["LOT_SIZE"], filters["MARKET_LOT_SIZE"]
    return Instrument(
        symbol=symbol,
        venue="binance",
        venue_symbol=row.symbol,
        kind=ContractKind.INVERSE if row.inverse else ContractKind.LINEAR,
        base=row.base_asset,
        quote=row.quote_asset,
        settle=row.margin_asset,
        contract_size=row.contract_size,
        tick_size=filters["PRICE_FILTER"].tick_size,
        lot_size=lot.step_size,
        min_size=lot.min_qty,
        max_size=lot.max_qty,
        max_market_size=market_lot.max_qty,
        min_notional=rows.ZERO if row.inverse else filters["MIN_NOTIONAL"].notional,
        maker_fee=MAKER_FEE,
        taker_fee=TAKER_FEE,
        tiers=_tiers(brackets.brackets) if brackets else (_widest(row),),
    )


def _tiers(brackets: Iterable[rows.Bracket]) -> tuple[MarginTier, ...]:
    return tuple(
        MarginTier(
            floor=bracket.floor,
            cap=bracket.cap,
            max_leverage=bracket.initial_leverage,
            maintenance_rate=bracket.maint_margin_ratio,
            maintenance_amount=bracket.cum,
        )
        for bracket in sorted(brackets, key=lambda bracket: bracket.floor)
    )


def _widest(row: rows.SymbolRow) -> MarginTier:
    """One careful tier for who has no key: the brackets are shown to accounts only."""
    return MarginTier(
        floor=rows.ZERO,
        cap=NO_CAP,
        max_leverage=PERCENT / row.required_margin_percent,
        maintenance_rate=row.maint_margin_percent / PERCENT,
    )
