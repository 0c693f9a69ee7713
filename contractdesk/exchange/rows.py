"""What the core keeps and shows: orders, fills, ledger, positions, prints, as frozen rows.

Prices and quantities are ``Decimal``, quantities in contracts; books speak in whole ticks and lots.
All times are integers in nanoseconds, UTC, as the exchange's clients see them.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from contractdesk.exchange.words import (
    AlgoStatus,
    AlgoType,
    LedgerKind,
    MarginMode,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
    TimeInForce,
    WorkingType,
)

ZERO = Decimal(0)


class Order(Struct, frozen=True, kw_only=True):
    """A regular order as it stands."""

    order_id: int
    client_id: str
    account: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal  # 0 for MARKET
    reduce_only: bool
    status: OrderStatus
    created_ns: int
    updated_ns: int
    closed_ns: int = 0  # 0: open
    executed: Decimal = ZERO
    cum_quote: Decimal = ZERO  # exact sum of price x quantity x contract size (inverse: quote value)
    average_price: Decimal = ZERO  # of the fills, rounded to 1e-8
    close_position: bool = False  # child of a closePosition algo
    position_side: PositionSide = PositionSide.BOTH
    algo_id: int = 0  # of the conditional order it came from
    algo_type: AlgoType | None = None
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    trigger_price: Decimal = ZERO
    forced: bool = False  # a liquidation
    amendments: int = 0
    reason: str = ""  # of an expiry or of a cancel that was not asked for

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed


class Amendment(Struct, frozen=True, kw_only=True):
    """Terms that a conditional order has had since ``ts_ns``."""

    ts_ns: int
    trigger_price: Decimal
    quantity: Decimal


class AlgoOrder(Struct, frozen=True, kw_only=True):
    """A conditional order as it stands."""

    algo_id: int
    client_id: str
    account: str
    symbol: str
    side: Side
    type: AlgoType
    quantity: Decimal  # 0 with close_position
    price: Decimal  # 0 for the market types
    trigger_price: Decimal  # 0 for an unactivated trailing stop
    working_type: WorkingType
    time_in_force: TimeInForce
    reduce_only: bool
    close_position: bool
    status: AlgoStatus
    created_ns: int
    updated_ns: int
    closed_ns: int = 0  # when it left the algo book; 0: open
    triggered_ns: int = 0
    callback_rate: Decimal = ZERO
    activate_price: Decimal = ZERO
    activated: bool = True
    position_side: PositionSide = PositionSide.BOTH
    order_id: int = 0  # its regular order
    executed: Decimal = ZERO  # by that order
    average_price: Decimal = ZERO
    reason: str = ""  # of REJECTED, EXPIRED and of a cancel that was not asked for
    amendments: tuple[Amendment, ...] = ()  # of one that was amended: the terms as placed, then each change


class Fill(Struct, frozen=True, kw_only=True):
    """One account's side of a trade."""

    trade_id: int
    order_id: int
    client_id: str
    account: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal  # linear: price x base, exact; inverse: base value, rounded to 1e-8
    commission: Decimal  # + paid
    commission_asset: str
    realized_pnl: Decimal
    maker: bool
    ts_ns: int


class LedgerEntry(Struct, frozen=True, kw_only=True):
    """One cash booking, rounded once to 1e-8, half to even; the wallet is the sum of them."""

    entry_id: int
    account: str
    kind: LedgerKind
    asset: str
    amount: Decimal  # + received
    symbol: str
    trade_id: int  # 0 where none
    ts_ns: int
    info: str = ""


class Balance(Struct, frozen=True, kw_only=True):
    """One asset of an account, as it stands at the current marks."""

    asset: str
    wallet: Decimal
    unrealized: Decimal
    position_initial_margin: Decimal
    open_order_initial_margin: Decimal
    maintenance_margin: Decimal
    available: Decimal  # for new initial margin and for withdrawal, >= 0
    updated_ns: int

    @property
    def margin_balance(self) -> Decimal:
        return self.wallet + self.unrealized

    @property
    def initial_margin(self) -> Decimal:
        return self.position_initial_margin + self.open_order_initial_margin


class Position(Struct, frozen=True, kw_only=True):
    """One symbol of an account, as it stands at the current mark; flat ones have size 0."""

    account: str
    symbol: str
    size: Decimal  # contracts, + long, - short
    entry_price: Decimal  # rounded to 1e-8
    break_even_price: Decimal
    mark_price: Decimal
    unrealized: Decimal
    notional: Decimal  # signed, settle currency at mark
    initial_margin: Decimal  # of the position
    open_order_initial_margin: Decimal
    maintenance_margin: Decimal
    liquidation_price: Decimal  # 0: none
    leverage: int
    margin_mode: MarginMode
    realized: Decimal  # accumulated, fees not included
    bid_notional: Decimal  # of open buy orders that are not reduce-only
    ask_notional: Decimal
    updated_ns: int


class AccountConfig(Struct, frozen=True, kw_only=True):
    symbol: str
    leverage: int
    margin_mode: MarginMode
    position_mode: PositionMode
    max_notional: Decimal  # at this leverage


class AccountState(Struct, frozen=True, kw_only=True):
    """A whole account as it stands; ``positions`` has one row for each listed symbol."""

    account: str
    position_mode: PositionMode
    balances: tuple[Balance, ...]
    positions: tuple[Position, ...]
    updated_ns: int


class Kline(Struct, frozen=True, kw_only=True):
    """One bar over [open_ns, close_ns); a bar without trades repeats the last close."""

    open_ns: int
    close_ns: int  # exclusive
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal  # contracts
    quote_volume: Decimal  # of inverse contracts: base, each trade rounded to 1e-8
    trades: int
    taker_buy_volume: Decimal
    taker_buy_quote_volume: Decimal


class Trade(Struct, frozen=True, kw_only=True):
    """A public print."""

    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool
    ts_ns: int


class AggTrade(Struct, frozen=True, kw_only=True):
    """The prints of one taker at one price."""

    symbol: str
    agg_id: int
    price: Decimal
    quantity: Decimal
    first_trade_id: int
    last_trade_id: int
    buyer_is_maker: bool
    ts_ns: int


class FundingRate(Struct, frozen=True, kw_only=True):
    """A past settlement."""

    symbol: str
    rate: Decimal
    mark_price: Decimal
    ts_ns: int


class Mark(Struct, frozen=True, kw_only=True):
    """Mark and index as last printed."""

    symbol: str
    mark_price: Decimal
    index_price: Decimal
    funding_rate: Decimal  # in force for the next settlement
    next_funding_ns: int
    ts_ns: int


class BookView(Struct, frozen=True, kw_only=True):
    """The public book, best first; (ticks, lots) pairs."""

    symbol: str
    last_update_id: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    ts_ns: int
