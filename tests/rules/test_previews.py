"""What is said beforehand, beside what the exchange then shows: sizes, gauges, the account under stress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

import contractdesk as cd
from contractdesk.domain.instrument import cash
from contractdesk.domain.intents import Gauge
from contractdesk.domain.views import TradingState
from tests.rules.venue import BTC, ETH, SOL, VENUE, Seat, covered, held, live_stops

D = Decimal
STOP = {BTC: (59_000, 61_000), ETH: (2_950, 3_050), SOL: (147, 153)}


def enter(at: Seat, symbol: str, side: str, **more: Any) -> Any:
    return (at.desk.buy if side == "buy" else at.desk.sell)(symbol, **more)


# -- sizes -----------------------------------------------------------------------------------------

# Of 10,000 USDT at 5x. The cap: 300, at the worst price of a market order (see test_size_cap). The risk: to
# lose 10 at most between a fill at the collar and the stop, and both fees. The margin: half a percent less
# than the balance is free once 9,950 of it are withdrawn.
BINDING: list[tuple[str, str, str, dict[str, Any], dict[str, Any], str, str]] = [
    ("10000", BTC, "sell", {}, {}, "size_cap", "0.005"),
    ("10000", ETH, "buy", {}, {}, "size_cap", "0.099"),  # 300 / (3,000.10 x 1.005) = 0.09949
    ("10000", SOL, "sell", {}, {}, "size_cap", "2"),
    ("10000", ETH, "sell", {"notional": 150}, {}, "requested", "0.05"),
    # a lot of 0.01 SOL at 150 to 147 loses 0.03 and 0.05 % of 297 x 0.01, 0.001485: 0.031485; 5 of it: 158
    ("10000", SOL, "buy", {"risk": "0.0005", "limit": 150}, {}, "risk", "1.58"),
    # 0.2 + 0.0005 of 3,000 a contract, of 60: 0.0997
    ("60", ETH, "sell", {"risk": 1, "limit": 3_000, "stop": 3_001}, {"size_cap": "10"}, "margin", "0.099"),
]


@pytest.mark.parametrize(("equity", "symbol", "side", "wish", "risk", "binding", "size"), BINDING)
def test_a_size_names_the_limit_that_binds_and_is_what_is_then_filled(
    seat: Callable[..., Seat],
    equity: str, symbol: str, side: str, wish: dict[str, Any], risk: dict[str, str], binding: str, size: str,
) -> None:  # fmt: skip
    at = seat(balance=equity, risk={"margin_guard": "1"} | risk)
    at.desk.set_leverage(symbol, 5)
    wish = {"stop": STOP[symbol][side == "sell"]} | wish
    shown = cd.size(at.desk, symbol, side=side, **wish)
    assert (shown.binding, shown.size, shown.refusal) == (binding, D(size), "")
    assert binding in repr(shown)
    assert at.creates() == []
    wish.pop("risk", None)
    wish.pop("notional", None)
    assert enter(at, symbol, side, size=shown.size, **wish).done
    truth = at.truth()
    (order,) = [row for row in truth["orders"] if not row["reduce_only"]]
    assert (order["side"], D(order["quantity"])) == (side.upper(), shown.size)
    balance = truth["balances"]["USDT"]
    bound = D(balance["position_initial_margin"]) + D(balance["open_order_initial_margin"])
    paid = -sum(D(row["amount"]) for row in truth["ledger"] if row["kind"] == "COMMISSION")
    assert bound <= shown.initial_margin
    assert paid <= shown.fee
    if "limit" in wish:  # its price is known: to the last digit, and none is paid yet
        assert bound == shown.initial_margin
        at.desk.flatten()
    else:
        assert bound > shown.initial_margin * D("0.99")


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_size_foretells_the_liquidation_price_of_the_exchange(seat: Callable[..., Seat], side: str) -> None:
    """By hand at the mark, met by somebody else: a maker's fill at exactly the price that was assumed."""
    at = seat(balance="1000", risk={"size_cap": "10"})
    stop = 2_700 if side == "buy" else 3_300
    shown = cd.size(at.desk, ETH, side=side, stop=stop, notional=5_400, limit=3_000)
    assert (shown.size, shown.initial_margin, shown.fee) == (D("1.8"), D(270), D("2.7"))
    assert shown.loss_at_stop == D("1.8") * 300 + D("2.7") + D("1.8") * stop * D("0.0005")
    assert enter(at, ETH, side, size=shown.size, stop=stop, limit=3_000).done
    at.other("SELL" if side == "buy" else "BUY", ETH, "1.8")
    truth = at.until(lambda now: covered(now, ETH) and held(now, ETH))
    found = D(truth["positions"]["ETHUSDT"]["liquidation_price"])
    assert shown.liquidation_price is not None
    # it made where it might have taken: 0.03 % of 5,400 are left, spread over 1.8 contracts and the bracket
    spared = 5_400 * D("0.0003") / (D("1.8") * (1 - D("0.004") * (1 if side == "buy" else -1)))
    assert abs(abs(found - shown.liquidation_price) - spared) < D("0.00001")


