"""Where the current DeskSnapshot hangs: replaced by reference, waited for by other threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.domain.views import DeskSnapshot


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
