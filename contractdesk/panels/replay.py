"""A replay's charts for a notebook: price with what was done at it, equity and drawdown, exposure.

Here and not in ``replay``, which knows no widgets: ``cd.charts(result)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import bqplot
import ipywidgets
import numpy as np

from contractdesk.errors import ConfigError
from contractdesk.panels.chart import BLUE, GREY, ORANGE, RED, ValueAxis, reach, trimmed
from contractdesk.panels.layout import GAP
from contractdesk.replay.columns import whole_ns
from contractdesk.replay.reports.charts import exposed
from contractdesk.replay.reports.svg import thinned
from contractdesk.replay.reports.wording import count, money, percent
from contractdesk.replay.result import Result

MOST_POINTS = 2_000  # of a line: bqplot draws SVG, and a browser moves all of it when one pans
LEAST_FALL = 0.05  # percent that the drawdown's axis spans at least
DAY = np.timedelta64(1, "D")


class ReplayCharts(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Three figures on one axis of time, which is dragged and zoomed together; marks say what they are."""

    def __init__(self, result: Result, symbol: str) -> None:
        self.result = result
        self.symbol = symbol
        begin, end = _clock([result.outcome.start_ns, int(whole_ns(result.equity.index)[-1])]).astype(object)
        self.time = bqplot.DateScale(min=begin, max=end)
        self.figures = (self._price(), self._equity(), self._exposure())
        notes = self._notes()
        children = [
            child
            for note, figure in zip(notes, self.figures, strict=True)
            for child in (ipywidgets.HTML(note), figure)
        ]
        super().__init__(children, layout=ipywidgets.Layout(width="100%", min_width="0", grid_gap=GAP))
        self.add_class("cd-replay")

    def close(self) -> None:
        for figure in self.figures:
            figure.close()
        super().close()

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        widget = super()._repr_mimebundle_(**options)
        data, metadata = widget if isinstance(widget, tuple) else (widget or {}, {})
        words = {"text/plain": repr(self.result), "text/html": self.result._repr_html_()}
        return {**data, **words}, dict(metadata)

    def _notes(self) -> tuple[str, ...]:
        figures, frame = self.result.metrics, self.result.trips
        own = frame[frame["symbol"] == self.symbol]
        made = money(float(own["net"].sum()), figures.asset, signed=True)
        return (
            f"<b>{escape(self.symbol)}</b> &middot; {count(len(own), 'round trip')}, net {made} &middot; "
            "&#9650; bought to enter, &#9660; sold to enter, &#10010; stopped out, &#9632; other exit",
            f"<b>Equity</b> &middot; {money(figures.net_profit, figures.asset, signed=True)}"
            f" &middot; max drawdown {percent(figures.drawdown.fraction)}",
            f"<b>Exposure</b> &middot; % of equity, &minus; is short &middot; in a position "
            f"{percent(figures.time_in_position, 1)} of the time",
        )

    # -- figures ---------------------------------------------------------------------------

    def _price(self) -> bqplot.Figure:
        prices = self.result.prices[self.symbol].dropna()
        times, values = thinned(whole_ns(prices.index), prices.to_numpy(np.float64), MOST_POINTS)
        stops = self.result.stops[self.result.stops["symbol"] == self.symbol]
        lines = trimmed(stops["price"].tolist())
        fills = self.result.fills[self.result.fills["symbol"] == self.symbol]
        axis = ValueAxis(ticks=6)
        near = [line for line in lines if line == line]
        if len(values):
            axis.span(*reach([*values.tolist(), *fills["price"].tolist()], near))
        scales = {"x": self.time, "y": axis.scale}
        last = bqplot.Lines(x=_clock(times), y=values, scales=scales, colors=[GREY], stroke_width=1.2)
        stop = bqplot.Lines(
            x=_clock(whole_ns(stops["time"])[: len(lines)]), y=np.array(lines), scales=scales, colors=[RED],
            stroke_width=1.3, line_style="dashed", interpolation="step-after",
        )  # fmt: skip
        return self._figure((last, stop, *_marks(fills, scales)), (axis,), 300)

    def _equity(self) -> bqplot.Figure:
        result, money_axis, percent_axis = self.result, ValueAxis(ticks=4), ValueAxis(side="right", ticks=3)
        stamps = np.concatenate(([result.outcome.start_ns], whole_ns(result.equity.index)))
        equity = np.concatenate(([float(result.setup.balance)], result.equity["equity"].to_numpy()))
        fall = np.concatenate(([0.0], result.equity["drawdown"].to_numpy() * 100))
        money_axis.span(float(equity.min()), float(equity.max()))
        percent_axis.span(min(float(fall.min()), -LEAST_FALL), 0.0)
        deep, falls = thinned(stamps, fall, MOST_POINTS)
        times, values = thinned(stamps, equity, MOST_POINTS)
        under = bqplot.Lines(
            x=_clock(deep), y=falls, scales={"x": self.time, "y": percent_axis.scale}, colors=[ORANGE],
            stroke_width=0.8, fill="top", fill_opacities=[0.18],
        )  # fmt: skip
        line = bqplot.Lines(
            x=_clock(times), y=values, scales={"x": self.time, "y": money_axis.scale}, colors=[BLUE],
            stroke_width=1.6,
        )  # fmt: skip
        return self._figure((under, line), (money_axis, percent_axis), 190)

    def _exposure(self) -> bqplot.Figure:
        frame, axis = self.result.equity, ValueAxis(ticks=3)
        share = np.nan_to_num(exposed(self.result))
        times, values = thinned(whole_ns(frame.index), share, MOST_POINTS)
        axis.span(min(float(values.min()), 0.0), max(float(values.max()), 0.0))
        # "inside" fills to the line between the ends: from zero to zero, that is the zero line.
        times, values = times[[0, *range(len(times)), -1]], np.concatenate(([0.0], values, [0.0]))
        line = bqplot.Lines(
            x=_clock(times), y=values, scales={"x": self.time, "y": axis.scale}, colors=[BLUE],
            stroke_width=1.0, interpolation="step-after", fill="inside", fill_opacities=[0.3],
        )  # fmt: skip
        zero = bqplot.Lines(
            x=_clock(times[[0, -1]]), y=np.zeros(2), scales={"x": self.time, "y": axis.scale}, colors=[GREY],
            stroke_width=0.8,
        )  # fmt: skip
        return self._figure((line, zero), (axis,), 130)

    def _figure(self, marks: Sequence[Any], axes: Sequence[ValueAxis], height_px: int) -> bqplot.Figure:
        index = self.result.equity.index
        form = "%m-%d %H:%M" if index[-1] - index[0] > DAY else "%H:%M"
        time = bqplot.Axis(scale=self.time, tick_format=form, grid_lines="none")
        return bqplot.Figure(
            marks=list(marks),
            axes=[time, *(axis.axis for axis in axes)],
            interaction=bqplot.PanZoom(scales={"x": [self.time]}),
            animation_duration=0,
            min_aspect_ratio=0.05,
            max_aspect_ratio=50,
            fig_margin={"top": 8, "bottom": 22, "left": 70, "right": 52},
            padding_x=0.0,
            padding_y=0.02,
            background_style={"fill": "none"},
            layout=ipywidgets.Layout(width="auto", height=f"{height_px}px", min_width="0"),
        )


