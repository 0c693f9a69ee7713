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
        self,
        name: str,
        write: Callable[[Sequence[T]], None],
        *,
        most: int,
        linger_s: float = 0.0,
        sync: Callable[[], None] | None = None,
    ) -> None:
        """``sync`` has what was written reach the disk: called before a barrier is answered."""
        self._write = write
        self._sync = sync
        self._most = most
        self._linger_s = linger_s
        self._changed = threading.Condition()
        self._items: list[T] = []
        self._barriers: list[Future[None]] = []
        self._trouble = ""
        self._unsynced = ""
        self._lost = 0
        self._closing = False
        self._fault = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def broken(self) -> str:
        """Why what was handed over may not be on disk; empty when all is well."""
        if self._lost:
            return f"{self._lost} records were lost: {self._trouble or 'the disk was too slow'}"
        return self._fault or self._trouble or self._unsynced

    @property
    def ended(self) -> bool:
        """True when the thread is gone: nothing is written any more."""
        return not self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """How many items are not written yet; at most ``most``."""
        return len(self._items)

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
            if self._closing or self._fault:
                future.set_exception(StorageError(self._fault or "the writer is closed"))
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

    # -- on the writer's thread ------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._round():
                pass
        finally:
            with self._changed:
                barriers, self._barriers = self._barriers, []
            self._answer(barriers)

    def _round(self) -> bool:
        """Wait, write what has gathered, answer; False when it was the last time."""
        with self._changed:
            self._gather()
            batch = self._items.copy()
            barriers, self._barriers = self._barriers, []
            closing = self._closing
        try:
            self._attempt(batch)
            if barriers:
                self._reach_the_disk()
        except BaseException as error:
            self._fault = f"the writer has died of a fault: {error!r}"
            raise
        finally:
            self._answer(barriers)
        return not closing

    def _gather(self) -> None:
        """Wait for something to do, holding the lock."""
        pause_s = RETRY_S if self._trouble else self._linger_s
        if pause_s:
            self._changed.wait_for(lambda: self._closing or self._barriers, pause_s)
        else:
            self._changed.wait_for(lambda: self._closing or self._barriers or self._items)

    def _reach_the_disk(self) -> None:
        try:
            if self._sync is not None:
                self._sync()
        except (StorageError, OSError) as error:
            self._unsynced = str(error)
        else:
            self._unsynced = ""

    def _attempt(self, batch: list[T]) -> None:
        if not batch:
            return
        try:
            self._write(batch)
        except (StorageError, OSError) as error:
            self._trouble = str(error)
            return
        self._trouble = ""
        with self._changed:
            del self._items[: len(batch)]

    def _answer(self, barriers: list[Future[None]]) -> None:
        broken = self.broken
        for barrier in barriers:
            if not barrier.set_running_or_notify_cancel():
                continue
            if broken:
                barrier.set_exception(StorageError(broken))
            else:
                barrier.set_result(None)
