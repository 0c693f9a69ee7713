"""The breaker in the engine: it halts at once, keeps the stops, and stays until a person resets it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial

import pytest
from msgspec.structs import replace

from contractdesk.domain.commands import (
    CancelOrder,
    Command,
    Notify,
    PlaceStop,
    ReduceOrder,
    Severity,
    SubmitOrder,
)
from contractdesk.domain.events import (
    BreakerReset,
    ClosingAsked,
    Event,
    FlattenAsked,
    FundingPaid,
    HaltAsked,
    MarkPriced,
    ResumeAsked,
    RiskTuned,
    StreamLost,
    StreamName,
    StreamRestored,
    WalletChanged,
)
from contractdesk.domain.orders import OrderStatus
from contractdesk.domain.views import TradingState
from contractdesk.engine.engine import Engine
from tests.engine.bench import CONFIG, NS_PER_S, SYMBOL, Bench, D, enter

WIDE = replace(CONFIG, risk=replace(CONFIG.risk, size_cap=D(10)))


def held(size: str = "0.3", stop: str = "26000") -> tuple[Bench, str]:
    """A long of 0.3 at 30,000 (9,000 of 10,000 USDT) under a stop, and the stop's client id."""
    bench = Bench(config=WIDE)
    stop_id = bench.open(size, stop)
    later(bench, 1)
    return bench, stop_id


def later(bench: Bench, seconds: float, mark: str = "30000", index: str | None = None) -> list[Command]:
    """A mark so much later; its index is the mark's unless said otherwise."""
    bench.now_ns += int(seconds * NS_PER_S)
    return bench.feed(
        MarkPriced(
            ts_ns=bench.now_ns, symbol=SYMBOL, mark=D(mark), index=D(index or mark),
            funding_rate=D(0), next_funding_ns=0, venue_ns=bench.now_ns,
        )
    )  # fmt: skip


def drawdown(bench: Bench) -> Decimal:
    found = bench.engine.view.drawdown
    assert found is not None
    return found


def state(bench: Bench) -> TradingState:
    return bench.engine.view.state


def reset(bench: Bench, reason: str = "understood") -> None:
    bench.feed(BreakerReset(ts_ns=bench.now_ns, who="tester", reason=reason))


def test_it_halts_at_once_cancels_entries_and_keeps_stops() -> None:
    bench, stop = held()
    bench.alive()
    bench.ask(enter("0.01", "26000", limit=D(29_990)))
    entry = bench.last(SubmitOrder).approved.request.client_id
    bench.accept(entry)
    later(bench, 1, "27000")
    assert state(bench) is TradingState.HALTED
    assert [c.client_id for c in bench.now(CancelOrder)] == [entry]
    assert bench.tracked(stop).order.status is OrderStatus.WORKING
    assert not bench.tracked(stop).cancelling
    (told,) = bench.now(Notify)
    assert (told.severity, told.code) == (Severity.ALARM, "breaker_tripped")
    assert "-9.00 %" in told.message
    assert not bench.now(ReduceOrder)


@pytest.mark.parametrize(("mark", "trips"), [("27333.4", False), ("27333.3", True)])
def test_it_measures_what_the_position_loses_of_the_equity(mark: str, trips: bool) -> None:
    """8 % of 10,000 is 800: 0.3 contracts lose that 2,666.67 below 30,000."""
    bench, _ = held()
    later(bench, 301)  # what was paid to open is beyond the window
    later(bench, 1, mark)
    assert (state(bench) is TradingState.HALTED) is trips


def test_the_gauge_shows_what_is_left() -> None:
    bench, _ = held()
    later(bench, 301)
    later(bench, 1, "29000")
    gauge = next(row for row in bench.engine.snapshot().risk if row.rule == "breaker")
    assert gauge.passed
    assert (gauge.found, gauge.left) == ("-3.00 % within 300 s", "5.00 % of equity")