def charts(result: Result, symbol: str | None = None) -> ReplayCharts:
    """A replay's charts as a widget: price with entries, exits and stops; equity and drawdown; exposure.

    ``symbol``: whose price, where several contracts were traded (default: the first). ConfigError for one
    that the replay has not. Where no widgets are drawn, the result's own summary shows instead.
    """
    known = [terms.symbol for terms in result.setup.instruments]
    if symbol is not None and symbol not in known:
        raise ConfigError(f"the replay has no {symbol!r}: it has {', '.join(known)}")
    return ReplayCharts(result, symbol or known[0])


def _marks(fills: Any, scales: dict[str, Any]) -> list[Any]:
    """Entries as triangles, stops as crosses, other exits as squares."""
    entry, stop, bought = fills["role"] == "entry", fills["role"] == "stop", fills["side"] == "buy"
    return [
        bqplot.Scatter(
            x=_clock(whole_ns(rows["time"])), y=rows["price"].to_numpy(np.float64), scales=scales,
            marker=marker, colors=[color], default_size=60, stroke="white", stroke_width=0.6,
        )
        for rows, marker, color in (
            (fills[entry & bought], "triangle-up", BLUE),
            (fills[entry & ~bought], "triangle-down", ORANGE),
            (fills[stop], "cross", RED),
            (fills[~entry & ~stop], "square", GREY),
        )
    ]  # fmt: skip


def _clock(times_ns: Any) -> Any:
    """UTC as numpy's datetime64[ms], which bqplot's DateScale takes."""
    return (np.asarray(times_ns, dtype=np.int64) // 1_000_000).astype("datetime64[ms]")
