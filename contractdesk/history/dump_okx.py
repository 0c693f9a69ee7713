"""OKX's public dumps of trades: a day of UTC+8, with or without a header, of one or of all instruments.

Since 2025: instrument_name, trade_id, side (of the taker), price, size (contracts; base units on
spot), created_time (ms), and later source (1: a retail price improvement order). Before: trade_id, side,
size, price, created_time, the header in GBK with Chinese names behind a slash; before 2022 without any.
https://www.okx.com/data-download; columns as in
https://github.com/terrylica/data-source-manager/blob/main/docs/api/okx_data_download_guide.md
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contractdesk.errors import UserError
from contractdesk.history.csv_rows import Cells, read_cells
from contractdesk.history.raw import Raw, Rules, since_epoch_ns
from contractdesk.storage.schema import Kind, Series, TradeFlag
from contractdesk.storage.terms import Terms

RULES = Rules(format="OKX public dump")

_ALIASES = {"trade_id": "id", "created_time": "time", "instrument_name": "symbol", "instrument": "symbol",
            "side": "side", "size": "size", "price": "price"}  # fmt: skip
_BEFORE = ("id", "side", "size", "price", "time")


def read(path: Path, series: Series, terms: Terms) -> Iterator[Raw]:
    """The file's rows of the instrument; those of others are counted as left out."""
    if series.kind not in (Kind.TRADES, Kind.AGG_TRADES):
        raise UserError(f"{path.name} is a dump of trades, not of {series.kind.value}")
    for cells in read_cells(path, (_BEFORE,), _ALIASES, _BEFORE):
        yield _raw(cells, terms)


def _raw(cells: Cells, terms: Terms) -> Raw:
    read = len(cells.rows)
    if "symbol" in cells:
        cells = cells.only(cells.texts("symbol") == terms.venue_symbol)
    columns: dict[str, NDArray[Any]] = {
        "venue_ns": since_epoch_ns(cells.ints("time")),
        "trade_id": cells.ints("id"),
        "price": cells.floats("price"),
        "size": cells.floats("size"),
        "side": cells.signs("side", "buy", "sell"),
    }
    if "source" in cells:
        columns["flags"] = np.where(cells.texts("source") == "1", TradeFlag.RPI, 0).astype(np.int16)
    others = read - len(cells.rows)
    left_out = (("rows of other instruments", others),) if others else ()
    return Raw(rows=cells.rows, columns=columns, corrupt=tuple(cells.corrupt), left_out=left_out)
