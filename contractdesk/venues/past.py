"""What a venue's REST tells of the past, page by page, whichever venue it is.

A page says which stretch of time it is complete for. Stretches ascend without a hole between them; what
none of them covers (too fresh to be certain, or older than what the venue keeps) has not been told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import Bar
from contractdesk.domain.orders import Side

R = TypeVar("R", covariant=True)
OnSilence = Callable[[int], None]  # told of each silence that the venue demands: its end, UTC ns


class Span(Struct, frozen=True):
    """A stretch of the venue's time in ns: from ``start_ns`` (included) to ``end_ns`` (not)."""

    start_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        return max(0, self.end_ns - self.start_ns)


class Page(Struct, Generic[R], frozen=True):
    """``rows``, ascending; with those before, all that the venue has of ``covered``."""

    rows: tuple[R, ...]
    covered: Span


class PastTrade(Struct, frozen=True, kw_only=True):
    """A public print, or several of one order at one price told as one."""

    trade_id: int
    price: Decimal
    size: Decimal  # contracts
    taker: Side
    venue_ns: int
    first_id: int = 0  # of the prints that it is made of; 0: unknown
    last_id: int = 0


class PastValue(Struct, frozen=True):
    """A settled funding rate, or an open interest in contracts x contract size."""

    venue_ns: int
    value: Decimal


class Past(Protocol):
    """One venue's history. Everything raises VenueError; reads wait as the venue's limits demand."""

    name: str
    timeframes: frozenset[str]  # of the bars that it has

    async def open(self, on_silence: OnSilence) -> None:
        """Read the listing and the venue's clock."""
        ...

    async def close(self) -> None: ...

    def now_ns(self) -> int:
        """The venue's time."""
        ...

    def find(self, symbol: str) -> Instrument:
        """By ccxt's or the venue's own name; ``UnknownSymbol`` with near matches."""
        ...

    def agg_trades(self, instrument: Instrument, span: Span) -> AsyncIterator[Page[PastTrade]]: ...

    def bars(self, instrument: Instrument, timeframe: str, span: Span) -> AsyncIterator[Page[Bar]]:
        """Closed ones only, by their opening times."""
        ...

    def funding_rates(self, instrument: Instrument, span: Span) -> AsyncIterator[Page[PastValue]]: ...

    def open_interest(self, instrument: Instrument, span: Span) -> AsyncIterator[Page[PastValue]]:
        """Rows of five minutes."""
        ...
