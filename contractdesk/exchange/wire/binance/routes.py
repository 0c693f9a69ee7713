"""All paths of the exchange's Binance face: each product's own table, and what belongs to neither."""

from __future__ import annotations

from msgspec.structs import replace

from contractdesk.exchange.wire.binance.api import Endpoints
from contractdesk.exchange.wire.binance.private import PRIVATE, PRIVATE_COINM, PRIVATE_USDM, WALLET
from contractdesk.exchange.wire.binance.product import COINM, USDM, Product
from contractdesk.exchange.wire.binance.public import DATA, PUBLIC, PUBLIC_COINM, PUBLIC_USDM
from contractdesk.exchange.wire.binance.trade import TRADE

SHARED: Endpoints = {**PUBLIC, **TRADE, **PRIVATE}


def routes(product: Product, own: Endpoints) -> Endpoints:
    """The shared table under the product's root; its ``own`` endpoints come in addition or instead."""
    return {
        (method, f"/{product.root}/{path}"): replace(endpoint, product=product)
        for (method, path), endpoint in {**SHARED, **own}.items()
    }


ROUTES: Endpoints = {
    **routes(USDM, {**PUBLIC_USDM, **PRIVATE_USDM}),
    **routes(COINM, {**PUBLIC_COINM, **PRIVATE_COINM}),
    **DATA,
    **WALLET,
}
