"""A thread that writes: the loop hands it items and never waits; whoever must, awaits a barrier.

What cannot be written is kept and tried again, up to a bound; meanwhile ``broken`` says why, and
every barrier fails. Items beyond the bound are lost, and then ``broken`` stays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from contractdesk.errors import StorageError

T = TypeVar("T")

RETRY_S = 0.5


class Writer(Generic[T]):
    """Calls ``write`` with whatever has gathered, in order, on a daemon thread of its own.

    ``write`` stores all of the items or raises (StorageError, OSError). With ``linger_s`` items
    gather for so long before they are written; without, they are written as soon as the disk is free.
    """

    def __init__(
        self, name: str, write: Callable[[Sequence[T]], None], *, most: int, linger_s: float = 0.0
    ) -> None:
        self._write = write
        self._most = most
        self._linger_s = linger_s
        self._changed = threading.Condition()
        self._items: list[T] = []
        self._barriers: list[Future[None]] = []
        self._trouble = ""
        self._lost = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def broken(self) -> str:
        """Why what was handed over may not be on disk; empty when all is well."""
        if self._lost:
            return f"{self._lost} records were lost: {self._trouble or 'the disk was too slow'}"
        if self.ended and not self._closing:
            return "the writer has died of a fault"
        return self._trouble

    @property
    def ended(self) -> bool:
        """True when the thread is gone: nothing is written any more."""
        return not self._thread.is_alive()

    def put(self, item: T) -> None:
        """Hand over an item; never blocks, never raises."""
        with self._changed:
            if len(self._items) >= self._most or self._closing:
                self._lost += 1
                return
            self._items.append(item)
            if not self._linger_s:
                self._changed.notify()

    def barrier(self) -> Future[None]:
        """Done when everything handed over so far is written; fails with StorageError when it is not."""
        future: Future[None] = Future()
        with self._changed:
            if self._closing:
                future.set_exception(StorageError("the writer is closed"))
                return future
            self._barriers.append(future)
            self._changed.notify()
        return future

    def close(self, timeout_s: float = 5.0) -> bool:
        """Write what is left and end; False when that was not possible in time."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)
        return self.ended and not self.broken

    def _run(self) -> None:
        pending: list[T] = []
        while True:
            with self._changed:
                self._gather(retrying=bool(pending))
                pending += self._items
                self._items = []
                barriers, self._barriers = self._barriers, []
                closing = self._closing
            if self._attempt(pending):
                pending = []
            self._answer(barriers)
            if closing:
                return

    def _gather(self, *, retrying: bool) -> None:
        """Wait for something to do, holding the lock."""
        if self._closing or self._barriers:
            return
        if retrying:
            self._changed.wait(RETRY_S)
        elif self._linger_s:
            self._changed.wait(self._linger_s)
        elif not self._items:
            self._changed.wait()

    def _attempt(self, pending: list[T]) -> bool:
        if not pending:
            return True
        try:
            self._write(pending)
        except (StorageError, OSError) as error:
            self._trouble = str(error)
            return False
        self._trouble = ""
        return True

    def _answer(self, barriers: list[Future[None]]) -> None:
        broken = self.broken
        for barrier in barriers:
            if not barrier.set_running_or_notify_cancel():
                continue
            if broken:
                barrier.set_exception(StorageError(broken))
            else:
                barrier.set_result(None)
