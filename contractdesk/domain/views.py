"""Two faces of the engine's state.

``DeskView`` is the current, read-only one for strategies and rules: it is live, so nobody keeps
it. ``DeskSnapshot`` is the frozen picture for panels and tables: it is replaced, never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct

from contractdesk.domain.account import Account, MarginMode
from contractdesk.domain.book import Book
from contractdesk.domain.commands import Severity
from contractdesk.domain.events import FundingPaid
from contractdesk.domain.fills import Fill
from contractdesk.domain.histories import FundingHistory, OpenInterestHistory
from contractdesk.domain.instrument import ZERO, Instrument
from contractdesk.domain.intents import Finding, Gauge, Intent, Refused
from contractdesk.domain.market import Bar
from contractdesk.domain.orders import Order
from contractdesk.domain.position import Position, Trail


class TradingState(Enum):
    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"  # a strategy may only reduce
    HALTED = "HALTED"  # a strategy sends nothing; protection and the person may cancel, stop, reduce


class GuardianState(Enum):
    """The process that acts when the desk falls silent."""

    OFF = "off"  # by the settings, or because nothing of this desk is at a venue
    STARTING = "starting"
    WATCHING = "watching"
    AWAY = "away"  # it has died, or has the account: entries are refused until there is a new one


class SymbolView(Protocol):
    """One symbol, now. Prices are None until the first valid one."""

    instrument: Instrument
    book: Book
    book_alive_ns: int  # when the book's channel last proved to be alive (a quiet book is not stale)
    ready: bool  # streams confirmed, backfill complete
    not_ready_reason: str
    last: Decimal | None
    mark: Decimal | None
    index: Decimal | None
    mark_ns: int
    mark_venue_ns: int  # when the venue made it, in its own time
    funding_rate: Decimal | None
    next_funding_ns: int
    settlements: FundingHistory  # what funding has been
    interest: OpenInterestHistory
    leverage: Decimal
    margin_mode: MarginMode
    position: Position
    external_size: Decimal  # contracts of the venue's position that are not ours
    stop_price: Decimal | None  # of the working protective stop
    guarded: Decimal  # contracts under a stop that the venue has confirmed
    trail: Trail

    @property
    def mark_valid(self) -> bool:
        """False while the mark is in doubt: off its index, and not confirmed yet."""
        ...


class DeskView(Protocol):
    """The whole desk, now; times are UTC ns."""

    now_ns: int
    state: TradingState
    account: Account | None
    account_ns: int  # when the account was read; 0 = never
    wallet_balance: Decimal  # as last told, which may be after ``account`` was read
    clock_offset_ms: float
    loop_lag_ms: float
    private_stream_ready: bool

    @property
    def breaker_reason(self) -> str:
        """Why the breaker is latched; "" = it is not."""
        ...

    @property
    def drawdown(self) -> Decimal | None:
        """What the breaker measures: profit in its window, of the equity then; <= 0, None: not known."""
        ...

    def drawdown_after(self, change: Decimal) -> Decimal | None:
        """What ``drawdown`` would be, were the profit greater by ``change`` now."""
        ...

    @property
    def conditional_room(self) -> int | None:
        """How many more conditional orders the venue takes; None: as many as one likes."""
        ...

    @property
    def unwinding(self) -> str:
        """What the margin guard is doing; "" = nothing."""
        ...

    @property
    def entry_times(self) -> Sequence[int]:
        """When entries were sent in the last hour, oldest first."""
        ...

    @property
    def day_change(self) -> Decimal | None:
        """Profit since 00:00 UTC, of the equity then; None: not known."""
        ...

    @property
    def symbols(self) -> Mapping[str, SymbolView]: ...

    def orders(self, symbol: str) -> Iterable[Order]:
        """Open orders of the symbol, in-flight and unknown ones included."""
        ...

    def waits(self, symbol: str, strategy_id: str) -> bool:
        """True while an entry that the strategy has wished is still to be checked."""
        ...

    def atr(self, symbol: str, timeframe: str, period: int) -> Decimal | None:
        """ATR (Wilder) of the last closed bar; None during warm-up or when not finite."""
        ...


class Overlay(Struct, frozen=True):
    """An indicator in units of price: its values at the latest closed bars, one a bar, the last one last."""

    name: str
    values: tuple[float, ...]


class Candles(Struct, frozen=True, kw_only=True):
    """The latest bars of one symbol and timeframe, without holes; bounded."""

    timeframe: str
    closed: tuple[Bar, ...]  # oldest first; the same object as before while no bar was added
    forming: Bar | None = None  # the one that is still open; None: nothing has traded in it
    overlays: tuple[Overlay, ...] = ()


class SymbolSnapshot(Struct, frozen=True, kw_only=True):
    """One symbol as the panels show it. ``bids``/``asks`` are packed (ticks, lots), best first."""

    instrument: Instrument
    bids: bytes
    asks: bytes
    book_valid: bool
    ready: bool
    not_ready_reason: str
    feed_age_ms: float
    last: Decimal | None
    mark: Decimal | None
    index: Decimal | None
    funding_rate: Decimal | None  # predicted, of the next settlement
    next_funding_ns: int
    watched: bool = True  # its streams were asked for since the desk was opened
    funding_interval_ns: int = 0  # between settlements; 0: not shown yet
    settled_rates: Decimal | None = None  # sum of those of the funding gate's window; None: not known
    candles: Candles | None = None  # of its strategy's timeframe, else of the shortest watched; None: no bars


class PositionRow(Struct, frozen=True, kw_only=True):
    symbol: str
    size: Decimal  # contracts; + long, - short
    entry_price: Decimal
    mark: Decimal | None
    notional: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    fees: Decimal
    funding: Decimal
    accrued_funding: Decimal = ZERO  # of it, since the open size was opened
    stop_price: Decimal | None
    guarded: Decimal
    liquidation_price: Decimal | None
    strategy_id: str
    origin: str  # "own" or "external"
    opened_ns: int
    trail_timeframe: str = ""  # of the ATR that its stop follows by; "" = the stop is fixed


class Notice(Struct, frozen=True, kw_only=True):
    """Something the person should know; the last ones are kept, the log has all."""

    ts_ns: int
    severity: Severity
    code: str
    message: str
    symbol: str = ""


class StrategyRow(Struct, frozen=True, kw_only=True):
    strategy_id: str
    class_name: str
    status: str  # "running", "stopped", "disabled: <why>"
    symbols: tuple[str, ...]
    timeframe: str
    params: dict[str, Any]
    realized_pnl: Decimal
    fills: int


class Decision(Struct, frozen=True, kw_only=True):
    """Why there is, or is not, an order: the chain from a signal to the gate's word."""

    intent_id: int
    intent: Intent
    strategy_id: str
    signal: str  # the event that caused it, in words
    signal_ns: int
    findings: tuple[Finding, ...]
    client_id: str = ""  # of the order that came of it
    refusal: str = ""


