"""Raw captures of Binance's combined streams: lines of ``<local stamp> <json>``, gzipped or not.

A line that is no stream message is a REST depth snapshot. A last line without an end is torn.
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Struct, field

from contractdesk.errors import UserError
from contractdesk.history.raw import ON_THE_BOOK, Columns, Raw, Rules, stamp_ns
from contractdesk.storage.schema import DepthFlag, Kind, Series
from contractdesk.storage.terms import Terms

RULES = Rules(format="raw capture of Binance's streams", chained=True)
NS_PER_MS = 1_000_000

_COLUMNS = {
    Kind.TRADES: ("venue_ns", "local_ns", "trade_id", "price", "size", "side"),
    Kind.AGG_TRADES: (
        "venue_ns", "local_ns", "trade_id", "price", "size", "side", "first_id", "last_id",
    ),
    Kind.QUOTES: (
        "venue_ns", "local_ns", "update_id", "bid_price", "bid_size", "ask_price", "ask_size",
    ),
    Kind.DEPTH: (
        "venue_ns", "local_ns", "seq", "first_id", "last_id", "previous_id", "level", "side", "price",
        "size", "flags",
    ),
    Kind.MARKS: ("venue_ns", "local_ns", "mark", "index", "funding_rate", "next_funding_ns"),
}  # fmt: skip
_STREAMS = {
    Kind.TRADES: b"@trade",
    Kind.AGG_TRADES: b"@aggTrade",
    Kind.QUOTES: b"@bookTicker",
    Kind.DEPTH: b"@depth",
    Kind.MARKS: b"@markPrice",
}
Texts = list[tuple[str, str]]
T = TypeVar("T")
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]  # what the store can hold


class _Trade(Struct):
    symbol: str = field(name="s")
    price: str = field(name="p")
    size: str = field(name="q")
    time_ms: Whole = field(name="T")
    buyer_made: bool = field(name="m")
    event_ms: Whole = field(name="E", default=0)
    trade_id: Whole = field(name="t", default=0)
    aggregate_id: Whole = field(name="a", default=0)
    first_id: Whole = field(name="f", default=0)
    last_id: Whole = field(name="l", default=0)
    word: str | None = field(name="X", default=ON_THE_BOOK)


class _Quote(Struct):
    symbol: str = field(name="s")
    update_id: Whole = field(name="u")
    bid: str = field(name="b")
    bid_size: str = field(name="B")
    ask: str = field(name="a")
    ask_size: str = field(name="A")
    time_ms: Whole = field(name="T", default=0)  # spot has none
    event_ms: Whole = field(name="E", default=0)


class _Depth(Struct):
    symbol: str = field(name="s")
    first_id: Whole = field(name="U")
    last_id: Whole = field(name="u")
    bids: Texts = field(name="b")
    asks: Texts = field(name="a")
    previous_id: Whole = field(name="pu", default=0)
    time_ms: Whole = field(name="T", default=0)
    event_ms: Whole = field(name="E", default=0)


class _Snapshot(Struct):
    last_id: Whole = field(name="lastUpdateId")
    bids: Texts
    asks: Texts
    time_ms: Whole = field(name="T", default=0)


class _Mark(Struct):
    symbol: str = field(name="s")
    event_ms: Whole = field(name="E")
    mark: Decimal = field(name="p")
    rate: str = field(name="r")
    next_funding_ms: Whole = field(name="T")
    index: Decimal = field(name="i", default=Decimal(0))


class _Push(Struct, Generic[T]):
    data: T


_snapshot = msgspec.json.Decoder(_Snapshot)


class _Reader:
    """Turns lines of one kind of stream into rows."""

    def __init__(self, series: Series, terms: Terms) -> None:
        self._kind, self._symbol = series.kind, terms.venue_symbol
        self.columns = Columns(_COLUMNS[series.kind])
        self.others = 0  # messages of other symbols
        put: dict[Kind, tuple[type[Struct], Callable[[int, int, object], None]]] = {
            Kind.TRADES: (_Trade, self._trade),
            Kind.AGG_TRADES: (_Trade, self._trade),
            Kind.QUOTES: (_Quote, self._quote),
            Kind.DEPTH: (_Depth, self._depth),
            Kind.MARKS: (_Mark, self._mark),
        }
        message, self._put = put[series.kind]
        self._decoder: Any = msgspec.json.Decoder(_Push[message])  # type: ignore[valid-type]
        self._stream = _STREAMS[series.kind]

    def line(self, row: int, line: bytes) -> None:
        """One line; what cannot be read is noted as corrupt."""
        stamp, _, text = line.partition(b" ")
        try:
            local_ns = stamp_ns(int(stamp))
            if not text.lstrip().startswith(b'{"stream"'):
                if self._kind is Kind.DEPTH:
                    self._book(row, local_ns, _snapshot.decode(text))
            elif self._stream in text[:80]:
                told: Any = self._decoder.decode(text).data
                if told.symbol == self._symbol:
                    self._put(row, local_ns, told)
                else:
                    self.others += 1
        except (msgspec.MsgspecError, ValueError, ArithmeticError):
            self.columns.spoil(row, "line", line[:200].decode("utf-8", "replace").rstrip())

    def take(self) -> Raw:
        raw = self.columns.take()
        if self.others:
            raw.left_out = (("messages of other symbols", self.others),)
            self.others = 0
        return raw

    def _trade(self, row: int, local_ns: int, told: object) -> None:
        assert isinstance(told, _Trade)  # noqa: S101 - the decoder of this kind made it
        values = [told.time_ms * NS_PER_MS, local_ns]
        sign = -1 if told.buyer_made else 1
        if self._kind is Kind.AGG_TRADES:
            values += [told.aggregate_id]
            ends = [told.first_id, told.last_id]
        else:
            values += [told.trade_id]
            ends = []
        row_values = [*values, float(told.price), float(told.size), sign, *ends]
        self.columns.add(row, *row_values, word=told.word or "", event_ns=told.event_ms * NS_PER_MS)

    def _quote(self, row: int, local_ns: int, told: object) -> None:
        assert isinstance(told, _Quote)  # noqa: S101
        numbers = [float(text) for text in (told.bid, told.bid_size, told.ask, told.ask_size)]
        event_ns = told.event_ms * NS_PER_MS
        self.columns.add(row, told.time_ms * NS_PER_MS, local_ns, told.update_id, *numbers, event_ns=event_ns)

    def _mark(self, row: int, local_ns: int, told: object) -> None:
        assert isinstance(told, _Mark)  # noqa: S101
        rate = Decimal(told.rate) if told.rate else Decimal(0)
        event_ns = told.event_ms * NS_PER_MS
        funding_ns = told.next_funding_ms * NS_PER_MS
        self.columns.add(row, event_ns, local_ns, told.mark, told.index, rate, funding_ns, event_ns=event_ns)

    def _depth(self, row: int, local_ns: int, told: object) -> None:
        assert isinstance(told, _Depth)  # noqa: S101
        previous = told.previous_id or told.first_id - 1  # spot's ids are contiguous
        times = (told.time_ms or told.event_ms) * NS_PER_MS, told.event_ms * NS_PER_MS
        ids = told.last_id, told.first_id, told.last_id, previous
        self._levels(row, times, local_ns, ids, told.bids, told.asks, 0)

    def _book(self, row: int, local_ns: int, told: _Snapshot) -> None:
        ids = told.last_id, told.last_id, told.last_id, 0
        times = told.time_ms * NS_PER_MS, 0
        self._levels(row, times, local_ns, ids, told.bids, told.asks, int(DepthFlag.SNAPSHOT))

    def _levels(
        self,
        row: int,
        times: tuple[int, int],
        local_ns: int,
        ids: tuple[int, int, int, int],
        bids: Texts,
        asks: Texts,
        flag: int,
    ) -> None:
        told = [(1, *level) for level in bids] + [(-1, *level) for level in asks]
        if not told:
            flag, told = flag | DepthFlag.EMPTY, [(0, "0", "0")]
        for level, (side, price, size) in enumerate(told):
            self.columns.add(
                row, times[0], local_ns, *ids, level, side, float(price), float(size), flag, event_ns=times[1]
            )


def read(path: Path, series: Series, terms: Terms) -> Iterator[Raw]:
    """The messages of one kind; UserError for a kind that these streams do not carry."""
    if series.kind not in _COLUMNS:
        raise UserError(f"a capture of Binance's streams holds no {series.kind.value}")
    reader, row = _Reader(series, terms), 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for row, line in enumerate(file, 1):
                reader.line(row, line)
                if reader.columns.full():
                    yield reader.take()
    except EOFError:
        reader.columns.tear(f"{path.name} ends in the middle, after line {row}: it was being written")
    yield reader.take()


def is_capture(first: str) -> bool:
    """Whether a file's first line is ``<stamp> <json>``."""
    stamp, _, text = first.partition(" ")
    return stamp.isdigit() and text.lstrip()[:1] == "{"
