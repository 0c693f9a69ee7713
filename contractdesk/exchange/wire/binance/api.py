"""One REST request in, one answer and the events it caused out: no I/O, no clock.

The order of the checks is the venue's: limits, then key, then signature and time, then parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TypeVar

import msgspec
from msgspec import Struct

from contractdesk.exchange.core import Exchange
from contractdesk.exchange.limits import AccountLimits, AddressLimits, Outcome, Quota, Verdict
from contractdesk.exchange.model import (
    AccountState,
    AnyRequest,
    CancelAll,
    Event,
    Reason,
    Refused,
    Response,
)
from contractdesk.exchange.past import Past
from contractdesk.exchange.terms import Listing
from contractdesk.exchange.wire.binance import signing
from contractdesk.exchange.wire.binance.errors import ApiError, from_refusal, missing
from contractdesk.exchange.wire.binance.keys import Credential, ListenKeys, Owner
from contractdesk.exchange.wire.binance.params import Params
from contractdesk.exchange.wire.binance.product import USDM, Product
from contractdesk.exchange.wire.binance.text import Face

R = TypeVar("R")
MAX_KEY_LENGTH = 128


class Ask(Struct, frozen=True, kw_only=True):
    """A request as it was sent; ``query`` and ``body`` are still encoded."""

    method: str
    path: str
    query: str = ""
    body: str = ""
    key: str = ""

    def params(self) -> Params:
        return Params.of(self.query, self.body)


class Reply(Struct, frozen=True, kw_only=True):
    """What goes back, and what happened; ``headers`` hold the counters."""

    status: int
    body: bytes
    headers: dict[str, str]
    weight: int
    code: int = 0  # the venue's error code; 0 for none
    events: tuple[Event, ...] = ()


class Security(Enum):
    """What an endpoint wants to see."""

    NONE = "none"
    KEY = "key"  # the key header alone
    READ = "read"  # a signature, and the scope to read
    TRADE = "trade"  # a signature, and the scope to trade futures


class Call:
    """What a handler works with; it collects the events of what it asks of the core."""

    def __init__(
        self, api: Api, product: Product, params: Params, now_ns: int, shown: Exchange | None = None
    ) -> None:
        """``shown`` is what reads see, where that is not the exchange as it stands."""
        self.api = api
        self.product = product
        self.exchange = shown or api.exchange
        self.face = api.face
        self.params = params
        self.now_ns = now_ns
        self.listings = product.listed(api.exchange.listings)  # what this request can see
        self.events: list[Event] = []
        self._credential: Credential | None = None

    @property
    def known(self) -> bool:
        """True once the caller's key has been checked."""
        return self._credential is not None

    @property
    def credential(self) -> Credential:
        """The caller's; only where the endpoint asks for a key."""
        if self._credential is None:
            raise ApiError(-2014, status=401)
        return self._credential

    @credential.setter
    def credential(self, credential: Credential) -> None:
        self._credential = credential

    @property
    def account(self) -> str:
        return self.credential.account

    @property
    def owner(self) -> Owner:
        """Of the listen key that this request is about."""
        return Owner(self.account, self.product.name)

    def state(self) -> AccountState:
        """The caller's account, as far as this product goes."""
        return self.product.shows(self.exchange.account(self.account), self.exchange.listings)

    def handle(self, request: AnyRequest, kind: type[R], unknown_order: int = -2011) -> R:
        """Ask the core; the answer has to be a ``kind``. ``unknown_order`` is the code for that case."""
        response = self._try(request, unknown_order)
        if not isinstance(response, kind):
            raise TypeError(f"the core answered {type(request).__name__} with {type(response).__name__}")
        return response

    def _try(self, request: AnyRequest, unknown_order: int) -> Response:
        try:
            result = self.exchange.handle(request, self.now_ns)
        except Refused as refusal:
            raise self.refused(refusal, unknown_order) from refusal
        self.events.extend(result.events)
        return result.response

    def refused(self, refusal: Refused, unknown_order: int = -2013) -> ApiError:
        """The venue's words for a refusal of the core."""
        if refusal.reason is Reason.UNKNOWN_ORDER:
            return ApiError(unknown_order)
        return from_refusal(refusal)

    def listing(self) -> Listing:
        """The mandatory ``symbol``."""
        listing = self.optional_listing()
        if listing is None:
            raise missing("symbol")
        return listing

    def optional_listing(self) -> Listing | None:
        symbol = self.params.text("symbol")
        if symbol is None:
            return None
        if symbol not in self.listings:
            raise ApiError(-1121)
        return self.listings[symbol]

    def since_ns(self) -> int | None:
        """``startTime``."""
        start = self.params.integer("startTime")
        return None if start is None else self.face.ns(start)

    def until_ns(self) -> int | None:
        """``endTime``, to the end of its millisecond."""
        end = self.params.integer("endTime")
        return None if end is None else self.face.ns(end + 1) - 1


Handler = Callable[[Call], object]
Weigher = Callable[[Params], int]


class Endpoint(Struct, frozen=True):
    handler: Handler
    weight: int | Weigher = 1
    security: Security = Security.NONE
    orders: int = 0  # how much it counts against the account's order limits
    product: Product = USDM

    def weigh(self, params: Params) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(params)


Endpoints = Mapping[tuple[str, str], Endpoint]


