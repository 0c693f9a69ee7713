"""The generated market: seeded, never crossed, deep, steerable, and with a past."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from contractdesk.exchange.core import Exchange
from contractdesk.exchange.flow import FlowSettings, GeneratedMarket
from contractdesk.exchange.listings import default_listings
from contractdesk.exchange.markets import generated_exchange
from contractdesk.exchange.model import (
    AggTradeMade,
    BookMoved,
    Event,
    FundingHappened,
    MarkMoved,
    NewOrder,
    OrderType,
    Side,
    TradeMade,
)
from tests.exchange.quiet import BTC, NS_PER_S, START_NS

D = Decimal
TENTH_NS = NS_PER_S // 10


def bitcoin(seed: int = 7, **settings: int) -> Exchange:
    """A generated exchange with BTCUSDT alone, which is quicker."""
    listing = default_listings()[0]
    flow = FlowSettings(opening_price=D(60000), **settings)
    market = GeneratedMarket(listing, flow, seed, START_NS)
    exchange = Exchange([listing], {BTC: market}, START_NS)
    exchange.open_account("ann", {"USDT": D(1_000_000)}, START_NS)
    return exchange


def run(exchange: Exchange, seconds: int) -> list[Event]:
    """Advance step by step; the book is sound after each."""
    events: list[Event] = []
    for _ in range(seconds * 10):
        events += exchange.advance(exchange.now_ns + TENTH_NS)
        book = exchange.book(BTC)
        assert book.bids[0][0] < book.asks[0][0]
        assert min(len(book.bids), len(book.asks)) >= 60
    return events


def test_a_seed_is_a_market() -> None:
    assert run(bitcoin(), 10) == run(bitcoin(), 10)
    assert run(bitcoin(seed=8), 2) != run(bitcoin(), 2)


def test_how_time_is_cut_makes_no_difference() -> None:
    assert run(bitcoin(), 10) == bitcoin().advance(START_NS + 10 * NS_PER_S)


def test_users_do_not_change_what_makers_and_takers_want() -> None:
    quiet, busy = bitcoin(), bitcoin()
    run(quiet, 5)
    for _ in range(5):
        buy = NewOrder(account="ann", symbol=BTC, side=Side.BUY, type=OrderType.MARKET, quantity=D(3))
        busy.handle(buy, busy.now_ns)
        run(busy, 1)
    assert busy.mark(BTC) == quiet.mark(BTC)


def test_update_ids_follow_each_other_and_rebuild_the_book() -> None:
    exchange = bitcoin()
    start = exchange.book(BTC)
    last_id, bids, asks = start.last_update_id, dict(start.bids), dict(start.asks)
    for event in run(exchange, 20):
        if isinstance(event, BookMoved):
            assert event.first_id == last_id + 1
            last_id = event.last_id
            bids.update(event.bids)
            asks.update(event.asks)
    end = exchange.book(BTC)
    assert last_id == end.last_update_id
    assert {tick: lots for tick, lots in bids.items() if lots} == dict(end.bids)
    assert {tick: lots for tick, lots in asks.items() if lots} == dict(end.asks)


def test_the_price_walks_where_it_is_led() -> None:
    exchange = bitcoin()
    exchange.levers.walk_to(BTC, D("57000"), 5)
    run(exchange, 5)
    book = exchange.book(BTC, 1)
    assert abs(book.bids[0][0] - 570_000) <= 1
    run(exchange, 1)
    assert abs(exchange.mark(BTC).mark_price / 57_000 - 1) < D("0.002")
    exchange.levers.walk_to(BTC, D("57500"), 0)
    run(exchange, 1)
    assert abs(exchange.last_price(BTC) / 57_500 - 1) < D("0.002")


def test_marks_come_every_second_and_settlements_on_the_grid() -> None:
    interval_ns = 30 * NS_PER_S
    events = run(bitcoin(funding_interval_ns=interval_ns), 95)
    marks = [event for event in events if isinstance(event, MarkMoved)]
    assert len(marks) == 95
    assert all(abs(one.mark.mark_price / one.mark.index_price - 1) < D("0.005") for one in marks)
    settled = [event.funding for event in events if isinstance(event, FundingHappened)]
    first_ns = (START_NS // interval_ns + 1) * interval_ns
    assert [row.ts_ns for row in settled] == [first_ns + k * interval_ns for k in range(3)]
    for row in settled:  # the rate in force just before
        before = [one.mark for one in marks if one.mark.ts_ns < row.ts_ns]
        assert (row.rate, row.mark_price) == (before[-1].funding_rate, before[-1].mark_price)


def test_there_is_a_past_before_the_opening() -> None:
    exchange = bitcoin()
    minutes = exchange.klines(BTC, "1m", limit=1_500)
    assert len(minutes) == 1_500
    assert all(later.open_ns - one.open_ns == 60 * NS_PER_S for one, later in pairwise(minutes))
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in minutes)
    seconds = exchange.klines(BTC, "1s", limit=600)
    assert len(seconds) == 600
    assert sum(bar.trades for bar in seconds) >= 1_000
    history = exchange.agg_trades(BTC, limit=1_000)
    assert len(history) == 1_000
    assert history[-1].ts_ns < START_NS
    assert abs(history[-1].price / 60_000 - 1) < D("0.001")


@pytest.mark.parametrize(("interval", "seconds"), [("1s", 1), ("1m", 60), ("5m", 300), ("1h", 3600)])
def test_bars_agree_with_the_trades_they_are_made_of(interval: str, seconds: int) -> None:
    exchange = bitcoin()
    trades = [event.trade for event in run(exchange, 30) if isinstance(event, TradeMade)]
    bars = exchange.klines(BTC, interval, start_ns=START_NS - START_NS % (seconds * NS_PER_S))
    for bar in bars:
        mine = [trade for trade in trades if bar.open_ns <= trade.ts_ns < bar.close_ns]
        if not mine or bar.open_ns < START_NS:
            continue
        assert (bar.open, bar.close) == (mine[0].price, mine[-1].price)
        assert (bar.high, bar.low) == (max(t.price for t in mine), min(t.price for t in mine))
        assert bar.volume == sum(trade.quantity for trade in mine)
        assert bar.quote_volume == sum(trade.quantity * trade.price for trade in mine)
        assert bar.trades == len(mine)
        assert bar.taker_buy_volume == sum(t.quantity for t in mine if not t.buyer_is_maker)
    assert bars[-1].open_ns <= exchange.now_ns < bars[-1].close_ns


def test_aggregated_trades_sum_up_and_can_be_paged() -> None:
    exchange = bitcoin()
    events = run(exchange, 20)
    trades = {event.trade.trade_id: event.trade for event in events if isinstance(event, TradeMade)}
    summed = [event.trade for event in events if isinstance(event, AggTradeMade)]
    for row in summed:
        parts = [trades[number] for number in range(row.first_trade_id, row.last_trade_id + 1)]
        assert row.quantity == sum(part.quantity for part in parts)
        assert {part.price for part in parts} == {row.price}
    assert exchange.agg_trades(BTC, from_id=summed[3].agg_id, limit=5) == summed[3:8]
    assert exchange.agg_trades(BTC, limit=2) == summed[-2:]
    within = exchange.agg_trades(BTC, start_ns=summed[2].ts_ns, end_ns=summed[5].ts_ns, limit=1_000)
    assert within == [row for row in summed if summed[2].ts_ns <= row.ts_ns <= summed[5].ts_ns]


def test_three_symbols_share_an_account() -> None:
    exchange = generated_exchange(1, START_NS)
    exchange.open_account("ann", {"USDT": D(10_000)}, START_NS)
    for symbol, quantity in (("BTCUSDT", "0.05"), ("ETHUSDT", "1"), ("SOLUSDT", "20")):
        order = NewOrder(
            account="ann", symbol=symbol, side=Side.BUY, type=OrderType.MARKET, quantity=D(quantity)
        )
        exchange.handle(order, START_NS)
    exchange.advance(START_NS + 5 * NS_PER_S)
    state = exchange.account("ann")
    (balance,) = (row for row in state.balances if row.asset == "USDT")
    assert balance.unrealized == pytest.approx(sum(row.unrealized for row in state.positions), abs=D("1e-7"))
    assert [row.size > 0 for row in state.positions] == [True, True, True, False]
    assert exchange.open_interest("BTCUSDT") == D("84000.05")
