"""What a wish may say, and which wishes a later one takes back."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from contractdesk.domain.commands import ReduceOrder, SubmitOrder
from contractdesk.domain.events import IntentAsked
from contractdesk.domain.intents import AtrStop, FixedStop, Intent, IntentKind
from contractdesk.domain.orders import Side
from tests.engine.bench import SYMBOL, Bench, D, enter, wish

IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "a size that no lot divides": {"size": D("5e29")},
    "a size too small for any lot": {"size": D("1e-30")},
    "a size that is no number": {"size": D("NaN")},
    "a size without end": {"size": D("Infinity")},
    "a float": {"size": 0.02},
    "a notional beyond all money": {"size": None, "notional": D("1e400")},
    "a limit beyond all prices": {"limit": D("1e40")},
    "a stop beyond all prices": {"stop": FixedStop(price=D("1e30"))},
    "a stop that is a float": {"stop": FixedStop(price=29000.0)},  # type: ignore[arg-type]
    "a stop of no kind": {"stop": 29000},
    "an ATR stop of no length": {"stop": AtrStop(multiple=D(0), period=14)},
    "a target below all prices": {"take_profit": D("1e-40")},
}


def asked(bench: Bench, intent: Intent) -> int:
    """Ask for it and have no account read for it yet; the wish's number."""
    bench.feed(IntentAsked(ts_ns=bench.now_ns, who="tester", intent=intent))
    return bench.engine._desk.intents


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_an_entry_with_an_impossible_number_is_refused_and_nothing_else_happens(what: str) -> None:
    bench = Bench()
    bench.alive()
    bench.ask(replace(enter(), **IMPOSSIBLE[what]))
    assert bench.engine.refusals[-1].rule == "intent"
    assert not bench.all(SubmitOrder)
    assert bench.enter("0.02").approved.request.size == D("0.02"), "the next one passes"


@pytest.mark.parametrize("size", ["1e30", "0.02", "0.03"])
def test_an_exit_of_more_than_is_held_closes_all_of_it(size: str) -> None:
    bench = Bench()
    bench.open("0.02")
    bench.ask(wish(IntentKind.EXIT, size=D(size)))
    assert [order.size for order in bench.all(ReduceOrder)] == [D("0.02")]


WISHES = {
    "an exit": wish(IntentKind.EXIT),
    "a cancel": wish(IntentKind.CANCEL),
    "the other side": enter("0.01", "31000", Side.SELL),
}


@pytest.mark.parametrize("what", WISHES)
def test_an_entry_that_waits_for_the_account_is_taken_back_by_a_later_wish_against_it(what: str) -> None:
    bench = Bench()
    bench.advance(10)
    bench.alive()
    first = asked(bench, enter("0.02"))
    asked(bench, WISHES[what])
    assert bench.engine.refusals[-1].rule == "superseded"
    assert bench.engine.refusals[-1].intent_id == first
    bench.answer_account()
    sides = [order.approved.request.side for order in bench.all(SubmitOrder)]
    assert sides == ([Side.SELL] if what == "the other side" else [])


def test_an_entry_that_waits_is_not_taken_back_by_one_of_its_own_side_or_another_kind() -> None:
    bench = Bench()
    bench.advance(10)
    bench.alive()
    asked(bench, enter("0.02"))
    asked(bench, enter("0.01"))
    asked(bench, wish(IntentKind.MOVE_STOP, stop=FixedStop(price=D(29500))))
    bench.answer_account()
    assert [order.approved.request.size for order in bench.all(SubmitOrder)] == [D("0.02"), D("0.01")]
    assert {order.approved.request.symbol for order in bench.all(SubmitOrder)} == {SYMBOL}
