"""Facts: everything the engine can be told, as one tagged union.

``ts_ns`` is when the desk learned of it (UTC, stamped by the driver); ``venue_ns`` is the venue's
own time. An event carries all the time the engine will ever see.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Any

from msgspec import Struct

from contractdesk.domain.account import Account, MarginMode, PositionMode
from contractdesk.domain.fills import Fill
from contractdesk.domain.intents import Intent
from contractdesk.domain.lease_events import LeaseBegun, LeaseLost
from contractdesk.domain.market_events import (
    BarClosed,
    BarsLoaded,
    BookChanged,
    BookInvalidated,
    BookSnapshotRead,
    ChannelAlive,
    EventBase,
    FundingHistoryRead,
    FundingSettled,
    InstrumentListed,
    LiquidationPrinted,
    MarketEvent,
    MarkPriced,
    OpenInterestRead,
    SymbolNotReady,
    SymbolReady,
    TradePrinted,
    TradesLoaded,
)
from contractdesk.domain.orders import OrderStatus, OrderType, Side
from contractdesk.domain.passing import MarketPassed

__all__ = [
    "AccountRead",
    "AmendFailed",
    "BarClosed",
    "BarsLoaded",
    "BookChanged",
    "BookInvalidated",
    "BookSnapshotRead",
    "BreakerReset",
    "CancelAsked",
    "CancelFailed",
    "ChannelAlive",
    "ClockMeasured",
    "ClosingAsked",
    "Event",
    "EventBase",
    "FlattenAsked",
    "FundingHistoryRead",
    "FundingPaid",
    "FundingSettled",
    "HaltAsked",
    "InstrumentListed",
    "IntentAsked",
    "LeaseBegun",
    "LeaseLost",
    "LeverageChanged",
    "LiquidationPrinted",
    "LoopLagged",
    "MarginCalled",
    "MarkPriced",
    "MarketEvent",
    "MarketPassed",
    "ModesRead",
    "OpenInterestRead",
    "OrderAccepted",
    "OrderAmended",
    "OrderCancelled",
    "OrderEvent",
    "OrderExpired",
    "OrderFilled",
    "OrderRead",
    "OrderRejected",
    "OutcomeUnknown",
    "PersonEvent",
    "PositionReported",
    "ReadFailed",
    "ResumeAsked",
    "RiskTuned",
    "StopTriggered",
    "StrategyStarted",
    "StrategyStopped",
    "StrategySwapped",
    "StrategyTuned",
    "StreamLost",
    "StreamName",
    "StreamRestored",
    "SymbolNotReady",
    "SymbolReady",
    "TimePassed",
    "TradePrinted",
    "TradesLoaded",
    "VenueOrder",
    "VenueSilenced",
    "VenueStateRead",
    "WalletChanged",
]


# -- orders ---------------------------------------------------------------------------------


class OrderEvent(EventBase, frozen=True, kw_only=True, tag=True):
    client_id: str
    symbol: str
    venue_ns: int = 0


class OrderAccepted(OrderEvent, frozen=True, kw_only=True):
    venue_id: str


class OrderRejected(OrderEvent, frozen=True, kw_only=True):
    """Definitive: the venue does not have, and will not have, this order working."""

    code: int
    message: str
    at_trigger: bool = False
    would_trigger: bool = False  # of a conditional order: the price is already beyond its trigger
    would_take: bool = False  # of a post-only order: somebody already offers its price
    unheard: bool = False  # it never came before the venue's matching: no word on the order itself


class OutcomeUnknown(OrderEvent, frozen=True, kw_only=True):
    """The answer to a create was lost; after ``fence_ns`` (venue time) it can no longer be accepted."""

    fence_ns: int
    reason: str


class OrderFilled(OrderEvent, frozen=True, kw_only=True):
    fill: Fill


class OrderCancelled(OrderEvent, frozen=True, kw_only=True):
    reason: str = ""
    filled: Decimal | None = None  # contracts in all, by the venue's word; None: it does not say


class OrderExpired(OrderEvent, frozen=True, kw_only=True):
    reason: str = ""
    filled: Decimal | None = None  # as of ``OrderCancelled``


class OrderAmended(OrderEvent, frozen=True, kw_only=True):
    price: Decimal | None
    trigger_price: Decimal | None
    size: Decimal


class AmendFailed(OrderEvent, frozen=True, kw_only=True):
    """The venue refused to amend, or the answer was lost (``code`` 0): then it may have been done."""

    code: int
    message: str


class StopTriggered(OrderEvent, frozen=True, kw_only=True):
    """A conditional order has fired; ``child_venue_id`` is the regular order it became."""

    child_venue_id: str


class CancelFailed(OrderEvent, frozen=True, kw_only=True):
    """The venue refused to cancel, or the answer was lost (``code`` 0)."""

    code: int
    message: str


class VenueOrder(Struct, frozen=True, kw_only=True):
    """An order as a query shows it."""

    client_id: str
    venue_id: str
    symbol: str
    side: Side
    type: OrderType
    status: OrderStatus
    size: Decimal
    filled: Decimal
    price: Decimal | None
    trigger_price: Decimal | None
    reduce_only: bool
    created_ns: int = 0


class OrderRead(OrderEvent, frozen=True, kw_only=True):
    """The answer to a QueryOrder; ``order`` is None when the venue says it has none such."""

    order: VenueOrder | None


# -- account --------------------------------------------------------------------------------


class AccountRead(EventBase, frozen=True, kw_only=True):
    request_id: int
    account: Account


class VenueStateRead(EventBase, frozen=True, kw_only=True):
    """One consistent picture for reconciliation; all reads succeeded, or the event is a ReadFailed."""

    request_id: int
    account: Account
    orders: tuple[VenueOrder, ...]  # regular and conditional
    fills: tuple[Fill, ...]  # ours since the last known one
    conditional_elsewhere: int = 0  # open ones in symbols whose orders it leaves out


class ReadFailed(EventBase, frozen=True, kw_only=True):
    request_id: int
    what: str
    reason: str


class WalletChanged(EventBase, frozen=True, kw_only=True):
    asset: str
    wallet_balance: Decimal
    change: Decimal  # excluding PnL and fees
    cause: str  # the venue's word, e.g. ORDER, FUNDING_FEE, DEPOSIT
    venue_ns: int


class PositionReported(EventBase, frozen=True, kw_only=True):
    """The venue's own size, pushed: a witness, never a source of our position."""

    symbol: str
    size: Decimal
    entry_price: Decimal
    venue_ns: int


