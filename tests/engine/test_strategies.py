"""Hosting: what strategies are told, what becomes of their wishes, and what disables them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from contractdesk.domain.commands import (
    CancelOrder,
    Command,
    PlaceStop,
    ReadAccount,
    ReadVenueState,
    ReduceOrder,
    SubmitOrder,
    Watch,
)
from contractdesk.domain.events import (
    BarClosed,
    BarsLoaded,
    BookChanged,
    Event,
    FundingPaid,
    FundingSettled,
    HaltAsked,
    LiquidationPrinted,
    StrategyStarted,
    StrategyStopped,
    StrategySwapped,
    StrategyTuned,
    SymbolNotReady,
    TradePrinted,
)
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.market import Bar
from contractdesk.domain.orders import Side
from contractdesk.engine.engine import Engine
from contractdesk.strategy import (
    Atr,
    BarView,
    Context,
    Param,
    Strategy,
    enter_long,
    exit_position,
    move_stop,
)
from contractdesk.strategy.base import Wish
from contractdesk.strategy.library import TrendFollow
from engine.bench import MARK, NS_PER_S, START, SYMBOL, Bench, D

MINUTE = 60 * NS_PER_S
OPEN = START - START % MINUTE


class Buyer(Strategy):
    """Enters at each bar's close, and counts them."""

    size = Param(Decimal("0.01"), ge=Decimal("0.001"), le=Decimal(1))
    stop = Param(29_000, ge=1)

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        self.state["bars"] = self.state.get("bars", 0) + 1
        return enter_long(bar.symbol, size=self.size, stop=self.stop)


class Seller(Buyer):
    """New code: it leaves at each bar's close."""

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        return exit_position(bar.symbol)


class Diary(Strategy):
    """Writes down what it is told."""

    def on_start(self, ctx: Context) -> Wish:
        self.state["said"] = ["start"]

    def on_trade(self, trade: TradePrinted, ctx: Context) -> Wish:
        self.state["said"].append("trade")

    def on_book(self, symbol: str, ctx: Context) -> Wish:
        self.state["said"].append("book")

    def on_funding(self, funding: FundingSettled | FundingPaid, ctx: Context) -> Wish:
        self.state["said"].append(type(funding).__name__)

    def on_liquidation(self, liquidation: LiquidationPrinted, ctx: Context) -> Wish:
        self.state["said"].append("liquidation")

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        self.state["said"].append(f"bar {ctx.indicator(bar.symbol, Atr(2)):g}")
        return enter_long(bar.symbol, size="0.01", stop=29_000)

    def on_order(self, order: Any, ctx: Context) -> Wish:
        self.state["said"].append(f"order {order.request.role.name} {order.status.value}")

    def on_fill(self, fill: Any, ctx: Context) -> Wish:
        self.state["said"].append(f"fill {fill.signed_size}")
        return move_stop(fill.symbol, 29_500)

    def on_position(self, position: Any, ctx: Context) -> Wish:
        self.state["said"].append(f"position {position.size}")

    def on_risk(self, refused: Any, ctx: Context) -> Wish:
        self.state["said"].append(f"refused {refused.rule}")

    def on_end(self, ctx: Context) -> Wish:
        self.state["said"].append("end")
        return exit_position(SYMBOL)


def misbehaving(callback: Callable[[], Any]) -> type[Strategy]:
    class Bad(Strategy):
        def on_bar(self, bar: BarView, ctx: Context) -> Wish:
            return callback()  # type: ignore[no-any-return]

    return Bad


def bar(number: int, close: Decimal = MARK) -> Bar:
    return Bar(
        open_ns=OPEN + number * MINUTE, open=close, high=close + 10, low=close - 10, close=close, volume=D(1)
    )


def start(bench: Bench, name: str = "s1", source_hash: str = "h", **more: Any) -> None:
    symbols = more.pop("symbols", (SYMBOL,))
    timeframe = more.pop("timeframe", "1m")
    bench.feed(
        StrategyStarted(
            ts_ns=bench.now_ns,
            who="tester",
            strategy_id=name,
            class_name="S",
            source_hash=source_hash,
            params=more,
            symbols=symbols,
            timeframe=timeframe,
        )
    )


def close_bar(bench: Bench, number: int, close: Decimal = MARK) -> None:
    bench.alive()
    bench.feed(BarClosed(ts_ns=bench.now_ns, symbol=SYMBOL, timeframe="1m", bar=bar(number, close)))


def running(strategy: type[Strategy], **params: Any) -> Bench:
    bench = Bench({"h": strategy})
    start(bench, **params)
    return bench


def row(bench: Bench, place: int = 0) -> Any:
    return bench.engine.snapshot().strategies[place]


def said(bench: Bench) -> list[str]:
    return bench.engine._desk.strategies["s1"].memory["said"]


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


