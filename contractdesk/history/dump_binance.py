"""Binance's public dumps of trades and aggregate trades: spot, USDⓈ-M and COIN-M, daily and monthly.

Older files have no header. Stamps are ms; those of spot are us since 2025. The insurance fund's and
ADL trades are in no aggregate, so the ids of the prints within have holes that are none.
https://github.com/binance/binance-public-data
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contractdesk.errors import UserError
from contractdesk.history.csv_rows import Cells, first_line, read_cells
from contractdesk.history.raw import Raw, Rules, since_epoch_ns
from contractdesk.storage.schema import Kind, Series
from contractdesk.storage.terms import Terms

RULES = Rules(format="Binance public dump")

_TRADES = (
    ("id", "price", "size", "worth", "time", "buyer_made"),
    ("id", "price", "size", "worth", "time", "buyer_made", "best_match"),  # spot
)
_AGGREGATES = (
    ("id", "price", "size", "first_id", "last_id", "time", "buyer_made"),
    ("id", "price", "size", "first_id", "last_id", "time", "buyer_made", "best_match"),  # spot
)
_ALIASES = {
    "agg_trade_id": "id", "trade id": "id", "qty": "size", "quantity": "size", "quote_qty": "worth",
    "base_qty": "worth", "first_trade_id": "first_id", "last_trade_id": "last_id", "transact_time": "time",
    "timestamp": "time", "is_buyer_maker": "buyer_made", "isbuyermaker": "buyer_made",
}  # fmt: skip


def read(path: Path, series: Series, _terms: Terms) -> Iterator[Raw]:
    """The file's rows; UserError where it holds the other kind of trades, or none."""
    if series.kind not in (Kind.TRADES, Kind.AGG_TRADES):
        raise UserError(f"{path.name} is a dump of trades, not of {series.kind.value}")
    aggregated = series.kind is Kind.AGG_TRADES
    _agree(path, aggregated)
    layouts = _AGGREGATES if aggregated else _TRADES
    needed = set(layouts[0]) - {"worth"}
    for cells in read_cells(path, layouts, _ALIASES, needed):
        yield _raw(cells, aggregated)


def _agree(path: Path, aggregated: bool) -> None:  # noqa: FBT001 - what the file is expected to be
    told = (first_line(path) + path.name).lower()
    if ("agg_trade_id" in told or "aggtrades" in told) != aggregated and "trades" in told:
        other = Kind.TRADES if aggregated else Kind.AGG_TRADES
        raise UserError(f"{path.name} holds {other.value}: import it as such (--kind {other.value})")


def _raw(cells: Cells, aggregated: bool) -> Raw:  # noqa: FBT001
    columns: dict[str, NDArray[Any]] = {
        "venue_ns": since_epoch_ns(cells.ints("time")),
        "trade_id": cells.ints("id"),
        "price": cells.floats("price"),
        "size": cells.floats("size"),
        "side": np.where(cells.flags("buyer_made"), -1, 1).astype(np.int8),
    }
    if aggregated:
        columns |= {name: cells.ints(name) for name in ("first_id", "last_id")}
    return Raw(rows=cells.rows, columns=columns, corrupt=tuple(cells.corrupt))
