"""Streams of the loopback exchange that break in every way: exact subscriptions and no hole afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from contractdesk.domain.events import (
    BarClosed,
    BarsLoaded,
    BookChanged,
    BookInvalidated,
    BookSnapshotRead,
    Event,
    OrderAccepted,
    StreamName,
    TradePrinted,
    TradesLoaded,
)
from contractdesk.domain.market import timeframe_ns
from contractdesk.venues.binance import account_feed, channels_trades
from contractdesk.venues.binance.account_feed import KEY_AGAIN_NS
from contractdesk.venues.binance.channels import BookChannel
from contractdesk.venues.book_sync import DepthDelta

from .rig import QUICK, SYMBOL, Rig, live, open_rig, request
from .test_book_sync import DictBook

D = Decimal


def trade_ids(events: Iterable[Event]) -> list[int]:
    """Ids of all trades in the order in which they were told."""
    ids: list[int] = []
    for event in events:
        if isinstance(event, TradePrinted):
            ids.append(event.trade_id)
        elif isinstance(event, TradesLoaded):
            ids.extend(trade.trade_id for trade in event.trades)
    return ids


def bar_opens(events: Iterable[Event], timeframe: str) -> list[int]:
    opens: list[int] = []
    for event in events:
        if isinstance(event, BarClosed) and event.timeframe == timeframe:
            opens.append(event.bar.open_ns)
        elif isinstance(event, BarsLoaded) and event.timeframe == timeframe:
            opens.extend(bar.open_ns for bar in event.bars)
    return opens


def check_whole(rig: Rig) -> None:
    """No trade and no bar is missing or repeated, and every book follows its ids."""
    ids = trade_ids(rig.events)
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    opens = bar_opens(rig.events, "1m")
    assert all(later - earlier == timeframe_ns("1m") for earlier, later in pairwise(opens))
    book = DictBook()
    for event in rig.events:
        if isinstance(event, BookSnapshotRead | BookChanged | BookInvalidated):
            book.follow([event])
            assert not book.crossed


async def settled(rig: Rig, mark: int) -> None:
    """Wait until the symbol is ready again, and some live trades have passed after that."""
    await rig.seen("SymbolReady", since=mark)
    await rig.seen("TradePrinted", since=rig.mark())


@pytest.mark.parametrize("path", ["public", "market", ""])
@live
async def test_a_cut_socket_comes_back_whole(exchange: str, path: str) -> None:
    async with open_rig(exchange) as rig:
        await rig.seen("TradePrinted")
        before, mark = await rig.streams(), rig.mark()
        await rig.fault("refuse", path=path, seconds=1.0)
        await rig.fault("cut", path=path)
        await rig.seen("SymbolNotReady", since=mark)
        await settled(rig, mark)
        lost = {event.stream for event in rig.of("StreamLost", mark)}
        for name in lost:
            await rig.seen("StreamRestored", lambda event, name=name: event.stream is name, since=mark)
        assert await rig.streams() == before
        check_whole(rig)
        assert lost == {event.stream for event in rig.of("StreamRestored", mark)}
        assert lost == ({StreamName(path)} if path else set(StreamName))


@pytest.mark.parametrize("path", ["public", "market"])
@live
async def test_a_frozen_socket_is_declared_dead(exchange: str, path: str) -> None:
    async with open_rig(exchange) as rig:
        await rig.seen("TradePrinted")
        before, mark = await rig.streams(), rig.mark()
        await rig.fault("freeze", path=path, seconds=60.0)
        lost = await rig.seen("StreamLost", since=mark)
        assert lost.stream is StreamName(path)
        await settled(rig, mark)
        await rig.control("DELETE", "fault")
        assert set(map(str, before)) <= set(map(str, await rig.streams()))
        check_whole(rig)


@live
async def test_a_connection_is_renewed_before_the_venue_cuts_it(exchange: str) -> None:
    async with open_rig(exchange, times=replace(QUICK, rotate_s=1.5)) as rig:
        mark = rig.mark()
        lost = await rig.seen("StreamLost", since=mark)
        assert "renewed" in lost.reason
        await settled(rig, mark)
        check_whole(rig)


@live
async def test_a_depth_gap_is_seen_and_healed(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        for _ in range(3):
            mark = rig.mark()
            await rig.seen("BookChanged", since=mark)  # what a snapshot already holds can be left out unseen
            await rig.fault("depth_gap", symbol="BTCUSDT", every=1, count=1)
            lost = await rig.seen("BookInvalidated", since=mark)
            assert "expected the delta after" in lost.reason
            await rig.seen("BookSnapshotRead", since=mark)
            await rig.seen("SymbolReady", since=mark)
        check_whole(rig)


@live
async def test_a_stream_that_is_silent_while_pings_are_answered_is_found_out(exchange: str) -> None:
    """The socket lives, the subscription does not: REST says that the book went on."""
    async with open_rig(exchange) as rig:
        mark = rig.mark()
        feed = rig.venue._feeds[SYMBOL]
        feed.channels = tuple(_deaf(channel) for channel in feed.channels)
        lost = await rig.seen("StreamLost", since=mark)
        assert lost.stream is StreamName.PUBLIC
        assert "went on without us" in lost.reason


def _deaf(channel: Any) -> Any:
    """A book channel whose deltas get lost on their way."""
    if isinstance(channel, BookChannel):
        heard = channel.on_fact
        channel.on_fact = lambda fact: None if isinstance(fact, DepthDelta) else heard(fact)  # type: ignore[method-assign]
    return channel


@live
async def test_fills_of_a_private_outage_are_delivered_before_it_is_over(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        price = await rig.price()
        order = request(price=(price * D("0.998")).quantize(D("0.1")), size="0.01")
        assert isinstance(await rig.venue.submit(order), OrderAccepted)
        mark = rig.mark()
        await rig.fault("refuse", path="private", seconds=3.0)
        await rig.fault("cut", path="private")
        await rig.seen("StreamLost", lambda event: event.stream is StreamName.PRIVATE, since=mark)
        walk = {"symbol": "BTCUSDT", "price": str((price * D("0.99")).quantize(D("0.1"))), "seconds": 0.5}
        await rig.control("POST", "price", walk)
        await rig.seen("StreamRestored", lambda event: event.stream is StreamName.PRIVATE, since=mark)
        fills = [event.fill for event in rig.of("OrderFilled", mark)]
        assert fills, "told before StreamRestored"
        assert {fill.client_id for fill in fills} == {order.client_id}
        theirs = await rig.truth("fills")
        assert [fill.trade_id for fill in fills] == [str(row["trade_id"]) for row in theirs]
        assert [fill.fee for fill in fills] == [D(row["commission"]) for row in theirs]


@live
async def test_an_expired_listen_key_is_replaced(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        mark = rig.mark()
        await rig.control("POST", "expire_listen_key", {"account": rig.key})
        lost = await rig.seen("StreamLost", since=mark)
        assert lost.stream is StreamName.PRIVATE
        assert "listen key" in lost.reason
        await rig.seen("StreamRestored", since=mark)
        order = request()
        await rig.venue.submit(order)
        await rig.seen("OrderFilled", lambda event: event.client_id == order.client_id, since=mark)


@live
async def test_a_listen_key_is_kept_while_the_venue_does_not_answer(
    exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream is well, the key good for half an hour: only the venue's word or its end is a reason."""
    async with open_rig(exchange, watch=False) as rig:
        feed, mark = rig.venue._private().feed, rig.mark()
        match = {"method": "PUT", "path": "/fapi/v1/listenKey"}
        await rig.fault("drop_request", when="before", match=match, count=0)
        await feed._prolong()
        assert feed.stream.up
        assert feed._key_until_ns <= rig.clock.monotonic_ns() + KEY_AGAIN_NS, "it is tried again soon"
        await rig.control("DELETE", "fault")
        await feed._prolong()
        assert feed._key_until_ns > rig.clock.monotonic_ns() + KEY_AGAIN_NS
        assert rig.of("StreamLost", since=mark) == []
        await rig.fault("answer", status=400, code=-1125, match=match)
        await feed._prolong()
        await rig.seen("StreamRestored", since=mark)
        monkeypatch.setattr(account_feed, "KEY_LAST_NS", 0)
        mark = rig.mark()
        await rig.fault("drop_request", when="before", match=match, count=0)
        await feed._prolong()
        await rig.seen("StreamRestored", since=mark)


