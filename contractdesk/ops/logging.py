"""The desk's log: JSON lines in ECS, rotated on disk, written by a thread of its own.

The loop only puts a record in a bounded queue; nothing is ever printed. What is written has passed
a redaction of the finished line, so no path around it exists.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path

import ecs_logging

QUEUE_SIZE = 10_000
MAX_BYTES = 20_000_000
BACKUPS = 5
ROOT = "contractdesk"
Redact = Callable[[str], str]


class _BoundedHandler(QueueHandler):
    """Puts the record as it is (same process); counts what a full queue had to drop."""

    dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class _Redacted(logging.Formatter):
    """One ECS line, redacted after it is complete."""

    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._ecs = ecs_logging.StdlibFormatter(exclude_fields=["log.original", "process", "taskName"])
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(self._ecs.format(record))


def formatter(redact: Redact) -> logging.Formatter:
    """For whoever writes such lines to a file of its own."""
    return _Redacted(redact)


class DeskLog:
    """One desk's log file. What venues and storage log (children of ``contractdesk``) goes to it too."""

    def __init__(self, path: Path, desk: str, redact: Redact) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.logger = logging.getLogger(f"{ROOT}.desk.{desk}")
        self._root = logging.getLogger(ROOT)
        self._queue: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_SIZE)
        self._handler = _BoundedHandler(self._queue)
        self._file = RotatingFileHandler(
            path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", delay=True
        )
        self._file.setFormatter(_Redacted(redact))
        self._handler.addFilter(_Mine(desk))
        self._listener = QueueListener(self._queue, self._file)

    def open(self) -> None:
        """Start writing. The tree of our loggers no longer reaches the notebook's own handlers."""
        self._root.setLevel(logging.INFO)
        self._root.propagate = False
        self._root.addHandler(self._handler)
        self._listener.start()

    def close(self) -> None:
        """Write what is queued, and end the thread."""
        self._root.removeHandler(self._handler)
        self._listener.stop()
        self._file.close()

    @property
    def dropped(self) -> int:
        """Records that a full queue lost."""
        return self._handler.dropped


class _Mine(logging.Filter):
    """Keeps the other desks of this process out of this desk's file."""

    def __init__(self, desk: str) -> None:
        super().__init__()
        self._own = f"{ROOT}.desk.{desk}"

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.name.startswith(f"{ROOT}.desk.") or record.name == self._own
