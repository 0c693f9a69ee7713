"""An entry that reverses: the stop of the old position is none of the new one's, whatever becomes of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.domain.commands import CancelOrder, PlaceStop, ReduceOrder, SubmitOrder
from contractdesk.domain.events import OrderCancelled, OrderExpired, OrderRejected, StopTriggered
from contractdesk.domain.intents import IntentKind
from contractdesk.domain.orders import Side
from tests.engine.bench import CONFIG, SYMBOL, Bench, D, enter, wish

ENDS = {
    "expired": [(OrderExpired, {"reason": "nothing is left to reduce"})],
    "cancelled": [(OrderCancelled, {})],
    "fired": [(StopTriggered, {"child_venue_id": "9"}), (OrderExpired, {"reason": "nothing to reduce"})],
    "rejected": [
        (StopTriggered, {"child_venue_id": "9"}),
        (OrderRejected, {"code": -2022, "message": "ReduceOnly Order is rejected."}),
    ],
}


def reversed_bench() -> tuple[Bench, str]:
    """Long 0.02 has become short 0.03; returns the old stop's id, too."""
    bench = Bench()
    old = bench.open("0.02", "29000")
    entry = bench.enter("0.05", "31000", Side.SELL, reverse=True).approved.request.client_id
    bench.accept(entry)
    bench.fill(entry, "-0.05")
    return bench, old


def test_a_reversal_is_stopped_on_its_own_side_and_gives_the_old_stop_up() -> None:
    bench, old = reversed_bench()
    assert bench.market.position.size == D("-0.03")
    assert [(c.side, c.size, c.trigger_price) for c in bench.now(PlaceStop)] == [
        (Side.BUY, D("0.03"), D(31_000))
    ]
    assert [command.client_id for command in bench.now(CancelOrder)] == [old]


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("confirmed", [False, True], ids=["before", "after"])
def test_the_old_stop_ends_and_the_new_position_is_not_closed(ends: list, confirmed: bool) -> None:
    bench, old = reversed_bench()
    stop = bench.last(PlaceStop).client_id
    if confirmed:
        bench.accept(stop)
    for kind, more in ends:
        bench.feed(kind(ts_ns=bench.now_ns, client_id=old, symbol=SYMBOL, **more))
    if not confirmed:
        bench.accept(stop)
    bench.advance(2)
    assert bench.all(ReduceOrder) == []
    assert bench.market.guard.flatten_reason == ""
    assert bench.market.guarded == D("0.03")
    assert "stop_lost" not in bench.codes


def test_a_second_wish_to_reverse_does_not_close_the_position_twice() -> None:
    bench = Bench(config=replace(CONFIG, risk=replace(CONFIG.risk, size_cap=D(10))))
    bench.open("0.05", "29000")
    for _ in range(2):
        bench.now_ns += 100
        bench.alive()
        bench.ask(enter("0.06", "31000", Side.SELL, reverse=True))
    assert [command.approved.request.size for command in bench.now(SubmitOrder)] == [D("0.06")]
    assert [command.approved.request.size for command in bench.all(SubmitOrder)][-2:] == [
        D("0.11"),
        D("0.06"),
    ]


@pytest.mark.parametrize("size", ["0.01", "0.02", "0.03"])
def test_a_reversal_during_an_exit_opens_what_was_asked_for(size: str) -> None:
    """The exit closes the position already: the order that reverses need not close it again."""
    bench = Bench()
    bench.open("0.02", "29000")
    bench.alive()
    bench.ask(wish(IntentKind.EXIT))
    leaving = bench.last(ReduceOrder).client_id
    bench.ask(enter(size, "31000", Side.SELL, reverse=True))
    request = bench.last(SubmitOrder).approved.request
    assert (request.side, request.size) == (Side.SELL, D(size))
    bench.accept(leaving)
    bench.fill(leaving, "-0.02")
    bench.accept(request.client_id)
    bench.fill(request.client_id, f"-{size}")
    assert bench.market.position.size == -D(size)


def test_a_reversal_while_the_stop_closes_opens_what_was_asked_for() -> None:
    bench = Bench()
    stop = bench.open("0.02", "29000")
    bench.feed(StopTriggered(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL, child_venue_id="9"))
    bench.alive()
    bench.ask(enter("0.02", "31000", Side.SELL, reverse=True))
    request = bench.last(SubmitOrder).approved.request
    assert (request.side, request.size) == (Side.SELL, D("0.02"))


def test_what_is_not_the_desks_is_not_reversed() -> None:
    bench = Bench()
    bench.market.external_size = D("0.01")
    bench.alive()
    bench.ask(enter("0.03", "31000", Side.SELL, reverse=True))
    assert bench.all(SubmitOrder) == []
    refusal = bench.engine.refusals[-1]
    assert (refusal.rule, refusal.found) == (
        "hard_stop",
        "position of 0.01 in the other direction, not the desk's",
    )
