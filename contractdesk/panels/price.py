"""The last price since the panel was opened, with the desk's entries, exits and stop on it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import bqplot

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.fills import Fill
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import formats
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.chart import BLUE, GREY, ORANGE, RED, Chart, ValueAxis, move, time_axis
from contractdesk.panels.equity import clock_of
from contractdesk.panels.focus import Focus

MAX_SAMPLES = 600
STOP_REACH = 1.5  # a stop farther away than so many times the price's range would flatten the price


class PriceChart(Chart):
    """Sampled once a second: a bounded trail of (time, last, stop), which is all it remembers."""

    title = "Price"
    height_px = 212
    moving_axes = 1
    period_ns = 1_000 * NS_PER_MS

    def __init__(self, desk: DeskFace, focus: Focus | None = None, *, pulse: Pulse | None = None) -> None:
        self._focus = focus or Focus()
        self._symbol = ""
        self._side = 0  # of the position when last sampled: the stop's line breaks where it changes
        self._trail: deque[tuple[int, float, float]] = deque(maxlen=MAX_SAMPLES)
        self._price = ValueAxis(ticks=5)
        super().__init__(desk, pulse=pulse)

    def build(self) -> tuple[Sequence[Any], Sequence[Any]]:
        time = time_axis()
        scales = {"x": time.scale, "y": self._price.scale}
        last = bqplot.Lines(x=[], y=[], scales=scales, colors=[GREY], stroke_width=1.5)
        stop = bqplot.Lines(
            x=[], y=[], scales=scales, colors=[RED], stroke_width=1.5, line_style="dashed",
            interpolation="step-after",
        )  # fmt: skip
        fills = [
            bqplot.Scatter(
                x=[], y=[], scales=scales, marker=marker, colors=[color], default_size=110, stroke="white"
            )
            for marker, color in (("triangle-up", BLUE), ("triangle-down", ORANGE))
        ]
        return (last, stop, *fills), (time, self._price.axis)

    def redraw(self, snapshot: DeskSnapshot) -> tuple[str, int]:
        symbol = self._focus.on(snapshot)
        if symbol != self._symbol:
            self._trail.clear()
            self._symbol = symbol
        self._sample(snapshot)
        if not self._trail:
            return "no price yet", 0
        fills = [fill for fill in snapshot.fills if fill.symbol == symbol and fill.ts_ns >= self._trail[0][0]]
        sent = self._draw(fills)
        view = snapshot.symbols[symbol]
        funding = formats.signed_percent(view.funding_rate, 4)
        return f"{formats.price(view.instrument, view.last)} · funding {funding}", sent

    def _sample(self, snapshot: DeskSnapshot) -> None:
        """Remember where the price and the stop are, once for each moment."""
        view = snapshot.symbols.get(self._symbol)
        if view is None or view.last is None:
            return
        if not self._trail or snapshot.ts_ns > self._trail[-1][0]:
            self._trail.append((snapshot.ts_ns, float(view.last), self._stop(snapshot)))

    def _stop(self, snapshot: DeskSnapshot) -> float:
        """The stop's price; NaN, a gap in its line, without one and where the position was reversed."""
        held = next((row for row in snapshot.positions if row.symbol == self._symbol and row.size), None)
        side = 0 if held is None else 1 if held.size > 0 else -1
        reversed_, self._side = side == -self._side, side
        return math.nan if held is None or held.stop_price is None or reversed_ else float(held.stop_price)

    def _draw(self, fills: Sequence[Fill]) -> int:
        last, stop, bought, sold = self.marks
        times = clock_of([moment for moment, _, _ in self._trail])
        prices, stops = [row[1] for row in self._trail], trimmed([row[2] for row in self._trail])
        sent = self._price.span(*reach([*prices, *(float(fill.price) for fill in fills)], stops))
        sent += move(last, x=times, y=prices) + move(stop, x=times[: len(stops)], y=stops)
        sent += _put(bought, [fill for fill in fills if fill.signed_size > 0])
        return sent + _put(sold, [fill for fill in fills if fill.signed_size < 0])


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


def _put(mark: Any, fills: Sequence[Fill]) -> int:
    """Show the fills, and send nothing while they are the same."""
    prices = [float(fill.price) for fill in fills]
    if list(mark.y) == prices:
        return 0
    return move(mark, x=clock_of([fill.ts_ns for fill in fills]), y=prices)
