"""A stop that moves in place: what is sent, what counts meanwhile, and every way in which it may end."""

from __future__ import annotations

from contractdesk.domain.commands import (
    AmendStop,
    CancelOrder,
    PlaceStop,
    QueryOrder,
    ReadVenueState,
    ReduceOrder,
)
from contractdesk.domain.events import (
    StopTriggered,
)
from contractdesk.domain.orders import OrderStatus, Side
from contractdesk.engine.engine import Engine
from contractdesk.engine.under_way import Amending, AmendState
from tests.engine.amending import (
    AMENDING,
    NEW,
    NEWER,
    OLD,
    add,
    amend_bench,
    amended,
    failed,
    move,
    moves,
    read,
    reduce,
    row,
)
from tests.engine.bench import NS_PER_S, SYMBOL, Bench, D

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
    assert [(c.client_id, c.size) for c in bench.now(AmendStop)] == [(second.client_id, D("0.03"))]
    bench.cancelled(first.client_id)
    assert bench.now(AmendStop) == []
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
