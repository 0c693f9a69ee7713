"""A symbol that is watched already gains bars, and history from further back, while everything goes on."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from contractdesk.clock import NS_PER_S
from contractdesk.domain.events import BarClosed, BarsLoaded, TradesLoaded
from contractdesk.errors import VenueUnreachable
from contractdesk.strategy.bars import BarBuilder, BarSeries
from contractdesk.venues.binance import channels_trades, venue
from contractdesk.venues.continuity import BarSync

from .rig import SYMBOL, Rig, live, open_rig
from .test_binance_live_streams import bar_opens, trade_ids

FIVE_NS = 300 * NS_PER_S


def series(rig: Rig, timeframe: str) -> BarSeries:
    """The bars as an engine has them."""
    made = BarSeries(timeframe)
    for event in rig.events:
        if isinstance(event, BarsLoaded) and event.timeframe == timeframe:
            made.extend(event.bars)
        elif isinstance(event, BarClosed) and event.timeframe == timeframe:
            made.append(event.bar)
    return made


def undisturbed(rig: Rig, mark: int) -> bool:
    return not any(rig.of(kind, mark) for kind in ("SymbolNotReady", "BookInvalidated", "BookSnapshotRead"))


@live
async def test_bars_of_another_timeframe_join_while_everything_goes_on(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        feed, mark = rig.venue._feeds[SYMBOL], rig.mark()
        await rig.venue.watch(SYMBOL, ("1m", "5m"), 30)
        assert rig.venue._feeds[SYMBOL] is feed
        assert feed.timeframes == ("1m", "1s", "5m")
        assert undisturbed(rig, mark)
        assert type(rig.events[-1]).__name__ == "SymbolReady"
        assert len(bar_opens(rig.events, "5m")) >= 30
        await rig.seen("TradePrinted", since=rig.mark())
        ids = trade_ids(rig.events)
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        topics = {topic for _, topics in await rig.streams() for topic in topics}
        assert {"btcusdt@kline_1m", "btcusdt@kline_5m"} <= topics
        mark = rig.mark()
        await rig.fault("cut", path="market")
        await rig.seen("SymbolNotReady", since=mark)
        await rig.seen("SymbolReady", since=mark)
        assert all(channel.whole for channel in feed.channels), "from now on it is waited for like the others"


@live
async def test_a_longer_warm_up_is_had_by_who_comes_second(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        assert len(series(rig, "1m")) < 60
        mark = rig.mark()
        await rig.venue.watch(SYMBOL, ("1m",), 200)
        assert undisturbed(rig, mark)
        assert 200 <= len(series(rig, "1m")) < 210


@live
async def test_a_warm_up_of_more_than_a_page_is_read_in_pages(
    exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels_trades, "PAGE", 25)
    async with open_rig(exchange, timeframes=("1m",)) as rig:
        assert 30 <= len(series(rig, "1m")) < 35
        await rig.venue.watch(SYMBOL, ("1m",), 100)
        assert 100 <= len(series(rig, "1m")) < 105


@live
async def test_bars_that_the_desk_has_missed_are_told_again(exchange: str) -> None:
    """It asks for what is watched already, and waits for the word that the symbol is ready."""
    async with open_rig(exchange) as rig:
        opens, mark = bar_opens(rig.events, "1m"), rig.mark()
        await rig.venue.watch(SYMBOL, ("1m", "1s"), 30)
        again = bar_opens(rig.events[mark:], "1m")
        assert set(opens[-25:]) <= set(again)
        assert all(later - earlier == 60 * 10**9 for earlier, later in pairwise(again))
        assert [event.symbol for event in rig.of("SymbolReady", mark)] == [SYMBOL]
        assert undisturbed(rig, mark)


@live
async def test_trades_are_told_again_from_further_back_in_one_piece(
    exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bars that are made of them begin anew: nobody sees one of the past as if it had just closed."""
    monkeypatch.setattr(channels_trades, "PAGE", 100)  # several pages; the API asks for so many as well
    monkeypatch.setattr("contractdesk.venues.binance.api.PAGE", 100)
    async with open_rig(exchange, timeframes=("1m",)) as rig:
        await rig.seen("TradePrinted")
        mark = rig.mark()
        await rig.venue.watch(SYMBOL, ("10s",), 30)
        since = rig.events[mark:]
        assert not rig.of("BookInvalidated", mark)
        names = [type(event).__name__ for event in since]
        begin, end = names.index("SymbolNotReady"), names.index("SymbolReady")
        told = since[begin + 1 : end]
        assert {type(event) for event in told} == {TradesLoaded}, "at once: nothing else in between"
        ids, before = trade_ids(told), trade_ids(rig.events[: mark + begin])
        assert len(told) > 1
        assert ids == list(range(ids[0], before[-1] + 1))
        assert set(before) <= set(ids)
        await rig.seen("TradePrinted", since=rig.mark())
        later = trade_ids(rig.events[mark + begin :])
        assert later == list(range(ids[0], ids[0] + len(later)))
        builder = BarBuilder("10s")
        trades = [trade for event in told if isinstance(event, TradesLoaded) for trade in event.trades]
        assert sum(len(builder.on_trade(trade)) for trade in trades) >= 30
        mark = rig.mark()
        await rig.venue.watch(SYMBOL, ("10s",), 20)  # no further
        assert undisturbed(rig, mark)
        assert not rig.of("TradesLoaded", mark)
        await rig.venue.watch(SYMBOL, ("7s",), 20)  # nobody has made these yet, though it reaches less far
        assert rig.of("TradesLoaded", mark)