@pytest.mark.parametrize(
    ("callback", "why"),
    [
        (raising, "ValueError: at <object object at 0x>"),
        (lambda: "buy", "returned a str"),
        (lambda: [1], "returned a list"),
        (lambda: [exit_position(SYMBOL)] * 51, "51 times in a second"),
    ],
    ids=["raises", "string", "list", "flood"],
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


def test_answering_every_refusal_with_a_wish_ends() -> None:
    class Stubborn(Strategy):
        def on_bar(self, bar: BarView, ctx: Context) -> Wish:
            return enter_long(bar.symbol, size="0.01")

        def on_risk(self, refused: Any, ctx: Context) -> Wish:
            return enter_long(refused.symbol, size="0.01")

    bench = running(Stubborn)
    close_bar(bench, 0)
    assert row(bench).status.startswith("disabled: it wished 51 times")


# -- built bars, and a real strategy ----------------------------------------------------------------


def prints(bench: Bench, second: int, price: Decimal, number: int) -> None:
    ns = OPEN + MINUTE + second * NS_PER_S
    bench.now_ns = max(bench.now_ns, ns)
    bench.alive()
    bench.feed(
        TradePrinted(
            ts_ns=bench.now_ns, symbol=SYMBOL, trade_id=number, price=price, size=D(1), taker=Side.BUY,
            venue_ns=ns,
        )
    )  # fmt: skip


def test_sub_minute_bars_are_built_from_trades_and_by_time() -> None:
    bench = running(Buyer, timeframe="1s")
    for second in range(4):
        prints(bench, second, MARK + second, second)
    assert len(bench.market.series["1s"]) == 2  # the first interval was seen in part
    before = len(bench.all(SubmitOrder))
    bench.advance(3)
    assert len(bench.market.series["1s"]) >= 4
    assert len(bench.all(SubmitOrder)) >= before


def test_trades_during_a_backfill_are_held_until_it_is_complete() -> None:
    bench = running(Buyer, timeframe="1s")
    for second in range(3):
        prints(bench, second, MARK, second)
    bench.feed(SymbolNotReady(ts_ns=bench.now_ns, symbol=SYMBOL, reason="cut"))
    prints(bench, 6, MARK, 60)
    assert len(bench.market.held_trades) == 1
    sent = len(bench.all(SubmitOrder))
    bench.make_ready()
    assert not bench.market.held_trades
    assert len(bench.market.series["1s"]) == 5
    assert len(bench.all(SubmitOrder)) == sent  # bars that are history cause nothing


class PromptVenue:
    """Answers every command at once, and keeps the events."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.price, self.events = bench, MARK, []
        self._feed, bench.feed = bench.feed, self.feed  # type: ignore[method-assign]
        self.waiting: list[Command] = []

    def feed(self, event: Event) -> list[Command]:
        self.events.append(event)
        commands = self._feed(event)
        self.waiting += commands
        return commands

    def answer(self) -> None:
        while self.waiting:
            match self.waiting.pop(0):
                case SubmitOrder(approved=approved):
                    self._fill(approved.request.client_id, approved.request.side, approved.request.size)
                case ReduceOrder() as order:
                    self._fill(order.client_id, order.side, order.size)
                case PlaceStop() as stop:
                    self.bench.accept(stop.client_id)
                case CancelOrder() as cancel:
                    self.bench.cancelled(cancel.client_id)
                case ReadAccount():
                    self.bench.answer_account(size=self.bench.market.position.size)
                case ReadVenueState() as read:
                    self.bench.picture(read.request_id, self.bench.market.position.size)
                case _:
                    pass

    def _fill(self, client_id: str, side: Side, size: Decimal) -> None:
        self.bench.fill(client_id, str(side.sign * size), str(self.price))


def test_trend_follow_trades_both_ways_and_replays_to_the_byte() -> None:
    bench = Bench({"h": TrendFollow}, started=False)
    venue = PromptVenue(bench)
    bench.start()
    start(bench, fast=3, slow=6, atr_period=3, atr_multiple="2.5")
    for number in range(160):
        venue.price = MARK - 300 + abs(number % 40 - 20) * 30
        bench.make_ready(venue.price)
        close_bar(bench, number, venue.price)
        venue.answer()
        bench.advance(1)
        venue.answer()
    sides = {fill.signed_size > 0 for fill in bench.engine.snapshot().fills}
    assert sides == {True, False}
    assert row(bench).fills >= 10
    assert row(bench).status == "running"

    middle = len(venue.events) // 2
    first = Engine(bench.engine._desk.config, {"h": TrendFollow})
    commands = [command for event in venue.events[:middle] for command in first.handle(event)]
    restored = Engine.restore(first.checkpoint(), {"h": TrendFollow})
    commands += [command for event in venue.events[middle:] for command in restored.handle(event)]
    assert commands == bench.sent


def test_a_strategy_whose_source_is_gone_is_disabled_after_a_restore() -> None:
    bench = running(Buyer)
    restored = Engine.restore(bench.engine.checkpoint(), {})
    assert restored.snapshot().strategies[0].status.startswith("disabled")


def test_a_state_that_is_not_plain_disables_only_in_the_checkpoint() -> None:
    class Hoarder(Buyer):
        def on_bar(self, bar: BarView, ctx: Context) -> Wish:
            self.state["x"] = object()
            return None

    bench = running(Hoarder)
    close_bar(bench, 0)
    assert row(bench).status == "running"
    restored = Engine.restore(bench.engine.checkpoint(), {"h": Hoarder})
    assert restored.snapshot().strategies[0].status.startswith("disabled: its state cannot be kept")
