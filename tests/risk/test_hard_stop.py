"""No entry without a stop that can hold: on its side, clear of liquidation, also where an order reverses."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.domain.intents import AtrStop, FixedStop, Intent, IntentKind
from contractdesk.domain.orders import Side
from contractdesk.risk.settings import RiskSettings
from tests.domain.terms import LINEAR
from tests.risk.desks import (
    D,
    approved,
    enter,
    inverse_desk,
    linear_desk,
    only,
    order,
    refused,
    review,
)

BUY, SELL = Side.BUY, Side.SELL
RAISED = RiskSettings(size_cap=D(10))


def test_no_entry_without_a_stop() -> None:
    desk = linear_desk()
    word = refused(desk, Intent(kind=IntentKind.ENTER, symbol=LINEAR.symbol))
    assert (word.rule, word.found) == ("hard_stop", "no stop")
    desk.atr_value = None
    by_atr = Intent(kind=IntentKind.ENTER, symbol=LINEAR.symbol, stop=AtrStop())
    assert refused(desk, by_atr).found == "ATR unknown"


def test_a_stop_by_atr_is_measured_from_the_entry_and_rounded_away_from_it() -> None:
    desk = linear_desk()
    desk.atr_value = D("400.33")
    long = Intent(kind=IntentKind.ENTER, symbol=LINEAR.symbol, stop=AtrStop())
    assert approved(desk, long).stop_price == D("58999.2")  # 60,000.1 - 1,000.825 = 58,999.275
    short = Intent(kind=IntentKind.ENTER, symbol=LINEAR.symbol, side=SELL, stop=AtrStop())
    assert approved(desk, short).stop_price == D("61000.8")  # 59,999.9 + 1,000.825 = 61,000.725


@pytest.mark.parametrize(
    ("side", "limit", "stop", "passes"),
    [
        (BUY, None, "59999.9", True),  # below the mark at 60,000
        (BUY, None, "60000", False),
        (BUY, "50000", "49999.9", True),  # below the entry
        (BUY, "50000", "50000", False),
        (SELL, None, "60000.1", True),
        (SELL, None, "60000", False),
        (SELL, "70000", "70000.1", True),
        (SELL, "70000", "70000", False),
    ],
)
def test_the_stop_lies_beyond_mark_and_entry(
    side: Side, limit: str | None, stop: str, *, passes: bool
) -> None:
    desk = linear_desk()
    assert review(desk, enter(desk, side, limit=limit, stop=stop))[1]["hard_stop"].passed is passes


def test_the_stop_stays_clear_of_liquidation_after_the_worst_fill() -> None:
    # long 1 @ 60,000 with 6,000 less 24 fees: 5976 + p - 60000 = p x 0.005 - 50 -> 54,245.2261;
    # x 1.005 = 54,516.4523
    desk = linear_desk("6000")
    inside = enter(desk, size="1", limit="60000", stop="54516.5")
    assert review(desk, inside, RAISED)[1]["hard_stop"].passed
    word = review(desk, enter(desk, size="1", limit="60000", stop="54516.4"), RAISED)[1]["hard_stop"]
    assert not word.passed
    assert word.limit.startswith("54516.45")
    assert word.would_pass == f"a stop with {word.limit}"


def test_the_mirrored_stop_of_a_short() -> None:
    # 5976 + 60000 - p = p x 0.005 - 50 -> 65,697.5124; x 0.995 = 65,369.0248
    desk = linear_desk("6000")
    inside = enter(desk, SELL, size="1", limit="60000", stop="65369.0")
    assert review(desk, inside, RAISED)[1]["hard_stop"].passed
    outside = enter(desk, SELL, size="1", limit="60000", stop="65369.1")
    assert not review(desk, outside, RAISED)[1]["hard_stop"].passed


def test_other_entries_of_the_side_bring_liquidation_nearer() -> None:
    desk = linear_desk("6000")
    intent = enter(desk, size="0.5", limit="60000", stop="54516.5")
    assert review(desk, intent, RAISED)[1]["hard_stop"].passed
    desk.working = [order(LINEAR, BUY, "0.6", "60000")]
    assert not review(desk, intent, RAISED)[1]["hard_stop"].passed


def test_where_no_stop_can_hold_a_smaller_size_is_advised() -> None:
    desk = linear_desk("300")
    word = review(desk, enter(desk, size="1", limit="60000", stop="59999"), RAISED)[1]["hard_stop"]
    assert word.would_pass == "a smaller size: liquidation is too near"


def test_an_entry_against_the_position_is_refused() -> None:
    desk = linear_desk()
    only(desk).hold("-0.001", "60000")
    word = refused(desk, enter(desk, size="0.001", limit="60000"))
    assert word.rule == "hard_stop"
    assert word.would_pass.startswith("exit_position() first, or reverse=True")


def test_an_order_that_reverses_closes_and_opens() -> None:
    # 300 USDT are permitted. All of the order counts: the short's stop may close it first.
    desk = linear_desk()
    only(desk).hold("-0.001", "60000")
    largest = replace(enter(desk, size="0.004", limit="60000"), reverse=True)
    assert approved(desk, largest).request.size == D("0.005")
    beyond = refused(desk, replace(enter(desk, size="0.005", limit="60000"), reverse=True))
    assert (beyond.rule, beyond.found.split(" of")[0]) == ("size_cap", "3.60 %")


def test_an_order_that_would_only_reduce_does_not_reverse() -> None:
    desk = linear_desk()
    only(desk).hold("-0.006", "60000")
    word = refused(desk, replace(enter(desk, limit="60000"), reverse=True))  # the cap's share: 0.005
    assert (word.rule, word.found) == ("hard_stop", "position of -0.006 in the other direction")


def test_what_is_not_ours_is_not_reversed() -> None:
    desk = linear_desk()
    only(desk).external_size = D("-0.001")
    word = refused(desk, replace(enter(desk, size="0.004", limit="60000"), reverse=True))
    assert (word.rule, word.would_pass) == ("hard_stop", "close that position first, or adopt it")
    only(desk).hold("-0.001", "60000")
    assert refused(desk, replace(enter(desk, size="0.004", limit="60000"), reverse=True)).rule == "hard_stop"


def test_a_short_beside_what_others_hold_is_not_bought_without_reverse() -> None:
    desk = linear_desk()
    only(desk).hold("-0.001", "60000")
    only(desk).external_size = D("0.003")
    assert refused(desk, enter(desk, size="0.001", limit="60000")).rule == "hard_stop"


def test_a_working_order_that_reverses_closes_for_the_next_one_too() -> None:
    desk = linear_desk()
    only(desk).hold("-0.003", "60000")
    desk.working = [order(LINEAR, BUY, "0.001", "60000")]
    wish = replace(enter(desk, size="0.002", limit="60000"), reverse=True)
    assert approved(desk, wish, RAISED).request.size == D("0.004")


def test_the_whole_of_an_order_that_reverses_stays_clear_of_liquidation() -> None:
    # Its stop may close the short 0.5 first: 1000 lost, 36 of fees, and then long 1.5 @ 60,000:
    # 5964 + 1.5 p - 90,000 = 1.5 p x 0.005 - 50 -> 56,272.0268; x 1.005 = 56,553.3869
    desk = linear_desk("7000")
    only(desk).hold("-0.5", "60000")
    only(desk).stop_price = D(62_000)
    wish = replace(enter(desk, size="1", limit="60000", stop="56553.4"), reverse=True)
    assert review(desk, wish, RAISED)[1]["hard_stop"].passed
    beyond = replace(wish, stop=FixedStop(D("56553.3")))
    assert not review(desk, beyond, RAISED)[1]["hard_stop"].passed


def test_one_stop_must_close_the_whole_of_an_order_that_reverses() -> None:
    desk = linear_desk("10000000")
    only(desk).hold("-100", "60000")
    wish = replace(enter(desk, size="50", limit="60000"), reverse=True)
    word = review(desk, wish, RAISED)[1]["venue_terms"]  # 120 is the most for one order at market
    assert (word.passed, word.found) == (False, "150 contracts in all")


@given(st.integers(1, 40), st.sampled_from(Side), st.booleans(), st.integers(-300, 300))
def test_an_approved_stop_is_hit_before_liquidation(lots: int, side: Side, coin: bool, offset: int) -> None:
    desk = inverse_desk() if coin else linear_desk("2000")
    item = only(desk)
    size = str(item.instrument.from_lots(lots * (30 if coin else 1)))
    mark = item.mark or D(0)
    stop = str(mark * (1000 + offset) / 1000)
    word = review(desk, enter(desk, side, size=size, stop=stop), RAISED)[1]["hard_stop"]
    assert desk.account is not None
    if word.passed:
        low, high = (D(stop), mark) if side is BUY else (mark, D(stop))
        assert low < high
        touch = D("60000.1") if side is BUY else D("59999.9")
        entry = (touch - (0 if not coin else 10_000)) * (1 + side.sign * D("0.005"))
        pnl = item.instrument.exact_pnl(
            side.sign * D(size), item.instrument.cost(side.sign * D(size), entry), D(stop)
        )
        notional = abs(item.instrument.cost(D(size), D(stop)))
        maintenance = item.instrument.maintenance_margin(Decimal(round(notional * 10**8)).scaleb(-8))
        assert Fraction(desk.account.equity) + pnl > Fraction(maintenance)
