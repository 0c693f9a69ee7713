"""Kernels of the book: its memory is one array, laid out as ``ladder_layout`` says."""

from __future__ import annotations

from contractdesk.domain.compiled import BYTES, INT, PAIR, ROW, Ints, ints_of, kernel, part
from contractdesk.domain.ladder_layout import (
    ASKS,
    BASE,
    BEST,
    BIDS,
    CRAMPED,
    DONE,
    DRIFT,
    FAR,
    FARS,
    FOLLOW,
    INSIDE,
    ROOM,
    SIGNS,
    WINDOW,
    WINDOWS,
)


@part
def _far_place(ladder: Ints, start: int, count: int, key: int) -> int:
    """Where ``key`` stands, or would stand, among the ascending keys from ``start`` on."""
    low, high = start, start + count
    while low < high:
        middle = (low + high) >> 1
        if ladder[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@part
def _write_far(ladder: Ints, side: int, key: int, lots: int) -> None:
    """Set one far level: in place, inserted, or removed."""
    room, count = ladder[ROOM], ladder[FAR + side]
    start = FARS + 2 * side * room
    end = start + count
    place = _far_place(ladder, start, count, key)
    known = place < end and ladder[place] == key
    if known and lots != 0:
        ladder[place + room] = lots
    elif known:
        for i in range(place, end - 1):
            ladder[i], ladder[i + room] = ladder[i + 1], ladder[i + 1 + room]
        ladder[FAR + side] = count - 1
    elif lots != 0:
        for i in range(end, place, -1):
            ladder[i], ladder[i + room] = ladder[i - 1], ladder[i - 1 + room]
        ladder[place], ladder[place + room] = key, lots
        ladder[FAR + side] = count + 1


@part
def _write(ladder: Ints, side: int, levels: Ints, places: int) -> bool:
    """Set one side's levels, two places each; True when its window has to follow."""
    sign, first = SIGNS[side], WINDOWS + side * WINDOW
    base, best, inside, ahead = ladder[BASE + side], ladder[BEST + side], ladder[INSIDE + side], False
    for i in range(0, places - 1, 2):
        key, lots = sign * levels[i], levels[i + 1]
        place = key - base
        if 0 <= place < WINDOW:
            inside += (lots != 0) - (ladder[first + place] != 0)
            ladder[first + place] = lots
            if lots != 0 and place < best:
                best = place
        else:
            _write_far(ladder, side, key, lots)
            ahead |= place < 0 and lots != 0
    if inside == 0:
        best = WINDOW
    while best < WINDOW and ladder[first + best] == 0:
        best += 1
    ladder[BEST + side], ladder[INSIDE + side] = best, inside
    return ahead or (best > DRIFT and (best < WINDOW or ladder[FAR + side] > 0))


@kernel(INT(ROW, BYTES, BYTES))
def write(memory: Ints, bids: bytes, asks: bytes) -> int:
    """Set the levels of a delta, in order; DONE, FOLLOW or CRAMPED."""
    ladder = ints_of(memory)
    room = ladder[ROOM]
    if ladder[FAR + BIDS] + len(bids) // 16 > room or ladder[FAR + ASKS] + len(asks) // 16 > room:
        return CRAMPED
    bids_follow = _write(ladder, BIDS, ints_of(bids), len(bids) // 8)
    asks_follow = _write(ladder, ASKS, ints_of(asks), len(asks) // 8)
    return FOLLOW if bids_follow or asks_follow else DONE


@part
def _collect(ladder: Ints, side: int, depth: int, out: Ints, row: int) -> int:
    """Put the best ``depth`` levels of a side in ``out`` from ``row`` on; returns how many there are."""
    sign, first, base, found = SIGNS[side], WINDOWS + side * WINDOW, ladder[BASE + side], 0
    wanted = min(depth, ladder[INSIDE + side])
    for place in range(ladder[BEST + side], WINDOW):
        if found == wanted:
            break
        lots = ladder[first + place]
        if lots != 0:
            out[2 * (row + found)], out[2 * (row + found) + 1] = sign * (base + place), lots
            found += 1
    start, room = FARS + 2 * side * ladder[ROOM], ladder[ROOM]
    for i in range(start, start + min(depth - found, ladder[FAR + side])):
        out[2 * (row + found)], out[2 * (row + found) + 1] = sign * ladder[i], ladder[i + room]
        found += 1
    return found


@kernel(PAIR(ROW, INT, ROW))
def collect(memory: Ints, depth: int, levels: Ints) -> tuple[int, int]:
    """The best levels of both sides as (ticks, lots), best first: bids from row 0, asks from row ``depth``.

    Returns how many of each there are; ``levels`` has at least ``4 * depth`` places.
    """
    ladder, out = ints_of(memory), ints_of(levels)
    return _collect(ladder, BIDS, depth, out, 0), _collect(ladder, ASKS, depth, out, depth)


@kernel(INT(ROW, INT, INT))
def lots_at(memory: Ints, side: int, tick: int) -> int:
    """Lots resting at a tick."""
    ladder = ints_of(memory)
    key = SIGNS[side] * tick
    place = key - ladder[BASE + side]
    if 0 <= place < WINDOW:
        return int(ladder[WINDOWS + side * WINDOW + place])
    start, count = FARS + 2 * side * ladder[ROOM], ladder[FAR + side]
    place = _far_place(ladder, start, count, key)
    known = place < start + count and ladder[place] == key
    return int(ladder[place + ladder[ROOM]]) if known else 0


@kernel(PAIR(ROW, INT, INT))
def walk(memory: Ints, side: int, lots: int) -> tuple[int, int]:
    """Take ``lots`` (> 0) from the best level on; returns the last tick taken from and what is missing."""
    ladder = ints_of(memory)
    sign, first, base, room = SIGNS[side], WINDOWS + side * WINDOW, ladder[BASE + side], ladder[ROOM]
    tick, inside = 0, ladder[INSIDE + side]
    for place in range(ladder[BEST + side], WINDOW):
        if inside == 0:
            break
        if ladder[first + place] != 0:
            tick, lots, inside = sign * (base + place), lots - ladder[first + place], inside - 1
            if lots <= 0:
                return tick, 0
    start = FARS + 2 * side * room
    for i in range(start, start + ladder[FAR + side]):
        tick, lots = sign * ladder[i], lots - ladder[i + room]
        if lots <= 0:
            return tick, 0
    return tick, lots
