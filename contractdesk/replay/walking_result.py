"""What a walk-forward has found: a row a split, and the out-of-sample equity in one piece."""

from __future__ import annotations

import html
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

from contractdesk.replay.sweep_figures import Curve, Figures
from contractdesk.replay.sweep_objective import value_of
from contractdesk.replay.sweep_result import FIGURES, Sweep
from contractdesk.replay.sweep_work import Done

if TYPE_CHECKING:
    import pandas as pd


class Split(Struct, frozen=True, kw_only=True):
    """One training window and the test behind it; UTC ns."""

    train_ns: int
    test_ns: int
    end_ns: int
    sweep: Sweep
    test: Done | None  # None: the training had no best

    @property
    def figures(self) -> Figures | None:
        """Out of sample; None where there was no test, or it failed."""
        return None if self.test is None else self.test.row.figures

    @property
    def failure(self) -> str:
        if self.test is None:
            return "no run of the training window has a value"
        return self.test.row.failure


class WalkForward:
    """``.df`` has a row a split, ``.equity`` the stitched curve; amounts in the settle currency."""

    def __init__(self, splits: list[Split], objective: str, balance: float) -> None:
        self.splits = splits
        self.objective = objective
        self.balance = balance
        self.sweeps = [each.sweep for each in splits]
        self.parameters = tuple(dict.fromkeys(name for each in self.sweeps for name in each.parameters))
        self.trials = sum(each.trials for each in self.sweeps)

    @cached_property
    def df(self) -> pd.DataFrame:
        """A row a split: the windows (UTC), the parameters chosen, the objective in the training window and
        its deflated Sharpe ratio, then the figures out of sample, seconds and failure."""
        import pandas as pd

        times = ["train_start", "test_start", "test_end"]
        columns = ["split", *times, *self.parameters, f"train_{self.objective}", "train_deflated"]
        columns += [*FIGURES, "refusals", "seconds", "failure"]
        frame = pd.DataFrame([self._line(i, each) for i, each in enumerate(self.splits)], columns=columns)
        for name in times:
            frame[name] = pd.to_datetime(frame[name], unit="ns", utc=True)
        return frame

    def _line(self, place: int, split: Split) -> list[Any]:
        figures, top = split.figures, split.sweep.rows[0]
        numbers = [getattr(figures, name, None) for name in (*FIGURES, "refusals")]
        chosen = [top.params[name] if split.test else None for name in self.parameters]
        return [
            place, split.train_ns, split.test_ns, split.end_ns, *chosen,
            _number(value_of(top, self.objective)), split.sweep.deflated(top),
            *map(_number, numbers), split.test.row.seconds if split.test else 0.0, split.failure,
        ]  # fmt: skip

    @cached_property
    def curve(self) -> Curve:
        """The out-of-sample equity of all splits: each grows on top of those before."""
        times, values, worth = [np.zeros(0, np.int64)], [np.zeros(0)], self.balance
        for each in self.splits:
            if each.test is None or each.test.curve is None or not len(each.test.curve.equity):
                continue
            curve = each.test.curve
            times.append(curve.times_ns)
            values.append(worth * curve.equity / curve.base)
            worth = float(values[-1][-1])
        return Curve(np.concatenate(times), np.concatenate(values), self.balance)

    @cached_property
    def equity(self) -> pd.DataFrame:
        """Out of sample, at bars' closes (UTC): ``equity`` and ``drawdown`` (a fraction, 0 or below)."""
        import pandas as pd

        values = self.curve.equity
        peak = np.maximum.accumulate(np.concatenate(([self.balance], values)))[1:]
        index = pd.to_datetime(self.curve.times_ns, unit="ns", utc=True).rename("time")
        return pd.DataFrame({"equity": values, "drawdown": values / peak - 1}, index=index)

    @cached_property
    def figures(self) -> Figures:
        """Of all tests together."""
        parts = [each.figures for each in self.splits if each.figures is not None]
        return self.curve.figures(
            fills=sum(part.fills for part in parts),
            fees=sum(part.fees for part in parts),
            refusals=sum(part.refusals for part in parts),
        )

    @property
    def summary(self) -> str:
        """The out-of-sample result in a line."""
        figures, tested = self.figures, sum(each.figures is not None for each in self.splits)
        sharpe = "none" if figures.sharpe is None else f"{figures.sharpe:.2f}"
        return (
            f"out of sample, {tested} of {len(self.splits)} splits tested: "
            f"net profit {figures.net_profit:.2f} on {self.balance:g}, Sharpe {sharpe}, "
            f"max drawdown {figures.max_drawdown:.2%}, {figures.fills} fills"
        )

    @property
    def warning(self) -> str:
        """What the choice behind the curve was made from."""
        return (
            f"WARNING: parameters were chosen from {self.trials} trials in the training windows; out of "
            "sample is only what was never looked at: to change the grid after seeing this is to train on it."
        )

    def __repr__(self) -> str:
        table = self.df.to_string(index=False, float_format=lambda number: f"{number:.4g}")
        return "\n".join([self.summary, table, self.warning])

    def _repr_html_(self) -> str:
        table = self.df.to_html(index=False, border=0, float_format=lambda number: f"{number:.4g}")
        return (
            f"<div><b>{html.escape(self.summary)}</b></div>{table}"
            f'<div style="color:#a97400"><b>{html.escape(self.warning)}</b></div>'
        )


def _number(value: float | None) -> float:
    return math.nan if value is None else value
