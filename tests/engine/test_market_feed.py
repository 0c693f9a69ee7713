"""Prices that count and prices that do not; books, bars, readiness, terms."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from msgspec.structs import replace

from contractdesk.domain.commands import Watch
from contractdesk.domain.events import (
    BarClosed,
    BarsLoaded,
    BookChanged,
    BookInvalidated,
    FundingSettled,
    InstrumentListed,
    MarkPriced,
    OpenInterestRead,
    StrategyStarted,
    SymbolReady,
    TradePrinted,
    TradesLoaded,
)
from contractdesk.domain.market import Bar, pack_levels
from contractdesk.domain.orders import Side
from contractdesk.engine.engine import Engine
from contractdesk.strategy import Strategy
from tests.engine.bench import INSTRUMENT, MARK, NS_PER_S, START, SYMBOL, Bench, D

MINUTE = 60 * NS_PER_S


def marked(bench: Bench, mark: str, venue_ns: int, index: str = "30000") -> MarkPriced:
    return MarkPriced(
        ts_ns=bench.now_ns,
        symbol=SYMBOL,
        mark=D(mark),
        index=D(index),
        funding_rate=D("NaN"),
        next_funding_ns=7,
        venue_ns=venue_ns,
    )


@pytest.mark.parametrize("mark", ["NaN", "Infinity", "0", "-1"])
def test_a_mark_that_is_no_price_is_ignored(mark: str) -> None:
    bench = Bench()
    bench.feed(marked(bench, mark, bench.now_ns + 1))
    assert bench.market.mark == MARK


def test_a_mark_older_than_the_one_before_is_ignored() -> None:
    bench = Bench()
    bench.feed(marked(bench, "31000", bench.now_ns + 5, index="0"))
    bench.feed(marked(bench, "32000", bench.now_ns + 4))
    assert (bench.market.mark, bench.market.index) == (D(31_000), MARK)
    assert bench.market.funding_rate == D("0.0001")  # the one that was a number


def test_a_mark_of_the_future_is_ignored_and_the_stop_goes_on_to_follow() -> None:
    bench = Bench()
    bench.open()
    bench.feed(marked(bench, "30000", bench.now_ns + 3600 * NS_PER_S))
    for _ in range(60):
        bench.now_ns += NS_PER_S
        bench.mark(D(30_500))
    market = bench.market
    assert (market.mark, market.mark_ns, market.trail.best) == (D(30_500), bench.now_ns, D(30_500))


def test_a_mark_of_the_future_that_was_kept_in_a_checkpoint_keeps_nothing_out() -> None:
    bench = Bench()
    bench.market.mark_venue_ns = bench.now_ns + 3600 * NS_PER_S
    bench.engine = Engine.restore(bench.engine.checkpoint(), {})
    bench.now_ns += NS_PER_S
    bench.mark(D(30_500))
    assert (bench.market.mark, bench.market.mark_venue_ns) == (D(30_500), bench.now_ns)


def test_the_book_follows_and_is_alive_by_its_changes() -> None:
    bench = Bench()
    bench.now_ns += 5
    tick = INSTRUMENT.to_ticks(MARK)
    bench.feed(
        BookChanged(
            ts_ns=bench.now_ns,
            symbol=SYMBOL,
            first_id=2,
            last_id=2,
            bids=pack_levels([(tick, 3)]),
            asks=b"",
            venue_ns=0,
        )
    )
    assert bench.market.book.best_bid == tick
    assert bench.market.book_alive_ns == bench.now_ns
    bench.feed(BookInvalidated(ts_ns=bench.now_ns, symbol=SYMBOL, reason="gap"))
    assert not bench.market.book.valid
    assert [finding.rule for finding in bench.engine.why_not(SYMBOL)] == ["freshness_book"]


def test_other_ticks_make_the_book_useless() -> None:
    bench = Bench()
    bench.feed(InstrumentListed(ts_ns=bench.now_ns, instrument=INSTRUMENT))
    assert bench.market.book.valid
    other = replace(INSTRUMENT, tick_size=D("0.5"))
    bench.feed(InstrumentListed(ts_ns=bench.now_ns, instrument=other))
    assert not bench.market.book.valid


def test_facts_about_unlisted_symbols_are_ignored() -> None:
    bench = Bench()
    event = TradePrinted(
        ts_ns=bench.now_ns, symbol="X/Y:Y", trade_id=1, price=D(1), size=D(1), taker=Side.BUY, venue_ns=1
    )
    assert bench.feed(event) == []
    assert bench.feed(TradesLoaded(ts_ns=bench.now_ns, symbol="X/Y:Y", trades=(event,))) == []


def test_open_interest_is_kept() -> None:
    bench = Bench()
    bench.feed(OpenInterestRead(ts_ns=bench.now_ns, symbol=SYMBOL, amount=D(5), venue_ns=bench.now_ns))
    assert bench.market.interest.latest == (bench.now_ns, D(5))


def test_settled_funding_is_kept_with_its_span_shown_and_survives_a_checkpoint() -> None:
    bench = Bench()
    now = bench.now_ns
    for rate in ("0.0001", "0.0001"):  # told twice
        bench.feed(FundingSettled(ts_ns=now, symbol=SYMBOL, rate=D(rate), funding_ns=now - 1))
    restored = Engine.restore(bench.engine.checkpoint(), {})
    for view in (bench.engine.view, restored.view):
        history = view.symbols[SYMBOL].settlements
        assert [rate for _, rate in history.within(now - 8 * 3600 * NS_PER_S, now)] == [D("0.0001")]
        assert (history.since_ns, history.until_ns) == (0, now)
        assert view.symbols[SYMBOL].interest.latest == (now, D(1000))
    assert bench.engine.checkpoint() == restored.checkpoint()


def test_a_bar_after_a_hole_is_not_taken_and_the_symbol_waits_for_its_bars() -> None:
    bench = Bench({"h": Strategy})
    bench.feed(
        StrategyStarted(
            ts_ns=bench.now_ns,
            who="tester",
            strategy_id="s",
            class_name="S",
            source_hash="h",
            params={},
            symbols=(SYMBOL,),
            timeframe="1m",
        )
    )

    def bar(number: int, price: Decimal = MARK) -> Bar:
        return Bar(
            open_ns=START + number * MINUTE, open=price, high=price, low=price, close=price, volume=D(1)
        )

    def close(number: int, price: Decimal = MARK) -> None:
        bench.feed(BarClosed(ts_ns=bench.now_ns, symbol=SYMBOL, timeframe="1m", bar=bar(number, price)))

    close(0)
    close(0, MARK + 1)  # a repeat
    assert bench.market.ready
    close(2)
    assert not bench.market.ready
    assert bench.now(Watch)[0].timeframes == ("1m",)
    assert len(bench.market.series["1m"]) == 1
    again = (bar(-1), bar(0), bar(1), bar(2))  # as a venue tells them that is asked anew
    bench.feed(BarsLoaded(ts_ns=bench.now_ns, symbol=SYMBOL, timeframe="1m", bars=again))
    bench.feed(SymbolReady(ts_ns=bench.now_ns, symbol=SYMBOL))
    assert bench.market.ready
    assert bench.market.series["1m"].tail(9).bars == again


def test_the_equity_curve_is_sampled_by_the_second_and_bounded() -> None:
    bench = Bench()
    for _ in range(50):
        bench.now_ns += NS_PER_S // 5
        bench.mark(MARK)
    curve = bench.engine.snapshot().equity_curve
    assert 10 <= len(curve) <= 12
    assert all(later.ts_ns - earlier.ts_ns >= NS_PER_S for earlier, later in itertools.pairwise(curve))


def test_a_book_event_is_a_few_microseconds_of_work_and_no_deadline() -> None:
    """Not a benchmark: the quick path must not even look at timers."""
    bench = Bench()
    before = bench.engine.next_deadline_ns
    tick = INSTRUMENT.to_ticks(MARK)
    for number in range(100):
        event = BookChanged(
            ts_ns=bench.now_ns,
            symbol=SYMBOL,
            first_id=number,
            last_id=number,
            bids=pack_levels([(tick - 1 - number, 1)]),
            asks=b"",
            venue_ns=0,
        )
        assert bench.engine.handle(event) == []
    assert bench.engine.next_deadline_ns == before
