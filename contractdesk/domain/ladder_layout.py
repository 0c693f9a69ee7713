"""How a book lies in memory, in one array of int64; known to the book and to its kernels.

A side counts in *keys*: the tick for asks, minus the tick for bids, so that on both sides the best
level has the lowest key. A side's window holds the lots at keys ``base .. base + WINDOW``, one place
each. What lies outside is *far*: two lists, keys (ascending) and their lots.
"""

from __future__ import annotations

BIDS, ASKS = 0, 1
SIGNS = (-1, 1)  # key = sign x tick, and tick = sign x key

WINDOW = 1 << 16
LEAD = WINDOW // 4  # where the best level stands in a fresh window: the room for better ones
DRIFT = WINDOW * 3 // 4  # when the best level is worse than this place, the window follows

# Places of the book's own numbers, two of each but the last (bids, asks):
BASE = 0  # the key of the window's first place
BEST = 2  # the best level's place in the window; WINDOW where there is none
FAR = 4  # how many levels are far
INSIDE = 6  # how many levels are in the window
ROOM = 8  # how many levels may be far, a side
WINDOWS = 16  # here the two windows begin
FARS = WINDOWS + 2 * WINDOW  # here the far levels: keys of bids, their lots; keys of asks, their lots


# What ``write`` answers:
DONE = 0
FOLLOW = 1  # done, and now a window has to follow its best level
CRAMPED = 2  # nothing done: there must be more room for far levels first
