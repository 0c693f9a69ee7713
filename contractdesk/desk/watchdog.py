"""Ends strategies' callbacks that do not return: the desk's loop stands still for as long as one runs.

A thread looks at how long the present one has run, and raises CallbackOverrun into the thread that runs it.
Python delivers it between two bytecodes: a loop ends, a single call into C (a sleep, a huge power) only when
it returns. For those there is the guardian.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.errors import CallbackOverrun

LIMIT_S = 2.0
LOOK_S = 0.1
ENDS_WITHIN_S = 5.0
MOST_NS = 2 * round(LOOK_S * NS_PER_S)  # that counts of the time between two looks


class Watchdog:
    """One a desk; ``run`` is used by one thread at a time, and does not nest."""

    def __init__(self, clock: Clock, limit_s: float = LIMIT_S) -> None:
        self._clock = clock
        self._limit_ns = int(limit_s * NS_PER_S)
        self._lock = threading.RLock()
        self._thread_id = 0
        self._since_ns = 0  # monotonic; 0: no callback runs
        self._fired = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="contractdesk-watchdog", daemon=True)
        self.fired = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._ended.set()
        self._thread.join(ENDS_WITHIN_S)

    def run(self, step: Callable[[], object]) -> object:
        """What ``step()`` returns; CallbackOverrun where it has run for too long."""
        self._thread_id = threading.get_ident()
        self._since_ns = self._clock.monotonic_ns()
        try:
            try:
                return step()
            finally:
                self._finish()
        except CallbackOverrun:
            self._finish()  # it may have come in the midst of the other one
            raise CallbackOverrun(f"no end after {self._limit_ns / NS_PER_S:g} s") from None

    def _finish(self) -> None:
        """Nothing is raised any more once this has returned, nor was it left for later."""
        with self._lock:
            self._since_ns = 0
            if self._fired:
                self._fired = False
                _raise_in(self._thread_id, None)

    def _look(self) -> None:
        looked_ns, before_ns, ran_ns = self._clock.monotonic_ns(), 0, 0
        while not self._ended.wait(LOOK_S):
            with self._lock:
                since_ns, now_ns = self._since_ns, self._clock.monotonic_ns()
                # Where this thread stood still as well, the whole process did: that is no callback's doing.
                passed_ns = min(now_ns - max(looked_ns, since_ns), MOST_NS)
                ran_ns = passed_ns + (ran_ns if since_ns == before_ns else 0)
                looked_ns, before_ns = now_ns, since_ns
                if since_ns and ran_ns > self._limit_ns:
                    self._fired = True
                    self.fired += 1
                    _raise_in(self._thread_id, CallbackOverrun)


def _raise_in(thread_id: int, kind: type[BaseException] | None) -> None:
    """Have ``kind`` raised in a thread at its next bytecode; None takes back what was not raised yet."""
    raised = None if kind is None else ctypes.py_object(kind)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), raised)
