"""The REST answers that we read, typed by their documentation; only the fields that we use.

https://developers.binance.com/docs/derivatives/usds-margined-futures
https://developers.binance.com/docs/derivatives/coin-margined-futures
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec import Raw, Struct, field

ZERO = Decimal(0)
COIN_MARGIN_TYPES = {"cross": "CROSSED", "isolated": "ISOLATED"}  # COIN-M's word: what is set


class ServerTime(Struct, rename="camel"):
    server_time: int


class Filter(Struct, rename="camel"):
    filter_type: str
    tick_size: Decimal = ZERO
    step_size: Decimal = ZERO
    min_qty: Decimal = ZERO
    max_qty: Decimal = ZERO
    notional: Decimal = ZERO


class SymbolRow(Struct, rename="camel"):
    symbol: str
    contract_type: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    filters: list[Filter]
    status: str = ""
    contract_status: str = ""  # COIN-M's name for it
    contract_size: Decimal = Decimal(1)
    maint_margin_percent: Decimal = Decimal(5)
    required_margin_percent: Decimal = Decimal(10)

    @property
    def inverse(self) -> bool:
        """A contract that is margined in what it is about."""
        return self.margin_asset == self.base_asset

    @property
    def trades(self) -> bool:
        return (self.status or self.contract_status) == "TRADING"


class ExchangeInfo(Struct):
    symbols: list[Raw]  # typed one by one: ccxt reads the same rows


class Bracket(Struct, rename="camel"):
    """Bounds in the settle currency: ``notional...`` at USDⓈ-M, ``qty...`` (in base) at COIN-M."""

    initial_leverage: Decimal
    maint_margin_ratio: Decimal
    cum: Decimal
    notional_cap: Decimal | None = None
    notional_floor: Decimal | None = None
    qty_cap: Decimal | None = None
    qty_floor: Decimal | None = None
    qtyl_floor: Decimal | None = None  # so spelt in the venue's documentation

    @property
    def cap(self) -> Decimal:
        """``ValueError`` for a bracket without bounds."""
        return _stated(self.notional_cap, self.qty_cap)

    @property
    def floor(self) -> Decimal:
        """``ValueError`` for a bracket without bounds."""
        return _stated(self.notional_floor, self.qty_floor, self.qtyl_floor)


class BracketRow(Struct):
    symbol: str
    brackets: list[Bracket]


class CommissionRow(Struct, rename="camel"):
    maker_commission_rate: Decimal
    taker_commission_rate: Decimal


Kline = tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal, int, Any, Any, Any, Any, Any]
# open ms, open, high, low, close, volume, close ms


class AggTradeRow(Struct):
    a: int  # id
    p: Decimal
    q: Decimal
    time_ms: int = field(name="T")
    m: bool  # the buyer was the maker
    first: int = field(name="f", default=0)  # of the prints that it is made of
    last: int = field(name="l", default=0)


class FundingRow(Struct, rename="camel"):
    funding_rate: Decimal
    funding_time: int


class OpenInterestRow(Struct, rename="camel"):
    open_interest: Decimal
    time: int


class OpenInterestPastRow(Struct, rename="camel"):
    sum_open_interest: Decimal
    timestamp: int


class PremiumRow(Struct, rename="camel"):
    time: int


class DepthHead(Struct, rename="camel"):
    last_update_id: int


class AssetRow(Struct, rename="camel"):
    asset: str
    wallet_balance: Decimal
    unrealized_profit: Decimal
    initial_margin: Decimal
    maint_margin: Decimal
    available_balance: Decimal
    update_time: int = 0


class AccountRow(Struct):
    assets: list[AssetRow]


class PositionRow(Struct, rename="camel"):
    symbol: str
    position_side: str
    position_amt: Decimal
    entry_price: Decimal
    un_realized_profit: Decimal
    liquidation_price: Decimal
    isolated_margin: Decimal = ZERO


class SymbolConfigRow(Struct, rename="camel"):
    symbol: str
    margin_type: str
    leverage: Decimal


class AccountConfigRow(Struct, rename="camel"):
    can_trade: bool
    dual_side_position: bool
    multi_assets_margin: bool


class CoinPositionRow(Struct, rename="camel"):
    symbol: str
    leverage: Decimal
    margin_type: str


class CoinAccountRow(Struct, rename="camel"):
    can_trade: bool


class PositionModeRow(Struct, rename="camel"):
    dual_side_position: bool


class ScopesRow(Struct, rename="camel"):
    enable_reading: bool
    enable_futures: bool
    enable_withdrawals: bool
    enable_internal_transfer: bool = False
    permits_universal_transfer: bool = False
    enable_spot_and_margin_trading: bool = False
    ip_restrict: bool = False


class OrderRow(Struct, rename="camel"):
    symbol: str
    order_id: int
    client_order_id: str
    side: str
    type: str
    status: str
    orig_qty: Decimal
    executed_qty: Decimal
    price: Decimal = ZERO
    stop_price: Decimal = ZERO
    reduce_only: bool = False
    time: int = 0
    update_time: int = 0


class AlgoRow(Struct, rename="camel"):
    symbol: str
    algo_id: int
    client_algo_id: str
    side: str
    order_type: str
    algo_status: str
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    trigger_price: Decimal = ZERO
    reduce_only: bool = False
    actual_order_id: str | int = ""
    create_time: int = 0
    update_time: int = 0

    @property
    def child(self) -> str:
        """Venue id of the regular order that it became; "" while there is none."""
        return "" if self.actual_order_id in ("", "0", 0) else str(self.actual_order_id)


class UserTradeRow(Struct, rename="camel"):
    symbol: str
    id: int
    order_id: int
    side: str
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    maker: bool


class IncomeRow(Struct, rename="camel"):
    symbol: str
    income: Decimal
    asset: str
    time: int
    tran_id: int | str = 0


class ListenKeyRow(Struct, rename="camel"):
    listen_key: str = ""


def _stated(*values: Decimal | None) -> Decimal:
    for value in values:
        if value is not None:
            return value
    raise ValueError("a bracket without bounds")
