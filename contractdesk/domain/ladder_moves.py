"""The rare steps of a book's ladder: made, filled, made roomier, its windows moved. Plain numpy."""

from __future__ import annotations

from mmap import mmap

import numpy as np

from contractdesk.domain.compiled import Ints
from contractdesk.domain.ladder_layout import (
    BASE,
    BEST,
    FAR,
    FARS,
    INSIDE,
    LEAD,
    ROOM,
    SIGNS,
    WINDOW,
    WINDOWS,
)

LEAST_ROOM = 512


def empty_ladder(room: int = LEAST_ROOM) -> Ints:
    """A ladder without levels, with room for so many far ones a side."""
    ladder = np.zeros(FARS + 4 * room, np.int64)
    ladder[BEST : BEST + 2] = WINDOW
    ladder[ROOM] = room
    return ladder


def places_of(memory: mmap) -> Ints:
    """A view of the memory as integers."""
    return np.frombuffer(memory, np.int64)


def count(ladder: Ints, side: int) -> int:
    """How many levels a side has."""
    return int(ladder[INSIDE + side] + ladder[FAR + side])


def levels_of(ladder: Ints, side: int) -> tuple[Ints, Ints]:
    """Keys (ascending) and lots of all levels of a side."""
    window = ladder[WINDOWS + side * WINDOW :][:WINDOW]
    places = np.flatnonzero(window)
    room, count = int(ladder[ROOM]), int(ladder[FAR + side])
    start = FARS + 2 * side * room
    keys = np.concatenate((places + ladder[BASE + side], ladder[start : start + count]))
    lots = np.concatenate((window[places], ladder[start + room : start + room + count]))
    order = np.argsort(keys, kind="stable")
    return keys[order], lots[order]


def from_packed(packed: bytes, side: int) -> tuple[Ints, Ints]:
    """Keys (ascending) and lots of packed levels; of a repeated one the last counts."""
    ticks, lots = np.frombuffer(packed, np.int64).reshape(-1, 2)[::-1].T
    keys, first = np.unique(SIGNS[side] * ticks, return_index=True)
    kept = lots[first] != 0
    return keys[kept], lots[first][kept]


def build(sides: tuple[tuple[Ints, Ints], tuple[Ints, Ints]], spare: int) -> Ints:
    """A fresh ladder of these levels, each window around its best; room for ``spare`` more far ones."""
    ladder = empty_ladder(LEAST_ROOM + 2 * (spare + max(len(keys) for keys, _ in sides)))
    room = int(ladder[ROOM])
    for side, (keys, lots) in enumerate(sides):
        if not len(keys):
            continue
        base = keys[0] - LEAD
        ladder[BASE + side], ladder[BEST + side] = base, LEAD
        inside = int(np.searchsorted(keys, base + WINDOW))
        ladder[WINDOWS + side * WINDOW + keys[:inside] - base] = lots[:inside]
        ladder[INSIDE + side] = inside
        far, start = len(keys) - inside, FARS + 2 * side * room
        ladder[FAR + side] = far
        ladder[start : start + far] = keys[inside:]
        ladder[start + room : start + room + far] = lots[inside:]
    return ladder
