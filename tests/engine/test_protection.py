"""The stop: placed, grown, moved, lost, rejected, triggered; or else the position is closed."""

from __future__ import annotations

import pytest

from contractdesk.domain.commands import CancelOrder, PlaceStop, ReduceOrder
from contractdesk.domain.events import FlattenAsked, OrderExpired, OrderRejected, StopTriggered
from contractdesk.domain.intents import FixedStop, IntentKind
from contractdesk.domain.orders import OrderRole, OrderStatus, OrderType, Side
from contractdesk.domain.views import TradingState
from tests.engine.bench import MARK, NS_PER_S, SYMBOL, Bench, D, wish


def filled(bench: Bench, size: str = "0.02", **more: object) -> PlaceStop:
    """A filled entry, and the stop that was sent for it."""
    entry = bench.enter(size, **more).approved.request.client_id
    bench.accept(entry)
    bench.fill(entry, size)
    return bench.last(PlaceStop)


def flattened(bench: Bench) -> ReduceOrder:
    order = bench.last(ReduceOrder)
    assert order.role is OrderRole.FLATTEN
    return order


def test_an_unanswered_stop_is_followed_by_a_flattening_at_three_seconds() -> None:
    bench = Bench()
    filled(bench)
    assert not [c for c in bench.advance(2.9) if isinstance(c, ReduceOrder)]
    closing = [c for c in bench.advance(0.15) if isinstance(c, ReduceOrder)]
    assert [(order.size, order.side) for order in closing] == [(D("0.02"), Side.SELL)]
    assert "flattening" in bench.codes


def test_a_rejected_stop_is_tried_once_more_and_then_the_position_closed() -> None:
    bench = Bench()
    first = filled(bench)
    bench.reject(first.client_id)
    second = bench.last(PlaceStop)
    assert second.client_id != first.client_id
    bench.reject(second.client_id)
    assert flattened(bench).size == D("0.02")


def test_a_stop_that_would_trigger_at_once_closes_at_once() -> None:
    bench = Bench()
    stop = filled(bench)
    bench.reject(stop.client_id, would_trigger=True)
    assert flattened(bench).size == D("0.02")
    assert len(bench.all(PlaceStop)) == 1


def test_a_price_beyond_the_stop_closes_without_trying() -> None:
    bench = Bench()
    entry = bench.enter("0.02", "29000").approved.request.client_id
    bench.accept(entry)
    bench.now_ns += 1
    bench.mark(D(28_999))
    bench.fill(entry, "0.02")
    assert not bench.all(PlaceStop)
    assert flattened(bench)


def test_rejected_at_its_trigger_closes_at_once() -> None:
    bench = Bench()
    stop = bench.open()
    bench.feed(
        OrderRejected(
            ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL, code=-2019, message="margin", at_trigger=True
        )
    )
    assert flattened(bench).size == D("0.02")


def test_a_lost_stop_gets_a_second_and_the_extra_one_goes() -> None:
    bench = Bench()
    first = filled(bench)
    bench.lose(first.client_id)
    second = bench.last(PlaceStop)
    assert second.client_id != first.client_id
    bench.lose(second.client_id)
    assert len(bench.all(PlaceStop)) == 2  # never a third
    bench.accept(second.client_id)
    assert bench.market.guarded == D("0.02")
    bench.accept(first.client_id)  # it was there after all
    assert bench.last(CancelOrder).client_id == first.client_id


def test_a_stop_taken_away_is_replaced_and_the_third_time_the_position_goes() -> None:
    bench = Bench()
    stop = bench.open()
    for _ in range(2):
        bench.cancelled(stop)
        replaced = bench.last(PlaceStop)
        assert replaced.client_id != stop
        stop = replaced.client_id
        bench.accept(stop)
    bench.cancelled(stop)
    assert flattened(bench)
    assert bench.engine.view.state is TradingState.HALTED
    assert bench.codes.count("stop_lost") == 3


def test_a_triggered_stop_that_closes_all_is_the_end() -> None:
    bench = Bench()
    stop = bench.open()
    bench.feed(StopTriggered(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL, child_venue_id="c1"))
    assert bench.market.guarded == D("0.02")
    bench.fill(stop, "-0.02", "28990")
    assert bench.market.position.flat
    assert not bench.market.open_ids
    assert not bench.all(ReduceOrder)


def test_fills_of_the_child_are_the_stops() -> None:
    bench = Bench()
    stop = bench.open()
    bench.feed(StopTriggered(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL, child_venue_id="c1"))
    made = bench.make_fill("something-else", "-0.02", venue_order_id="c1")
    bench.engine._executions.apply(made)
    assert bench.tracked(stop).order.status is OrderStatus.FILLED


def test_a_triggered_stop_that_leaves_a_rest_is_followed_by_a_flattening() -> None:
    bench = Bench()
    stop = bench.open()
    bench.feed(StopTriggered(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL, child_venue_id="c1"))
    bench.fill(stop, "-0.005", "28990")
    bench.feed(OrderExpired(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL))
    assert flattened(bench).size == D("0.015")


