"""A stop that moves in place: what is sent, what counts meanwhile, and every way in which it may end."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from contractdesk.domain.commands import (
    AmendStop,
    CancelOrder,
    PlaceStop,
    QueryOrder,
    ReadVenueState,
    ReduceOrder,
)
from contractdesk.domain.events import (
    AmendFailed,
    OrderAmended,
    OrderRead,
    StopTriggered,
    VenueOrder,
)
from contractdesk.domain.intents import FixedStop, IntentKind
from contractdesk.domain.orders import OrderStatus, OrderType, Side
from contractdesk.engine.engine import Engine
from contractdesk.engine.state import Amending, AmendState
from tests.engine.bench import CONFIG, NS_PER_S, SYMBOL, Bench, D, wish

AMENDING = replace(CONFIG, amend_stop=True)
OLD, NEW, NEWER = "29000", "29500", "29600"


def amend_bench() -> tuple[Bench, str]:
    """A long of 0.02 under a confirmed stop at 29,000, on a venue that amends."""
    bench = Bench(config=AMENDING)
    return bench, bench.open("0.02", OLD)


def move(bench: Bench, price: str) -> None:
    bench.ask(wish(IntentKind.MOVE_STOP, stop=FixedStop(price=D(price))))


def amended(bench: Bench, stop: str, price: str, size: str = "0.02", venue_ns: int = 0) -> None:
    """The venue's word, answer or stream."""
    event = OrderAmended(
        ts_ns=bench.now_ns,
        client_id=stop,
        symbol=SYMBOL,
        venue_ns=venue_ns or bench.now_ns,
        price=None,
        trigger_price=D(price),
        size=D(size),
    )
    bench.feed(event)


def failed(bench: Bench, stop: str, code: int) -> None:
    bench.feed(AmendFailed(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL, code=code, message="no"))


def row(
    stop: str, price: str, size: str = "0.02", status: OrderStatus = OrderStatus.WORKING, filled: str = "0"
) -> VenueOrder:
    return VenueOrder(
        client_id=stop,
        venue_id=f"v-{stop}",
        symbol=SYMBOL,
        side=Side.SELL,
        type=OrderType.STOP_MARKET,
        status=status,
        size=D(size),
        filled=D(filled),
        price=None,
        trigger_price=D(price),
        reduce_only=True,
    )


def read(bench: Bench, stop: str, shown: VenueOrder | None) -> None:
    """The answer to the query, a little later."""
    bench.now_ns += NS_PER_S // 100
    bench.feed(OrderRead(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL, order=shown))


def moves(bench: Bench) -> list[tuple[Decimal, Decimal]]:
    """(size, trigger) of every amend that was sent."""
    return [(command.size, command.trigger_price) for command in bench.all(AmendStop)]


def add(bench: Bench, size: str, stop: str = OLD) -> None:
    """Another entry, filled at once."""
    entry = bench.enter(size, stop).approved.request.client_id
    bench.accept(entry)
    bench.fill(entry, size)


def reduce(bench: Bench, size: str) -> None:
    bench.ask(wish(IntentKind.EXIT, size=D(size)))
    closing = bench.last(ReduceOrder).client_id
    bench.accept(closing)
    bench.fill(closing, f"-{size}")


# -- the good way --------------------------------------------------------------------------------


def test_a_stop_moves_in_place() -> None:
    bench, stop = amend_bench()
    move(bench, NEW)
    assert bench.now(AmendStop) == [
        AmendStop(
            client_id=stop,
            symbol=SYMBOL,
            side=Side.SELL,
            size=D("0.02"),
            trigger_price=D(NEW),
            venue_id=f"v-{stop}",
        )
    ]
    assert (bench.market.guarded, bench.market.stop_price) == (D("0.02"), D(OLD))  # what is confirmed
    amended(bench, stop, NEW)
    assert bench.market.stop_price == D(NEW)
    bench.advance(8)
    assert len(bench.all(PlaceStop)) == 1
    assert not bench.all(CancelOrder)
    assert not bench.all(QueryOrder)
    assert len(moves(bench)) == 1


def test_a_stop_grows_and_shrinks_in_place() -> None:
    bench, stop = amend_bench()
    add(bench, "0.01", "28000")
    assert moves(bench) == [(D("0.03"), D(OLD))]  # the tighter of two: it never loosens
    assert bench.market.guarded == D("0.02")
    amended(bench, stop, OLD, "0.03")
    assert bench.market.guarded == D("0.03")
    reduce(bench, "0.02")
    assert moves(bench)[-1] == (D("0.01"), D(OLD))
    amended(bench, stop, OLD, "0.01")
    assert bench.market.guarded == D("0.01")
    assert len(bench.all(PlaceStop)) == 1