class EquityPoint(Struct, frozen=True):
    ts_ns: int
    equity: Decimal


class Latency(Struct, frozen=True, kw_only=True):
    """How long something took, since the desk was opened; all in ms."""

    name: str
    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    buckets: tuple[tuple[float, int], ...]  # (upper bound, how many), from the first used to the last used


class DeskSnapshot(Struct, frozen=True, kw_only=True):
    """Everything the panels and tables show; bounded, and swapped by reference."""

    ts_ns: int
    state: TradingState
    state_reason: str
    asset: str
    wallet_balance: Decimal = ZERO
    equity: Decimal = ZERO
    unrealized_pnl: Decimal = ZERO
    initial_margin: Decimal = ZERO
    available: Decimal = ZERO
    margin_ratio: Decimal | None = None
    loop_lag_ms: float = 0.0
    clock_offset_ms: float = 0.0
    private_stream_ready: bool = False
    guardian: GuardianState = GuardianState.OFF
    naked_s: float = 0.0  # how long the oldest unprotected contract has been so; 0 = all protected
    protected_fraction: Decimal = Decimal(1)
    symbols: dict[str, SymbolSnapshot] = {}
    positions: tuple[PositionRow, ...] = ()
    orders: tuple[Order, ...] = ()  # open first, then the last closed ones
    fills: tuple[Fill, ...] = ()
    refusals: tuple[Refused, ...] = ()
    strategies: tuple[StrategyRow, ...] = ()
    risk: tuple[Gauge, ...] = ()  # each rule's measured value now
    equity_curve: tuple[EquityPoint, ...] = ()
    funding_limit: Decimal | None = None  # the funding gate's, for the settled rates
    notices: tuple[Notice, ...] = ()
    payments: tuple[FundingPaid, ...] = ()  # our latest funding payments, oldest first
    latencies: tuple[Latency, ...] = ()
    events_handled: int = 0
