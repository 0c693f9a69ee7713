"""The sockets of a running exchange: streams that agree with REST, user streams, pings, slow consumers."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from contractdesk.clock import ManualClock, SystemClock
from contractdesk.exchange import session
from contractdesk.exchange.launch import ExchangeOptions, build, running
from contractdesk.exchange.server import Server
from contractdesk.exchange.wire.binance.api import Ask
from contractdesk.exchange.wire.binance.streams import Path
from tests.exchange.loopback import (
    SYMBOL,
    TWO,
    Client,
    clients,
    events,
    hear,
    on_exchange,
    quiet_exchange,
)

Levels = dict[str, dict[str, str]]


def follow(book: Levels, message: Any) -> None:
    for side, key in (("b", "bids"), ("a", "asks")):
        for price, size in message[side]:
            book[key].pop(price, None)
            if Decimal(size):
                book[key][price] = size


@on_exchange()
async def test_a_snapshot_and_the_deltas_after_it_give_the_book(demo: Client, other: Client) -> None:
    async with demo.socket("/public/ws") as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 1})
        assert await hear(socket, lambda m: "id" in m) == {"result": None, "id": 1}
        first = await hear(socket, lambda m: m.get("e") == "depthUpdate")
        _, snapshot = await demo.public("/fapi/v1/depth", symbol=SYMBOL, limit=1000)
        book: Levels = {key: dict(snapshot[key]) for key in ("bids", "asks")}
        seen, bridged, message = first["u"], False, first
        for _ in range(20):
            message = await hear(socket, lambda m: True)
            assert message["pu"] == seen, "the chain is broken"
            assert message["U"] == message["pu"] + 1
            seen = message["u"]
            if message["u"] < snapshot["lastUpdateId"]:
                continue
            if not bridged:
                assert message["U"] <= snapshot["lastUpdateId"] + 1
                bridged = True
            follow(book, message)
            assert max(map(Decimal, book["bids"])) < min(map(Decimal, book["asks"]))
        for _ in range(20):  # a snapshot is taken between two messages: not each stands where one ends
            _, later = await demo.public("/fapi/v1/depth", symbol=SYMBOL, limit=1000)
            while message["u"] < later["lastUpdateId"]:
                message = await hear(socket, lambda m: True)
                follow(book, message)
            if message["u"] == later["lastUpdateId"]:
                break
        assert message["u"] == later["lastUpdateId"], "no message ended where a snapshot stood"
        assert book == {key: dict(later[key]) for key in ("bids", "asks")}


@on_exchange()
async def test_each_market_stream_speaks(demo: Client, other: Client) -> None:
    names = ["aggTrade", "markPrice@1s", "kline_1m", "ticker", "miniTicker"]
    streams = "/".join(f"btcusdt@{name}" for name in names) + "/!markPrice@arr@1s"
    async with demo.socket(f"/market/stream?streams={streams}") as socket:
        spoken: dict[str, Any] = {}
        while len(spoken) < 6:
            message = await hear(socket, lambda m: True)
            spoken[message["stream"]] = message["data"]
    marks = {row["s"]: row["st"] for row in spoken["!markPrice@arr@1s"]}
    assert marks == {"BTCUSDT": 1, "ETHUSDT": 1, "SOLUSDT": 1, "BTCUSD_PERP": 2}  # merged since the migration
    assert spoken["btcusdt@kline_1m"]["k"]["i"] == "1m"
    async with demo.socket("/ws/btcusdt@depth5@100ms/btcusdt@bookTicker/btcusdt@trade") as socket:
        kinds = set()
        while len(kinds) < 3:
            kinds.add((await hear(socket, lambda m: True))["e"])
        assert kinds == {"depthUpdate", "bookTicker", "trade"}


def test_a_closed_bar_is_announced() -> None:
    """The exchange is asked by the feed alone: the clock is moved past the minute, not waited for."""
    clock = ManualClock(1_800_000_000 * 10**9)
    server = build(ExchangeOptions(accounts=TWO), clock)
    shown: list[Any] = []
    listener = session.Session(
        Path.MARKET, web.WebSocketResponse(), lambda: None, combined=False, clock=clock
    )
    listener.put = lambda frame: shown.append(json.loads(frame))  # type: ignore[method-assign]
    server.hub.subscribe(listener, ["btcusdt@kline_1m"])
    for _ in range(3 * 60):
        clock.advance(10**9)
        server.step()
    closed = [row["k"] for row in shown if row["k"]["x"]]
    assert [bar["t"] for bar in closed] == [1_800_000_000_000, 1_800_000_060_000, 1_800_000_120_000]
    assert [(bar["o"], bar["v"]) for bar in closed] == [
        (row[1], row[5])
        for row in json.loads(_klines(server, 1_800_000_000_000, limit=3))
    ]  # fmt: skip


def _klines(server: Server, start_ms: int, limit: int) -> bytes:
    query = f"symbol={SYMBOL}&interval=1m&startTime={start_ms}&limit={limit}"
    ask = Ask(method="GET", path="/fapi/v1/klines", query=query)
    return server.api.answer(ask, server.clock.now_ns()).body


@on_exchange(quiet_exchange)
async def test_paths_deliver_only_their_own_streams(demo: Client, other: Client) -> None:
    async with demo.socket("/market/ws") as market, demo.socket("/public/ws/0") as public:
        names = ["btcusdt@bookTicker", "btcusdt@aggTrade"]
        for socket in (market, public):
            await socket.send_json({"method": "SUBSCRIBE", "params": names, "id": "x"})
            await hear(socket, lambda m: m.get("id") == "x")
        await demo.market("BUY", "0.01")
        assert (await hear(market, lambda m: True))["e"] == "aggTrade"
        assert (await hear(public, lambda m: True))["e"] == "bookTicker"
        await public.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 2})
        assert await hear(public, lambda m: m.get("id") == 2) == {"result": names, "id": 2}
        await public.send_json({"method": "UNSUBSCRIBE", "params": names[:1], "id": 3})
        await hear(public, lambda m: m.get("id") == 3)
        await demo.market("SELL", "0.01")
        await public.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 4})
        assert await hear(public, lambda m: True) == {"result": names[1:], "id": 4}


@on_exchange(quiet_exchange)
async def test_what_a_socket_refuses(demo: Client, other: Client) -> None:
    async with demo.socket("/public/ws") as socket:
        for request, code in (
            ({"method": "SUBSCRIBE", "params": ["nope@depth"], "id": 1}, 2),
            ({"method": "SHOUT", "id": 2}, 2),
            ({"params": []}, 3),
        ):
            await socket.send_json(request)
            assert (await hear(socket, lambda m: True))["error"]["code"] == code
        await socket.send_str("{")
        assert (await hear(socket, lambda m: True))["error"]["code"] == 3
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await demo.socket("/public/nothing")
    async with demo.socket("/public/ws") as socket:  # more than ten messages within a second
        for _ in range(30):
            await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        while (message := await socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


@on_exchange(quiet_exchange)
async def test_the_three_forms_of_a_user_stream(demo: Client, other: Client) -> None:
    _, answer = await demo.raw("POST", "/fapi/v1/listenKey")
    key = answer["listenKey"]
    assert (await demo.raw("POST", "/fapi/v1/listenKey"))[1]["listenKey"] == key
    filtered = f"/private/ws?listenKey={key}&events=ALGO_UPDATE"
    async with (
        demo.socket(f"/private/ws/{key}") as raw,
        demo.socket("/private/stream") as combined,
        demo.socket(filtered) as algos,
    ):
        await combined.send_json({"method": "SUBSCRIBE", "params": [key], "id": "uuid"})
        await hear(combined, lambda m: m.get("id") == "uuid")
        await demo.limit("BUY", "0.01", "59000")
        await demo.stop("SELL", "55000", quantity="0.01", workingType="MARK_PRICE")
        assert (await hear(raw, lambda m: True))["o"]["x"] == "NEW"
        wrapped = await hear(combined, lambda m: True)
        assert (wrapped["stream"], wrapped["data"]["e"]) == (key, "ORDER_TRADE_UPDATE")
        assert (await hear(algos, lambda m: True))["e"] == "ALGO_UPDATE"
        await demo.control("POST", "expire_listen_key", {"account": "demo-key"})
        for socket in (raw, algos):
            assert (await hear(socket, lambda m: m["e"] == "listenKeyExpired"))["listenKey"] == key
    assert (await demo.raw("PUT", "/fapi/v1/listenKey"))[1]["code"] == -1125


@on_exchange(quiet_exchange)
async def test_the_user_stream_of_a_round_trip_with_a_stop(demo: Client, other: Client) -> None:
    socket = await demo.user_socket()
    await demo.signed("POST", "/fapi/v1/leverage", symbol=SYMBOL, leverage=5)
    await demo.market("BUY", "0.02", newClientOrderId="in")
    await demo.stop("SELL", "59950", quantity="0.02", reduceOnly="true", clientAlgoId="guard")
    await other.limit("SELL", "0.01", "59940")  # rests: better than the background's asks
    await other.limit("BUY", "0.01", "59940")  # prints 59,940: the stop's trigger
    seen = await events(socket, lambda m: m["e"] == "ALGO_UPDATE" and m["o"]["X"] == "FINISHED")
    kinds = [m["e"] for m in seen]
    assert kinds[0] == "ACCOUNT_CONFIG_UPDATE"
    assert kinds.index("TRADE_LITE") < kinds.index("ACCOUNT_UPDATE")
    statuses = [m["o"]["X"] for m in seen if m["e"] == "ALGO_UPDATE"]
    assert statuses == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
    assert next(m for m in reversed(seen) if m["e"] == "ACCOUNT_UPDATE")["a"]["P"][0]["pa"] == "0"
    child = next(m["o"] for m in seen if m["e"] == "ORDER_TRADE_UPDATE" and m["o"]["ot"] == "STOP_MARKET")
    assert (child["o"], child["R"], child["S"]) == ("MARKET", True, "SELL")
    bought = next(m["o"] for m in seen if m["e"] == "ORDER_TRADE_UPDATE" and m["o"]["x"] == "TRADE")
    assert (bought["c"], bought["z"], bought["n"]) == ("in", "0.020", "0.60100000")  # 1202 x 0.0005
    _, algo = await demo.signed("GET", "/fapi/v1/algoOrder", clientAlgoId="guard")
    assert algo["algoStatus"] == "FINISHED"
    assert algo["actualOrderId"] == str(child["i"])
    await socket.close()


def test_the_server_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PING_EVERY_S", 0.05)

    async def story() -> None:
        async with (
            running() as venue,
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{venue.ws_url}/market/ws", autoping=False) as socket,
        ):
            first = await socket.receive(timeout=5)
            assert first.type is aiohttp.WSMsgType.PING
            await socket.ping(b"are you there")
            while (answer := await socket.receive(timeout=5)).type is not aiohttp.WSMsgType.PONG:
                pass
            assert answer.data == b"are you there"

    asyncio.run(story())


@on_exchange()
async def test_a_liquidation_is_announced_in_private_and_in_public(demo: Client, other: Client) -> None:
    async with demo.socket("/market/ws/!forceOrder@arr") as public:
        private = await demo.user_socket()
        await demo.signed("POST", "/fapi/v1/leverage", symbol=SYMBOL, leverage=100)
        assert (await demo.market("BUY", "3"))[0] == 200  # 180,000 on 10,000: gone at some -5 %
        await demo.control("POST", "price", {"symbol": SYMBOL, "price": "56000", "seconds": 1})
        told = await events(private, lambda m: m["e"] == "ORDER_TRADE_UPDATE" and m["o"]["x"] == "CALCULATED")
        forced = (await hear(public, lambda m: m["e"] == "forceOrder"))["o"]
        await private.close()
    assert told[-1]["o"]["c"].startswith("autoclose-")
    assert (forced["s"], forced["S"], forced["X"]) == (SYMBOL, "SELL", "FILLED")
    _, risk = await demo.signed("GET", "/fapi/v2/positionRisk", symbol=SYMBOL)
    assert float(risk[0]["positionAmt"]) < 3


@pytest.mark.recording
def test_the_recorded_market_is_served_without_a_gap(recordings: FilePath) -> None:
    path = str(recordings / "ws" / "binance_raw" / "binance_usdm_btcusdt_2023*.gz")

    async def story() -> None:
        async with clients(ExchangeOptions(accounts=TWO, recording=path, speed=20)) as (demo, _):
            async with demo.socket("/public/ws/btcusdt@depth@100ms") as socket:
                last = (await hear(socket, lambda m: True))["u"]
                for _ in range(15):
                    message = await hear(socket, lambda m: True)
                    assert message["pu"] == last
                    last = message["u"]
            _, top = await demo.public("/fapi/v1/ticker/bookTicker", symbol=SYMBOL)
            assert 25_000 < float(top["bidPrice"]) < float(top["askPrice"]) < 30_000
            async with demo.http.post(
                f"{demo.venue.url}/control/price", json={"symbol": SYMBOL, "price": "1"}
            ) as answer:
                assert answer.status == 400

    asyncio.run(story())


def test_a_slow_consumer_is_disconnected() -> None:
    async def story() -> None:
        broken = asyncio.Event()
        socket = web.WebSocketResponse()
        listener = session.Session(Path.PUBLIC, socket, broken.set, combined=False, clock=SystemClock())
        for _ in range(session.OUTBOX):
            listener.put(b"{}")
        assert not broken.is_set()
        listener.put(b"{}")
        assert broken.is_set()

    asyncio.run(story())
