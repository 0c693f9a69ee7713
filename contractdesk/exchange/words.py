"""The exchange's words: enumerations, the reasons of refusal, and the refusal itself.

Terms follow https://developers.binance.com/docs/derivatives/usds-margined-futures.
"""

from __future__ import annotations

from enum import Enum


class Side(Enum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for buy, -1 for sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(Enum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"


class AlgoType(Enum):
    """Conditional orders; the first two have a price and become LIMIT, the others MARKET."""

    STOP = "STOP"
    TAKE_PROFIT = "TAKE_PROFIT"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"

    @property
    def priced(self) -> bool:
        return self in (AlgoType.STOP, AlgoType.TAKE_PROFIT)


class TimeInForce(Enum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"  # post-only


class WorkingType(Enum):
    """The price that a conditional order watches."""

    CONTRACT_PRICE = "CONTRACT_PRICE"  # the last trade
    MARK_PRICE = "MARK_PRICE"


class PositionSide(Enum):
    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


class PositionMode(Enum):
    ONE_WAY = "one_way"
    HEDGE = "hedge"


class MarginMode(Enum):
    CROSS = "cross"
    ISOLATED = "isolated"


class OrderStatus(Enum):
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"

    @property
    def open(self) -> bool:
        return self in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


class AlgoStatus(Enum):
    NEW = "NEW"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"

    @property
    def open(self) -> bool:
        """True while it rests in the algo book."""
        return self is AlgoStatus.NEW


class ExecutionKind(Enum):
    """Why an order is reported: the ``x`` of ORDER_TRADE_UPDATE."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    AMENDMENT = "AMENDMENT"
    CALCULATED = "CALCULATED"  # a fill of a liquidation


class AccountReason(Enum):
    """Why an account is reported: the ``m`` of ACCOUNT_UPDATE."""

    ORDER = "ORDER"
    FUNDING_FEE = "FUNDING_FEE"
    DEPOSIT = "DEPOSIT"
    WITHDRAW = "WITHDRAW"
    INSURANCE_CLEAR = "INSURANCE_CLEAR"
    ADJUSTMENT = "ADJUSTMENT"


class LedgerKind(Enum):
    REALIZED_PNL = "REALIZED_PNL"
    COMMISSION = "COMMISSION"
    FUNDING_FEE = "FUNDING_FEE"
    TRANSFER = "TRANSFER"
    INSURANCE_CLEAR = "INSURANCE_CLEAR"
    ADJUSTMENT = "ADJUSTMENT"  # by the house, and told to nobody


class SymbolStatus(Enum):
    """What may be done in a contract: ``status`` of exchangeInfo."""

    TRADING = "TRADING"
    PRE_SETTLE = "PRE_SETTLE"  # to be delisted: positions can only be reduced
    SETTLING = "SETTLING"  # halted: nothing is accepted
    CLOSE = "CLOSE"  # delisted

    @property
    def accepts(self) -> bool:
        return self in (SymbolStatus.TRADING, SymbolStatus.PRE_SETTLE)


class Reason(Enum):
    """Every way in which the core refuses a request; Binance's code stands beside it."""

    UNKNOWN_ACCOUNT = "unknown account"  # -2015
    UNKNOWN_SYMBOL = "unknown symbol"  # -1121
    UNKNOWN_ORDER = "unknown order"  # -2011 cancel, -2013 query and amend
    DUPLICATE_CLIENT_ID = "an open order has this client id"  # -4116
    BAD_CLIENT_ID = "client id not of 1 to 36 allowed characters"  # -4015
    PRICE_MISSING = "price missing"  # -1102
    QUANTITY_MISSING = "quantity missing"  # -1102
    TRIGGER_MISSING = "trigger price missing"  # -1102
    UNEXPECTED_PRICE = "this order type has no price"  # -1106
    OFF_TICK = "price off the tick grid"  # -4014, -1111 where it has too many decimals
    OFF_LOT = "quantity off the lot grid"  # -1111, -4023
    PRICE_NOT_POSITIVE = "price not positive"  # -4001
    QUANTITY_NOT_POSITIVE = "quantity not positive"  # -4003
    QUANTITY_TOO_SMALL = "quantity below the minimum"  # -4004
    QUANTITY_TOO_LARGE = "quantity above the maximum"  # -4005
    BELOW_MIN_NOTIONAL = "notional below the minimum"  # -4164
    PRICE_ABOVE_BAND = "buy price above the price band"  # -4016
    PRICE_BELOW_BAND = "sell price below the price band"  # -4024
    INSUFFICIENT_MARGIN = "insufficient margin"  # -2019
    MAX_POSITION_AT_LEVERAGE = "notional above the bracket of this leverage"  # -2027
    REDUCE_ONLY_REJECTED = "reduce-only with nothing to reduce"  # -2022
    ONLY_REDUCING = "the contract is being delisted: positions can only be reduced"  # -4140
    SYMBOL_HALTED = "the contract does not trade"  # -4108
    REDUCE_ONLY_CROWDED = "reduce-only, and what rests closes all already"  # -4118
    POST_ONLY_WOULD_TAKE = "post-only would take"  # -5022
    FOK_NOT_FILLED = "fill-or-kill cannot be filled"  # -5021
    NO_LIQUIDITY = "no counterparty for a market order"  # -4131
    TOO_MANY_ORDERS = "too many open orders"  # -2025
    WOULD_TRIGGER = "would immediately trigger"  # -2021
    SECOND_CLOSE_POSITION = "a closePosition stop of that direction exists"  # -4130
    QUANTITY_WITH_CLOSE_POSITION = "quantity with closePosition"  # -4137
    REDUCE_ONLY_WITH_CLOSE_POSITION = "reduceOnly with closePosition"  # -1106
    CLOSE_POSITION_TYPE = "closePosition needs STOP_MARKET or TAKE_PROFIT_MARKET"  # -4138
    BAD_CALLBACK_RATE = "callback rate outside 0.1 to 20 per cent"  # -2007
    TOO_MANY_ALGOS = "too many open algo orders"  # -4045
    AMEND_NOT_LIMIT = "only limit orders can be amended"  # -4028 family: -5026
    AMEND_NOTHING = "the amendment changes nothing"  # -5027
    TOO_MANY_AMENDMENTS = "too many amendments of one order"  # -5026
    LEVERAGE_INVALID = "leverage outside the brackets"  # -4028
    MARGIN_MODE_UNCHANGED = "margin mode unchanged"  # -4046
    MARGIN_MODE_POSITION = "margin mode change with an open position"  # -4048
    MARGIN_MODE_ORDERS = "margin mode change with open orders"  # -4047
    POSITION_MODE_UNCHANGED = "position mode unchanged"  # -4059
    POSITION_MODE_POSITION = "position mode change with an open position"  # -4068
    POSITION_MODE_ORDERS = "position mode change with open orders"  # -4067
    POSITION_SIDE_MISMATCH = "positionSide does not match the position mode"  # -4061
    MODE_UNSUPPORTED = "hedge mode and isolated margin can be set, not traded"  # -4084 family
    BAD_INTERVAL = "not a bar interval"  # -1120
    INSUFFICIENT_BALANCE = "more than can be withdrawn"  # -5013
    MARKET_NOT_STEERABLE = "a recorded market cannot be steered"  # control API only


class Refused(Exception):
    """The core refused a request: nothing has changed, and no event belongs to it."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
