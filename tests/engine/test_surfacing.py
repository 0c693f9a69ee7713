"""What the venue shows and we did not believe in: denied orders, orphans, pictures that were overtaken."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.domain.commands import CancelOrder, PlaceStop, ReduceOrder
from contractdesk.domain.events import BookInvalidated, StreamLost, StreamName, StreamRestored, VenueOrder
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.orders import OrderRole, OrderStatus, OrderType, Side
from contractdesk.engine import client_ids
from contractdesk.engine.checkpoint import decode_desk, encode_desk
from contractdesk.engine.engine import Engine
from tests.engine.bench import NS_PER_S, SYMBOL, Bench, D
from tests.engine.test_reconcile import next_picture


def row(bench: Bench, client_id: str) -> VenueOrder:
    request = bench.tracked(client_id).order.request
    return VenueOrder(
        client_id=client_id,
        venue_id="v",
        symbol=SYMBOL,
        side=request.side,
        type=request.type,
        status=OrderStatus.WORKING,
        size=request.size,
        filled=ZERO,
        price=request.price,
        trigger_price=request.trigger_price,
        reduce_only=request.reduce_only,
    )


def orphan_stop(role: OrderRole = OrderRole.STOP) -> VenueOrder:
    return VenueOrder(
        client_id=client_ids.make("b0t0", 0, 9, role),
        venue_id="v",
        symbol=SYMBOL,
        side=Side.SELL,
        type=OrderType.STOP_MARKET,
        status=OrderStatus.WORKING,
        size=D("0.02"),
        filled=ZERO,
        price=None,
        trigger_price=D(29_000),
        reduce_only=True,
    )


def deny(bench: Bench, client_id: str) -> None:
    """The venue says twice that it has no such order."""
    bench.not_found(client_id)
    bench.advance(2.1)
    bench.not_found(client_id)
    assert bench.tracked(client_id).order.status is OrderStatus.EXPIRED


def cancelled(bench: Bench) -> list[str]:
    return [command.client_id for command in bench.all(CancelOrder)]


def test_a_denied_entry_that_is_shown_again_is_cancelled() -> None:
    bench = Bench()
    entry = bench.enter("0.02", limit=D(29_900)).approved.request.client_id
    bench.accept(entry)
    deny(bench, entry)
    next_picture(bench, "0", orders=(row(bench, entry),))
    assert cancelled(bench) == [entry]
    assert bench.tracked(entry).order.status.open  # and counts under the cap until it is gone


def test_a_denied_stop_that_is_shown_again_is_one_of_two_and_goes() -> None:
    bench = Bench()
    stop = bench.open()
    deny(bench, stop)
    second = bench.last(PlaceStop).client_id
    assert second != stop
    bench.accept(second)
    next_picture(bench, "0.02", orders=(row(bench, stop), row(bench, second)))
    assert len(cancelled(bench)) == 1
    assert cancelled(bench)[0] in (stop, second)


def test_a_late_acceptance_does_not_wake_an_order_that_the_venue_has_ended() -> None:
    bench = Bench()
    entry = bench.enter("0.02", limit=D(29_900)).approved.request.client_id
    bench.cancelled(entry)
    bench.accept(entry)
    assert bench.tracked(entry).order.status is OrderStatus.CANCELLED


def test_an_orphan_stop_goes_when_nothing_stands_behind_it() -> None:
    bench = Bench()
    next_picture(bench, "0", orders=(orphan_stop(),))
    assert [(c.client_id, c.conditional) for c in bench.now(CancelOrder)] == [(orphan_stop().client_id, True)]


def test_an_orphan_stop_goes_once_our_own_stop_holds() -> None:
    bench = Bench()
    stop = bench.open()
    looser = replace(orphan_stop(), trigger_price=D(28_000))
    next_picture(bench, "0.02", orders=(looser, row(bench, stop)))
    assert cancelled(bench) == [looser.client_id]


def test_a_tighter_orphan_stop_is_the_stop_from_now_on() -> None:
    bench = Bench()
    stop = bench.open()
    tighter = replace(orphan_stop(), trigger_price=bench.tracked(stop).order.request.trigger_price + 100)
    next_picture(bench, "0.02", orders=(tighter, row(bench, stop)))
    assert cancelled(bench) == [stop]
    assert bench.market.guard.stop_price == tighter.trigger_price
    assert bench.market.guarded == D("0.02")


def test_an_orphan_stop_that_has_taken_the_place_of_ours_is_never_cancelled() -> None:
    """A kill within a replacement: the journal knows the old stop, the venue has the new one alone."""
    bench = Bench()
    stop = bench.open()
    orphan = replace(orphan_stop(), trigger_price=bench.tracked(stop).order.request.trigger_price + 100)
    for _ in range(3):
        next_picture(bench, "0.02", orders=(orphan,))
    assert orphan.client_id not in cancelled(bench)
    assert bench.market.position.size == D("0.02") == bench.market.guarded


@pytest.mark.parametrize("startup", [True, False])
def test_an_orphan_stop_that_may_guard_something_stays(startup: bool) -> None:
    bench = Bench(started=not startup)
    if startup:
        bench.start(bench.account(D("0.02")))
    for _ in range(4):
        next_picture(bench, "0.02", orders=(orphan_stop(),))
    assert bench.market.external_size == D("0.02")
    assert not cancelled(bench)


def test_a_picture_at_start_that_a_fill_has_overtaken_takes_nothing_away() -> None:
    bench = Bench()
    entry = bench.enter("0.02", limit=D(29_900)).approved.request.client_id
    bench.accept(entry)
    desk = decode_desk(bench.engine.checkpoint())
    desk.started, desk.starting = False, True
    bench.engine = Engine.restore(encode_desk(desk), {})
    bench.feed(StreamLost(ts_ns=bench.now_ns, stream=StreamName.PRIVATE, reason="restart"))
    bench.feed(StreamRestored(ts_ns=bench.now_ns, stream=StreamName.PRIVATE))
    taken_ns = bench.now_ns
    bench.now_ns += NS_PER_S // 10
    bench.fill(entry, "0.02")
    bench.picture(0, account=replace(bench.account(), venue_ns=taken_ns))
    assert (bench.market.position.size, bench.market.external_size) == (D("0.02"), ZERO)
    bench.accept(bench.last(PlaceStop).client_id)
    next_picture(bench, "0.02")
    assert (bench.market.position.size, bench.market.guarded) == (D("0.02"), D("0.02"))


def test_a_desk_that_comes_back_sees_first_and_then_judges() -> None:
    bench = Bench()
    entry = bench.enter("0.02").approved.request.client_id
    bench.accept(entry)
    bench.fill(entry, "0.02")
    lost = bench.last(PlaceStop).client_id  # the process ends before it is sent
    desk = decode_desk(bench.engine.checkpoint())
    desk.started, desk.starting = False, True
    bench.engine = Engine.restore(encode_desk(desk), {})
    bench.now_ns += 600 * NS_PER_S
    bench.sent.clear()
    bench.feed(BookInvalidated(ts_ns=bench.now_ns, symbol=SYMBOL, reason="away"))
    bench.feed(StreamLost(ts_ns=bench.now_ns, stream=StreamName.PRIVATE, reason="away"))
    bench.advance(2)
    assert not bench.all(PlaceStop)  # nothing can be sent before the venue is open
    assert not bench.all(ReduceOrder)
    bench.feed(StreamRestored(ts_ns=bench.now_ns, stream=StreamName.PRIVATE))
    bench.picture(0, D("0.02"))
    (stop,) = bench.all(PlaceStop)
    assert stop.client_id != lost
    assert not bench.all(ReduceOrder)
    bench.advance(3.05)  # its time has begun again, and is over
    assert [order.size for order in bench.all(ReduceOrder)] == [D("0.02")]
