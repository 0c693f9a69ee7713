"""Equity and its drawdown from the highest point so far."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import bqplot

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.views import DeskSnapshot, EquityPoint
from contractdesk.panels import formats
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.chart import BLUE, ORANGE, Chart, TimeAxis, ValueAxis, move

MAX_POINTS = 600
LEAST_FALL = 0.05  # percent that the drawdown's axis spans at least, or noise would fill the chart


class EquityChart(Chart):
    """The desk's equity curve (left axis) and the drawdown in percent (right axis, downwards)."""

    title = "Equity"
    right_px = 48
    period_ns = 1_000 * NS_PER_MS

    def __init__(self, desk: DeskFace, *, pulse: Pulse | None = None) -> None:
        self._money, self._percent = ValueAxis(ticks=3), ValueAxis(side="right", ticks=3)
        self._time = TimeAxis(formats.zone_of(desk.display_tz))
        super().__init__(desk, pulse=pulse)

    @property
    def cost(self) -> int:
        """The name of the zone, once, besides."""
        return super().cost + 1

    def build(self) -> tuple[Sequence[Any], Sequence[Any]]:
        drawdown = bqplot.Lines(
            x=[], y=[], scales={"x": self._time.scale, "y": self._percent.scale}, colors=[ORANGE],
            stroke_width=0.8, fill="top", fill_opacities=[0.18],
        )  # fmt: skip
        equity = bqplot.Lines(
            x=[],
            y=[],
            scales={"x": self._time.scale, "y": self._money.scale},
            colors=[BLUE],
            stroke_width=1.6,
        )
        return (drawdown, equity), (self._time.axis, self._money.axis, self._percent.axis)

    def redraw(self, snapshot: DeskSnapshot) -> tuple[str, int]:
        points = thinned(snapshot.equity_curve, MAX_POINTS)
        if len(points) < 2:
            return "waiting for the first points", 0
        fall = drawdowns(points)
        times, sent = self._time.place([point.ts_ns for point in points])
        money = [float(point.equity) for point in points]
        sent += self._money.span(min(money), max(money))
        sent += self._percent.span(min(*fall, -LEAST_FALL), 0.0)
        sent += move(self.marks[0], x=times, y=fall) + move(self.marks[1], x=times, y=money)
        change = formats.signed(snapshot.equity - points[0].equity, formats.cash_places(snapshot.asset))
        return f"{change} {snapshot.asset} · DD {abs(min(fall)):.2f} %", sent


def drawdowns(points: Sequence[EquityPoint]) -> list[float]:
    """Percent below the highest equity so far, each <= 0; 0 where that is not positive."""
    highs = accumulate((point.equity for point in points), max)
    pairs = zip(points, highs, strict=True)
    return [float((point.equity / high - 1) * 100) if high > 0 else 0.0 for point, high in pairs]


def thinned(points: Sequence[EquityPoint], most: int) -> Sequence[EquityPoint]:
    """Every n-th point and always the last one: at most ``most`` + 1 of them."""
    step = max(1, -(-len(points) // most))
    kept = points[::step]
    return kept if (len(points) - 1) % step == 0 else (*kept, points[-1])
