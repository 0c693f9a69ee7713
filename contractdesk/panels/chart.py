"""What the bqplot charts share: a header that acknowledges, a bare figure, colours for both themes.

bqplot draws SVG: at 2 Hz it costs a browser what the ladder's canvas costs at 10 Hz, so charts are slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import bqplot
import ipywidgets

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.header import Header
from contractdesk.panels.render import bundle_of

BLUE: Final = "#3d8bd9"
ORANGE: Final = "#e0852b"
GREY: Final = "#8a8f98"
RED: Final = "#d8436b"

_MARGIN: Final = {"top": 8, "bottom": 22, "left": 62, "right": 14}


class Chart:
    """A bqplot figure under a header. Subclasses build ``marks`` once and move them in ``redraw``."""

    title = ""
    height_px = 220
    period_ns = 500 * NS_PER_MS
    right_px = 14  # room for the labels of a second axis

    def __init__(self, desk: DeskFace, *, pulse: Pulse | None = None) -> None:
        self.desk = desk
        self.header = Header(desk, self.title, pulse=pulse)
        self.pulse = self.header.pulse
        self.acknowledges = bool(self.header.acknowledges)
        self.marks, axes = self.build()
        self.figure = bqplot.Figure(
            marks=list(self.marks),
            axes=list(axes),
            animation_duration=0,
            min_aspect_ratio=0.05,
            max_aspect_ratio=50,
            fig_margin=_MARGIN | {"right": self.right_px},
            padding_x=0.0,
            padding_y=0.03,
            background_style={"fill": "none"},
            layout=ipywidgets.Layout(width="auto", height=f"{self.height_px}px", min_width="0"),
        )
        self.widget = ipywidgets.VBox(
            [self.header, self.figure],
            layout=ipywidgets.Layout(width="100%", min_width="0", overflow="hidden"),
        )
        self.widget.add_class("cd-chart")

    @property
    def cost(self) -> int:
        return 1 + len(self.marks)

    @property
    def alive(self) -> bool:
        return self.header.alive

    def refresh(self, snapshot: DeskSnapshot) -> None:
        self.header.say(self.redraw(snapshot))

    def build(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """The marks and the axes, made once."""
        raise NotImplementedError

    def redraw(self, snapshot: DeskSnapshot) -> str:
        """Move the marks; returns what the header says."""
        raise NotImplementedError

    def close(self) -> None:
        for widget in (self.header, self.figure, self.widget):
            widget.close()

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return bundle_of(self.desk, self.widget._repr_mimebundle_(**options))


def move(mark: Any, **arrays: Any) -> None:
    """Give a mark new arrays in one message."""
    with mark.hold_sync():
        for name, values in arrays.items():
            setattr(mark, name, values)


def axis(scale: Any, *, vertical: bool = False, tick_format: str = "", side: str = "", ticks: int = 5) -> Any:
    """A quiet axis: few ticks, no grid but a faint one for values."""
    options: dict[str, Any] = {"scale": scale, "num_ticks": ticks, "grid_lines": "none"}
    if tick_format:
        options["tick_format"] = tick_format
    if vertical:
        options |= {"orientation": "vertical", "side": side or "left"}
    return bqplot.Axis(**options)