class Api:
    """The REST face of one exchange: its keys, its counters, its endpoints."""

    def __init__(
        self, exchange: Exchange, face: Face, endpoints: Endpoints, quota: Quota | None = None
    ) -> None:
        self.exchange = exchange
        self.face = face
        self.limits = AddressLimits(quota or Quota())
        self.credentials: dict[str, Credential] = {}  # by key
        self.listen_keys = ListenKeys()
        self.countdowns: dict[tuple[str, str], int] = {}  # (account, symbol) -> when all is cancelled
        self._endpoints = endpoints
        self._orders: dict[str, AccountLimits] = {}

    def answer(self, ask: Ask, now_ns: int, lag_ns: int = 0) -> Reply:
        """Check, execute, render; a read shows what was there ``lag_ns`` ago."""
        found = self._endpoints.get((ask.method, ask.path))
        shown = Past(self.exchange, now_ns - lag_ns) if lag_ns and ask.method == "GET" else None
        call = Call(self, found.product if found else USDM, ask.params(), now_ns, shown)
        extra: dict[str, str] = {}
        weight = code = 0
        try:
            endpoint = found or self._nowhere(ask)
            weight = endpoint.weigh(call.params)
            self._pass(self.limits.spend(weight, now_ns))
            self._admit(endpoint, ask, call)
            status, body = 200, msgspec.json.encode(endpoint.handler(call))
        except ApiError as error:
            status, code = error.status, error.code
            body = msgspec.json.encode({"code": error.code, "msg": error.message})
            if error.retry_after_s is not None:
                extra["Retry-After"] = str(error.retry_after_s)
        headers = {**self._counters(call), **extra}
        return Reply(
            status=status,
            body=body,
            headers=headers,
            weight=weight,
            code=code,
            events=tuple(call.events),
        )

    def tick(self, now_ns: int) -> list[Event]:
        """Cancel what a dead man's switch stood for and nobody renewed."""
        events: list[Event] = []
        for (account, symbol), due_ns in list(self.countdowns.items()):
            if due_ns <= now_ns:
                del self.countdowns[(account, symbol)]
                events += self.exchange.handle(CancelAll(account=account, symbol=symbol), now_ns).events
        return events

    def _nowhere(self, ask: Ask) -> Endpoint:
        raise ApiError(-5000, f"Path {ask.path}, Method {ask.method} is invalid", status=404)

    def _admit(self, endpoint: Endpoint, ask: Ask, call: Call) -> None:
        """Who asks, and whether that account may send so many orders."""
        if endpoint.security is Security.NONE:
            return
        call.credential = self._authenticate(endpoint.security, ask, call)
        if endpoint.orders:
            limits = self._account_limits(call.account)
            self._pass(limits.spend(endpoint.orders, self.limits.quota, call.now_ns))

    def _pass(self, verdict: Verdict) -> None:
        quota, wait_s = self.limits.quota, verdict.retry_after_s
        match verdict.outcome:
            case Outcome.PASSED:
                return
            case Outcome.TOO_MANY_REQUESTS:
                text = f"Too many requests; current limit is {quota.weight_1m} requests per minute."
                raise ApiError(-1003, text, status=429, retry_after_s=wait_s)
            case Outcome.TOO_MANY_ORDERS:
                text = f"Too many new orders; current limit is {quota.orders_10s} orders per TEN_SECONDS."
                raise ApiError(-1015, text, status=429, retry_after_s=wait_s)
            case Outcome.BANNED:
                until = self.face.ms(self.limits.banned_until_ns)
                text = f"Way too many requests; IP(127.0.0.1) banned until {until}."
                raise ApiError(-1003, text, status=418, retry_after_s=wait_s)

    def _authenticate(self, security: Security, ask: Ask, call: Call) -> Credential:
        if not ask.key or len(ask.key) > MAX_KEY_LENGTH:
            raise ApiError(-2014, status=401)
        credential = self.credentials.get(ask.key)
        if credential is None:
            raise ApiError(-2015, status=401)
        if security is not Security.KEY:
            self._verify(credential, ask, call.params, call.now_ns)
        scopes = credential.scopes
        if not (scopes.futures if security is Security.TRADE else scopes.reading):
            raise ApiError(-2015, status=401)
        return credential

    def _verify(self, credential: Credential, ask: Ask, params: Params, now_ns: int) -> None:
        params.need("signature")
        stamp = params.need_integer("timestamp")
        window = params.integer("recvWindow")
        window = signing.DEFAULT_WINDOW_MS if window is None else window
        if not 0 < window <= signing.MAX_WINDOW_MS:
            raise ApiError(-1131, "recvWindow must be less than 60000")
        server_ms = self.face.ms(now_ns)
        if not signing.timely(stamp, window, server_ms):
            ahead = "Timestamp for this request was 1000ms ahead of the server's time."
            raise ApiError(-1021, ahead if stamp > server_ms else "")
        if not signing.authentic(credential.secret, ask.query, ask.body):
            raise ApiError(-1022)

    def _account_limits(self, account: str) -> AccountLimits:
        return self._orders.setdefault(account, AccountLimits())

    def _counters(self, call: Call) -> dict[str, str]:
        headers = {"X-MBX-USED-WEIGHT-1M": str(self.limits.weight.used)}
        if call.known:
            orders = self._account_limits(call.account)
            headers["X-MBX-ORDER-COUNT-10S"] = str(orders.ten_seconds.used)
            headers["X-MBX-ORDER-COUNT-1M"] = str(orders.minute.used)
        return headers
