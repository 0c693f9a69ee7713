"""The venue of a recorded session: it hears marks, and knows the book that was shown."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.domain.events import OrderExpired, OrderFilled, OrderRejected
from contractdesk.domain.fills import Liquidity
from contractdesk.domain.orders import OrderStatus, OrderType, Side, TimeInForce
from contractdesk.replay.depth import quoted
from contractdesk.replay.models import FixedSlippage, QueueAhead, TouchFill, TradeThrough
from contractdesk.replay.standing import Kept, Standing
from tests.domain.terms import LINEAR
from tests.replay.venue import BUY, SELL, D, Venue

LAST = 600_000
ASKS = [(10_010, 5), (10_012, 5), (10_020, 100)]
BIDS = [(10_000, 5), (9_998, 5), (9_990, 100)]
GTC, GTX, IOC, FOK = TimeInForce.GTC, TimeInForce.GTX, TimeInForce.IOC, TimeInForce.FOK


def broken(*, on_marks: bool = True) -> Venue:
    """1 BTC long with 3,000 USDT, and 4,000 of them lost by a trade."""
    other = replace(LINEAR, symbol="ETH/USDT:USDT")
    venue = Venue(LINEAR, other, balance="3000", leverage="50", on_marks=on_marks, slippage=FixedSlippage(0))
    venue.trade(LAST)
    venue.enter(BUY, 1000)
    venue.trade(LAST)
    venue.stop(SELL, 1000, 550_000)
    venue.trade(560_000)
    return venue


def test_a_broke_account_is_closed_at_the_next_mark_of_any_contract() -> None:
    for place in (0, 1):
        venue = broken()
        if place:
            venue.trade(30_000, place=1)
        assert venue.lots == 1000
        venue.mark(560_000 if not place else 30_000, place)
        assert venue.lots == 0
        assert venue.all(OrderFilled)[-1].fill.client_id.startswith("autoclose-")
        venue.enter(BUY, 1)
        assert venue.all(OrderRejected)[-1].message == "Margin is insufficient."


def test_funding_may_be_the_end() -> None:
    venue = broken()
    venue.matching.on_funding(0, D("0.0001"), venue.now_ns)
    assert venue.lots == 0


def test_where_no_marks_are_told_only_a_trade_ends_it() -> None:
    """The law of the horizon run: at marks and settlements nothing happens that it does not see coming."""
    venue = broken(on_marks=False)
    held = venue.lots
    venue.mark(560_000)
    venue.matching.on_funding(0, D("0.0001"), venue.now_ns)
    assert venue.lots == held


# -- the book ------------------------------------------------------------------------------------


def shown(last: int) -> Venue:
    """10,000 bid, 10,010 asked, and a last trade anywhere."""

    def quote(_place: int, side: Side, lots: int, limit: int) -> tuple[int, int] | None:
        buy = side is BUY
        return quoted(ASKS if buy else BIDS, lots, buy=buy, limit=limit)

    venue = Venue(quote=quote, on_marks=True)
    venue.trade(last)
    return venue


@pytest.mark.parametrize(("side", "ticks", "last"), [(BUY, 10_001, 10_000), (SELL, 10_009, 10_010)])
def test_what_lies_within_the_spread_takes_nothing(side: Side, ticks: int, last: int) -> None:
    for tif in (GTX, GTC):
        venue = shown(last)
        venue.enter(side, 5, ticks, tif)
        assert not venue.all(OrderRejected)
        assert not venue.fills
        assert [order.price for order in venue.matching.state(0, 0).orders] == [D(ticks) / 10]


@pytest.mark.parametrize(("side", "ticks", "last"), [(BUY, 10_010, 10_020), (SELL, 10_000, 9_990)])
def test_what_reaches_the_other_side_takes_whatever_was_traded_last(
    side: Side, ticks: int, last: int
) -> None:
    venue = shown(last)
    venue.enter(side, 5, ticks, GTX)
    assert venue.all(OrderRejected)[-1].would_take
    venue.enter(side, 5, ticks)
    assert venue.fills == [(5 * side.sign, ticks)]


def test_a_taking_limit_takes_the_levels_within_it_and_what_is_left_rests() -> None:
    venue = shown(10_010)
    venue.enter(BUY, 50, 10_012)
    assert venue.fills == [(10, 10_011)]
    (rest,) = venue.matching.state(0, 0).orders
    assert (rest.price, rest.filled, rest.status) == (D("1001.2"), D("0.01"), OrderStatus.PARTIALLY_FILLED)
    venue.trade(10_011, 1)
    assert venue.fills[1:] == [(40, 10_012)]
    assert [event.fill.liquidity for event in venue.all(OrderFilled)] == [Liquidity.TAKER, Liquidity.MAKER]


@pytest.mark.parametrize(("tif", "fills"), [(IOC, [(10, 10_011)]), (FOK, [])])
def test_what_may_not_rest_ends_there(tif: TimeInForce, fills: list[tuple[int, int]]) -> None:
    venue = shown(10_010)
    venue.enter(BUY, 50, 10_012, tif)
    assert venue.fills == fills
    assert len(venue.all(OrderExpired)) == 1
    assert not venue.matching.state(0, 0).orders
    venue.enter(BUY, 10, 10_012, FOK)
    assert venue.fills[len(fills) :] == [(10, 10_011)]


def test_a_reducing_limit_takes_no_more_than_is_held() -> None:
    venue = shown(10_010)
    venue.enter(BUY, 4)
    venue.reduce(SELL, 9, 9_998)
    assert (venue.lots, len(venue.all(OrderExpired))) == (0, 1)
    assert not venue.matching.state(0, 0).orders


def test_where_the_book_does_not_hold_a_market_order_the_next_trade_fills_it() -> None:
    venue = shown(10_010)
    venue.enter(BUY, 500)
    assert not venue.fills
    venue.trade(10_011)
    assert [lots for lots, _ in venue.fills] == [500]


# -- what rested before --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("queue", "filled"), [(TradeThrough(), 0), (TouchFill(), 5), (QueueAhead(8), 2), (QueueAhead(20), 0)]
)
def test_an_order_that_rested_before_stands_in_the_queue_like_a_new_one(queue: object, filled: int) -> None:
    adopted, fresh = Venue(queue=queue), Venue(queue=queue)
    adopted.trade(10_000)
    fresh.trade(10_000)
    order = Standing(
        client_id="kept", venue_id="9", place=0, side=BUY, type=OrderType.LIMIT, lots=5, left=5, ticks=9_990
    )
    adopted.matching.adopt(order, Kept.LIMIT)
    fresh.enter(BUY, 5, 9_990)
    for venue in (adopted, fresh):
        venue.trade(9_990, 10)
        assert sum(lots for lots, _ in venue.fills) == filled
