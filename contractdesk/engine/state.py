"""All that the engine remembers, in structs: what is not here does not survive a checkpoint.

The parts beside this file are logic without memory of their own. Iteration follows insertion
order everywhere, and everything that grows is bounded by ``Limits``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from typing import Any

from msgspec import Struct, field

from contractdesk.domain.account import Account, MarginMode
from contractdesk.domain.book import Book
from contractdesk.domain.events import TradePrinted
from contractdesk.domain.fills import Fill
from contractdesk.domain.histories import FundingHistory, OpenInterestHistory
from contractdesk.domain.instrument import ZERO, Instrument
from contractdesk.domain.intents import Intent, Refused
from contractdesk.domain.orders import Order, OrderRole
from contractdesk.domain.position import Position, Trail
from contractdesk.domain.views import Decision, EquityPoint, Notice, TradingState
from contractdesk.engine.config import EngineConfig
from contractdesk.engine.under_way import Amending, Ending
from contractdesk.risk.breaker import Breaker
from contractdesk.risk.marks import Carried, TrustedMark
from contractdesk.risk.settings import RiskSettings
from contractdesk.strategy.bars import BarBuilder, BarSeries
from contractdesk.strategy.indicators import Atr

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
DAY_NS = 86_400 * NS_PER_S


class Limits:
    """How much is kept; the journal has all."""

    ORDERS = 1000  # closed ones
    FILLS = 1000
    DECISIONS = 1000
    REFUSALS = 200
    NOTICES = 200
    EQUITY = 3600
    ENTRY_TIMES = 10_000
    IDENTITIES = 20_000  # trade and payment ids a symbol, by which repeats are known
    READS = 8  # of the account, under way at once
    PENDING = 64  # intents that wait for an account
    HELD_TRADES = 10_000  # of a symbol in backfill


class Tracked(Struct, kw_only=True):
    """An order of ours, and what is being done about it."""

    order: Order
    stop_price: Decimal | None = None  # where the fills of an entry will be stopped
    take_profit: Decimal | None = None
    signal_ns: int = 0
    fence_ns: int = 0  # venue time after which a lost create can no longer be accepted
    absent: int = 0  # times in a row that the venue said it has no such order
    absent_ns: int = 0  # when it first said so
    query_ns: int = 0  # when to ask next; 0 = nothing to ask
    query_id: int = 0  # of the question under way
    queries: int = 0
    asked_ns: int = 0  # when the last question was sent
    amending: Amending | None = None
    amends: int = 0  # sent since the last one that was confirmed
    amend_fence_ns: int = 0  # until then one that was lost may still be done: nothing else is asked for
    amended_ns: int = 0  # venue time of the last one of ours that was confirmed
    ending: Ending | None = None  # it is over as soon as its fills are here
    cancelling: bool = False  # we want it gone
    cancels: int = 0  # sent
    cancels_lost: int = 0  # of those, without an answer
    cancels_refused: int = 0  # or not answered yet, since a person last asked
    cancel_sent_ns: int = 0  # when the last one was
    cancel_ns: int = 0  # not before this is it cancelled again
    working_ns: int = 0  # when the last read was asked that showed it working
    expire_ns: int = 0  # a resting entry is cancelled then; 0 = never
    trail: Trail = Trail()  # of the position that its fills open
    triggered_ns: int = 0  # when a conditional order was first known to have fired
    would_trigger: bool = False  # rejected because its price had already been passed
    unheard: bool = False  # rejected without a word of the venue on it: no connection, or a limit
    child_venue_id: str = ""  # of the regular order that a conditional one became

    @property
    def id(self) -> str:
        return self.order.request.client_id

    @property
    def role(self) -> OrderRole:
        return self.order.request.role


class Uncovered(Struct):
    """Contracts up to ``level`` (counted from zero) have been without a stop since ``since_ns``."""

    level: Decimal
    since_ns: int


class Guard(Struct, kw_only=True):
    """What protection wants for one symbol, and how it fares."""

    stop_price: Decimal | None = None
    take_profit: Decimal | None = None
    strategy_id: str = ""  # whose position it is; "" = opened by hand
    uncovered: list[Uncovered] = field(default_factory=list)
    rejections: int = 0  # stops refused by the venue since the last one that held
    unheard: int = 0  # stops that did not get through to the venue, in a row
    stop_ns: int = 0  # not before this is a stop tried again
    moves_refused: int = 0  # by the venue, while the stop that was to be replaced covered all
    move_ns: int = 0  # not before this is a stop that covers all replaced
    losses: int = 0  # stops that somebody else took away
    profit_rejections: int = 0
    flatten_reason: str = ""  # not empty: entries are cancelled and the position is closed
    flatten_tries: int = 0  # that failed, in a row
    flatten_ns: int = 0  # not before this is it tried again
    flatten_begun_ns: int = 0
    flatten_failure: str = ""  # what came of the last order that was to close it, and did not
    late_told_ns: int = 0  # when it was last said that it should have been closed by then


class Unwinding(Struct, kw_only=True):
    """The margin guard at work, and what it waits for."""

    acted_ns: int = 0  # of its last act
    settled: int | None = None  # the last request before it came to its end; None = it goes on
    cancelled: bool = False  # own entries have been cancelled
    symbol: str = ""  # whose position is being closed; "" = none
    closed: list[str] = field(default_factory=list)  # or begun to be, in this order


class DayOpen(Struct, frozen=True):
    """Where the account stood at its first valid mark of a UTC day."""

    day: int  # since the epoch
    profit: Decimal
    equity: Decimal  # > 0


class Drift(Struct, kw_only=True):
    """A difference to the venue's size that one read has shown and a second may confirm."""

    difference: Decimal
    since_ns: int


