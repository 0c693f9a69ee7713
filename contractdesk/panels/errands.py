"""Work that a click asks for and that may wait: done one by one, off the widgets' thread and the pump's."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_LOG = logging.getLogger("contractdesk.panels")


class Errands:
    """Each name waits at most once: who asks again before its turn replaces what was asked."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._waiting: dict[str, Callable[[], None]] = {}
        self._running = False

    def put(self, name: str, work: Callable[[], None]) -> None:
        """Queue ``work``; returns at once. A thread lives only while there is something to do."""
        with self._lock:
            self._waiting[name] = work
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name=f"contractdesk-{self._name}", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                name = next(iter(self._waiting), None)
                if name is None:
                    self._running = False
                    return
                work = self._waiting.pop(name)
            try:
                work()
            except Exception:  # a supervisor: one failed errand must not end those after it
                _LOG.warning("%s: %s failed", self._name, name, exc_info=True)
