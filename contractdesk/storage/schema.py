"""What the Parquet store holds: one schema a kind, documented column by column.

Prices are ``*ticks`` and sizes ``*lots``, whole numbers under the ``Terms`` in the file's metadata.
Times are int64 nanoseconds UTC: ``venue_ns`` as the venue stamped it, ``local_ns`` when the recording
host heard it; 0 is unknown. ``side`` is +1 for the buyer's and -1 for the seller's. What lies on no
grid (mark prices, rates, open interest) is a decimal with 18 places.
"""

from __future__ import annotations

from enum import Enum, IntFlag

import pyarrow as pa
from msgspec import Struct

from contractdesk.domain.market import timeframe_ns

SCHEMA = 1
ROW_GROUP = 1 << 18  # rows: what a reader holds at once, of each column
EXACT = pa.decimal128(38, 18)


class Kind(Enum):
    """What a recording consists of; each kind is a dataset of its own."""

    TRADES = "trades"
    AGG_TRADES = "agg_trades"  # several prints of one order at one price, told as one
    QUOTES = "quotes"
    DEPTH = "depth"
    MARKS = "marks"
    FUNDING = "funding"
    OPEN_INTEREST = "open_interest"
    LIQUIDATIONS = "liquidations"
    CANDLES = "candles"


class TradeFlag(IntFlag):
    """What is special about a print; 0: an ordinary match on the book."""

    LIQUIDATION = 1
    INSURANCE_FUND = 2  # never met the book
    ADL = 4  # never met the book
    RPI = 8  # a retail price improvement order, invisible to others
    BLOCK = 16


class DepthFlag(IntFlag):
    """What a depth row is; 0: one level of a delta."""

    SNAPSHOT = 1  # a level of a whole book
    EMPTY = 2  # a message without levels; side, ticks and lots are 0
    INVALID = 4  # the book is not to be used until the next snapshot; ``note`` says why


_I64 = pa.int64()
_HEARD = [("venue_ns", _I64), ("local_ns", _I64)]
_TRADE = [
    *_HEARD,
    ("trade_id", _I64),  # of venues with UUIDs: below 0, ascending as they were made
    ("ticks", _I64),
    ("lots", _I64),
    ("side", pa.int8()),  # of the taker
    ("flags", pa.int16()),  # TradeFlag
]
_COLUMNS: dict[Kind, list[tuple[str, pa.DataType]]] = {
    Kind.TRADES: _TRADE,
    Kind.AGG_TRADES: [*_TRADE, ("first_id", _I64), ("last_id", _I64)],  # prints it is made of; 0 unknown
    Kind.QUOTES: [
        *_HEARD,
        ("update_id", _I64),
        ("bid_ticks", _I64),
        ("bid_lots", _I64),
        ("ask_ticks", _I64),
        ("ask_lots", _I64),
    ],
    Kind.DEPTH: [
        *_HEARD,
        ("seq", _I64),  # orders the messages: the tape's number, else the update id
        ("first_id", _I64),
        ("last_id", _I64),
        ("previous_id", _I64),  # last_id of the message before, where the venue says it; else 0
        ("level", pa.int32()),  # position within its message, bids first
        ("side", pa.int8()),  # +1 bid, -1 ask
        ("ticks", _I64),
        ("lots", _I64),  # absolute; 0: the level is gone
        ("flags", pa.int8()),  # DepthFlag
        ("note", pa.string()),
    ],
    Kind.MARKS: [
        *_HEARD,
        ("mark", EXACT),
        ("index", EXACT),
        ("funding_rate", EXACT),  # predicted for the next settlement
        ("next_funding_ns", _I64),
    ],
    Kind.FUNDING: [*_HEARD, ("rate", EXACT)],  # venue_ns is the settlement's time, as the venue tells it
    Kind.OPEN_INTEREST: [*_HEARD, ("amount", EXACT)],  # base units; of inverse contracts quote units
    Kind.LIQUIDATIONS: [*_HEARD, ("ticks", _I64), ("lots", _I64), ("side", pa.int8())],
    Kind.CANDLES: [
        *_HEARD,  # venue_ns is the open time
        ("timeframe_ns", _I64),
        ("open_ticks", _I64),
        ("high_ticks", _I64),
        ("low_ticks", _I64),
        ("close_ticks", _I64),
        ("lots", _I64),
    ],
}

# By what rows are ordered and when two of them are the same fact. The first column is the time.
_KEYS: dict[Kind, tuple[str, ...]] = {
    Kind.TRADES: ("venue_ns", "trade_id"),
    Kind.AGG_TRADES: ("venue_ns", "trade_id"),
    Kind.QUOTES: ("local_ns", "update_id"),
    Kind.DEPTH: ("local_ns", "seq", "level"),
    Kind.MARKS: ("venue_ns", "local_ns"),
    Kind.FUNDING: ("venue_ns",),
    Kind.OPEN_INTEREST: ("venue_ns",),
    Kind.LIQUIDATIONS: ("venue_ns", "ticks", "lots", "side"),
    Kind.CANDLES: ("venue_ns",),
}


class Shape(Struct, frozen=True):
    """The columns of a kind and their order of rows."""

    schema: pa.Schema
    key: tuple[str, ...]  # equal keys: the same fact, of which one row is kept

    @property
    def time(self) -> str:
        """The column that decides the date and the order."""
        return self.key[0]


SHAPES = {kind: Shape(pa.schema(_COLUMNS[kind]), _KEYS[kind]) for kind in Kind}


class Series(Struct, frozen=True):
    """One series of one market: the unit that is imported and read."""

    kind: Kind
    venue: str
    symbol: str  # ccxt's unified symbol
    timeframe: str = ""  # of candles

    def __post_init__(self) -> None:
        if (self.kind is Kind.CANDLES) != bool(self.timeframe):
            raise ValueError("candles have a timeframe, and nothing else has")
        if self.timeframe:
            timeframe_ns(self.timeframe)

    @property
    def shape(self) -> Shape:
        return SHAPES[self.kind]

    @property
    def dataset(self) -> str:
        """The folder's name: ``trades``, ``candles_1m``."""
        return f"{self.kind.value}_{self.timeframe}" if self.timeframe else self.kind.value

    def __str__(self) -> str:
        return f"{self.dataset} of {self.symbol} on {self.venue}"
