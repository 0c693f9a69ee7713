"""ccxt's own binancecoinm, REST and WebSocket, trades the inverse perpetual of the loopback exchange.

One contract is 100 USD: at 60,000 that is 1/600 BTC. Quiet market: bid 59,900, ask 60,100, mark 60,000.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from tests.exchange.loopback import (
    COIN,
    OTHER,
    Client,
    ccxt_client,
    eventually,
    on_exchange,
    quiet_products,
)

BTC = "BTC/USD:BTC"


@asynccontextmanager
async def ccxt_clients(demo: Client) -> AsyncIterator[tuple[Any, Any]]:
    one, two = ccxt_client(demo.venue, kind="inverse"), ccxt_client(demo.venue, OTHER, "inverse")
    try:
        await one.load_markets()
        await two.load_markets()
        yield one, two
    finally:
        await one.close()
        await two.close()


@on_exchange()
async def test_public_market(demo: Client, second: Client) -> None:
    async with ccxt_clients(demo) as (ex, _two):
        assert set(ex.markets) == {BTC}
        btc = ex.markets[BTC]
        assert (btc["precision"]["price"], btc["precision"]["amount"]) == (0.1, 1)
        assert (btc["inverse"], btc["settle"], btc["contractSize"]) == (True, "BTC", 100)
        book = await ex.fetch_order_book(BTC, 20)
        assert book["bids"][0][0] < book["asks"][0][0]
        bars = await ex.fetch_ohlcv(BTC, "1m", limit=50)
        assert [later[0] - sooner[0] for sooner, later in pairwise(bars)] == [60_000] * 49
        _, raw = await demo.public("/dapi/v1/klines", symbol=COIN, interval="1m", limit=50)
        for _, _, high, low, _, contracts, _, coins, *_ in raw:
            worth = int(contracts) * 100
            assert worth / float(high) - 1e-6 <= float(coins) <= worth / float(low) + 1e-6
        assert len(await ex.fetch_trades(BTC, limit=10)) == 10
        rate = await ex.fetch_funding_rate(BTC)
        assert rate["markPrice"] == pytest.approx(book["bids"][0][0], rel=0.01)
        interest = await ex.fetch_open_interest(BTC)
        assert interest["openInterestAmount"] == 11_800_000
        (past,) = await ex.fetch_open_interest_history(BTC, "5m", limit=1)
        assert past["openInterestAmount"] == 11_800_000
        assert past["openInterestValue"] == pytest.approx(11_800_000 * 100 / rate["markPrice"], rel=0.01)
        ticker = await ex.fetch_ticker(BTC)
        assert ticker["low"] <= ticker["last"] <= ticker["high"]
        assert ticker["low"] <= ticker["vwap"] <= ticker["high"]
        usd = float(ticker["info"]["volume"]) * 100
        assert usd / float(ticker["info"]["baseVolume"]) == pytest.approx(ticker["vwap"], rel=1e-4)
        assert set(await ex.fetch_tickers()) == {BTC}


@on_exchange(quiet_products)
async def test_a_limit_order_rests_is_amended_partially_fills_and_the_rest_is_cancelled(
    demo: Client, second: Client
) -> None:
    async with ccxt_clients(demo) as (ex, other):
        placed = await ex.create_order(BTC, "limit", "buy", 5, 59_950.0, {"postOnly": True})
        assert (placed["status"], placed["timeInForce"], placed["postOnly"]) == ("open", "PO", True)
        amended = await ex.edit_order(placed["id"], BTC, "limit", "buy", 4, 60_000.0)
        assert (amended["id"], amended["price"], amended["amount"]) == (placed["id"], 60_000.0, 4)
        taken = await other.create_order(BTC, "market", "sell", 3)
        assert (taken["status"], taken["filled"]) == ("closed", 3)
        seen = await ex.fetch_order(placed["id"], BTC)
        assert (seen["status"], seen["filled"], seen["remaining"]) == ("open", 3, 1)
        assert (seen["average"], seen["cost"]) == (60_000.0, 0.005)  # 3 x 100 / 60,000 BTC
        (resting,) = await ex.fetch_open_orders(BTC)
        assert resting["clientOrderId"] == placed["clientOrderId"]
        cancelled = await ex.cancel_order(placed["id"], BTC)
        assert (cancelled["status"], cancelled["filled"]) == ("canceled", 3)
        assert await ex.fetch_open_orders() == []
        (trade,) = await ex.fetch_my_trades(BTC)
        assert (trade["order"], trade["amount"], trade["takerOrMaker"]) == (placed["id"], 3, "maker")
        assert trade["fee"] == {"currency": "BTC", "cost": pytest.approx(0.005 * 0.0002)}


@on_exchange(quiet_products)
async def test_balance_positions_leverage_and_modes(demo: Client, second: Client) -> None:
    import ccxt

    async with ccxt_clients(demo) as (ex, _two):
        await ex.set_leverage(10, BTC)
        assert (await ex.fetch_leverage(BTC))["longLeverage"] == 10
        assert (await ex.fetch_position_mode())["hedged"] is False
        await ex.create_order(BTC, "market", "sell", 60)
        (position,) = [row for row in await ex.fetch_positions([BTC]) if row["contracts"]]
        assert (position["side"], position["contracts"], position["entryPrice"]) == ("short", 60, 59_900.0)
        # Its value falls as the price rises, and cannot fall by more than 0.1 BTC: 1 BTC carries it anyhow.
        assert position["liquidationPrice"] is None
        balance = await ex.fetch_balance()
        worth, sold = 60 * 100 / 60_000, 60 * 100 / 59_900
        assert set(balance["total"]) == {"BTC"}
        assert balance["BTC"]["total"] == pytest.approx(1 - sold * 0.0005 + worth - sold, abs=1e-8)
        assert balance["BTC"]["used"] == pytest.approx(worth / 10, abs=1e-8)
        tiers = await ex.fetch_leverage_tiers([BTC])
        assert (tiers[BTC][0]["maxLeverage"], tiers[BTC][0]["maxNotional"]) == (125, 5)
        await ex.create_order(BTC, "market", "buy", 500, params={"reduceOnly": True})
        assert [row for row in await ex.fetch_positions([BTC]) if row["contracts"]] == []  # clipped
        await ex.set_margin_mode("isolated", BTC)
        with pytest.raises(ccxt.MarginModeAlreadySet):
            await ex.set_margin_mode("isolated", BTC)


@on_exchange(quiet_products)
async def test_conditional_orders_go_through_the_algo_service(demo: Client, second: Client) -> None:
    async with ccxt_clients(demo) as (ex, _two):
        await ex.create_order(BTC, "market", "buy", 20)
        mark = {"reduceOnly": True, "workingType": "MARK_PRICE"}
        stop = await ex.create_order(BTC, "market", "sell", 20, None, {"stopLossPrice": 55_000, **mark})
        profit = await ex.create_order(BTC, "market", "sell", 20, None, {"takeProfitPrice": 65_000, **mark})
        assert await ex.fetch_open_orders(BTC) == []
        resting = await ex.fetch_open_orders(BTC, params={"trigger": True})
        assert [(row["id"], row["stopPrice"]) for row in resting] == [
            (stop["id"], 55_000.0),
            (profit["id"], 65_000.0),
        ]
        assert (await ex.fetch_order(stop["id"], BTC, {"trigger": True}))["status"] == "open"
        await ex.cancel_order(profit["id"], BTC, {"trigger": True})
        await ex.cancel_all_orders(BTC, {"trigger": True})
        assert await ex.fetch_open_orders(BTC, params={"trigger": True}) == []


@on_exchange(quiet_products)
async def test_funding_is_paid_in_the_coin(demo: Client, second: Client) -> None:
    async with ccxt_clients(demo) as (ex, _two):
        await ex.create_order(BTC, "market", "buy", 60)
        await demo.control("POST", "fund", {"symbol": COIN, "rate": "0.0003"})
        (rate,) = await ex.fetch_funding_rate_history(BTC)
        assert rate["fundingRate"] == 0.0003
        (paid,) = await ex.fetch_funding_history(BTC)
        assert (paid["code"], paid["amount"]) == ("BTC", -0.00003)  # 0.1 BTC at the mark, x 0.0003


@on_exchange(quiet_products)
async def test_errors_become_ccxts_own(demo: Client, second: Client) -> None:
    import ccxt

    async with ccxt_clients(demo) as (ex, _two):

        async def refused(kind: type[Exception], *order: Any) -> None:
            with pytest.raises(kind) as caught:
                await ex.create_order(BTC, *order)
            assert type(caught.value) is kind

        await refused(ccxt.InsufficientFunds, "limit", "buy", 15_000, 59_000)  # 25 BTC at 20 x
        await refused(ccxt.InvalidOrder, "market", "buy", 1, None, {"reduceOnly": True})
        trigger = {"stopLossPrice": 65_000, "workingType": "MARK_PRICE"}
        await refused(ccxt.OrderImmediatelyFillable, "market", "sell", 1, None, trigger)
        with pytest.raises(ccxt.OrderNotFound):
            await ex.cancel_order("7", BTC)


@on_exchange()
async def test_watched_market_comes_over_the_unrouted_path(demo: Client, second: Client) -> None:
    async with ccxt_clients(demo) as (ex, _two):
        nonces = [(await ex.watch_order_book(BTC))["nonce"] for _ in range(5)]
        assert nonces == sorted(nonces)
        assert await ex.watch_trades(BTC)
        assert (await ex.watch_ohlcv(BTC, "1m"))[-1][0] % 60_000 == 0
        assert (await ex.watch_mark_price(BTC))["markPrice"] > 0
        assert (await ex.watch_bids_asks([BTC]))[BTC]["bid"] > 0
        paths = {row["path"] for row in await demo.control("GET", "sockets")}
        assert paths == {""}


@on_exchange(quiet_products)
async def test_watched_orders_and_trades(demo: Client, second: Client) -> None:
    async with ccxt_clients(demo) as (ex, other):
        orders = asyncio.create_task(ex.watch_orders(BTC))
        trades = asyncio.create_task(ex.watch_my_trades(BTC))
        await eventually(lambda: demo.control("GET", "sockets"), lambda rows: rows and rows[0]["streams"])
        placed = await ex.create_order(BTC, "limit", "buy", 2, 60_000.0)
        (new,) = await asyncio.wait_for(orders, 10)
        assert (new["id"], new["status"]) == (placed["id"], "open")
        await other.create_order(BTC, "market", "sell", 1)
        (trade,) = await asyncio.wait_for(trades, 10)
        assert (trade["order"], trade["amount"], trade["takerOrMaker"]) == (placed["id"], 1, "maker")
