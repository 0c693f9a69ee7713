"""The WebSocket endpoints: which path asks for what, and the little protocol of subscriptions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from urllib.parse import unquote

import msgspec
from aiohttp import web
from msgspec import Struct

from contractdesk.clock import Clock
from contractdesk.exchange.faults import FaultBoard
from contractdesk.exchange.hub import Hub
from contractdesk.exchange.session import MAX_STREAMS, Session, Socket
from contractdesk.exchange.wire.binance.streams import Path
from contractdesk.exchange.wire.binance.text import Json

ROUTES = {path.value: path for path in Path if path.value}
METHODS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"


class Order(Struct):
    """What a client says over its socket; ``id`` comes back in the answer."""

    method: str
    id: int | str | None = None
    params: list[str | bool] = []


class Target(Struct, frozen=True):
    """What a URL asks for."""

    path: Path
    combined: bool
    names: tuple[str, ...]
    events: frozenset[str] = frozenset()


def target_of(path: str, streams: str, listen_key: str, events: str) -> Target | None:
    """/[public|market|private]/{ws|stream}[/name...]; a trailing number is ccxt's own and means nothing."""
    parts = [unquote(part) for part in path.split("/") if part]
    route = ROUTES.get(parts[0]) if parts else None
    if route is not None:
        parts = parts[1:]
    if not parts or parts[0] not in ("ws", "stream"):
        return None
    names = [name for name in parts[1:] if not name.isdecimal()]
    names += [name for name in streams.split("/") if name]
    if listen_key:
        names.append(listen_key)
    wanted = frozenset(name for name in events.split("/") if name)
    return Target(route or Path.LEGACY, parts[0] == "stream", tuple(names), wanted)


class Sockets:
    """Accepts sessions and serves them until they end."""

    def __init__(self, hub: Hub, faults: FaultBoard, clock: Clock) -> None:
        self._hub = hub
        self._faults = faults
        self._clock = clock

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection, from upgrade to end."""
        target = self.admit(request.path, request.query)
        if isinstance(target, int):
            return web.Response(status=target)
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=64 * 1024)
        await socket.prepare(request)
        transport = request.transport
        abort = transport.abort if isinstance(transport, asyncio.Transport) else _nothing
        await self.run(target, socket, abort)
        return socket

    def admit(self, path: str, query: Mapping[str, str]) -> Target | int:
        """What a connection would be for, or the HTTP status with which it is refused."""
        target = target_of(
            path, query.get("streams", ""), query.get("listenKey", ""), query.get("events", "")
        )
        if target is None:
            return 404
        refusing = self._faults.refusing(target.path.value, self._clock.monotonic_ns())
        return 503 if refusing else target

    async def run(self, target: Target, socket: Socket, abort: Callable[[], None]) -> None:
        """Serve an open socket until it ends; ``abort`` breaks the connection under it."""
        session = Session(target.path, socket, abort, combined=target.combined, clock=self._clock)
        session.events = target.events
        self._hub.sessions.add(session)
        self._hub.subscribe(session, [name for name in target.names if self._hub.known(session, name)])
        workers = [asyncio.create_task(session.write()), asyncio.create_task(session.keep_alive())]
        try:
            while not socket.closed:
                message = await socket.receive()
                text = await session.heard(message)
                if text is not None:
                    session.put_json(self._obey(session, text))
        finally:
            self._hub.leave(session)
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    def _obey(self, session: Session, text: str) -> Json:
        """Do what the client says; returns the answer."""
        try:
            order = msgspec.json.decode(text, type=Order)
        except (msgspec.DecodeError, msgspec.ValidationError) as exc:
            return _error(3, f"Invalid JSON: {exc}", None)
        names = [each for each in order.params if isinstance(each, str)]
        match order.method:
            case "SUBSCRIBE":
                return self._subscribe(session, order, names)
            case "UNSUBSCRIBE":
                self._hub.unsubscribe(session, names)
                return {"result": None, "id": order.id}
            case "LIST_SUBSCRIPTIONS":
                return {"result": list(session.subscriptions), "id": order.id}
            case "SET_PROPERTY":
                return self._set_property(session, order)
            case "GET_PROPERTY":
                return {"result": session.combined, "id": order.id}
            case other:
                problem = f"Invalid request: unknown variant `{other}`, expected one of {METHODS}"
                return _error(2, problem, order.id)

    def _subscribe(self, session: Session, order: Order, names: list[str]) -> Json:
        if self._faults.refuses_topics(session.path.value, names):
            return _error(2, "Invalid request: try again later", order.id)
        unknown = [name for name in names if not self._hub.known(session, name)]
        if unknown:
            return _error(2, f"Invalid request: unknown stream {unknown[0]}", order.id)
        if len({*session.subscriptions, *names}) > MAX_STREAMS:
            return _error(2, f"Invalid request: more than {MAX_STREAMS} streams", order.id)
        self._hub.subscribe(session, names)
        return {"result": None, "id": order.id}

    def _set_property(self, session: Session, order: Order) -> Json:
        match order.params:
            case ["combined", bool(combined)]:
                session.combined = combined
                return {"result": None, "id": order.id}
            case _:
                return _error(2, "Invalid request: SET_PROPERTY takes [`combined`, boolean]", order.id)


def _nothing() -> None:
    """A connection that is gone needs no breaking."""


def _error(code: int, message: str, request_id: int | str | None) -> Json:
    return {"error": {"code": code, "msg": message}, "id": request_id}