def test_against_what_is_held_the_verdict_is_said_first(seat: Callable[..., Seat]) -> None:
    at = seat()
    assert at.desk.buy(ETH, size="0.05", stop=2_950).done
    shown = cd.size(at.desk, ETH, side="sell", stop=3_050)
    assert repr(shown).startswith("sell ETH/USDT:USDT: would be refused by hard_stop: position of 0.05")
    sent = len(at.creates())
    refused = at.desk.sell(ETH, size=shown.size, stop=3_050).refused
    assert refused is not None
    assert f"{refused.rule}: {refused.found}" in shown.refusal
    assert refused.would_pass == "close_position() first"
    assert len(at.creates()) == sent
    assert at.desk.close_position(ETH).done
    assert at.desk.sell(ETH, size=shown.size, stop=3_050).done


# -- gauges and stress -----------------------------------------------------------------------------

# At 50x 600 of SOL, 3,000 of BTC and 6,000 of ETH bind 12 + 60 + 120; three entries in SOL some 3.50 each.
HELD = {SOL: D(4), BTC: D("0.05"), ETH: D(-2)}
STOPS = {SOL: 120, BTC: 50_000, ETH: 3_300}
RESTING = ("140", "139", "138")


def loaded(seat: Callable[..., Seat], sign: int, **risk: str) -> Seat:
    """Three positions under their stops, and three entries far from the market, of some 1,000 USDT."""
    at = seat(balance="1000", risk={"size_cap": "10"} | risk)
    for symbol, size in HELD.items():
        at.desk.set_leverage(symbol, 50)
        side = "buy" if size * sign > 0 else "sell"
        assert enter(at, symbol, side, size=abs(size), stop=mirrored(symbol, STOPS[symbol], sign)).done
    for price in RESTING:
        limit, stop = mirrored(SOL, price, sign), mirrored(SOL, 120, sign)
        assert enter(at, SOL, "buy" if sign > 0 else "sell", size="1.25", limit=limit, stop=stop).done
    at.until(lambda now: len(now["open_orders"]) == 3 and all(covered(now, symbol) for symbol in HELD))
    at.desk.wait_for(lambda s: sum(order.status.open for order in s.orders) == 6, 10)
    return at


def mirrored(symbol: str, price: object, sign: int) -> Decimal:
    """The price, or for a short the one as far on the other side of the opening."""
    opening = {SOL: 150, BTC: 60_000, ETH: 3_000}[symbol]
    return opening + sign * (D(str(price)) - opening)


def gauge(at: Seat, rule: str) -> Gauge:
    at.desk.account_state()
    return next(row for row in at.desk.snapshot.risk if row.rule == rule)


def gone(at: Seat, sign: int) -> str:
    side = "buy" if sign > 0 else "sell"
    first, second, third = (f"{side} 1.25 {SOL} at {mirrored(SOL, price, sign)}" for price in RESTING)
    return f"3 entries cancelled ({first}, {second} and {third})"


