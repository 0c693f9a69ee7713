"""What lies between the desk's host and the exchange's: requests and sockets in memory, with latency.

The only things that are replaced are ccxt's HTTP session and ``websockets.connect`` on one side, aiohttp's
server socket on the other. Within a connection nothing overtakes; connections overtake each other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp import WSMessage, WSMsgType
from aiohttp.client_reqrep import ConnectionKey

from contractdesk.exchange.server import Server
from contractdesk.exchange.wire.binance.api import Ask, Reply
from contractdesk.venues.transport import StreamTimes, Transport
from tests.simulation.loops import HostLoop, Timeline

NEAREST_S, SPREAD_S = 0.002, 0.004  # one way: at least, and the mean of what is added to it
SLOW_SHARE, SLOW_S = 0.01, 0.15  # so many are late by up to so much


class Watcher:
    """Told of all that passes; the oracle and the trail of a story are two."""

    def left(self, ask: Ask) -> None:
        """A request leaves the desk's transport."""

    def answered(self, ask: Ask, reply: Reply) -> None:
        """Its answer has arrived there."""

    def heard(self, path: str, frame: bytes) -> None:
        """A frame has arrived at the desk."""

    def connected(self, path: str) -> None:
        """A socket of the desk is open."""

    def disconnected(self, path: str) -> None:
        """The desk knows that it has ended."""


class Network:
    """All connections of one desk, whichever process it is just now."""

    def __init__(self, timeline: Timeline, server: Server, there: HostLoop, random: Random) -> None:
        self._timeline = timeline
        self.server = server
        self.there = there
        self._random = random
        self.watchers: list[Watcher] = []
        self.down_until_ns = 0  # no connection can be made, and what is sent is lost
        self.pipes: dict[Pipe, None] = {}

    def transport(self, here: HostLoop) -> Transport:
        """The seam of a venue whose loop is ``here``."""

        def dial(address: str, times: StreamTimes, _by_proxy: bool) -> Any:
            return self._dial(here, address, times)

        return Transport(dial=dial, http=lambda: HttpSession(self, here))

    @property
    def down(self) -> bool:
        return self._timeline.now_ns < self.down_until_ns

    def latency_s(self) -> float:
        spread = self._random.expovariate(1 / SPREAD_S)
        slow = self._random.random() * SLOW_S if self._random.random() < SLOW_SHARE else 0.0
        return NEAREST_S + spread + slow

    def lose(self, here: HostLoop) -> None:
        """The desk's host process has ended: its kernel closes its sockets."""
        for pipe in [pipe for pipe in self.pipes if pipe.here is here]:
            pipe.abort()

    @asynccontextmanager
    async def _dial(self, here: HostLoop, address: str, times: StreamTimes) -> AsyncIterator[Pipe]:
        url = urlsplit(address)
        await asyncio.sleep(2 * self.latency_s())  # the handshakes
        if self.down:
            await asyncio.sleep(times.open_s)
            raise TimeoutError("no connection")
        target = self.server.sockets.admit(url.path, dict(parse_qsl(url.query)))
        if isinstance(target, int):
            raise ConnectionRefusedError(f"HTTP {target}")
        pipe = Pipe(self, here, target.path.value)
        self.pipes[pipe] = None
        self.there.call_soon(pipe.serve, target)
        keeper = here.create_task(pipe.keep_alive(times))
        for watcher in self.watchers:
            watcher.connected(pipe.path)
        try:
            yield pipe
        finally:
            keeper.cancel()
            pipe.abort()


# -- HTTP ---------------------------------------------------------------------------------------


class HttpSession:
    """What ccxt uses of an ``aiohttp.ClientSession``."""

    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, network: Network, here: HostLoop) -> None:
        self._network = network
        self._here = here

    def get(self, url: Any, **how: Any) -> Exchanged:
        return self._exchange("GET", url, how)

    def post(self, url: Any, **how: Any) -> Exchanged:
        return self._exchange("POST", url, how)

    def put(self, url: Any, **how: Any) -> Exchanged:
        return self._exchange("PUT", url, how)

    def delete(self, url: Any, **how: Any) -> Exchanged:
        return self._exchange("DELETE", url, how)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _exchange(self, method: str, url: Any, how: dict[str, Any]) -> Exchanged:
        ask = Ask(
            method=method,
            path=url.raw_path,
            query=url.raw_query_string,
            body=(how["data"] or b"").decode(),
            key=how["headers"].get("X-MBX-APIKEY", ""),
        )
        return Exchanged(self._network, self._here, ask, how["timeout"].total)


class Exchanged:
    """One request and its answer, as ``async with`` has it."""

    reason = ""

    def __init__(self, network: Network, here: HostLoop, ask: Ask, timeout_s: float) -> None:
        self._network = network
        self._here = here
        self._ask = ask
        self._timeout_s = timeout_s
        self._reply: asyncio.Future[Reply] = here.create_future()
        self.status = 0
        self.headers: dict[str, str] = {}
        self._body = ""

    async def __aenter__(self) -> Self:
        if self._network.down:
            key = ConnectionKey("exchange", 443, True, None, None, None, None)
            raise aiohttp.ClientConnectorError(key, OSError(101, "the network is down"))
        for watcher in self._network.watchers:
            watcher.left(self._ask)
        there = self._network.there
        there.call_later(self._network.latency_s(), self._arrive)
        async with asyncio.timeout(self._timeout_s):
            reply = await self._reply
        self.status, self.headers, self._body = reply.status, reply.headers, reply.body.decode()
        for watcher in self._network.watchers:
            watcher.answered(self._ask, reply)
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def text(self, errors: str = "strict") -> str:
        return self._body

    # -- over there ------------------------------------------------------------------------

    def _arrive(self) -> None:
        task = self._network.there.create_task(self._attend())
        task.add_done_callback(lambda done: done.exception())

    async def _attend(self) -> None:
        reply = await self._network.server.attend(self._ask)
        self._here.call_later(self._network.latency_s(), self._come_back, reply)

    def _come_back(self, reply: Reply | None) -> None:
        if self._reply.done() or self._network.down:
            return  # nobody waits any more, or it does not get through
        if reply is None:
            self._reply.set_exception(aiohttp.ServerDisconnectedError())
        else:
            self._reply.set_result(reply)


