"""What the core reports, in the order in which it happened; ``ts_ns`` is wall time."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from contractdesk.exchange.rows import (
    ZERO,
    AccountConfig,
    AggTrade,
    AlgoOrder,
    Balance,
    Fill,
    FundingRate,
    LedgerEntry,
    Mark,
    Order,
    Position,
    Trade,
)
from contractdesk.exchange.words import (
    AccountReason,
    ExecutionKind,
)


class ExchangeEvent(Struct, frozen=True, kw_only=True):
    ts_ns: int


class BookMoved(ExchangeEvent, frozen=True, kw_only=True):
    """Absolute lots at the named ticks, 0 = gone. ``first_id`` is the previous ``last_id`` + 1."""

    symbol: str
    first_id: int
    last_id: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class TradeMade(ExchangeEvent, frozen=True, kw_only=True):
    trade: Trade


class AggTradeMade(ExchangeEvent, frozen=True, kw_only=True):
    """Follows the TradeMade events it sums up."""

    trade: AggTrade


class MarkMoved(ExchangeEvent, frozen=True, kw_only=True):
    mark: Mark


class FundingHappened(ExchangeEvent, frozen=True, kw_only=True):
    """A public settlement; the accounts' payments follow as AccountChanged."""

    funding: FundingRate


class ForcedOrder(ExchangeEvent, frozen=True, kw_only=True):
    """Public: a liquidation order after its matching."""

    order: Order


class OrderChanged(ExchangeEvent, frozen=True, kw_only=True):
    order: Order
    kind: ExecutionKind
    fill: Fill | None = None  # TRADE and CALCULATED only


class AlgoChanged(ExchangeEvent, frozen=True, kw_only=True):
    algo: AlgoOrder


class AccountChanged(ExchangeEvent, frozen=True, kw_only=True):
    """What a booking moved: the assets, and the positions of the symbols concerned."""

    account: str
    reason: AccountReason
    balances: tuple[Balance, ...]
    positions: tuple[Position, ...]
    change: Decimal = ZERO  # of the balance, trades not included


class ConfigChanged(ExchangeEvent, frozen=True, kw_only=True):
    """Leverage of a symbol, or (symbol "") the position mode."""

    account: str
    config: AccountConfig


class MarginCall(ExchangeEvent, frozen=True, kw_only=True):
    """Maintenance margin has come within 80 % of the margin balance."""

    account: str
    asset: str
    wallet: Decimal
    positions: tuple[Position, ...]


MarketEvent = BookMoved | TradeMade | AggTradeMade | MarkMoved | FundingHappened | ForcedOrder
UserEvent = OrderChanged | AlgoChanged | AccountChanged | ConfigChanged | MarginCall
Event = MarketEvent | UserEvent
Response = Order | tuple[Order, ...] | AlgoOrder | tuple[AlgoOrder, ...] | AccountConfig | LedgerEntry


class Result(Struct, frozen=True, kw_only=True):
    """What a request came to; ``events`` in the order in which they happened."""

    response: Response
    events: tuple[Event, ...]
