"""REST through ccxt, which signs and sends; when, how often and what an answer means is decided here.

ccxt's own rate limiter, retries and error classes are not used: each request waits its turn in the
venue's one queue, each answer is classified by the venue's dialect, and a create is sent once. Errors
carry the path and never the query, and do not chain to what ccxt raised: that holds signed URLs.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from enum import Enum
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from contractdesk.clock import Clock
from contractdesk.errors import OutcomeLost, RateLimited, VenueError, VenueUnreachable
from contractdesk.venues.backoff import Backoff
from contractdesk.venues.base import UNWANTED, Wanted, always
from contractdesk.venues.credentials import Credentials
from contractdesk.venues.limits import Priority, RequestQueue, Usage

RECV_WINDOW_MS = 5_000  # of what names none itself: a clock that is off further is to be noticed
TAKEN_OVER = "the lease on this account was taken over"
READ_LIMIT_S = 8.0  # with its waiting and its repetitions: later nobody wants the answer any more


class Effect(Enum):
    """What sending a request twice would do; decides whether a lost answer may be asked for again."""

    READ = "read"
    REPEATABLE = "repeatable"  # cancel by id, set a value: the second one changes nothing
    CREATE = "create"  # never sent again


class Endpoint(Struct, frozen=True, kw_only=True):
    """One REST endpoint, by ccxt's name for its API section."""

    api: str  # e.g. "fapiPrivate"
    method: str
    path: str
    weight: int = 1
    orders: int = 0  # how many order actions it counts as
    effect: Effect = Effect.READ
    harmless: bool = False  # changes no order, position or setting, whatever its effect

    @property
    def name(self) -> str:
        """For messages: no host, no query."""
        return f"{self.method} {self.path}"


class Reply(Struct, frozen=True):
    """A good answer, and when it was asked for and came (monotonic ns)."""

    body: bytes
    usage: Usage
    sent_ns: int
    received_ns: int


class Dialect(Protocol):
    """How a venue speaks in status lines and headers."""

    def classify(self, status: int, headers: Mapping[str, str], body: str) -> VenueError | None:
        """The error that an answer is, or None. Header names are lower case.

        An OutcomeLost means: may have been executed. VenueUnreachable: was not.
        """
        ...

    def usage(self, headers: Mapping[str, str]) -> Usage: ...


class _Head:
    """What the hooks of one request leave for their caller."""

    __slots__ = ("headers",)

    def __init__(self) -> None:
        self.headers: Mapping[str, str] = {}


_head: ContextVar[_Head] = ContextVar("head of the answer")


def quiet_logger() -> logging.Logger:
    """A logger that says nothing: ccxt's debug lines hold keys and signatures."""
    logger = logging.Logger("ccxt", logging.CRITICAL + 1)
    logger.addHandler(logging.NullHandler())
    return logger


def prepare_client(
    exchange: Any,
    dialect: Dialect,
    credentials: Credentials | None,
    timestamp_ms: Callable[[], int],
    timeout_s: float,
) -> None:
    """Turn a fresh ccxt exchange into a signer and sender that decides nothing itself."""
    if credentials is not None:
        exchange.apiKey = credentials.key.reveal()
        exchange.secret = credentials.secret.reveal()
    exchange.enableRateLimit = False
    exchange.timeout = round(timeout_s * 1_000)
    exchange.nonce = timestamp_ms
    exchange.logger = quiet_logger()
    exchange.options["maxRetriesOnFailure"] = 0
    exchange.options["recvWindow"] = RECV_WINDOW_MS
    exchange.parse_json = lambda text: text  # bodies are decoded by typed decoders

    def judge(status: int, _reason: str, _url: str, _method: str, headers: Any, body: str, *_: Any) -> None:
        lowered = {name.lower(): value for name, value in headers.items()}
        _head.get().headers = lowered
        error = dialect.classify(status, lowered, body)
        if error is not None:
            raise error

    exchange.handle_errors = judge


class _Turn(NamedTuple):
    """How a request waits for being sent."""

    priority: Priority
    weight: int
    patience_s: float | None
    wanted: Wanted


