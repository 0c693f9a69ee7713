"""Where the current DeskSnapshot hangs: replaced by reference, waited for and observed by other threads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.desk.supervisor import attempt
from contractdesk.domain.views import DeskSnapshot

Observer = Callable[[Any], None]
WHOLE = "snapshot"


class Board:
    """One writer (the desk's loop), any number of readers."""

    def __init__(self, first: DeskSnapshot, clock: Clock) -> None:
        self._current = first
        self._clock = clock
        self._version = 0
        self._changed = threading.Condition()

    @property
    def current(self) -> DeskSnapshot:
        return self._current

    def publish(self, snapshot: DeskSnapshot) -> None:
        """Swap the snapshot and wake the waiting."""
        with self._changed:
            self._current = snapshot
            self._version += 1
            self._changed.notify_all()

    def next(self, version: int, timeout_s: float) -> tuple[int, DeskSnapshot]:
        """The first snapshot newer than ``version``, or the same one after ``timeout_s``."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, timeout_s)
            return self._version, self._current

    def wait_for(self, predicate: Callable[[DeskSnapshot], bool], timeout_s: float) -> DeskSnapshot | None:
        """The first published snapshot that ``predicate`` holds for; None after ``timeout_s``."""
        end_ns = self._clock.monotonic_ns() + int(timeout_s * NS_PER_S)
        version, snapshot = self._version, self._current
        while not predicate(snapshot):
            left_s = (end_ns - self._clock.monotonic_ns()) / NS_PER_S
            if left_s <= 0:
                return None
            version, snapshot = self.next(version, left_s)
        return snapshot


class Observation:
    """A registered observer; ``stop()`` ends it."""

    def __init__(self, what: str, function: Observer, owner: Observers) -> None:
        self.what = what
        self.function = function
        self._owner = owner

    def stop(self) -> None:
        self._owner.remove(self)

    def __repr__(self) -> str:
        return f"<observing {self.what}>"


class Observers:
    """Calls functions with what has changed, at most ten times a second, on one thread of their own."""

    def __init__(self, board: Board, logger: logging.Logger) -> None:
        self._board = board
        self._logger = logger
        self._all: tuple[Observation, ...] = ()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def add(self, function: Observer, what: str = WHOLE) -> Observation:
        """Call ``function`` with ``snapshot.<what>`` whenever it changes ("snapshot": with all of it).

        Raises ValueError for what a snapshot does not have. A function that raises is logged and removed.
        """
        if what != WHOLE and what not in DeskSnapshot.__struct_fields__:
            known = ", ".join((WHOLE, *DeskSnapshot.__struct_fields__))
            raise ValueError(f"{what!r} cannot be observed; there are: {known}")
        observation = Observation(what, function, self)
        self._all = (*self._all, observation)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="contractdesk-observers", daemon=True)
            self._thread.start()
        return observation

    def remove(self, observation: Observation) -> None:
        self._all = tuple(kept for kept in self._all if kept is not observation)

    def stop(self) -> None:
        """End the thread; it is not waited for when it is the caller."""
        self._stopping.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(2.0)

    def _run(self) -> None:
        version, before = 0, self._board.current
        while not self._stopping.is_set():
            version, now = self._board.next(version, 0.5)
            if now is before:
                continue
            for observation in self._all:
                self._tell(observation, before, now)
            before = now

    def _tell(self, observation: Observation, before: DeskSnapshot, now: DeskSnapshot) -> None:
        old, new = (
            (before, now)
            if observation.what == WHOLE
            else (getattr(before, observation.what), getattr(now, observation.what))
        )
        if observation.what != WHOLE and old == new:
            return
        _, error = attempt(observation.function, new)
        if error is not None:
            self._logger.warning("observer of %s removed: %r", observation.what, error, exc_info=error)
            self.remove(observation)
