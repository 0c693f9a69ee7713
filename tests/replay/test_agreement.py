"""The figures of whole replays against pandas and plain loops, straight from the fills and the trades."""

from __future__ import annotations

import math
import statistics
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import asdict

from contractdesk.domain.instrument import ContractKind, Instrument
from contractdesk.replay.metrics import Drawdown
from contractdesk.replay.result import Result
from contractdesk.replay.ticks import Ticks
from tests.replay.markets import BTC, COIN, DAY, ETH, Turner, played, walk

FEED = pd.Timedelta(milliseconds=5)
Case = tuple[Result, Ticks]


def case(instruments: tuple[Instrument, ...], days: float, **params: object) -> Case:
    ticks = walk(days, symbols=len(instruments))
    strategy = Turner([each.symbol for each in instruments], timeframe="15m", **params)
    return played(ticks, instruments, [strategy]), ticks


@pytest.fixture(scope="module")
def linear() -> Case:
    """Two contracts, stops that are hit now and then, funding."""
    return case((BTC, ETH), 9, multiple=Decimal(3))


@pytest.fixture(scope="module")
def inverse() -> Case:
    return case((COIN,), 8, multiple=Decimal(2), notional=Decimal("0.5"))


@pytest.fixture(params=["linear", "inverse"])
def either(request: pytest.FixtureRequest) -> Case:
    found: Case = request.getfixturevalue(request.param)
    return found


def prices_at(times: pd.DatetimeIndex, ticks: Ticks, place: int, terms: Instrument) -> np.ndarray:
    """The last price that was heard before each moment; at the end, the last that was made."""
    mine = ticks.which == place
    made = pd.DataFrame(
        {
            "time": pd.to_datetime(ticks.ts_ns[mine], unit="ns", utc=True) + FEED,
            "price": ticks.ticks[mine] * float(terms.tick_size),
        }
    )
    asked = pd.DataFrame({"time": times.as_unit("ns")})
    found = pd.merge_asof(asked, made, on="time", allow_exact_matches=False)["price"].to_numpy()
    return np.append(found[:-1], made["price"].iloc[-1])


def equity_of(result: Result, ticks: Ticks) -> tuple[np.ndarray, np.ndarray]:
    """(equity, gross) by cash flows: paid, received, and what is held at the market's price."""
    times = result.equity.index
    equity, gross = np.full(len(times), float(result.setup.balance)), np.zeros(len(times))
    for place, terms in enumerate(result.setup.instruments):
        fills = result.fills[result.fills["symbol"] == terms.symbol]
        units = fills["size"] * float(terms.contract_size) * np.where(fills["side"] == "buy", 1, -1)
        linear = terms.kind is ContractKind.LINEAR
        flows = -units * fills["price"] if linear else units / fills["price"]
        known = np.searchsorted(fills["time"].to_numpy(), times.to_numpy(), side="right")
        held, cash, fees = (
            np.concatenate(([0.0], each.cumsum()))[known] for each in (units, flows, fills["fee"])
        )
        price = prices_at(times, ticks, place, terms)
        worth = np.nan_to_num(held * price if linear else -held / price)
        equity += cash + worth - fees
        gross += np.abs(worth)
    for payment in result.outcome.payments:
        equity += np.where(times >= pd.Timestamp(payment.venue_ns, tz="UTC"), float(payment.amount), 0.0)
    return equity, gross


def rounding(result: Result) -> float:
    """Each booking is rounded to 1e-8; and twice what is left at the end."""
    return 1e-8 * (len(result.fills) + len(result.outcome.payments) + 4)


def test_the_equity_is_what_cash_and_the_market_say(either: Case) -> None:
    result, ticks = either
    equity, gross = equity_of(result, ticks)
    assert len(result.outcome.payments) > 10
    np.testing.assert_allclose(result.equity["equity"], equity, rtol=1e-9)
    np.testing.assert_allclose(result.equity["gross"], gross, atol=1e-6)
    books = float(result.setup.balance) + result.trips["net"].sum()
    assert books == pytest.approx(equity[-1], abs=rounding(result)), (
        "trips, the open ones too, make the equity"
    )


def test_money_trips_and_trading(either: Case) -> None:
    result, ticks = either
    m, fills = result.metrics, result.fills
    equity, gross = equity_of(result, ticks)
    start = float(result.setup.balance)
    assert m.net_profit == pytest.approx(equity[-1] - start, rel=1e-6)
    parts = m.gross_profit + m.gross_loss + m.open_profit
    assert parts == pytest.approx(m.net_profit, abs=rounding(result))
    assert m.fees == pytest.approx(fills["fee"].sum())
    assert m.funding == pytest.approx(sum(float(each.amount) for each in result.outcome.payments))
    unit = {each.symbol: float(each.contract_size) for each in result.setup.instruments}
    linear = result.setup.instruments[0].kind is ContractKind.LINEAR
    amounts = fills["size"] * fills["symbol"].map(unit) * (fills["price"] if linear else 1 / fills["price"])
    assert m.turnover == pytest.approx(amounts.sum())
    assert m.turns == pytest.approx(amounts.sum() / start)
    assert m.maker_share == 0
    steps = np.diff([m.start_ns, *result.equity.index.as_unit("ns").asi8])
    assert m.average_exposure == pytest.approx(np.average(gross / equity, weights=steps))
    assert m.max_exposure == pytest.approx((gross / equity).max())
    assert m.trips > 40
    held = fills["size"].where(fills["side"] == "buy", -fills["size"]).groupby(fills["symbol"]).sum().round(9)
    assert m.open_trips == (held != 0).sum()
    assert {"reversal", "stop"} == set(result.trips["exit"]) - {"open"}


