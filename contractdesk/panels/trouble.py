"""Why a picture is not the present, though the kernel lives: the desk is closed, or makes no new ones."""

from __future__ import annotations

from contractdesk.clock import NS_PER_MS, Clock
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import formats
from contractdesk.panels.base import SILENT_NS, DeskFace

CLOSED = "this desk is closed: what stands here is its last picture"


class Trouble:
    """What one panel knows of its desk's life: which picture is the newest, and since when."""

    def __init__(self, desk: DeskFace, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._last: tuple[DeskSnapshot | None, int] = (None, 0)  # the newest, and when it was first seen

    def of(self, snapshot: DeskSnapshot) -> str:
        """In words; "" where pictures come."""
        if not self._desk.is_open:
            return CLOSED
        now_ns = self._clock.monotonic_ns()
        if snapshot is not self._last[0]:
            self._last = (snapshot, now_ns)
        silent_ns = now_ns - self._last[1]
        if silent_ns < SILENT_NS:
            return ""
        return f"the desk has been silent for {formats.duration(silent_ns / NS_PER_MS)}"
