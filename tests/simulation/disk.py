"""The desk's disk: what is on it outlives the process, and it may be slow, hang or fail.

The files are real (SQLite and the tape's segments); only the thread that writes them is replaced by a
timer, so that a record is durable when its write has ended, and lost when the process ends before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from random import Random
from typing import Any

from contractdesk.errors import StorageError
from contractdesk.storage.writer import RETRY_S
from tests.simulation.loops import HostLoop, Timeline

FAST_S, SLOW_S = 0.0005, 0.005  # an fsync: the most often, and the mean of one in five
POLL_S = 0.05


class Disk:
    """One per story: its troubles are the faults', its delays the seed's."""

    def __init__(self, timeline: Timeline, random: Random) -> None:
        self._timeline = timeline
        self._random = random
        self.failing_until_ns = 0
        self.hanging_until_ns = 0
        self.written: list[bytes] = []  # payloads of the journal, in the order of their writing

    @property
    def failing(self) -> bool:
        return self._timeline.now_ns < self.failing_until_ns

    @property
    def hanging(self) -> bool:
        return self._timeline.now_ns < self.hanging_until_ns

    def fsync_s(self) -> float:
        slow = self._random.random() < 0.2
        return FAST_S + (self._random.expovariate(1 / SLOW_S) if slow else 0.0)


class TimedWriter:
    """A ``Scribe`` on a loop instead of a thread; one batch is under way at a time, as there."""

    def __init__(
        self,
        disk: Disk,
        loop: HostLoop,
        name: str,
        write: Callable[[Sequence[Any]], None],
        *,
        most: int,
        linger_s: float = 0.0,
        sync: Callable[[], None] | None = None,
    ) -> None:
        del sync  # its time is ``fsync_s``; the machine's own disk is no part of the story
        self._disk = disk
        self._loop = loop
        self._journal = name.endswith("journal")
        self._write = write
        self._most = most
        self._linger_s = linger_s
        self._items: list[Any] = []
        self._barriers: list[Future[None]] = []
        self._trouble = ""
        self._lost = 0
        self._busy = False  # a batch is being written
        self._timer: Any = None
        self._closed = False

    @property
    def broken(self) -> str:
        if self._lost:
            return f"{self._lost} records were lost: {self._trouble or 'the disk was too slow'}"
        return self._trouble

    @property
    def ended(self) -> bool:
        return self._closed

    def put(self, item: Any) -> None:
        if len(self._items) >= self._most or self._closed:
            self._lost += 1
            return
        self._items.append(item)
        if not self._busy:
            self._within(RETRY_S if self._trouble else self._linger_s)

    def barrier(self) -> Future[None]:
        future: Future[None] = Future()
        if self._closed:
            future.set_exception(StorageError("the writer is closed"))
            return future
        self._barriers.append(future)
        if not self._busy:
            self._within(0.0)
        return future

    def close(self, timeout_s: float = 5.0) -> bool:
        """Write what is left, at once."""
        self._closed = True
        if self._items and not self._disk.failing and not self._disk.hanging:
            self._store(list(self._items))
        self._answer(self._barriers)
        return not self.broken

    # -- rounds ----------------------------------------------------------------------------

    def _within(self, delay_s: float) -> None:
        due_s = self._loop.time() + delay_s
        if self._timer is not None:
            if self._timer.when() <= due_s:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due_s, self._begin)

    def _begin(self) -> None:
        self._timer = None
        if self._closed or self._busy or not (self._items or self._barriers):
            return
        self._busy = True
        barriers, self._barriers = self._barriers, []
        self._loop.call_later(self._disk.fsync_s(), self._end, list(self._items), barriers)

    def _end(self, batch: list[Any], barriers: list[Future[None]]) -> None:
        if self._disk.hanging:
            self._loop.call_later(POLL_S, self._end, batch, barriers)
            return
        if not self._closed:
            self._attempt(batch)
        self._busy = False
        self._answer(barriers)
        if self._items or self._barriers:
            pause_s = 0.0 if self._barriers else (RETRY_S if self._trouble else self._linger_s)
            self._within(pause_s)

    def _attempt(self, batch: list[Any]) -> None:
        if self._disk.failing:
            self._trouble = "no space left on device"
            return
        self._store(batch)
        self._trouble = ""
        del self._items[: len(batch)]

    def _store(self, batch: list[Any]) -> None:
        if not batch:
            return
        self._write(batch)
        if self._journal:
            self._disk.written += [row[1][4] for row in batch if len(row[1]) > 4]

    def _answer(self, barriers: list[Future[None]]) -> None:
        for barrier in barriers:
            if not barrier.set_running_or_notify_cancel():
                continue
            if self.broken:
                barrier.set_exception(StorageError(self.broken))
            else:
                barrier.set_result(None)
