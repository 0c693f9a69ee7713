"""Kernels of the book on a ladder of two rows, bids and asks (see ``ladder_layout``)."""

from __future__ import annotations

import numpy as np

from contractdesk.domain.compiled import BOOL, BYTES, GRID, INT, PAIR, Ints, kernel, part
from contractdesk.domain.ladder_layout import (
    ASKS,
    BASE,
    BEST,
    BIDS,
    DRIFT,
    LEAD,
    ROW_LENGTH,
    SIGNS,
    SPILLED,
    WINDOW,
)


def empty_ladder() -> Ints:
    return np.zeros((2, ROW_LENGTH), np.int64)


def empty_levels(count: int) -> Ints:
    """Room for ``count`` pairs."""
    return np.zeros((count, 2), np.int64)


@part
def _write(ladder: Ints, side: int, packed: bytes, spill: Ints, spilled: int) -> tuple[int, bool]:
    """Set one side's levels; returns how many pairs ``spill`` now holds, and if the window must move."""
    levels = np.frombuffer(packed, np.int64)
    row, sign = ladder[side], SIGNS[side]
    base, best, before, ahead = row[BASE], row[BEST], spilled, False
    for i in range(0, len(levels) - 1, 2):
        key, lots = sign * levels[i], levels[i + 1]
        index = key - base
        if 0 <= index < WINDOW:
            row[index] = lots
            if lots != 0 and index < best:
                best = index
        else:
            spill[spilled, 0], spill[spilled, 1] = key, lots
            spilled += 1
            ahead |= index < 0 and lots != 0
    while best < WINDOW and row[best] == 0:
        best += 1
    row[BEST], row[SPILLED] = best, spilled - before
    return spilled, ahead or best > DRIFT


@kernel(BOOL(GRID, BYTES, BYTES, GRID))
def write(ladder: Ints, bids: bytes, asks: bytes, spill: Ints) -> bool:
    """Set the levels of a delta; True when levels were spilled or a window has to move.

    ``spill`` (at least as long as there are levels) receives (key, lots) of what lies outside: first
    ``SPILLED`` pairs of the bids, then those of the asks.
    """
    spilled, bids_move = _write(ladder, BIDS, bids, spill, 0)
    spilled, asks_move = _write(ladder, ASKS, asks, spill, spilled)
    return spilled > 0 or bids_move or asks_move


@part
def _collect(ladder: Ints, side: int, depth: int, out: Ints, start: int) -> int:
    row, sign = ladder[side], SIGNS[side]
    base, found = row[BASE], 0
    for index in range(row[BEST], WINDOW):
        if found == depth:
            break
        if row[index] != 0:
            out[start + found, 0], out[start + found, 1] = sign * (base + index), row[index]
            found += 1
    return found


@kernel(PAIR(GRID, INT, GRID))
def collect(ladder: Ints, depth: int, out: Ints) -> tuple[int, int]:
    """The windows' best levels, best first, as (ticks, lots): bids from row 0, asks from row ``depth``.

    Returns how many of each there are; ``out`` has at least ``2 * depth`` rows.
    """
    return _collect(ladder, BIDS, depth, out, 0), _collect(ladder, ASKS, depth, out, depth)


@kernel(PAIR(GRID, INT, INT))
def walk(ladder: Ints, side: int, lots: int) -> tuple[int, int]:
    """Take ``lots`` (> 0) from the best level on; returns the last key taken from and what is missing."""
    row = ladder[side]
    last = row[BASE]
    for index in range(row[BEST], WINDOW):
        if row[index] != 0:
            lots -= row[index]
            last = row[BASE] + index
            if lots <= 0:
                break
    return last, max(lots, 0)


def count(ladder: Ints, side: int) -> int:
    """How many levels the window of ``side`` holds."""
    return int(np.count_nonzero(ladder[side, :WINDOW]))


def follow(ladder: Ints, side: int, far: dict[int, int]) -> None:
    """Put the window of ``side`` around its best level; ``far`` (key -> lots) keeps what lies outside."""
    row = ladder[side]
    places = np.flatnonzero(row[:WINDOW])
    far.update(zip((places + row[BASE]).tolist(), row[places].tolist(), strict=True))
    row[:] = 0
    row[BEST] = WINDOW
    if not far:
        return
    base = min(far) - LEAD
    row[BASE], row[BEST] = base, LEAD
    inside = [key for key in far if key - base < WINDOW]
    row[np.array(inside) - base] = [far.pop(key) for key in inside]