@live
async def test_repeated_and_delayed_user_events_change_nothing(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        await rig.fault("duplicate_event", event="ORDER_TRADE_UPDATE", execution="TRADE", count=0)
        await rig.fault("delay_event", event="ORDER_TRADE_UPDATE", execution="NEW", ms=150, count=0)
        order = request()
        await rig.venue.submit(order)
        await rig.seen("OrderAccepted", lambda event: event.client_id == order.client_id)
        fills = {event.fill.trade_id for event in rig.of("OrderFilled")}
        assert fills == {str(row["trade_id"]) for row in await rig.truth("fills")}


@live
async def test_funding_is_paid_once_and_to_the_last_digit(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        await rig.venue.submit(request(size="0.05"))
        await rig.seen("OrderFilled")
        await rig.control("POST", "fund", {"symbol": "BTCUSDT", "rate": "0.00031"})
        paid = await rig.seen("FundingPaid")
        (booked,) = [row for row in await rig.truth("ledger") if row["kind"] == "FUNDING_FEE"]
        assert paid.amount == D(booked["amount"]) != 0
        assert paid.symbol == SYMBOL
        mark = rig.mark()
        await rig.fault("cut", path="private")
        await rig.seen("StreamRestored", since=mark)
        assert len(rig.of("FundingPaid")) == 1
        await rig.control("POST", "fund", {"symbol": "BTCUSDT", "rate": "-0.0001"})
        received = await rig.seen("FundingPaid", since=mark)
        assert received.amount > 0
        assert received.payment_id != paid.payment_id


@live
async def test_funding_that_was_paid_while_nobody_was_here_is_told(exchange: str) -> None:
    async with open_rig(exchange, watch=False) as rig:
        await rig.venue.submit(request(size="0.05"))
        await rig.seen("OrderFilled")
        left_ns, mark = rig.clock.now_ns(), rig.mark()
        await rig.venue.close()
        await rig.control("POST", "fund", {"symbol": "BTCUSDT", "rate": "0.00031"})
        rig.venue = rig.new_venue()
        await rig.venue.open(rig.emit)
        await rig.venue.read_state(left_ns)
        paid = await rig.seen("FundingPaid", since=mark)
        (booked,) = [row for row in await rig.truth("ledger") if row["kind"] == "FUNDING_FEE"]
        assert paid.amount == D(booked["amount"]) != 0


@live
async def test_many_drops_end_ready_with_the_same_subscriptions(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        await rig.seen("TradePrinted")
        before = await rig.streams()
        for _ in range(5):
            mark = rig.mark()
            await rig.fault("cut")
            await rig.seen("SymbolNotReady", since=mark)
            await rig.seen("SymbolReady", since=mark)
        await asyncio.wait_for(_same(rig, before), 10)
        check_whole(rig)


async def _same(rig: Rig, before: list[tuple[str, list[str]]]) -> None:
    while await rig.streams() != before:
        await rig.seen("TradePrinted", since=rig.mark())


@live
async def test_of_too_many_trades_the_last_ones_are_loaded(
    exchange: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A watch that read all of them would never end: bars begin later, and it is said so."""
    monkeypatch.setattr(channels_trades, "MOST_PRELOADED", 40)
    async with open_rig(exchange) as rig:
        mark = rig.mark()
        await rig.venue.watch(SYMBOL, ("1m", "1s", "11m"), 30)  # of hours
        feed = rig.venue._feeds[SYMBOL]
        assert feed.ready
        first = rig.of("TradesLoaded", mark)[0]
        assert 40 <= len(first.trades) < 200  # some more have been traded since they were counted
        assert "the last 40 are read" in caplog.text
        await rig.seen("TradePrinted", since=rig.mark())
        told = trade_ids(rig.events[rig.events.index(first) :])
        assert told == list(range(told[0], told[0] + len(told)))
