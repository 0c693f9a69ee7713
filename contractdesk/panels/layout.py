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
from contractdesk.panels.tuning import Tuning
from contractdesk.panels.tuning_face import TuningFace

GAP = "6px"
CHART_PX = 268
RISK_PX = 520  # at most: more gauges scroll, and the panel says so


class Console(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Status on top, the ladder left, charts in the middle, gauges right, tables below.

    Boxes wrap where the column is narrow. The status bar alone acknowledges for the whole screen.
    """

    def __init__(self, desk: DeskFace) -> None:
        self.desk = desk
        self.focus = focus = Focus()
        self.status = Status(desk, focus)
        pulse = self.status.pulse
        self.ladder = Ladder(desk, focus, pulse=pulse)
        self.price = PriceChart(desk, focus, pulse=pulse)
        self.equity = EquityChart(desk, pulse=pulse)
        self.depth = DepthChart(desk, focus, pulse=pulse)
        self.risk = Tables(desk, (Page.RISK,), pulse=pulse)
        self.tuning = Tuning(desk, desk.tuning, pulse=pulse) if isinstance(desk, TuningFace) else None
        behind = {"Tuning": self.tuning} if self.tuning is not None else {}
        self.tables = Tables(desk, TABLES, guests=behind, pulse=pulse)
        super().__init__([self.status, self._screen()], layout=ipywidgets.Layout(width="100%", grid_gap=GAP))
        self.add_class("cd-console")
        parts = (self.status, self.ladder, self.tables, self.risk, self.price, self.depth, self.equity)
        THE_PUMP.add(*parts, *behind.values())

    @property
    def alive(self) -> bool:
        return self.comm is not None

    def _screen(self) -> ipywidgets.Box:
        self.price.layout = ipywidgets.Layout(width="100%", height=f"{CHART_PX}px")
        self.risk.layout = ipywidgets.Layout(
            width="100%", flex="1 1 auto", min_height="0", max_height=f"{RISK_PX}px"
        )
        self.tables.layout = ipywidgets.Layout(width="100%", min_height="190px", flex="1 1 190px")
        charts = _row(
            _column(self.equity.widget, flex="3 1 300px"), _column(self.depth.widget, flex="2 1 200px")
        )
        middle = _column(self.price, charts, flex="5 1 430px")
        work = _column(_row(middle, _column(self.risk, flex="2 1 300px")), self.tables, flex="14 1 540px")
        return _row(_column(self.ladder, flex="1 1 280px"), work)

    def close(self) -> None:
        for part in (self.status, self.ladder, self.price, self.equity, self.depth, self.risk, self.tables):
            part.close()
        if self.tuning is not None:
            self.tuning.close()
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


_CONSOLES: list[Console] = []  # one a desk, as long as it is displayed


def console(desk: DeskFace, symbol: str | None = None, *, trading: bool | None = None) -> Console:
    """The desk's screen; running the cell again shows the same one, it does not pile up.

    ``trading`` permits the ladder's Trade switch (True: also on LIVE) or takes it away (False).
    """
    _CONSOLES[:] = [known for known in _CONSOLES if known.alive]
    screen = next((known for known in _CONSOLES if known.desk is desk), None)
    if screen is None:
        screen = Console(desk)
        _CONSOLES.append(screen)
    if symbol is not None:
        screen.focus.choose(symbol)
    screen.ladder.permit(trading)
    return screen