class RestClient:
    """Sends requests of one account; create it on the loop that uses it."""

    def __init__(
        self,
        exchange: Any,
        dialect: Dialect,
        queue: RequestQueue,
        clock: Clock,
        retries: Backoff,
        read_limit_s: float = READ_LIMIT_S,
        permit: Callable[[], bool] = lambda: True,
    ) -> None:
        """``exchange`` has been through ``prepare_client``; ``retries`` is for reads and repeatables.

        ``read_limit_s`` bounds a read with its waiting and its repetitions. ``permit`` is asked at the
        last moment before anything but a read is sent: a request may have waited since it was decided.
        """
        self._exchange = exchange
        self._dialect = dialect
        self._queue = queue
        self._clock = clock
        self._retries = retries
        self._read_limit_s = read_limit_s
        self._permit = permit

    async def call(
        self,
        endpoint: Endpoint,
        params: Mapping[str, str],
        priority: Priority,
        *,
        weight: int | None = None,
        patience_s: float | None = None,
        wanted: Wanted = always,
    ) -> Reply:
        """Send once it is our turn; the answer, or what happened instead.

        ``wanted`` is asked when its turn has come: what nobody wants any more is not sent.
        Raises VenueRejected (definitive), VenueUnreachable (not executed), OutcomeLost (of a create
        or repeatable: may have been executed), RateLimited (of a create: not executed).
        """
        turn = _Turn(priority, endpoint.weight if weight is None else weight, patience_s, wanted)
        if endpoint.effect is not Effect.READ:
            return await self._persist(endpoint, params, turn)
        try:
            async with asyncio.timeout(self._read_limit_s):
                return await self._persist(endpoint, params, turn)
        except TimeoutError:
            raise VenueUnreachable(f"{endpoint.name}: no answer within {self._read_limit_s:g} s") from None

    async def close(self) -> None:
        """End the HTTP session."""
        await self._exchange.close()

    async def _persist(self, endpoint: Endpoint, params: Mapping[str, str], turn: _Turn) -> Reply:
        attempt = 0
        while True:
            try:
                return await self._attempt(endpoint, params, turn)
            except (VenueUnreachable, OutcomeLost, RateLimited) as failure:
                delay_s = self._retries.delay_s(attempt)
                if endpoint.effect is Effect.CREATE or delay_s is None:
                    raise
                if isinstance(failure, RateLimited):
                    delay_s = 0.0  # the queue keeps the silence
            await asyncio.sleep(delay_s)
            attempt += 1

    async def _attempt(self, endpoint: Endpoint, params: Mapping[str, str], turn: _Turn) -> Reply:
        async with self._queue.turn(
            turn.priority, turn.weight, orders=endpoint.orders, patience_s=turn.patience_s
        ) as spent:
            if not turn.wanted():
                raise VenueUnreachable(f"{endpoint.name}: not sent: {UNWANTED}")
            outcome = await self._send(endpoint, params, spent)
            if isinstance(outcome, VenueError):
                raise outcome
            return outcome

    async def _send(
        self, endpoint: Endpoint, params: Mapping[str, str], spent: Callable[[Usage], None]
    ) -> Reply | VenueError:
        """The answer or the error as a value: raised by the caller, it carries no context."""
        acts = endpoint.effect is not Effect.READ and not endpoint.harmless
        if acts and not self._permit():
            return VenueUnreachable(f"{endpoint.name}: not sent: {TAKEN_OVER}")
        head = _Head()
        token = _head.set(head)
        sent_ns = self._clock.monotonic_ns()
        try:
            text = await self._exchange.request(endpoint.path, [endpoint.api], endpoint.method, dict(params))
        except VenueError as refused:
            return _named(refused.with_traceback(None), endpoint)
        except Exception as failure:  # whatever ccxt or aiohttp raise: classified, never let through
            return _transport_error(failure, endpoint)
        finally:
            _head.reset(token)
            usage = self._dialect.usage(head.headers)
            spent(usage)
        return Reply(str(text or "").encode(), usage, sent_ns, self._clock.monotonic_ns())


def _named(error: VenueError, endpoint: Endpoint) -> VenueError:
    if isinstance(error, OutcomeLost):
        lost = VenueUnreachable if endpoint.effect is Effect.READ else OutcomeLost
        return lost(f"{endpoint.name}: {error}")
    return VenueUnreachable(f"{endpoint.name}: {error}") if type(error) is VenueUnreachable else error


def _transport_error(failure: Exception, endpoint: Endpoint) -> VenueError:
    import aiohttp

    cause = failure.__cause__ or failure
    what = f"{endpoint.name}: {type(cause).__name__}"
    if endpoint.effect is Effect.READ:
        return VenueUnreachable(what)
    unsent = isinstance(cause, aiohttp.ClientConnectorError | socket.gaierror)
    return VenueUnreachable(f"{what}, nothing was sent") if unsent else OutcomeLost(what)
