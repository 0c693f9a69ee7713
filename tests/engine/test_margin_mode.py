"""Isolated margin: nothing is entered in it, what is held is told once, and the way out stays open."""

from __future__ import annotations

from contractdesk.domain.account import MarginMode, PositionMode
from contractdesk.domain.commands import Notify, PlaceStop, SubmitOrder
from contractdesk.domain.events import ModesRead
from contractdesk.domain.intents import FixedStop, IntentKind
from tests.engine.bench import SYMBOL, Bench, D, ReduceOrder, enter, wish


def read(bench: Bench, mode: MarginMode) -> None:
    modes = {SYMBOL: mode, "X": mode}
    bench.feed(
        ModesRead(
            ts_ns=bench.now_ns,
            position_mode=PositionMode.ONE_WAY,
            margin_modes=modes,
            leverages={SYMBOL: D(50)},
        )
    )


def test_no_entry_in_isolated_margin_whose_liquidation_no_stop_is_measured_by() -> None:
    bench = Bench()
    read(bench, MarginMode.ISOLATED)
    bench.alive()
    (blocking,) = bench.engine.why_not(SYMBOL)
    assert (blocking.rule, blocking.found, blocking.limit) == ("margin_mode", "isolated", "cross")
    bench.ask(enter("0.009", "27000"))
    assert not bench.all(SubmitOrder)
    assert bench.engine.refusals[-1].rule == "margin_mode"
    assert "isolated_margin" not in bench.codes, "nothing is held in it"
    read(bench, MarginMode.CROSS)
    bench.alive()
    assert not bench.engine.why_not(SYMBOL)
    bench.ask(enter("0.009", "27000"))
    assert bench.all(SubmitOrder)


def test_a_position_in_isolated_margin_is_told_once_and_may_be_stopped_and_closed() -> None:
    bench = Bench()
    bench.open("0.02", "29000")
    read(bench, MarginMode.ISOLATED)
    read(bench, MarginMode.ISOLATED)
    (said,) = [notice for notice in bench.all(Notify) if notice.code == "isolated_margin"]
    assert said.symbol == SYMBOL
    bench.alive()
    bench.ask(wish(IntentKind.MOVE_STOP, stop=FixedStop(price=D(29_500))))
    assert bench.last(PlaceStop).trigger_price == D(29_500)
    bench.ask(wish(IntentKind.EXIT))
    assert bench.last(ReduceOrder)
    assert not bench.engine.refusals
