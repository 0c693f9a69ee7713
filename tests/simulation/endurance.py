"""Hours of trading with every fault at random, told in minutes: what the desk keeps must stay bounded.

A day of chapters: in each a swarm of faults of its own, then calm until all is well again, then a look at
what the desk holds. Its journal and its tape have all that happened and grow with it, by so much a fill and
no more; everything else reaches its limits and stays there.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType

from msgspec import Struct
from msgspec.structs import replace

from tests.simulation.plan import BEGINS_S, LASTS_S, Planned, plan
from tests.simulation.story import Story

CHAPTER_S = 90.0  # the last fault has begun by 29 s, is over by 43 s, and is overcome within 30 s
NO_PART = (ModuleType, type, FunctionType, BuiltinFunctionType, CodeType, FrameType, logging.Logger)
# What may not grow, and by how much it differs between two looks whatever happens: requests are under way.
LEVELS = {"objects": 0, "memory": 0, "tasks": 10, "sockets": 1, "waiting": 20, "log": 0}
PER_FILL = ("journal", "tape")
SLACK, COSTLIER = 1.05, 1.25
ELSEWHERE = ("tests.", "contractdesk.exchange")  # the world and the venue are no part of the desk


class Extent(Struct, frozen=True, kw_only=True):
    """What there is of a desk at the end of a chapter."""

    at_s: float
    fills: int
    faults: int
    crashes: int
    objects: int
    memory: int  # bytes of them
    tasks: int
    sockets: int
    waiting: int  # events in its inbox
    journal: int  # bytes
    log: int  # of it, not yet in the file itself
    tape: int


class Endurance(Story):
    """One story of many chapters."""

    def __init__(self, seed: int, hours: float) -> None:
        self._chapters = max(1, round(hours * 3600 / CHAPTER_S))
        super().__init__(seed, tuple(_faults(seed, self._chapters)), self._chapters * CHAPTER_S)
        self.extents: list[Extent] = []

    def _trade(self) -> None:
        for chapter in range(1, self._chapters + 1):
            ends_s = BEGINS_S + chapter * CHAPTER_S
            self._until(lambda: False, ends_s - CHAPTER_S + LASTS_S - self.world.timeline.now_s)
            self._until(lambda: not self._waiting, CHAPTER_S)
            if not self._overcome():
                self.verdict.found("LIVENESS", f"chapter {chapter}: {self.oracle.unwell()}")
            if self.verdict.breach:
                return
            self.extents.append(self._extent())
            self._until(lambda: False, ends_s - self.world.timeline.now_s)

    def _extent(self) -> Extent:
        desk = self.world.desk
        assert desk is not None
        objects, memory = extent_of(desk.host)
        journal = desk.paths.journal
        return Extent(
            at_s=self.world.timeline.now_s,
            fills=self.books.fills,
            faults=self.strikes.injected,
            crashes=self.strikes.struck["crash"],
            objects=objects,
            memory=memory,
            tasks=desk.tasks,
            sockets=len(self.world.network.pipes),
            waiting=len(desk.host._inbox),
            journal=_size(journal),
            log=_size(journal.with_name(journal.name + "-wal")),
            tape=_size(desk.paths.tape),
        )


def table(extents: list[Extent]) -> Iterator[str]:
    """Some twenty of them, and the last."""
    names = Extent.__struct_fields__
    yield "  ".join(f"{name:>9}" for name in names)
    every = max(1, len(extents) // 20)
    for extent in [*extents[::every], extents[-1]]:
        yield "  ".join(f"{getattr(extent, name):>9.0f}" for name in names)


def unbounded(extents: list[Extent]) -> str:
    """What has grown without end, in words; "" when nothing has.

    What is in memory has its level by half time: the last quarter holds no more of it than the one before, at
    its most or at its least. Histories are cut in steps, so it goes up and down: one of the two says nothing.
    What is on the disk has all that happened: in the second half a fill costs no more of it than before.
    """
    half, quarter = len(extents) // 2, 3 * len(extents) // 4
    if half < 2:
        return "too short a story to tell"
    found = []
    for name, noise in LEVELS.items():
        before, last = (
            [getattr(each, name) for each in rows] for rows in (extents[half:quarter], extents[quarter:])
        )
        if all(of(last) > of(before) * SLACK + noise for of in (min, max)):
            found.append(f"{name} grew from {max(before):.0f} to {max(last):.0f} in the last quarter")
    for name in PER_FILL:
        first, second = (_a_fill(rows, name) for rows in (extents[: half + 1], extents[half:]))
        if second > first * COSTLIER:
            found.append(
                f"a fill costs {second:.0f} bytes of {name} in the second half, {first:.0f} in the first"
            )
    return "; ".join(found)


def _most(extents: list[Extent], name: str) -> float:
    return max(float(getattr(each, name)) for each in extents)


def _a_fill(extents: list[Extent], name: str) -> float:
    first, last = extents[0], extents[-1]
    return float(getattr(last, name) - getattr(first, name)) / max(1, last.fills - first.fills)


def _faults(seed: int, chapters: int) -> Iterator[Planned]:
    number = 0
    for chapter in range(chapters):
        for planned in plan(f"{seed}:{chapter}"):
            number += 1
            yield replace(planned, number=number, at_s=planned.at_s + chapter * CHAPTER_S)


def extent_of(root: object) -> tuple[int, int]:
    """How many objects hang on it, and their bytes; nothing of the exchange, of the tests or of code."""
    seen, waiting, memory = {id(root)}, [root], 0
    while waiting:
        found = waiting.pop()
        memory += sys.getsizeof(found)
        for each in gc.get_referents(found):
            if id(each) in seen or isinstance(each, NO_PART):
                continue
            seen.add(id(each))
            if not type(each).__module__.startswith(ELSEWHERE):
                waiting.append(each)
    return len(seen), memory


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(_size(each) for each in path.iterdir())
    return path.stat().st_size if path.exists() else 0
