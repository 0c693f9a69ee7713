"""Signal to protected position and out again, one step at a time."""

from __future__ import annotations

from contractdesk.domain.commands import (
    CancelOrder,
    PlaceStop,
    ReadVenueState,
    ReduceOrder,
    SubmitOrder,
)
from contractdesk.domain.events import IntentAsked
from contractdesk.domain.intents import IntentKind
from contractdesk.domain.orders import OrderRole, OrderStatus, Side
from contractdesk.domain.views import TradingState
from tests.engine.bench import SYMBOL, Bench, D, enter, wish


def test_started_engine_is_active_and_reconciled() -> None:
    bench = Bench()
    assert bench.engine.view.state is TradingState.ACTIVE
    assert bench.engine.view.private_stream_ready


def test_an_unstarted_engine_only_reduces() -> None:
    bench = Bench(started=False)
    assert bench.engine.view.state is TradingState.REDUCING
    assert bench.engine.next_deadline_ns is None


def test_entry_fill_stop_exit() -> None:
    bench = Bench()
    entry = bench.enter("0.02", "29000").approved
    assert entry.stop_price == D(29000)
    bench.accept(entry.request.client_id)
    bench.fill(entry.request.client_id, "0.02")
    stop = bench.last(PlaceStop)
    assert (stop.size, stop.trigger_price, stop.side) == (D("0.02"), D(29000), Side.SELL)
    assert bench.market.guarded == 0
    bench.accept(stop.client_id)
    assert bench.market.guarded == D("0.02")
    assert bench.market.stop_price == D(29000)

    bench.ask(wish(IntentKind.EXIT))
    closing = bench.last(ReduceOrder)
    assert (closing.size, closing.role, closing.price) == (D("0.02"), OrderRole.EXIT, None)
    bench.accept(closing.client_id)
    bench.fill(closing.client_id, "-0.02", "30100")
    assert bench.market.position.flat
    assert bench.last(CancelOrder).client_id == stop.client_id
    bench.cancelled(stop.client_id)
    assert not bench.market.open_ids
    # 0.02 BTC x 100 USDT = 2 USDT, less two fees of 0.1
    assert bench.market.position.net_pnl == D("1.8")


def test_a_stale_account_makes_an_entry_wait_for_a_read() -> None:
    bench = Bench()
    bench.advance(10)
    bench.alive()
    bench.feed(IntentAsked(ts_ns=bench.now_ns, who="tester", intent=enter()))
    assert not bench.now(SubmitOrder)
    bench.answer_account()
    assert bench.now(SubmitOrder)


def test_the_fill_may_overtake_the_acceptance() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.fill(entry, "0.02")
    assert bench.now(PlaceStop)
    bench.accept(entry)
    assert bench.tracked(entry).order.status is OrderStatus.FILLED


def test_every_partial_fill_grows_the_stop_new_before_old() -> None:
    bench = Bench()
    entry = bench.enter("0.02").approved.request.client_id
    bench.accept(entry)
    bench.fill(entry, "0.005")
    first = bench.last(PlaceStop)
    bench.accept(first.client_id)
    bench.fill(entry, "0.015")
    second = bench.last(PlaceStop)
    assert second.size == D("0.02")
    assert not bench.all(CancelOrder)  # the old one stays until the new one is confirmed
    bench.accept(second.client_id)
    assert [cancel.client_id for cancel in bench.now(CancelOrder)] == [first.client_id]
    assert bench.market.guarded == D("0.02")


def test_a_burst_of_fills_never_has_more_than_two_live_stops() -> None:
    bench = Bench()
    entry = bench.enter("0.02").approved.request.client_id
    for _ in range(4):
        bench.fill(entry, "0.005")
    first, second = bench.all(PlaceStop)
    assert (first.size, second.size) == (D("0.005"), D("0.010"))
    bench.accept(first.client_id)
    bench.accept(second.client_id)
    assert [cancel.client_id for cancel in bench.now(CancelOrder)] == [first.client_id]
    bench.cancelled(first.client_id)
    third = bench.last(PlaceStop)
    assert third.size == D("0.020")
    bench.accept(third.client_id)
    assert [cancel.client_id for cancel in bench.now(CancelOrder)] == [second.client_id]
    assert bench.market.guarded == D("0.02")


def test_reconciliation_follows_fills_in_one() -> None:
    bench = Bench()
    bench.open()
    reads = [command for command in bench.advance(1.5) if isinstance(command, ReadVenueState)]
    assert len(reads) == 1
    assert bench.market.instrument.symbol == SYMBOL