@live
async def test_bars_of_ten_minutes_are_those_of_five_in_history_and_live(
    exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels_trades, "PAGE", 41)  # twenty bars and a half: several windows
    async with open_rig(exchange, timeframes=("5m", "10m")) as rig:
        assert not rig.of("TradesLoaded")[1:], "only the latest trade, to begin with"
        (loaded,) = [event for event in rig.of("BarsLoaded") if event.timeframe == "10m"]
        assert 30 <= len(loaded.bars) <= 31
        fives = {each.open_ns: each for each in series(rig, "5m").tail(99).bars}
        pairs = [
            (ten, fives[ten.open_ns], fives[ten.open_ns + FIVE_NS])
            for ten in loaded.bars
            if ten.open_ns in fives
        ]
        assert len(pairs) >= 14
        for ten, one, two in pairs:
            assert (ten.open, ten.close, ten.volume) == (one.open, two.close, one.volume + two.volume)
            assert (ten.high, ten.low) == (max(one.high, two.high), min(one.low, two.low))
        feed, mark = rig.venue._feeds[SYMBOL], rig.mark()
        for place in (0, 1, 2):  # as their frames would come
            coming = replace(pairs[0][1], open_ns=loaded.bars[-1].open_ns + (place + 2) * FIVE_NS)
            feed.on_fact(BarClosed(ts_ns=0, symbol=SYMBOL, timeframe="5m", bar=coming))
        (told,) = [event.bar for event in rig.of("BarClosed", mark) if event.timeframe == "10m"]
        assert told == replace(pairs[0][1], open_ns=told.open_ns, volume=2 * pairs[0][1].volume)
        assert told.open_ns == loaded.bars[-1].open_ns + 2 * FIVE_NS


@live
async def test_what_is_folded_leaves_the_stream_of_its_base_to_who_has_it(
    exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_rig(exchange, timeframes=("5m",)) as rig:
        before = await rig.streams()
        monkeypatch.setattr(venue, "WATCH_TIMEOUT_S", 0.0)
        with pytest.raises(VenueUnreachable, match="bars 10m"):
            await rig.venue.watch(SYMBOL, ("10m",), 30)
        await rig.seen("TradePrinted", since=rig.mark())
        assert await rig.streams() == before


@live
async def test_a_feed_goes_on_when_another_timeframe_cannot_be_read(
    exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_rig(exchange) as rig:
        feed, before, mark = rig.venue._feeds[SYMBOL], await rig.streams(), rig.mark()
        match = {"path": "/fapi/v1/klines"}
        await rig.fault("answer", match=match, count=0, status=400, code=-4000, msg="no")
        with monkeypatch.context() as patience:
            patience.setattr(venue, "WATCH_TIMEOUT_S", 1.0)
            with pytest.raises(VenueUnreachable, match="bars 5m"):
                await rig.venue.watch(SYMBOL, ("1m", "5m"), 30)
        assert (rig.venue._feeds[SYMBOL], feed.timeframes) == (feed, ("1m", "1s"))
        await rig.control("DELETE", "fault")
        while await rig.streams() != before:
            await rig.seen("TradePrinted", since=rig.mark())
        assert undisturbed(rig, mark)
        assert not bar_opens(rig.events, "5m")
        await rig.venue.watch(SYMBOL, ("5m",), 30)
        assert feed.timeframes == ("1m", "1s", "5m")
        assert undisturbed(rig, mark)


@live
async def test_a_contract_too_young_for_a_closed_bar_keeps_nobody_waiting(
    exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_rig(exchange, timeframes=("1m", "1d")) as rig:
        feed = rig.venue._feeds[SYMBOL]
        (days,) = (channel for channel in feed.channels if channel.name == "bars 1d")
        days.sync = BarSync(SYMBOL, "1d")  # as it is on the first day
        days.sync.on_loaded([], 0, 0)
        assert days.whole
        await rig.venue.watch(SYMBOL, ("1m", "1d"), 30)
        assert not days.due


@live
async def test_what_flows_is_whole_though_the_stream_is_cut_while_history_is_read(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        first = await rig.seen("TradePrinted")
        match = {"path": "/fapi/v1/klines"}
        await rig.fault("drop_request", when="before", match=match, count=2)
        await rig.fault("cut", path="market")
        await rig.venue.watch(SYMBOL, ("1m", "3m"), 30)
        await rig.seen("TradePrinted", lambda trade: trade.trade_id > first.trade_id, since=rig.mark())
        assert len(series(rig, "3m")) >= 30
        ids = trade_ids(rig.events)
        assert ids == list(range(ids[0], ids[0] + len(ids)))
