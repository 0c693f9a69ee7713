"""Binance's codes and sentences, and the code that stands for each refusal of the core.

https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code
"""

from __future__ import annotations

from contractdesk.exchange.model import Reason, Refused

MESSAGES: dict[int, str] = {
    -1000: "An unknown error occurred while processing the request.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -1106: "Parameter '{}' sent when not required.",
    -1111: "Precision is over the maximum defined for this asset.",
    -1115: "Invalid timeInForce.",
    -1116: "Invalid orderType.",
    -1117: "Invalid side.",
    -1120: "Invalid interval.",
    -1121: "Invalid symbol.",
    -1125: "This listenKey does not exist.",
    -1127: "More than {} hours between startTime and endTime.",
    -1128: "Combination of optional parameters invalid.",
    -2007: "Invalid callBack rate.",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
    -2019: "Margin is insufficient.",
    -2021: "Order would immediately trigger.",
    -2022: "ReduceOnly Order is rejected.",
    -2025: "Reach max open order limit.",
    -2027: "Exceeded the maximum allowable position at current leverage.",
    -4001: "Price less than 0.",
    -4003: "Quantity less than zero.",
    -4004: "Quantity less than min quantity.",
    -4005: "Quantity greater than max quantity.",
    -4014: "Price not increased by tick size.",
    -4015: "Client order id is not valid.",
    -4016: "Limit price can't be higher than {}.",
    -4023: "Qty not increased by step size.",
    -4024: "Limit price can't be lower than {}.",
    -4028: "Leverage {} is not valid",
    -4045: "Reach max stop order limit.",
    -4046: "No need to change margin type.",
    -4047: "Margin type cannot be changed if there exists open orders.",
    -4048: "Margin type cannot be changed if there exists position.",
    -4059: "No need to change position side.",
    -4061: "Order's position side does not match user's setting.",
    -4067: "Position side cannot be changed if there exists open orders.",
    -4068: "Position side cannot be changed if there exists position.",
    -4084: "Method is not allowed currently. Coming soon.",
    -4108: "Symbol is on delivering or delivered or settling or closed or pre-trading.",
    -4116: "ClientOrderId is duplicated.",
    -4118: "ReduceOnly Order Failed. Please check your existing position and open orders.",
    -4120: ("Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."),
    -4130: ("An open stop or take profit order with GTE and closePosition in the direction is existing."),
    -4131: "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    -4137: "Quantity must be zero with closePosition equals true.",
    -4138: "Reduce only must be true with closePosition equals true.",
    -4140: "Invalid symbol status for opening position.",
    -4164: "Order's notional must be no smaller than {} (unless you choose reduce only).",
    -5013: "Asset transfer failed: insufficient balance",
    -5021: (
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history"
    ),
    -5022: (
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history"
    ),
    -5026: "Exceed maximum modify order limit.",
    -5027: "No need to modify the order.",
    -5047: "An order that is not reduce-only cannot be modified into one.",
}

CODES: dict[Reason, int] = {
    Reason.UNKNOWN_ACCOUNT: -2015,
    Reason.UNKNOWN_SYMBOL: -1121,
    Reason.UNKNOWN_ORDER: -2011,
    Reason.DUPLICATE_CLIENT_ID: -4116,
    Reason.BAD_CLIENT_ID: -4015,
    Reason.OFF_TICK: -4014,
    Reason.OFF_LOT: -1111,
    Reason.PRICE_NOT_POSITIVE: -4001,
    Reason.QUANTITY_NOT_POSITIVE: -4003,
    Reason.QUANTITY_TOO_SMALL: -4004,
    Reason.QUANTITY_TOO_LARGE: -4005,
    Reason.BELOW_MIN_NOTIONAL: -4164,
    Reason.PRICE_ABOVE_BAND: -4016,
    Reason.PRICE_BELOW_BAND: -4024,
    Reason.INSUFFICIENT_MARGIN: -2019,
    Reason.MAX_POSITION_AT_LEVERAGE: -2027,
    Reason.REDUCE_ONLY_REJECTED: -2022,
    Reason.ONLY_REDUCING: -4140,
    Reason.SYMBOL_HALTED: -4108,
    Reason.REDUCE_ONLY_CROWDED: -4118,
    Reason.POST_ONLY_WOULD_TAKE: -5022,
    Reason.FOK_NOT_FILLED: -5021,
    Reason.NO_LIQUIDITY: -4131,
    Reason.TOO_MANY_ORDERS: -2025,
    Reason.WOULD_TRIGGER: -2021,
    Reason.SECOND_CLOSE_POSITION: -4130,
    Reason.QUANTITY_WITH_CLOSE_POSITION: -4137,
    Reason.CLOSE_POSITION_TYPE: -4138,
    Reason.BAD_CALLBACK_RATE: -2007,
    Reason.TOO_MANY_ALGOS: -4045,
    Reason.AMEND_NOT_LIMIT: -5026,
    Reason.AMEND_NOTHING: -5027,
    Reason.TOO_MANY_AMENDMENTS: -5026,
    Reason.LEVERAGE_INVALID: -4028,
    Reason.MARGIN_MODE_UNCHANGED: -4046,
    Reason.MARGIN_MODE_POSITION: -4048,
    Reason.MARGIN_MODE_ORDERS: -4047,
    Reason.POSITION_MODE_UNCHANGED: -4059,
    Reason.POSITION_MODE_POSITION: -4068,
    Reason.POSITION_MODE_ORDERS: -4067,
    Reason.POSITION_SIDE_MISMATCH: -4061,
    Reason.MODE_UNSUPPORTED: -4084,
    Reason.INSUFFICIENT_BALANCE: -5013,
    Reason.MARKET_NOT_STEERABLE: -4084,
    Reason.BAD_INTERVAL: -1120,
}

MISSING: dict[Reason, str] = {
    Reason.PRICE_MISSING: "price",
    Reason.QUANTITY_MISSING: "quantity",
    Reason.TRIGGER_MISSING: "triggerPrice",
}
UNWANTED: dict[Reason, str] = {
    Reason.UNEXPECTED_PRICE: "price",
    Reason.REDUCE_ONLY_WITH_CLOSE_POSITION: "reduceOnly",
}


class ApiError(Exception):
    """An answer that is not 2xx: ``{"code", "msg"}`` with its HTTP status."""

    def __init__(
        self, code: int, message: str = "", *, status: int = 400, retry_after_s: int | None = None
    ) -> None:
        self.code = code
        self.message = message or MESSAGES[code]
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(f"{status} {code}: {self.message}")


def missing(name: str) -> ApiError:
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def unwanted(name: str) -> ApiError:
    return ApiError(-1106, MESSAGES[-1106].format(name))


def invalid(name: str) -> ApiError:
    return ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")


def from_refusal(refusal: Refused) -> ApiError:
    """The venue's answer to a refusal of the core; the core's detail fills the blank, where one is."""
    reason = refusal.reason
    if reason in MISSING:
        return missing(MISSING[reason])
    if reason in UNWANTED:
        return unwanted(UNWANTED[reason])
    code = CODES[reason]
    return ApiError(code, MESSAGES[code].format(refusal.detail))