def test_drawdown_and_ratios_of_plain_loops(either: Case) -> None:
    result, ticks = either
    equity, _ = equity_of(result, ticks)
    peak = start = float(result.setup.balance)
    fraction = amount = 0.0
    ends: dict[int, float] = {}
    for at, value in zip(result.equity.index.as_unit("ns").asi8, equity, strict=True):
        peak = max(peak, value)
        fraction, amount = max(fraction, 1 - value / peak), max(amount, peak - value)
        ends[int(at - 5_000_001) // DAY] = value
    days = [start, *ends.values()]
    daily = [now / before - 1 for before, now in pairwise(days)]
    below = math.sqrt(sum(min(each, 0) ** 2 for each in daily) / len(daily))
    m = result.metrics
    assert len(daily) in (8, 9), "a made market of whole days"
    assert (m.drawdown.fraction, m.drawdown.amount) == pytest.approx((fraction, amount), rel=1e-6)
    assert m.sharpe == pytest.approx(statistics.fmean(daily) / statistics.stdev(daily) * math.sqrt(365))
    assert m.sortino == pytest.approx(statistics.fmean(daily) / below * math.sqrt(365))
    years = (m.end_ns - m.start_ns) / (365 * DAY)
    assert m.annual_return == pytest.approx((equity[-1] / start) ** (1 / years) - 1, rel=1e-6)


def test_time_in_a_position_is_that_of_a_sweep_over_the_fills(either: Case) -> None:
    result, _ = either
    sizes: dict[str, float] = {}
    held, before = 0, result.outcome.start_ns
    for fill in result.outcome.fills:
        held += fill.venue_ns - before if any(sizes.values()) else 0
        sizes[fill.symbol] = round(sizes.get(fill.symbol, 0.0) + float(fill.signed_size), 9)
        before = fill.venue_ns
    held += result.outcome.end_ns - before if any(sizes.values()) else 0
    span = result.outcome.end_ns - result.outcome.start_ns
    assert result.metrics.time_in_position == pytest.approx(held / span)


def test_slippage_is_from_the_price_that_was_heard(linear: Case) -> None:
    result, ticks = linear
    place = {terms.symbol: at for at, terms in enumerate(result.setup.instruments)}
    rows = result.slippage
    assert len(rows) == len(result.fills)
    assert set(rows["role"]) == {"entry", "stop"}
    for row in rows[rows["role"] == "entry"].itertuples():
        mine = ticks.which == place[row.symbol]
        sent = row.time - pd.Timedelta(milliseconds=row.latency_ms)
        heard = ticks.ticks[mine][ticks.heard_ns[mine] < sent.value][-1] / 10
        filled = ticks.ticks[mine][ticks.ts_ns[mine] == row.time.value][0] / 10
        sign = 1 if row.side == "buy" else -1
        assert (row.seen, row.reference) == (pytest.approx(heard), "last")
        assert row.ticks == pytest.approx(sign * (row.price - heard) * 10, abs=1e-6)
        assert row.assumed_ticks == pytest.approx(sign * (row.price - filled) * 10) == 1
        assert row.moved_ticks == pytest.approx(sign * (filled - heard) * 10, abs=1e-6)
        assert row.bps == pytest.approx(sign * (row.price / heard - 1) * 1e4)
        assert row.cost == pytest.approx(sign * row.size * (row.price - heard))
    for row in rows[rows["role"] == "stop"].itertuples():
        assert row.reference == "trigger"
        assert math.isnan(row.latency_ms)
        assert row.moved_ticks >= 0, "what fires a stop is at its trigger or beyond"
    assert result.metrics.slippage_cost == pytest.approx(rows["cost"].sum())
    assert result.metrics.latency_ms == pytest.approx(rows["latency_ms"].dropna().mean())


def test_every_trade_singly_gives_the_same_report() -> None:
    ticks, strategy = walk(0.25), Turner(BTC.symbol, timeframe="5m", multiple=Decimal(3))
    fast, slow = played(ticks, [BTC], [strategy]), played(ticks, [BTC], [strategy], every=True)
    assert len(fast.trips) > 3
    for name in ("trips", "equity", "slippage", "protection", "stops", "prices"):
        pd.testing.assert_frame_equal(getattr(fast, name), getattr(slow, name))
    assert asdict(fast.metrics) == asdict(slow.metrics)


def test_a_run_without_a_trade_says_so_and_makes_nothing_up() -> None:
    result = played(walk(0.05), [BTC], [Turner(BTC.symbol, timeframe="1h")])
    m = result.metrics
    assert (len(result.trips), len(result.slippage), len(result.protection), len(result.stops)) == (
        0,
        0,
        0,
        0,
    )
    assert (m.net_profit, m.drawdown, m.turnover, m.time_in_position) == (0, Drawdown(), 0, 0)
    assert m.win_rate is m.profit_factor is m.expectancy is m.sharpe is m.under_stop is m.maker_share is None
    assert not any(isinstance(value, float) and math.isnan(value) for value in asdict(m).values())
    assert "nan" not in m.text().lower()