def test_one_bad_tick_trips_nothing_and_a_second_one_is_believed() -> None:
    bench, _ = held()
    later(bench, 1, "20000", "30000")
    later(bench, 0.5, "30000")
    assert state(bench) is TradingState.ACTIVE
    later(bench, 1, "20000", "30000")
    later(bench, 0.9, "20000", "30000")
    assert state(bench) is TradingState.ACTIVE
    later(bench, 0.1, "20000", "30000")
    assert state(bench) is TradingState.HALTED


def test_stale_marks_trip_nothing() -> None:
    bench, _ = held()
    bench.now_ns += 10 * NS_PER_S
    late = MarkPriced(
        ts_ns=bench.now_ns, symbol=SYMBOL, mark=D(20_000), index=D(20_000), funding_rate=D(0),
        next_funding_ns=0, venue_ns=bench.now_ns - 5 * NS_PER_S - 1,
    )  # fmt: skip
    bench.feed(late)
    bench.advance(20)
    assert state(bench) is TradingState.ACTIVE
    bench.ask(enter("0.01", "19000"))
    assert len(bench.all(SubmitOrder)) == 1  # but nothing is entered on them


@pytest.mark.parametrize("gap", [200, 301, 8 * 3600])
def test_a_loss_while_nothing_was_heard_trips_however_long_that_was(gap: int) -> None:
    bench, _ = held()
    later(bench, gap, "27000")
    assert state(bench) is TradingState.HALTED
    assert drawdown(bench) < D("-0.08")


def test_a_slow_loss_trips_nothing() -> None:
    bench, _ = held()
    for mark in ("29000", "28000", "27000"):
        later(bench, 301, mark)
    assert state(bench) is TradingState.ACTIVE


def test_fees_funding_and_realized_losses_count_and_transfers_do_not() -> None:
    bench, _ = held()
    wallet = WalletChanged(
        ts_ns=bench.now_ns, asset="USDT", wallet_balance=D(1_000), change=D(-9_000), cause="WITHDRAW",
        venue_ns=bench.now_ns,
    )  # fmt: skip
    bench.feed(wallet)
    later(bench, 301)
    later(bench, 1)
    assert state(bench) is TradingState.ACTIVE
    paid = FundingPaid(
        ts_ns=bench.now_ns, symbol=SYMBOL, amount=D("-79.99"), payment_id="f1", venue_ns=bench.now_ns
    )
    bench.feed(paid)
    assert state(bench) is TradingState.ACTIVE
    assert drawdown(bench) == D("-0.07999")
    bench.feed(replace(paid, amount=D("-0.01"), payment_id="f2"))
    assert state(bench) is TradingState.HALTED


def test_a_loss_that_is_realized_at_once_counts() -> None:
    bench, stop = held()
    later(bench, 301)
    bench.fill(stop, "-0.3", "27000")
    assert state(bench) is TradingState.HALTED
    assert drawdown(bench) < D("-0.09")


def test_no_entry_while_it_is_latched_not_even_after_resume() -> None:
    bench, _ = held()
    later(bench, 1, "27000")
    bench.feed(ResumeAsked(ts_ns=bench.now_ns, who="tester"))
    assert state(bench) is TradingState.HALTED
    (told,) = bench.now(Notify)
    assert told.code == "not_resumed"
    assert "reset" in told.message
    sent = len(bench.all(SubmitOrder))
    bench.make_ready(D(27_000))
    bench.ask(enter("0.01", "26000"))
    assert len(bench.all(SubmitOrder)) == sent
    assert bench.engine.snapshot().refusals[-1].rule == "breaker"
    assert bench.engine.why_not(SYMBOL)[0].rule == "breaker"


def test_a_reset_with_a_reason_makes_it_active_and_counts_from_there() -> None:
    bench, _ = held()
    later(bench, 1, "27000")
    reset(bench, " ")
    assert state(bench) is TradingState.HALTED
    reset(bench)
    assert state(bench) is TradingState.ACTIVE
    assert "understood" in bench.last(Notify).message
    later(bench, 1, "26900")
    assert state(bench) is TradingState.ACTIVE
    later(bench, 1, "24000")
    assert state(bench) is TradingState.HALTED


