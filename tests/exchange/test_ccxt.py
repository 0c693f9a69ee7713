"""ccxt's own binanceusdm, REST and WebSocket, trades on the loopback exchange.

Of ccxt only the URLs and the host-keyed table of exceptions are set (``loopback.ccxt_client``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from tests.exchange.loopback import OTHER, Client, ccxt_client, eventually, on_exchange, quiet_exchange

BTC = "BTC/USDT:USDT"


@asynccontextmanager
async def ccxt_clients(demo: Client) -> AsyncIterator[tuple[Any, Any]]:
    one, two = ccxt_client(demo.venue), ccxt_client(demo.venue, OTHER)
    try:
        yield one, two
    finally:
        await one.close()
        await two.close()


async def until(watch: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """Watch until something wanted is among what comes."""
    async with asyncio.timeout(10):
        while True:
            for row in await watch():
                if wanted(row):
                    return dict(row)


@on_exchange()
async def test_public_market(demo: Client, second: Client) -> None:
    async with ccxt_clients(demo) as (ex, _two):
        markets = await ex.load_markets()
        assert {BTC, "ETH/USDT:USDT", "SOL/USDT:USDT"} <= set(markets)
        btc = markets[BTC]
        assert (btc["precision"]["price"], btc["precision"]["amount"]) == (0.1, 0.001)
        assert (btc["limits"]["cost"]["min"], btc["linear"], btc["settle"]) == (100.0, True, "USDT")
        book = await ex.fetch_order_book(BTC, 20)
        assert book["bids"][0][0] < book["asks"][0][0]
        assert len(book["bids"]) == 20
        bars = await ex.fetch_ohlcv(BTC, "1m", limit=50)
        assert [later[0] - sooner[0] for sooner, later in pairwise(bars)] == [60_000] * 49
        assert len(await ex.fetch_trades(BTC, limit=10)) == 10
        rate = await ex.fetch_funding_rate(BTC)
        assert rate["markPrice"] == pytest.approx(book["bids"][0][0], rel=0.01)
        assert rate["fundingTimestamp"] > rate["timestamp"]
        interest = await ex.fetch_open_interest(BTC)
        assert interest["openInterestAmount"] > 0
        ticker = await ex.fetch_ticker(BTC)
        assert ticker["low"] <= ticker["last"] <= ticker["high"]
        assert set(await ex.fetch_tickers()) >= {BTC}


@on_exchange()
async def test_funding_history_after_a_settlement(demo: Client, second: Client) -> None:
    async with ccxt_clients(demo) as (ex, _two):
        await ex.load_markets()
        await ex.create_order(BTC, "market", "buy", 0.01)
        await demo.control("POST", "fund", {"symbol": "BTCUSDT", "rate": "0.0003"})
        (rate,) = await ex.fetch_funding_rate_history(BTC)
        assert rate["fundingRate"] == 0.0003
        (paid,) = await ex.fetch_funding_history(BTC)
        state = await demo.control("GET", "state")
        entries = state["accounts"]["demo-key"]["ledger"]
        (booked,) = [row["amount"] for row in entries if row["kind"] == "FUNDING_FEE"]
        assert paid["amount"] == float(booked) < 0


@on_exchange(quiet_exchange)
async def test_a_limit_order_rests_is_amended_partially_fills_and_the_rest_is_cancelled(
    demo: Client, second: Client
) -> None:
    async with ccxt_clients(demo) as (ex, other):
        await ex.load_markets()
        await other.load_markets()
        placed = await ex.create_order(BTC, "limit", "buy", 0.05, 59_950.0, {"postOnly": True})
        assert (placed["status"], placed["timeInForce"], placed["postOnly"]) == ("open", "PO", True)
        amended = await ex.edit_order(placed["id"], BTC, "limit", "buy", 0.04, 60_000.0)
        assert (amended["id"], amended["price"], amended["amount"]) == (placed["id"], 60_000.0, 0.04)

        taken = await other.create_order(BTC, "market", "sell", 0.015)
        assert (taken["status"], taken["filled"]) == ("closed", 0.015)
        seen = await ex.fetch_order(placed["id"], BTC)
        assert (seen["status"], seen["filled"], seen["remaining"]) == ("open", 0.015, 0.025)
        assert seen["average"] == 60_000.0
        (resting,) = await ex.fetch_open_orders(BTC)
        assert resting["clientOrderId"] == placed["clientOrderId"]

        cancelled = await ex.cancel_order(placed["id"], BTC)
        assert (cancelled["status"], cancelled["filled"]) == ("canceled", 0.015)
        assert await ex.fetch_open_orders() == []
        (trade,) = await ex.fetch_my_trades(BTC)
        assert (trade["order"], trade["amount"], trade["takerOrMaker"]) == (placed["id"], 0.015, "maker")
        assert trade["fee"] == {"currency": "USDT", "cost": pytest.approx(0.015 * 60_000 * 0.0002)}


@on_exchange(quiet_exchange)
async def test_balance_positions_leverage_and_modes(demo: Client, second: Client) -> None:
    async with ccxt_clients(demo) as (ex, _two):
        await ex.load_markets()
        await ex.set_leverage(10, BTC)
        assert (await ex.fetch_leverage(BTC))["longLeverage"] == 10
        assert (await ex.fetch_position_mode())["hedged"] is False
        await ex.create_order(BTC, "market", "sell", 0.02)
        (position,) = await ex.fetch_positions([BTC])
        assert (position["side"], position["contracts"], position["entryPrice"]) == ("short", 0.02, 59_900.0)
        assert position["liquidationPrice"] > 100_000
        balance = await ex.fetch_balance()
        fee = 0.02 * 59_900 * 0.0005
        assert balance["USDT"]["total"] == pytest.approx(10_000 - fee - 2.0)  # sold 100 below the mark
        assert balance["USDT"]["used"] == pytest.approx(0.02 * 60_000 / 10)
        tiers = await ex.fetch_leverage_tiers([BTC])
        assert tiers[BTC][0]["maxLeverage"] == 125
        await ex.create_order(BTC, "market", "buy", 5, params={"reduceOnly": True})
        assert await ex.fetch_positions([BTC]) == []  # clipped, not flipped
        import ccxt

        await ex.set_margin_mode("isolated", BTC)
        with pytest.raises(ccxt.MarginModeAlreadySet):
            await ex.set_margin_mode("isolated", BTC)


@on_exchange(quiet_exchange)
async def test_conditional_orders_go_through_the_algo_service(demo: Client, second: Client) -> None:
    async with ccxt_clients(demo) as (ex, _two):
        await ex.load_markets()
        await ex.create_order(BTC, "market", "buy", 0.02)
        mark = {"reduceOnly": True, "workingType": "MARK_PRICE"}
        stop = await ex.create_order(BTC, "market", "sell", 0.02, None, {"stopLossPrice": 55_000, **mark})
        profit = await ex.create_order(BTC, "market", "sell", 0.02, None, {"takeProfitPrice": 65_000, **mark})
        trail = await ex.create_order(BTC, "market", "sell", 0.02, None, {"trailingPercent": 2, **mark})
        assert await ex.fetch_open_orders(BTC) == []
        resting = await ex.fetch_open_orders(BTC, params={"trigger": True})
        assert [row["id"] for row in resting] == [stop["id"], profit["id"], trail["id"]]
        assert [row["stopPrice"] for row in resting[:2]] == [55_000.0, 65_000.0]
        assert (await ex.fetch_order(stop["id"], BTC, {"trigger": True}))["status"] == "open"
        await ex.cancel_order(trail["id"], BTC, {"trigger": True})
        await ex.cancel_all_orders(BTC)
        assert len(await ex.fetch_open_orders(BTC, params={"trigger": True})) == 2
        await ex.cancel_all_orders(BTC, {"trigger": True})
        assert await ex.fetch_open_orders(BTC, params={"trigger": True}) == []


@on_exchange(quiet_exchange)
async def test_errors_become_ccxts_own(demo: Client, second: Client) -> None:
    import ccxt

    async with ccxt_clients(demo) as (ex, _two):
        await ex.load_markets()

        async def refused(kind: type[Exception], *order: Any) -> None:
            with pytest.raises(kind) as caught:
                await ex.create_order(BTC, *order)
            assert type(caught.value) is kind

        await refused(ccxt.InsufficientFunds, "limit", "buy", 10, 59_000)
        await refused(ccxt.OrderNotFillable, "limit", "buy", 0.01, 60_200, {"postOnly": True})
        await refused(ccxt.OrderNotFillable, "limit", "buy", 0.01, 59_000, {"timeInForce": "FOK"})
        await refused(ccxt.InvalidOrder, "market", "buy", 0.01, None, {"reduceOnly": True})
        await refused(ccxt.InvalidOrder, "limit", "buy", 0.001, 59_000)
        trigger = {"stopLossPrice": 65_000, "workingType": "MARK_PRICE"}
        await refused(ccxt.OrderImmediatelyFillable, "market", "sell", 0.01, None, trigger)
        with pytest.raises(ccxt.OrderNotFound):
            await ex.cancel_order("7", BTC)
        ex.secret = "wrong"
        with pytest.raises(ccxt.AuthenticationError):
            await ex.fetch_balance()


@on_exchange()
async def test_watched_order_book_follows_the_snapshot(demo: Client, second: Client) -> None:
    async with ccxt_clients(demo) as (ex, _two):
        nonces = [(await ex.watch_order_book(BTC))["nonce"] for _ in range(10)]
        assert nonces == sorted(nonces)
        assert nonces[0] < nonces[-1]
        book = await ex.watch_order_book(BTC)
        assert book["bids"][0][0] < book["asks"][0][0]
        trades = await ex.watch_trades(BTC)
        assert trades
        bar = (await ex.watch_ohlcv(BTC, "1m"))[-1]
        assert bar[0] % 60_000 == 0
        assert (await ex.watch_mark_price(BTC))["markPrice"] > 0
        assert (await ex.watch_bids_asks([BTC]))[BTC]["bid"] > 0


@on_exchange(quiet_exchange)
async def test_watched_orders_trades_balance_and_positions(demo: Client, second: Client) -> None:
    async with ccxt_clients(demo) as (ex, other):
        await ex.load_markets()
        await other.load_markets()
        orders = asyncio.create_task(ex.watch_orders(BTC))
        trades = asyncio.create_task(ex.watch_my_trades(BTC))
        await eventually(lambda: demo.control("GET", "sockets"), lambda rows: rows and rows[0]["streams"])
        placed = await ex.create_order(BTC, "limit", "buy", 0.02, 60_000.0)
        (new,) = await asyncio.wait_for(orders, 10)
        assert (new["id"], new["status"]) == (placed["id"], "open")
        await other.create_order(BTC, "market", "sell", 0.005)
        (trade,) = await asyncio.wait_for(trades, 10)
        assert (trade["order"], trade["amount"], trade["takerOrMaker"]) == (placed["id"], 0.005, "maker")
        await ex.cancel_all_orders(BTC)
        done = await until(lambda: ex.watch_orders(BTC), lambda row: row["status"] == "canceled")
        assert (done["filled"], done["remaining"]) == (0.005, 0.015)
