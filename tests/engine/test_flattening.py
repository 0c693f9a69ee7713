"""Closing a position while orders that do not go away are in the way."""

from __future__ import annotations

from contractdesk.domain.commands import CancelOrder, ReduceOrder
from contractdesk.domain.events import CancelFailed, FlattenAsked
from contractdesk.domain.intents import IntentKind
from contractdesk.domain.orders import OrderRole
from tests.engine.bench import SYMBOL, Bench, D, wish
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
