"""Margin end to end: the check before an entry to the lot and the cent, the guard's unwinding to the cent."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from contractdesk.domain.views import TradingState
from tests.rules.venue import BTC, ETH, SOL, VENUE, Seat, covered, held
from tests.rules.witness import naked_between

D = Decimal
CENT = D("0.01")
LOT = {BTC: D("0.001"), ETH: D("0.001"), SOL: D("0.01")}
LIMIT = {BTC: 60_000, ETH: 3_000, SOL: 150}
STOP = {BTC: (58_000, 62_000), ETH: (2_900, 3_100), SOL: (145, 155)}

# 5x: a fifth of 4,980 USDT is 996 of margin, and the taker's fee 2.49. A limit that can only make pays 0.996.
AT_WHAT_IS_AVAILABLE = [
    (BTC, "buy", "0.083", False, "998.49"),
    (BTC, "sell", "0.083", False, "998.49"),
    (ETH, "buy", "1.660", False, "998.49"),
    (SOL, "sell", "33.20", False, "998.49"),
    (SOL, "buy", "33.20", True, "996.996"),
]


def enter(at: Seat, symbol: str, side: str, size: Decimal | str, **more: Any) -> Any:
    order = at.desk.buy if side == "buy" else at.desk.sell
    return order(symbol, size=size, limit=LIMIT[symbol], stop=STOP[symbol][side == "sell"], **more)


@pytest.mark.parametrize(("symbol", "side", "size", "maker", "available"), AT_WHAT_IS_AVAILABLE)
def test_the_check_to_the_lot(
    seat: Callable[..., Seat], symbol: str, side: str, size: str, maker: bool, available: str
) -> None:
    """The cap is raised, and the guard put away: at 85 % it would refuse what the check lets pass."""
    at = seat(balance=available, risk={"size_cap": "10", "margin_guard": "1"})
    at.desk.set_leverage(symbol, 5)
    refused = enter(at, symbol, side, D(size) + LOT[symbol], post_only=maker).refused
    assert refused is not None
    assert (refused.rule, refused.would_pass) == ("margin", f"size <= {D(size).normalize():f}")
    assert at.creates() == []
    assert enter(at, symbol, side, size, post_only=maker).done
    balance = at.until(lambda now: now["open_orders"])["balances"]["USDT"]
    assert D(balance["open_order_initial_margin"]) == 996
    assert D(balance["available"]) == D(available) - 996
    at.desk.flatten()


@pytest.mark.parametrize(("symbol", "side", "size", "maker", "available"), AT_WHAT_IS_AVAILABLE)
def test_the_check_to_the_cent(
    seat: Callable[..., Seat], symbol: str, side: str, size: str, maker: bool, available: str
) -> None:
    at = seat(balance=str(D(available) - CENT), risk={"size_cap": "10", "margin_guard": "1"})
    at.desk.set_leverage(symbol, 5)
    refused = enter(at, symbol, side, size, post_only=maker).refused
    assert refused is not None
    assert refused.rule == "margin"
    assert at.creates() == []


def test_the_exchange_refuses_what_the_check_refuses(seat: Callable[..., Seat]) -> None:
    """0.084 x 60,000 / 5 = 1,008 of 998.49: the check spares the round trip."""
    at = seat(balance="998.49")
    at.desk.set_leverage(BTC, 5)
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": 60_000}
    with pytest.raises(AssertionError, match="-2019"):
        at.second.signed("POST", "/fapi/v1/order", **order, quantity="0.084")


# -- the guard -------------------------------------------------------------------------------------

# At 50x 600 of SOL, 3,000 of BTC and 6,000 of ETH, the last the other way, bind 12 + 60 + 120; an entry in
# SOL binds 1.25 x 140 / 50 = 3.50 more, or sold at 160: 4.
HELD = {SOL: D(4), BTC: D("0.05"), ETH: D(-2)}
STOPS = {1: {SOL: 120, BTC: 50_000, ETH: 3_300}, -1: {SOL: 180, BTC: 70_000, ETH: 2_700}}
ENTRY = {1: 140, -1: 160}
BOUND = {1: D("195.5"), -1: D(196)}
LIMIT_OF_GUARD = D("0.85")


def loaded(seat: Callable[..., Seat], sign: int = 1) -> Seat:
    """Three positions under their stops and an entry; only the guard is to act: the breaker is put away."""
    at = seat(balance="1000", risk={"size_cap": "10", "breaker_drop": "1"})
    for symbol, size in HELD.items():
        at.desk.set_leverage(symbol, 50)
        order = at.desk.buy if size * sign > 0 else at.desk.sell
        assert order(symbol, size=abs(size), stop=STOPS[sign][symbol]).done
    order = at.desk.buy if sign > 0 else at.desk.sell
    assert order(SOL, size="1.25", limit=ENTRY[sign], stop=STOPS[sign][SOL]).done
    truth = at.until(lambda now: now["open_orders"] and all(covered(now, symbol) for symbol in HELD))
    assert initial_margin(truth) == BOUND[sign]
    return at


def initial_margin(truth: dict[str, Any]) -> Decimal:
    balance = truth["balances"]["USDT"]
    return D(balance["position_initial_margin"]) + D(balance["open_order_initial_margin"])


def leave(at: Seat, equity: str) -> int:
    """Withdraw what is above it; when, by the exchange."""
    at.transfer(str(D(equity) - at.equity()))
    truth = at.truth()
    assert D(truth["balances"]["USDT"]["margin_balance"]) == D(equity)
    when: int = truth["ledger"][-1]["ts_ns"]
    return when


def reads(at: Seat) -> int:
    """How often this desk has asked for its account."""
    return sum(1 for row in at.requests() if row["path"].endswith("/account"))


def closings(truth: dict[str, Any], since_ns: int) -> list[dict[str, Any]]:
    return [row for row in truth["orders"] if row["reduce_only"] and row["created_ns"] >= since_ns]


# In use may be 85 %: 195.50 of 230 are, to the cent. They are 192 once the entry is gone, 180 without SOL,
# 120 without BTC; closing costs a little. No more can be withdrawn than is not in use.
UNWOUND = [
    (1, "229.99", []),  # 195.5 / 229.99 = 85.004 %; 192 / 229.99 = 83.5 %
    (1, "220.00", [SOL]),  # 192 / 220 = 87.3 %; 180 / 219.3 = 82.1 %
    (1, "196.00", [SOL, BTC]),  # 180 / 195.3 = 92.2 %; 120 / 193.7 = 62.0 %
    (-1, "196.01", [SOL, BTC]),
]


def judge(at: Seat, truth: dict[str, Any], since_ns: int, closed: list[str], sign: int = 1) -> None:
    """The entry first, then the smallest, each after the one before; the others keep size and stop."""
    (entry,) = [row for row in truth["orders"] if D(row["price"]) == ENTRY[sign]]
    assert entry["status"] == "CANCELED"
    made = closings(truth, since_ns)
    assert [row["symbol"] for row in made] == [VENUE[symbol] for symbol in closed]
    ends = [entry["closed_ns"], *(row["closed_ns"] for row in made)]
    begins = [row["created_ns"] for row in made]
    assert all(end <= begin for end, begin in zip(ends, begins, strict=False))
    for symbol, size in HELD.items():
        assert held(truth, symbol) == (0 if symbol in closed else size * sign)
        assert covered(truth, symbol)
        assert naked_between(truth, symbol) == []
    assert initial_margin(truth) <= LIMIT_OF_GUARD * D(truth["balances"]["USDT"]["margin_balance"])
    assert at.desk.snapshot.state is TradingState.ACTIVE


@pytest.mark.parametrize(("sign", "equity", "closed"), UNWOUND)
def test_the_guard_unwinds_the_smallest_first(
    seat: Callable[..., Seat], sign: int, equity: str, closed: list[str]
) -> None:
    at = loaded(seat, sign)
    since_ns = leave(at, equity)
    truth = at.until(
        lambda now: (
            not now["open_orders"]
            and initial_margin(now) <= LIMIT_OF_GUARD * D(now["balances"]["USDT"]["margin_balance"])
            and all(covered(now, symbol) for symbol in HELD)
        )
    )
    asked = reads(at)
    at.until(lambda _: reads(at) >= asked + 2)  # it looks once more, and goes no further
    judge(at, at.truth(), since_ns, closed, sign)
    first = min(row["closed_ns"] for row in truth["orders"] if row["status"] == "CANCELED")
    assert first - since_ns < 5_000_000_000


def test_at_the_limit_to_the_cent_nothing_happens(seat: Callable[..., Seat]) -> None:
    """195.50 of 230.00 are 85 %; five reads of the account later two periods of the guard are over."""
    at = loaded(seat)
    sent = len(at.creates())
    leave(at, "230.00")
    asked = reads(at)
    truth = at.until(lambda _: reads(at) >= asked + 5, 30)
    assert len(truth["open_orders"]) == 1
    assert len(at.creates()) == sent
    assert {symbol: held(truth, symbol) for symbol in HELD} == HELD


def test_the_guard_when_the_market_moves(seat: Callable[..., Seat]) -> None:
    """ETH rises by 200: the short loses 400 of 593, and binds 8 more: 203.50 of 193."""
    at = loaded(seat)
    since_ns = leave(at, "593.00")
    at.venue.move(ETHUSDT="3200")
    at.until(lambda now: not held(now, BTC) and not now["open_orders"] and covered(now, BTC))
    asked = reads(at)
    at.until(lambda _: reads(at) >= asked + 2)
    truth = at.truth()
    judge(at, truth, since_ns, [SOL, BTC])
    assert D(truth["positions"]["ETHUSDT"]["initial_margin"]) == 128  # 2 x 3,200 / 50 of what is left