def test_a_triggered_stop_without_any_fill_waits_two_seconds() -> None:
    bench = Bench()
    stop = bench.open()
    bench.feed(StopTriggered(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL, child_venue_id="c1"))
    assert not [c for c in bench.advance(1.9) if isinstance(c, ReduceOrder)]
    assert [c for c in bench.advance(0.2) if isinstance(c, ReduceOrder)]


def test_adding_takes_the_tighter_of_two_stops() -> None:
    bench = Bench()
    first = bench.open("0.02", "29000")
    entry = bench.enter("0.01", "28000").approved.request.client_id
    bench.fill(entry, "0.01")
    grown = bench.last(PlaceStop)
    assert (grown.size, grown.trigger_price) == (D("0.03"), D(29_000))
    bench.accept(grown.client_id)
    assert bench.last(CancelOrder).client_id == first


def test_moving_a_stop_places_the_new_one_first() -> None:
    bench = Bench()
    old = bench.open("0.02", "29000")
    bench.ask(wish(IntentKind.MOVE_STOP, stop=FixedStop(price=D("29500.04"))))
    moved = bench.last(PlaceStop)
    assert moved.trigger_price == D("29500.10")  # a long's stop is rounded towards the market
    assert not bench.all(CancelOrder)
    assert bench.market.guarded == D("0.02")
    bench.accept(moved.client_id)
    assert bench.last(CancelOrder).client_id == old
    assert bench.market.stop_price == D("29500.10")


@pytest.mark.parametrize("price", ["30000", "31000", "NaN", "-1"])
def test_a_stop_on_the_wrong_side_is_refused(price: str) -> None:
    bench = Bench()
    bench.open()
    bench.ask(wish(IntentKind.MOVE_STOP, stop=FixedStop(price=D(price))))
    assert len(bench.all(PlaceStop)) == 1
    assert bench.engine.snapshot().refusals[-1].rule in ("hard_stop", "intent")


def test_a_partial_close_resizes_the_stop_when_it_is_done() -> None:
    bench = Bench()
    old = bench.open("0.02")
    bench.ask(wish(IntentKind.EXIT, size=D("0.005")))
    closing = bench.last(ReduceOrder)
    assert closing.size == D("0.005")
    bench.accept(closing.client_id)
    assert len(bench.all(PlaceStop)) == 1  # not while it is under way
    bench.fill(closing.client_id, "-0.005")
    resized = bench.last(PlaceStop)
    assert resized.size == D("0.015")
    bench.accept(resized.client_id)
    assert bench.last(CancelOrder).client_id == old


def test_a_take_profit_stands_beside_the_stop_and_goes_with_the_position() -> None:
    bench = Bench()
    stop = filled(bench, take_profit=D(31_000))
    assert len(bench.all(PlaceStop)) == 1  # the stop first
    bench.accept(stop.client_id)
    profit = bench.last(PlaceStop)
    assert (profit.type, profit.trigger_price) == (OrderType.TAKE_PROFIT_MARKET, D(31_000))
    bench.accept(profit.client_id)
    bench.feed(
        StopTriggered(ts_ns=bench.now_ns, client_id=profit.client_id, symbol=SYMBOL, child_venue_id="c")
    )
    bench.fill(profit.client_id, "-0.02", "31000")
    assert bench.market.position.flat
    assert bench.last(CancelOrder).client_id == stop.client_id


def test_a_large_position_is_closed_in_chunks() -> None:
    bench = Bench()
    bench.open()
    market = bench.market
    market.instrument = type(market.instrument)(
        **{name: getattr(market.instrument, name) for name in market.instrument.__struct_fields__}
        | {"max_market_size": D("0.008")}
    )
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester"))
    assert [order.size for order in bench.now(ReduceOrder)] == [D("0.008"), D("0.008"), D("0.004")]


def test_a_failed_flattening_is_repeated_with_backoff_and_alarms() -> None:
    bench = Bench()
    bench.open()
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester"))
    for _ in range(6):
        order = bench.last(ReduceOrder)
        bench.reject(order.client_id)
        assert not bench.now(ReduceOrder)
        later = [c for c in bench.advance(10) if isinstance(c, ReduceOrder)]
        assert [c.size for c in later] == [D("0.02")]
    assert bench.codes.count("flatten_failed") == 6
    bench.accept(bench.last(ReduceOrder).client_id)
    bench.fill(bench.last(ReduceOrder).client_id, "-0.02", str(MARK))
    assert bench.market.position.flat


