"""A venue in a test's hand: it answers what it was told to, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from contractdesk.clock import SystemClock
from contractdesk.domain.account import Account
from contractdesk.domain.events import (
    AmendFailed,
    CancelFailed,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderRead,
    OrderRejected,
    OutcomeUnknown,
    StreamName,
    StreamRestored,
)
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.orders import OrderRequest
from contractdesk.errors import UnknownSymbol, VenueUnreachable
from contractdesk.exchange.listings import default_listings
from contractdesk.venues.base import UNWANTED, Capabilities, Check, Emit, VenueState, Wanted, always

TERMS = default_listings()[0].instrument
CLOCK = SystemClock()


class ScriptedVenue:
    """A ``Venue``. ``failures`` maps a method to what it raises.

    ``hold`` keeps creates waiting for their answer, ``queue`` for being sent.
    """

    name = "scripted"
    capabilities = Capabilities(
        amend_stop=False, attach_stop=False, dead_man_switch=False, native_timeframes=frozenset({"1m"})
    )

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failures: dict[str, Exception] = {}
        self.hold: asyncio.Event | None = None
        self.queue: asyncio.Event | None = None
        self.closed = False

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return {TERMS.symbol: TERMS}

    def resolve(self, symbol: str) -> Instrument:
        if symbol != TERMS.symbol:
            raise UnknownSymbol(f"no {symbol}; near: {TERMS.symbol}")
        return TERMS

    async def open(self, emit: Emit) -> None:
        self._note("open")
        emit(StreamRestored(ts_ns=CLOCK.now_ns(), stream=StreamName.PRIVATE))

    async def close(self) -> None:
        self.closed = True

    async def preflight(self) -> tuple[Check, ...]:
        return ()

    async def watch(self, symbol: str, timeframes: tuple[str, ...], warmup: int) -> None:
        self._note(f"watch {symbol} {' '.join(timeframes)} {warmup}")

    def resync(self, symbol: str, reason: str) -> None:
        self._note(f"resync {symbol}: {reason}")

    async def submit(
        self, request: OrderRequest, wanted: Wanted = always
    ) -> OrderAccepted | OrderRejected | OutcomeUnknown:
        if self.queue is not None:
            await self.queue.wait()
        if not wanted():
            return OrderRejected(
                ts_ns=CLOCK.now_ns(),
                client_id=request.client_id,
                symbol=request.symbol,
                code=0,
                message=UNWANTED,
            )
        self._note("submit", request.client_id)
        if self.hold is not None:
            await self.hold.wait()
        return OrderAccepted(
            ts_ns=CLOCK.now_ns(), client_id=request.client_id, symbol=request.symbol, venue_id="1"
        )

    async def cancel(
        self, symbol: str, client_id: str, *, conditional: bool
    ) -> OrderCancelled | CancelFailed:
        self._note("cancel", client_id)
        return OrderCancelled(ts_ns=CLOCK.now_ns(), client_id=client_id, symbol=symbol)

    async def amend_stop(
        self, symbol: str, client_id: str, size: Decimal, trigger_price: Decimal
    ) -> OrderAmended | AmendFailed:
        self._note("amend_stop", client_id)
        return OrderAmended(
            ts_ns=CLOCK.now_ns(),
            client_id=client_id,
            symbol=symbol,
            price=None,
            trigger_price=trigger_price,
            size=size,
        )

    async def query(self, symbol: str, client_id: str, *, conditional: bool) -> OrderRead:
        self._note("query", client_id)
        return OrderRead(ts_ns=CLOCK.now_ns(), client_id=client_id, symbol=symbol, order=None)

    async def read_account(self) -> Account:
        self._note("read_account")
        zero = Decimal(0)
        return Account(
            asset="USDT", wallet_balance=Decimal(10_000), unrealized_pnl=zero, initial_margin=zero,
            maintenance_margin=zero, available=Decimal(10_000),
        )  # fmt: skip

    async def read_state(self, fills_since_ns: int, symbols: Iterable[str] | None = None) -> VenueState:
        self._note("read_state")
        return VenueState(account=await self.read_account(), orders=(), fills=())

    def fail(self, method: str, error: Exception | None = None) -> None:
        self.failures[method] = error or VenueUnreachable("no answer")

    def _note(self, method: str, detail: str = "") -> None:
        self.asked.append(f"{method} {detail}".rstrip())
        if method.split()[0] in self.failures:
            raise self.failures[method.split()[0]]

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody expected {name}")
