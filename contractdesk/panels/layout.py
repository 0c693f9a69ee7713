"""The console: every panel of one desk on one screen."""

from __future__ import annotations

from typing import Any

import ipywidgets

from contractdesk.panels.base import DeskFace
from contractdesk.panels.depth import DepthChart
from contractdesk.panels.equity import EquityChart
from contractdesk.panels.focus import Focus
from contractdesk.panels.ladder import Ladder
from contractdesk.panels.price import PriceChart
from contractdesk.panels.pump import THE_PUMP
from contractdesk.panels.render import bundle_of
from contractdesk.panels.status import Status
from contractdesk.panels.stills import show
from contractdesk.panels.tables import TABLES, Page, Tables

GAP = "6px"


class Console(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Status on top, the ladder left, charts and gauges right of it, tables below them.

    Boxes wrap where the column is narrow. The status bar alone acknowledges for the whole screen.
    """

    def __init__(self, desk: DeskFace) -> None:
        self.desk = desk
        self.focus = focus = Focus()
        self.status = Status(desk)
        pulse = self.status.pulse
        self.ladder = Ladder(desk, focus, pulse=pulse)
        self.price = PriceChart(desk, focus, pulse=pulse)
        self.equity = EquityChart(desk, pulse=pulse)
        self.depth = DepthChart(desk, focus, pulse=pulse)
        self.risk = Tables(desk, (Page.RISK,), pulse=pulse)
        self.tables = Tables(desk, TABLES, pulse=pulse)
        super().__init__([self.status, self._screen()], layout=ipywidgets.Layout(width="100%", grid_gap=GAP))
        self.add_class("cd-console")
        parts = (self.status, self.ladder, self.tables, self.risk, self.price, self.depth, self.equity)
        THE_PUMP.add(*parts)

    @property
    def alive(self) -> bool:
        return self.comm is not None

    def _screen(self) -> ipywidgets.Box:
        self.risk.layout = ipywidgets.Layout(width="100%", height="278px")
        self.tables.layout = ipywidgets.Layout(width="100%", min_height="150px", flex="1 1 150px")
        middle = _column(self.price.widget, self.equity.widget, flex="3 1 440px")
        right = _column(self.risk, self.depth.widget, flex="1 1 250px")
        work = _column(_row(middle, right), self.tables, flex="4 1 560px")
        return _row(_column(self.ladder, flex="1 1 270px"), work)

    def close(self) -> None:
        for part in (self.status, self.ladder, self.price, self.equity, self.depth, self.risk, self.tables):
            part.close()
        super().close()

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return bundle_of(self.desk, super()._repr_mimebundle_(**options))

    def _ipython_display_(self) -> None:
        show(self)


def _row(*children: Any) -> ipywidgets.Box:
    layout = ipywidgets.Layout(
        display="flex", flex_flow="row wrap", align_items="stretch", width="100%", grid_gap=GAP
    )
    return ipywidgets.Box(children, layout=layout)


def _column(*children: Any, flex: str) -> ipywidgets.VBox:
    return ipywidgets.VBox(children, layout=ipywidgets.Layout(flex=flex, min_width="0", grid_gap=GAP))


_CONSOLES: list[Console] = []  # one a desk, as long as it is open


def console(desk: DeskFace, symbol: str | None = None) -> Console:
    """The desk's screen; running the cell again shows the same one, it does not pile up."""
    _CONSOLES[:] = [known for known in _CONSOLES if known.alive]
    screen = next((known for known in _CONSOLES if known.desk is desk), None)
    if screen is None:
        screen = Console(desk)
        _CONSOLES.append(screen)
    if symbol is not None:
        screen.focus.choose(symbol)
    return screen
