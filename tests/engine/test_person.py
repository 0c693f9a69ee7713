"""Halting, resuming, flattening, closing; orders by hand; settings."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.domain.account import PositionMode, VenuePosition
from contractdesk.domain.commands import CancelOrder, PlaceStop, ReduceOrder, SubmitOrder
from contractdesk.domain.events import (
    CancelAsked,
    ClockMeasured,
    ClosingAsked,
    FlattenAsked,
    HaltAsked,
    IntentAsked,
    LeverageChanged,
    LoopLagged,
    MarginCalled,
    ModesRead,
    ReadFailed,
    ResumeAsked,
    RiskTuned,
    VenueSilenced,
)
from contractdesk.domain.intents import FixedStop, IntentKind
from contractdesk.domain.orders import OrderRole, OrderStatus, Side
from contractdesk.domain.views import TradingState
from tests.engine.bench import NS_PER_S, SYMBOL, Bench, D, enter, wish


def resting(bench: Bench, side: Side = Side.BUY) -> str:
    stop, limit = ("29000", D(29_990)) if side is Side.BUY else ("31000", D(30_010))
    entry = bench.enter("0.01", stop, side, limit=limit).approved.request.client_id
    bench.accept(entry)
    return entry


def last_rule(bench: Bench) -> str:
    return bench.engine.snapshot().refusals[-1].rule


def test_halt_cancels_entries_in_the_same_breath_and_keeps_stops() -> None:
    bench = Bench()
    stop = bench.open("0.01")
    entry = resting(bench)
    bench.feed(HaltAsked(ts_ns=bench.now_ns, who="tester"))
    assert [c.client_id for c in bench.now(CancelOrder)] == [entry]
    assert bench.engine.view.state is TradingState.HALTED
    assert bench.tracked(stop).order.status is OrderStatus.WORKING
    assert not bench.tracked(stop).cancelling


def test_halted_takes_no_entry_but_lets_the_person_out() -> None:
    bench = Bench()
    bench.open("0.01")
    bench.feed(HaltAsked(ts_ns=bench.now_ns, who="tester"))
    sent = len(bench.all(SubmitOrder))
    bench.alive()
    bench.ask(enter())
    assert len(bench.all(SubmitOrder)) == sent
    assert last_rule(bench) == "trading_state"
    bench.ask(wish(IntentKind.EXIT))
    assert bench.now(ReduceOrder)


def test_an_entry_in_flight_at_the_halt_is_cancelled_when_it_is_accepted() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.feed(HaltAsked(ts_ns=bench.now_ns, who="tester"))
    bench.accept(entry)
    assert [c.client_id for c in bench.now(CancelOrder)] == [entry]


def test_an_entry_that_waits_for_the_account_does_not_survive_a_halt() -> None:
    bench = Bench()
    bench.advance(10)
    bench.alive()
    bench.feed(IntentAsked(ts_ns=bench.now_ns, who="tester", intent=enter()))
    bench.feed(HaltAsked(ts_ns=bench.now_ns, who="tester"))
    bench.answer_account()
    assert not bench.all(SubmitOrder)
    assert last_rule(bench) == "trading_state"


def test_resume_makes_it_active_again() -> None:
    bench = Bench()
    bench.feed(HaltAsked(ts_ns=bench.now_ns, who="tester"))
    bench.feed(ResumeAsked(ts_ns=bench.now_ns, who="tester"))
    assert bench.engine.view.state is TradingState.ACTIVE
    assert bench.enter()


def test_a_desk_that_is_starting_cannot_be_resumed() -> None:
    bench = Bench(started=False)
    bench.feed(ResumeAsked(ts_ns=bench.now_ns, who="tester"))
    assert bench.engine.view.state is TradingState.REDUCING
    assert "not_resumed" in bench.codes


def test_a_halt_before_the_start_outlasts_it() -> None:
    bench = Bench(started=False)
    bench.feed(HaltAsked(ts_ns=bench.now_ns, who="tester"))
    bench.start()
    assert bench.engine.view.state is TradingState.HALTED


@pytest.mark.parametrize("closing", [False, True])
def test_flatten_cancels_entries_closes_and_takes_the_stops_last(closing: bool) -> None:
    bench = Bench()
    stop = bench.open("0.01")
    entry = resting(bench)
    asked = (
        ClosingAsked(ts_ns=bench.now_ns, who="tester", flatten=True)
        if closing
        else FlattenAsked(ts_ns=bench.now_ns, who="tester")
    )
    bench.feed(asked)
    assert [c.client_id for c in bench.now(CancelOrder)] == [entry]
    order = bench.last(ReduceOrder)
    assert (order.size, order.role) == (D("0.01"), OrderRole.FLATTEN)
    assert bench.engine.view.state is TradingState.REDUCING
    bench.accept(order.client_id)
    bench.cancelled(entry)
    assert not bench.tracked(stop).cancelling
    bench.fill(order.client_id, "-0.01")
    assert bench.last(CancelOrder).client_id == stop
    bench.cancelled(stop)
    assert not bench.market.open_ids
    assert bench.market.guard.flatten_reason == ""


def test_an_entry_that_fills_during_a_flatten_is_closed_too() -> None:
    bench = Bench()
    entry = bench.enter("0.01").approved.request.client_id
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester", symbol=SYMBOL))
    bench.fill(entry, "0.01")
    assert [c.size for c in bench.now(ReduceOrder)] == [D("0.01")]
    assert not bench.all(PlaceStop)


def test_closing_without_flatten_leaves_the_position_protected() -> None:
    bench = Bench()
    bench.open("0.01")
    entry = resting(bench)
    bench.feed(ClosingAsked(ts_ns=bench.now_ns, who="tester", flatten=False))
    assert [c.client_id for c in bench.now(CancelOrder)] == [entry]
    assert not bench.all(ReduceOrder)
    assert bench.market.guarded == D("0.01")


def test_flatten_of_an_unknown_symbol_is_said() -> None:
    bench = Bench()
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester", symbol="X/Y:Y"))
    assert "unknown_symbol" in bench.codes
    assert bench.engine.view.state is TradingState.ACTIVE


def test_an_exit_takes_entries_back_and_closes_only_once() -> None:
    bench = Bench()
    bench.open("0.01")
    entry = resting(bench)
    bench.ask(wish(IntentKind.EXIT))
    assert [c.client_id for c in bench.now(CancelOrder)] == [entry]
    bench.ask(wish(IntentKind.EXIT))
    assert len(bench.all(ReduceOrder)) == 1  # all of it is being closed already


def test_an_exit_at_a_limit_rests_on_its_tick() -> None:
    bench = Bench()
    bench.open("0.01")
    bench.ask(wish(IntentKind.EXIT, limit=D("30100.03")))
    assert bench.last(ReduceOrder).price == D("30100.10")


def test_a_rejected_exit_becomes_a_flattening() -> None:
    bench = Bench()
    bench.open("0.01")
    bench.ask(wish(IntentKind.EXIT))
    bench.reject(bench.last(ReduceOrder).client_id)
    again = bench.last(ReduceOrder)
    assert (again.role, again.size) == (OrderRole.FLATTEN, D("0.01"))


def test_an_opposite_entry_takes_the_resting_one_back() -> None:
    bench = Bench()
    entry = resting(bench)
    bench.alive()
    bench.ask(enter("0.01", "31000", Side.SELL))
    assert entry in [c.client_id for c in bench.all(CancelOrder)]


def test_cancelling_by_hand() -> None:
    bench = Bench()
    stop = bench.open("0.01")
    entry = resting(bench)
    bench.feed(CancelAsked(ts_ns=bench.now_ns, who="tester", client_id=entry))
    assert [c.client_id for c in bench.now(CancelOrder)] == [entry]
    bench.feed(CancelAsked(ts_ns=bench.now_ns, who="tester", client_id=stop))
    assert not bench.now(CancelOrder)
    bench.ask(wish(IntentKind.CANCEL))
    assert not bench.tracked(stop).cancelling
    assert bench.codes.count("not_cancelled") == 1


def test_refusals_name_what_would_pass() -> None:
    bench = Bench()
    bench.alive()
    bench.ask(enter("5"))
    refused = bench.engine.snapshot().refusals[-1]
    assert refused.rule == "size_cap"
    assert refused.would_pass
    bench.ask(enter("NaN"))
    assert last_rule(bench) == "intent"
    bench.feed(
        IntentAsked(
            ts_ns=bench.now_ns,
            who="tester",
            intent=type(enter())(kind=IntentKind.ENTER, symbol="X/Y:Y"),
        )
    )
    assert last_rule(bench) == "symbol"


def test_an_entry_whose_account_cannot_be_read_is_refused() -> None:
    bench = Bench()
    bench.advance(10)
    bench.alive()
    bench.feed(IntentAsked(ts_ns=bench.now_ns, who="tester", intent=enter()))
    for request_id in list(bench.engine._desk.account_reads):
        bench.feed(ReadFailed(ts_ns=bench.now_ns, request_id=request_id, what="account", reason="503"))
    assert last_rule(bench) == "equity"


def test_an_entry_expires_when_no_answer_comes() -> None:
    bench = Bench()
    bench.advance(10)
    bench.alive()
    bench.feed(IntentAsked(ts_ns=bench.now_ns, who="tester", intent=enter()))
    bench.advance(1.9)
    assert not bench.engine.snapshot().refusals
    bench.advance(0.2)
    assert last_rule(bench) == "intent_expiry"


def test_risk_is_tuned_within_its_ranges() -> None:
    bench = Bench()
    bench.feed(RiskTuned(ts_ns=bench.now_ns, who="tester", settings={"size_cap": "0.03"}))
    bench.alive()
    bench.ask(enter("0.02"))
    assert last_rule(bench) == "size_cap"
    bench.feed(RiskTuned(ts_ns=bench.now_ns, who="tester", settings={"size_cap": "99"}))
    assert bench.codes[-1] == "tuning_refused"


def test_silence_hedge_mode_lag_and_clock_refuse_entries() -> None:
    bench = Bench()
    bench.feed(VenueSilenced(ts_ns=bench.now_ns, status=429, until_ns=bench.now_ns + 2 * NS_PER_S))
    bench.alive()
    bench.ask(enter())
    assert last_rule(bench) == "venue_silence"
    bench.advance(2.1)
    bench.feed(LoopLagged(ts_ns=bench.now_ns, lag_ms=2500.0))
    bench.alive()
    bench.ask(enter())
    assert last_rule(bench) == "freshness_loop"
    bench.advance(5.1)  # a lag that is not reported again is over
    assert bench.engine.view.loop_lag_ms == 0
    bench.feed(ClockMeasured(ts_ns=bench.now_ns, offset_ms=-7000.0, rtt_ms=1.0))
    assert bench.codes[-1] == "clock_offset"
    bench.advance(7.1)  # until then a mark of the venue's time is older than the last one
    bench.alive()
    bench.ask(enter())
    assert last_rule(bench) == "freshness_clock"
    bench.feed(ClockMeasured(ts_ns=bench.now_ns, offset_ms=0.0, rtt_ms=1.0))
    bench.feed(
        ModesRead(
            ts_ns=bench.now_ns, position_mode=PositionMode.HEDGE, margin_modes={}, leverages={"X": D(1)}
        )
    )
    assert bench.engine.view.state is TradingState.HALTED
    bench.feed(ResumeAsked(ts_ns=bench.now_ns, who="tester"))
    assert bench.engine.view.state is TradingState.HALTED


def test_margin_calls_and_leverage_are_told() -> None:
    bench = Bench()
    bench.feed(MarginCalled(ts_ns=bench.now_ns, symbols=(SYMBOL,)))
    bench.feed(LeverageChanged(ts_ns=bench.now_ns, symbol=SYMBOL, leverage=D(3)))
    assert bench.codes[-2:] == ["margin_call", "leverage_changed"]
    assert bench.market.leverage == D(3)


def test_an_exit_at_market_is_not_held_up_by_one_that_rests() -> None:
    bench = Bench()
    bench.open("0.02")
    bench.ask(wish(IntentKind.EXIT, limit=D(31_000)))
    resting_exit = bench.last(ReduceOrder).client_id
    bench.accept(resting_exit)
    bench.ask(wish(IntentKind.EXIT))
    sent = bench.all(ReduceOrder)
    assert [(order.size, order.price) for order in sent[1:]] == [(D("0.02"), None)]
    assert [c.client_id for c in bench.all(CancelOrder)] == [resting_exit]


def test_a_part_closed_at_market_leaves_a_resting_exit_that_has_room_beside_it() -> None:
    bench = Bench()
    bench.open("0.02")
    bench.ask(wish(IntentKind.EXIT, limit=D(31_000), size=D("0.01")))
    bench.accept(bench.last(ReduceOrder).client_id)
    bench.ask(wish(IntentKind.EXIT, size=D("0.01")))
    assert [order.size for order in bench.all(ReduceOrder)] == [D("0.01"), D("0.01")]
    assert not bench.all(CancelOrder)


def test_a_stop_is_not_judged_by_the_liquidation_price_of_an_earlier_position() -> None:
    bench = Bench()
    bench.open("0.01")
    desk = bench.engine.view
    assert desk.account is not None
    short = VenuePosition(
        symbol=SYMBOL, size=D("-0.01"), entry_price=D(30_000), unrealized_pnl=D(0), leverage=D(10),
        liquidation_price=D(900_000),
    )  # fmt: skip
    desk.account = replace(desk.account, positions=(short,))  # read before the position was turned
    bench.ask(wish(IntentKind.MOVE_STOP, stop=FixedStop(price=D(29_500))))
    assert not bench.engine.snapshot().refusals
    assert bench.last(PlaceStop).trigger_price == D(29_500)
