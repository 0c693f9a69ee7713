"""Bybit's public dumps of trades.

Contracts (``trading/BTCUSDT/BTCUSDT2024-08-08.csv.gz``): timestamp (seconds with fractions), symbol,
side (of the taker), size, price, tickDirection, trdMatchID (a UUID), grossValue, homeNotional,
foreignNotional, and later RPI. Spot: id, timestamp (ms), price, volume, side, and later rpi.
https://public.bybit.com/ and https://www.bybit.com/derivatives/en/history-data; the columns of spot as in
https://github.com/fordicus/RT-Data/blob/main/bybit_execution_format.md, those of contracts as in the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contractdesk.errors import UserError
from contractdesk.history.csv_rows import Cells, read_cells
from contractdesk.history.raw import Corrupt, Raw, Rules, since_epoch_ns
from contractdesk.storage.grid import Ints
from contractdesk.storage.schema import Kind, Series, TradeFlag
from contractdesk.storage.terms import Terms

RULES = Rules(format="Bybit public dump", ids_ascend=False)

_ALIASES = {"trdmatchid": "id", "volume": "size", "timestamp": "time", "symbol": "symbol", "rpi": "rpi"}
_NEEDED = {"id", "time", "price", "size", "side"}


def read(path: Path, series: Series, terms: Terms) -> Iterator[Raw]:
    """The file's rows of the symbol; UserError where it has not the columns."""
    if series.kind is not Kind.TRADES:
        raise UserError(f"{path.name} is a dump of trades, not of {series.kind.value}")
    for cells in read_cells(path, (), _ALIASES, _NEEDED):
        yield _raw(cells, terms)


def _raw(cells: Cells, terms: Terms) -> Raw:
    contracts, read = "symbol" in cells, len(cells.rows)
    if contracts:
        cells = cells.only(cells.texts("symbol") == terms.venue_symbol)
    flags = np.zeros(len(cells.rows), dtype=np.int16)
    if "rpi" in cells:
        flags |= np.where(cells.texts("rpi") == "1", TradeFlag.RPI, 0).astype(np.int16)
    columns: dict[str, NDArray[Any]] = {
        "venue_ns": _seconds(cells) if contracts else since_epoch_ns(cells.ints("time")),
        "trade_id": _uuids(cells) if contracts else cells.ints("id"),
        "price": cells.floats("price"),
        "size": cells.floats("size"),
        "side": cells.signs("side", "buy", "sell"),
        "flags": flags,
    }
    others = read - len(cells.rows)
    left_out = (("rows of other instruments", others),) if others else ()
    return Raw(rows=cells.rows, columns=columns, corrupt=tuple(cells.corrupt), left_out=left_out)


def _seconds(cells: Cells) -> Ints:
    """To the microsecond: the files have four decimals, and a double of today's seconds has six."""
    seconds = cells.floats("time")
    sound = np.isfinite(seconds) & (seconds >= 0) & (seconds < 2**33)
    micros = np.rint(np.where(sound, seconds, 0.0) * 1e6)
    return micros.astype(np.int64) * 1_000


def _uuids(cells: Cells) -> Ints:
    """The first 63 bits of each, negated, so that none passes for a number of the venue's."""
    found = np.zeros(len(cells.rows), dtype=np.int64)
    for place, text in enumerate(cells.texts("id")):
        try:
            found[place] = -(int(text.replace("-", "")[:16], 16) >> 1)
        except ValueError:
            cells.corrupt.append(Corrupt(int(cells.rows[place]), "trdMatchID", str(text)))
    return found
