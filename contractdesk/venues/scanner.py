"""From a venue's depth frame to packed levels in one compiled pass.

A frame that the scanner does not understand to the last byte is None, never a guess: the caller then
asks the venue's ordinary codec, which decodes it or says what is wrong with it.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from msgspec import Struct

LEVEL_BYTES = 16
SHORTEST_LEVEL = 10  # bytes of ["1","1"], in a frame
LARGEST_FRAME = 1 << 24  # bytes


class DepthDialect(Enum):
    """Whose depth frames are read, with the fields that they must have: no more, no fewer."""

    BINANCE = ("KIND", "SYMBOL", "FIRST_ID", "LAST_ID", "PREV_ID", "EVENT_MS", "MATCH_MS", "BIDS", "ASKS")
    BYBIT = ("KIND", "SYMBOL", "LAST_ID", "EVENT_MS", "MATCH_MS", "BIDS", "ASKS")
    OKX = ("KIND", "SYMBOL", "LAST_ID", "PREV_ID", "EVENT_MS", "BIDS", "ASKS")

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

    def __init__(
        self,
        venue_symbol: str,
        tick_size: Decimal,
        lot_size: Decimal,
        dialect: DepthDialect = DepthDialect.BINANCE,
    ) -> None:
        import numpy as np

        from contractdesk.venues import scanning

        self._scan = scanning.scan
        self._symbol = venue_symbol.encode()
        self._expected = sum(1 << getattr(scanning, name) for name in dialect.value)
        grids = (*_grid(tick_size), *_grid(lot_size))
        self._terms = np.array([*grids, dialect.row_fields], np.int64)
        self._head = np.zeros(scanning.HEAD_SIZE, np.int64)
        self._reserve(1 << 14)

    def scan(self, raw: bytes) -> DepthFrame | None:
        """The frame; None when it is not exactly a depth frame of this instrument, on its grids."""
        if len(raw) > self._longest and not self._reserve(len(raw)):
            return None
        if self._scan(raw, self._terms, self._head, self._out) != self._expected:
            return None
        (kind, symbol, first_id, last_id, prev_id, event_ms, match_ms, bids, asks,
         symbol_end, bids_end, asks_end) = self._head.tolist()  # fmt: skip
        if raw[symbol:symbol_end] != self._symbol:
            return None
        packed = self._packed
        return DepthFrame(
            first_id, last_id, prev_id, event_ms, match_ms,
            packed[bids * LEVEL_BYTES : bids_end * LEVEL_BYTES].tobytes(),
            packed[asks * LEVEL_BYTES : asks_end * LEVEL_BYTES].tobytes(),
            kind == 1,
        )  # fmt: skip

    def _reserve(self, length: int) -> bool:
        """Room for the levels of a frame of ``length`` bytes; False where that is beyond reason."""
        if length > LARGEST_FRAME:
            return False
        import numpy as np

        self._longest = length
        self._out = np.zeros((length // SHORTEST_LEVEL + 1, 2), np.int64)
        self._packed = self._out.data.cast("B")
        return True


def _grid(step: Decimal) -> tuple[int, int]:
    """Decimals of a step, and the step in units of the last one: 0.25 -> (2, 25), 100 -> (0, 100)."""
    decimals = max(0, -int(step.normalize().as_tuple().exponent))
    return decimals, int(step.scaleb(decimals))
