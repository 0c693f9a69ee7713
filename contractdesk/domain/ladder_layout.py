"""How a side of the book lies in memory; known to the book and to its kernels.

A side counts in *keys*: the tick for asks, minus the tick for bids, so that on both sides the best
level has the lowest key. Place ``i`` of a side's row holds the lots at key ``base + i``, for
``WINDOW`` keys; behind them the row keeps its own numbers.
"""

from __future__ import annotations

BIDS, ASKS = 0, 1
SIGNS = (-1, 1)  # key = sign x tick, and tick = sign x key

WINDOW = 1 << 16
LEAD = WINDOW // 4  # where the best level stands in a fresh window: the room for better ones
DRIFT = WINDOW * 3 // 4  # when the best level is worse than this place, the window follows

BASE = WINDOW  # the key of place 0
BEST = WINDOW + 1  # the place of the best level; WINDOW where there is none
SPILLED = WINDOW + 2  # how many levels of the last delta lay outside
ROW_LENGTH = WINDOW + 8
