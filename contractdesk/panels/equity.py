"""Equity and its drawdown from the highest point so far."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Any

import bqplot

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.views import DeskSnapshot, EquityPoint
from contractdesk.panels import formats
from contractdesk.panels.chart import BLUE, ORANGE, Chart, axis, move

MAX_POINTS = 600


class EquityChart(Chart):
    """The desk's equity curve (left axis) and the drawdown in percent (right axis, downwards)."""

    title = "Equity"
    height_px = 170
    right_px = 52
    period_ns = 1_000 * NS_PER_MS

    def build(self) -> tuple[Sequence[Any], Sequence[Any]]:
        time = bqplot.DateScale()
        money, percent = bqplot.LinearScale(), bqplot.LinearScale(max=0.0)
        equity = bqplot.Lines(x=[], y=[], scales={"x": time, "y": money}, colors=[BLUE], stroke_width=1.6)
        drawdown = bqplot.Lines(
            x=[], y=[], scales={"x": time, "y": percent}, colors=[ORANGE], stroke_width=0.8, fill="top",
            fill_opacities=[0.18],
        )  # fmt: skip
        axes = (
            axis(time, tick_format="%H:%M:%S"),
            axis(money, vertical=True, tick_format=",.2f", ticks=4),
            axis(percent, vertical=True, tick_format=".2f", side="right", ticks=4),
        )
        return (drawdown, equity), axes

    def redraw(self, snapshot: DeskSnapshot) -> str:
        points = thinned(snapshot.equity_curve, MAX_POINTS)
        if len(points) < 2:
            return "waiting for the first points"
        times, fall = clock_of([point.ts_ns for point in points]), drawdowns(points)
        move(self.marks[0], x=times, y=fall)
        move(self.marks[1], x=times, y=[float(point.equity) for point in points])
        places = formats.cash_places(snapshot.asset)
        change = snapshot.equity - points[0].equity
        worst = formats.fixed(Decimal(repr(min(fall))), 2)
        return f"{formats.signed(change, places)} {snapshot.asset}, max drawdown {worst} %"


def drawdowns(points: Sequence[EquityPoint]) -> list[float]:
    """Percent below the highest equity so far, each <= 0; 0 where that is not positive."""
    highs = accumulate((point.equity for point in points), max)
    pairs = zip(points, highs, strict=True)
    return [float((point.equity / high - 1) * 100) if high > 0 else 0.0 for point, high in pairs]


def thinned(points: Sequence[EquityPoint], most: int) -> Sequence[EquityPoint]:
    """Every n-th point, the last one always: at most ``most`` + 1."""
    step = -(-len(points) // most) if points else 1
    return points[::step] if step == 1 or (len(points) - 1) % step == 0 else (*points[::step], points[-1])


def clock_of(times_ns: Sequence[int]) -> Any:
    """UTC as numpy's datetime64[ms], which bqplot's DateScale takes."""
    import numpy as np

    return np.array([ts_ns // NS_PER_MS for ts_ns in times_ns], dtype="datetime64[ms]")
