"""The end of an account is reported like any other day."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import contractdesk as cd
from contractdesk.replay.ticks import Ticks
from contractdesk.risk.settings import RiskSettings
from tests.replay.markets import BTC, Turner, played, walk

GAP = 1.3  # of the price, in one trade
RISK = RiskSettings(size_cap=Decimal(10), trailing=False, open_interest_gate=False)


def test_a_gap_takes_the_account_and_the_report_says_so(tmp_path: Path) -> None:
    calm = walk(0.2)
    market = Ticks.of(
        calm.ts_ns,
        np.where(np.arange(len(calm)) < 450, calm.ticks, (calm.ticks * GAP).astype(np.int64)),
        calm.lots,
        feed_ns=5_000_000,
    )
    strategy = Turner(BTC.symbol, timeframe="5m", every=30, multiple=Decimal(10), notional=Decimal(50_000))
    result = played(market, [BTC], [strategy], risk=RISK)
    m = result.metrics
    (trip,) = result.trips.itertuples()
    assert (trip.exit, trip.direction, m.liquidations, m.open_trips) == ("liquidation", "short", 1, 0)
    assert m.end_equity == pytest.approx(10_000 + trip.net)
    assert m.end_equity < 0
    assert m.drawdown.fraction > 1
    assert m.average_exposure is m.sharpe is m.annual_return is None, "there is no equity to divide by"
    assert set(result.slippage["role"]) == {"entry"}, "nobody has decided on a liquidation"
    assert ">liquidation</td>" in result.to_html(tmp_path / "end.html").read_text()
    assert np.isfinite(cd.charts(result).figures[2].marks[0].y).all()
