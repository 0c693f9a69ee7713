from __future__ import annotations

import bqplot
import numpy as np
import pandas as pd
import pytest

import contractdesk as cd
from contractdesk.errors import UserError


class Found:
    """A sweep's table: 3 x 2 combinations of fast and slow under two of a third, one without a value."""

    parameters = ("fast", "slow", "trail")
    objective = "sharpe"

    def __init__(self) -> None:
        rows = [
            {"fast": fast, "slow": slow, "trail": trail, "sharpe": fast * 10 + slow + trail, "fills": 3}
            for fast in (2, 3, 5)
            for slow in (4, 8)
            for trail in (0, 1)
            if fast < slow
        ]
        self.df = pd.DataFrame(rows).assign(failure="")


def test_a_cell_is_the_best_over_the_other_parameters_and_what_has_none_is_empty() -> None:
    shown = cd.heatmap(Found(), "fast", "slow")
    assert shown.table.loc[8, 5] == 59
    assert np.isnan(shown.table.loc[4, 5])
    assert shown.title == "sharpe by fast and slow, the best over trail"
    assert list(cd.heatmap(Found()).table.columns) == [2, 3, 5]
    assert cd.heatmap(Found(), "slow", "trail", value="fills").table.shape == (2, 2)


def test_the_figure_has_the_tables_cells() -> None:
    shown = cd.heatmap(Found(), "fast", "slow")
    (cells,) = shown.figure.marks
    assert isinstance(cells, bqplot.GridHeatMap)
    assert list(cells.column) == ["2", "3", "5"]
    assert list(cells.row) == ["4", "8"]
    assert np.array_equal(cells.color, shown.table.to_numpy(dtype=float), equal_nan=True)
    data, _ = shown._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "the best over trail" in data["text/html"]
    assert "59" in data["text/plain"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("fast", "fast"), "twice"),
        (("fast", "size"), "'size' does not vary"),
        (("fast", "slow", "luck"), "no figure"),
    ],
)
def test_what_cannot_be_shown_is_said(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        cd.heatmap(Found(), *names)
    lone = Found()
    lone.parameters = ("fast",)  # type: ignore[assignment]
    with pytest.raises(UserError, match="varies fast"):
        cd.heatmap(lone)
