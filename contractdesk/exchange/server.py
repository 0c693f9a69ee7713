"""The exchange on loopback: HTTP, WebSocket and the control API over one core.

Everything that changes the core runs synchronously on the loop: the market is advanced to now, then
a request is handled, then its events are queued to the sessions, then its answer is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import msgspec
from aiohttp import web

from contractdesk.clock import NS_PER_MS, NS_PER_S, Clock
from contractdesk.exchange.core import Exchange
from contractdesk.exchange.faults import Answer, Delay, DropRequest, FaultBoard, ReadLag, RequestFault, When
from contractdesk.exchange.hub import Hub
from contractdesk.exchange.limits import Quota
from contractdesk.exchange.model import Event
from contractdesk.exchange.sockets import Sockets
from contractdesk.exchange.trail import RequestRow, Trail, facts_of
from contractdesk.exchange.wire.binance.api import Api, Ask, Endpoints, Reply
from contractdesk.exchange.wire.binance.keys import Credential
from contractdesk.exchange.wire.binance.routes import ROUTES
from contractdesk.exchange.wire.binance.text import Face

STEP_S = 0.01  # the market moves at least this often while something is due
MAX_BODY = 1 << 20
MS_PER_S = 1_000


class Server:
    """One exchange and everything that serves it; bind it with ``contractdesk.exchange.launch``."""

    def __init__(
        self, exchange: Exchange, clock: Clock, quota: Quota | None = None, extra: Endpoints | None = None
    ) -> None:
        """``extra`` endpoints are those of a dialect that the venue does not speak."""
        self.exchange = exchange
        self.clock = clock
        self.face = Face()
        self.faults = FaultBoard()
        exchange.obey(self.faults)
        self.trail = Trail()
        self.api = Api(exchange, self.face, {**ROUTES, **(extra or {})}, quota)
        self.hub = Hub(exchange, self.face, self.api.listen_keys, self.faults, _later)
        self.sockets = Sockets(self.hub, self.faults, clock)
        self.busy_ns = clock.monotonic_ns()  # when somebody was last here

    def app(self) -> web.Application:
        """The aiohttp application of the venue's own paths."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:(fapi|dapi|sapi|futures)/.*}", self._rest)
        app.router.add_get("/{path:(public/|market/|private/)?(ws|stream)(/.*)?}", self._socket)
        return app

    @property
    def assets(self) -> frozenset[str]:
        """In which the listed contracts settle."""
        return frozenset(listing.asset for listing in self.exchange.listings.values())

    def add_key(self, credential: Credential, balances: Mapping[str, Decimal]) -> None:
        """A key to its account, which is opened when it is new.

        ``balances`` by asset are what it begins with; one that has traded in an asset keeps what it has.
        """
        self.exchange.endow(credential.account, balances, self.clock.now_ns())
        self.api.credentials[credential.key] = credential

    # -- time --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Drive the exchange in real time until cancelled."""
        while True:
            now_ns = self.step()
            wait_s = (self.exchange.next_due_ns - now_ns) / NS_PER_S
            await asyncio.sleep(min(max(wait_s, 0.001), STEP_S))

    def step(self) -> int:
        """Advance everything to now; returns that instant."""
        now_ns = self.clock.now_ns()
        self.publish(self.exchange.advance(now_ns))
        self.publish(self.api.tick(now_ns))
        self.hub.tick(now_ns)
        return now_ns

    def publish(self, events: Iterable[Event]) -> None:
        self.hub.publish(events)

    def idle_s(self) -> float:
        """For how long nobody has been connected or asked for anything."""
        if self.hub.sessions:
            self.busy_ns = self.clock.monotonic_ns()
        return (self.clock.monotonic_ns() - self.busy_ns) / NS_PER_S

    # -- requests ----------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self.busy_ns = self.clock.monotonic_ns()
        return await self.sockets.serve(request)

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        self.busy_ns = self.clock.monotonic_ns()
        reply = await self.attend(await _ask_of(request))
        return _hang_up(request) if reply is None else _response(reply)

    async def attend(self, ask: Ask) -> Reply | None:
        """The answer to one request, faults and all; None: the connection breaks without one."""
        params = ask.params()
        facts = facts_of(ask, params)
        row = self.trail.note(facts, params, self.clock.now_ns())
        fault = self.faults.next_request(facts)
        if fault is not None:
            row.fault = str(fault.__struct_config__.tag)
        return await self._serve(ask, row, fault)

    async def _serve(self, ask: Ask, row: RequestRow, fault: RequestFault | None) -> Reply | None:
        match fault:
            case DropRequest(when=When.AFTER, ms=ms) if ms:
                _later(ms / MS_PER_S, lambda: self._execute_unheard(ask, row))
                return None
            case DropRequest(when=when):
                if when is When.AFTER:
                    self._execute_unheard(ask, row)
                return None
            case Answer(execute=execute):
                if execute:
                    self._execute(ask, row)
                row.status, row.code = fault.status, fault.code or 0
                return _made_up(fault)
            case ReadLag(ms=ms):
                return self._execute(ask, row, ms * NS_PER_MS)
            case Delay(when=When.BEFORE, ms=ms):
                await asyncio.sleep(ms / MS_PER_S)
                return self._execute(ask, row)
            case Delay(ms=ms):
                reply = self._execute(ask, row)
                await asyncio.sleep(ms / MS_PER_S)
                return reply
            case None:
                return self._execute(ask, row)

    def _execute(self, ask: Ask, row: RequestRow, lag_ns: int = 0) -> Reply:
        """Bring the market up to now, handle the request, send out what followed from it.

        A read shows what was there ``lag_ns`` ago.
        """
        now_ns = self.step()
        reply = self.api.answer(ask, now_ns, lag_ns)
        self.publish(reply.events)
        row.status, row.weight, row.code = reply.status, reply.weight, reply.code
        return reply

    def _execute_unheard(self, ask: Ask, row: RequestRow) -> None:
        """Execute what nobody will hear the answer of."""
        self._execute(ask, row)
        row.status = 0


def _later(seconds: float, then: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(seconds, then)


async def _ask_of(request: web.Request) -> Ask:
    path, _, query = request.raw_path.partition("?")
    return Ask(
        method=request.method,
        path=path,
        query=query,
        body=await request.text() if request.body_exists else "",
        key=request.headers.get("X-MBX-APIKEY", ""),
    )


def _response(reply: Reply) -> web.Response:
    kind = "application/json" if reply.body[:1] in (b"{", b"[") else "text/plain"
    return web.Response(status=reply.status, body=reply.body, headers=reply.headers, content_type=kind)


def _made_up(fault: Answer) -> Reply:
    headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
    body = fault.msg.encode()
    if fault.code is not None:
        body = msgspec.json.encode({"code": fault.code, "msg": fault.msg})
    return Reply(status=fault.status, body=body, headers=headers, weight=0, code=fault.code or 0)


def _hang_up(request: web.Request) -> web.Response:
    """Break the connection: whatever is returned now reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
