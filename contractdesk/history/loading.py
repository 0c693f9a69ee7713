"""What a notebook holds of a recorded series: a live handle that reads when it is asked, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from contractdesk.domain.market_events import MarketEvent
from contractdesk.errors import UserError
from contractdesk.history.findings import told_time
from contractdesk.history.importing import series_of
from contractdesk.history.paths import history_root
from contractdesk.storage.dataset import EVER, Dataset, Rows
from contractdesk.storage.dataset_files import list_days
from contractdesk.storage.grid import Grid
from contractdesk.storage.schema import ROW_GROUP, Kind, Series

if TYPE_CHECKING:
    import pandas as pd

When = str | date | datetime | int | None
MOST_DF = 20_000_000  # rows: beyond, a DataFrame is refused, and batches are the way


def load(
    symbol: str,
    *,
    venue: str = "binance",
    kind: str = "trades",
    timeframe: str = "",
    start: When = None,
    end: When = None,
    root: str | Path | None = None,
) -> History:
    """A stored series between ``start`` (included) and ``end`` (not); nothing is read yet.

    Times are ISO dates or datetimes (UTC where they name no zone) or integer ns. UserError where there
    is nothing of the series, with what there is instead.
    """
    series = series_of(venue, symbol, kind, timeframe)
    home = history_root(root)
    if not list_days(home, series):
        raise UserError(f"no {series} in {home}; {_instead(home, series)}")
    span = (to_ns(start, 0), to_ns(end, EVER))
    return History(Dataset(root=home, series=series, start_ns=span[0], end_ns=span[1]))


class History:
    """Iterating gives batches; ``.df`` is a pandas DataFrame with prices and sizes as floats."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def batches(self, columns: Sequence[str] | None = None, rows: int = ROW_GROUP) -> Iterator[Rows]:
        """``.terms`` and ``.data`` in the order of time; memory is bounded by ``rows`` of the ``columns``."""
        return self.dataset.scan(columns, rows)

    def __iter__(self) -> Iterator[Rows]:
        return self.batches()

    def __len__(self) -> int:
        """Rows of the files that the span touches, by what the files say of themselves."""
        return sum(file.rows for file in self.dataset.files())

    def events(self) -> Iterator[MarketEvent]:
        """The engine's own events, one by one."""
        from contractdesk.history.events import events

        return events(self.dataset)

    @property
    def df(self) -> pd.DataFrame:
        """All rows, by UTC time; UserError where they are too many for a DataFrame."""
        if len(self) > MOST_DF:
            raise UserError(
                f"{len(self):,} rows are too many for a DataFrame: narrow start and end, or iterate"
            )
        import pandas  # half a second of import that only this face needs

        parts = [readable(rows) for rows in self.batches()]
        shape = self.dataset.series.shape
        table = pa.concat_tables(parts) if parts else shape.schema.empty_table()
        frame: pd.DataFrame = table.to_pandas()
        frame.index = pandas.DatetimeIndex(
            pandas.to_datetime(frame[shape.time], unit="ns", utc=True), name="time"
        )
        return frame

    def __repr__(self) -> str:
        files = self.dataset.files()
        if not files:
            return f"{self.dataset.series}: nothing in that span"
        terms = files[-1].terms
        return (
            f"{self.dataset.series}: {sum(file.rows for file in files):,} rows in {len(files)} files, "
            f"{told_time(files[0].first_ns)} to {told_time(files[-1].last_ns)} UTC, "
            f"tick {terms.tick_size:f}, lot {terms.lot_size:f}"
        )


def readable(rows: Rows) -> pa.Table:
    """With ``*price`` and ``*size`` as floats in the place of ticks and lots."""
    grids = {"ticks": (Grid(rows.terms.tick_size), "price"), "lots": (Grid(rows.terms.lot_size), "size")}
    columns, names = [], []
    for name in rows.data.schema.names:
        column = rows.data[name]
        for ending, (grid, word) in grids.items():
            if name.endswith(ending):
                column = pa.array(grid.values(column.to_numpy()))
                name = name.replace(ending, word)
        columns.append(column)
        names.append(name)
    return pa.table(columns, names=names)


def to_ns(when: When, otherwise: int = 0) -> int:
    """UTC nanoseconds; UserError for what is no time."""
    if when is None:
        return otherwise
    if isinstance(when, int | np.integer):
        return int(when)
    try:
        told = datetime.fromisoformat(when) if isinstance(when, str) else when
    except ValueError as exc:
        raise UserError(f"{when!r} is no time: give an ISO date such as 2024-10-18, or a datetime") from exc
    if not isinstance(told, datetime):
        told = datetime.combine(told, time())
    told = told if told.tzinfo else told.replace(tzinfo=UTC)
    whole = int(told.replace(microsecond=0).timestamp())
    return (whole * 1_000_000 + told.microsecond) * 1_000


def _instead(home: Path, series: Series) -> str:
    """What there is of the symbol, or what to do."""
    other = [
        each
        for each in Kind
        if each is not Kind.CANDLES and list_days(home, Series(each, series.venue, series.symbol))
    ]
    if other:
        return f"there are {', '.join(each.value for each in other)}"
    return "use contractdesk fetch, or contractdesk import"
