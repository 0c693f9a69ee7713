"""Acts: everything the engine can ask of its driver, as one tagged union.

Of the commands that touch orders the dispatcher performs ``SubmitOrder`` (which holds an
``Approved``) and the ``Protective`` ones; those can only cancel, stop or reduce.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from msgspec import Struct

from contractdesk.domain.orders import OrderRequest, OrderRole, OrderType, Side, TimeInForce
from contractdesk.domain.position import Trail


class CommandBase(Struct, frozen=True, kw_only=True, tag_field="command", tag=True):
    pass


class Approved(Struct, frozen=True, kw_only=True):
    """An order request that passed every rule. Only ``contractdesk.risk.gate`` makes one."""

    request: OrderRequest
    worst_price: Decimal  # the price at which the cap was checked
    stop_price: Decimal  # where its fills will be stopped
    signal_ns: int  # when the event that caused it came in: latency is counted from here


class SubmitOrder(CommandBase, frozen=True, kw_only=True):
    """Send an entry. What the rest says, the engine does: it is here so that the record has it."""

    approved: Approved
    take_profit: Decimal | None = None
    expire_ns: int = 0  # it is cancelled then, if it rests; 0 = never
    trail: Trail = Trail()  # of the position that it opens


class PlaceStop(CommandBase, frozen=True, kw_only=True):
    """Place a reduce-only conditional order (stop or take-profit) that triggers on the mark."""

    client_id: str
    symbol: str
    side: Side
    size: Decimal
    trigger_price: Decimal
    type: OrderType = OrderType.STOP_MARKET
    strategy_id: str = ""


class AmendStop(CommandBase, frozen=True, kw_only=True):
    """Give a resting reduce-only stop another size and trigger: both absolute, and nothing else changes."""

    client_id: str
    symbol: str
    side: Side
    size: Decimal
    trigger_price: Decimal
    venue_id: str


class ReduceOrder(CommandBase, frozen=True, kw_only=True):
    """Send a reduce-only order; market unless it has a price."""

    client_id: str
    symbol: str
    side: Side
    size: Decimal
    role: OrderRole
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    strategy_id: str = ""
    signal_ns: int = 0


class CancelOrder(CommandBase, frozen=True, kw_only=True):
    """Cancel by our client id, in the regular or in the conditional book."""

    client_id: str
    symbol: str
    conditional: bool
    venue_id: str = ""


class QueryOrder(CommandBase, frozen=True, kw_only=True):
    """Ask what became of an order; answered by OrderRead, or ReadFailed with ``request_id``."""

    request_id: int
    client_id: str
    symbol: str
    conditional: bool


class ReadAccount(CommandBase, frozen=True, kw_only=True):
    """Answered by AccountRead or ReadFailed."""

    request_id: int


class ReadVenueState(CommandBase, frozen=True, kw_only=True):
    """Answered by VenueStateRead or ReadFailed.

    ``symbols``: of the ledger, whose orders and fills no reading leaves out. None: all there are.
    """

    request_id: int
    fills_since_ns: int
    symbols: tuple[str, ...] | None = None


class Watch(CommandBase, frozen=True, kw_only=True):
    """Subscribe to a symbol and load ``warmup`` closed bars of each timeframe."""

    symbol: str
    timeframes: tuple[str, ...]
    warmup: int


class Severity(Enum):
    INFO = "info"
    WARNING = "warning"
    ALARM = "alarm"


class Notify(CommandBase, frozen=True, kw_only=True):
    """Tell the person: log, status panel, and for ALARM whatever alerts are configured."""

    severity: Severity
    code: str  # stable, e.g. "stop_rejected"
    message: str
    symbol: str = ""


Protective = PlaceStop | AmendStop | ReduceOrder | CancelOrder
OrderCommand = SubmitOrder | Protective
Command = OrderCommand | QueryOrder | ReadAccount | ReadVenueState | Watch | Notify
