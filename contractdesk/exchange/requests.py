"""What an account can ask of the core; ``Exchange.handle`` says what answers.

Prices and quantities are ``Decimal``, quantities in contracts. Every request names its account.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from contractdesk.exchange.words import (
    AlgoType,
    MarginMode,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
    TimeInForce,
    WorkingType,
)


class Request(Struct, frozen=True, kw_only=True):
    account: str


class NewOrder(Request, frozen=True, kw_only=True):
    """Answered by the Order after matching. An empty client id is made up by the exchange."""

    symbol: str  # the venue's own, e.g. BTCUSDT
    side: Side
    type: OrderType
    quantity: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    client_id: str = ""
    position_side: PositionSide = PositionSide.BOTH


class AmendOrder(Request, frozen=True, kw_only=True):
    """New price and/or quantity of a resting LIMIT, which goes to the end of its queue.

    Answered by the Order; cancelled where the quantity is not above what is executed, or where a
    GTX would take. ``order_id`` 0 means: find it by client id.
    """

    symbol: str
    order_id: int = 0
    client_id: str = ""
    side: Side | None = None  # when given it must be the order's
    quantity: Decimal | None = None
    price: Decimal | None = None


class CancelOrder(Request, frozen=True, kw_only=True):
    """Answered by the Order."""

    symbol: str
    order_id: int = 0
    client_id: str = ""


class CancelAll(Request, frozen=True, kw_only=True):
    """All regular open orders of a symbol; answered by a tuple of Orders."""

    symbol: str


class NewAlgo(Request, frozen=True, kw_only=True):
    """Answered by the AlgoOrder."""

    symbol: str
    side: Side
    type: AlgoType
    trigger_price: Decimal | None = None  # all but TRAILING_STOP_MARKET
    quantity: Decimal | None = None
    price: Decimal | None = None  # STOP and TAKE_PROFIT
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    reduce_only: bool = False
    close_position: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC
    callback_rate: Decimal | None = None  # per cent, TRAILING_STOP_MARKET
    activate_price: Decimal | None = None
    client_id: str = ""
    position_side: PositionSide = PositionSide.BOTH


class AmendAlgo(Request, frozen=True, kw_only=True):
    """New trigger and/or quantity, absolute, of a conditional order that rests; by either id.

    Answered by the AlgoOrder; the same terms once more change nothing.
    """

    symbol: str
    algo_id: int = 0
    client_id: str = ""
    trigger_price: Decimal | None = None
    quantity: Decimal | None = None


class CancelAlgo(Request, frozen=True, kw_only=True):
    """By either id; answered by the AlgoOrder."""

    algo_id: int = 0
    client_id: str = ""


class CancelAllAlgos(Request, frozen=True, kw_only=True):
    """All open algo orders of a symbol; answered by a tuple of AlgoOrders."""

    symbol: str


class SetLeverage(Request, frozen=True, kw_only=True):
    """Answered by the AccountConfig after it."""

    symbol: str
    leverage: int


class SetMarginMode(Request, frozen=True, kw_only=True):
    """Answered by the AccountConfig after it."""

    symbol: str
    mode: MarginMode


class SetPositionMode(Request, frozen=True, kw_only=True):
    """Answered by the AccountConfig after it (symbol "")."""

    mode: PositionMode


class Transfer(Request, frozen=True, kw_only=True):
    """Deposit (+) or withdraw (-); answered by the LedgerEntry."""

    asset: str
    amount: Decimal


AnyRequest = (
    NewOrder
    | AmendOrder
    | CancelOrder
    | CancelAll
    | NewAlgo
    | AmendAlgo
    | CancelAlgo
    | CancelAllAlgos
    | SetLeverage
    | SetMarginMode
    | SetPositionMode
    | Transfer
)
