"""What somebody must be told though nobody looks at a screen. Each sink is told of each alert."""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec import Struct


class Alert(Struct, frozen=True, kw_only=True):
    """One thing that needs a person."""

    code: str  # stable, e.g. "guardian_alone"
    message: str  # says what is the case and what to do
    desk: str


Sink = Callable[[Alert], None]


def to_log(logger: logging.Logger) -> Sink:
    """The sink that is always there: a line of the log."""

    def sink(alert: Alert) -> None:
        logger.critical(alert.message, extra={"event.code": alert.code, "event.kind": "alert"})

    return sink
