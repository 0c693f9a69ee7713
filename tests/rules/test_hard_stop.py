"""The hard stop end to end: where it may stand, to the tick; and that it stands, whatever happens to it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.rules.venue import BTC, ETH, NS_PER_S, SOL, VENUE, Seat, covered, held, live_stops
from tests.rules.witness import longest_naked_s, most_live, uncovered_after_ns

D = Decimal
RAISED = {"size_cap": "10"}  # of 1,000 USDT: 6,000 are permitted, and there is a liquidation price
LIMIT = {BTC: 60_000, ETH: 3_000, SOL: 150}
SIDES = [("buy", 1), ("sell", -1)]


def enter(at: Seat, symbol: str, side: str, **more: Any) -> Any:
    order = at.desk.buy if side == "buy" else at.desk.sell
    return order(symbol, **more)


# Entry of 6,000 USDT at a limit, 1,000 USDT in the wallet, 3 of them the dearer fee. Liquidated where
#   long:  997 + q (p - entry) = r q p   ->  p = (6,000 - 997) / (q (1 - r))
#   short: 997 - q (p - entry) = r q p   ->  p = (6,000 + 997) / (q (1 + r))
# with r = 0.4 % (BTC, ETH) or 0.5 % (SOL). A stop must lie strictly inside p x 1.005, or p x 0.995.
LIQUIDATIONS = [
    (BTC, "buy", "0.1", "50482.1", "50482.0"),  # 5,003 / 0.0996 = 50,230.9237; x 1.005 = 50,482.0783
    (BTC, "sell", "0.1", "69342.7", "69342.8"),  # 6,997 / 0.1004 = 69,691.2351; x 0.995 = 69,342.7789
    (ETH, "buy", "2", "2524.11", "2524.10"),  # 5,003 / 1.992 = 2,511.54618; x 1.005 = 2,524.10392
    (ETH, "sell", "2", "3467.13", "3467.14"),  # 6,997 / 2.008 = 3,484.56175; x 0.995 = 3,467.13894
    (SOL, "buy", "40", "126.34", "126.33"),  # 5,003 / 39.8 = 125.703518; x 1.005 = 126.332035
    (SOL, "sell", "40", "173.18", "173.19"),  # 6,997 / 40.2 = 174.054726; x 0.995 = 173.184453
]


@pytest.mark.parametrize(("symbol", "side", "size", "inside", "outside"), LIQUIDATIONS)
def test_to_the_tick_of_liquidation(
    seat: Callable[..., Seat], symbol: str, side: str, size: str, inside: str, outside: str
) -> None:
    at = seat(balance="1000", risk=RAISED)
    at.desk.set_leverage(symbol, 50)
    refused = enter(at, symbol, side, size=size, limit=LIMIT[symbol], stop=outside).refused
    assert refused is not None
    assert refused.rule == "hard_stop"
    assert at.creates() == []
    assert enter(at, symbol, side, size=size, limit=LIMIT[symbol], stop=inside).done
    at.other("SELL" if side == "buy" else "BUY", symbol, size)
    truth = at.until(lambda now: covered(now, symbol))
    (stop,) = live_stops(truth, symbol)
    liquidation = D(truth["positions"][VENUE[symbol]]["liquidation_price"])  # the exchange's own
    assert D(stop["trigger_price"]) == D(inside)
    if side == "buy":
        assert 0 < liquidation * D("1.005") < D(inside)
    else:
        assert D(inside) < liquidation * D("0.995")


# The other bound: short of the mark and of the entry, by a tick at least. The mark stands at the limit.
WRONG = [
    (BTC, "buy", "59999.9", "60000"),
    (BTC, "sell", "60000.1", "60000"),
    (ETH, "buy", "2999.99", "3000"),
    (ETH, "sell", "3000.01", "3000"),
    (SOL, "buy", "149.99", "150"),
    (SOL, "sell", "150.01", "150"),
]


@pytest.mark.parametrize(("symbol", "side", "inside", "outside"), WRONG)
def test_to_the_tick_of_the_mark(
    seat: Callable[..., Seat], symbol: str, side: str, inside: str, outside: str
) -> None:
    at = seat(balance="10000")
    for stop in (None, outside):
        refused = enter(at, symbol, side, notional=200, limit=LIMIT[symbol], stop=stop).refused
        assert refused is not None
        assert refused.rule == "hard_stop"
    assert at.creates() == []
    assert enter(at, symbol, side, notional=200, limit=LIMIT[symbol], stop=inside).done
    (order,) = at.truth()["open_orders"]
    assert D(order["price"]) == LIMIT[symbol]


# -- after each fill -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "side", "parts", "stop"),
    [
        (BTC, "buy", ("0.030", "0.002", "0.068"), 55_000),
        (BTC, "sell", ("0.030", "0.002", "0.068"), 65_000),
        (ETH, "buy", ("0.5", "1.5"), 2_800),
        (SOL, "sell", ("0.50", "19.50", "20"), 165),
    ],
)
def test_each_part_that_fills_is_covered(
    seat: Callable[..., Seat], symbol: str, side: str, parts: tuple[str, ...], stop: int
) -> None:
    """The second and third part come at once: while the first's stop is on its way, or being replaced."""
    at = seat(balance="1000", risk=RAISED)
    size = sum(map(D, parts))
    assert enter(at, symbol, side, size=size, limit=LIMIT[symbol], stop=stop).done
    for part in parts:
        at.other("SELL" if side == "buy" else "BUY", symbol, part)
    truth = at.until(lambda now: covered(now, symbol) and abs(held(now, symbol)) == size)
    assert len([fill for fill in truth["fills"] if fill["symbol"] == VENUE[symbol]]) >= len(parts)
    waits = uncovered_after_ns(truth, symbol)
    assert len(waits) == len(parts)
    assert max(waits) < 3 * NS_PER_S
    assert most_live(truth, symbol) <= 2
    assert {D(row["trigger_price"]) for row in live_stops(truth, symbol)} == {D(stop)}


