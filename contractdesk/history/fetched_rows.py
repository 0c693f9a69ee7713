"""A venue's pages as raw rows: what the integrity checks take from any source."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np

from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import Bar, timeframe_ns
from contractdesk.domain.orders import Side
from contractdesk.errors import UserError
from contractdesk.history.findings import told_time
from contractdesk.history.raw import Columns, Raw
from contractdesk.storage.grid import Grid, finest
from contractdesk.storage.schema import Kind, Series
from contractdesk.storage.terms import Terms
from contractdesk.venues.past import Page, Past, PastTrade, PastValue, Span

_TRADE = ("venue_ns", "trade_id", "price", "size", "side", "first_id", "last_id")
_BAR = ("venue_ns", "timeframe_ns", "open_price", "high_price", "low_price", "close_price", "size")
_COLUMNS: dict[Kind, tuple[str, ...]] = {
    Kind.AGG_TRADES: _TRADE,
    Kind.CANDLES: _BAR,
    Kind.FUNDING: ("venue_ns", "rate"),
    Kind.OPEN_INTEREST: ("venue_ns", "amount"),
}
FETCHED = tuple(_COLUMNS)


class Rows:
    """Turns the pages of one series into Raw; numbers the rows of each piece from 1 on."""

    def __init__(self, series: Series) -> None:
        self._columns = Columns(_COLUMNS[series.kind])
        self._length_ns = timeframe_ns(series.timeframe) if series.timeframe else 0
        self._read = 0

    def of(self, page: Page[Any]) -> Raw:
        """Its rows; there may be none."""
        for row in page.rows:
            self._read += 1
            self._columns.add(self._read, *self._values(row))
        return self._columns.take()

    def _values(self, row: PastTrade | Bar | PastValue) -> tuple[object, ...]:
        match row:
            case PastTrade():
                side = 1 if row.taker is Side.BUY else -1
                ids = row.first_id, row.last_id
                return row.venue_ns, row.trade_id, float(row.price), float(row.size), side, *ids
            case Bar():
                prices = tuple(float(price) for price in (row.open, row.high, row.low, row.close))
                return row.open_ns, self._length_ns, *prices, float(row.volume)
            case PastValue():
                return row.venue_ns, row.value


def pages(past: Past, series: Series, instrument: Instrument, span: Span) -> AsyncIterator[Page[Any]]:
    """What the venue tells of the series in that stretch."""
    if series.kind is Kind.CANDLES:
        return past.bars(instrument, series.timeframe, span)
    ask: dict[Kind, Callable[[Instrument, Span], AsyncIterator[Page[Any]]]] = {
        Kind.AGG_TRADES: past.agg_trades,
        Kind.FUNDING: past.funding_rates,
        Kind.OPEN_INTEREST: past.open_interest,
    }
    return ask[series.kind](instrument, span)


def refuse_off_grid(raw: Raw, terms: Terms) -> None:
    """UserError where a price or size lies off the terms: the venue's were others at that time.

    Such rows could not be stored, and what is stored as fetched would lack them.
    """
    for ending, step, word in (("price", terms.tick_size, "tick"), ("size", terms.lot_size, "lot")):
        for name in [name for name in raw.columns if name.endswith(ending)]:
            values = raw.columns[name]
            exact = Grid(step).count(values)[1] | ~np.isfinite(values)
            if not bool(exact.all()):
                at = int(np.flatnonzero(~exact)[0])
                finer = finest(values)
                hint = f", such as {finer:f}" if finer is not None else ""
                raise UserError(
                    f"a {ending} of {values[at]:.15g} at {told_time(int(raw.columns['venue_ns'][at]))} is no "
                    f"multiple of the {word} {step:f}: other terms held then; state the {word} of that time"
                    f"{hint} (--{word}), and fetch until they changed"
                )
