"""Stored rows as the engine's market events again: what a recording of the desk was made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from contractdesk.domain.instrument import ZERO
from contractdesk.domain.market import Bar, pack_levels
from contractdesk.domain.market_events import (
    BarClosed,
    BookChanged,
    BookInvalidated,
    BookSnapshotRead,
    FundingSettled,
    LiquidationPrinted,
    MarketEvent,
    MarkPriced,
    OpenInterestRead,
    TradePrinted,
)
from contractdesk.domain.orders import Side
from contractdesk.errors import UserError
from contractdesk.storage.dataset import Dataset
from contractdesk.storage.schema import DepthFlag, Kind, Series
from contractdesk.storage.terms import Terms

Row = dict[str, Any]
Stored = tuple[Terms, Row]


def events(dataset: Dataset) -> Iterator[MarketEvent]:
    """In the order of time; ``ts_ns`` is the time of hearing, or the venue's where nobody heard it.

    UserError for quotes, of which the desk has no event; StorageError where a file is damaged.
    """
    series = dataset.series
    stored = ((part.terms, row) for part in dataset.scan() for row in part.data.to_pylist())
    if series.kind is Kind.DEPTH:
        for _, message in groupby(stored, key=lambda each: (each[1]["local_ns"], each[1]["seq"])):
            yield _book(series, [row for _, row in message])
        return
    make = _MAKERS.get(series.kind)
    if make is None:
        raise UserError(f"the desk has no event for {series.kind.value}")
    for terms, row in stored:
        yield make(series, terms, row)


def _book(series: Series, rows: list[Row]) -> MarketEvent:
    head = rows[0]
    ts_ns, flags = head["local_ns"], head["flags"]
    if flags & DepthFlag.INVALID:
        return BookInvalidated(ts_ns=ts_ns, symbol=series.symbol, reason=head["note"] or "")
    bids, asks = (
        pack_levels((row["ticks"], row["lots"]) for row in rows if row["side"] == side) for side in (1, -1)
    )
    times = {"ts_ns": ts_ns, "venue_ns": head["venue_ns"]}
    if flags & DepthFlag.SNAPSHOT:
        return BookSnapshotRead(
            symbol=series.symbol, update_id=head["last_id"], bids=bids, asks=asks, **times
        )
    ids = {"first_id": head["first_id"], "last_id": head["last_id"]}
    return BookChanged(symbol=series.symbol, bids=bids, asks=asks, **ids, **times)


def _heard(row: Row) -> int:
    ts_ns: int = row["local_ns"] or row["venue_ns"]
    return ts_ns


def _trade(series: Series, terms: Terms, row: Row) -> MarketEvent:
    return TradePrinted(
        ts_ns=_heard(row),
        symbol=series.symbol,
        trade_id=row["trade_id"],
        price=terms.tick_size * row["ticks"],
        size=terms.lot_size * row["lots"],
        taker=Side.BUY if row["side"] > 0 else Side.SELL,
        venue_ns=row["venue_ns"],
    )


def _mark(series: Series, _terms: Terms, row: Row) -> MarketEvent:
    return MarkPriced(
        ts_ns=_heard(row),
        symbol=series.symbol,
        mark=row["mark"],
        index=row["index"],
        funding_rate=row["funding_rate"],
        next_funding_ns=row["next_funding_ns"],
        venue_ns=row["venue_ns"],
    )


def _funding(series: Series, _terms: Terms, row: Row) -> MarketEvent:
    return FundingSettled(
        ts_ns=_heard(row), symbol=series.symbol, rate=row["rate"], funding_ns=row["venue_ns"]
    )


def _interest(series: Series, _terms: Terms, row: Row) -> MarketEvent:
    return OpenInterestRead(
        ts_ns=_heard(row), symbol=series.symbol, amount=row["amount"], venue_ns=row["venue_ns"]
    )


def _liquidation(series: Series, terms: Terms, row: Row) -> MarketEvent:
    return LiquidationPrinted(
        ts_ns=_heard(row),
        symbol=series.symbol,
        side=Side.BUY if row["side"] > 0 else Side.SELL,
        size=terms.lot_size * row["lots"],
        price=terms.tick_size * row["ticks"],
        venue_ns=row["venue_ns"],
    )


def _candle(series: Series, terms: Terms, row: Row) -> MarketEvent:
    prices = {
        name: terms.tick_size * row[f"{name}_ticks"] if row[f"{name}_ticks"] else ZERO
        for name in ("open", "high", "low", "close")
    }
    bar = Bar(open_ns=row["venue_ns"], volume=terms.lot_size * row["lots"], **prices)
    ts_ns = row["local_ns"] or row["venue_ns"] + row["timeframe_ns"]
    return BarClosed(ts_ns=ts_ns, symbol=series.symbol, timeframe=series.timeframe, bar=bar)


_MAKERS: dict[Kind, Callable[[Series, Terms, Row], MarketEvent]] = {
    Kind.TRADES: _trade,
    Kind.AGG_TRADES: _trade,
    Kind.MARKS: _mark,
    Kind.FUNDING: _funding,
    Kind.OPEN_INTEREST: _interest,
    Kind.LIQUIDATIONS: _liquidation,
    Kind.CANDLES: _candle,
}
