"""From the access to an account to its orders and positions, without streams: what a guardian loads."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from contractdesk.clock import Clock
from contractdesk.config import Endpoints, Mode, ProductKind
from contractdesk.desk.guardian_words import Access
from contractdesk.venues.base import Custody
from contractdesk.venues.credentials import Credentials, Secret

if TYPE_CHECKING:
    from contractdesk.venues.binance import endpoints as binance
    from contractdesk.venues.binance.product import Product

Permit = Callable[[], bool]  # asked before everything that is sent but reads


def make_custody(access: Access, clock: Clock, permit: Permit) -> Custody:
    """The account, not opened yet."""
    from contractdesk.venues.binance.custody import BinanceCustody  # loads the venue only where it is needed

    chosen = Endpoints(rest=access.rest_url, stream=access.stream_url) if access.rest_url else None
    product, where = place(access.product, access.mode, chosen)
    credentials = Credentials(account=access.account, key=Secret(access.key), secret=Secret(access.secret))
    return BinanceCustody(where, credentials, clock, product=product, random=random.random, permit=permit)


def place(kind: ProductKind, mode: Mode, chosen: Endpoints | None) -> tuple[Product, binance.Endpoints]:
    """The venue's product, and where it is: ``chosen``, or the venue's own addresses for the mode."""
    from contractdesk.venues.binance import endpoints
    from contractdesk.venues.binance.product import COINM, USDM

    product = COINM if kind is ProductKind.COIN_M else USDM
    if chosen is not None:
        where = endpoints.Endpoints(rest_url=chosen.rest, ws_url=chosen.stream, wallet_url=chosen.rest)
        return product, where
    return product, product.testnet if mode is Mode.TESTNET else product.production