def test_a_reset_does_not_end_a_halt_by_hand() -> None:
    bench, _ = held()
    bench.feed(HaltAsked(ts_ns=bench.now_ns, who="tester", reason="lunch"))
    later(bench, 1, "27000")
    reset(bench)
    assert state(bench) is TradingState.HALTED
    bench.feed(ResumeAsked(ts_ns=bench.now_ns, who="tester"))
    assert state(bench) is TradingState.ACTIVE
    reset(bench)
    assert "not_reset" in bench.codes


@pytest.mark.parametrize("first", [True, False], ids=["before the trip", "after it"])
@pytest.mark.parametrize(
    "asked", [FlattenAsked, partial(ClosingAsked, flatten=False)], ids=["flatten", "close"]
)
def test_a_reset_does_not_end_a_flatten(first: bool, asked: Callable[..., Event]) -> None:
    """ "After flatten() the state is REDUCING until resume()", whatever trips and is reset meanwhile."""
    bench, _ = held()
    request = asked(ts_ns=bench.now_ns, who="tester")
    if first:
        bench.feed(request)
    later(bench, 1, "27000")
    assert bench.engine.view.breaker_reason
    if not first:
        bench.feed(request)
    reset(bench)
    assert state(bench) is TradingState.HALTED
    assert "resume()" in bench.engine.snapshot().state_reason
    bench.feed(ResumeAsked(ts_ns=bench.now_ns, who="tester"))
    assert state(bench) is TradingState.ACTIVE


def test_a_reset_does_not_end_what_else_has_halted_the_desk() -> None:
    """An order that was filled beyond its size, while the breaker was latched."""
    bench, _ = held()
    entry = bench.enter("0.01", "26000").approved.request.client_id
    later(bench, 1, "27000")
    bench.fill(entry, "0.02", "27000")
    assert "overfilled" in bench.codes
    reset(bench)
    assert state(bench) is TradingState.HALTED


def test_flatten_on_trip_closes_reduce_only() -> None:
    bench, _ = held()
    bench.feed(RiskTuned(ts_ns=bench.now_ns, who="tester", settings={"on_trip": "flatten"}))
    later(bench, 1, "27000")
    assert state(bench) is TradingState.HALTED
    (close,) = bench.now(ReduceOrder)
    assert close.size == D("0.3")


def test_a_tuned_drop_counts_from_the_next_sample() -> None:
    bench, _ = held()
    later(bench, 1, "29000")
    bench.feed(RiskTuned(ts_ns=bench.now_ns, who="tester", settings={"breaker_drop": "0.02"}))
    later(bench, 1, "28999")
    assert state(bench) is TradingState.HALTED


def test_contracts_that_are_not_ours_count_from_when_they_were_seen() -> None:
    """Half a contract that somebody bought at 40,000: that loss is not of now, what it loses next is."""
    bench = Bench(config=WIDE, started=False)
    account = bench.account(D("0.5"))
    (theirs,) = account.positions
    bench.start(replace(account, positions=(replace(theirs, entry_price=D(40_000)),)))
    later(bench, 1)
    assert bench.market.external_size == D("0.5")
    later(bench, 1, "29300")
    assert state(bench) is TradingState.ACTIVE
    later(bench, 1, "29100")  # 450 of the 5,000 that are left of 10,000
    assert state(bench) is TradingState.HALTED
    assert not bench.all(PlaceStop)


def test_it_stays_latched_in_a_checkpoint_and_through_the_next_start() -> None:
    bench, _ = held()
    later(bench, 1, "27000")
    bench.engine = Engine.restore(bench.engine.checkpoint(), {})
    bench.feed(StreamLost(ts_ns=bench.now_ns, stream=StreamName.PRIVATE, reason="away"))
    bench.feed(StreamRestored(ts_ns=bench.now_ns, stream=StreamName.PRIVATE))
    bench.picture(0, D("0.3"))
    assert state(bench) is TradingState.HALTED
    assert bench.engine.view.breaker_reason
    reset(bench)
    assert state(bench) is TradingState.ACTIVE
