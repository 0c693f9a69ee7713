"""The venue of a replay, with the arithmetic beside it: ticks of 0.10 and lots of 0.001 BTC."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.domain.events import (
    AmendFailed,
    CancelFailed,
    FundingPaid,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    StopTriggered,
    WalletChanged,
)
from contractdesk.domain.fills import Liquidity
from contractdesk.domain.orders import OrderType, Side, TimeInForce
from contractdesk.replay.models import FixedSlippage, QueueAhead, TouchFill, TradeThrough
from tests.domain.terms import INVERSE, LINEAR
from tests.replay.venue import BUY, SELL, D, Venue

TAKE_PROFIT = OrderType.TAKE_PROFIT_MARKET
LAST = 600_000  # ticks: 60,000.00 USDT


def traded(*terms: object, **models: object) -> Venue:
    venue = Venue(*terms, **models)  # type: ignore[arg-type]
    venue.trade(LAST)
    return venue


# -- taking --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "price"), [(BUY, LAST + 13), (SELL, LAST + 7)])
def test_a_market_order_meets_the_next_trade_and_pays_the_slippage(side: Side, price: int) -> None:
    venue = traded(slippage=FixedSlippage(3))
    venue.enter(side, 5)
    assert venue.fills == []  # the trade before it is not its own
    venue.trade(LAST + 10)
    assert venue.fills == [(5 * side.sign, price)]


def test_a_limit_that_takes_is_never_filled_beyond_its_price() -> None:
    venue = traded(slippage=FixedSlippage(3))
    venue.enter(BUY, 5, LAST + 4)  # the ask that is shown is 3 ticks away: within
    venue.trade(LAST + 2)
    assert venue.fills == [(5, LAST + 4)]  # 2 + 3 = 5 would be a tick too much
    assert venue.all(OrderFilled)[0].fill.liquidity is Liquidity.TAKER


def test_no_price_is_below_one_tick() -> None:
    venue = traded(slippage=FixedSlippage(3))
    venue.enter(BUY, 5)
    venue.trade(LAST)
    venue.reduce(SELL, 5)
    venue.trade(2)
    assert venue.fills[1] == (-5, 1)


@pytest.mark.parametrize("tif", [TimeInForce.IOC, TimeInForce.FOK])
def test_what_must_be_filled_at_once_and_cannot_expires(tif: TimeInForce) -> None:
    venue = traded()
    venue.enter(BUY, 5, LAST, tif)  # the ask is at LAST + 1
    venue.trade(LAST - 10)
    assert venue.fills == []
    assert [event.reason for event in venue.all(OrderExpired)] == ["nobody was there"]
    venue.enter(BUY, 5, LAST - 9, tif)
    venue.trade(LAST - 10)
    assert venue.fills == [(5, LAST - 9)]


@pytest.mark.parametrize(("ticks", "rejected"), [(LAST + 1, True), (LAST, False)])
def test_post_only_does_not_take(ticks: int, rejected: bool) -> None:
    venue = traded()
    venue.enter(BUY, 5, ticks, TimeInForce.GTX)
    assert [event.would_take for event in venue.all(OrderRejected)] == [True] * rejected
    venue.trade(ticks - 1)
    assert venue.fills == ([] if rejected else [(5, ticks)])


# -- resting -------------------------------------------------------------------------------------


def test_trading_through_fills_and_touching_does_not() -> None:
    venue = traded(queue=TradeThrough())
    venue.enter(BUY, 5, LAST - 10)
    venue.trade(LAST - 10, 1000)
    assert venue.fills == []
    venue.trade(LAST - 11)
    assert venue.fills == [(5, LAST - 10)]
    assert venue.all(OrderFilled)[0].fill.liquidity is Liquidity.MAKER


def test_touching_fills_as_much_as_was_traded() -> None:
    venue = traded(queue=TouchFill())
    venue.enter(SELL, 5, LAST + 10)
    venue.trade(LAST + 10, 2)
    venue.trade(LAST + 9, 100)
    venue.trade(LAST + 10, 2)
    venue.trade(LAST + 10, 2)  # one lot is left
    assert venue.fills == [(-2, LAST + 10), (-2, LAST + 10), (-1, LAST + 10)]


def test_the_queue_ahead_is_used_up_first() -> None:
    venue = traded(queue=QueueAhead(7))
    venue.enter(BUY, 5, LAST - 10)
    venue.trade(LAST - 10, 4)  # 3 are ahead
    venue.trade(LAST - 10, 5)  # 3 for them, 2 for us
    assert venue.fills == [(2, LAST - 10)]
    venue.trade(LAST - 11, 1)  # beyond: all of the rest
    assert venue.fills == [(2, LAST - 10), (3, LAST - 10)]


def test_bounds_are_where_a_trade_changes_something() -> None:
    venue = traded()
    venue.enter(BUY, 5, LAST - 10)
    venue.enter(SELL, 5, LAST + 20)
    assert venue.matching.bounds(0) == (LAST - 10, LAST + 20)
    venue.enter(BUY, 1)
    low, high = venue.matching.bounds(0)
    assert low > high  # any trade fills it


def test_margin_is_held_while_an_order_rests() -> None:
    venue = traded(leverage="10")
    name = venue.enter(BUY, 100, LAST - 10)
    assert venue.books.resting == D("599.99")  # 0.1 BTC x 59,999.0 / 10
    venue.cancel(name)
    assert venue.books.resting == 0
    assert len(venue.all(OrderCancelled)) == 1
    venue.cancel(name)
    assert len(venue.all(CancelFailed)) == 1


def test_what_has_been_filled_holds_margin_as_a_position_only() -> None:
    venue = traded(queue=TouchFill())
    venue.enter(BUY, 100, LAST - 10)
    venue.trade(LAST - 10, 40)
    assert venue.books.resting == D("359.994")  # 0.06 BTC x 59,999.0 / 10
    assert venue.books.initial() == D("599.99")  # and 0.04 of it as the position's
    venue.trade(LAST - 11)
    assert venue.books.resting == 0


# -- stops ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "before"),
    [
        (SELL, OrderType.STOP_MARKET, LAST - 50, LAST - 49),
        (BUY, OrderType.STOP_MARKET, LAST + 50, LAST + 49),
        (SELL, TAKE_PROFIT, LAST + 50, LAST + 49),
        (BUY, TAKE_PROFIT, LAST - 50, LAST - 49),
    ],
)
def test_a_conditional_order_triggers_at_its_price(
    side: Side, kind: OrderType, trigger: int, before: int
) -> None:
    venue = traded(slippage=FixedSlippage(2))
    venue.enter(side.opposite, 5)
    venue.trade(LAST)
    venue.stop(side, 5, trigger, kind)
    venue.trade(before)
    assert venue.all(StopTriggered) == []
    venue.trade(trigger)
    assert len(venue.all(StopTriggered)) == 1
    assert venue.fills[1:] == [(5 * side.sign, trigger + 2 * side.sign)]


def test_a_stop_beyond_the_last_trade_is_rejected_and_an_amend_to_there_keeps_the_old_one() -> None:
    venue = traded()
    venue.enter(BUY, 5)
    venue.trade(LAST)
    venue.stop(SELL, 5, LAST)
    assert [event.would_trigger for event in venue.all(OrderRejected)] == [True]
    name = venue.stop(SELL, 5, LAST - 50)
    venue.amend(name, SELL, 5, LAST)
    assert len(venue.all(AmendFailed)) == 1
    venue.amend(name, SELL, 3, LAST - 20)
    venue.trade(LAST - 20)
    assert venue.fills[1:] == [(-3, LAST - 21)]


def test_a_stop_closes_what_is_left_and_then_nothing() -> None:
    venue = traded()
    venue.enter(BUY, 5)
    venue.trade(LAST)
    venue.stop(SELL, 5, LAST - 50)
    venue.stop(SELL, 5, LAST - 60)
    venue.reduce(SELL, 2)
    venue.trade(LAST)
    venue.trade(LAST - 70)
    assert [lots for lots, _ in venue.fills] == [5, -2, -3]
    assert [event.reason for event in venue.all(OrderExpired)] == ["nothing is left to reduce"] * 2
    assert venue.lots == 0


def test_what_only_reduces_is_rejected_where_nothing_is_held() -> None:
    venue = traded()
    venue.reduce(SELL, 2)
    assert [event.code for event in venue.all(OrderRejected)] == [-2022]


# -- money ---------------------------------------------------------------------------------------


def test_an_entry_beyond_the_margin_is_rejected() -> None:
    venue = traded(balance="600", leverage="10")  # 6,000 USDT: 0.1 BTC
    venue.enter(BUY, 101)
    assert [event.code for event in venue.all(OrderRejected)] == [-2019]
    venue.enter(BUY, 100)
    venue.trade(LAST)
    assert venue.lots == 100


def test_a_reversal_needs_margin_for_what_it_opens_only() -> None:
    """All of 600 USDT is in use: closing sets free what opening as much again takes."""
    venue = traded(balance="600", leverage="10", slippage=FixedSlippage(0))
    venue.enter(BUY, 100)
    venue.trade(LAST)
    venue.enter(SELL, 201)
    assert len(venue.all(OrderRejected)) == 1
    venue.enter(SELL, 200)
    venue.trade(LAST)
    assert venue.lots == -100


@pytest.mark.parametrize(
    ("maker", "taker", "paid"),
    [(None, None, ("24.00004", "12.002")), (0.001, -0.0001, ("-6.00001", "60.01"))],
)
def test_fees_are_the_contracts_or_those_that_are_given(
    maker: float | None, taker: float | None, paid: tuple[str, str]
) -> None:
    """1 BTC is bought at 60,000.1 for 0.04 % (-0.01 %), and sold, resting, at 60,010 for 0.02 % (0.1 %)."""
    venue = traded(maker_fee=maker, taker_fee=taker, slippage=FixedSlippage(1))
    venue.enter(BUY, 1000)
    venue.trade(LAST)
    venue.reduce(SELL, 1000, LAST + 100)
    venue.trade(LAST + 101)
    assert [event.fill.fee for event in venue.all(OrderFilled)] == [D(fee) for fee in paid]
    assert venue.books.wallet == D(100_000) + D("9.9") - sum(D(fee) for fee in paid)
    assert venue.all(WalletChanged)[-1].wallet_balance == venue.books.wallet


def test_longs_pay_funding_where_it_is_positive() -> None:
    venue = traded(slippage=FixedSlippage(0))
    venue.enter(BUY, 1000)
    venue.trade(LAST)
    venue.matching.on_funding(0, D("0.0001"), venue.now_ns)
    assert [event.amount for event in venue.all(FundingPaid)] == [D(-6)]  # 1 x 60,000 x 0.0001
    assert venue.books.wallet == D(99_994)


def test_shorts_of_an_inverse_contract_receive_coins() -> None:
    venue = traded(INVERSE, balance="10", slippage=FixedSlippage(0))
    venue.enter(SELL, 600)
    venue.trade(LAST)
    venue.matching.on_funding(0, D("0.0001"), venue.now_ns)
    assert [event.amount for event in venue.all(FundingPaid)] == [
        D("0.0001")
    ]  # 600 x 100 USD / 60,000 = 1 BTC
    venue.matching.on_funding(0, D(0), venue.now_ns)
    assert len(venue.all(FundingPaid)) == 1


# -- the end -------------------------------------------------------------------------------------


def test_the_account_is_closed_when_only_the_maintenance_margin_is_left() -> None:
    """1 BTC with 3,000 USDT; 0.5 % less 50 must be left: of 57,300 it is 236.50, of 57,235 236.18.

    At 57,300 there are 300, and at 57,235 only 235.
    """
    venue = traded(balance="3000", leverage="50", slippage=FixedSlippage(0))
    venue.enter(BUY, 1000)
    venue.enter(BUY, 10, 500_000)
    venue.trade(LAST)
    venue.stop(SELL, 1000, 572_000)
    venue.trade(573_000)
    assert venue.lots == 1000
    low, _ = venue.matching.bounds(0)
    assert low >= 572_360, "a trade that may be the last one has to be looked at"
    venue.trade(572_350)
    assert venue.lots == 0
    assert venue.all(OrderFilled)[-1].fill.client_id.startswith("autoclose-")
    assert [event.reason for event in venue.all(OrderExpired)] == ["liquidation"] * 2
    assert venue.books.wallet == D(235)


def test_a_broke_account_is_closed_by_any_contracts_trade() -> None:
    """And not only when the contract that has broken it trades again."""
    other = replace(LINEAR, symbol="ETH/USDT:USDT")
    venue = Venue(LINEAR, other, balance="3000", leverage="50", slippage=FixedSlippage(60_000))
    venue.trade(LAST)
    venue.trade(30_000, place=1)
    venue.enter(BUY, 1000)
    venue.trade(LAST)  # at 66,000: 6,000 are lost at once
    assert venue.lots == 1000
    low, high = venue.matching.bounds(1)
    assert low > high
    venue.trade(30_000, place=1)
    assert venue.lots == 0


def test_funding_moves_the_bounds_of_all_that_is_held() -> None:
    other = replace(LINEAR, symbol="ETH/USDT:USDT")
    venue = Venue(LINEAR, other, balance="3000", leverage="50", slippage=FixedSlippage(0))
    venue.trade(LAST)
    venue.trade(30_000, place=1)
    venue.enter(BUY, 500)
    venue.enter(BUY, 500, place=1)
    venue.trade(LAST)
    venue.trade(30_000, place=1)
    before = venue.matching.bounds(1)
    venue.matching.on_funding(0, D("0.02"), venue.now_ns)  # 600 of 3,000
    low, high = venue.matching.bounds(1)
    assert before[0] < low < 30_000 < high < before[1]
