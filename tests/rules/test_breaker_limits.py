"""The breaker at its default end to end, to the tick: -8 % of the equity within 300 s, all contracts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from contractdesk.domain.views import TradingState
from tests.rules.still import HALF_SPREAD, OPENING
from tests.rules.venue import BTC, ETH, SOL, VENUE, Seat, covered, eventually, held, live_stops

D = Decimal
TAKER = D("0.0005")
TICK = {BTC: D("0.1"), ETH: D("0.01"), SOL: D("0.01")}
FAR = {BTC: (55_000, 65_000), ETH: (2_750, 3_250), SOL: (135, 165)}  # stops that nothing here reaches
THOUSAND = D(1_000)


def cost_of_opening(symbol: str, size: Decimal) -> Decimal:
    """Half the spread and the taker's fee, for ``size`` signed contracts."""
    mark, spread = OPENING[VENUE[symbol]], HALF_SPREAD * TICK[symbol]
    fill = mark + spread if size > 0 else mark - spread
    return abs(size) * (spread + fill * TAKER)


def stop_of(symbol: str, size: Decimal) -> int:
    return FAR[symbol][size < 0]


def adopted(seat: Callable[..., Seat], held_there: Mapping[str, Decimal]) -> Seat:
    """Opened by another client of the account, adopted under stops; the equity is 1,000 after it."""
    balance = THOUSAND + sum(cost_of_opening(*each) for each in held_there.items())
    at = seat(balance=str(balance), there=held_there)
    for symbol, size in held_there.items():
        assert at.desk.adopt(symbol, stop=stop_of(symbol, size)).done
    truth = at.until(lambda now: all(covered(now, symbol) for symbol in held_there))
    assert D(truth["balances"]["USDT"]["margin_balance"]) == THOUSAND
    return at


ENTRY = {
    SOL: {"size": "0.1", "limit": 140, "stop": 130},
    ETH: {"size": "0.008", "limit": 2_600, "stop": 2_500},
}


def rest(at: Seat) -> Any:
    """An entry of 14 or 21 USDT far from the market, in a contract that is not held; its receipt."""
    symbol = ETH if held(at.truth(), SOL) else SOL
    return at.desk.buy(symbol, **ENTRY[symbol])


def seen(at: Seat, marks: Mapping[str, Decimal]) -> None:
    """The desk has these marks, and one more of each that the exchange printed after them."""
    at.desk.wait_for(lambda s: all(s.symbols[symbol].mark == mark for symbol, mark in marks.items()), 10)
    printed = at.truth()["marks"]
    at.until(lambda now: all(now["marks"][VENUE[s]]["ts_ns"] > printed[VENUE[s]]["ts_ns"] for s in marks))
    handled = at.desk.snapshot.events_handled
    at.desk.wait_for(lambda s: s.events_handled > handled + 2 * len(marks), 10)


def standing(at: Seat, kept: list[Any]) -> dict[str, Any]:
    """Nothing has happened: it trades, its entry rests, its stops are the same."""
    truth = at.truth()
    assert at.desk.snapshot.state is TradingState.ACTIVE
    assert len(truth["open_orders"]) == 1
    assert truth["open_algo_orders"] == kept
    return truth


def tripped(at: Seat, kept: list[Any], sizes: Mapping[str, Decimal]) -> None:
    """HALTED: at the exchange the entry is cancelled, the same stops and positions stand."""
    truth = at.until(lambda now: not now["open_orders"])
    assert at.desk.wait_for(lambda s: s.state is TradingState.HALTED, 5)
    assert "breaker" in at.desk.snapshot.state_reason
    assert truth["open_algo_orders"] == kept
    assert {symbol: held(truth, symbol) for symbol in sizes} == sizes
    assert truth["orders"][-1]["status"] == "CANCELED"
    sent = len(at.creates())
    refused = rest(at).refused
    assert refused is not None
    assert refused.rule == "breaker"
    assert len(at.creates()) == sent


# 8 % of 1,000 are 80 USDT; the last tick before it leaves the loss a cent short (SOL: 40 cents).
ADOPTED = [
    ({BTC: "0.1"}, [(BTC, "59200.1")], (BTC, "59200.0")),  # 0.1 x 799.9 = 79.99; 0.1 x 800 = 80
    ({BTC: "-0.1"}, [(BTC, "60799.9")], (BTC, "60800.0")),
    ({ETH: "1"}, [(ETH, "2920.01")], (ETH, "2920.00")),  # 1 x 79.99; 1 x 80
    ({ETH: "-1"}, [(ETH, "3079.99")], (ETH, "3080.00")),
    ({SOL: "40"}, [(SOL, "148.01")], (SOL, "148.00")),  # 40 x 1.99 = 79.60; 40 x 2 = 80
    # both lose: 0.05 x 800 = 40, and 39.99 or 40
    ({BTC: "0.05", ETH: "-1"}, [(BTC, "59200.0"), (ETH, "3039.99")], (ETH, "3040.00")),
    # one gains: -60, then -60 + 20, then -99.99 + 20 or -100 + 20
    ({BTC: "0.1", ETH: "-1"}, [(BTC, "59400.0"), (ETH, "2980.00"), (BTC, "59000.1")], (BTC, "59000.0")),
]


