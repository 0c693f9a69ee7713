"""What the desk needs of a venue. Nothing outside ``venues/`` asks which venue it talks to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from contractdesk.domain.account import Account, MarginMode, PositionMode
from contractdesk.domain.events import (
    AmendFailed,
    CancelFailed,
    Event,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderRead,
    OrderRejected,
    OutcomeUnknown,
    VenueOrder,
)
from contractdesk.domain.fills import Fill
from contractdesk.domain.instrument import ZERO, Instrument
from contractdesk.domain.orders import OrderRequest

Emit = Callable[[Event], None]


class Capabilities(Struct, frozen=True, kw_only=True):
    """What the venue can do; the engine and the panels branch on these, never on its name."""

    amend_stop: bool
    attach_stop: bool
    dead_man_switch: bool
    native_timeframes: frozenset[str]  # bars that are told closed; others are made of trades
    max_conditional: int = 0  # conditional orders that an account may have open; 0: no limit


class Check(Struct, frozen=True, kw_only=True):
    """One row of the preflight table."""

    name: str
    passed: bool
    found: str
    advice: str = ""  # what to do where it failed


Wanted = Callable[[], bool]  # asked just before something is sent that may have waited
UNWANTED = "while it waited it was cancelled, or what it was decided on was lost"


def always() -> bool:
    """What is wanted however long it waits."""
    return True


class VenueState(Struct, frozen=True, kw_only=True):
    """Everything that reconciliation compares: read completely, or not at all."""

    account: Account
    orders: tuple[VenueOrder, ...]  # open, regular and conditional
    fills: tuple[Fill, ...]
    conditional_elsewhere: int = 0  # open ones in symbols that this reading left out, as last read


class Standing(Struct, frozen=True, kw_only=True):
    """What is held and what is open in the contracts that are known, read completely or not at all."""

    sizes: dict[str, Decimal]  # contracts by unified symbol; + long, - short
    orders: tuple[VenueOrder, ...]  # regular and conditional, anybody's

    def size(self, symbol: str) -> Decimal:
        """Contracts of the venue's position."""
        return self.sizes.get(symbol, ZERO)


class Custody(Protocol):
    """The orders and positions of one account without streams: for who only protects."""

    window_s: float  # for so long after it was signed an entry may still be accepted

    async def open(self, offset_ms: float) -> None:
        """``offset_ms``: the venue's clock less ours, by which requests are signed. Nothing is sent yet."""
        ...

    async def close(self) -> None: ...

    def know(self, instrument: Instrument) -> None:
        """The terms of a contract, before anything names it."""
        ...

    async def standing(self) -> Standing: ...

    async def submit(self, request: OrderRequest) -> OrderAccepted | OrderRejected | OutcomeUnknown:
        """See ``Venue.submit``."""
        ...

    async def cancel(
        self, symbol: str, client_id: str, *, conditional: bool
    ) -> OrderCancelled | CancelFailed: ...

    async def query(self, symbol: str, client_id: str, *, conditional: bool) -> OrderRead:
        """See ``Venue.query``."""
        ...


class Venue(Protocol):
    """One account on one venue. All methods run on the desk's loop.

    Market and account facts are emitted as events, in order, stamped with the desk's clock. Orders
    are never sent again by the venue: a lost answer is an ``OutcomeUnknown``.
    """

    name: str
    capabilities: Capabilities

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """By unified symbol; filled by ``open``."""
        ...

    def resolve(self, symbol: str) -> Instrument:
        """The instrument by ccxt's or the venue's own name; ``UnknownSymbol`` with near matches."""
        ...

    async def open(self, emit: Emit) -> None:
        """Load the markets, measure the clock, check the key, start the private stream.

        Raises UserError or VenueError; then nothing is left running.
        """
        ...

    async def close(self) -> None:
        """End every task and socket; orders are left as they are."""
        ...

    async def preflight(self) -> tuple[Check, ...]:
        """Key scopes, clock, position mode, margin modes, reachability."""
        ...

    async def watch(self, symbol: str, timeframes: tuple[str, ...], warmup: int) -> None:
        """Subscribe and warm up; emits BarsLoaded a timeframe, then SymbolReady.

        Of a symbol that is watched already, ``warmup`` bars are told again: who asks may have missed some, or
        looks further back. What is streamed goes on, and no bar is told as closed before its history.
        """
        ...

    def resync(self, symbol: str, reason: str) -> None:
        """Forget the book of a watched symbol and read it anew; another symbol changes nothing."""
        ...

    async def submit(
        self, request: OrderRequest, wanted: Wanted = always
    ) -> OrderAccepted | OrderRejected | OutcomeUnknown:
        """Send one order, regular or conditional, once.

        It may wait for the venue's limits; ``wanted`` is asked at the last moment, and an order that nobody
        wants any more is rejected unsent.
        """
        ...

    async def cancel(
        self, symbol: str, client_id: str, *, conditional: bool
    ) -> OrderCancelled | CancelFailed: ...

    async def amend_stop(
        self, symbol: str, client_id: str, size: Decimal, trigger_price: Decimal
    ) -> OrderAmended | AmendFailed:
        """Give a resting stop these terms, once; only where ``capabilities.amend_stop`` says so.

        OrderAmended once the venue has it so, with the venue's time of it. AmendFailed, or a
        VenueError, where not: of those VenueRejected and RateLimited say that it was not done, and
        after any other (as with code 0) it may have been. Nothing may do it later than five seconds
        after the call.
        """
        ...

    async def query(self, symbol: str, client_id: str, *, conditional: bool) -> OrderRead:
        """What the venue knows of an order; VenueError when it cannot be asked."""
        ...

    async def read_account(self) -> Account: ...

    async def read_state(self, fills_since_ns: int, symbols: Iterable[str] | None = None) -> VenueState:
        """Fills since then, and orders: of ``symbols``, of what is watched and of what is held at least.

        None: of every symbol there is.
        """
        ...

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None: ...

    async def set_margin_mode(self, symbol: str, mode: MarginMode) -> None: ...

    async def set_position_mode(self, mode: PositionMode) -> None: ...
