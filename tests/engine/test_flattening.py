"""Closing a position while orders that do not go away are in the way; and one that is not closed in time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contractdesk.domain.commands import CancelOrder, Notify, ReduceOrder, Severity
from contractdesk.domain.events import CancelFailed, FlattenAsked, ResumeAsked, RiskTuned, TimePassed
from contractdesk.domain.intents import IntentKind
from contractdesk.domain.orders import OrderRole
from contractdesk.engine.engine import Engine
from contractdesk.engine.flattening import LATE
from tests.engine.bench import NS_PER_S, SYMBOL, Bench, D, wish
from tests.engine.test_doubts import held


def closes(bench: Bench) -> list[ReduceOrder]:
    return [command for command in bench.all(ReduceOrder) if command.role is OrderRole.FLATTEN]


def flattened_with_an_exit_in_the_way() -> tuple[Bench, str]:
    """A long of 0.02 is to be closed, and its exit at a limit is asked to go; the exit's client id."""
    bench, _ = held()
    bench.ask(wish(IntentKind.EXIT, limit=D(31_000)))
    resting = bench.last(ReduceOrder).client_id
    bench.accept(resting)
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester", symbol=SYMBOL))
    assert bench.last(CancelOrder).client_id == resting
    assert not closes(bench), "what rests would close it, too"
    return bench, resting


def test_a_resting_exit_whose_cancel_has_no_answer_delays_the_close_by_a_second_and_no_more() -> None:
    bench, resting = flattened_with_an_exit_in_the_way()
    for _ in range(4):
        bench.advance(0.4)
    assert [command.size for command in closes(bench)] == [D("0.02")]
    assert sum(command.client_id == resting for command in bench.all(CancelOrder)) == 2


def test_a_resting_exit_whose_cancel_is_lost_does_not_delay_it_longer() -> None:
    bench, resting = flattened_with_an_exit_in_the_way()
    for _ in range(6):
        lost = CancelFailed(ts_ns=bench.now_ns, client_id=resting, symbol=SYMBOL, code=0, message="timeout")
        bench.feed(lost)
        bench.advance(0.4)
    assert [command.size for command in closes(bench)] == [D("0.02")]


# -- what is not closed in time -----------------------------------------------------------------


def late(bench: Bench) -> list[Notify]:
    return [command for command in bench.all(Notify) if command.code == LATE]


def refuse_closes(bench: Bench, seconds: float) -> list[float]:
    """Refuse every order that is to close it; when a person was told that it is late, in s from now."""
    start, until, told = bench.now_ns, bench.now_ns + int(seconds * NS_PER_S), []
    known = len(late(bench))
    while bench.now_ns < until:
        for row in closes(bench):
            if bench.tracked(row.client_id).order.status.open:
                bench.reject(row.client_id)
        deadline = bench.engine.next_deadline_ns or until
        bench.now_ns = min(deadline, until)
        bench.feed(TimePassed(ts_ns=bench.now_ns))
        told += [(bench.now_ns - start) / NS_PER_S] * (len(late(bench)) - known)
        known = len(late(bench))
    return told


def naked() -> Bench:
    """An entry has just filled, and its stop is never answered."""
    bench = Bench()
    entry = bench.enter("0.02").approved.request.client_id
    bench.accept(entry)
    bench.fill(entry, "0.02")
    return bench


def closing() -> Bench:
    """A position under its stop is to be closed."""
    bench = Bench()
    bench.open()
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester"))
    return bench


@pytest.mark.parametrize(
    ("made", "deadline_s", "seconds", "told"),
    [
        (naked, 5.0, 4.99, []),
        (naked, 5.0, 5.0, [5.0]),  # from the fill, though the closing begins at 3 s
        (naked, 3.0, 3.0, [3.0]),
        (naked, 8.0, 7.99, []),
        (naked, 8.0, 8.0, [8.0]),
        (naked, 5.0, 66.0, [5.0, 35.0, 65.0]),
        (closing, 5.0, 4.99, []),
        (closing, 5.0, 66.0, [5.0, 35.0, 65.0]),  # though the stop stands
    ],
)
def test_a_position_that_is_not_closed_by_its_deadline_is_said_so_every_half_minute(
    made: Callable[[], Bench], deadline_s: float, seconds: float, told: list[float]
) -> None:
    bench = made()
    changes = {"flatten_deadline_s": deadline_s}
    bench.feed(RiskTuned(ts_ns=bench.now_ns, who="tester", settings=changes))
    assert refuse_closes(bench, seconds) == told


def test_it_says_what_is_held_for_how_long_and_why_and_what_the_venue_has_answered() -> None:
    bench = naked()
    refuse_closes(bench, 5)
    (alarm,) = late(bench)
    last = next(row for row in reversed(closes(bench)) if not bench.tracked(row.client_id).order.status.open)
    assert (alarm.severity, alarm.symbol) == (Severity.ALARM, SYMBOL)
    assert alarm.message == (
        f"0.02 contracts of {SYMBOL} are still held after 5.0 s, not closed within 5 s"
        f" (not under a stop within 3.0 s). {last.client_id} ended rejected (-1: no)."
        " It is tried on and on: look at the venue"
    )


def test_orders_without_an_answer_are_late_as_well() -> None:
    bench = closing()
    bench.advance(5)
    (alarm,) = late(bench)
    assert "no order that is to close it has been refused" in alarm.message


def test_asking_again_makes_it_no_later_and_what_is_closed_is_late_no_more() -> None:
    bench = closing()
    assert refuse_closes(bench, 3) == []
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester"))
    assert refuse_closes(bench, 3) == [2.0]
    bench.fill(closes(bench)[-1].client_id, "-0.02")
    assert bench.market.position.flat
    bench.advance(60)
    assert len(late(bench)) == 1
    bench.feed(ResumeAsked(ts_ns=bench.now_ns, who="tester"))
    bench.alive()
    bench.open()  # and the next one has a deadline of its own
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester"))
    assert refuse_closes(bench, 6) == [5.0]


def test_an_entry_that_fills_while_all_is_flattened_has_a_deadline_of_its_own() -> None:
    bench = Bench()
    entry = bench.enter("0.02", limit=D(29_990)).approved.request.client_id
    bench.accept(entry)
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester"))
    bench.advance(4)
    bench.fill(entry, "0.02", "29990")  # its cancel came too late
    assert refuse_closes(bench, 6) == [5.0]


def test_the_deadline_is_kept_in_a_checkpoint() -> None:
    bench = naked()
    assert refuse_closes(bench, 4) == []
    bench.engine = Engine.restore(bench.engine.checkpoint(), {})
    assert refuse_closes(bench, 2) == [1.0]
    bench.engine = Engine.restore(bench.engine.checkpoint(), {})
    assert refuse_closes(bench, 30) == [29.0]


def test_a_position_under_its_stop_has_no_such_deadline() -> None:
    bench = Bench()
    bench.open()
    before = bench.engine._protection.deadlines_ns(bench.market)
    assert [time for time in before if time] == []
    bench.advance(60)
    assert late(bench) == []
