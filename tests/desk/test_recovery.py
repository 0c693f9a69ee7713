"""In which state a desk comes back: what a person alone may end is not ended by opening it again."""

from __future__ import annotations

from decimal import Decimal

import pytest

from contractdesk.desk.recovery import _begin_anew
from contractdesk.domain.commands import CancelOrder, PlaceStop
from contractdesk.domain.events import (
    ClosingAsked,
    Event,
    FlattenAsked,
    HaltAsked,
    OrderFilled,
    OrderRead,
    ResumeAsked,
    StreamLost,
    StreamName,
    StreamRestored,
    VenueOrder,
)
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.orders import OrderRole, OrderStatus, OrderType, Side
from contractdesk.domain.views import TradingState
from contractdesk.engine import client_ids
from contractdesk.engine.checkpoint import decode_desk, encode_desk
from contractdesk.engine.engine import Engine
from contractdesk.engine.flattening import LATE
from tests.engine.bench import CONFIG, NS_PER_S, START, SYMBOL, Bench, D

KNOWN = {"ts_ns": START, "who": "tester"}
FLATTEN, HALT, RESUME = FlattenAsked(**KNOWN), HaltAsked(**KNOWN), ResumeAsked(**KNOWN)
CLOSE, CLOSE_FLAT = ClosingAsked(**KNOWN, flatten=False), ClosingAsked(**KNOWN, flatten=True)
ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED

LEFT: list[tuple[tuple[Event, ...], TradingState, str]] = [
    ((), ACTIVE, ""),  # killed
    ((CLOSE,), ACTIVE, ""),
    ((CLOSE_FLAT,), ACTIVE, ""),
    ((FLATTEN,), REDUCING, "flatten asked by tester"),
    ((FLATTEN, CLOSE), REDUCING, "flatten asked by tester"),
    ((FLATTEN, CLOSE_FLAT), REDUCING, "flatten asked by tester"),
    ((FLATTEN, RESUME, CLOSE), ACTIVE, ""),
    ((HALT, CLOSE), HALTED, "halt asked by tester"),
    ((HALT, FLATTEN, CLOSE), HALTED, "halt asked by tester"),
    ((FLATTEN, HALT, RESUME, CLOSE), ACTIVE, ""),
]


def reopened(bench: Bench, size: Decimal = ZERO, *orders: VenueOrder) -> None:
    """Another engine with what this one knew, once it has compared its books with the venue's."""
    desk = decode_desk(bench.engine.checkpoint())
    _begin_anew(desk, CONFIG)
    bench.engine = Engine.restore(encode_desk(desk), {})
    bench.feed(StreamLost(ts_ns=bench.now_ns, stream=StreamName.PRIVATE, reason="away"))
    bench.feed(StreamRestored(ts_ns=bench.now_ns, stream=StreamName.PRIVATE))
    bench.picture(0, size, orders=orders)
    bench.make_ready()


@pytest.mark.parametrize(("asked", "state", "reason"), LEFT)
def test_a_desk_that_is_opened_again_is_in_the_state_that_a_person_left(
    asked: tuple[Event, ...], state: TradingState, reason: str
) -> None:
    bench = Bench()
    for event in asked:
        bench.feed(event)
    for _ in range(2):  # nor does a second opening end it
        reopened(bench)
        view = bench.engine.view
        assert (view.state, view.state_reason) == (state, reason)
    bench.feed(RESUME)
    assert bench.engine.view.state is ACTIVE
    reopened(bench)
    assert bench.engine.view.state is ACTIVE
    assert bench.enter()


def stop_row(client_id: str, status: OrderStatus) -> VenueOrder:
    return VenueOrder(
        client_id=client_id, venue_id=f"v-{client_id}", symbol=SYMBOL, side=Side.SELL, size=D("0.02"),
        type=OrderType.STOP_MARKET, trigger_price=D(29_000), price=None, reduce_only=True,
        status=status, filled=ZERO,
    )  # fmt: skip


def test_a_stop_that_a_guardian_has_put_in_the_place_of_ours_is_the_one_that_stays() -> None:
    """However often a desk is killed: ours is gone, theirs guards, and nobody has taken anything away."""
    bench = Bench()
    stop = bench.open()
    for killed in range(4):
        theirs = client_ids.make(CONFIG.bot, 2 + killed, client_ids.GUARDIAN + 1, OrderRole.STOP)
        bench.now_ns += NS_PER_S
        reopened(bench, D("0.02"), stop_row(theirs, OrderStatus.WORKING))
        assert [cancel.client_id for cancel in bench.all(CancelOrder)][killed:] == [stop]
        bench.cancelled(stop)
        stop = theirs
    assert bench.market.guarded == D("0.02")
    assert (bench.market.guard.losses, bench.market.guard.flatten_reason) == (0, "")
    assert bench.engine.view.state is ACTIVE


def test_what_became_of_a_stop_while_nobody_was_here_is_judged_by_the_first_picture() -> None:
    bench = Bench()
    stop = bench.open()
    for _ in range(4):
        desk = decode_desk(bench.engine.checkpoint())
        _begin_anew(desk, CONFIG)
        bench.engine = Engine.restore(encode_desk(desk), {})
        gone = stop_row(stop, OrderStatus.CANCELLED)
        bench.feed(OrderRead(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL, order=gone))
        bench.now_ns += NS_PER_S
        reopened(bench, D("0.02"))
        stop = bench.last(PlaceStop).client_id
        bench.accept(stop)
    assert (bench.market.guard.losses, bench.market.guarded) == (0, D("0.02"))
    bench.cancelled(stop)
    assert bench.market.guard.losses == 1


def test_what_somebody_else_closed_is_still_to_be_looked_at_after_a_reopening() -> None:
    bench = Bench()
    bench.open()
    held = bench.market.position.size
    fill = bench.make_fill("web", str(-held))
    bench.feed(OrderFilled(ts_ns=bench.now_ns, client_id="web", symbol=SYMBOL, fill=fill))
    assert bench.market.position.size == ZERO != held
    said = bench.engine.view.state_reason
    assert "closed by somebody else" in said
    bench.feed(CLOSE)
    assert bench.engine.view.state_reason != said
    reopened(bench)
    assert (bench.engine.view.state, bench.engine.view.state_reason) == (REDUCING, said)


def test_what_is_being_closed_has_its_deadline_from_the_opening_on() -> None:
    bench = Bench()
    bench.open()
    bench.feed(FLATTEN)
    bench.now_ns += 3600 * NS_PER_S  # nobody was there to close it
    reopened(bench, bench.market.position.size)
    bench.advance(4.9)
    assert LATE not in bench.codes
    bench.advance(0.1)
    assert bench.codes.count(LATE) == 1
