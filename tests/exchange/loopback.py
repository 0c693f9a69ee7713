"""The running exchange as tests meet it: over HTTP and WebSocket, with raw clients and with ccxt's."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from contractdesk.clock import Clock
from contractdesk.exchange.core import Exchange
from contractdesk.exchange.fed import FedMarket
from contractdesk.exchange.launch import AccountOption, ExchangeOptions, Running, running
from contractdesk.exchange.listings import default_listings
from contractdesk.exchange.market import Depth, MarkTick
from contractdesk.exchange.wire.binance.signing import signature

DEMO = AccountOption(key="demo-key", secret="demo-secret")
OTHER = AccountOption(key="other-key", secret="other-secret")
TWO = (DEMO, OTHER)
LIMIT_S = 45.0
POLL_S = 0.02
HOUR_NS = 3_600 * 10**9
SYMBOL = "BTCUSDT"


COIN = "BTCUSD_PERP"
Levels = tuple[tuple[int, int], ...]


def quiet_exchange(
    bids: Levels = ((599_000, 1_000),),
    asks: Levels = ((601_000, 1_000),),
    symbols: tuple[str, ...] = (SYMBOL,),
) -> Exchange:
    """BTCUSDT around 60,000, with one lot of background a side, in which nothing happens by itself."""
    now_ns = time.time_ns()
    price = Decimal(60_000)
    mark = MarkTick(price, price, Decimal("0.0001"), now_ns + HOUR_NS)
    markets = {symbol: FedMarket(Depth(bids, asks), mark) for symbol in symbols}
    return Exchange([each for each in default_listings() if each.symbol in markets], markets, now_ns)


def quiet_products() -> Exchange:
    """The same, with the inverse BTCUSD_PERP beside it."""
    return quiet_exchange(symbols=(SYMBOL, COIN))


class Client:
    """A bare client of the REST API: it signs, and does nothing else for you."""

    def __init__(self, venue: Running, http: aiohttp.ClientSession, account: AccountOption = DEMO) -> None:
        self.venue = venue
        self.http = http
        self.account = account
        self.headers: dict[str, str] = {}

    async def raw(self, method: str, path: str, query: str = "", body: str | None = None) -> tuple[int, Any]:
        """(status, decoded body); ``headers`` keeps the answer's."""
        url = f"{self.venue.url}{path}" + (f"?{query}" if query else "")
        headers = {"X-MBX-APIKEY": self.account.key}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        async with self.http.request(method, URL(url, encoded=True), data=body, headers=headers) as answer:
            self.headers = dict(answer.headers)
            text = await answer.text()
            return answer.status, json.loads(text) if text[:1] in ("{", "[") else text

    async def public(self, path: str, **params: object) -> tuple[int, Any]:
        return await self.raw("GET", path, urlencode(params))

    async def signed(self, method: str, path: str, **params: object) -> tuple[int, Any]:
        said = {"timestamp": int(time.time() * 1000), "recvWindow": 5000, **params}
        query = urlencode({k: v for k, v in said.items() if v is not None})
        return await self.raw(method, path, f"{query}&signature={signature(self.account.secret, query)}")

    async def control(self, method: str, name: str, body: object = None) -> Any:
        """The control API; a refusal is an AssertionError."""
        async with self.http.request(method, f"{self.venue.url}/control/{name}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def fault(self, kind: str, **fields: object) -> int:
        return (await self.control("POST", "fault", {"kind": kind, **fields}))["id"]

    async def injected(self, fault_id: int) -> int:
        rows = await self.control("GET", "fault")
        return next(row["injected"] for row in rows if row["id"] == fault_id)

    async def limit(self, side: str, quantity: str, price: str, **more: object) -> tuple[int, Any]:
        params = {"symbol": SYMBOL, "side": side, "type": "LIMIT", "timeInForce": "GTC"}
        return await self.signed(
            "POST", "/fapi/v1/order", **{**params, "quantity": quantity, "price": price, **more}
        )

    async def market(self, side: str, quantity: str, **more: object) -> tuple[int, Any]:
        params = {"symbol": SYMBOL, "side": side, "type": "MARKET", "quantity": quantity}
        return await self.signed("POST", "/fapi/v1/order", **params, **more)

    async def stop(self, side: str, trigger: str, **more: object) -> tuple[int, Any]:
        params = {"algoType": "CONDITIONAL", "symbol": SYMBOL, "side": side, "type": "STOP_MARKET"}
        return await self.signed("POST", "/fapi/v1/algoOrder", **{**params, "triggerPrice": trigger, **more})

    def socket(self, path: str) -> Any:
        return self.http.ws_connect(self.venue.ws_url + path, autoping=True)

    async def user_socket(self) -> Any:
        """A private socket on this account's listen key."""
        _, answer = await self.raw("POST", "/fapi/v1/listenKey")
        return await self.socket(f"/private/ws/{answer['listenKey']}")


async def hear(
    socket: aiohttp.ClientWebSocketResponse, wanted: Callable[[Any], bool], within_s: float = 60.0
) -> Any:
    """The next JSON message that is wanted; TimeoutError when none comes."""
    async with asyncio.timeout(within_s):
        while True:
            message = await socket.receive()
            assert message.type is aiohttp.WSMsgType.TEXT, message
            payload = json.loads(message.data)
            if wanted(payload):
                return payload


async def eventually(
    read: Callable[[], Awaitable[Any]], wanted: Callable[[Any], object], within_s: float = 60.0
) -> Any:
    """What ``read`` gives once it is wanted; an AssertionError when it never is."""
    value: Any = None
    for _ in range(int(within_s / POLL_S)):
        value = await read()
        if wanted(value):
            return value
        await asyncio.sleep(POLL_S)
    raise AssertionError(f"still {value}")


async def events(socket: aiohttp.ClientWebSocketResponse, last: Callable[[Any], bool]) -> list[Any]:
    """All messages up to the one that is ``last``."""
    found: list[Any] = []

    def note(payload: Any) -> bool:
        found.append(payload)
        return last(payload)

    await hear(socket, note)
    return found


@asynccontextmanager
async def clients(
    options: ExchangeOptions | None = None,
    exchange: Exchange | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[tuple[Client, Client]]:
    """A running exchange with two accounts, and a client for each."""
    options = options or ExchangeOptions(accounts=TWO)
    async with running(options, clock, exchange) as venue, aiohttp.ClientSession() as http:
        yield Client(venue, http, DEMO), Client(venue, http, OTHER)


Story = Callable[[Client, Client], Awaitable[None]]


def on_exchange(
    make: Callable[[], Exchange] | None = None, options: ExchangeOptions | None = None
) -> Callable[[Story], Callable[[], None]]:
    """Run an async test against a fresh exchange; it gets a client of each of two accounts."""

    def decorate(story: Story) -> Callable[[], None]:
        @functools.wraps(story)
        def test() -> None:
            async def run() -> None:
                async with asyncio.timeout(LIMIT_S), clients(options, make() if make else None) as both:
                    await story(*both)

            asyncio.run(run())

        del test.__wrapped__  # pytest would ask for the story's parameters as fixtures
        return test

    return decorate


def ccxt_client(venue: Running, account: AccountOption = DEMO, kind: str = "linear") -> Any:
    """ccxt.pro's binanceusdm, or binancecoinm for the kind "inverse".

    Unmodified but for its URLs and its host-keyed table of exceptions.
    """
    import ccxt.pro

    make = ccxt.pro.binancecoinm if kind == "inverse" else ccxt.pro.binanceusdm
    client = make({"apiKey": account.key, "secret": account.secret})
    for name, url in client.urls["api"].items():
        if isinstance(url, str):
            client.urls["api"][name] = f"{venue.url}/{url.split('/', 3)[3]}"
    client.urls["api"]["ws"][kind] = f"{venue.ws_url}/ws"
    client.options["fetchOpenOrders"] = {"warnWithoutSymbol": False}
    client.exceptions["exact"].update(client.exceptions[kind]["exact"])
    return client
