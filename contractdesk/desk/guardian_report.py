"""What a guardian has done while nobody else could: its log, and what the next desk reads and tells."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

import msgspec
from msgspec import Struct

from contractdesk.clock import Clock
from contractdesk.desk.guardian_words import Terms
from contractdesk.ops.alerts import Alert, Sink, to_log
from contractdesk.ops.logging import formatter
from contractdesk.venues.credentials import redact

MAX_BYTES = 5_000_000
BACKUPS = 2
MOST_DEEDS = 200


class Report(Struct, kw_only=True):
    """Why it took over, when, and what it did, in words."""

    since_ns: int
    reason: str
    deeds: list[str] = []

    @property
    def text(self) -> str:
        """In one sentence."""
        return f"{self.reason}: {'; '.join(self.deeds) or 'nothing had to be done'}"


class Chronicle:
    """Writes the log in ECS, and the report after each deed."""

    def __init__(self, terms: Terms, clock: Clock, sinks: tuple[Sink, ...] = ()) -> None:
        self._desk = terms.desk
        self._path = Path(terms.report)
        self._clock = clock
        self._report: Report | None = None
        # Opened with the first line: one that cannot be written keeps nobody from acting.
        handler = RotatingFileHandler(
            terms.log, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", delay=True
        )
        handler.setFormatter(formatter(redact))
        root = logging.getLogger("contractdesk")  # what the venue's code has to say belongs to it, too
        root.setLevel(logging.INFO)
        root.propagate = False
        root.addHandler(handler)
        self.logger = logging.getLogger(f"contractdesk.guardian.{terms.desk}")
        self._sinks = (to_log(self.logger), *sinks)

    def begin(self, reason: str) -> None:
        """It takes over now."""
        self._report = Report(since_ns=self._clock.now_ns(), reason=reason)
        self.logger.error("takes over: %s", reason, extra={"event.code": "guardian_took_over"})
        self._save()

    def did(self, code: str, what: str, symbol: str = "") -> None:
        """One thing that was done, or that it tried and could not."""
        self.logger.warning(what, extra={"event.code": f"guardian_{code}", "symbol": symbol})
        if self._report is not None and len(self._report.deeds) < MOST_DEEDS:
            self._report.deeds.append(what)
            self._save()

    def alert(self, code: str, message: str) -> None:
        """A person is needed."""
        for sink in self._sinks:
            sink(Alert(code=code, message=message, desk=self._desk))

    def _save(self) -> None:
        """A disk that does not take it must not keep anybody from protecting."""
        try:
            fresh = self._path.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(self._report))
            fresh.replace(self._path)
        except OSError as error:
            self.logger.warning("the report cannot be written: %s", error)


def take_report(path: Path) -> Report | None:
    """What was reported since somebody last asked; it is told once."""
    try:
        data = path.read_bytes()
        path.unlink()
        return msgspec.json.decode(data, type=Report)
    except (OSError, msgspec.MsgspecError):
        return None
