"""One WebSocket connection: its subscriptions, its bounded outbox, its pings.

A consumer that does not read fast enough is disconnected: an outbox never grows beyond its bound.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

import msgspec
from aiohttp import WSCloseCode, WSMessage, WSMsgType

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.exchange.wire.binance.streams import Path

OUTBOX = 4_096  # frames; at 10 a second and 20 streams, twenty seconds
PING_EVERY_S = 180.0
PONG_WITHIN_S = 600.0
MAX_AGE_S = 86_400.0
MAX_STREAMS = 1_024
MAX_MESSAGES_A_SECOND = 10


class Socket(Protocol):
    """The server's end of a WebSocket, as aiohttp has it."""

    @property
    def closed(self) -> bool: ...

    async def receive(self) -> WSMessage: ...

    async def send_frame(self, message: bytes, opcode: WSMsgType) -> None: ...

    async def ping(self, message: bytes = b"") -> None: ...

    async def pong(self, message: bytes = b"") -> None: ...

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"") -> bool: ...


class Session:
    """What the hub knows of a connection. Frames go out in the order in which they were put."""

    def __init__(
        self, path: Path, socket: Socket, abort: Callable[[], None], *, combined: bool, clock: Clock
    ) -> None:
        """``abort`` breaks the connection under ``socket`` without a word."""
        self.path = path
        self.combined = combined
        self.subscriptions: dict[str, None] = {}  # names, in the order of subscription
        self.events: frozenset[str] = frozenset()  # of the user stream; empty: all
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.socket = socket
        self._abort = abort
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue(OUTBOX)
        self._clock = clock
        self._opened_ns = self._heard_ns = clock.monotonic_ns()
        self._second, self._messages = 0, 0

    # -- out ---------------------------------------------------------------------------------

    def put(self, frame: bytes) -> None:
        """Queue a text frame; a full outbox means the consumer is too slow, and ends the session."""
        if not self.thawed.is_set():
            return  # a half-open connection: what is sent into it is gone
        try:
            self._outbox.put_nowait(frame)
        except asyncio.QueueFull:
            self.cut()

    def put_json(self, message: object) -> None:
        self.put(msgspec.json.encode(message))

    def cut(self) -> None:
        """Break the connection at once: no close frame."""
        self._abort()

    async def write(self) -> None:
        """Send what is queued, until cancelled or disconnected."""
        with contextlib.suppress(ConnectionError):
            while True:
                frame = await self._outbox.get()
                await self.thawed.wait()
                await self.socket.send_frame(frame, WSMsgType.TEXT)

    async def keep_alive(self) -> None:
        """Ping every three minutes; end the session when pongs stay out, or after 24 hours."""
        while True:
            await asyncio.sleep(PING_EVERY_S)
            now_ns = self._clock.monotonic_ns()
            silent_s = (now_ns - self._heard_ns) / NS_PER_S
            if silent_s > PONG_WITHIN_S or (now_ns - self._opened_ns) / NS_PER_S > MAX_AGE_S:
                await self.close(WSCloseCode.POLICY_VIOLATION, b"disconnected")
                return
            if self.thawed.is_set():
                await self.socket.ping(str(self._clock.now_ns() // 1_000_000).encode())

    async def close(self, code: WSCloseCode, reason: bytes) -> None:
        await self.socket.close(code=code, message=reason)

    # -- in ----------------------------------------------------------------------------------

    async def heard(self, message: WSMessage) -> str | None:
        """The text of a message, or None for what needs no answer; floods end the session."""
        self._heard_ns = now_ns = self._clock.monotonic_ns()
        if self._flooding(now_ns // NS_PER_S):
            await self.close(WSCloseCode.POLICY_VIOLATION, b"Too many requests")
            return None
        if not self.thawed.is_set():
            return None
        if message.type is WSMsgType.PING:
            await self.socket.pong(message.data)
        return str(message.data) if message.type is WSMsgType.TEXT else None

    def _flooding(self, second: int) -> bool:
        if second != self._second:
            self._second, self._messages = second, 0
        self._messages += 1
        return self._messages > MAX_MESSAGES_A_SECOND
