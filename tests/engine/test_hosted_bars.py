"""Bars built from trades, a real strategy over many of them, and strategies in checkpoints."""

from __future__ import annotations

from decimal import Decimal

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
    BarsLoaded,
    Event,
    MarkPriced,
    StrategyStopped,
    SymbolNotReady,
    SymbolReady,
    TradePrinted,
    TradesLoaded,
)
from contractdesk.domain.orders import Side
from contractdesk.engine.engine import Engine
from contractdesk.strategy import (
    BarView,
    Context,
    Strategy,
    enter_long,
)
from contractdesk.strategy.base import Wish
from contractdesk.strategy.library import TrendFollow
from tests.engine.bench import MARK, NS_PER_S, SYMBOL, Bench, D
from tests.engine.hosting import MINUTE, OPEN, Buyer, bar, close_bar, row, running, start

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
    for _ in range(3):
        bench.advance(1)
        bench.alive()
    assert len(bench.market.series["1s"]) >= 4
    assert len(bench.all(SubmitOrder)) >= before


def lagging(bench: Bench, lag_s: float, until_s: int) -> None:
    """Four trades a second and a mark, all of which come so late."""
    for number in range(until_s * 4):
        venue_ns = OPEN + MINUTE + number * NS_PER_S // 4
        bench.advance((venue_ns + int(lag_s * NS_PER_S) - bench.now_ns) / NS_PER_S)
        if number % 4 == 0:
            bench.feed(
                MarkPriced(
                    ts_ns=bench.now_ns, symbol=SYMBOL, mark=MARK, index=MARK, funding_rate=D(0),
                    next_funding_ns=0, venue_ns=venue_ns,
                )
            )  # fmt: skip
        bench.feed(
            TradePrinted(
                ts_ns=bench.now_ns, symbol=SYMBOL, trade_id=number, price=MARK, size=D(1), taker=Side.BUY,
                venue_ns=venue_ns,
            )
        )  # fmt: skip


@pytest.mark.parametrize("lag_s", [0.25, 1.5, 7.5])
def test_a_bar_waits_for_the_trades_of_a_stream_that_lags(lag_s: float) -> None:
    bench = running(Buyer, timeframe="1s")
    lagging(bench, lag_s, 20)
    assert bench.market.builders["1s"].late == 0
    assert [bar.volume for bar in bench.market.series["1s"].tail(99).bars] == [D(4)] * 18


def test_a_bar_is_over_by_the_clock_where_no_mark_comes_either() -> None:
    bench = running(Buyer, timeframe="1s")
    for second in range(3):
        prints(bench, second, MARK, second)
    bench.advance(4)
    assert len(bench.market.series["1s"]) == 1
    bench.advance(2)
    assert len(bench.market.series["1s"]) > 4


def test_trades_during_a_backfill_are_held_until_it_is_complete() -> None:
    bench = running(Buyer, timeframe="1s")
    for second in range(3):
        prints(bench, second, MARK, second)
    bench.feed(SymbolNotReady(ts_ns=bench.now_ns, symbol=SYMBOL, reason="cut"))
    prints(bench, 6, MARK, 3)
    assert len(bench.market.held_trades) == 1
    sent = len(bench.all(SubmitOrder))
    bench.make_ready()
    assert not bench.market.held_trades
    assert len(bench.market.series["1s"]) == 5
    assert len(bench.all(SubmitOrder)) == sent  # bars that are history cause nothing


def away(bench: Bench, seconds: int) -> None:
    """The desk is closed for so long; what was traded then nobody has seen."""
    bench.engine = Engine.restore(bench.engine.checkpoint(), {"h": Buyer})
    bench.now_ns += seconds * NS_PER_S
    bench.feed(SymbolNotReady(ts_ns=bench.now_ns, symbol=SYMBOL, reason="the desk has just been opened"))


def loaded(bench: Bench, seconds: range, price: Decimal, first_id: int) -> None:
    """One trade a second, as a feed reads them."""
    trades = tuple(
        TradePrinted(
            ts_ns=bench.now_ns, symbol=SYMBOL, trade_id=first_id + place, price=price, size=D(1),
            taker=Side.BUY, venue_ns=OPEN + MINUTE + second * NS_PER_S,
        )
        for place, second in enumerate(seconds)
    )  # fmt: skip
    bench.feed(TradesLoaded(ts_ns=bench.now_ns, symbol=SYMBOL, trades=trades))


@pytest.mark.parametrize("hours", [1, 2, 4])
def test_bars_that_nobody_has_seen_are_not_made_up_after_a_restart(hours: int) -> None:
    """Longer away than trades are loaded for: neither flat bars in between, nor a symbol that waits."""
    bench = running(Buyer, timeframe="1s")
    for second in range(30):
        prints(bench, second, MARK, second)
    away(bench, hours * 3600)
    now = 30 + hours * 3600
    loaded(bench, range(now - 502, now), MARK + 5, 10_000)
    bench.make_ready()
    bars = bench.market.series["1s"].tail(2000).bars
    assert [bar.volume for bar in bars] == [D(1)] * 500  # the first was seen in part, the last is open
    assert {bar.close for bar in bars} == {MARK + 5}
    for second in range(now, now + 3):
        prints(bench, second, MARK, 10_502 + second - now)
    assert bench.market.ready
    assert len(bench.market.series["1s"]) == 503
    assert not bench.all(Watch)[1:]


def test_bars_go_on_after_a_restart_where_no_trade_is_missing() -> None:
    bench = running(Buyer, timeframe="1s")
    for second in range(30):
        prints(bench, second, MARK, second)
    away(bench, 60)
    loaded(bench, range(10, 90), MARK, 10)
    bench.make_ready()
    assert len(bench.market.series["1s"]) == 88