def test_only_a_person_loosens_a_stop() -> None:
    bench, stop = amend_bench()
    move(bench, "28500")
    assert moves(bench) == [(D("0.02"), D("28500"))]
    amended(bench, stop, "28500")
    assert bench.market.stop_price == D("28500")


def test_nothing_is_sent_for_a_stop_that_is_being_amended() -> None:
    bench, stop = amend_bench()
    move(bench, NEW)
    move(bench, NEWER)
    move(bench, OLD)
    assert len(moves(bench)) == 1
    assert len(bench.all(PlaceStop)) == 1
    amended(bench, stop, NEW)
    assert moves(bench)[1:] == [(D("0.02"), D(OLD))]  # as it is wanted now
    amended(bench, stop, OLD, venue_ns=bench.now_ns + 1)
    assert not bench.commands


def test_a_fill_while_an_amend_is_under_way_is_fitted_by_the_next() -> None:
    bench, stop = amend_bench()
    move(bench, NEW)
    add(bench, "0.01")
    assert len(moves(bench)) == 1
    assert bench.market.guarded == D("0.02")
    amended(bench, stop, NEW)
    assert moves(bench)[1:] == [(D("0.03"), D(NEW))]
    amended(bench, stop, NEW, "0.03", bench.now_ns + 1)
    assert bench.market.guarded == D("0.03")
    assert len(bench.all(PlaceStop)) == 1


def test_a_stop_that_is_not_confirmed_yet_is_replaced_and_the_larger_one_amended() -> None:
    bench = Bench(config=AMENDING)
    entry = bench.enter("0.03", OLD).approved.request.client_id
    bench.accept(entry)
    for _ in range(3):
        bench.fill(entry, "0.01")
    first, second = bench.all(PlaceStop)
    assert (first.size, second.size) == (D("0.01"), D("0.02"))
    bench.accept(first.client_id)
    bench.accept(second.client_id)
    assert [command.client_id for command in bench.now(CancelOrder)] == [first.client_id]
    bench.cancelled(first.client_id)
    assert [(c.client_id, c.size) for c in bench.now(AmendStop)] == [(second.client_id, D("0.03"))]
    amended(bench, second.client_id, OLD, "0.03")
    assert bench.market.guarded == D("0.03")
    assert len(bench.all(PlaceStop)) == 2


# -- refused -------------------------------------------------------------------------------------


def test_a_refused_amend_is_asked_about_and_the_stop_replaced() -> None:
    bench, stop = amend_bench()
    move(bench, NEW)
    failed(bench, stop, -2021)
    assert [query.client_id for query in bench.now(QueryOrder)] == [stop]
    assert not bench.now(PlaceStop)  # it may have closed the position just now
    assert "amend_failed" in bench.codes
    read(bench, stop, row(stop, OLD))
    (placed,) = bench.now(PlaceStop)
    assert (placed.size, placed.trigger_price) == (D("0.02"), D(NEW))
    assert not bench.all(CancelOrder)
    assert bench.market.guarded == D("0.02")
    bench.accept(placed.client_id)
    assert [command.client_id for command in bench.now(CancelOrder)] == [stop]
    bench.cancelled(stop)
    move(bench, NEWER)  # the next move is tried in place again
    assert bench.last(AmendStop).client_id == placed.client_id


def test_refused_because_it_has_filled_there_is_no_new_stop_on_flat() -> None:
    bench, stop = amend_bench()
    move(bench, NEW)
    failed(bench, stop, -2013)
    read(bench, stop, row(stop, OLD, status=OrderStatus.FILLED, filled="0.02"))
    assert not bench.now(PlaceStop)
    bench.fill(stop, "-0.02", OLD)
    bench.advance(5)
    assert bench.market.position.flat
    assert len(bench.all(PlaceStop)) == len(moves(bench)) == 1
    assert not bench.all(ReduceOrder)


def test_refused_because_it_has_triggered_nothing_more_is_sent_for_it() -> None:
    bench, stop = amend_bench()
    move(bench, NEW)
    bench.feed(StopTriggered(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL, child_venue_id="c1"))
    failed(bench, stop, -2013)
    assert not bench.now(PlaceStop)
    bench.fill(stop, "-0.02", OLD)
    assert bench.market.position.flat
    assert len(bench.all(PlaceStop)) == len(moves(bench)) == 1


