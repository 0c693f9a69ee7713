"""Orders whose answers are lost, late, wrong or repeated."""

from __future__ import annotations

from msgspec.structs import replace

from contractdesk.domain.commands import CancelOrder, PlaceStop, QueryOrder, ReadVenueState, SubmitOrder
from contractdesk.domain.events import (
    CancelAsked,
    OrderCancelled,
    OrderExpired,
    OrderRead,
    ReadFailed,
    VenueOrder,
)
from contractdesk.domain.orders import OrderRole, OrderStatus, OrderType, Side
from contractdesk.engine import client_ids
from tests.engine.bench import SYMBOL, Bench, D


def row(client_id: str, status: OrderStatus, filled: str = "0") -> VenueOrder:
    return VenueOrder(
        client_id=client_id,
        venue_id="v1",
        symbol=SYMBOL,
        side=Side.BUY,
        type=OrderType.MARKET,
        status=status,
        size=D("0.02"),
        filled=D(filled),
        price=None,
        trigger_price=None,
        reduce_only=False,
    )


def read(bench: Bench, client_id: str, order: VenueOrder | None) -> None:
    bench.feed(OrderRead(ts_ns=bench.now_ns, client_id=client_id, symbol=SYMBOL, order=order))


def answer_queries(bench: Bench, seconds: float) -> int:
    """Let time pass and say "no such order" to every query; returns how many there were."""
    asked = 0
    for _ in range(int(seconds * 10)):
        for command in bench.advance(0.1):
            if isinstance(command, QueryOrder):
                asked += 1
                bench.not_found(command.client_id)
    return asked


def test_a_lost_create_is_asked_for_and_found_working() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.lose(entry)
    assert bench.tracked(entry).order.status is OrderStatus.UNKNOWN
    queries = [command for command in bench.advance(0.3) if isinstance(command, QueryOrder)]
    assert [query.client_id for query in queries] == [entry]
    read(bench, entry, row(entry, OrderStatus.WORKING))
    assert bench.tracked(entry).order.status is OrderStatus.WORKING
    assert len(bench.all(SubmitOrder)) == 1


def test_not_accepted_only_after_the_fence_and_two_answers() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.lose(entry, fence_s=3.0)
    assert answer_queries(bench, 4.9) >= 2  # fence 3 s + 2 s of margin are not over
    assert bench.tracked(entry).order.status is OrderStatus.UNKNOWN
    answer_queries(bench, 10)
    assert bench.tracked(entry).order.status is OrderStatus.REJECTED
    assert bench.tracked(entry).order.reason == "not accepted"
    assert len(bench.all(SubmitOrder)) == 1


def test_a_failed_read_is_no_answer() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.lose(entry, fence_s=0.0)
    for _ in range(8):
        for command in bench.advance(5):
            if isinstance(command, QueryOrder):
                bench.feed(
                    ReadFailed(
                        ts_ns=bench.now_ns, request_id=command.request_id, what="order", reason="timeout"
                    )
                )
    assert bench.tracked(entry).order.status is OrderStatus.UNKNOWN


def test_an_order_that_surfaces_after_all_is_cancelled() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.lose(entry, fence_s=0.0)
    answer_queries(bench, 10)
    assert bench.tracked(entry).order.status is OrderStatus.REJECTED
    bench.accept(entry)
    assert bench.tracked(entry).order.status is OrderStatus.WORKING
    assert [command.client_id for command in bench.now(CancelOrder)] == [entry]
    assert "order_surfaced" in bench.codes


def test_a_fill_of_an_unknown_order_proves_it_and_is_protected() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.lose(entry)
    bench.fill(entry, "0.02")
    assert bench.tracked(entry).order.status is OrderStatus.FILLED
    assert bench.now(PlaceStop)


def test_a_loss_that_is_reported_after_the_fill_changes_nothing() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.fill(entry, "0.02")
    bench.lose(entry)
    assert bench.tracked(entry).order.status is OrderStatus.FILLED


def test_repeated_fills_count_once() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.fill(entry, "0.01", trade_id="x")
    bench.fill(entry, "0.01", trade_id="x")
    assert bench.market.position.size == D("0.01")
    assert bench.tracked(entry).order.filled == D("0.01")


def test_fills_without_ids_are_told_apart_by_what_they_are() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    made = replace(bench.make_fill(entry, "0.01"), trade_id="")
    later = replace(made, venue_ns=made.venue_ns + 1)
    for fill in (made, made, later):
        bench.engine._executions.apply(fill)
    assert bench.market.position.size == D("0.02")


