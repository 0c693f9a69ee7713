"""The desk's own recordings: the market facts of a tape, none of them lost.

A row's number is the input's on the tape. What the desk told itself (a channel is alive, a symbol is
ready) is no market fact; it is counted as left out. The trades of Binance that the desk hears are
aggregates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from contractdesk.domain.events import Event
from contractdesk.domain.market import timeframe_ns, unpack_levels
from contractdesk.domain.market_events import (
    BarClosed,
    BarsLoaded,
    BookChanged,
    BookInvalidated,
    BookSnapshotRead,
    FundingSettled,
    InstrumentListed,
    LiquidationPrinted,
    MarketEvent,
    MarkPriced,
    OpenInterestRead,
    TradePrinted,
    TradesLoaded,
)
from contractdesk.errors import UserError
from contractdesk.history.raw import Columns, Raw, Rules
from contractdesk.storage.journal_reader import JournalReader
from contractdesk.storage.schema import DepthFlag, Kind, Series
from contractdesk.storage.tape import read_tape
from contractdesk.storage.tape_file import TornTail, segments
from contractdesk.storage.terms import Terms

RULES = Rules(format="tape of a desk")
JOURNAL, TAPE = "journal.db", "tape"

_TRADES = ("venue_ns", "local_ns", "trade_id", "price", "size", "side")
_COLUMNS = {
    Kind.TRADES: _TRADES,
    Kind.AGG_TRADES: _TRADES,
    Kind.DEPTH: (
        "venue_ns", "local_ns", "seq", "first_id", "last_id", "level", "side", "ticks", "lots", "flags",
        "note",
    ),
    Kind.MARKS: ("venue_ns", "local_ns", "mark", "index", "funding_rate", "next_funding_ns"),
    Kind.FUNDING: ("venue_ns", "local_ns", "rate"),
    Kind.OPEN_INTEREST: ("venue_ns", "local_ns", "amount"),
    Kind.LIQUIDATIONS: ("venue_ns", "local_ns", "price", "size", "side"),
    Kind.CANDLES: (
        "venue_ns", "local_ns", "timeframe_ns", "open_price", "high_price", "low_price", "close_price",
        "size",
    ),
}  # fmt: skip


def is_tape(folder: Path) -> bool:
    """A folder of segments, or a desk's, which has one."""
    return bool(segments(folder) or segments(folder / TAPE))


def read(folder: Path, series: Series, terms: Terms) -> Iterator[Raw]:
    """The facts of one kind; StorageError where the tape is damaged before its end."""
    if series.kind not in _COLUMNS:
        raise UserError(f"a desk's tape holds no {series.kind.value}; it holds {_kinds()}")
    if series.kind is Kind.TRADES and series.venue == "binance":
        raise UserError("the desk hears Binance's aggregate trades: import its tape as --kind agg_trades")
    columns = Columns(_COLUMNS[series.kind])
    put, others, torn = _puts(columns, series), Counter[str](), list[TornTail]()
    tape = folder if segments(folder) else folder / TAPE
    for seq, event in read_tape(tape, torn=torn):
        own = isinstance(event, MarketEvent) and event.symbol == terms.symbol
        if own and not put(seq, event):
            others[type(event).__name__] += 1
        if columns.full():
            yield columns.take()
    for each in torn:
        columns.tear(f"{each.path.name} ends in the middle: {each.lost_bytes} bytes are lost")
    raw = columns.take()
    raw.left_out = tuple(sorted(others.items()))
    yield raw


def listed_terms(folder: Path, symbol: str) -> Terms | None:
    """The terms that a desk's journal has of a symbol, the newest; None where it has none."""
    journal = folder / JOURNAL
    if not journal.exists():
        return None
    found = None
    with JournalReader(journal) as reader:
        for _, event in reader.events():
            if isinstance(event, InstrumentListed) and symbol in (
                event.instrument.symbol,
                event.instrument.venue_symbol,
            ):
                found = Terms.of(event.instrument)
    return found


