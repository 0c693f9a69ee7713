"""A replay's charts, built without a browser."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

import contractdesk as cd
from contractdesk.panels.replay import MOST_POINTS, ReplayCharts
from contractdesk.replay.result import Result
from tests.replay.markets import BTC, ETH, Turner, played, turned, walk


@pytest.fixture(scope="module")
def result() -> Result:
    return turned(BTC, ETH, days=1.5)


@pytest.fixture(scope="module")
def charts(result: Result) -> ReplayCharts:
    return cd.charts(result, ETH.symbol)


def test_the_price_carries_every_fill_of_its_contract(result: Result, charts: ReplayCharts) -> None:
    last, stop, bought, sold, stopped, other = charts.figures[0].marks
    own = result.fills[result.fills["symbol"] == ETH.symbol]
    entries = own[own["role"] == "entry"]
    assert bought.y.tolist() == entries[entries["side"] == "buy"]["price"].tolist()
    assert sold.y.tolist() == entries[entries["side"] == "sell"]["price"].tolist()
    assert len(stopped.y) == (own["role"] == "stop").sum()
    assert len(bought.y) + len(sold.y) + len(stopped.y) + len(other.y) == len(own) > 4
    assert 2 < len(last.y) <= MOST_POINTS
    assert not np.isnan(last.y).any()
    assert not np.isnan(stop.y[-1]), "bqplot labels a line's last point, which has to be one"
    assert bought.x[0] == np.datetime64(
        entries[entries["side"] == "buy"]["time"].iloc[0].value // 10**6, "ms"
    )


def test_equity_drawdown_and_exposure_are_the_tables(result: Result, charts: ReplayCharts) -> None:
    fall, equity = charts.figures[1].marks
    assert equity.y[0] == 10_000
    assert equity.y[1:].tolist() == result.equity["equity"].tolist()
    assert fall.y.min() == pytest.approx(-100 * result.metrics.drawdown.fraction)
    share = result.equity["exposure"] / result.equity["equity"] * 100
    exposure = charts.figures[2].marks[0]
    assert exposure.y[1:-1].tolist() == pytest.approx(share.tolist())
    assert (exposure.y[0], exposure.y[-1]) == (0, 0), "it is filled to the zero line"


def test_all_figures_share_one_axis_of_time(charts: ReplayCharts) -> None:
    scales = {id(figure.axes[0].scale) for figure in charts.figures}
    assert scales == {id(charts.time)}
    assert {id(scale) for figure in charts.figures for scale in figure.interaction.scales["x"]} == scales
    assert isinstance(charts.time.min, datetime)
    assert charts.time.min < charts.time.max


def test_without_widgets_the_summary_shows(result: Result, charts: ReplayCharts) -> None:
    data, _ = charts._repr_mimebundle_()
    assert data["text/plain"] == repr(result)
    assert data["text/html"] == result._repr_html_()


def test_a_contract_that_was_not_traded_has_no_chart(result: Result) -> None:
    with pytest.raises(cd.errors.ConfigError, match="it has BTC/USDT:USDT, ETH/USDT:USDT"):
        cd.charts(result, "SOL/USDT:USDT")


def test_a_run_without_a_trade_has_charts_too() -> None:
    charts = cd.charts(played(walk(0.05), [BTC], [Turner(BTC.symbol, timeframe="1h")]))
    assert [len(mark.y) for mark in charts.figures[0].marks[1:]] == [0] * 5
    charts.close()
