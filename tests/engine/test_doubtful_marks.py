"""A mark in doubt, or a late one, opens nothing, closes nothing and moves no stop; a confirmed one counts."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.domain.commands import Command, PlaceStop, ReduceOrder, SubmitOrder
from contractdesk.domain.events import BarClosed, ChannelAlive, ClockMeasured, MarkPriced
from contractdesk.domain.intents import AtrStop, IntentKind
from contractdesk.domain.market import Bar
from contractdesk.domain.orders import Side
from contractdesk.risk.settings import RiskSettings
from tests.engine.bench import CONFIG, MARK, NS_PER_S, START, SYMBOL, Bench, D, enter, wish

MINUTE = 60 * NS_PER_S


def tick(bench: Bench, mark: str, *, after_s: float = 1, late_s: float = 0) -> list[Command]:
    """A mark so much later; it is of then, or late by so much. Its index stands at 30,000."""
    bench.now_ns += int(after_s * NS_PER_S)
    return bench.feed(
        MarkPriced(
            ts_ns=bench.now_ns, symbol=SYMBOL, mark=D(mark), index=MARK, funding_rate=D(0),
            next_funding_ns=0, venue_ns=bench.now_ns - int(late_s * NS_PER_S),
        )
    )  # fmt: skip


def filled(bench: Bench, side: Side, stop: str) -> None:
    """An entry of all that the cap permits, filled; its stop is on the wire."""
    bench.alive()
    bench.ask(replace(enter(stop=stop, side=side), size=None))
    ask = bench.last(SubmitOrder).approved.request
    bench.accept(ask.client_id)
    bench.fill(ask.client_id, str(side.sign * ask.size))


def test_one_bad_tick_makes_no_room_under_the_cap() -> None:
    """A short of 0.01 at 30,000 fills the cap; at a mark of 3,000 it would leave room for nine times that."""
    bench = Bench(config=replace(CONFIG, risk=RiskSettings()))
    filled(bench, Side.SELL, "31000")
    bench.accept(bench.last(PlaceStop).client_id)
    assert bench.market.guarded == D("0.01")
    tick(bench, "3000")
    bench.ask(replace(enter(stop="31000", side=Side.SELL), size=None))
    assert len(bench.all(SubmitOrder)) == 1
    refused = bench.engine.refusals[-1]
    assert (refused.rule, refused.found) == ("freshness_mark", "3000 is in doubt")


def test_the_next_good_mark_ends_the_doubt() -> None:
    bench = Bench()
    tick(bench, "3000")
    assert [finding.rule for finding in bench.engine.why_not(SYMBOL)] == ["freshness_mark"]
    tick(bench, "30010")
    assert bench.engine.why_not(SYMBOL) == ()


def test_a_mark_that_stays_off_its_index_is_believed() -> None:
    bench = Bench()
    tick(bench, "28000")
    assert [finding.rule for finding in bench.engine.why_not(SYMBOL)] == ["freshness_mark"]
    tick(bench, "28000")
    assert bench.engine.why_not(SYMBOL) == ()


@pytest.mark.parametrize(
    ("side", "stop", "bad"), [(Side.BUY, "29000", "3000"), (Side.SELL, "31000", "300000")]
)
def test_one_bad_tick_closes_no_position_whose_stop_is_on_the_wire(side: Side, stop: str, bad: str) -> None:
    bench = Bench()
    filled(bench, side, stop)
    tick(bench, bad, after_s=0.05)
    assert not bench.all(ReduceOrder)
    assert not bench.market.guard.flatten_reason


def test_a_confirmed_mark_beyond_the_stop_closes_at_once() -> None:
    bench = Bench()
    filled(bench, Side.BUY, "29000")
    tick(bench, "28000", after_s=0.05)
    assert not bench.all(ReduceOrder)
    tick(bench, "28000")
    assert bench.market.guard.flatten_reason == "the mark 28000 is beyond the stop 29000.00"
    assert len(bench.all(ReduceOrder)) == 1


def test_without_any_mark_beyond_doubt_the_deadline_of_the_stop_decides() -> None:
    bench = Bench()
    filled(bench, Side.BUY, "29000")
    bench.market.trusted.price = None
    tick(bench, "28000", after_s=0.05)
    assert not bench.all(ReduceOrder)
    bench.advance(CONFIG.risk.stop_deadline_s)
    assert len(bench.all(ReduceOrder)) == 1


def test_a_feed_that_is_late_with_its_marks_brings_none_that_an_entry_is_made_on() -> None:
    """Each second one comes, of nine seconds ago."""
    bench = Bench()
    for _ in range(20):
        bench.now_ns += NS_PER_S
        bench.feed(ChannelAlive(ts_ns=bench.now_ns, symbol=SYMBOL, channel="book"))
        tick(bench, "30000", after_s=0, late_s=9)
    (finding,) = bench.engine.why_not(SYMBOL)
    assert (finding.rule, finding.found) == ("freshness_mark", "9.0 s old")


def test_a_clock_that_differs_from_the_venues_makes_no_mark_old() -> None:
    bench = Bench()
    bench.feed(ClockMeasured(ts_ns=bench.now_ns, offset_ms=-4000.0, rtt_ms=1.0))
    for late_s, fresh in ((4, True), (8, True), (9.5, False)):
        bench.now_ns += 10 * NS_PER_S
        bench.feed(ChannelAlive(ts_ns=bench.now_ns, symbol=SYMBOL, channel="book"))
        tick(bench, "30000", after_s=0, late_s=late_s)
        assert (bench.engine.why_not(SYMBOL) == ()) is fresh


def test_a_stop_by_atr_is_moved_from_the_mark_that_is_beyond_doubt() -> None:
    bench = Bench()
    bench.open("0.02", "29000")
    for number in range(4):
        bar = Bar(
            open_ns=START + number * MINUTE, open=MARK, high=MARK + 50, low=MARK - 50, close=MARK, volume=D(1)
        )
        bench.feed(BarClosed(ts_ns=bench.now_ns, symbol=SYMBOL, timeframe="1m", bar=bar))
    tick(bench, "33000")
    bench.ask(wish(IntentKind.MOVE_STOP, stop=AtrStop(multiple=D(2), period=2, timeframe="1m")))
    assert bench.market.guard.stop_price == D(29_800)
