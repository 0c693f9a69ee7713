"""Levers of the control API by which a venue does to its customers what it seldom does.

Their table is in ``control``: what stands here are their handlers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from contractdesk.exchange.server import Server
from contractdesk.exchange.wire.binance.keys import Owner
from contractdesk.exchange.wire.binance.product import PRODUCTS
from contractdesk.exchange.words import SymbolStatus

T = TypeVar("T")
DEFAULT_ASSET = "USDT"
MOST_TIMES = 10_000
MOST_TRADES = 5_000
Table = list[tuple[str, str, Callable[[web.Request], Awaitable[object]]]]


class AccountWish(Struct, frozen=True):
    account: str


class SymbolWish(Struct, frozen=True):
    symbol: str


class StatusWish(Struct, frozen=True):
    symbol: str
    status: SymbolStatus


class ForceWish(Struct, frozen=True):
    account: str
    symbol: str
    quantity: Decimal


class FiltersWish(Struct, frozen=True, forbid_unknown_fields=True):
    symbol: str
    tick_size: Decimal | None = None
    lot_size: Decimal | None = None
    min_size: Decimal | None = None
    max_market_size: Decimal | None = None
    min_notional: Decimal | None = None


class AdjustWish(Struct, frozen=True):
    account: str
    amount: Decimal
    asset: str = DEFAULT_ASSET


class TradeWish(Struct, frozen=True):
    symbol: str
    count: int = 1


class FrameWish(Struct, frozen=True):
    text: str
    path: str = ""
    stream: str = ""
    account: str = ""
    times: int = 1


class KeyWish(Struct, frozen=True):
    key: str


class BanWish(Struct, frozen=True):
    seconds: int


class Acts:
    """Each handler answers with plain data; ValueError and Refused say what cannot be done."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._levers = server.exchange.levers

    def table(self) -> Table:
        return [
            ("POST", "status", self._status),
            ("POST", "delist", self._delist),
            ("POST", "liquidate", self._liquidate),
            ("POST", "deleverage", self._deleverage),
            ("POST", "overfill", self._overfill),
            ("POST", "filters", self._filters),
            ("POST", "adjust", self._adjust),
            ("POST", "trade", self._trade),
            ("POST", "frame", self._frame),
            ("POST", "revoke", self._revoke),
            ("POST", "ban", self._ban),
        ]

    async def _status(self, request: web.Request) -> object:
        wish = await body(request, StatusWish)
        self._levers.set_status(wish.symbol, wish.status)
        return {}

    async def _delist(self, request: web.Request) -> object:
        self._server.publish(self._levers.delist((await body(request, SymbolWish)).symbol))
        return {}

    async def _liquidate(self, request: web.Request) -> object:
        wish = await body(request, ForceWish)
        self._server.publish(self._levers.liquidate(wish.account, wish.symbol, wish.quantity))
        return {}

    async def _deleverage(self, request: web.Request) -> object:
        wish = await body(request, ForceWish)
        self._server.publish(self._levers.deleverage(wish.account, wish.symbol, wish.quantity))
        return {}

    async def _overfill(self, request: web.Request) -> object:
        wish = await body(request, ForceWish)
        self._server.publish(self._levers.overfill(wish.account, wish.symbol, wish.quantity))
        return {}

    async def _filters(self, request: web.Request) -> object:
        wish = msgspec.structs.asdict(await body(request, FiltersWish))
        symbol = wish.pop("symbol")
        self._levers.refilter(symbol, **{name: value for name, value in wish.items() if value is not None})
        return {}

    async def _adjust(self, request: web.Request) -> object:
        wish = await body(request, AdjustWish)
        self._server.publish(self._levers.adjust(wish.account, wish.asset, wish.amount))
        return {}

    async def _trade(self, request: web.Request) -> object:
        wish = await body(request, TradeWish)
        if not 0 < wish.count <= MOST_TRADES:
            raise ValueError(f"from 1 to {MOST_TRADES} trades at once, not {wish.count}")
        self._server.publish(self._levers.trade(wish.symbol, wish.count))
        return {}

    async def _frame(self, request: web.Request) -> object:
        wish = await body(request, FrameWish)
        if not 0 < wish.times <= MOST_TIMES:
            raise ValueError(f"from 1 to {MOST_TIMES} times, not {wish.times}")
        sent = self._say(wish)
        if not sent:
            raise ValueError("nobody listens there")
        return {"sockets": sent}

    def _say(self, wish: FrameWish) -> int:
        hub = self._server.hub
        if wish.account:
            keys = [self._server.api.listen_keys.of(Owner(wish.account, each.name)) for each in PRODUCTS]
            payload = msgspec.json.decode(wish.text)
            return sum(hub.say(key, payload, wish.times) for key in keys if key is not None)
        if wish.stream:
            return hub.say(wish.stream, msgspec.json.decode(wish.text), wish.times)
        return hub.say_raw(wish.text.encode(), lambda path: wish.path in ("", path), wish.times)

    async def _revoke(self, request: web.Request) -> object:
        wish = await body(request, KeyWish)
        if self._server.api.credentials.pop(wish.key, None) is None:
            raise ValueError("there is no such key")
        return {}

    async def _ban(self, request: web.Request) -> object:
        wish = await body(request, BanWish)
        self._server.api.limits.ban(wish.seconds, self._server.clock.now_ns())
        return {}


async def body(request: web.Request, kind: type[T]) -> T:
    return msgspec.json.decode(await request.read(), type=kind)
