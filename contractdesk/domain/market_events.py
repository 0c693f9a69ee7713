"""Facts about markets: books, trades, marks, bars, and whether a symbol is ready to be traded on.

The market's events go to the tape, everything else to the journal. See ``domain/events.py``.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import Bar
from contractdesk.domain.orders import Side


class EventBase(Struct, frozen=True, kw_only=True, tag_field="event", tag=True):
    ts_ns: int


class MarketEvent(EventBase, frozen=True, kw_only=True, tag=True):
    """Base of what goes to the tape; everything else goes to the journal."""

    symbol: str


class BookSnapshotRead(MarketEvent, frozen=True, kw_only=True):
    """A whole book; ``bids`` and ``asks`` are packed (ticks, lots) levels."""

    update_id: int
    bids: bytes
    asks: bytes
    venue_ns: int = 0


class BookChanged(MarketEvent, frozen=True, kw_only=True):
    """Absolute lots at the named ticks, 0 = gone; in sequence, several deltas may be merged in one."""

    first_id: int
    last_id: int
    bids: bytes
    asks: bytes
    venue_ns: int


class BookInvalidated(MarketEvent, frozen=True, kw_only=True):
    """The book must not be used until the next snapshot."""

    reason: str


class TradePrinted(MarketEvent, frozen=True, kw_only=True, gc=False):  # there are millions of them
    trade_id: int
    price: Decimal
    size: Decimal  # contracts
    taker: Side
    venue_ns: int


class MarkPriced(MarketEvent, frozen=True, kw_only=True):
    mark: Decimal
    index: Decimal
    funding_rate: Decimal  # predicted for the next settlement
    next_funding_ns: int
    venue_ns: int


class FundingSettled(MarketEvent, frozen=True, kw_only=True):
    """A public settlement: rate applied at ``funding_ns``."""

    rate: Decimal
    funding_ns: int


class FundingHistoryRead(MarketEvent, frozen=True, kw_only=True):
    """Every settlement that the venue lists from ``since_ns`` to ``until_ns`` has been told."""

    since_ns: int
    until_ns: int


class LiquidationPrinted(MarketEvent, frozen=True, kw_only=True):
    """Somebody's forced order."""

    side: Side
    size: Decimal
    price: Decimal
    venue_ns: int


class OpenInterestRead(MarketEvent, frozen=True, kw_only=True):
    amount: Decimal  # contracts x contract size: base units, of inverse contracts quote units
    venue_ns: int


class BarClosed(MarketEvent, frozen=True, kw_only=True):
    """A bar the venue itself closed."""

    timeframe: str
    bar: Bar


class BarsLoaded(MarketEvent, frozen=True, kw_only=True):
    """History for warm-up, or what a disconnection missed; ascending, without holes."""

    timeframe: str
    bars: tuple[Bar, ...]


class TradesLoaded(MarketEvent, frozen=True, kw_only=True):
    """Trades that a disconnection missed, ascending by id."""

    trades: tuple[TradePrinted, ...]


class ChannelAlive(MarketEvent, frozen=True, kw_only=True):
    """Proof that a quiet channel is alive: the venue confirmed that nothing was missed."""

    channel: str  # "book", "trade", "mark"


class SymbolNotReady(MarketEvent, frozen=True, kw_only=True):
    """A stream of the symbol is lost, or its backfill is not complete."""

    reason: str


class SymbolReady(MarketEvent, frozen=True, kw_only=True):
    """All streams of the symbol are subscribed and their backfill has been delivered.

    ``told``: of these timeframes the history that somebody asked for has been told; None: of all.
    """

    told: tuple[str, ...] | None = None


class InstrumentListed(EventBase, frozen=True, kw_only=True):
    """Terms of a contract, at start and whenever the venue changes them."""

    instrument: Instrument
