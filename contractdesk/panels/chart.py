"""What the bqplot charts share: a header that acknowledges, a bare figure, colours for both themes.

bqplot draws SVG: at 2 Hz it costs a browser what the ladder's canvas costs at 10 Hz, so charts are slow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import Any, Final

import bqplot
import ipywidgets

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import formats
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.header import Header
from contractdesk.panels.render import bundle_of
from contractdesk.panels.stills import show

BLUE: Final = "#3d8bd9"
ORANGE: Final = "#e0852b"
GREY: Final = "#8a8f98"
RED: Final = "#d8436b"
STOP_REACH: Final = 1.5  # a stop farther away than so many times the price's range would flatten the price


class Chart:
    """A bqplot figure under a header. Subclasses build marks and axes once, and move them after."""

    title = ""
    height_px = 160
    period_ns = 500 * NS_PER_MS
    moving_axes = 2
    left_px = 62
    right_px = 26  # half a time label; more for a second axis

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
            fig_margin={"top": 8, "bottom": 22, "left": self.left_px, "right": self.right_px},
            padding_x=0.0,
            padding_y=0.0,
            background_style={"fill": "none"},
            layout=ipywidgets.Layout(width="auto", height=f"{self.height_px}px", min_width="0"),
        )
        box = ipywidgets.Layout(width="100%", min_width="0", overflow="hidden")
        self.widget = ipywidgets.VBox([self.header, self.figure], layout=box)
        self.widget.add_class("cd-chart")

    @property
    def cost(self) -> int:
        """The header, the marks, and for every axis of values that moves its scale too."""
        return 1 + len(self.marks) + 2 * self.moving_axes

    @property
    def alive(self) -> bool:
        return self.header.alive

    def refresh(self, snapshot: DeskSnapshot) -> int:
        note, messages = self.redraw(snapshot)
        return messages + self.header.say(note, snapshot)

    def build(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """The marks and the axes, made once."""
        raise NotImplementedError

    def redraw(self, snapshot: DeskSnapshot) -> tuple[str, int]:
        """Move the marks; returns what the header says, and the messages that were sent."""
        raise NotImplementedError

    def close(self) -> None:
        for widget in (self.header, self.figure, self.widget):
            widget.close()

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return bundle_of(self.desk, self.widget._repr_mimebundle_(**options))

    def _ipython_display_(self) -> None:
        show(self)


def move(mark: Any, **arrays: Any) -> int:
    """Give a mark new arrays in one message, which is what it returns."""
    with mark.hold_sync():
        for name, values in arrays.items():
            setattr(mark, name, values)
    return 1


class TimeAxis:
    """An axis of times in a zone: bqplot knows UTC alone, and is given the zone's clock for it."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self.scale = bqplot.DateScale()
        self.axis = bqplot.Axis(
            scale=self.scale,
            tick_format="%H:%M:%S",
            num_ticks=4,
            grid_lines="none",
            label_location="end",
            label_offset="-0.6em",  # inside the plot: under the axis stand the times
        )

    def place(self, times_ns: Sequence[int]) -> tuple[Any, int]:
        """Times (UTC ns, ascending, not empty) for a mark, as datetime64[ms]; and the messages sent, 1 or 0.

        All are shifted as the last one is, so that a change of the clocks leaves no hole.
        """
        import numpy as np

        ahead_ns, suffix = (
            formats.offset_ns(times_ns[-1], self._zone),
            formats.suffix(times_ns[-1], self._zone),
        )
        shown = np.array([(ts_ns + ahead_ns) // NS_PER_MS for ts_ns in times_ns], dtype="datetime64[ms]")
        if self.axis.label == suffix:
            return shown, 0
        self.axis.label = suffix
        return shown, 1


class ValueAxis:
    """A linear axis that spans what it is told to, with few and round ticks."""

    def __init__(self, *, side: str = "left", ticks: int = 4) -> None:
        self._ticks = ticks
        self.scale = bqplot.LinearScale()
        vertical = side in {"left", "right"}
        self.axis = bqplot.Axis(
            scale=self.scale,
            orientation="vertical" if vertical else "horizontal",
            side=side,
            grid_lines="none",
            tick_format=",.2f",
        )

    def span(self, low: float, high: float, *, exact: bool = False) -> int:
        """Reach from ``low`` to ``high``, widened to round numbers unless ``exact``.

        Sends a message for the scale and one for the axis, and none while the span stays: 2 or 0.
        """
        if not high > low:
            pad = abs(low) * 1e-4 or 1.0
            low, high = low - pad, high + pad
        step = round_step((high - low) / self._ticks)
        if not exact:
            low, high = math.floor(low / step) * step, math.ceil(high / step) * step
        if (self.scale.min, self.scale.max) == (low, high):
            return 0
        with self.scale.hold_sync():
            self.scale.min, self.scale.max = low, high
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        with self.axis.hold_sync():
            self.axis.tick_format = f",.{max(0, -math.floor(math.log10(step) + 1e-9))}f"
            self.axis.tick_values = [step * i for i in range(first, last + 1)]
        return 2


def reach(prices: Sequence[float], stops: Iterable[float]) -> tuple[float, float]:
    """The lowest and highest of the prices, and of the stops that lie close enough to show."""
    low, high = min(prices), max(prices)
    room = STOP_REACH * max(high - low, high * 1e-4)
    near = [stop for stop in stops if low - room <= stop <= high + room]
    return min([low, *near]), max([high, *near])


def trimmed(stops: Sequence[float]) -> Sequence[float]:
    """Without the gaps at the end: bqplot labels a line's last point, which has to be one."""
    last = max((i for i, stop in enumerate(stops) if not math.isnan(stop)), default=-1)
    return stops[: last + 1]


def round_step(rough: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least ``rough`` (> 0)."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= rough * (1 - 1e-9)), 10 * power)