def test_cancelled_before_its_last_fill() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.accept(entry)
    bench.cancelled(entry)
    bench.fill(entry, "0.005")
    assert bench.tracked(entry).order.status is OrderStatus.CANCELLED
    assert bench.market.position.size == D("0.005")
    assert bench.last(PlaceStop).size == D("0.005")


def test_an_overfill_follows_the_venue_and_halts() -> None:
    bench = Bench()
    entry = bench.enter("0.02").approved.request.client_id
    bench.fill(entry, "0.03")
    assert bench.market.position.size == D("0.03")
    assert bench.last(PlaceStop).size == D("0.03")
    assert "overfilled" in bench.codes
    assert "halted" in bench.codes


def test_no_answer_at_all_is_asked_for_but_never_given_up() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    assert answer_queries(bench, 60) >= 5
    assert bench.tracked(entry).order.status is OrderStatus.IN_FLIGHT


def test_a_query_that_shows_fills_asks_for_them() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.accept(entry)
    read(bench, entry, row(entry, OrderStatus.FILLED, "0.02"))
    assert bench.market.position.flat  # the fills themselves are the only source
    reads = [command for command in bench.advance(0.6) if isinstance(command, ReadVenueState)]
    assert len(reads) == 1
    bench.picture(reads[0].request_id, D("0.02"), fills=(bench.make_fill(entry, "0.02"),))
    assert bench.market.position.size == D("0.02")
    assert bench.tracked(entry).order.status is OrderStatus.FILLED
    assert bench.now(PlaceStop)


def test_a_working_order_is_gone_after_two_answers_two_seconds_apart() -> None:
    bench = Bench()
    stop = bench.open()
    bench.advance(1)
    bench.not_found(stop)
    bench.not_found(stop)
    assert bench.tracked(stop).order.status is OrderStatus.WORKING  # a venue reads late sometimes
    bench.advance(2.1)
    bench.not_found(stop)
    assert bench.tracked(stop).order.status is OrderStatus.EXPIRED
    assert bench.last(PlaceStop).client_id != stop  # and is replaced


def test_a_cancel_in_flight_waits_for_the_acceptance() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.feed(CancelAsked(ts_ns=bench.now_ns, who="tester", client_id=entry))
    assert not bench.now(CancelOrder)
    bench.accept(entry)
    assert [command.client_id for command in bench.now(CancelOrder)] == [entry]


def test_a_resting_entry_expires() -> None:
    bench = Bench()
    entry = bench.enter(limit=D(29_990), expire_s=2.0).approved.request.client_id
    bench.accept(entry)
    assert not [c for c in bench.advance(1.9) if isinstance(c, CancelOrder)]
    assert [c.client_id for c in bench.advance(0.2) if isinstance(c, CancelOrder)] == [entry]
    bench.feed(OrderCancelled(ts_ns=bench.now_ns, client_id=entry, symbol=SYMBOL))
    assert not bench.market.open_ids


def test_expired_and_rejected_entries_are_over() -> None:
    bench = Bench()
    first = bench.enter().approved.request.client_id
    bench.accept(first)
    bench.feed(OrderExpired(ts_ns=bench.now_ns, client_id=first, symbol=SYMBOL, reason="IOC"))
    second = bench.enter().approved.request.client_id
    bench.reject(second)
    assert not bench.market.open_ids
    bench.advance(0.1)
    assert len(bench.all(SubmitOrder)) == 2


def test_an_orphan_entry_of_ours_is_cancelled_and_a_stranger_left_alone() -> None:
    bench = Bench()
    orphan = client_ids.make("b0t0", 0, 7, OrderRole.ENTRY)
    bench.accept(orphan)
    assert [command.client_id for command in bench.now(CancelOrder)] == [orphan]
    bench.accept("web_123")
    assert not bench.now(CancelOrder)


def test_an_entry_that_was_cancelled_with_more_fills_than_have_come_is_open_until_they_are_here() -> None:
    bench = Bench()
    entry = bench.enter("0.02").approved.request.client_id
    bench.accept(entry)
    told = OrderCancelled(ts_ns=bench.now_ns, client_id=entry, symbol=SYMBOL, filled=D("0.008"))
    bench.feed(told)
    bench.feed(told)
    assert entry in bench.market.open_ids, "what it may have bought still counts"
    bench.advance(1)
    assert bench.all(ReadVenueState), "the fills are asked for"
    assert not bench.all(CancelOrder)
    bench.fill(entry, "0.008")
    assert entry not in bench.market.open_ids
    assert bench.engine._desk.orders_by_id[entry].order.status is OrderStatus.CANCELLED
    assert bench.last(PlaceStop).size == D("0.008")