# -- whatever happens to it ------------------------------------------------------------------------


def stopped(at: Seat, side: str) -> dict[str, Any]:
    """0.05 ETH under their stop."""
    assert enter(at, ETH, side, size="0.05", stop=2_950 if side == "buy" else 3_050).done
    truth: dict[str, Any] = at.until(lambda now: covered(now, ETH))
    return truth


def answer(code: int, count: int) -> dict[str, Any]:
    return {"status": 400, "code": code, "msg": "no", "count": count, "match": {"role": "stop"}}


@pytest.mark.parametrize(("side", "sign"), SIDES)
@pytest.mark.parametrize(
    ("code", "count", "flat"),
    [
        (-2010, 1, False),  # rejected once: placed again
        (-2010, 0, True),  # rejected for ever: closed
        (-2021, 1, True),  # "would immediately trigger": the price is beyond it
    ],
)
def test_a_stop_that_is_rejected(
    seat: Callable[..., Seat], side: str, sign: int, code: int, count: int, flat: bool
) -> None:
    at = seat()
    at.venue.fault("answer", **answer(code, count))
    enter(at, ETH, side, size="0.05", stop=2_950 if side == "buy" else 3_050)
    truth = at.until(lambda now: now["fills"] and covered(now, ETH) and (not flat or not held(now, ETH)))
    assert held(truth, ETH) == (0 if flat else sign * D("0.05"))
    assert longest_naked_s(truth, ETH) <= 5


@pytest.mark.parametrize(("side", "sign"), SIDES)
@pytest.mark.parametrize("how", ["cancelled", "expired"])
def test_a_stop_that_somebody_else_takes_away(
    seat: Callable[..., Seat], side: str, sign: int, how: str
) -> None:
    at = seat()
    (old,) = live_stops(stopped(at, side), ETH)
    if how == "cancelled":
        at.second.signed("DELETE", "/fapi/v1/algoOrder", algoId=old["algo_id"])
    else:
        at.venue.post("expire_algos", {"account": at.name, "symbol": "ETHUSDT"})
    truth = at.until(lambda now: covered(now, ETH))
    (new,) = live_stops(truth, ETH)
    assert new["algo_id"] != old["algo_id"]
    assert D(new["trigger_price"]) == D(old["trigger_price"])
    assert held(truth, ETH) == sign * D("0.05")
    assert longest_naked_s(truth, ETH) <= 5


@pytest.mark.parametrize(("side", "sign"), SIDES)
def test_a_stop_that_is_rejected_when_it_triggers(seat: Callable[..., Seat], side: str, sign: int) -> None:
    """Nobody stands in the book when it triggers; a second later somebody does, and the position is gone."""
    at = seat()
    (stop,) = live_stops(stopped(at, side), ETH)
    at.venue.thin(ETH, 0)
    at.venue.post("mark", {"symbol": "ETHUSDT", "mark": "2949" if side == "buy" else "3051"})
    truth = at.until(lambda now: any(row["status"] == "REJECTED" for row in now["algo_orders"]))
    assert held(truth, ETH) == sign * D("0.05")
    at.venue.thicken(ETH)
    truth = at.until(lambda now: not held(now, ETH))
    (row,) = [row for row in truth["algo_orders"] if row["algo_id"] == stop["algo_id"]]
    assert row["status"] == "REJECTED"
    assert truth["fills"][-1]["ts_ns"] - row["triggered_ns"] <= 5 * NS_PER_S
    assert longest_naked_s(truth, ETH) <= 5
