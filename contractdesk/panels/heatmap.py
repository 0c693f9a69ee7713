"""A sweep's table as a heat map over two parameters: a plateau is a find, a lone peak is luck."""

from __future__ import annotations

from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

import bqplot
import ipywidgets

from contractdesk.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

GREY = "#9aa0a6"  # a combination that has no value
LOW, MIDDLE, HIGH = "#cc6a10", "#f2f2f2", "#2f7fd0"  # told apart also by those who see no red or green
MOST = 100  # values of a parameter: beyond, cells are too small to see


class Swept(Protocol):
    """The part of a sweep that is shown."""

    @property
    def df(self) -> pd.DataFrame:
        """A row a run, with its parameters and figures."""
        ...

    @property
    def parameters(self) -> tuple[str, ...]: ...

    @property
    def objective(self) -> str: ...


def heatmap(sweep: Swept, x: str = "", y: str = "", value: str = "") -> HeatMap:
    """Colours ``value`` (a figure; the sweep's objective) over parameters ``x`` and ``y`` (the first two).

    Where other parameters vary too, a cell shows the best of them. UserError for a name that the sweep
    has not.
    """
    if len(sweep.parameters) < 2:
        raise UserError(f"a heat map has two parameters, this sweep varies {', '.join(sweep.parameters)}")
    x = x or next(name for name in sweep.parameters if name != y)
    y = y or next(name for name in sweep.parameters if name != x)
    for name in (x, y):
        if name not in sweep.parameters:
            raise UserError(f"{name!r} does not vary; what does: {', '.join(sweep.parameters)}")
    if x == y:
        raise UserError(f"a heat map has two parameters, not {x!r} twice")
    return HeatMap(sweep, x, y, value or sweep.objective)


class HeatMap:
    """A bqplot figure, and a plain table for where there are no widgets."""

    def __init__(self, sweep: Swept, x: str, y: str, value: str) -> None:
        frame = sweep.df
        figures = [name for name in frame.columns if name not in sweep.parameters and name != "failure"]
        if value not in figures:
            raise UserError(f"{value!r} is no figure of a sweep: {', '.join(figures)}")
        self.x, self.y, self.value = x, y, value
        self.table = frame.groupby([y, x], sort=True)[value].max().unstack(x)
        if max(self.table.shape) > MOST:
            raise UserError(f"{self.table.shape} cells are too many to see: at most {MOST} values each way")
        others = [name for name in sweep.parameters if name not in (x, y)]
        self.title = f"{value} by {x} and {y}" + (f", the best over {', '.join(others)}" if others else "")

    @cached_property
    def figure(self) -> Any:
        """The bqplot figure; made when it is first shown."""
        rows, columns = ([str(each) for each in axis] for axis in (self.table.index, self.table.columns))
        across, up = bqplot.OrdinalScale(), bqplot.OrdinalScale(reverse=True)
        color = bqplot.ColorScale(colors=[LOW, MIDDLE, HIGH])
        cells = bqplot.GridHeatMap(
            color=self.table.to_numpy(dtype=float),
            row=rows,
            column=columns,
            scales={"row": up, "column": across, "color": color},
            null_color=GREY,
        )
        axes = [
            bqplot.Axis(scale=across, label=self.x, grid_lines="none"),
            bqplot.Axis(scale=up, label=self.y, orientation="vertical", grid_lines="none"),
            bqplot.ColorAxis(scale=color, label=self.value, orientation="vertical", side="right"),
        ]
        return bqplot.Figure(
            marks=[cells],
            axes=axes,
            title=self.title,
            animation_duration=0,
            padding_x=0.0,
            padding_y=0.0,
            fig_margin={"top": 50, "bottom": 50, "left": 70, "right": 90},
            background_style={"fill": "none"},
            layout=ipywidgets.Layout(width="100%", max_width="760px", height="420px"),
        )

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        shown = self.figure._repr_mimebundle_(**options)
        data, metadata = shown if isinstance(shown, tuple) else (shown or {}, {})
        return {**data, "text/plain": repr(self), "text/html": self._repr_html_()}, dict(metadata)

    def __repr__(self) -> str:
        return f"{self.title}\n{self.table.to_string(float_format=lambda number: f'{number:.4g}')}"

    def _repr_html_(self) -> str:
        table = self.table.to_html(border=0, float_format=lambda number: f"{number:.4g}")
        return f"<div><b>{escape(self.title)}</b></div>{table}"
