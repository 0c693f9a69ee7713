"""Two clocks beside each other: where the recording host's stood against the venue's.

Latency only ever adds, so the least difference within a block of messages tells the clocks apart from
a slow moment: a difference of these minima is a clock that was set.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from contractdesk.storage.grid import Ints

BLOCK = 256  # messages
JUMP_NS = 250_000_000
APART_NS = 250_000_000  # an offset beyond is worth a note


class Offset(Struct, frozen=True, kw_only=True):
    """Local minus venue time in ms; negative: the local clock is behind by more than the latency.

    ``median_ms`` is of the least differences, block by block.
    """

    median_ms: float
    least_ms: float
    most_ms: float


class Jump(Struct, frozen=True):
    """The row from which the clocks stood otherwise."""

    row: int
    ns: int
    by_ns: int


class ClockWatch:
    """Fed with every message's two times, in the order of the source."""

    def __init__(self) -> None:
        self._held: list[Ints] = []  # rows, times and differences that fill no block yet
        self._minima: list[int] = []
        self._least, self._most = 2**63 - 1, -(2**63)
        self._before: Ints | None = None
        self.jumps: list[Jump] = []

    def add(self, rows: Ints, venue_ns: Ints, local_ns: Ints) -> None:
        known = (venue_ns > 0) & (local_ns > 0)
        if not bool(known.any()):
            return
        told = np.stack([rows[known], venue_ns[known], (local_ns - venue_ns)[known]])
        self._least = min(self._least, int(told[2].min()))
        self._most = max(self._most, int(told[2].max()))
        self._held.append(told)
        if sum(part.shape[1] for part in self._held) >= BLOCK:
            self._judge(np.concatenate(self._held, axis=1))

    def finish(self) -> Offset | None:
        """Judge what is left; None where no message had both times."""
        if self._held:
            self._judge(np.concatenate(self._held, axis=1), last=True)
        if not self._minima:
            return None
        return Offset(
            median_ms=float(np.median(self._minima)) / 1e6,
            least_ms=self._least / 1e6,
            most_ms=self._most / 1e6,
        )

    def _judge(self, told: Ints, *, last: bool = False) -> None:
        count = told.shape[1]
        whole = count // BLOCK * BLOCK
        for begin in range(0, whole, BLOCK):
            self._block(told[:, begin : begin + BLOCK])
        if last and whole < count:
            self._remains(told[:, whole:])
        self._held = [] if last or whole == count else [told[:, whole:]]

    def _remains(self, rest: Ints) -> None:
        """A block's worth of messages up to the end: a few late ones alone are no clock."""
        before = self._before if self._before is not None else rest[:, :0]
        self._block(np.concatenate([before[:, rest.shape[1] :], rest], axis=1))

    def _block(self, block: Ints) -> None:
        least = int(block[2].min())
        if self._before is not None and abs(least - self._minima[-1]) > JUMP_NS:
            self._find(np.concatenate([self._before, block], axis=1))
        self._minima.append(least)
        self._before = block

    def _find(self, both: Ints) -> None:
        """The greatest step between two messages of the blocks; one jump is told once."""
        steps = np.diff(both[2])
        at = int(np.argmax(np.abs(steps)))
        jump = Jump(int(both[0, at + 1]), int(both[1, at + 1]), int(steps[at]))
        if not self.jumps or self.jumps[-1].row != jump.row:
            self.jumps.append(jump)
