"""A real day, from the venue's dump to the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import contractdesk as cd
from contractdesk.history import import_, load

APE = "APE/USDT:USDT"


@pytest.mark.recording
def test_a_day_of_ape_is_reported(recordings: Path, tmp_path: Path) -> None:
    dump = recordings / "gpl3_freqtrade" / "futures-APEUSDT-aggTrades-2024-10-18.zip"
    given = {"venue": "binance", "kind": "agg_trades", "root": tmp_path}
    import_(dump, symbol=APE, tick="0.0001", lot="1", **given)  # type: ignore[arg-type]
    trades = load(APE, **given)  # type: ignore[arg-type]
    result = cd.replay.run(cd.library.TrendFollow([APE], timeframe="1m"), trades)
    m, fills, market = result.metrics, result.fills, trades.df
    assert m.trips == len(result.trips) == 52

    # Fills are the market's own trades and one tick; the money is their sum, flat at the end.
    signed = np.where(fills["side"] == "buy", fills["size"], -fills["size"])
    assert signed.sum() == 0
    net = -(signed * fills["price"]).sum() - fills["fee"].sum()
    assert m.net_profit == pytest.approx(net)
    assert m.fees == pytest.approx((fills["size"] * fills["price"] * 0.0005).sum(), abs=1e-6)
    traded = set(zip(market.index, market["price"].round(4), strict=True))
    before = (fills["price"] - np.where(fills["side"] == "buy", 1e-4, -1e-4)).round(4)
    at = zip(fills["time"], before, strict=True)
    assert all(fill in traded for fill in at)

    # 25 ms to the venue and 25 ms back: the fill is heard, the stop is sent, and is heard to stand.
    assert set(result.protection["naked"]) == {pd.Timedelta(milliseconds=75)}
    assert (m.drawdown.recovered_ns, m.sharpe, m.refusals) == (0, None, 0)
    page = result.to_html(tmp_path / "ape.html").read_text()
    assert f"{m.lines()[0].text}</td>" in page
    assert len(cd.charts(result).figures[0].marks[0].y) > 1_000