@pytest.mark.parametrize(("sizes", "inside", "outside"), ADOPTED)
def test_through_adopted_positions(
    seat: Callable[..., Seat], sizes: dict[str, str], inside: list[tuple[str, str]], outside: tuple[str, str]
) -> None:
    signed = {symbol: D(size) for symbol, size in sizes.items()}
    at = adopted(seat, signed)
    assert rest(at).done
    kept = at.truth()["open_algo_orders"]
    for symbol, price in inside:
        at.venue.move(**{VENUE[symbol]: price})
        seen(at, {symbol: D(price)})
    assert D("79.5") < THOUSAND - at.equity() < 80
    standing(at, kept)
    at.venue.move(**{VENUE[outside[0]]: outside[1]})
    tripped(at, kept, signed)


# By our own entry, the fee and the spread are losses, too, and E before it counts, 1,000:
#   long:  0.1 x (60,001.0 - p) + 3.00005 >= 80  ->  p <= 59,231.0005
#   short: 0.1 x (p - 59,999.0) + 2.99995 >= 80  ->  p >= 60,769.0005, on its tick 60,769.1
RAISED = [("buy", "59231.1", "59231.0"), ("sell", "60769.0", "60769.1")]


@pytest.mark.parametrize(("side", "inside", "outside"), RAISED)
def test_through_a_raised_cap(seat: Callable[..., Seat], side: str, inside: str, outside: str) -> None:
    at = seat(balance="1000", risk={"size_cap": "10"})
    at.desk.book(BTC)
    size = D("0.1") if side == "buy" else D("-0.1")
    order = at.desk.buy if side == "buy" else at.desk.sell
    assert order(BTC, size=abs(size), stop=stop_of(BTC, size)).done
    assert rest(at).done
    kept = at.until(lambda now: covered(now, BTC))["open_algo_orders"]
    at.venue.move(BTCUSDT=inside)
    seen(at, {BTC: D(inside)})
    assert D("79.9") < THOUSAND - at.equity() < 80
    standing(at, kept)
    at.venue.move(BTCUSDT=outside)
    tripped(at, kept, {BTC: size})


@pytest.mark.parametrize(("size", "mark"), [("0.05", "58000"), ("-0.05", "62000")])
def test_one_bad_tick_trips_nothing(seat: Callable[..., Seat], size: str, mark: str) -> None:
    """3.3 % off its index, and 10 % of the equity if it were true; the same move of the market trips."""
    at = adopted(seat, {BTC: D(size)})
    assert rest(at).done
    kept = at.truth()["open_algo_orders"]
    at.venue.silence(BTC)
    at.venue.post("mark", {"symbol": "BTCUSDT", "mark": mark})
    assert at.equity() == 900
    at.desk.wait_for(lambda s: s.symbols[BTC].mark == D(mark), 5)
    at.venue.silence(BTC, silent=False)
    eventually(lambda: at.venue.mark("BTCUSDT"), lambda now: now == 60_000)
    seen(at, {BTC: D(60_000)})
    standing(at, kept)
    at.venue.move(BTCUSDT=mark)
    tripped(at, kept, {BTC: D(size)})
    assert [D(stop["trigger_price"]) for stop in live_stops(at.truth(), BTC)] == [stop_of(BTC, D(size))]


@pytest.mark.parametrize(("size", "mark"), [("0.05", "58000"), ("-0.05", "62000")])
def test_what_is_not_heard_trips_nothing_but_stops_entries(
    seat: Callable[..., Seat], size: str, mark: str
) -> None:
    """The stream of the marks is cut and refused while 10 % are lost: it trips when it is heard again."""
    at = adopted(seat, {BTC: D(size)})
    assert rest(at).done
    kept = at.truth()["open_algo_orders"]
    at.venue.fault("refuse", path="market", seconds=60)
    at.venue.fault("cut", path="market")
    at.desk.wait_for(lambda s: not s.symbols[BTC].ready, 10)
    at.venue.move(BTCUSDT=mark)
    assert at.equity() == 900
    at.desk.wait_for(lambda s: "freshness_mark" in {row.rule for row in s.risk if not row.passed}, 20)
    standing(at, kept)
    assert {"freshness_symbol", "freshness_mark"} <= set(at.desk.why_not(BTC).column("rule"))
    sent = len(at.creates())
    assert "not sent" in rest(at).summary
    assert len(at.creates()) == sent
    at.venue.forgive()
    tripped(at, kept, {BTC: D(size)})
