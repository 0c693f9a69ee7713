"""Tables and gauges as pages of HTML: one widget, its tabs switched by the browser alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import traitlets
from ipywidgets import widget_serialization

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import formats
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.live import LiveWidget, script, style
from contractdesk.panels.pages import TABLES, Page, Sheets

__all__ = ["TABLES", "Page", "Tables"]


class Tables(LiveWidget):
    """One or several pages; a page travels only when it has changed."""

    _esm = script("tables.js")
    _css = style("tables.css")

    label = traitlets.Unicode("").tag(sync=True)
    shown: Any = traitlets.List().tag(sync=True)
    guests: Any = traitlets.List().tag(sync=True, **widget_serialization)  # of {name, title, widget}
    positions = traitlets.Dict().tag(sync=True)
    orders = traitlets.Dict().tag(sync=True)
    fills = traitlets.Dict().tag(sync=True)
    refusals = traitlets.Dict().tag(sync=True)
    strategies = traitlets.Dict().tag(sync=True)
    funding = traitlets.Dict().tag(sync=True)
    log = traitlets.Dict().tag(sync=True)
    latency = traitlets.Dict().tag(sync=True)
    risk = traitlets.Dict().tag(sync=True)

    period_ns = 500 * NS_PER_MS

    def __init__(
        self,
        desk: DeskFace,
        pages: Sequence[Page] = TABLES,
        *,
        guests: Mapping[str, Any] | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        """``guests``: widgets by the title of their tab; they are drawn when it is first chosen."""
        self._sheets = Sheets(pages)
        behind = [
            {"name": title.lower(), "title": title, "widget": widget}
            for title, widget in (guests or {}).items()
        ]
        super().__init__(desk, pulse=pulse, shown=[page.value for page in pages], guests=behind)

    def values(self, snapshot: DeskSnapshot) -> Mapping[str, Any]:
        zone = formats.zone_of(self.desk.display_tz)
        sheets = self._sheets.of(snapshot, zone)
        return {"label": self.desk.label} | {
            page.value: msgspec.structs.asdict(sheet) for page, sheet in sheets.items()
        }
