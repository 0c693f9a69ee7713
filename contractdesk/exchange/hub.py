"""Who listens to what: subscriptions of sessions, and the way of each event to them.

A listen key is one product's: what happens in the other is not told over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from contractdesk.exchange.core import Exchange
from contractdesk.exchange.faults import (
    DelayEvent,
    DropEvent,
    DuplicateEvent,
    EditEvent,
    FaultBoard,
    ReorderEvent,
)
from contractdesk.exchange.model import (
    AccountChanged,
    AlgoChanged,
    ConfigChanged,
    Event,
    ExecutionKind,
    MarginCall,
    OrderChanged,
    UserEvent,
)
from contractdesk.exchange.session import Session
from contractdesk.exchange.wire.binance import user
from contractdesk.exchange.wire.binance.feed import Feed, Payload
from contractdesk.exchange.wire.binance.keys import ListenKeys, Owner
from contractdesk.exchange.wire.binance.product import PRODUCTS, Product, product_in, product_of
from contractdesk.exchange.wire.binance.streams import Kind, Path, Stream, parse_stream
from contractdesk.exchange.wire.binance.text import Face, Json

EXPIRED = "listenKeyExpired"
Later = Callable[[float, Callable[[], None]], object]  # seconds, what then


class Withheld(Struct):
    """An event that waits for ``after`` others of its name."""

    key: str
    event: str
    frame: Json
    after: int


class Hub:
    """The streams' side of the server. Everything is synchronous; sessions have their own writers."""

    def __init__(
        self, exchange: Exchange, face: Face, listen_keys: ListenKeys, faults: FaultBoard, later: Later
    ) -> None:
        self.sessions: set[Session] = set()
        self._exchange = exchange
        self._face = face
        self._listen_keys = listen_keys
        self._faults = faults
        self._later = later
        self._withheld: list[Withheld] = []
        self._streams: dict[str, Stream] = {}
        self._listeners: dict[str, set[Session]] = {}  # by stream name or listen key
        self._feed = Feed(exchange, face, self._streams)

    # -- subscriptions -----------------------------------------------------------------------

    def known(self, session: Session, name: str) -> bool:
        """True for what the session may subscribe to: a stream, or where those are told a listen key."""
        if session.path is Path.PRIVATE:
            return name.isalnum()
        return self._stream(name) is not None or (session.path is Path.LEGACY and self._unrouted_key(name))

    def subscribe(self, session: Session, names: Iterable[str]) -> None:
        for name in names:
            session.subscriptions[name] = None
            stream = self._stream(name)
            if stream is None or stream.on(session.path):
                self._listeners.setdefault(name, set()).add(session)
                if stream is not None:
                    self._streams[name] = stream

    def _stream(self, name: str) -> Stream | None:
        """The stream of that name; whether it is routed is its product's affair, and of all symbols not."""
        stream = parse_stream(name, self._exchange.listings)
        if stream is None:
            return None
        listing = self._exchange.listings.get(stream.symbol)
        return replace(stream, routed=listing is not None and product_of(listing.instrument).routed)

    def _unrouted_key(self, name: str) -> bool:
        owner = self._listen_keys.owner(name)
        return owner is not None and any(owner.product == each.name for each in PRODUCTS if not each.routed)

    def unsubscribe(self, session: Session, names: Iterable[str]) -> None:
        for name in list(names):
            session.subscriptions.pop(name, None)
            listeners = self._listeners.get(name, set())
            listeners.discard(session)
            if not listeners:
                self._listeners.pop(name, None)
                self._streams.pop(name, None)

    def leave(self, session: Session) -> None:
        """The session is over."""
        self.unsubscribe(session, session.subscriptions)
        self.sessions.discard(session)

    # -- events ------------------------------------------------------------------------------

    def publish(self, events: Iterable[Event]) -> None:
        """Send what follows from ``events``, in their order."""
        for event in events:
            if isinstance(event, UserEvent):
                self._tell(event)
            else:
                for name, payload in self._feed.take(event):
                    self._send(name, payload)

    def tick(self, now_ns: int) -> None:
        """Send what is due, and end the listen keys that nobody prolonged."""
        for name, payload in self._feed.tick(now_ns):
            stream = self._streams[name]
            if stream.kind is Kind.DEPTH:
                if self._faults.gap(stream.symbol, name):
                    continue
                payload = self._spoilt(stream.symbol, name, payload)
            self._send(name, payload)
        for _, listen_key in self._listen_keys.expire(now_ns):
            self.end_listen_key(listen_key, now_ns)

    def end_listen_key(self, listen_key: str, now_ns: int) -> None:
        """Tell its listeners; nothing more will come over it."""
        self._send(listen_key, user.expired_frame(listen_key, now_ns, self._face))

    # -- faults ------------------------------------------------------------------------------

    def cut(self, concerns: Callable[[str], bool]) -> int:
        """Break the sessions of the paths concerned, without a close frame; returns how many."""
        broken = [session for session in self.sessions if concerns(session.path.value)]
        for session in broken:
            session.cut()
        return len(broken)

    def freeze(self, concerns: Callable[[str], bool], seconds: float) -> int:
        """Silence the sessions of the paths concerned, for ``seconds`` (0: until thawed)."""
        frozen = [session for session in self.sessions if concerns(session.path.value)]
        for session in frozen:
            session.thawed.clear()
            if seconds:
                self._later(seconds, session.thawed.set)
        return len(frozen)

    def thaw(self) -> None:
        for session in self.sessions:
            session.thawed.set()

    def say(self, name: str, payload: object, times: int = 1) -> int:
        """Send a made-up message over a stream, or a listen key; returns how many sockets listen to it."""
        for _ in range(times):
            self._send(name, payload)
        return len(self._listeners.get(name, ()))

    def say_raw(self, text: bytes, concerns: Callable[[str], bool], times: int = 1) -> int:
        """Send a frame as it is to every session of the paths concerned; returns to how many."""
        heard = [session for session in self.sessions if concerns(session.path.value)]
        for session in heard:
            for _ in range(times):
                session.put(text)
        return len(heard)

    def _spoilt(self, symbol: str, name: str, payload: Payload) -> Payload:
        spoilt = self._faults.spoilt(symbol, name)
        if spoilt is None or not isinstance(payload, dict):
            return payload
        bids, asks = cast("list[object]", payload["b"]), cast("list[object]", payload["a"])
        return {**payload, "b": [*bids, *spoilt.bids], "a": [*asks, *spoilt.asks]}

    # -- inside ------------------------------------------------------------------------------

    def _tell(self, event: UserEvent) -> None:
        account = event.account if not isinstance(event, OrderChanged | AlgoChanged) else _owner(event)
        for product in self._concerned(event):
            listen_key = self._listen_keys.of(Owner(account, product.name))
            if listen_key is not None:
                for execution, symbol, frame in self._frames(event):
                    self._send_faulty(listen_key, str(frame["e"]), execution, symbol, frame)

    def _concerned(self, event: UserEvent) -> tuple[Product, ...]:
        """The product that an event belongs to; the position mode is both's."""
        listings = self._exchange.listings
        match event:
            case OrderChanged(order=row) | AlgoChanged(algo=row) | ConfigChanged(config=row) if row.symbol:
                return (product_of(listings[row.symbol].instrument),)
            case AccountChanged(balances=balances):
                return (product_in([each.asset for each in balances], listings),)
            case MarginCall(asset=asset):
                return (product_in([asset], listings),)
            case _:
                return PRODUCTS

    def _frames(self, event: UserEvent) -> Iterable[tuple[str, str, Json]]:
        """(execution, symbol, frame): what faults match, and what is sent."""
        match event:
            case OrderChanged(order=order, kind=kind, fill=fill):
                terms = self._exchange.listings[order.symbol].instrument
                if fill is not None and kind is ExecutionKind.TRADE:
                    yield kind.value, order.symbol, user.trade_lite(event, fill, terms, self._face)
                yield kind.value, order.symbol, user.order_frame(event, terms, self._face)
            case AlgoChanged(algo=algo):
                terms = self._exchange.listings[algo.symbol].instrument
                yield algo.status.value, algo.symbol, user.algo_frame(event, terms, self._face)
            case AccountChanged(reason=reason):
                yield reason.value, "", user.account_frame(event, self._face)
            case ConfigChanged(config=config):
                yield "", config.symbol, user.config_frame(event, self._face)
            case MarginCall():
                yield "", "", user.margin_call_frame(event, self._face)

    def _send_faulty(self, key: str, event: str, execution: str, symbol: str, frame: Json) -> None:
        match self._faults.next_event(event, execution, symbol):
            case DropEvent():
                return
            case DuplicateEvent():
                self._send(key, frame)
                self._send(key, frame)
            case DelayEvent(ms=ms):
                self._later(ms / 1_000, lambda: self._send(key, frame))
            case ReorderEvent(after=after):
                self._withheld.append(Withheld(key, event, frame, after))
                return
            case EditEvent(fields=fields):
                body = frame.get("o")
                edited = {**frame, "o": {**body, **fields}} if isinstance(body, dict) else {**frame, **fields}
                self._send(key, edited)
            case None:
                self._send(key, frame)
        self._release(key, event)

    def _release(self, key: str, event: str) -> None:
        """One more event of that name has been told: what waited for it follows."""
        for held in [each for each in self._withheld if (each.key, each.event) == (key, event)]:
            held.after -= 1
            if held.after <= 0:
                self._withheld.remove(held)
                self._send(key, held.frame)

    def _send(self, name: str, payload: object) -> None:
        sessions = self._listeners.get(name)
        if not sessions:
            return
        raw = msgspec.json.encode(payload)
        combined = b'{"stream":"' + name.encode() + b'","data":' + raw + b"}"
        event = payload.get("e") if isinstance(payload, dict) else None
        for session in list(sessions):
            if self._faults.muted(session.path.value, name):
                continue
            if not session.events or event in session.events or event == EXPIRED:
                session.put(combined if session.combined else raw)


def _owner(event: OrderChanged | AlgoChanged) -> str:
    return event.order.account if isinstance(event, OrderChanged) else event.algo.account
