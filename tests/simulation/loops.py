"""Hosts on one virtual clock: each has an event loop of its own, and no loop ever waits.

A host that is killed is never stepped again: what it remembered is gone, as after SIGKILL. One that is
stalled is not stepped for a while, as when a C call holds the interpreter. Timers fire late by a seeded
amount, as real ones do; nothing else is permuted, for asyncio promises the order of the rest.
"""

from __future__ import annotations

import asyncio
import math
from asyncio import events
from collections.abc import Callable
from random import Random
from typing import Any

from contractdesk.clock import NS_PER_S

LATEST_S = 0.0005  # by which a timer is late at most, unless its loop is
FOREVER = 1 << 62
LATER = 1 << 63  # than anything
ROUNDS = 100  # of a loop that is wound up


class Timeline:
    """The one clock: nanoseconds since the beginning."""

    def __init__(self) -> None:
        self.now_ns = 0

    @property
    def now_s(self) -> float:
        return self.now_ns / NS_PER_S


class HostClock:
    """A host's clocks over the timeline; its wall clock may be set."""

    def __init__(self, timeline: Timeline, epoch_ns: int) -> None:
        self._timeline = timeline
        self._epoch_ns = epoch_ns

    def now_ns(self) -> int:
        return self._epoch_ns + self._timeline.now_ns

    def monotonic_ns(self) -> int:
        return self._timeline.now_ns

    def step(self, ns: int) -> None:
        """Set the wall clock by ``ns``, either sign."""
        self._epoch_ns += ns


class _NoSockets:
    """A selector of nothing: the time of a loop is the scheduler's affair."""

    def select(self, _timeout: float | None) -> list[Any]:
        return []


class HostLoop(asyncio.BaseEventLoop):
    """One host's loop; the ``Scheduler`` steps it."""

    def __init__(self, name: str, timeline: Timeline, random: Random) -> None:
        super().__init__()
        self.name = name
        self._timeline = timeline
        self._late = random.random
        self._selector = _NoSockets()
        self._clock_resolution = 1e-9
        self.stalled_until_ns = 0
        self.faults: list[dict[str, Any]] = []  # what nobody caught
        self.set_exception_handler(lambda _, context: self.faults.append(context))

    def time(self) -> float:
        return self._timeline.now_ns / NS_PER_S

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        return super().call_at(when + self._late() * LATEST_S, callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """There are no threads here: the work is done at once, its result heard of in a later step."""
        future = self.create_future()
        self.call_soon(_settle, future, func, args)
        return future

    @property
    def due_ns(self) -> int:
        """When it has something to do; FOREVER: not before somebody calls."""
        if self._ready:  # type: ignore[attr-defined]
            return self._timeline.now_ns
        scheduled = self._scheduled  # type: ignore[attr-defined]
        return math.ceil(scheduled[0]._when * NS_PER_S) if scheduled else FOREVER

    def step(self) -> None:
        """One round: the timers that are due, and what was ready."""
        events._set_running_loop(self)
        try:
            self._run_once()  # type: ignore[attr-defined]
        finally:
            events._set_running_loop(None)

    def wind_up(self) -> None:
        """End what it still runs, when nothing that this does can matter any more."""
        for _ in range(ROUNDS):
            left = asyncio.all_tasks(self)
            if not left:
                break
            for task in left:
                task.cancel()
            self._timeline.now_ns = max(
                self._timeline.now_ns, min(self.due_ns, self._timeline.now_ns + NS_PER_S)
            )
            self.step()
        self._ready.clear()  # type: ignore[attr-defined]
        self._scheduled.clear()  # type: ignore[attr-defined]
        self.close()

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


def _settle(future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if future.cancelled():
        return
    try:
        future.set_result(func(*args))
    except Exception as error:
        future.set_exception(error)


class Scheduler:
    """Steps the loops in the order of their time; time jumps to whatever is next."""

    def __init__(self, timeline: Timeline, random: Random) -> None:
        self._timeline = timeline
        self._random = random
        self._loops: list[HostLoop] = []
        self.steps = 0

    def add(self, loop: HostLoop) -> None:
        self._loops.append(loop)

    def remove(self, loop: HostLoop) -> None:
        """Never step it again."""
        self._loops.remove(loop)

    def run_until(self, done: Callable[[], bool], until_ns: int) -> bool:
        """Step until ``done``, tried after each step, or until that time; which of the two it was."""
        while not done():
            due_ns, loop = self._next()
            if due_ns > until_ns:
                self._timeline.now_ns = max(until_ns, self._timeline.now_ns)
                return False
            self._timeline.now_ns = max(due_ns, self._timeline.now_ns)
            loop.step()
            self.steps += 1
        return True

    def _next(self) -> tuple[int, HostLoop]:
        """The loop that is due first; of several that are, any one."""
        now_ns, first_ns = self._timeline.now_ns, LATER
        first: list[HostLoop] = []
        for loop in self._loops:
            due_ns = loop.due_ns
            if due_ns < loop.stalled_until_ns:
                due_ns = loop.stalled_until_ns
            if due_ns < now_ns:
                due_ns = now_ns
            if due_ns < first_ns:
                first_ns, first = due_ns, [loop]
            elif due_ns == first_ns:
                first.append(loop)
        return first_ns, first[0] if len(first) == 1 else self._random.choice(first)
