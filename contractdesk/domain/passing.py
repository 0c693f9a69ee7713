"""What a market did between two moments at which somebody had to think, told in one piece.

A replay may leave out every trade, quote and mark that nobody waits for. What remains of them is one
event with the last of each, and with those marks that a later look at the past could still need.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from contractdesk.domain.market_events import EventBase

MARK_BYTES = 16
_each_mark = struct.Struct("<qq").iter_unpack


class SymbolPassed(Struct, frozen=True, kw_only=True):
    """One symbol's share. ``bids`` and ``asks`` are a delta of its book, packed (ticks, lots) levels."""

    symbol: str
    alive_ns: int = 0  # when it was heard of last; 0: not at all
    last: Decimal | None = None  # price of the last trade; None: nothing traded
    bids: bytes = b""
    asks: bytes = b""
    marks: bytes = b""  # packed (ts_ns, ticks), ascending: those that matter, the last of all included
    low_ticks: int = 0  # of all its marks, also of those that are not told
    high_ticks: int = 0


class MarketPassed(EventBase, frozen=True, kw_only=True):
    """Marks on the tick grid, each equal to its index and inside the engine's band, and what else came.

    Law: handled as its parts would have been one by one. ``delay_ns`` is how much later than the
    venue's own time each mark was heard.
    """

    symbols: tuple[SymbolPassed, ...]
    delay_ns: int = 0


def unpack_marks(marks: bytes) -> Iterator[tuple[int, int]]:
    """(ts_ns, ticks) each."""
    return _each_mark(marks)


def last_mark(marks: bytes) -> tuple[int, int]:
    """(ts_ns, ticks) of the last; ValueError where there is none."""
    (found,) = _each_mark(marks[-MARK_BYTES:])
    return found