@pytest.mark.parametrize("sign", [1, -1])
def test_what_the_guards_gauge_says_is_what_the_guard_does(seat: Callable[..., Seat], sign: int) -> None:
    at = loaded(seat, sign, breaker_drop="1")
    said = gauge(at, "margin_guard").then
    closed = f"{SOL}, {BTC} and {ETH} closed one by one, until it is below; stops stay till then"
    assert said == f"{gone(at, sign)}, then {closed}"
    assert said in set(at.desk.risk.df["then"])
    kept = {row["client_id"] for row in at.truth()["open_orders"]}
    at.transfer(str(D("218") - at.equity()))  # 192 of 218 once the entries are gone: 88 %; 180 without SOL
    truth = at.until(lambda now: not held(now, SOL) and not now["open_orders"] and covered(now, SOL))
    assert {row["client_id"] for row in truth["orders"] if row["status"] == "CANCELED"} == kept
    assert {symbol: held(truth, symbol) for symbol in (BTC, ETH)} == {
        symbol: sign * HELD[symbol] for symbol in (BTC, ETH)
    }


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("on_trip", "left"), [("halt", "left under their stops"), ("flatten", "closed")])
def test_what_the_breakers_gauge_says_is_what_the_breaker_does(
    seat: Callable[..., Seat], sign: int, on_trip: str, left: str
) -> None:
    at = loaded(seat, sign, on_trip=on_trip)
    said = gauge(at, "breaker").then
    assert said == f"HALTED, {gone(at, sign)}, {SOL}, {BTC} and {ETH} {left}"
    stops = {symbol: live_stops(at.truth(), symbol) for symbol in HELD}
    at.venue.move(ETHUSDT=3_000 + sign * 60)  # the other way: 120 of some 990
    at.desk.wait_for(lambda s: s.state is TradingState.HALTED, 10)
    if on_trip == "halt":
        truth = at.until(lambda now: not now["open_orders"])
        assert {symbol: held(truth, symbol) for symbol in HELD} == {s: sign * HELD[s] for s in HELD}
        assert {symbol: live_stops(truth, symbol) for symbol in HELD} == stops
    else:
        truth = at.until(lambda now: not any(held(now, symbol) for symbol in HELD))
        truth = at.until(lambda now: not now["open_orders"] and not now["open_algo_orders"])


SHOCKS: list[tuple[int, dict[str, str], set[str]]] = [
    (1, {ETH: "0.02"}, {"breaker"}),  # ETH 3,060: 120 of some 990
    (1, {ETH: "0.01", SOL: "-0.02"}, set()),  # 60 + 12
    (1, {BTC: "-0.02", ETH: "0.005"}, {"breaker"}),  # 60 + 30
    (-1, {ETH: "-0.02"}, {"breaker"}),
    (-1, {SOL: "0.05"}, set()),  # 30
]


@pytest.mark.parametrize(("sign", "moves", "firing"), SHOCKS)
def test_stress_foretells_what_the_exchange_shows_after_the_move(
    seat: Callable[..., Seat], sign: int, moves: Mapping[str, str], firing: set[str]
) -> None:
    at = loaded(seat, sign)
    before = at.truth()
    foretold = at.desk.stress(price=moves)
    stress = foretold.stress
    assert set(foretold.fires) == firing
    assert stress.equity_before == D(before["balances"]["USDT"]["margin_balance"])
    for symbol, share in moves.items():
        mark = D(before["marks"][VENUE[symbol]]["mark_price"]) * (1 + D(share))
        at.venue.move(**{VENUE[symbol]: mark})
    truth = at.truth()
    balance = truth["balances"]["USDT"]
    assert stress.equity == D(balance["margin_balance"])
    assert stress.maintenance_margin == D(balance["maintenance_margin"])
    for row in stress.positions:
        theirs = truth["positions"][VENUE[row.symbol]]
        assert (row.liquidation_price or 0) == D(theirs["liquidation_price"])
        assert row.shocked == D(theirs["mark_price"])
    if firing:
        at.desk.wait_for(lambda s: s.state is TradingState.HALTED, 10)
        return
    bound = D(balance["position_initial_margin"]) + D(balance["open_order_initial_margin"])
    assert stress.initial_margin == bound
    assert stress.margin_ratio == cash(Fraction(bound) / Fraction(stress.equity))
    assert at.desk.snapshot.state is TradingState.ACTIVE