def test_trades_that_were_never_told_leave_no_flat_bars_either() -> None:
    """A contract so quiet that there was nothing to load: its first trade says that some were missed."""
    bench = running(Buyer, timeframe="1s")
    for second in range(4):
        prints(bench, second, MARK, second)
    away(bench, 600)
    bench.make_ready()
    for second in range(700, 704):
        prints(bench, second, MARK + 5, second)
    assert [bar.volume for bar in bench.market.series["1s"].tail(99).bars] == [D(1)] * 2


def test_the_warm_up_is_had_although_live_trades_came_before_it() -> None:
    """The symbol was watched already: its old feed goes on until the new one reads the trades."""
    bench = running(Buyer, timeframe="1s")
    for second in range(500, 503):
        prints(bench, second, MARK, second)
    bench.feed(SymbolNotReady(ts_ns=bench.now_ns, symbol=SYMBOL, reason="the feed begins anew"))
    loaded(bench, range(250), MARK, 0)
    loaded(bench, range(250, 505), MARK, 250)
    bench.make_ready()
    assert len(bench.market.series["1s"]) == 503


def counted(bench: Bench) -> int:
    """Bars that the strategy was told."""
    return int(bench.engine._desk.strategies["s1"].memory.get("bars", 0))


def told(bench: Bench, numbers: range) -> None:
    bars = tuple(bar(number) for number in numbers)
    bench.feed(BarsLoaded(ts_ns=bench.now_ns, symbol=SYMBOL, timeframe="1m", bars=bars))


def test_no_bar_is_told_before_the_warm_up_where_the_symbol_is_watched_already() -> None:
    bench = Bench({"h": Buyer})
    told(bench, range(5))  # as a person's look left them
    start(bench)
    close_bar(bench, 5)
    assert (counted(bench), bench.market.ready) == (0, True), "others go on"
    bench.engine = Engine.restore(bench.engine.checkpoint(), {"h": Buyer})
    close_bar(bench, 6)
    assert counted(bench) == 0
    told(bench, range(-400, 6))
    bench.feed(SymbolReady(ts_ns=bench.now_ns, symbol=SYMBOL))
    close_bar(bench, 7)
    assert (counted(bench), len(bench.market.series["1m"])) == (1, 408)


@pytest.mark.parametrize("told_of", [(), ("5m",)])
def test_a_symbol_that_is_ready_again_for_another_reason_ends_no_warm_up(told_of: tuple[str, ...]) -> None:
    bench = Bench({"h": Buyer})
    told(bench, range(5))
    start(bench)
    bench.feed(SymbolNotReady(ts_ns=bench.now_ns, symbol=SYMBOL, reason="a gap"))
    bench.feed(SymbolReady(ts_ns=bench.now_ns, symbol=SYMBOL, told=told_of))
    close_bar(bench, 5)
    assert counted(bench) == 0
    bench.feed(SymbolReady(ts_ns=bench.now_ns, symbol=SYMBOL, told=("1m",)))
    close_bar(bench, 6)
    assert counted(bench) == 1


def test_a_strategy_that_starts_again_or_in_a_gap_is_told_no_bar_before_its_warm_up() -> None:
    bench = Bench({"h": Buyer})
    told(bench, range(5))
    start(bench)
    bench.feed(StrategyStopped(ts_ns=bench.now_ns, who="tester", strategy_id="s1"))
    bench.feed(SymbolNotReady(ts_ns=bench.now_ns, symbol=SYMBOL, reason="a gap"))
    start(bench)
    assert bench.now(Watch), "who started first may have been answered before"
    bench.feed(SymbolReady(ts_ns=bench.now_ns, symbol=SYMBOL, told=()))
    close_bar(bench, 5)
    assert counted(bench) == 0
    told(bench, range(-400, 6))
    bench.feed(SymbolReady(ts_ns=bench.now_ns, symbol=SYMBOL, told=("1m",)))
    close_bar(bench, 6)
    assert counted(bench) == 1


def test_a_second_strategy_whose_warm_up_is_there_waits_for_nothing() -> None:
    bench = Bench({"h": Buyer})
    told(bench, range(600))
    start(bench)
    close_bar(bench, 600)
    assert counted(bench) == 1


def test_no_made_bar_is_told_before_the_trades_of_the_warm_up() -> None:
    bench = Bench({"h": Buyer})
    start(bench, timeframe="1s")
    for second in range(500, 505):
        prints(bench, second, MARK, second)
    assert (counted(bench), len(bench.market.series["1s"])) == (0, 3)
    bench.feed(SymbolNotReady(ts_ns=bench.now_ns, symbol=SYMBOL, reason="further back"))
    loaded(bench, range(505), MARK, 0)
    bench.feed(SymbolReady(ts_ns=bench.now_ns, symbol=SYMBOL))
    for second in range(505, 507):
        prints(bench, second, MARK, second)
    assert (counted(bench), len(bench.market.series["1s"])) == (2, 505)


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


def test_what_a_failing_strategy_leaves_is_cancelled_again_in_time() -> None:
    class Once(Strategy):
        def on_bar(self, bar: BarView, ctx: Context) -> Wish:
            if "entered" in self.state:
                raise RuntimeError("a fault of its own")
            self.state["entered"] = True
            return enter_long(bar.symbol, size=D("0.01"), limit=29_900, stop=29_000)

    bench = running(Once)
    close_bar(bench, 0)
    bench.accept(bench.last(SubmitOrder).approved.request.client_id)
    close_bar(bench, 1)
    cancelled_ns = bench.now_ns
    assert bench.now(CancelOrder)
    deadline_ns = bench.engine.next_deadline_ns
    assert deadline_ns is not None
    assert deadline_ns - cancelled_ns <= NS_PER_S  # the answer to the cancel is waited for no longer


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
