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
_UUID_BITS = 50  # so many of a million trades are still told apart
_UUID = (1 << _UUID_BITS) - 1
_LAST_PLACE = (1 << (63 - _UUID_BITS)) - 1  # of a moment's trades; those that are even more share it


def read(path: Path, series: Series, terms: Terms) -> Iterator[Raw]:
    """The file's rows of the symbol; UserError where it has not the columns."""
    if series.kind is not Kind.TRADES:
        raise UserError(f"{path.name} is a dump of trades, not of {series.kind.value}")
    numbers = _Numbers()
    for cells in read_cells(path, (), _ALIASES, _NEEDED):
        yield _raw(cells, terms, numbers)


def _raw(cells: Cells, terms: Terms, numbers: _Numbers) -> Raw:
    contracts, read = "symbol" in cells, len(cells.rows)
    if contracts:
        cells = cells.only(cells.texts("symbol") == terms.venue_symbol)
    flags = np.zeros(len(cells.rows), dtype=np.int16)
    if "rpi" in cells:
        flags |= np.where(cells.texts("rpi") == "1", TradeFlag.RPI, 0).astype(np.int16)
    times = _seconds(cells) if contracts else since_epoch_ns(cells.ints("time"))
    columns: dict[str, NDArray[Any]] = {
        "venue_ns": times,
        "trade_id": numbers.of(times, _uuids(cells)) if contracts else cells.ints("id"),
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
    """The last bits of each."""
    found = np.zeros(len(cells.rows), dtype=np.int64)
    for place, text in enumerate(cells.texts("id")):
        try:
            found[place] = int(text.replace("-", ""), 16) & _UUID
        except ValueError:
            cells.corrupt.append(Corrupt(int(cells.rows[place]), "trdMatchID", str(text)))
    return found


class _Numbers:
    """Ids of one file's trades that ascend as they were made: a UUID tells them apart, but in no order.

    One order that takes ten levels is ten rows of one moment, and the last of them is the price. So the
    place within the moment stands before the UUID's bits; all are negative, and pass for no number of the
    venue's. A UUID that comes twice in a moment has one id.
    """

    def __init__(self) -> None:
        self._ns = -1
        self._seen: dict[int, int] = {}  # places of this moment's UUIDs
        self._falls: bool | None = None  # the file has its latest trade first; None: not known yet

    def of(self, times: Ints, uuids: Ints) -> Ints:
        """Of the file's next rows."""
        if self._falls is None and (steps := int(np.sign(np.diff(times)).sum())):
            self._falls = steps < 0
        found = np.empty(len(times), dtype=np.int64)
        for row, (ns, uuid) in enumerate(zip(times.tolist(), uuids.tolist(), strict=True)):
            if ns != self._ns:
                self._ns, self._seen = ns, {}
            place = min(self._seen.setdefault(uuid, len(self._seen)), _LAST_PLACE)
            before = _LAST_PLACE - place if self._falls else place
            found[row] = ((before << _UUID_BITS) | uuid) - (1 << 63)
        return found
