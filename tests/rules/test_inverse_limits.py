"""Inverse arithmetic at the limits: hard stop, breaker and guard of BTC/USD:BTC, to the tick and the satoshi.

A contract is 100 USD, and the account has 1 BTC. The cap and the ledger: tests/console/test_inverse.py.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest

from contractdesk.domain.views import TradingState
from tests.rules.venue import COIN, VENUE, Seat, covered, held, live_stops
from tests.rules.witness import longest_naked_s, most_live

D = Decimal
EXCHANGE = {"opening": {VENUE[COIN]: D(60_000)}, "asset": "BTC"}
SATOSHI = D("0.00000001")
SIGN = {"buy": 1, "sell": -1}
FAR = {"buy": 50_000, "sell": 75_000}  # stops that nothing here reaches


@pytest.fixture
def coin(seat: Callable[..., Seat]) -> Callable[..., Seat]:
    """A desk in BTC with a raised cap."""
    return lambda **risk: seat(balance="1", product="coin-m", risk={"size_cap": "10"} | risk)


def enter(at: Seat, side: str, **wish: Any) -> Any:
    return (at.desk.buy if side == "buy" else at.desk.sell)(COIN, **wish)


# 2,400 contracts at 60,000 are 4 BTC, and the dearer fee 0.002. Liquidated where, with r = 0.4 %,
#   long:  0.998 + 4 - 240,000 / p = r 240,000 / p   ->  p = 240,960 / 4.998 = 48,211.2845
#   short: 0.998 - 4 + 240,000 / p = r 240,000 / p   ->  p = 239,040 / 3.002 = 79,626.9154
LIQUIDATIONS = [
    ("buy", "48452.4", "48452.3"),  # x 1.005 = 48,452.3409
    ("sell", "79228.7", "79228.8"),  # x 0.995 = 79,228.7808
]


@pytest.mark.parametrize(("side", "inside", "outside"), LIQUIDATIONS)
def test_the_hard_stop_to_the_tick(coin: Callable[..., Seat], side: str, inside: str, outside: str) -> None:
    at = coin()
    at.desk.set_leverage(COIN, 20)
    refused = enter(at, side, size=2_400, limit=60_000, stop=outside).refused
    assert refused is not None
    assert refused.rule == "hard_stop"
    assert at.creates() == []
    assert enter(at, side, size=2_400, limit=60_000, stop=inside).done
    for part in ("700", "1", "1699"):
        at.other("SELL" if side == "buy" else "BUY", COIN, part)
    truth = at.until(lambda now: covered(now, COIN) and abs(held(now, COIN)) == 2_400)
    (stop,) = live_stops(truth, COIN)
    assert D(stop["trigger_price"]) == D(inside)
    liquidation = D(truth["positions"][VENUE[COIN]]["liquidation_price"])  # the exchange's own
    assert SIGN[side] * (D(inside) - liquidation * (1 + SIGN[side] * D("0.005"))) > 0
    assert longest_naked_s(truth, COIN) < 3
    assert most_live(truth, COIN) <= 2


# 600 contracts at 60,001.0 or 59,999.0; the fee 0.0005 x 60,000 / 60,001 = 0.00049999, or 0.00050001.
#   long:  60,000 / p - 60,000 / 60,001 + 0.00049999 >= 0.08  ->  p <= 55,582.145
#   short: 60,000 / 59,999 - 60,000 / p + 0.00050001 >= 0.08  ->  p >= 65,180.785
DROPS = [("buy", "55582.2", "55582.1", 55_000), ("sell", "65180.7", "65180.8", 66_000)]


@pytest.mark.parametrize(("side", "inside", "outside", "limit"), DROPS)
def test_the_breaker_to_the_tick(
    coin: Callable[..., Seat], side: str, inside: str, outside: str, limit: int
) -> None:
    at = coin()
    assert enter(at, side, size=600, stop=FAR[side]).done
    assert enter(at, side, size=10, limit=limit, stop=FAR[side]).done
    kept = at.until(lambda now: covered(now, COIN))["open_algo_orders"]
    at.venue.move(BTCUSD_PERP=inside)
    at.desk.wait_for(lambda s: s.symbols[COIN].mark == D(inside), 10)
    printed = at.truth()["marks"][VENUE[COIN]]["ts_ns"]
    at.until(lambda now: now["marks"][VENUE[COIN]]["ts_ns"] > printed)
    handled = at.desk.snapshot.events_handled
    at.desk.wait_for(lambda s: s.events_handled > handled + 2, 10)
    assert D("0.07999") < 1 - at.equity() < D("0.08")
    assert at.desk.snapshot.state is TradingState.ACTIVE
    assert len(at.truth()["open_orders"]) == 1
    at.venue.move(BTCUSD_PERP=outside)
    truth = at.until(lambda now: not now["open_orders"])
    assert D("0.08") <= 1 - at.equity() < D("0.08001")
    assert at.desk.wait_for(lambda s: s.state is TradingState.HALTED, 5)
    assert "breaker" in at.desk.snapshot.state_reason
    assert truth["open_algo_orders"] == kept
    assert held(truth, COIN) == SIGN[side] * 600
    sent = len(at.creates())
    refused = enter(at, side, size=1, limit=limit, stop=FAR[side]).refused
    assert refused is not None
    assert (refused.rule, len(at.creates())) == ("breaker", sent)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_the_guard_to_the_satoshi(coin: Callable[..., Seat], side: str) -> None:
    """600 contracts at 2x bind half a BTC; 85 % of the equity may be in use."""
    at = coin()
    at.desk.set_leverage(COIN, 2)
    assert enter(at, side, size=600, stop=FAR[side]).done
    balance = at.until(lambda now: covered(now, COIN))["balances"]["BTC"]
    bound = D(balance["position_initial_margin"])
    assert bound == D("0.5")
    least = (bound / D("0.85")).quantize(SATOSHI, ROUND_CEILING)
    at.transfer(str(least - at.equity()))
    assert at.equity() == least
    sent, asked = len(at.creates()), reads(at)
    at.until(lambda _: reads(at) >= asked + 5, 30)  # two periods of the guard are over
    assert (len(at.creates()), at.size(COIN)) == (sent, SIGN[side] * 600)
    at.transfer(str(-SATOSHI))
    truth = at.until(lambda now: not held(now, COIN) and not now["open_algo_orders"])
    assert [row["reduce_only"] for row in truth["orders"]] == [False, True]
    assert at.desk.snapshot.state is TradingState.ACTIVE


def reads(at: Seat) -> int:
    """How often this desk has asked for its account."""
    return sum(1 for row in at.requests() if row["path"].endswith("/account"))
