"""A desk whose account was taken over, and what its guardian has done meanwhile."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.domain.commands import CancelOrder, PlaceStop, ReduceOrder, SubmitOrder
from contractdesk.domain.events import VenueOrder
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.lease_events import LeaseBegun, LeaseLost
from contractdesk.domain.orders import OrderRole, OrderStatus, OrderType, Side
from contractdesk.engine import client_ids
from tests.engine.bench import SYMBOL, Bench, D, enter

EPOCH = 2  # the guardian's


def guardians_stop(size: str = "0.02", price: str = "29000", bot: str = "b0t0") -> VenueOrder:
    return VenueOrder(
        client_id=client_ids.make(bot, EPOCH, 1, OrderRole.STOP),
        venue_id="g",
        symbol=SYMBOL,
        side=Side.SELL,
        type=OrderType.STOP_MARKET,
        status=OrderStatus.WORKING,
        size=D(size),
        filled=ZERO,
        price=None,
        trigger_price=D(price),
        reduce_only=True,
    )


def bare() -> Bench:
    """0.02 are held, to be stopped at 29,000, and no stop has got through; then the lease is lost."""
    bench = Bench()
    entry = bench.enter("0.02", "29000").approved.request.client_id
    bench.accept(entry)
    bench.fill(entry, "0.02")
    bench.feed(LeaseLost(ts_ns=bench.now_ns, reason="its guardian has the account"))
    bench.reject(bench.last(PlaceStop).client_id, unheard=True)
    bench.sent.clear()
    return bench


def regain(bench: Bench, *orders: VenueOrder) -> None:
    bench.feed(LeaseBegun(ts_ns=bench.now_ns, epoch=EPOCH + 1, done="a stop was placed"))
    bench.picture(0, D("0.02"), orders=orders)
    bench.advance(0.5)  # a stop that did not get through waits a moment


def test_nothing_is_judged_and_nothing_entered_until_it_is_reconciled() -> None:
    bench = bare()
    bench.advance(8)  # longer than any deadline of a stop
    assert not bench.all(PlaceStop)
    assert not bench.all(ReduceOrder)
    bench.alive()
    bench.ask(enter("0.01"))
    assert not bench.all(SubmitOrder)
    regain(bench)
    assert [stop.size for stop in bench.all(PlaceStop)] == [D("0.02")]


def test_an_ordinary_picture_meanwhile_does_not_count_as_reconciled() -> None:
    bench = bare()
    desk = bench.engine._desk
    bench.advance(31)
    assert desk.state_read is not None
    bench.picture(desk.state_read.request_id, D("0.02"))
    assert not desk.private_stream_ready
    assert not bench.all(PlaceStop)


def test_what_is_sent_then_bears_the_new_epoch() -> None:
    bench = bare()
    regain(bench)
    parsed = client_ids.parse(bench.last(PlaceStop).client_id)
    assert parsed is not None
    assert parsed.epoch == EPOCH + 1


def test_the_guardians_stop_is_its_own_and_no_second_one_is_placed() -> None:
    bench = bare()
    stop = guardians_stop()
    regain(bench, stop)
    bench.advance(5)
    assert not bench.all(PlaceStop)
    assert not bench.all(CancelOrder)
    assert bench.market.guarded == D("0.02")
    assert bench.tracked(stop.client_id).order.status is OrderStatus.WORKING


def test_a_tighter_one_is_kept_as_it_is_for_a_stop_never_loosens() -> None:
    bench = bare()
    regain(bench, guardians_stop(price="29500"))
    bench.advance(5)
    assert not bench.all(PlaceStop)
    assert bench.market.guard.stop_price == D(29_500)


def test_one_that_does_not_cover_all_is_replaced_the_new_one_first() -> None:
    bench = bare()
    stop = guardians_stop(size="0.01")
    regain(bench, stop)
    (new,) = bench.all(PlaceStop)
    assert new.size == D("0.02")
    assert not bench.all(CancelOrder)
    bench.accept(new.client_id)
    assert [cancel.client_id for cancel in bench.all(CancelOrder)] == [stop.client_id]


@pytest.mark.parametrize(
    "stranger",
    [
        guardians_stop(bot="zzzz"),
        replace(guardians_stop(), reduce_only=False),
        replace(guardians_stop(), side=Side.BUY),
    ],
)
def test_what_only_looks_like_it_is_not_taken_up(stranger: VenueOrder) -> None:
    bench = bare()
    regain(bench, stranger)
    assert len(bench.all(PlaceStop)) == 1
    assert stranger.client_id not in bench.engine._desk.orders_by_id


def test_the_fill_of_a_close_by_the_guardian_is_booked_as_ours() -> None:
    bench = bare()
    close = client_ids.make("b0t0", EPOCH, 2, OrderRole.FLATTEN)
    bench.feed(LeaseBegun(ts_ns=bench.now_ns, epoch=EPOCH + 1, done="it was closed"))
    bench.now_ns += 1
    bench.picture(0, ZERO, fills=(bench.make_fill(close, "-0.02", "29900"),))
    assert (bench.market.position.size, bench.market.external_size) == (ZERO, ZERO)
    bench.advance(5)
    assert not bench.all(PlaceStop)
