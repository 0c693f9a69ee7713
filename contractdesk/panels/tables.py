"""Tables and gauges as pages of HTML: one widget, its tabs switched by the browser alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final

import traitlets
from ipywidgets import widget_serialization

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import grids
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.grid import Grid, html_grid
from contractdesk.panels.live import LiveWidget, script, style
from contractdesk.panels.risk import html_gauges


class Page(Enum):
    """What can be shown as a page; the value names the trait that carries it."""

    POSITIONS = "positions"
    ORDERS = "orders"
    FILLS = "fills"
    REFUSALS = "refusals"
    STRATEGIES = "strategies"
    LOG = "log"
    RISK = "risk"


_GRIDS: Final[Mapping[Page, Callable[[DeskSnapshot], Grid]]] = {
    Page.POSITIONS: grids.positions,
    Page.ORDERS: grids.orders,
    Page.FILLS: grids.fills,
    Page.REFUSALS: grids.refusals,
    Page.STRATEGIES: grids.strategies,
    Page.LOG: grids.notices,
}

TABLES: Final = tuple(_GRIDS)


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
    log = traitlets.Dict().tag(sync=True)
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
        self._pages = tuple(pages)
        behind = [
            {"name": title.lower(), "title": title, "widget": widget}
            for title, widget in (guests or {}).items()
        ]
        super().__init__(desk, pulse=pulse, shown=[page.value for page in self._pages], guests=behind)

    def values(self, snapshot: DeskSnapshot) -> Mapping[str, Any]:
        return {"label": self.desk.label} | {page.value: _content(page, snapshot) for page in self._pages}


def _content(page: Page, snapshot: DeskSnapshot) -> dict[str, Any]:
    """Title, count for the tab, and HTML."""
    if page is Page.RISK:
        blocking = sum(not finding.passed for finding in snapshot.risk)
        title = f"Risk: {blocking} blocking" if blocking else "Risk"
        return {"title": title, "count": 0, "html": html_gauges(snapshot)}
    grid = _GRIDS[page](snapshot)
    return {"title": grid.title, "count": _count(page, grid, snapshot), "html": html_grid(grid)}


def _count(page: Page, grid: Grid, snapshot: DeskSnapshot) -> int:
    """What a trader counts: open orders and positions, everything elsewhere."""
    match page:
        case Page.ORDERS:
            return sum(order.status.open for order in snapshot.orders)
        case Page.POSITIONS:
            return sum(bool(row.size) for row in snapshot.positions)
        case _:
            return grid.total