class Market(Struct, kw_only=True):
    """One symbol; a ``domain.views.SymbolView``."""

    instrument: Instrument
    book: Book = field(default_factory=Book)
    book_alive_ns: int = 0
    ready: bool = False
    not_ready_reason: str = "not watched yet"
    last: Decimal | None = None
    mark: Decimal | None = None
    index: Decimal | None = None
    mark_ns: int = 0
    mark_venue_ns: int = 0
    trusted: TrustedMark = field(default_factory=TrustedMark)  # the last mark that is beyond doubt
    funding_rate: Decimal | None = None
    next_funding_ns: int = 0
    settlements: FundingHistory = field(default_factory=FundingHistory)
    interest: OpenInterestHistory = field(default_factory=OpenInterestHistory)
    leverage: Decimal = Decimal(1)  # until it is read: the most margin
    margin_mode: MarginMode = MarginMode.CROSS
    position: Position
    external_size: Decimal = ZERO
    carried: Carried = field(default_factory=Carried)  # what those have made, for the breaker
    stop_price: Decimal | None = None
    guarded: Decimal = ZERO
    guard: Guard = field(default_factory=Guard)
    trail: Trail = Trail()
    open_ids: dict[str, None] = field(default_factory=dict)  # client ids of orders that may still fill
    doubted: dict[str, int] = field(
        default_factory=dict
    )  # stops that reads deny: when each is cancelled next
    trade_ids: dict[str, None] = field(default_factory=dict)  # identities of fills already booked
    payment_ids: dict[str, None] = field(default_factory=dict)
    filled_ns: int = 0  # when the last fill was booked
    drift: Drift | None = None
    held_trades: list[TradePrinted] = field(default_factory=list)  # until their backfill has come
    series: dict[str, BarSeries] = field(default_factory=dict)  # by timeframe
    builders: dict[str, BarBuilder] = field(default_factory=dict)  # timeframes the venue does not close
    bar_due_ns: int = 0  # when the builders must be told the time; 0 = no builders
    watched: tuple[str, ...] = ()  # timeframes asked for; empty: not watched
    warmup: int = 0  # closed bars asked for

    @property
    def mark_valid(self) -> bool:
        return self.mark is not None and self.mark == self.trusted.price


