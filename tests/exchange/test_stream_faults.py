"""Switches that spoil what streams say while their sockets stay open, seen from a client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.exchange.loopback import SYMBOL, Client, hear, on_exchange, quiet_exchange

pytestmark = pytest.mark.timeout(60)
MARK = "btcusdt@markPrice@1s"
DEPTH = "btcusdt@depth@100ms"


async def mark(ann: Client, price: str) -> None:
    await ann.control("POST", "mark", {"symbol": SYMBOL, "mark": price})


def anything(_: Any) -> bool:
    return True


@on_exchange(quiet_exchange)
async def test_a_muted_stream_is_silent_on_a_socket_that_answers_pings(ann: Client, bob: Client) -> None:
    async with ann.socket(f"/market/ws/{MARK}") as socket:
        fault = await ann.fault("mute", path="market", stream=MARK)
        await mark(ann, "60001")
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        assert await hear(socket, anything) == {"result": [MARK], "id": 1}
        assert await ann.injected(fault) == 1
        await ann.control("DELETE", f"fault?id={fault}")
        await mark(ann, "60002")
        assert (await hear(socket, anything))["p"].startswith("60002")


@on_exchange()
async def test_levels_that_are_put_into_the_depth(ann: Client, bob: Client) -> None:
    async with ann.socket(f"/public/ws/{DEPTH}") as socket:
        fault = await ann.fault("spoil_depth", symbol=SYMBOL, bids=[["99999.9", "1"]], asks=[["0", "1"]])
        spoilt = await hear(socket, lambda said: ["99999.9", "1"] in said["b"])
        assert spoilt["a"][-1] == ["0", "1"]
        assert ["99999.9", "1"] not in (await hear(socket, anything))["b"]
        assert await ann.injected(fault) == 1


@on_exchange(quiet_exchange)
async def test_a_subscription_that_is_refused_delivers_nothing(ann: Client, bob: Client) -> None:
    fault = await ann.fault("refuse_topics", path="market", stream=MARK)
    ask = {"method": "SUBSCRIBE", "params": [MARK], "id": 7}
    async with ann.socket("/market/ws") as socket:
        await socket.send_json(ask)
        refused = await hear(socket, anything)
        assert (refused["id"], refused["error"]["code"]) == (7, 2)
        await mark(ann, "60001")
        await socket.send_json(ask)
        assert await hear(socket, anything) == {"result": None, "id": 7}
        assert await ann.injected(fault) == 1


@on_exchange(quiet_exchange)
async def test_made_up_frames(ann: Client, bob: Client) -> None:
    async with ann.socket(f"/market/ws/{MARK}") as market, await ann.user_socket() as private:
        await ann.control("POST", "frame", {"path": "market", "text": "{garbage"})
        assert (await market.receive(timeout=5)).data == "{garbage"
        odd = json.dumps({"e": "SURPRISE"})
        await ann.control("POST", "frame", {"stream": MARK, "text": odd, "times": 2})
        assert [await hear(market, anything), await hear(market, anything)] == [{"e": "SURPRISE"}] * 2
        await ann.control("POST", "frame", {"account": ann.account.key, "text": odd})
        assert await hear(private, anything) == {"e": "SURPRISE"}
    body = {"path": "public", "text": "x"}
    async with ann.http.post(f"{ann.venue.url}/control/frame", json=body) as answer:
        assert (answer.status, (await answer.json())["error"]) == (400, "nobody listens there")


@on_exchange()
async def test_a_burst_of_prints(ann: Client, bob: Client) -> None:
    async with ann.socket("/market/ws/btcusdt@aggTrade") as socket:
        await asyncio.gather(ann.control("POST", "trade", {"symbol": SYMBOL, "count": 300}))
        ids = [(await hear(socket, anything))["a"] for _ in range(300)]
    assert ids == list(range(ids[0], ids[0] + 300))