def test_a_flip_guards_the_other_side_with_the_new_stop() -> None:
    """Two entries of opposite sides were on the wire at once: what is left is short."""
    bench = Bench()
    long_stop = bench.open("0.02", "29000")
    market = bench.market
    entry = bench.enter("0.01", "29000").approved.request.client_id
    tracked = bench.tracked(entry)
    tracked.order = type(tracked.order)(
        request=type(tracked.order.request)(
            client_id=entry,
            symbol=SYMBOL,
            side=Side.SELL,
            type=OrderType.MARKET,
            size=D("0.05"),
            role=OrderRole.ENTRY,
        )
    )
    tracked.stop_price = D(31_000)
    bench.fill(entry, "-0.05")
    assert market.position.size == D("-0.03")
    stop = bench.last(PlaceStop)
    assert (stop.side, stop.size, stop.trigger_price) == (Side.BUY, D("0.03"), D(31_000))
    assert bench.last(CancelOrder).client_id == long_stop


def unheard(bench: Bench, client_id: str) -> None:
    """The answer of a venue that demands silence, or is not reached: nothing about the order itself."""
    event = OrderRejected(
        ts_ns=bench.now_ns, client_id=client_id, symbol=SYMBOL, code=-429, message="429", unheard=True
    )
    bench.feed(event)


def test_a_stop_that_is_not_heard_is_tried_again_until_its_deadline() -> None:
    bench = Bench()
    filled(bench)
    began_ns, tries = bench.now_ns, 0
    while not bench.all(ReduceOrder):
        assert bench.now_ns < began_ns + 3.1 * NS_PER_S
        if bench.all(PlaceStop)[tries:]:
            unheard(bench, bench.all(PlaceStop)[tries].client_id)
            tries += 1
            assert not bench.now(PlaceStop), "it must not spin"
        bench.advance(0.05)
    assert bench.now_ns >= began_ns + 3 * NS_PER_S
    assert 3 <= tries <= 6


def test_a_stop_that_is_heard_at_last_holds() -> None:
    bench = Bench()
    for _ in range(3):
        unheard(
            bench, filled(bench).client_id if not bench.all(PlaceStop) else bench.last(PlaceStop).client_id
        )
        bench.advance(0.8)
    bench.accept(bench.last(PlaceStop).client_id)
    bench.advance(5)
    assert not bench.all(ReduceOrder)
    assert bench.market.guarded == D("0.02")


def test_a_stop_that_cannot_be_moved_stays_and_the_position_with_it() -> None:
    bench = Bench()
    stop = bench.open()
    bench.ask(wish(IntentKind.MOVE_STOP, stop=FixedStop(price=D(29_500))))
    for _ in range(6):
        unheard(bench, bench.last(PlaceStop).client_id)
        bench.advance(5)
    assert not bench.all(ReduceOrder)
    assert bench.tracked(stop).order.status is OrderStatus.WORKING
    bench.advance(10)
    bench.accept(bench.last(PlaceStop).client_id)
    assert bench.market.stop_price == D(29_500)
    assert [c.client_id for c in bench.now(CancelOrder)] == [stop]


def test_a_take_profit_that_triggers_into_nothing_does_not_hold_a_flattening_up() -> None:
    bench = Bench()
    entry = bench.enter("0.02", take_profit=D(31_000)).approved.request.client_id
    bench.accept(entry)
    bench.fill(entry, "0.02")
    stop = bench.last(PlaceStop)
    bench.accept(stop.client_id)
    profit = bench.last(PlaceStop)
    assert profit.type is OrderType.TAKE_PROFIT_MARKET
    bench.accept(profit.client_id)
    bench.feed(
        StopTriggered(ts_ns=bench.now_ns, client_id=profit.client_id, symbol=SYMBOL, child_venue_id="77")
    )
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester"))
    assert not bench.all(ReduceOrder)  # it is about to close all of it
    patience_ends_ns = bench.now_ns + 2 * NS_PER_S
    assert patience_ends_ns in list(bench.engine._protection.deadlines_ns(bench.market))
    bench.advance(2.05)
    assert flattened(bench).size == D("0.02")


def test_a_stop_that_is_being_cancelled_guards_nothing_new() -> None:
    bench = Bench()
    dying = bench.open()
    bench.ask(wish(IntentKind.EXIT))
    closing = bench.last(ReduceOrder).client_id
    bench.accept(closing)
    bench.fill(closing, "-0.02")
    assert bench.tracked(dying).cancelling
    assert filled(bench).client_id != dying
    assert bench.market.guarded == 0
    bench.advance(3.05)  # neither the cancel nor the new stop is answered
    assert flattened(bench).size == D("0.02")


def test_a_resting_exit_does_not_outlive_its_position() -> None:
    """It would close the next one, or what somebody else holds; and no flattening would ever end."""
    bench = Bench()
    stop = bench.open("0.02")
    bench.ask(wish(IntentKind.EXIT, limit=D(31_000)))
    resting = bench.last(ReduceOrder).client_id
    bench.accept(resting)
    bench.fill(stop, "-0.02", "29000")
    assert [command.client_id for command in bench.now(CancelOrder)] == [resting]
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester"))
    assert bench.market.guard.flatten_reason
    bench.cancelled(resting)
    assert not bench.market.guard.flatten_reason