class Read(Struct):
    """A question to the venue that is under way."""

    request_id: int
    asked_ns: int


class Pending(Struct, kw_only=True):
    """An entry that waits for a fresh account."""

    intent: Intent
    intent_id: int
    strategy_id: str
    signal: str
    signal_ns: int
    timeframe: str
    expires_ns: int


class HostStatus(Enum):
    RUNNING = "running"
    STOPPED = "stopped"
    DISABLED = "disabled"


class Hosted(Struct, kw_only=True):
    """A strategy: what is needed to build it again, and how it fares."""

    strategy_id: str
    class_name: str
    source_hash: str
    params: dict[str, Any]
    symbols: tuple[str, ...]
    timeframe: str
    warmup: int = 0  # closed bars it looks back on
    warming: tuple[str, ...] = ()  # symbols whose bars flow already, though their history is not there yet
    memory: dict[str, Any] = field(default_factory=dict)  # its ``state``
    status: HostStatus = HostStatus.RUNNING
    why: str = ""  # of a disabled one
    swap_class: str = ""
    swap_hash: str = ""  # not empty: new code, from the next end of a bar
    realized_pnl: Decimal = ZERO  # less fees
    fills: int = 0
    second_ns: int = 0  # start of the second in which its wishes are counted
    wishes: int = 0