def test_refused_and_gone_it_is_replaced_once_the_reads_have_had_their_time() -> None:
    bench, stop = amend_bench()
    move(bench, NEW)
    failed(bench, stop, -2013)
    read(bench, stop, None)
    assert not bench.now(PlaceStop)
    bench.advance(2)
    assert bench.last(PlaceStop).trigger_price == D(NEW)
    read(bench, stop, None)
    assert bench.tracked(stop).order.status is OrderStatus.EXPIRED
    assert bench.market.guarded == 0
    bench.accept(bench.last(PlaceStop).client_id)
    assert bench.market.guarded == D("0.02")


# -- lost ----------------------------------------------------------------------------------------


def lost(bench: Bench, stop: str, how: str) -> None:
    """The answer says nothing, or there is none for two seconds; the order is asked for either way."""
    asked = len(bench.all(QueryOrder))
    if how == "answer lost":
        failed(bench, stop, 0)
    else:
        assert bench.engine.next_deadline_ns == bench.now_ns + 2 * NS_PER_S
        bench.advance(2)
    assert [query.client_id for query in bench.all(QueryOrder)[asked:]] == [stop]


HOWS = pytest.mark.parametrize("how", ["answer lost", "no answer"])


def without_accounts(bench: Bench) -> None:
    """Nothing but the amend may wake the engine in the next seconds."""
    desk = bench.engine._desk
    desk.account_due_ns = desk.reconcile_due_ns = desk.guard_due_ns = bench.now_ns + 60 * NS_PER_S


@HOWS
def test_a_lost_amend_that_was_done_is_known_by_the_query(how: str) -> None:
    bench, stop = amend_bench()
    without_accounts(bench)
    move(bench, NEW)
    lost(bench, stop, how)
    read(bench, stop, row(stop, NEW))
    assert bench.market.stop_price == D(NEW)
    assert bench.tracked(stop).amending is None
    bench.advance(8)
    assert len(moves(bench)) == len(bench.all(PlaceStop)) == len(bench.all(QueryOrder)) == 1


@HOWS
def test_a_lost_amend_that_was_not_done_is_repeated_once_and_then_the_stop_replaced(how: str) -> None:
    bench, stop = amend_bench()
    without_accounts(bench)
    move(bench, NEW)
    lost(bench, stop, how)
    assert len(moves(bench)) == 1
    read(bench, stop, row(stop, OLD))
    assert moves(bench) == [(D("0.02"), D(NEW))] * 2
    lost(bench, stop, how)
    read(bench, stop, row(stop, OLD))
    assert len(moves(bench)) == 2
    assert bench.last(PlaceStop).trigger_price == D(NEW)
    bench.accept(bench.last(PlaceStop).client_id)
    assert bench.last(CancelOrder).client_id == stop


def test_the_stream_confirms_what_the_answer_did_not() -> None:
    bench, stop = amend_bench()
    move(bench, NEW)
    failed(bench, stop, 0)
    amended(bench, stop, NEW)
    assert bench.market.stop_price == D(NEW)
    bench.advance(1.9)
    assert len(bench.all(QueryOrder)) == 1  # it is known now


def test_reads_that_fail_end_in_a_replacement() -> None:
    bench, stop = amend_bench()
    move(bench, NEW)
    failed(bench, stop, 0)
    bench.advance(1.9)
    assert len(bench.all(PlaceStop)) == 1
    bench.advance(0.2)
    assert bench.last(PlaceStop).trigger_price == D(NEW)
    assert len(moves(bench)) == 1


def test_other_terms_than_those_of_a_lost_amend_need_another_stop() -> None:
    """It might be done after all, and undo what was asked for later."""
    bench, stop = amend_bench()
    move(bench, NEW)
    failed(bench, stop, 0)
    move(bench, NEWER)
    read(bench, stop, row(stop, OLD))
    assert len(moves(bench)) == 1
    assert bench.last(PlaceStop).trigger_price == D(NEWER)


def test_back_where_it_stands_a_stop_in_doubt_does_not_hold() -> None:
    bench, stop = amend_bench()
    move(bench, NEW)
    failed(bench, stop, 0)
    move(bench, OLD)
    read(bench, stop, row(stop, OLD))
    assert bench.last(PlaceStop).trigger_price == D(OLD)
    bench.accept(bench.last(PlaceStop).client_id)
    assert bench.last(CancelOrder).client_id == stop


