"""The line above a chart: its title, its latest value, and which kind of money it shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.live import LiveWidget, script, style


class Header(LiveWidget):
    """Acknowledges for the bqplot figure under it, which cannot do so itself."""

    _esm = script("header.js")
    _css = style("header.css")

    title = traitlets.Unicode("").tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)

    period_ns = 500 * NS_PER_MS

    def __init__(self, desk: DeskFace, title: str, *, pulse: Pulse | None = None) -> None:
        super().__init__(desk, pulse=pulse, title=title, label=desk.label)

    def say(self, note: str, snapshot: DeskSnapshot) -> int:
        """Show ``note``; sent even when it is the same, as a sign of life. Returns the messages sent: 1."""
        return self.send_picture(snapshot, {"note": note})

    def values(self, _snapshot: DeskSnapshot) -> Mapping[str, Any]:
        return {"label": self.desk.label}
