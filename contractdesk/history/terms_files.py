"""Where tick and lot size come from: the caller, a recorded listing of the venue's, or the data.

Listings: Binance ``exchangeInfo``, Bybit ``/v5/market/instruments-info``, OKX
``/api/v5/public/instruments``, as their REST endpoints answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from contractdesk.errors import UnknownSymbol, UserError
from contractdesk.history.raw import Raw
from contractdesk.storage.grid import finest
from contractdesk.storage.terms import MarketKind, Terms

Row = Mapping[str, Any]
ONE = Decimal(1)


def venue_symbol(venue: str, symbol: str) -> str:
    """The venue's own name of a unified symbol; a name that is not unified is taken for the venue's.

    Perpetuals and spot; dated contracts have to be named as the venue names them.
    """
    pair, _, settle = symbol.partition(":")
    base, slash, quote = pair.partition("/")
    if not slash:
        return symbol
    if venue == "okx":
        return f"{base}-{quote}-SWAP" if settle else f"{base}-{quote}"
    inverse = settle not in ("", quote)
    return f"{base}{quote}_PERP" if inverse and venue == "binance" else f"{base}{quote}"


def counts_contracts(venue: str, symbol: str) -> bool:
    """Sizes are numbers of contracts there, and of how much each is only the venue's listing says."""
    name = venue_symbol(venue, symbol)
    return name.count("-") > 1 if venue == "okx" else venue == "binance" and "USD_" in name


def bare_terms(venue: str, symbol: str, tick_size: Decimal, lot_size: Decimal) -> Terms:
    """Terms of which only the grid is known, and what the symbol itself says."""
    pair, _, settle = symbol.partition(":")
    base, _, quote = pair.partition("/")
    spot = bool(quote) and not settle
    inverse = bool(settle) and settle != quote
    kind = MarketKind.SPOT if spot else MarketKind.INVERSE if inverse else MarketKind.LINEAR
    return Terms(
        venue=venue,
        symbol=symbol,
        venue_symbol=venue_symbol(venue, symbol),
        tick_size=tick_size,
        lot_size=lot_size,
        kind=kind,
        base=base if quote else "",
        quote=quote,
        settle=settle,
    )


def read_terms(path: Path, venue: str, symbol: str) -> Terms:
    """From a recorded listing, or from terms that were written as JSON.

    UnknownSymbol where the listing has not the symbol, UserError where it cannot be understood.
    """
    try:
        told = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as exc:
        raise UserError(f"the terms file {path} cannot be read: {exc}") from exc
    if isinstance(told, dict) and "tick_size" in told:
        try:
            return msgspec.convert(told, Terms)
        except msgspec.ValidationError as exc:
            raise UserError(f"{path} holds no terms: {exc}") from exc
    name = venue_symbol(venue, symbol)
    try:
        for row in _rows(told):
            if row.get("symbol", row.get("instId")) == name:
                return _terms(row, venue, symbol)
    except (KeyError, TypeError, InvalidOperation, ValueError) as exc:
        raise UserError(f"{path} is no listing that this code understands: {exc!r}") from exc
    raise UnknownSymbol(f"{path} does not list {name}")


def _rows(told: Any) -> Iterator[Row]:
    """The contracts of any of the three venues' answers."""
    if "symbols" in told:
        yield from told["symbols"]
    elif "result" in told:
        yield from told["result"]["list"]
    else:
        yield from told["data"]


def _terms(row: Row, venue: str, symbol: str) -> Terms:
    if "filters" in row:
        filters = {each["filterType"]: each for each in row["filters"]}
        tick, lot = filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]
        size = row.get("contractSize", ONE)
    elif "priceFilter" in row:
        step = row["lotSizeFilter"]
        tick, lot, size = row["priceFilter"]["tickSize"], step.get("qtyStep", step.get("basePrecision")), ONE
    else:
        tick, lot, size = row["tickSz"], row["lotSz"], row.get("ctVal") or ONE
    plain = bare_terms(venue, symbol, Decimal(tick), Decimal(lot))
    return msgspec.structs.replace(plain, contract_size=Decimal(str(size)))


def infer_terms(raws: Iterable[Raw], venue: str, symbol: str) -> Terms:
    """The finest powers of ten on which all prices and sizes lie: a last resort, right but maybe too fine.

    UserError where there is nothing to infer from, or it lies on no grid.
    """
    steps: dict[str, list[Decimal]] = {"price": [], "size": []}
    for raw in raws:
        for name, column in raw.columns.items():
            for what, found in steps.items():
                if name.endswith(what) and len(column):
                    step = finest(np.unique(np.asarray(column, dtype=np.float64)))
                    if step is None:
                        raise UserError(
                            f"the {what}s have more than ten decimals: give the tick and lot size"
                        )
                    found.append(step)
    if not steps["price"]:
        raise UserError(f"no row of {symbol} was found: nothing tells its tick and lot size")
    return bare_terms(venue, symbol, min(steps["price"]), min(steps["size"], default=ONE))
