"""The last price since the panel was opened, with the desk's entries, exits and stop on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import bqplot

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.fills import Fill
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import formats
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.chart import BLUE, GREY, ORANGE, RED, Chart, axis, move
from contractdesk.panels.equity import clock_of
from contractdesk.panels.focus import Focus

MAX_SAMPLES = 600


class PriceChart(Chart):
    """Sampled once a second: a bounded trail of (time, last, stop), which is all it remembers."""

    title = "Price"
    height_px = 230
    period_ns = 1_000 * NS_PER_MS

    def __init__(self, desk: DeskFace, focus: Focus | None = None, *, pulse: Pulse | None = None) -> None:
        self._focus = focus or Focus()
        self._symbol = ""
        self._trail: deque[tuple[int, float, float]] = deque(maxlen=MAX_SAMPLES)
        super().__init__(desk, pulse=pulse)

    def build(self) -> tuple[Sequence[Any], Sequence[Any]]:
        x, y = bqplot.DateScale(), bqplot.LinearScale()
        scales = {"x": x, "y": y}
        last = bqplot.Lines(x=[], y=[], scales=scales, colors=[GREY], stroke_width=1.5)
        stop = bqplot.Lines(
            x=[], y=[], scales=scales, colors=[RED], stroke_width=1.5, line_style="dashed",
            interpolation="step-after",
        )  # fmt: skip
        fills = [
            bqplot.Scatter(
                x=[], y=[], scales=scales, marker=marker, colors=[color], default_size=90, stroke="white"
            )
            for marker, color in (("triangle-up", BLUE), ("triangle-down", ORANGE))
        ]
        self._price_axis = axis(y, vertical=True, tick_format=",.1f", ticks=5)
        return (last, stop, *fills), (axis(x, tick_format="%H:%M:%S"), self._price_axis)

    def redraw(self, snapshot: DeskSnapshot) -> str:
        symbol = self._focus.on(snapshot)
        if symbol != self._symbol:
            self._trail.clear()
            self._symbol = symbol
        if not self._sample(snapshot, symbol):
            return "no price yet"
        last, stop, bought, sold = self.marks
        times = clock_of([moment for moment, _, _ in self._trail])
        move(last, x=times, y=[price for _, price, _ in self._trail])
        move(stop, x=times, y=[price for _, _, price in self._trail])
        fills = [fill for fill in snapshot.fills if fill.symbol == symbol and fill.ts_ns >= self._trail[0][0]]
        _put(bought, [fill for fill in fills if fill.signed_size > 0])
        _put(sold, [fill for fill in fills if fill.signed_size < 0])
        view = snapshot.symbols[symbol]
        funding = formats.signed_percent(view.funding_rate, 4)
        return f"{symbol}  {formats.price(view.instrument, view.last)}  funding {funding}"

    def _sample(self, snapshot: DeskSnapshot, symbol: str) -> bool:
        """Remember where the price and the stop are; False while there is nothing to draw."""
        view = snapshot.symbols.get(symbol)
        if view is not None and view.last is not None:
            digits = f",.{formats.decimals_of(view.instrument.tick_size)}f"
            if self._price_axis.tick_format != digits:
                self._price_axis.tick_format = digits
            held = next((row for row in snapshot.positions if row.symbol == symbol and row.size), None)
            stop = float("nan") if held is None or held.stop_price is None else float(held.stop_price)
            if not self._trail or snapshot.ts_ns > self._trail[-1][0]:
                self._trail.append((snapshot.ts_ns, float(view.last), stop))
        return bool(self._trail)


def _put(mark: Any, fills: Sequence[Fill]) -> None:
    """Show the fills, and send nothing when there are the same ones as before."""
    if len(fills) or len(mark.x):
        move(mark, x=clock_of([fill.ts_ns for fill in fills]), y=[float(fill.price) for fill in fills])
