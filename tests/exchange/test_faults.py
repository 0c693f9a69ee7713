"""Each switch of the fault board, seen from a client; the truth is read over the control API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import aiohttp
import msgspec
import pytest

from contractdesk.exchange.faults import FaultBoard, Role, decode_fault
from contractdesk.exchange.trail import facts_of
from contractdesk.exchange.wire.binance.api import Ask
from tests.exchange.loopback import SYMBOL, Client, eventually, hear, on_exchange, quiet_exchange

ORDER = "/fapi/v1/order"


async def orders(demo: Client) -> list[str]:
    state = await demo.control("GET", "state")
    return [row["client_id"] for row in state["accounts"]["demo-key"]["orders"]]


async def place(demo: Client, name: str, price: str = "59000") -> tuple[int, Any]:
    return await demo.limit("BUY", "0.01", price, newClientOrderId=name)


# -- requests ----------------------------------------------------------------------------------


@on_exchange(quiet_exchange)
async def test_a_create_whose_connection_breaks_before_or_after_it_is_accepted(
    demo: Client, other: Client
) -> None:
    match = {"method": "POST", "path": ORDER}
    for when, name in (("before", "lost"), ("after", "kept")):
        fault = await demo.fault("drop_request", when=when, match=match)
        with pytest.raises(aiohttp.ClientError):
            await place(demo, name)
        assert await demo.injected(fault) == 1
    assert (await place(demo, "fine"))[0] == 200
    assert await orders(demo) == ["kept", "fine"]
    rows = await demo.control("GET", "requests")
    assert [(row["client_id"], row["status"], row["fault"]) for row in rows] == [
        ("lost", 0, "drop_request"),
        ("kept", 0, "drop_request"),
        ("fine", 200, ""),
    ]


@on_exchange(quiet_exchange)
async def test_a_create_that_arrives_when_its_sender_has_given_up(demo: Client, other: Client) -> None:
    await demo.fault("drop_request", when="after", ms=200)
    with pytest.raises(aiohttp.ClientError):
        await place(demo, "late")
    assert (await demo.signed("GET", ORDER, symbol=SYMBOL, origClientOrderId="late"))[1]["code"] == -2013
    await eventually(lambda: orders(demo), lambda names: names == ["late"])
    await demo.fault("delay", when="before", ms=200, match={"path": ORDER})
    answer = asyncio.create_task(place(demo, "slow"))
    await asyncio.sleep(0)
    assert await orders(demo) == ["late"]
    assert (await answer)[0] == 200


@on_exchange(quiet_exchange)
async def test_made_up_answers(demo: Client, other: Client) -> None:
    post = {"method": "POST", "path": ORDER}
    unknown = "Unknown error, please check your request or try again later."
    for name, fields, expected in (
        ("a", {"status": 429, "code": -1003, "retry_after_s": 2}, (429, "2")),
        ("b", {"status": 418, "code": -1003, "retry_after_s": 120}, (418, "120")),
        ("c", {"status": 503, "msg": unknown, "execute": True}, (503, None)),
        ("d", {"status": 503, "msg": unknown}, (503, None)),
        ("e", {"status": 503, "msg": "Service Unavailable."}, (503, None)),
        ("f", {"status": 503, "code": -1008, "msg": "Server is currently overloaded"}, (503, None)),
    ):
        await demo.fault("answer", match=post, **fields)
        status, body = await place(demo, name)
        assert (status, demo.headers.get("Retry-After")) == expected
        assert body == fields["msg"] if "code" not in fields else body["code"] == fields["code"]
    assert await orders(demo) == ["c"]


@on_exchange(quiet_exchange)
async def test_a_fault_strikes_as_often_as_it_says_and_only_what_it_matches(
    demo: Client, other: Client
) -> None:
    entries = await demo.fault(
        "answer", status=503, code=-1008, count=2, match={"role": "entry", "symbol": SYMBOL}
    )
    ghosts = await demo.fault(
        "answer", status=400, code=-2013, count=0, match={"method": "GET", "client_id": "ghost"}
    )
    assert (await demo.stop("SELL", "55000", quantity="0.01", workingType="MARK_PRICE"))[0] == 200
    assert (await demo.market("SELL", "0.01", reduceOnly="true"))[1]["code"] == -2022  # a real answer
    assert [(await place(demo, name))[0] for name in "abc"] == [503, 503, 200]
    await place(demo, "ghost-1")
    for _ in range(3):
        query = await demo.signed("GET", ORDER, symbol=SYMBOL, origClientOrderId="ghost-1")
        assert query[1]["code"] == -2013
    assert (await demo.injected(entries), await demo.injected(ghosts)) == (2, 3)
    await demo.control("DELETE", f"fault?id={ghosts}")
    assert (await demo.signed("GET", ORDER, symbol=SYMBOL, origClientOrderId="ghost-1"))[0] == 200
    await demo.control("DELETE", "fault")
    assert await demo.control("GET", "fault") == []


@on_exchange(quiet_exchange)
async def test_a_late_answer_comes_after_the_event(demo: Client, other: Client) -> None:
    socket = await demo.user_socket()
    await demo.fault("delay", ms=300, match={"path": ORDER})
    answer = asyncio.create_task(place(demo, "slow"))
    event = await hear(socket, lambda m: m["e"] == "ORDER_TRADE_UPDATE")
    assert event["o"]["c"] == "slow"
    assert not answer.done()
    assert (await answer)[0] == 200
    await socket.close()


# -- user events ---------------------------------------------------------------------------------


async def seen_by(demo: Client, act: Callable[[], Any]) -> list[str]:
    """Client ids of the order events that ``act`` causes, up to those of a last order."""
    socket = await demo.user_socket()
    await act()
    await place(demo, "last")
    seen: list[str] = []

    def note(message: Any) -> bool:
        if message["e"] == "ORDER_TRADE_UPDATE":
            seen.append(message["o"]["c"])
        return seen[-1:] == ["last"]

    await hear(socket, note)
    await socket.close()
    return seen


@pytest.mark.parametrize(
    ("kind", "expected"), [("drop_event", ["b", "last"]), ("duplicate_event", ["a", "a", "b", "last"])]
)
def test_events_that_are_lost_or_doubled(kind: str, expected: list[str]) -> None:
    @on_exchange(quiet_exchange)
    async def story(demo: Client, other: Client) -> None:
        fault = await demo.fault(kind, event="ORDER_TRADE_UPDATE", execution="NEW")

        async def act() -> None:
            await place(demo, "a")
            await place(demo, "b")

        assert await seen_by(demo, act) == expected
        assert await demo.injected(fault) == 1

    story()


@on_exchange(quiet_exchange)
async def test_an_event_that_is_overtaken(demo: Client, other: Client) -> None:
    await demo.fault("delay_event", event="TRADE_LITE", ms=200)
    socket = await demo.user_socket()
    await demo.market("BUY", "0.01")
    seen: list[str] = []

    def note(message: Any) -> bool:
        seen.append(message["e"])
        return message["e"] == "TRADE_LITE"

    await hear(socket, note)
    assert "ACCOUNT_UPDATE" in seen[:-1]
    await socket.close()


# -- streams and sockets -------------------------------------------------------------------------


@on_exchange()
async def test_a_gap_in_the_depth_is_visible_and_then_over(demo: Client, other: Client) -> None:
    async with demo.socket("/public/ws/btcusdt@depth@100ms") as socket:
        last = (await hear(socket, lambda m: True))["u"]
        fault = await demo.fault("depth_gap", symbol=SYMBOL, count=2)
        gaps = 0
        for _ in range(10):
            message = await hear(socket, lambda m: True)
            gaps += message["pu"] != last
            last = message["u"]
        assert gaps == 1
        assert await demo.injected(fault) >= 2


@on_exchange()
async def test_every_nth_message_left_out(demo: Client, other: Client) -> None:
    await demo.fault("depth_gap", symbol=SYMBOL, every=3, count=0)
    async with demo.socket("/public/ws/btcusdt@depth@100ms") as socket:
        last, broken = 0, []
        for _ in range(9):
            message = await hear(socket, lambda m: True)
            broken.append(message["pu"] != last)
            last = message["u"]
        gaps = [place for place, gap in enumerate(broken) if gap and place]
        assert [later - sooner for sooner, later in pairwise(gaps)] == [2] * (len(gaps) - 1)
        assert len(gaps) >= 3


@on_exchange()
async def test_sockets_that_are_cut_and_refused(demo: Client, other: Client) -> None:
    async with demo.socket("/public/ws/btcusdt@bookTicker") as public, demo.socket("/market/ws") as market:
        await hear(public, lambda m: True)
        fault = await demo.fault("cut", path="public")
        assert await demo.injected(fault) == 1
        while (message := await public.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert public.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
        await market.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        assert await hear(market, lambda m: True) == {"result": [], "id": 1}
    refused = await demo.fault("refuse", path="public", seconds=0.3)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await demo.socket("/public/ws")
    await (await demo.socket("/market/ws")).close()
    assert await demo.injected(refused) == 1
    await asyncio.sleep(0.3)  # so long was it refused
    await (await demo.socket("/public/ws")).close()


@on_exchange()
async def test_a_frozen_socket_stays_open_and_says_nothing(demo: Client, other: Client) -> None:
    async with demo.socket("/public/ws/btcusdt@depth@100ms") as frozen:
        await hear(frozen, lambda m: True)
        fault = await demo.fault("freeze")
        while True:  # what was on its way when it froze
            try:
                await frozen.receive(timeout=0.3)
            except TimeoutError:
                break
        await frozen.ping()
        await frozen.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        with pytest.raises(TimeoutError):
            await frozen.receive(timeout=0.3)
        assert not frozen.closed
        async with demo.socket("/public/ws/btcusdt@depth@100ms") as fresh:
            last = (await hear(fresh, lambda m: True))["u"]
        await demo.control("DELETE", f"fault?id={fault}")
        assert (await hear(frozen, lambda m: "U" in m))["U"] > last


@on_exchange(quiet_exchange)
async def test_a_clock_that_is_off(demo: Client, other: Client) -> None:
    fault = await demo.fault("shift_clock", ms=7_000)
    _, answer = await demo.public("/fapi/v1/time")
    assert answer["serverTime"] - time.time() * 1000 == pytest.approx(7_000, abs=500)
    assert (await demo.signed("GET", "/fapi/v3/account"))[1]["code"] == -1021
    ahead = int(time.time() * 1000) + 7_000
    assert (await demo.signed("GET", "/fapi/v3/account", timestamp=ahead))[0] == 200
    await demo.control("DELETE", f"fault?id={fault}")
    assert (await demo.signed("GET", "/fapi/v3/account"))[0] == 200


# -- the board itself ------------------------------------------------------------------------------


def test_roles() -> None:
    def role(method: str, path: str, body: str = "") -> Role:
        ask = Ask(method=method, path=path, body=body)
        return facts_of(ask, ask.params()).role

    assert role("POST", ORDER) is Role.ENTRY
    assert role("POST", ORDER, "reduceOnly=true") is Role.REDUCE
    assert role("POST", "/fapi/v1/algoOrder") is Role.STOP
    assert role("GET", ORDER) is Role.OTHER
    assert role("POST", "/fapi/v1/leverage") is Role.OTHER


@pytest.mark.parametrize(
    "body", [b"{}", b'{"kind": "cut", "speed": 1}', b'{"kind": "drop_request", "when": "later"}', b"["]
)
def test_what_is_no_fault_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_fault(body)


def test_the_board_is_bounded() -> None:
    board = FaultBoard()
    for _ in range(1_000):
        board.install(decode_fault(b'{"kind": "shift_clock", "ms": 1}'), 0)
    with pytest.raises(ValueError, match="thousand"):
        board.install(decode_fault(b'{"kind": "cut"}'), 0)
    assert board.shift_ns == 1_000_000_000


@on_exchange(quiet_exchange)
async def test_the_levers_that_were_pulled_are_counted_and_those_that_jammed_are_not(
    demo: Client, other: Client
) -> None:
    await demo.control("POST", "transfer", {"account": "demo-key", "amount": "5"})
    with pytest.raises(AssertionError):
        await demo.control("POST", "transfer", {"account": "nobody", "amount": "5"})
    assert (await demo.control("GET", "levers"))["transfer"] == 1
