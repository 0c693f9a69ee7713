"""/control/: the truth about the exchange, and the levers that move it. Loopback only, JSON.

===============================  ======================================================================
``GET state``                    accounts, positions, orders, algo orders, fills, ledger (see ``state``)
``GET requests?since=SEQ``       the request log after SEQ; ``limit`` bounds it
``GET sockets``                  the open sockets and what they are subscribed to
``GET levers``                   how often each of the levers below has been pulled, by name
``POST price``                   ``{"symbol", "price", "seconds"}``: the generated market walks there
``POST mark``                    ``{"symbol", "mark"}``: one mark is printed there; the index stays
``GET | POST | DELETE fault``    see ``faults``; POST answers with the fault's id, DELETE takes ``?id=``
``POST account``                 ``{"key", "secret", "balance", "asset", "scopes", "account"}``: an API key;
                                 the account is opened when it is new, and named after the key by default
``POST transfer``                ``{"account", "amount", "asset"}``: deposit (+) or withdraw (-)
``POST fund``                    ``{"symbol", "rate"}``: settle funding now; ``rate`` is optional
``POST past_funding``            ``{"symbol", "rates": [[ms, rate], ...]}``: settled before the opening
``POST open_interest``           ``{"symbol", "amount"}``: contracts held from now on; the past stays
``POST expire_algos``            ``{"account", "symbol"}``: its open algo orders there are EXPIRED
``POST expire_orders``           ``{"account", "symbol"}``: its open regular orders there are EXPIRED
``POST status``                  ``{"symbol", "status"}``: TRADING, PRE_SETTLE (only reduce), SETTLING (halt)
``POST delist``                  ``{"symbol"}``: orders expire, positions are settled at the mark, CLOSE
``POST liquidate``               ``{"account", "symbol", "quantity"}``: so much is closed by force
``POST deleverage``              the same, for another account's loss (ADL)
``POST overfill``                the same words: the oldest resting order is filled, and ``quantity`` more
``POST filters``                 ``{"symbol", "tick_size", "lot_size", "min_size", "min_notional",
                                 "max_market_size"}``: those stated are in force from now on
``POST adjust``                  ``{"account", "amount", "asset"}``: the wallet moves, the ledger says nothing
``POST trade``                   ``{"symbol", "count"}``: so many prints of one lot, at once
``POST frame``                   ``{"text", "path", "stream", "account", "times"}``: a made-up frame, ``text``
                                 as it is to the sockets of ``path``; with ``stream``, or ``account`` (the
                                 user stream), JSON to whoever listens to that
``POST revoke``                  ``{"key"}``: the key is no longer known (-2015)
``POST ban``                     ``{"seconds"}``: every request is answered 418 for so long
``POST expire_listen_key``       ``{"account"}``: its listen keys are past their hour
``POST limits``                  a ``Quota``: what the venue grants from now on; forgives what was used
===============================  ======================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal

import msgspec
from aiohttp import web
from msgspec import Struct

from contractdesk.exchange.acts import AccountWish, Acts, body
from contractdesk.exchange.faults import NS_PER_MS, Cut, Fault, Freeze, Installed, decode_fault
from contractdesk.exchange.limits import AddressLimits, Quota
from contractdesk.exchange.model import Refused, Transfer
from contractdesk.exchange.server import Server
from contractdesk.exchange.wire.binance.keys import Credential, Owner, Scopes
from contractdesk.exchange.wire.binance.product import PRODUCTS

DEFAULT_ASSET = "USDT"
ROWS_SHOWN = 10_000


class PriceWish(Struct, frozen=True):
    symbol: str
    price: Decimal
    seconds: float = 0.0


class KeyWish(Struct, frozen=True):
    key: str
    secret: str
    balance: Decimal = Decimal(10_000)
    asset: str = DEFAULT_ASSET
    scopes: Scopes = Scopes()
    account: str = ""  # "": named after the key


class TransferWish(Struct, frozen=True):
    account: str
    amount: Decimal
    asset: str = DEFAULT_ASSET


class MarkWish(Struct, frozen=True):
    symbol: str
    mark: Decimal


class FundWish(Struct, frozen=True):
    symbol: str
    rate: Decimal | None = None


class PastFundingWish(Struct, frozen=True):
    symbol: str
    rates: list[tuple[int, Decimal]]  # (time in ms, rate), ascending


class InterestWish(Struct, frozen=True):
    symbol: str
    amount: Decimal


class OrdersWish(Struct, frozen=True):
    account: str
    symbol: str


class Control:
    """The handlers of /control/."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._acts = Acts(server)
        self._pulled: Counter[str] = Counter()

    def routes(self) -> list[web.RouteDef]:
        table: list[tuple[str, str, Callable[[web.Request], Awaitable[object]]]] = [
            ("GET", "state", self._state),
            ("GET", "requests", self._requests),
            ("GET", "sockets", self._sockets),
            ("GET", "levers", self._levers),
            ("POST", "price", self._price),
            ("POST", "mark", self._mark),
            ("GET", "fault", self._faults),
            ("POST", "fault", self._install),
            ("DELETE", "fault", self._remove),
            ("POST", "account", self._account),
            ("POST", "transfer", self._transfer),
            ("POST", "fund", self._fund),
            ("POST", "past_funding", self._past_funding),
            ("POST", "open_interest", self._interest),
            ("POST", "expire_algos", self._expire_algos),
            ("POST", "expire_orders", self._expire_orders),
            ("POST", "expire_listen_key", self._expire),
            ("POST", "limits", self._limits),
            *self._acts.table(),
        ]
        return [
            web.route(method, f"/control/{name}", self._guarded(act, name if method == "POST" else ""))
            for method, name, act in table
        ]

    def _guarded(
        self, act: Callable[[web.Request], Awaitable[object]], lever: str
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """JSON out; 400 with a sentence for what cannot be done; nothing for web pages."""

        async def handler(request: web.Request) -> web.Response:
            if "Origin" in request.headers:
                return web.Response(status=403)
            self._server.busy_ns = self._server.clock.monotonic_ns()
            self._server.step()
            try:
                answer, status = await act(request), 200
            except (ValueError, Refused) as problem:  # msgspec's errors are ValueErrors
                answer, status = {"error": str(problem)}, 400
            else:
                self._pulled[lever] += 1
            return web.Response(
                status=status, body=msgspec.json.encode(answer), content_type="application/json"
            )

        return handler

    # -- truth -------------------------------------------------------------------------------

    async def _state(self, _: web.Request) -> object:
        return self._server.exchange.state()

    async def _requests(self, request: web.Request) -> object:
        since = int(request.query.get("since", "0"))
        limit = int(request.query.get("limit", str(ROWS_SHOWN)))
        return self._server.trail.since(since)[:limit]

    async def _levers(self, _: web.Request) -> object:
        return {name: times for name, times in self._pulled.items() if name}

    async def _sockets(self, _: web.Request) -> object:
        listen_keys = self._server.api.listen_keys
        return [
            {
                "path": session.path.value,
                "combined": session.combined,
                "frozen": not session.thawed.is_set(),
                "streams": [listen_keys.hidden(name) for name in session.subscriptions],
            }
            for session in self._server.hub.sessions
        ]

    # -- levers ------------------------------------------------------------------------------

    async def _price(self, request: web.Request) -> object:
        wish = await body(request, PriceWish)
        self._server.exchange.levers.walk_to(wish.symbol, wish.price, wish.seconds)
        return {}

    async def _mark(self, request: web.Request) -> object:
        wish = await body(request, MarkWish)
        if not wish.mark.is_finite() or wish.mark <= 0:
            raise ValueError(f"a mark is a positive number, not {wish.mark}")
        self._server.publish(self._server.exchange.levers.print_mark(wish.symbol, wish.mark))
        return {}

    async def _account(self, request: web.Request) -> object:
        wish = await body(request, KeyWish)
        account = wish.account or wish.key
        if wish.asset not in (known := self._server.assets):
            raise ValueError(f"no contract here settles in {wish.asset}, but in {', '.join(sorted(known))}")
        credential = Credential(wish.key, wish.secret, account, wish.scopes)
        self._server.add_key(credential, {wish.asset: wish.balance})
        return {"account": account}

    async def _transfer(self, request: web.Request) -> object:
        wish = await body(request, TransferWish)
        ask = Transfer(account=wish.account, asset=wish.asset, amount=wish.amount)
        result = self._server.exchange.handle(ask, self._server.clock.now_ns())
        self._server.publish(result.events)
        return result.response

    async def _fund(self, request: web.Request) -> object:
        wish = await body(request, FundWish)
        self._server.publish(self._server.exchange.levers.settle_funding(wish.symbol, wish.rate))
        return {}

    async def _past_funding(self, request: web.Request) -> object:
        wish = await body(request, PastFundingWish)
        past = [(ms * NS_PER_MS, rate) for ms, rate in wish.rates]
        self._server.exchange.levers.recall_funding(wish.symbol, past)
        return {}

    async def _interest(self, request: web.Request) -> object:
        wish = await body(request, InterestWish)
        self._server.exchange.levers.set_open_interest(wish.symbol, wish.amount)
        return {}

    async def _expire_algos(self, request: web.Request) -> object:
        wish = await body(request, OrdersWish)
        self._server.publish(self._server.exchange.levers.expire_algos(wish.account, wish.symbol))
        return {}

    async def _expire_orders(self, request: web.Request) -> object:
        wish = await body(request, OrdersWish)
        self._server.publish(self._server.exchange.levers.expire_orders(wish.account, wish.symbol))
        return {}

    async def _expire(self, request: web.Request) -> object:
        wish = await body(request, AccountWish)
        closed = [self._server.api.listen_keys.close(Owner(wish.account, each.name)) for each in PRODUCTS]
        if not any(closed):
            raise ValueError(f"account {wish.account!r} has no listen key")
        for listen_key in filter(None, closed):
            self._server.hub.end_listen_key(listen_key, self._server.clock.now_ns())
        return {}

    async def _limits(self, request: web.Request) -> object:
        self._server.api.limits = AddressLimits(await body(request, Quota))
        return {}

    # -- faults ------------------------------------------------------------------------------

    async def _faults(self, _: web.Request) -> object:
        return self._server.faults.all

    async def _install(self, request: web.Request) -> object:
        fault = decode_fault(await request.read())
        installed = self._server.faults.install(fault, self._server.clock.monotonic_ns())
        self._strike(installed)
        return {"id": installed.id}

    async def _remove(self, request: web.Request) -> object:
        stated = request.query.get("id")
        removed = self._server.faults.remove(None if stated is None else int(stated))
        self._server.face.shift_ns = self._server.faults.shift_ns
        for row in removed:
            if isinstance(row.fault, Freeze):
                self._server.hub.thaw()
        return removed

    def _strike(self, row: Installed) -> None:
        """What a fault does the moment it is installed."""
        fault: Fault = row.fault
        match fault:
            case Cut():
                row.injected = self._server.hub.cut(fault.concerns)
            case Freeze(seconds=seconds):
                row.injected = self._server.hub.freeze(fault.concerns, seconds)
            case _:
                self._server.face.shift_ns = self._server.faults.shift_ns
