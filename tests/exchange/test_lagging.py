"""Switches that make the venue contradict itself: reads of the past, events out of order, orders refused."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from contractdesk.exchange.faults import decode_fault
from tests.exchange.loopback import SYMBOL, Client, hear, on_exchange, quiet_exchange

pytestmark = pytest.mark.timeout(60)
D = Decimal
ORDER, ALGO = "/fapi/v1/order", "/fapi/v1/algoOrder"
DEEP = ((599_000, 100_000),), ((601_000, 100_000),)


def deep() -> Any:
    return quiet_exchange(*DEEP)


async def read(client: Client, path: str, **params: object) -> Any:
    status, body = await client.signed("GET", path, symbol=SYMBOL, **params)
    return body if status == 200 else body["code"]


@on_exchange(deep)
async def test_a_lagging_read_shows_what_was(ann: Client, bob: Client) -> None:
    await ann.market("BUY", "0.004", newClientOrderId="before")
    await ann.limit("BUY", "0.01", "60000", newClientOrderId="resting")
    await asyncio.sleep(0.4)
    await ann.market("BUY", "0.003", newClientOrderId="after")
    await ann.stop("SELL", "55000", quantity="0.007", reduceOnly="true", clientAlgoId="stop")
    await bob.market("SELL", "0.002")
    everywhere = await ann.fault("read_lag", ms=300, count=0)
    assert await read(ann, ORDER, origClientOrderId="after") == -2013
    assert await read(ann, ALGO, clientAlgoId="stop") == -2013
    assert await read(ann, "/fapi/v1/openAlgoOrders") == []
    (resting,) = await read(ann, "/fapi/v1/openOrders")
    assert (resting["clientOrderId"], resting["status"], D(resting["executedQty"])) == ("resting", "NEW", 0)
    assert [D(row["qty"]) for row in await read(ann, "/fapi/v1/userTrades")] == [D("0.004")]
    (position,) = await read(ann, "/fapi/v3/positionRisk")
    assert (D(position["positionAmt"]), D(position["entryPrice"])) == (D("0.004"), D("60100"))
    assert await ann.injected(everywhere) == 6
    await ann.control("DELETE", "fault")
    assert (await read(ann, ORDER, origClientOrderId="after"))["status"] == "FILLED"
    assert D((await read(ann, "/fapi/v1/openOrders"))[0]["executedQty"]) == D("0.002")
    assert D((await read(ann, "/fapi/v3/positionRisk"))[0]["positionAmt"]) == D("0.009")


@on_exchange(deep)
async def test_an_event_is_told_after_the_next_of_its_name(ann: Client, bob: Client) -> None:
    await ann.limit("BUY", "0.01", "60000")
    async with await ann.user_socket() as socket:
        fault = await ann.fault("reorder_event", event="ORDER_TRADE_UPDATE", execution="TRADE")
        for size in ("0.002", "0.003"):
            await bob.market("SELL", size)
        told = [await hear(socket, lambda said: said.get("e") == "ORDER_TRADE_UPDATE") for _ in range(2)]
    assert [frame["o"]["l"] for frame in told] == ["0.003", "0.002"]
    assert await ann.injected(fault) == 1


@on_exchange(deep)
async def test_an_event_is_told_with_other_words(ann: Client, bob: Client) -> None:
    async with await ann.user_socket() as socket:
        await ann.fault(
            "edit_event", event="ORDER_TRADE_UPDATE", execution="TRADE", fields={"t": 0, "X": "NEW!"}
        )
        await ann.market("BUY", "0.004")
        told = await hear(
            socket, lambda said: said.get("e") == "ORDER_TRADE_UPDATE" and said["o"]["x"] == "TRADE"
        )
    assert (told["o"]["t"], told["o"]["X"], told["o"]["l"]) == (0, "NEW!", "0.004")


@on_exchange(deep)
async def test_a_stop_is_rejected_when_it_triggers(ann: Client, bob: Client) -> None:
    await ann.market("BUY", "0.004")
    fault = await ann.fault("reject_trigger", symbol=SYMBOL)
    for _ in range(2):
        await ann.stop("SELL", "55000", quantity="0.004", reduceOnly="true", workingType="MARK_PRICE")
    await ann.control("POST", "mark", {"symbol": SYMBOL, "mark": "54000"})
    account = (await ann.control("GET", "state"))["accounts"][ann.account.key]
    assert [row["status"] for row in account["algo_orders"]] == ["REJECTED", "FINISHED"]
    assert D(account["positions"][SYMBOL]["size"]) == 0
    assert await ann.injected(fault) == 1


@on_exchange(deep)
async def test_reduce_only_is_refused_while_what_rests_closes_all(ann: Client, bob: Client) -> None:
    await ann.market("BUY", "0.004")
    fault = await ann.fault("crowd_reduce", symbol=SYMBOL)
    _, resting = await ann.limit("SELL", "0.004", "60500", reduceOnly="true")
    assert (await ann.market("SELL", "0.004", reduceOnly="true"))[1]["code"] == -4118
    await ann.signed("DELETE", ORDER, symbol=SYMBOL, orderId=resting["orderId"])
    assert (await ann.market("SELL", "0.004", reduceOnly="true"))[0] == 200
    assert await ann.injected(fault) == 1


def test_a_socket_fault_on_a_path_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="Invalid enum value '/private'"):
        decode_fault(b'{"kind": "cut", "path": "/private"}')
