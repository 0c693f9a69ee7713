"""Calls off the widgets' thread: a verb may wait for the venue, a widget's callback may not."""

from __future__ import annotations

import threading
from collections.abc import Callable

THREAD = "contractdesk-call-"  # how a call's thread is named; what comes next is the call's own name


class Calls:
    """Threads of one panel; of each name one at a time."""

    def __init__(self) -> None:
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def start(self, name: str, work: Callable[[], object]) -> bool:
        """Run ``work``, which must not raise, in a thread of its own; False while one of that name runs."""
        with self._lock:
            if name in self._running:
                return False
            self._running.add(name)
        run = threading.Thread(target=self._run, args=(name, work), name=f"{THREAD}{name}", daemon=True)
        run.start()
        return True

    def _run(self, name: str, work: Callable[[], object]) -> None:
        try:
            work()
        finally:
            with self._lock:
                self._running.discard(name)
