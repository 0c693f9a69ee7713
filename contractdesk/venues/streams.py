"""A supervised WebSocket: connects, subscribes exactly, notices when it is dead, and comes back.

Dead is: closed, pings unanswered, subscriptions unanswered, or declared so by whoever watches the
channels. Before the venue cuts at 24 h it is renewed. What was missed meanwhile is the owner's to fetch.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.errors import VenueError
from contractdesk.venues.backoff import Backoff
from contractdesk.venues.credentials import redact
from contractdesk.venues.subscriptions import Subscriptions
from contractdesk.venues.transport import NETWORK, Socket, StreamTimes, Transport

__all__ = ["Stream", "StreamDied", "StreamTimes"]

log = logging.getLogger(__name__)
TICK_S = 0.1
STABLE_S = 10.0  # a connection that lived so long ends a series of failures


class StreamDied(Exception):
    """Ends one connection; the supervisor opens the next."""


class Stream:
    """One path of the venue.

    ``on_up`` follows the confirmation of every topic; ``on_down`` the end of each connection, also of
    one that never came so far.
    """

    def __init__(
        self,
        name: str,
        address: Callable[[], Awaitable[str]],
        on_frame: Callable[[bytes], None],
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
        *,
        clock: Clock,
        backoff: Backoff,
        proxy: bool,
        times: StreamTimes | None = None,
        transport: Transport = NETWORK,
    ) -> None:
        """``address`` is asked before each connection (it may fetch a listen key); VenueError: retry."""
        self.name = name
        self.subscriptions = Subscriptions()
        self.up = False
        self.connections = 0
        self._address = address
        self._on_frame = on_frame
        self._on_up = on_up
        self._on_down = on_down
        self._clock = clock
        self._backoff = backoff
        self._proxy = proxy
        self._times = times or StreamTimes()
        self._transport = transport
        self._task: asyncio.Task[None] | None = None
        self._verdict: asyncio.Future[str] | None = None
        self._failures = 0
        self._nudge = asyncio.Event()

    # -- the owner's side ------------------------------------------------------------------

    def start(self) -> None:
        """Begin; a second call changes nothing."""
        if self._task is None:
            self._task = asyncio.create_task(
                self._supervise(), name=f"stream {self.name}", context=contextvars.Context()
            )

    async def stop(self) -> None:
        """End the connection and the supervision."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def subscribe(self, topics: tuple[str, ...]) -> None:
        """Add to what is desired; sent within a tick when connected."""
        self.subscriptions.want(topics)
        self._nudge.set()

    def unsubscribe(self, topics: tuple[str, ...]) -> None:
        self.subscriptions.drop(topics)

    def acknowledge(self, number: int, error: str | None) -> None:
        """The venue's answer to a SUBSCRIBE or UNSUBSCRIBE, as the codec read it."""
        self.subscriptions.on_ack(number, error)
        self._nudge.set()

    def delivers(self, topics: tuple[str, ...]) -> bool:
        """True when the present connection has confirmed all of them."""
        return self.subscriptions.confirmed.issuperset(topics)

    def restart(self, reason: str) -> None:
        """Declare the present connection dead."""
        if self._verdict is not None and not self._verdict.done():
            self._verdict.set_result(reason)

    # -- supervision -----------------------------------------------------------------------

    async def _supervise(self) -> None:
        while True:
            began_ns = self._clock.monotonic_ns()
            reason = await self._connection()
            self.subscriptions.on_connected()  # nothing is delivered any more
            self.up = False
            self._on_down(redact(reason))
            if self._clock.monotonic_ns() - began_ns > STABLE_S * NS_PER_S:
                self._failures = 0
            delay_s = self._backoff.delay_s(self._failures)
            self._failures += 1
            log.info("stream %s lost (%s), again in %.3f s", self.name, redact(reason), delay_s or 0.0)
            await asyncio.sleep(delay_s or 0.0)

    async def _connection(self) -> str:
        """One connection from its opening to its end; returns why it ended."""
        try:
            address = await self._address()
            async with self._transport.dial(address, self._times, self._proxy) as socket:
                return await self._attend(socket)
        except VenueError as refused:
            return f"no address: {refused}"
        except Exception as failure:  # a supervisor: whatever it is, the next connection is tried
            return f"{type(failure).__name__}: {failure}"

    async def _attend(self, socket: Socket) -> str:
        self.connections += 1
        self.subscriptions.on_connected()
        self._verdict = asyncio.get_running_loop().create_future()
        reader = asyncio.create_task(self._read(socket), name=f"stream {self.name} reader")
        keeper = asyncio.create_task(self._keep(socket), name=f"stream {self.name} keeper")
        try:
            ends: set[asyncio.Future[Any]] = {reader, keeper, self._verdict}
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return self._verdict.result() if self._verdict in done else _why(reader, keeper)
        finally:
            for task in (reader, keeper):
                task.cancel()
            await asyncio.gather(reader, keeper, return_exceptions=True)
            socket.transport.abort()  # a half-open peer would not answer a closing handshake

    async def _read(self, socket: Socket) -> None:
        while True:
            self._on_frame(await socket.recv(decode=False))

    async def _keep(self, socket: Socket) -> None:
        """Subscriptions, their answers, and the end of a connection's days."""
        began_ns = self._clock.monotonic_ns()
        while True:
            now_ns = self._clock.monotonic_ns()
            if now_ns - began_ns > self._times.rotate_s * NS_PER_S:
                raise StreamDied("renewed before the venue cuts it")
            if self.subscriptions.overdue(now_ns):
                raise StreamDied("a subscription was not answered")
            while message := self.subscriptions.next_message(now_ns):
                await socket.send(message)
            if not self.up and self.subscriptions.complete:
                self.up = True
                self._on_up()
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):  # wait_for can swallow a cancellation, before 3.12
                    await self._nudge.wait()
            self._nudge.clear()


def _why(*tasks: asyncio.Task[None]) -> str:
    for task in tasks:
        if task.done() and not task.cancelled() and (failure := task.exception()):
            return f"{type(failure).__name__}: {failure}"
    return "cancelled"