def _kinds() -> str:
    return ", ".join(kind.value for kind in _COLUMNS)


Put = Callable[[int, Event], bool]  # False: not a fact of this kind


def _puts(columns: Columns, series: Series) -> Put:
    match series.kind:
        case Kind.TRADES | Kind.AGG_TRADES:
            return lambda seq, event: _trades(columns, seq, event)
        case Kind.DEPTH:
            return lambda seq, event: _depth(columns, seq, event)
        case Kind.CANDLES:
            return lambda seq, event: _candles(columns, seq, event, series.timeframe)
        case _:
            return lambda seq, event: _facts(columns, seq, event, series.kind)


def _trades(columns: Columns, seq: int, event: Event) -> bool:
    match event:
        case TradePrinted():
            told: tuple[TradePrinted, ...] = (event,)
        case TradesLoaded(trades=told):
            pass
        case _:
            return False
    for each in told:
        values = each.trade_id, float(each.price), float(each.size), each.taker.sign
        columns.add(seq, each.venue_ns, each.ts_ns, *values, event_ns=each.venue_ns)
    return True


def _depth(columns: Columns, seq: int, event: Event) -> bool:
    match event:
        case BookSnapshotRead():
            first_id, last_id, flag = event.update_id, event.update_id, DepthFlag.SNAPSHOT
            venue_ns = event.venue_ns
        case BookChanged():
            first_id, last_id, flag = event.first_id, event.last_id, DepthFlag(0)
            venue_ns = event.venue_ns
        case BookInvalidated():
            columns.add(seq, 0, event.ts_ns, seq, 0, 0, 0, 0, 0, 0, int(DepthFlag.INVALID), event.reason)
            return True
        case _:
            return False
    rows = [(1, *level) for level in unpack_levels(event.bids)]
    rows += [(-1, *level) for level in unpack_levels(event.asks)]
    if not rows:
        rows, flag = [(0, 0, 0)], flag | DepthFlag.EMPTY
    for level, row in enumerate(rows):
        columns.add(
            seq,
            venue_ns,
            event.ts_ns,
            seq,
            first_id,
            last_id,
            level,
            *row,
            int(flag),
            None,
            event_ns=venue_ns,
        )
    return True


def _candles(columns: Columns, seq: int, event: Event, timeframe: str) -> bool:
    match event:
        case BarClosed(timeframe=told, bar=bar) if told == timeframe:
            bars = (bar,)
        case BarsLoaded(timeframe=told, bars=bars) if told == timeframe:
            pass
        case _:
            return False
    for bar in bars:
        prices = float(bar.open), float(bar.high), float(bar.low), float(bar.close)
        columns.add(seq, bar.open_ns, event.ts_ns, timeframe_ns(timeframe), *prices, float(bar.volume))
    return True


def _facts(columns: Columns, seq: int, event: Event, kind: Kind) -> bool:
    match kind, event:
        case Kind.MARKS, MarkPriced() as mark:
            told = mark.mark, mark.index, mark.funding_rate, mark.next_funding_ns
            columns.add(seq, mark.venue_ns, mark.ts_ns, *told, event_ns=mark.venue_ns)
        case Kind.FUNDING, FundingSettled() as paid:
            columns.add(seq, paid.funding_ns, paid.ts_ns, paid.rate)
        case Kind.OPEN_INTEREST, OpenInterestRead() as interest:
            columns.add(seq, interest.venue_ns, interest.ts_ns, interest.amount, event_ns=interest.venue_ns)
        case Kind.LIQUIDATIONS, LiquidationPrinted() as forced:
            values = float(forced.price), float(forced.size), forced.side.sign
            columns.add(seq, forced.venue_ns, forced.ts_ns, *values, event_ns=forced.venue_ns)
        case _:
            return False
    return True
