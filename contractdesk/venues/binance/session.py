"""What exists while a Binance venue is open: its REST face, its sockets, its account."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from contractdesk.clock import Clock
from contractdesk.venues.backoff import Backoff
from contractdesk.venues.base import Emit
from contractdesk.venues.binance.account_feed import AccountFeed
from contractdesk.venues.binance.accounts import Accounts
from contractdesk.venues.binance.api import BinanceApi
from contractdesk.venues.binance.connect import Unify
from contractdesk.venues.binance.endpoints import Endpoints
from contractdesk.venues.binance.feed import SymbolFeed
from contractdesk.venues.binance.market_streams import MarketStreams
from contractdesk.venues.binance.markets import Listing
from contractdesk.venues.binance.product import Product
from contractdesk.venues.streams import StreamTimes
from contractdesk.venues.transport import NETWORK, Transport

RECONNECT_BASE_S, RECONNECT_CAP_S = 0.2, 15.0


class Private(Struct, frozen=True):
    """The account's side: absent without a key."""

    feed: AccountFeed
    reads: Accounts


class Session(Struct, frozen=True):
    """Everything between ``open`` and ``close``."""

    api: BinanceApi
    unify: Unify
    emit: Emit
    market: MarketStreams
    private: Private | None

    async def stop(self) -> None:
        """End every task, socket and connection."""
        if self.private is not None:
            await self.private.feed.stop()
        await self.market.stop()
        await self.api.client.close()


def assemble(
    api: BinanceApi,
    unify: Unify,
    emit: Emit,
    *,
    product: Product,
    where: Endpoints,
    clock: Clock,
    listing: Listing,
    feeds: Mapping[str, SymbolFeed],
    asset: str | None,
    random: Callable[[], float],
    times: StreamTimes | None,
    transport: Transport = NETWORK,
) -> Session:
    """Nothing runs yet. ``asset`` None: market data only."""
    backoff = Backoff(base_s=RECONNECT_BASE_S, cap_s=RECONNECT_CAP_S, random=random)
    market = MarketStreams(
        clock, emit, listing.venues, feeds,
        ws_url=where.ws_url, product=product, backoff=backoff, proxy=not where.local, times=times,
        transport=transport,
    )  # fmt: skip
    if asset is None:
        return Session(api, unify, emit, market, None)
    feed = AccountFeed(
        api, clock, emit, listing.unified, listing.venues,
        address=lambda key: where.ws_url + product.private_stream(key), symbols=lambda: set(feeds),
        backoff=backoff, proxy=not where.local, times=times, transport=transport,
    )  # fmt: skip
    reads = Accounts(api, clock, feed.orders, listing.venues, listing.unified, asset, feed.stream.restart)
    return Session(api, unify, emit, market, Private(feed, reads))