@pytest.mark.parametrize(("later_s", "kind"), [(1.0, PlaceStop), (6.0, AmendStop)])
def test_one_that_was_lost_and_repeated_may_still_come(later_s: float, kind: type) -> None:
    bench, stop = amend_bench()
    move(bench, NEW)
    failed(bench, stop, 0)
    read(bench, stop, row(stop, OLD))
    amended(bench, stop, NEW)
    bench.advance(later_s)
    bench.alive()
    move(bench, NEWER)
    assert [type(c) for c in bench.now(AmendStop) + bench.now(PlaceStop)] == [kind]


def test_a_shrunken_stop_in_doubt_counts_for_what_it_is_at_least() -> None:
    bench, stop = amend_bench()
    reduce(bench, "0.01")
    failed(bench, stop, 0)
    add(bench, "0.01")
    assert bench.market.guarded == D("0.01")  # though the stop had 0.02 before
    read(bench, stop, row(stop, OLD, "0.01"))
    assert bench.market.guarded == D("0.01")
    assert bench.last(PlaceStop).size == D("0.02")  # a second one, while the answer is awaited
    assert len(moves(bench)) == 1
    bench.accept(bench.last(PlaceStop).client_id)
    assert bench.market.guarded == D("0.02")


def test_an_unanswered_amend_does_not_hold_the_deadline_up() -> None:
    bench, _ = amend_bench()
    add(bench, "0.01")
    assert moves(bench) == [(D("0.03"), D(OLD))]
    assert not [c for c in bench.advance(2.9) if isinstance(c, ReduceOrder)]
    closing = [c for c in bench.advance(0.15) if isinstance(c, ReduceOrder)]
    assert [order.size for order in closing] == [D("0.03")]


# -- what the venue shows --------------------------------------------------------------------------


def asked_picture(bench: Bench) -> ReadVenueState:
    """One is due, and has been asked for a tenth of a second ago."""
    bench.engine._desk.reconcile_due_ns = bench.now_ns + NS_PER_S
    bench.advance(1.1)
    return bench.last(ReadVenueState)


def test_a_picture_that_shows_other_terms_is_believed_and_the_stop_put_right() -> None:
    bench, stop = amend_bench()
    request = asked_picture(bench)
    bench.picture(request.request_id, D("0.02"), orders=(row(stop, "28000", "0.01"),))
    assert bench.tracked(stop).order.request.trigger_price == D(28_000)
    assert bench.market.guarded == D("0.01")
    assert bench.now(AmendStop)[0].trigger_price == D(OLD)
    assert bench.now(AmendStop)[0].size == D("0.02")


def test_a_picture_that_is_older_than_an_amend_is_not() -> None:
    bench, stop = amend_bench()
    request = asked_picture(bench)
    bench.alive()
    move(bench, NEW)
    amended(bench, stop, NEW)
    bench.picture(request.request_id, D("0.02"), orders=(row(stop, OLD),))
    assert bench.market.stop_price == D(NEW)
    assert len(moves(bench)) == 1


def test_a_late_word_on_an_earlier_amend_is_no_news() -> None:
    bench, stop = amend_bench()
    first_ns = bench.now_ns + 1
    move(bench, NEW)
    amended(bench, stop, NEW, venue_ns=first_ns)
    move(bench, NEWER)
    amended(bench, stop, NEWER, venue_ns=first_ns + 1)
    amended(bench, stop, NEW, venue_ns=first_ns)
    assert bench.market.stop_price == D(NEWER)
    assert len(moves(bench)) == 2


def test_a_venue_that_cannot_amend_is_never_asked_to() -> None:
    bench = Bench()
    stop = bench.open("0.02", OLD)
    move(bench, NEW)
    assert not moves(bench)
    assert bench.last(PlaceStop).trigger_price == D(NEW)
    read(bench, stop, row(stop, "28000"))  # and what a read shows is not taken over
    assert bench.tracked(stop).order.request.trigger_price == D(OLD)


# -- a restart -------------------------------------------------------------------------------------


def test_an_amend_under_way_survives_a_checkpoint() -> None:
    bench, stop = amend_bench()
    move(bench, NEW)
    sent_ns = bench.now_ns
    bench.engine = Engine.restore(bench.engine.checkpoint(), {})
    assert bench.tracked(stop).amending == Amending(
        size=D("0.02"),
        trigger_price=D(NEW),
        sent_ns=sent_ns,
        venue_ns=sent_ns,
        since_ns=sent_ns,
        state=AmendState.SENT,
    )
    amended(bench, stop, NEW)
    assert bench.market.stop_price == D(NEW)
