"""The venue's own filters: sizes, notional, take-profits, and what one stop can close."""

from __future__ import annotations

import pytest

from contractdesk.domain.orders import Side
from contractdesk.risk.settings import RiskSettings
from tests.domain.terms import LINEAR
from tests.risk.desks import D, approved, enter, linear_desk, only, order, refused, review

BUY, SELL = Side.BUY, Side.SELL
RAISED = RiskSettings(size_cap=D(10))


def test_the_venues_terms() -> None:
    desk = linear_desk("100000000")
    assert refused(desk, enter(desk, size="0.0005", limit="60000")).rule == "venue_terms"
    small = refused(desk, enter(desk, size="0.001", limit="10000", stop="9000"))
    assert (small.found, small.limit) == ("10.00 USDT notional", ">= 20.00 USDT")
    assert refused(desk, enter(desk, size="120.001"), RAISED).rule in {"venue_terms", "slippage"}
    assert review(desk, enter(desk, size="120.001"), RAISED)[1]["venue_terms"].limit == "0.001 to 120"
    whole = review(desk, enter(desk, size="120.001", limit="60000"), RAISED)[1]["venue_terms"]
    assert (whole.found, whole.limit) == ("120.001 contracts in all", "<= 120 for one stop")


def test_no_position_grows_beyond_what_one_stop_can_close() -> None:
    """The stop of the whole position is one market order, and the venue limits those."""
    desk = linear_desk("100000000")
    only(desk).hold("60", "60000")
    desk.working = [order(LINEAR, Side.BUY, "50", "59000")]
    assert review(desk, enter(desk, size="10", limit="60000"), RAISED)[1]["venue_terms"].passed
    assert not review(desk, enter(desk, size="10.001", limit="60000"), RAISED)[1]["venue_terms"].passed


@pytest.mark.parametrize(
    ("side", "profit", "passes"),
    [(BUY, "61000", True), (BUY, "59000", False), (SELL, "59000", True), (SELL, "61000", False)],
)
def test_a_take_profit_lies_on_the_winning_side(side: Side, profit: str, *, passes: bool) -> None:
    desk = linear_desk()
    assert review(desk, enter(desk, side, take_profit=profit))[1]["venue_terms"].passed is passes


def test_an_entry_needs_room_for_its_stop_the_one_that_replaces_it_and_a_take_profit() -> None:
    desk = linear_desk()
    desk.conditional_room = 2
    assert approved(desk, enter(desk, limit="60000"))
    refusal = refused(desk, enter(desk, limit="60000", take_profit="66000"))
    assert (refusal.rule, refusal.limit) == ("venue_terms", ">= 3")
    desk.conditional_room = 1
    assert refused(desk, enter(desk, limit="60000")).rule == "venue_terms"
