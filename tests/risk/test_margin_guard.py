"""How much of the equity may be bound, and in which order positions are closed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.domain.orders import OrderStatus, Side
from contractdesk.risk.margin_guard import MarginGuard, notionals, smallest_position
from contractdesk.risk.settings import RiskSettings
from tests.domain.terms import LINEAR
from tests.risk.desks import D, Desk, account, approved, enter, linear_desk, only, order, refused

GUARD = MarginGuard(D("0.85"), D("0.005"))
WIDE = RiskSettings(size_cap=D(10))


def used(initial: str, equity: str = "10000") -> Desk:
    desk = linear_desk(equity)
    assert desk.account is not None
    desk.account = replace(desk.account, initial_margin=D(initial))
    return desk


@pytest.mark.parametrize(
    ("initial", "equity", "exceeded"),
    [
        ("8500", "10000", False),
        ("8500.00000001", "10000", True),
        ("0", "10000", False),
        ("0", "0", False),
        ("0.00000001", "0", True),  # nothing carries it
        ("1", "-5", True),
    ],
)
def test_the_limit_is_exact(initial: str, equity: str, *, exceeded: bool) -> None:
    assert GUARD.exceeded(replace(account(equity), initial_margin=D(initial))) is exceeded


def test_an_entry_may_bring_it_to_the_limit_and_not_beyond() -> None:
    # 0.001 BTC at 60,000 with leverage 10 binds 6 USDT
    assert approved(used("8494"), enter(linear_desk(), size="0.001", limit="60000"), WIDE)
    more = refused(used("8494"), enter(linear_desk(), size="0.003", limit="60000"), WIDE)
    assert more.would_pass == "size <= 0.001"
    word = refused(used("8494.00000001"), enter(linear_desk(), size="0.001", limit="60000"), WIDE)
    assert (word.rule, word.found, word.limit, word.would_pass) == (
        "margin_guard",
        "85.01 % of equity in use",
        "<= 85 % of equity",
        "less margin in use",
    )


def test_what_the_account_has_not_seen_counts() -> None:
    desk = used("8487.976")
    desk.working = [order(LINEAR, Side.BUY, "0.001", "60000", created_ns=desk.now_ns)]  # 6 more, and its fee
    assert approved(desk, enter(desk, size="0.001", limit="60000"), WIDE)
    desk.working = [order(LINEAR, Side.BUY, "0.002", "60000", created_ns=desk.now_ns)]
    assert refused(desk, enter(desk, size="0.001", limit="60000"), WIDE).rule == "margin_guard"


def test_no_entry_while_it_unwinds() -> None:
    desk = linear_desk()
    desk.unwinding = "closing SOL/USDT:USDT"
    word = refused(desk, enter(desk))
    assert (word.rule, word.found) == ("margin_guard", "unwinding: closing SOL/USDT:USDT")


def test_what_it_would_do_is_said() -> None:
    desk = linear_desk()
    assert GUARD.then(desk) == "nothing of ours to cancel; nothing of ours to close"
    only(desk).hold("0.01", "60000")
    assert GUARD.then(desk) == "BTC/USDT:USDT closed; stops stay till then"
    desk.working = [order(LINEAR, Side.BUY, "0.001", price) for price in ("59000", "58000", "57000")]
    named = [f"buy 0.001 BTC/USDT:USDT at {price}" for price in (59000, 58000, 57000)]
    assert GUARD.then(desk) == (
        f"3 entries cancelled ({named[0]}, {named[1]} and {named[2]}), "
        "then BTC/USDT:USDT closed; stops stay till then"
    )
    desk.working += [order(LINEAR, Side.SELL, "0.002", None), order(LINEAR, Side.SELL, "0.003", "61000")]
    assert f"5 entries cancelled ({named[0]}, {named[1]}, {named[2]} and 2 more), then" in GUARD.then(desk)
    desk.working = [order(LINEAR, Side.SELL, "0.002", None, status=OrderStatus.IN_FLIGHT)]
    assert GUARD.then(desk).startswith("1 entry cancelled (sell 0.002 BTC/USDT:USDT at market), then BTC")
    gauge = GUARD.gauge(desk)
    assert gauge is not None
    assert (gauge.found, gauge.left, gauge.passed) == ("0.00 % of equity in use", "85.00 % of equity", True)


def test_the_account_must_be_known() -> None:
    desk = linear_desk()
    desk.account = None
    assert GUARD.gauge(desk) is None
    assert "margin_guard" in {f.rule for f in refused(desk, enter(desk)).findings if not f.passed}


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.decimals("0", "1e6", places=2), max_size=8))
def test_the_smallest_is_closed_first_and_all_in_the_end(held: dict[str, Decimal]) -> None:
    order_closed: list[Decimal] = []
    while symbol := smallest_position(held):
        order_closed.append(held.pop(symbol))
    assert not held
    assert order_closed == sorted(order_closed)


def test_positions_are_valued_at_their_marks() -> None:
    desk = linear_desk()
    only(desk).hold("-0.01", "50000")
    assert notionals(desk) == {LINEAR.symbol: D(600)}
    only(desk).mark = None
    assert notionals(desk) == {LINEAR.symbol: 0}
