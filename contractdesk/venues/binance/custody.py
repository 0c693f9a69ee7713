"""The orders and positions of one account by REST alone: no stream, no market, nothing loaded.

For who only protects: its contracts are told to it, its clock too, and it is at work with the first request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from itertools import chain

from contractdesk.clock import NS_PER_MS, Clock
from contractdesk.domain.events import CancelFailed, Event, OrderCancelled, OrderRead
from contractdesk.domain.instrument import ZERO, Instrument
from contractdesk.domain.orders import OrderRequest
from contractdesk.venues.base import Standing
from contractdesk.venues.binance.api import BinanceApi
from contractdesk.venues.binance.connect import Patience, connect
from contractdesk.venues.binance.endpoints import Endpoints
from contractdesk.venues.binance.markets import Listing
from contractdesk.venues.binance.orders import ENTRY_WINDOW_MS, Orders, Submitted
from contractdesk.venues.binance.product import Product
from contractdesk.venues.binance.translate import algo_of, order_of
from contractdesk.venues.binance.user_events import UserEvents
from contractdesk.venues.credentials import Credentials
from contractdesk.venues.server_clock import TimeSample

FEW = 20  # symbols: for more of them all open orders are read at once
BRIEF = Patience(retry_base_s=0.05, retry_cap_s=0.5, retries=2, read_limit_s=3.0)  # whoever asks, asks again


class BinanceCustody:
    """See ``Custody``."""

    window_s = ENTRY_WINDOW_MS / 1_000

    def __init__(
        self,
        endpoints: Endpoints,
        credentials: Credentials,
        clock: Clock,
        *,
        product: Product,
        random: Callable[[], float],
        permit: Callable[[], bool],
    ) -> None:
        self._endpoints = endpoints
        self._credentials = credentials
        self._clock = clock
        self._product = product
        self._random = random
        self._permit = permit
        self._listing = Listing()
        self._opened: tuple[BinanceApi, Orders] | None = None

    async def open(self, offset_ms: float) -> None:
        """See ``Custody.open``."""
        api, _ = await connect(
            self._product, self._endpoints, self._credentials, self._clock, _ignored, self._random,
            patience=BRIEF, permit=self._permit,
        )  # fmt: skip
        now_ns = self._clock.monotonic_ns()
        venue_ns = self._clock.now_ns() + int(offset_ms * NS_PER_MS)
        api.server_clock.take([TimeSample(now_ns, now_ns, venue_ns)])
        listing = self._listing
        updates = UserEvents(listing.venues)
        orders = Orders(api, self._clock, listing.unified, listing.venues, updates, lambda _: None)
        self._opened = api, orders

    async def close(self) -> None:
        """See ``Custody.close``."""
        if self._opened is not None:
            await self._opened[0].client.close()
            self._opened = None

    def know(self, instrument: Instrument) -> None:
        """See ``Custody.know``."""
        self._listing.put(instrument)

    async def standing(self) -> Standing:
        """See ``Custody.standing``."""
        api, orders = self._need()
        known = self._listing.venues
        # Each symbol for itself while they are few: this is asked again and again, and weighs less so.
        asked = list(known) if len(known) <= FEW else [""]
        positions, regular, algos = await asyncio.gather(
            api.positions(),
            asyncio.gather(*(api.open_orders(symbol) for symbol in asked)),
            asyncio.gather(*(api.open_algo_orders(symbol) for symbol in asked)),
        )
        sizes: dict[str, Decimal] = {}
        for row in positions:
            if (instrument := known.get(row.symbol)) is not None:
                sizes[instrument.symbol] = sizes.get(instrument.symbol, ZERO) + row.position_amt
        found = [
            order_of(row, instrument, orders.name(row))
            for row in chain.from_iterable(regular)
            if (instrument := known.get(row.symbol))
        ]
        found += [
            algo_of(row, instrument, None)
            for row in chain.from_iterable(algos)
            if (instrument := known.get(row.symbol))
        ]
        return Standing(sizes=sizes, orders=tuple(found))

    async def submit(self, request: OrderRequest) -> Submitted:
        """See ``Venue.submit``."""
        return await self._need()[1].submit(request)

    async def cancel(
        self, symbol: str, client_id: str, *, conditional: bool
    ) -> OrderCancelled | CancelFailed:
        """See ``Venue.cancel``."""
        return await self._need()[1].cancel(symbol, client_id, conditional=conditional)

    async def query(self, symbol: str, client_id: str, *, conditional: bool) -> OrderRead:
        """See ``Venue.query``."""
        return await self._need()[1].query(symbol, client_id, conditional=conditional)

    def _need(self) -> tuple[BinanceApi, Orders]:
        assert self._opened is not None, "not open"  # noqa: S101  # a slip of ours
        return self._opened


def _ignored(_event: Event) -> None:
    """Nobody listens: what a request brings, its answer says."""