# -- WebSocket ----------------------------------------------------------------------------------

CLOSED = WSMessage(WSMsgType.CLOSED, None, None)


class Pipe:
    """One WebSocket. The desk's end is itself, the exchange's end is ``far``."""

    def __init__(self, network: Network, here: HostLoop, path: str) -> None:
        self.network = network
        self.here = here
        self.path = path
        self.closed = False  # as the desk knows
        self.far = FarEnd(self)
        self._frames: deque[bytes] = deque()
        self._news: asyncio.Future[None] | None = None
        self._pong: asyncio.Future[None] | None = None
        self._towards = Lane(network, here)  # the desk

    @property
    def transport(self) -> Pipe:
        return self

    def serve(self, target: Any) -> None:
        """Begin, over there."""
        work = self.network.server.sockets.run(target, self.far, self.break_off)
        self.far.task = self.network.there.create_task(work)

    # -- the desk's end --------------------------------------------------------------------

    async def recv(self, *, decode: bool = False) -> bytes:
        while not self._frames:
            if self.closed:
                raise ConnectionError("the connection is closed")
            self._news = self.here.create_future()
            await self._news
        return self._frames.popleft()

    async def send(self, message: str) -> None:
        if self.closed:
            raise ConnectionError("the connection is closed")
        self.far.hear(WSMessage(WSMsgType.TEXT, message, None))

    def abort(self) -> None:
        """The desk hangs up."""
        self._end()
        self.far.hear(CLOSED)

    async def keep_alive(self, times: StreamTimes) -> None:
        """Ping, as ``websockets`` does; end the connection when a pong stays out."""
        while not self.closed:
            await asyncio.sleep(times.ping_s)
            self._pong = self.here.create_future()
            self.far.hear(WSMessage(WSMsgType.PING, b"", None))
            try:
                async with asyncio.timeout(times.pong_s):
                    await self._pong
            except TimeoutError:
                self._end()

    # -- what comes ------------------------------------------------------------------------

    def deliver(self, frame: bytes) -> None:
        self._towards.carry(self._take, frame)

    def deliver_pong(self) -> None:
        self._towards.carry(self._take_pong)

    def break_off(self) -> None:
        """Either end is gone without a word: each hears of it in its time."""
        self._towards.carry(self._end)
        self.far.hear(CLOSED)

    def _take(self, frame: bytes) -> None:
        if self.closed or self.network.down:
            return
        self._frames.append(frame)
        for watcher in self.network.watchers:
            watcher.heard(self.path, frame)
        self._wake()

    def _take_pong(self) -> None:
        if self._pong is not None and not self._pong.done() and not self.network.down:
            self._pong.set_result(None)

    def _end(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.network.pipes.pop(self, None)
        for watcher in self.network.watchers:
            watcher.disconnected(self.path)
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class FarEnd:
    """The exchange's end, as its ``Session`` wants it."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self.closed = False
        self.task: asyncio.Task[None] | None = None
        self._inbox: deque[WSMessage] = deque()
        self._news: asyncio.Future[None] | None = None
        self._towards = Lane(pipe.network, pipe.network.there)

    def hear(self, message: WSMessage) -> None:
        """The desk has sent something, or hung up."""
        self._towards.carry(self._take, message)

    async def receive(self) -> WSMessage:
        while not self._inbox:
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        message = self._inbox.popleft()
        self.closed = self.closed or message is CLOSED
        return message

    async def send_frame(self, message: bytes, opcode: WSMsgType) -> None:
        if self.closed:
            raise ConnectionResetError
        self._pipe.deliver(message)

    async def ping(self, message: bytes = b"") -> None:
        """A live client answers it by itself."""
        self._towards.carry(self._take, WSMessage(WSMsgType.PONG, message, None))

    async def pong(self, message: bytes = b"") -> None:
        self._pipe.deliver_pong()

    async def close(self, *, code: int = 1000, message: bytes = b"") -> bool:
        self._pipe.break_off()
        return True

    def _take(self, message: WSMessage) -> None:
        if self._pipe.network.down and message is not CLOSED:
            return
        self._inbox.append(message)
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class Lane:
    """One direction of a connection: everything arrives, late, and in the order in which it was sent."""

    def __init__(self, network: Network, to: HostLoop) -> None:
        self._network = network
        self._to = to
        self._under_way: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._last_s = 0.0

    def carry(self, then: Callable[..., None], *args: Any) -> None:
        self._under_way.append((then, args))
        now_s = self._network.there.time()
        self._last_s = max(self._last_s, now_s + self._network.latency_s())
        self._to.call_at(self._last_s, self._arrive)

    def _arrive(self) -> None:
        then, args = self._under_way.popleft()
        then(*args)
