"""Hosting: what strategies are told, what becomes of their wishes, and what disables them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contractdesk.domain.commands import (
    CancelOrder,
    PlaceStop,
    ReduceOrder,
    SubmitOrder,
    Watch,
)
from contractdesk.domain.events import (
    BarsLoaded,
    BookChanged,
    Event,
    FundingPaid,
    FundingSettled,
    HaltAsked,
    LiquidationPrinted,
    StrategyStopped,
    StrategySwapped,
    StrategyTuned,
    SymbolNotReady,
    TradePrinted,
)
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.orders import Side
from contractdesk.strategy import (
    BarView,
    Context,
    Strategy,
    enter_long,
    exit_position,
)
from contractdesk.strategy.base import Wish
from tests.engine.bench import MARK, SYMBOL, Bench, D
from tests.engine.hosting import Buyer, Diary, Seller, bar, close_bar, misbehaving, row, running, said, start

# -- life -------------------------------------------------------------------------------------------


def test_starting_watches_and_a_bar_becomes_an_order() -> None:
    bench = running(Buyer)
    watch = bench.last(Watch)
    assert (watch.symbol, watch.timeframes, watch.warmup) == (SYMBOL, ("1m",), 500)
    close_bar(bench, 0)
    entry = bench.last(SubmitOrder).approved.request
    assert (entry.strategy_id, entry.size) == ("s1", D("0.01"))
    bench.fill(entry.client_id, "0.01")
    assert bench.last(PlaceStop).strategy_id == "s1"
    assert row(bench).fills == 1
    assert row(bench).realized_pnl == D("-0.1")  # the fee
    story = bench.engine.why(entry.client_id)
    assert story is not None
    assert "1m bar" in story.lines[0]


def test_every_callback_is_called() -> None:
    bench = running(Diary)
    now = bench.now_ns
    trade = TradePrinted(
        ts_ns=now, symbol=SYMBOL, trade_id=1, price=MARK, size=D(1), taker=Side.BUY, venue_ns=now
    )
    events: list[Event] = [
        trade,
        BookChanged(ts_ns=now, symbol=SYMBOL, first_id=2, last_id=2, bids=b"", asks=b"", venue_ns=now),
        FundingSettled(ts_ns=now, symbol=SYMBOL, rate=ZERO, funding_ns=now),
        FundingPaid(ts_ns=now, symbol=SYMBOL, amount=D(1), payment_id="1", venue_ns=now),
        LiquidationPrinted(ts_ns=now, symbol=SYMBOL, side=Side.BUY, size=D(1), price=MARK, venue_ns=now),
    ]
    for event in events:
        bench.feed(event)
    close_bar(bench, 0)
    bench.fill(bench.last(SubmitOrder).approved.request.client_id, "0.01")
    assert bench.last(PlaceStop).trigger_price == D(29_500)  # its own move_stop, from on_fill
    bench.feed(HaltAsked(ts_ns=bench.now_ns, who="tester"))
    close_bar(bench, 1)
    bench.feed(StrategyStopped(ts_ns=bench.now_ns, who="tester", strategy_id="s1"))
    assert said(bench) == [
        "start", "trade", "book", "FundingSettled", "FundingPaid", "liquidation", "bar nan",
        "fill 0.01", "position 0.01", "order ENTRY filled", "bar nan", "refused trading_state", "end",
    ]  # fmt: skip
    assert row(bench).status == "stopped"


def test_bars_before_readiness_warm_up_and_cause_nothing() -> None:
    bench = running(Buyer)
    bench.feed(SymbolNotReady(ts_ns=bench.now_ns, symbol=SYMBOL, reason="cut"))
    history = tuple(bar(number) for number in range(-30, 0))
    bench.feed(BarsLoaded(ts_ns=bench.now_ns, symbol=SYMBOL, timeframe="1m", bars=history))
    close_bar(bench, 0)
    assert not bench.all(SubmitOrder)
    assert len(bench.market.series["1m"]) == 31


def test_one_strategy_a_symbol() -> None:
    bench = running(Buyer)
    start(bench, "s2")
    assert bench.codes[-1] == "strategy_refused"
    start(bench, "s1")
    assert "use tune()" in bench.engine.snapshot().notices[-1].message
    assert len(bench.engine.snapshot().strategies) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"source_hash": "none"},
        {"symbols": ("X/Y:Y",)},
        {"size": "-1"},
        {"wrong": 1},
        {"timeframe": "1x"},
    ],
    ids=str,
)
def test_what_cannot_be_built_is_refused_and_leaves_nothing(more: dict[str, Any]) -> None:
    bench = Bench({"h": Buyer})
    start(bench, **more)
    assert bench.codes[-1] == "strategy_refused"
    assert not bench.engine.snapshot().strategies
    assert not bench.all(Watch)


def test_a_stopped_strategy_may_leave_and_not_enter() -> None:
    class Stubborn(Buyer):
        def on_end(self, ctx: Context) -> Wish:
            return [exit_position(SYMBOL), enter_long(SYMBOL, size="0.01", stop=29_000)]

    bench = running(Stubborn)
    close_bar(bench, 0)
    bench.fill(bench.last(SubmitOrder).approved.request.client_id, "0.01")
    bench.feed(StrategyStopped(ts_ns=bench.now_ns, who="tester", strategy_id="s1"))
    assert bench.now(ReduceOrder)
    assert not bench.now(SubmitOrder)
    assert bench.engine.snapshot().refusals[-1].rule == "strategy"


# -- tuning and swapping ----------------------------------------------------------------------------


def test_tuning_takes_effect_at_the_next_event_or_not_at_all() -> None:
    bench = running(Buyer)

    def tune(**params: Any) -> None:
        bench.feed(StrategyTuned(ts_ns=bench.now_ns, who="tester", strategy_id="s1", params=params))

    tune(size="0.02")
    close_bar(bench, 0)
    assert bench.last(SubmitOrder).approved.request.size == D("0.02")
    tune(size="7")
    assert bench.codes[-1] == "tuning_refused"
    assert row(bench).params["size"] == "0.02"
    bench.feed(StrategyTuned(ts_ns=bench.now_ns, who="tester", strategy_id="s9", params={}))
    assert bench.codes[-1] == "strategy_unknown"


def test_new_code_takes_over_at_the_end_of_the_bar_with_its_memory_and_position() -> None:
    bench = Bench({"h": Buyer, "new": Seller})
    start(bench, size="0.02")
    close_bar(bench, 0)
    bench.fill(bench.last(SubmitOrder).approved.request.client_id, "0.02")
    bench.feed(
        StrategySwapped(
            ts_ns=bench.now_ns, who="tester", strategy_id="s1", class_name="Seller", source_hash="new"
        )
    )
    assert row(bench).class_name == "S"
    close_bar(bench, 1)
    assert bench.last(ReduceOrder).size == D("0.02")
    assert (row(bench).class_name, row(bench).params["size"]) == ("Seller", "0.02")
    assert bench.engine._desk.strategies["s1"].memory == {"bars": 1}


def test_new_code_that_cannot_be_built_leaves_the_old_running() -> None:
    bench = running(Buyer)
    bench.feed(
        StrategySwapped(
            ts_ns=bench.now_ns, who="tester", strategy_id="s1", class_name="X", source_hash="gone"
        )
    )
    close_bar(bench, 0)
    assert bench.all(SubmitOrder)
    assert row(bench).status == "running"


# -- misbehaviour -----------------------------------------------------------------------------------


def raising() -> Any:
    raise ValueError(f"at {object()!r}")


def leaving() -> Any:
    raise SystemExit("enough")


@pytest.mark.parametrize(
    ("callback", "why"),
    [
        (raising, "ValueError: at <object object at 0x>"),
        (leaving, "SystemExit: enough"),
        (lambda: "buy", "returned a str"),
        (lambda: [1], "returned a list"),
        (lambda: [exit_position(SYMBOL)] * 51, "51 times in a second"),
    ],
    ids=["raises", "leaves", "string", "list", "flood"],
)
def test_misbehaviour_disables_and_the_position_stays_protected(
    callback: Callable[[], Any], why: str
) -> None:
    bench = Bench({"h": misbehaving(callback)})
    bench.open("0.01")
    start(bench)
    close_bar(bench, 0)
    assert row(bench).status.startswith("disabled: ")
    assert why in row(bench).status
    assert bench.codes[-1] == "strategy_disabled"
    assert bench.market.guarded == D("0.01")
    close_bar(bench, 1)
    assert bench.codes.count("strategy_disabled") == 1


def test_a_disabled_strategys_resting_entries_are_cancelled() -> None:
    class Once(Strategy):
        def on_bar(self, bar: BarView, ctx: Context) -> Wish:
            if ctx.entries(bar.symbol):
                raise RuntimeError("enough")
            return enter_long(bar.symbol, size="0.01", stop=29_000, limit=29_990)

    bench = running(Once)
    close_bar(bench, 0)
    entry = bench.last(SubmitOrder).approved.request.client_id
    bench.accept(entry)
    close_bar(bench, 1)
    assert [command.client_id for command in bench.now(CancelOrder)] == [entry]


def test_bars_that_close_together_need_not_make_three_entries() -> None:
    """Between the wish and its order the account is read: ``entries`` is empty still, ``entering`` is not."""

    class Careful(Strategy):
        def on_bar(self, bar: BarView, ctx: Context) -> Wish:
            self.state.setdefault("said", []).append([len(ctx.entries(bar.symbol)), ctx.entering(bar.symbol)])
            if ctx.entering(bar.symbol):
                return None
            return enter_long(bar.symbol, size="0.01", stop=29_000, limit=29_990)

    bench = running(Careful)
    bench.engine._core.doubt_account()
    for number in range(3):
        close_bar(bench, number)
    assert said(bench) == [[0, False], [0, True], [0, True]]
    bench.answer_account()
    assert len(bench.all(SubmitOrder)) == 1
    close_bar(bench, 3)
    assert said(bench)[-1] == [1, True]


def test_answering_every_refusal_with_a_wish_ends() -> None:
    class Stubborn(Strategy):
        def on_bar(self, bar: BarView, ctx: Context) -> Wish:
            return enter_long(bar.symbol, size="0.01")

        def on_risk(self, refused: Any, ctx: Context) -> Wish:
            return enter_long(refused.symbol, size="0.01")

    bench = running(Stubborn)
    close_bar(bench, 0)
    assert row(bench).status.startswith("disabled: it wished 51 times")
