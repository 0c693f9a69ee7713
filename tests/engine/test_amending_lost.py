"""An amend whose answer is lost: the venue may have done it, may do it yet, or never will."""

from __future__ import annotations

import pytest

from contractdesk.domain.commands import (
    AmendStop,
    CancelOrder,
    PlaceStop,
    QueryOrder,
    ReduceOrder,
)
from tests.engine.amending import (
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
from tests.engine.bench import NS_PER_S, Bench, D


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