class FundingPaid(EventBase, frozen=True, kw_only=True):
    symbol: str
    amount: Decimal  # settle currency, + received
    payment_id: str  # the identity by which repeats are known
    venue_ns: int


class MarginCalled(EventBase, frozen=True, kw_only=True):
    symbols: tuple[str, ...]


class LeverageChanged(EventBase, frozen=True, kw_only=True):
    symbol: str
    leverage: Decimal


class ModesRead(EventBase, frozen=True, kw_only=True):
    position_mode: PositionMode
    margin_modes: dict[str, MarginMode]
    leverages: dict[str, Decimal]


# -- connection -----------------------------------------------------------------------------


class StreamName(Enum):
    PUBLIC = "public"
    MARKET = "market"
    PRIVATE = "private"


class StreamLost(EventBase, frozen=True, kw_only=True):
    stream: StreamName
    reason: str


class StreamRestored(EventBase, frozen=True, kw_only=True):
    """Connected, every subscription confirmed, and for PRIVATE what was missed has been delivered."""

    stream: StreamName


class ClockMeasured(EventBase, frozen=True, kw_only=True):
    """Venue time minus ours, from the sample with the shortest round trip."""

    offset_ms: float
    rtt_ms: float


class VenueSilenced(EventBase, frozen=True, kw_only=True):
    """The venue demands silence until ``until_ns`` (429 or 418)."""

    status: int
    until_ns: int


class LoopLagged(EventBase, frozen=True, kw_only=True):
    """The driver's loop was late by ``lag_ms``."""

    lag_ms: float


class TimePassed(EventBase, frozen=True, kw_only=True):
    """Nothing but time."""


# -- the person -----------------------------------------------------------------------------


class PersonEvent(EventBase, frozen=True, kw_only=True, tag=True):
    who: str


class IntentAsked(PersonEvent, frozen=True, kw_only=True):
    """An order by hand: it passes the same gate as a strategy's."""

    intent: Intent


class CancelAsked(PersonEvent, frozen=True, kw_only=True):
    client_id: str


class FlattenAsked(PersonEvent, frozen=True, kw_only=True):
    """Cancel entries and close, all symbols or one; the state is REDUCING until resumed."""

    symbol: str | None = None


class HaltAsked(PersonEvent, frozen=True, kw_only=True):
    reason: str = ""


class ResumeAsked(PersonEvent, frozen=True, kw_only=True):
    pass


class BreakerReset(PersonEvent, frozen=True, kw_only=True):
    """A person has understood why the breaker tripped, and says so."""

    reason: str


class StrategyStarted(PersonEvent, frozen=True, kw_only=True):
    """``source_hash`` names the exact code; the driver has it (or finds it in the journal) by that."""

    strategy_id: str
    class_name: str
    source_hash: str
    params: dict[str, Any]
    symbols: tuple[str, ...]
    timeframe: str


class StrategyStopped(PersonEvent, frozen=True, kw_only=True):
    strategy_id: str


class StrategyTuned(PersonEvent, frozen=True, kw_only=True):
    strategy_id: str
    params: dict[str, Any]


class StrategySwapped(PersonEvent, frozen=True, kw_only=True):
    """New code for a running strategy, from the end of the current bar."""

    strategy_id: str
    class_name: str
    source_hash: str


class RiskTuned(PersonEvent, frozen=True, kw_only=True):
    settings: dict[str, Any]


class ClosingAsked(PersonEvent, frozen=True, kw_only=True):
    """The desk is closing: entries are cancelled; ``flatten`` also closes the positions."""

    flatten: bool


Event = (
    BookSnapshotRead | BookChanged | BookInvalidated | TradePrinted | MarkPriced | FundingSettled
    | LiquidationPrinted | OpenInterestRead | BarClosed | BarsLoaded | TradesLoaded | ChannelAlive
    | SymbolNotReady | SymbolReady | InstrumentListed | FundingHistoryRead | MarketPassed
    | OrderAccepted | OrderRejected | OutcomeUnknown | OrderFilled | OrderCancelled | OrderExpired
    | OrderAmended | AmendFailed | StopTriggered | CancelFailed | OrderRead
    | AccountRead | VenueStateRead | ReadFailed | WalletChanged | PositionReported | FundingPaid
    | MarginCalled | LeverageChanged | ModesRead
    | StreamLost | StreamRestored | ClockMeasured | VenueSilenced | LoopLagged | TimePassed
    | LeaseLost | LeaseBegun
    | IntentAsked | CancelAsked | FlattenAsked | HaltAsked | ResumeAsked | BreakerReset
    | StrategyStarted | StrategyStopped | StrategyTuned | StrategySwapped | RiskTuned | ClosingAsked
)  # fmt: skip