class Desk(Struct, kw_only=True):
    """The whole desk; a ``domain.views.DeskView``."""

    config: EngineConfig
    risk: RiskSettings
    now_ns: int = 0
    state: TradingState = TradingState.REDUCING
    state_reason: str = "starting"
    reduced: str = ""  # why only resume() lets it enter again, also when it is opened anew; "" = it may
    account: Account | None = None
    account_ns: int = 0
    account_request: int = 0  # that it answers
    account_after_ns: int = 0  # what was asked before is of before money came or went
    wallet_balance: Decimal = ZERO
    wallet_ns: int = 0  # venue time of it
    clock_offset_ms: float = 0.0
    loop_lag_ms: float = 0.0
    lagged_ns: int = 0  # when the lag was last reported
    private_stream_ready: bool = False  # connected, and reconciled since
    stream_up: bool = False
    restored_ns: int = 0  # when the private stream last came back
    starting: bool = True  # nobody has set the state yet: ACTIVE as soon as it is reconciled
    started: bool = False  # the first picture of the venue has been compared
    since_ns: int = 0  # venue time before which executions are not this ledger's
    hedged: bool = False  # the account is in hedge mode: nothing may be entered
    silent_until_ns: int = 0  # the venue has asked for silence
    symbols: dict[str, Market] = field(default_factory=dict)
    orders_by_id: dict[str, Tracked] = field(default_factory=dict)
    children: dict[str, str] = field(default_factory=dict)  # venue id of a triggered order -> client id
    foreign_conditional: int = 0  # open conditional orders that are not ours, as last read
    orphans: dict[str, int] = field(default_factory=dict)  # untracked ones of ours: when cancelled next
    strategies: dict[str, Hosted] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    account_reads: dict[int, int] = field(default_factory=dict)  # under way: request id -> asked_ns
    state_read: Read | None = None
    read_asked_ns: int = 0  # when the last one was
    account_due_ns: int = 0
    reconcile_due_ns: int = 0
    last_fill_ns: int = 0  # venue time of the newest fill that is booked
    fills_known_ns: int = 0  # venue time up to which all fills have been read: they are read from there
    sequence: int = 0  # of client ids
    intents: int = 0
    requests: int = 0
    closed_ids: dict[str, None] = field(default_factory=dict)  # oldest first
    fills: list[Fill] = field(default_factory=list)
    decisions: dict[int, Decision] = field(default_factory=dict)
    refusals: list[Refused] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    equity_curve: list[EquityPoint] = field(default_factory=list)
    breaker: Breaker = field(default_factory=Breaker)
    day_open: DayOpen | None = None
    entry_times: list[int] = field(default_factory=list)  # of the last hour
    unwound: Unwinding | None = None
    guard_due_ns: int = 0  # when the margin guard looks next; 0 = nothing is held
    events_handled: int = 0
    handling: bool = False  # an event is being handled

    def orders(self, symbol: str) -> Iterator[Order]:
        """Open orders of the symbol, in-flight and unknown ones included."""
        return (self.orders_by_id[client_id].order for client_id in self.symbols[symbol].open_ids)

    def waits(self, symbol: str, strategy_id: str) -> bool:
        """True while an entry that the strategy has wished is still to be checked."""
        return any((row.intent.symbol, row.strategy_id) == (symbol, strategy_id) for row in self.pending)

    def tracked(self, market: Market, *roles: OrderRole) -> list[Tracked]:
        """Open orders of a symbol in those roles, oldest first; a list, so that they may close."""
        known = self.orders_by_id
        if not roles:
            return [known[client_id] for client_id in market.open_ids]
        return [row for name in market.open_ids if (row := known[name]).order.request.role in roles]

    def atr(self, symbol: str, timeframe: str, period: int) -> Decimal | None:
        """ATR (Wilder) of the last closed bar; None during warm-up or when not finite."""
        market = self.symbols.get(symbol)
        series = market.series.get(timeframe) if market else None
        if series is None:
            return None
        # A series starts to follow an indicator when it is first asked: that is state, so only a
        # handled event may do it. Whoever looks in between gets the value from scratch, where none is known.
        atr = Atr(period)
        value = series.value(atr) if self.handling or series.follows(atr) else _from_scratch(series, atr)
        return Decimal(repr(value)) if math.isfinite(value) else None

    @property
    def breaker_reason(self) -> str:
        return self.breaker.reason

    @property
    def drawdown(self) -> Decimal | None:
        return self.breaker.drawdown(self.now_ns)

    def drawdown_after(self, change: Decimal) -> Decimal | None:
        return self.breaker.drawdown_after(self.now_ns, change)

    @property
    def day_change(self) -> Decimal | None:
        """Since 00:00 UTC; a day that nothing has been measured in yet has not changed anything."""
        opened, breaker = self.day_open, self.breaker
        if opened is None:
            return None
        if opened.day != self.now_ns // DAY_NS:
            return ZERO
        breaker.settle()
        return (breaker.profit - opened.profit) / opened.equity

    @property
    def conditional_room(self) -> int | None:
        """How many more conditional orders the venue takes; None: as many as one likes."""
        if not self.config.max_conditional:
            return None
        ours = sum(
            self.orders_by_id[client_id].order.request.type.conditional
            for market in self.symbols.values()
            for client_id in market.open_ids
        )
        return self.config.max_conditional - self.foreign_conditional - ours

    @property
    def unwinding(self) -> str:
        unwound = self.unwound
        if unwound is None:
            return ""
        if unwound.symbol:
            return f"closing {unwound.symbol}"
        if not unwound.closed:
            return "cancelling entries"
        held = any(market.position.size for market in self.symbols.values())
        return "waiting for what is being closed" if held else "nothing of ours is left to close"

    @property
    def venue_now_ns(self) -> int:
        """Our time as the venue's; an offset that is no number refuses entries, and shifts nothing."""
        offset_ms = self.clock_offset_ms
        return self.now_ns + (int(offset_ms * NS_PER_MS) if math.isfinite(offset_ms) else 0)


def _from_scratch(series: BarSeries, indicator: Atr) -> float:
    running, value = indicator.start(), math.nan
    bars = series.last(len(series))
    for high, low, close in zip(bars.high.tolist(), bars.low.tolist(), bars.close.tolist(), strict=True):
        value = running.update(high, low, close)
    return value
