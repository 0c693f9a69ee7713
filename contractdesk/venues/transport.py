"""How a venue's bytes travel: over the network, or over what a simulation puts in its place.

Everything above stays the same: ccxt signs, the queue waits, the streams supervise.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

from msgspec import Struct
from websockets.asyncio.client import connect

MAX_FRAME = 10 << 20  # bytes


class StreamTimes(Struct, frozen=True, kw_only=True):
    """Limits in seconds."""

    open_s: float = 5.0
    ping_s: float = 5.0  # one ping each so often ...
    pong_s: float = 5.0  # ... answered within
    rotate_s: float = 22.5 * 3600  # the venue cuts at 24 h


class Abortable(Protocol):
    def abort(self) -> None:
        """End the connection now, whatever the other side does."""
        ...


class Socket(Protocol):
    """An open WebSocket, as ``websockets`` has it; each method raises once the connection has ended."""

    @property
    def transport(self) -> Abortable: ...

    async def recv(self, *, decode: Literal[False]) -> bytes: ...

    async def send(self, message: str) -> None: ...


Dial = Callable[[str, StreamTimes, bool], AbstractAsyncContextManager[Socket]]  # address, limits, by proxy


class Transport(Struct, frozen=True, kw_only=True):
    """``dial`` opens a WebSocket; ``http`` makes ccxt's HTTP session, None: ccxt makes its own."""

    dial: Dial
    http: Callable[[], Any] | None = None


def _dial(address: str, times: StreamTimes, by_proxy: bool) -> AbstractAsyncContextManager[Any]:  # noqa: FBT001
    return connect(
        address,
        open_timeout=times.open_s,
        ping_interval=times.ping_s,
        ping_timeout=times.pong_s,
        close_timeout=1.0,
        max_size=MAX_FRAME,
        compression=None,
        proxy=True if by_proxy else None,
        logger=_quiet,
    )


_quiet = logging.Logger("websockets", logging.CRITICAL + 1)  # its debug lines hold listen keys
_quiet.addHandler(logging.NullHandler())
NETWORK = Transport(dial=_dial)
