"""A stop that the venue has accepted and its reads deny: replaced, and cancelled by its id; never a third."""

from __future__ import annotations

from contractdesk.domain.commands import CancelOrder, PlaceStop
from contractdesk.domain.events import CancelFailed, OrderCancelled, OrderRead
from tests.engine.bench import SYMBOL, Bench


def deny(bench: Bench, client_id: str) -> None:
    """Two answers, far enough apart, that there is no such order."""
    for _ in range(2):
        bench.feed(OrderRead(ts_ns=bench.now_ns, client_id=client_id, symbol=SYMBOL, order=None))
        bench.advance(2.1)
        bench.alive()


def held() -> tuple[Bench, str]:
    """0.02 under a confirmed stop, and its client id."""
    bench = Bench()
    entry = bench.enter("0.02").approved.request.client_id
    bench.accept(entry)
    bench.fill(entry, "0.02")
    stop = bench.last(PlaceStop).client_id
    bench.accept(stop)
    return bench, stop


def cancels(bench: Bench, client_id: str) -> int:
    return sum(1 for command in bench.all(CancelOrder) if command.client_id == client_id)


def test_it_is_replaced_and_cancelled_once_the_other_stands() -> None:
    bench, stop = held()
    deny(bench, stop)
    other = bench.last(PlaceStop).client_id
    assert other != stop
    assert not cancels(bench, stop), "it may be the only one that stands"
    bench.accept(other)
    assert cancels(bench, stop) == 1
    bench.feed(OrderCancelled(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL))
    bench.advance(5)
    assert cancels(bench, stop) == 1
    assert len(bench.all(PlaceStop)) == 2


def test_no_third_is_placed_while_two_may_stand() -> None:
    bench, stop = held()
    deny(bench, stop)
    other = bench.last(PlaceStop).client_id
    bench.accept(other)
    deny(bench, other)
    assert len(bench.all(PlaceStop)) == 2, "neither cancel has been answered"
    gone = CancelFailed(
        ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL, code=-2011, message="no such order"
    )
    bench.feed(gone)
    assert bench.market.doubted.keys() == {other}
    assert len(bench.all(PlaceStop)) == 3 or bench.market.guard.flatten_reason


def test_it_is_cancelled_when_the_position_is_gone() -> None:
    bench, stop = held()
    deny(bench, stop)
    bench.fill("somebody-else", "-0.02")
    assert cancels(bench, stop) >= 1
    lost = CancelFailed(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL, code=0, message="timeout")
    bench.feed(lost)
    before = cancels(bench, stop)
    bench.advance(1.1)
    assert cancels(bench, stop) == before + 1, "it may fire on the next position"
