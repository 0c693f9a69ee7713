"""Puts the REST side together: ccxt's class of the product as signer and sender, the queue, the clock."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from contractdesk.clock import Clock
from contractdesk.domain.events import VenueSilenced
from contractdesk.venues.backoff import Backoff
from contractdesk.venues.base import Emit
from contractdesk.venues.binance.api import BinanceApi
from contractdesk.venues.binance.api_coin import CoinApi
from contractdesk.venues.binance.dialect import BinanceDialect
from contractdesk.venues.binance.endpoints import Endpoints
from contractdesk.venues.binance.product import COINM, USDM, Product
from contractdesk.venues.credentials import Credentials
from contractdesk.venues.limits import Limiter, Quota, RequestQueue
from contractdesk.venues.rest import READ_LIMIT_S, RestClient, prepare_client
from contractdesk.venues.server_clock import ServerClock
from contractdesk.venues.transport import NETWORK, Transport

REQUEST_TIMEOUT_S = 5.0
_APIS = {USDM.name: BinanceApi, COINM.name: CoinApi}
Unify = Callable[[object], str]  # a raw exchangeInfo row -> ccxt's unified symbol


class Patience(Struct, frozen=True, kw_only=True):
    """How often a read is repeated, after how long, and when nobody wants its answer any more."""

    retry_base_s: float
    retry_cap_s: float
    retries: int
    read_limit_s: float


IN_A_HURRY = Patience(retry_base_s=0.1, retry_cap_s=2.0, retries=4, read_limit_s=READ_LIMIT_S)  # a desk


async def connect(
    product: Product,
    where: Endpoints,
    credentials: Credentials | None,
    clock: Clock,
    emit: Emit,
    random: Callable[[], float],
    quota: Quota | None = None,
    patience: Patience = IN_A_HURRY,
    transport: Transport = NETWORK,
    permit: Callable[[], bool] = lambda: True,
) -> tuple[BinanceApi, Unify]:
    """The account's API, nothing sent yet; close its ``client`` when done. ``permit``: see ``RestClient``."""
    ccxt: Any = await asyncio.to_thread(importlib.import_module, "ccxt.async_support")  # 0.8 s of CPU
    exchange = getattr(ccxt, product.ccxt)({} if transport.http is None else {"session": transport.http()})
    _point(exchange.urls["api"], where)
    server_clock = ServerClock(clock, emit)
    prepare_client(exchange, BinanceDialect(), credentials, server_clock.now_ms, REQUEST_TIMEOUT_S)
    exchange.aiohttp_trust_env = not where.local

    def silenced(status: int, until_ns: int) -> None:
        emit(VenueSilenced(ts_ns=clock.now_ns(), status=status, until_ns=until_ns))

    queue = RequestQueue(Limiter(quota or Quota()), clock, server_clock.now_ns, silenced)
    retries = Backoff(
        base_s=patience.retry_base_s, cap_s=patience.retry_cap_s, random=random, attempts=patience.retries
    )
    client = RestClient(exchange, BinanceDialect(), queue, clock, retries, patience.read_limit_s, permit)

    def unify(row: object) -> str:
        return str(exchange.parse_market(row)["symbol"])

    return _APIS[product.name](client, server_clock, product), unify


def _point(urls: dict[str, Any], where: Endpoints) -> None:
    """Replace the hosts of ccxt's URL table, keeping its paths."""
    for name, url in list(urls.items()):
        if isinstance(url, str):
            base = where.wallet_url if name.startswith("sapi") else where.rest_url
            urls[name] = base + urlsplit(url).path
