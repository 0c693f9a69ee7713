"""From a venue's depth frame to packed levels in one compiled pass.

A frame that the scanner does not understand to the last byte is None, never a guess: the caller then
asks the venue's ordinary codec, which decodes it or says what is wrong with it.
"""

from __future__ import annotations

import mmap
import struct
from decimal import Decimal
from enum import Enum

from msgspec import Struct

INT_BYTES = 8
SHORTEST_LEVEL = 10  # bytes of ["1","1"], in a frame
USUAL_FRAME, LARGEST_FRAME = 1 << 14, 1 << 24  # bytes
_results = struct.Struct("<10q").unpack_from


class DepthDialect(Enum):
    """Whose depth frames are read: the fields that they must have, no more and no fewer.

    First those of the inner object (Binance's may come without an outer one), then those around it.
    """

    BINANCE = (
        ("KIND", "SYMBOL", "FIRST_ID", "LAST_ID", "PREV_ID", "EVENT_MS", "MATCH_MS", "BIDS", "ASKS"),
        (),
    )
    BYBIT = (("SYMBOL", "LAST_ID", "BIDS", "ASKS"), ("KIND", "EVENT_MS", "MATCH_MS"))
    OKX = (("SYMBOL", "LAST_ID", "PREV_ID", "EVENT_MS", "BIDS", "ASKS"), ("KIND",))

    @property
    def row_fields(self) -> int:
        """How many strings one level has: price, size, and what OKX adds."""
        return 4 if self is DepthDialect.OKX else 2


class DepthFrame(Struct, frozen=True, gc=False):
    """One depth push. Ids and times that a venue does not send are 0."""

    first_id: int
    last_id: int
    prev_id: int
    event_ms: int  # when the venue sent it
    match_ms: int  # when its matching engine made it
    bids: bytes  # packed (ticks, lots)
    asks: bytes
    snapshot: bool = False


class DepthScanner:
    """Reads the depth frames of one instrument: ``e: depthUpdate``, bare or in a combined stream.

    ``tick_size`` and ``lot_size`` may be any positive decimals (0.25, 0.5, 1000). Loads numba when
    made. Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/
    websocket-market-streams/Diff-Book-Depth-Streams
    """

    __slots__ = ("_expected", "_kernels", "_longest", "_memo", "_memory", "_scan", "_terms")

    def __init__(
        self,
        venue_symbol: str,
        tick_size: Decimal,
        lot_size: Decimal,
        dialect: DepthDialect = DepthDialect.BINANCE,
    ) -> None:
        from contractdesk.venues import scanning

        symbol = venue_symbol.encode()
        if len(symbol) > scanning.LONGEST_SYMBOL:
            raise ValueError(f"the symbol {venue_symbol!r} is longer than {scanning.LONGEST_SYMBOL} bytes")
        self._kernels = scanning
        self._scan = scanning.scan
        inner, outer = (sum(1 << getattr(scanning, name) for name in names) for names in dialect.value)
        self._expected = outer << scanning.OUTER | inner
        self._terms = (*_grid(tick_size), *_grid(lot_size), dialect.row_fields, len(symbol), *symbol)
        self._reserve(USUAL_FRAME)

    def scan(self, raw: bytes) -> DepthFrame | None:
        """The frame; None when it is not exactly a depth frame of this instrument, on its grids."""
        if len(raw) > self._longest:
            if len(raw) > LARGEST_FRAME:
                return None
            self._reserve(len(raw))
        if self._scan(raw, self._memo) != self._expected:
            return None
        memory = self._memory
        kind, first_id, last_id, prev_id, event_ms, match_ms, bids, asks, bids_end, asks_end = _results(
            memory
        )
        return DepthFrame(
            first_id, last_id, prev_id, event_ms, match_ms,
            memory[bids:bids_end],
            memory[asks:asks_end],
            kind == 1,
        )  # fmt: skip

    def _reserve(self, length: int) -> None:
        """Room for the levels of a frame of ``length`` bytes."""
        import numpy as np

        first = self._kernels.LEVELS
        places = first + 2 * (length // SHORTEST_LEVEL + 1)
        self._longest = length
        self._memory = mmap.mmap(-1, places * INT_BYTES)  # its slices are ``bytes``, made in one step
        self._memo = np.frombuffer(self._memory, np.int64)
        terms = self._kernels.PRICE_DECIMALS
        self._memo[terms : terms + len(self._terms)] = self._terms


def _grid(step: Decimal) -> tuple[int, int]:
    """Decimals of a step, and the step in units of the last one: 0.25 -> (2, 25), 100 -> (0, 100)."""
    decimals = max(0, -int(step.normalize().as_tuple().exponent))
    return decimals, int(step.scaleb(decimals))
