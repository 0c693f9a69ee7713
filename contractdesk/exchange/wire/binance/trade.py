"""Endpoints that place, amend, cancel and show orders, regular and conditional, of either product."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from urllib.parse import unquote

import msgspec

from contractdesk.domain.instrument import Instrument
from contractdesk.exchange.model import (
    AlgoOrder,
    AlgoType,
    AmendOrder,
    CancelAlgo,
    CancelAll,
    CancelAllAlgos,
    CancelOrder,
    Fill,
    NewAlgo,
    NewOrder,
    Order,
    OrderType,
    PositionSide,
    Refused,
    Side,
    TimeInForce,
    WorkingType,
)
from contractdesk.exchange.wire.binance.api import Call, Endpoint, Endpoints, Security
from contractdesk.exchange.wire.binance.errors import ApiError, invalid, missing
from contractdesk.exchange.wire.binance.orders import (
    algo_ack,
    algo_cancelled,
    algo_row,
    order_ack,
    order_row,
    own_trade,
)
from contractdesk.exchange.wire.binance.params import Params
from contractdesk.exchange.wire.binance.text import Json, decimals, price_decimals

ALL_CANCELLED = {"code": 200, "msg": "The operation of cancel all open order is done."}
CONDITIONAL = frozenset(kind.value for kind in AlgoType)
MAX_BATCH = 5
WEEK_NS = 7 * 86_400 * 1_000_000_000


# -- regular orders ------------------------------------------------------------------------


def place(call: Call) -> Json:
    params, listing = call.params, call.listing()
    kind = params.need("type").upper()
    if kind in CONDITIONAL:
        raise ApiError(-4120)
    request = NewOrder(
        account=call.account,
        symbol=listing.symbol,
        side=params.need_choice("side", Side, -1117),
        type=params.need_choice("type", OrderType, -1116),
        quantity=_size(call, listing.shown),
        price=_price(call, "price", listing.shown),
        time_in_force=_time_in_force(params, OrderType(kind)),
        reduce_only=params.flag("reduceOnly") or False,
        client_id=params.text("newClientOrderId") or "",
        position_side=params.choice("positionSide", PositionSide) or PositionSide.BOTH,
    )
    order = call.handle(request, Order)
    return order_ack(order, listing.instrument, call.face)


def _time_in_force(params: Params, kind: OrderType) -> TimeInForce:
    stated = params.choice("timeInForce", TimeInForce, -1115)
    if stated is None and kind is OrderType.LIMIT:
        raise missing("timeInForce")
    return stated or TimeInForce.GTC


def amend(call: Call) -> Json:
    params, listing = call.params, call.listing()
    order_id, client_id = _which(params)
    price, size = _price(call, "price", listing.shown), _size(call, listing.shown)
    if price is None:
        raise missing("price")
    if size is None:
        raise missing("quantity")
    if params.flag("reduceOnly") and not query(call)["reduceOnly"]:
        raise ApiError(-5047)
    request = AmendOrder(
        account=call.account,
        symbol=listing.symbol,
        order_id=order_id,
        client_id=client_id,
        side=params.need_choice("side", Side, -1117),
        quantity=size,
        price=price,
    )
    order = call.handle(request, Order, unknown_order=-2013)
    return {**order_ack(order, listing.instrument, call.face), "modifyId": order.amendments}


def cancel(call: Call) -> Json:
    listing = call.listing()
    order_id, client_id = _which(call.params)
    request = CancelOrder(account=call.account, symbol=listing.symbol, order_id=order_id, client_id=client_id)
    return order_ack(call.handle(request, Order), listing.instrument, call.face)


def cancel_all(call: Call) -> Json:
    call.handle(CancelAll(account=call.account, symbol=call.listing().symbol), tuple)
    return dict(ALL_CANCELLED)


def query(call: Call) -> Json:
    listing = call.listing()
    order_id, client_id = _which(call.params)
    try:
        order = call.exchange.order(call.account, listing.symbol, order_id=order_id, client_id=client_id)
    except Refused as refusal:
        raise call.refused(refusal) from refusal
    return order_row(order, listing.instrument, call.face)


def query_open(call: Call) -> Json:
    """openOrder: the same, and -2013 once it is closed."""
    row = query(call)
    if row["status"] not in ("NEW", "PARTIALLY_FILLED"):
        raise ApiError(-2013)
    return row


def open_orders(call: Call) -> list[Json]:
    listing = call.optional_listing()
    rows = call.exchange.open_orders(call.account, listing.symbol if listing else None)
    return [
        order_row(row, _terms(call, row.symbol), call.face) for row in rows if row.symbol in call.listings
    ]


def all_orders(call: Call) -> list[Json]:
    listing = call.listing()
    first, limit = call.params.integer("orderId"), call.params.limit(500, 1_000)
    rows = [
        row
        for row in call.exchange.orders(call.account, listing.symbol)
        if (first is None or row.order_id >= first) and _between(call, row.created_ns)
    ]
    rows = rows[-limit:] if first is None and call.since_ns() is None else rows[:limit]
    return [order_row(row, listing.instrument, call.face) for row in rows]


# -- batches -------------------------------------------------------------------------------


def place_batch(call: Call) -> list[Json]:
    return _batch(call, place)


def amend_batch(call: Call) -> list[Json]:
    return _batch(call, amend)


def _batch(call: Call, one: Callable[[Call], Json]) -> list[Json]:
    """Each element for itself: an error stands in its place, the others go on."""
    try:
        items = msgspec.json.decode(call.params.need("batchOrders"), type=list[dict[str, object]])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise invalid("batchOrders") from None
    if not 0 < len(items) <= MAX_BATCH:
        raise ApiError(-4082, "Invalid number of batch place orders.")
    return [_element(call, Params({k: _as_sent(v) for k, v in item.items()}), one) for item in items]


def _as_sent(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _element(call: Call, params: Params, one: Callable[[Call], Json]) -> Json:
    part = Call(call.api, call.product, params, call.now_ns)
    part.credential = call.credential
    try:
        row = one(part)
    except ApiError as error:
        return {"code": error.code, "msg": error.message}
    call.events.extend(part.events)
    return row


def cancel_batch(call: Call) -> list[Json]:
    symbol = call.listing().symbol
    ids = _id_list(call.params, "orderIdList") or _id_list(call.params, "orderidlist")
    clients = _id_list(call.params, "origClientOrderIdList") or _id_list(call.params, "origclientorderidlist")
    if not ids and not clients:
        raise missing("orderIdList")
    asks = [{"symbol": symbol, "orderId": each} for each in ids]
    asks += [{"symbol": symbol, "origClientOrderId": each} for each in clients if not ids]
    return [_element(call, Params(ask), cancel) for ask in asks[: 2 * MAX_BATCH]]


def _id_list(params: Params, name: str) -> list[str]:
    text = unquote(params.text(name) or "[]")
    try:
        return [str(each) for each in msgspec.json.decode(text, type=list[int | str])]
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise invalid(name) from None


# -- conditional orders ----------------------------------------------------------------------


def place_algo(call: Call) -> Json:
    params, listing = call.params, call.listing()
    if params.need("algoType").upper() != "CONDITIONAL":
        raise ApiError(-4500, "Invalid algoType.")
    terms = listing.shown
    request = NewAlgo(
        account=call.account,
        symbol=listing.symbol,
        side=params.need_choice("side", Side, -1117),
        type=params.need_choice("type", AlgoType, -1116),
        trigger_price=_price(call, "triggerPrice", terms),
        quantity=_size(call, terms),
        price=_price(call, "price", terms),
        working_type=params.choice("workingType", WorkingType) or WorkingType.CONTRACT_PRICE,
        reduce_only=params.flag("reduceOnly") or False,
        close_position=params.flag("closePosition") or False,
        time_in_force=params.choice("timeInForce", TimeInForce, -1115) or TimeInForce.GTC,
        callback_rate=params.decimal("callbackRate"),
        activate_price=_price(call, "activatePrice", terms),
        client_id=params.text("clientAlgoId") or "",
        position_side=params.choice("positionSide", PositionSide) or PositionSide.BOTH,
    )
    return algo_ack(call.handle(request, AlgoOrder), terms, call.face)


def cancel_algo(call: Call) -> Json:
    algo = _algo(call, unknown=-2011)
    request = CancelAlgo(account=call.account, algo_id=algo.algo_id)
    return algo_cancelled(call.handle(request, AlgoOrder))


def cancel_all_algos(call: Call) -> Json:
    call.handle(CancelAllAlgos(account=call.account, symbol=call.listing().symbol), tuple)
    return dict(ALL_CANCELLED)


def query_algo(call: Call) -> Json:
    algo = _algo(call, unknown=-2013)
    return algo_row(algo, _terms(call, algo.symbol), call.face)


def _algo(call: Call, unknown: int) -> AlgoOrder:
    """The one that the parameters name; ``unknown`` is the code for none such of this product."""
    algo_id, client_id = _which_algo(call.params)
    try:
        algo = call.exchange.algo(call.account, algo_id=algo_id, client_id=client_id)
    except Refused as refusal:
        raise call.refused(refusal, unknown) from refusal
    if algo.symbol not in call.listings:
        raise ApiError(unknown)
    return algo


def open_algos(call: Call) -> list[Json]:
    listing = call.optional_listing()
    algo_id = call.params.integer("algoId")
    rows = call.exchange.open_algos(call.account, listing.symbol if listing else None)
    wanted = [row for row in rows if algo_id in (None, row.algo_id) and row.symbol in call.listings]
    return [algo_row(row, _terms(call, row.symbol), call.face) for row in wanted]


def all_algos(call: Call) -> list[Json]:
    listing = call.listing()
    first, limit = call.params.integer("algoId"), call.params.limit(500, 1_000)
    rows = [
        row
        for row in call.exchange.algos(call.account, listing.symbol)
        if (first is None or row.algo_id >= first) and _between(call, row.created_ns)
    ]
    rows = rows[-limit:] if first is None and call.since_ns() is None else rows[:limit]
    return [algo_row(row, listing.instrument, call.face) for row in rows]


# -- own trades, dead man's switch ------------------------------------------------------------


def user_trades(call: Call) -> list[Json]:
    """By id, by order, or by time; the latest without any of these."""
    listing, params = call.listing(), call.params
    first, order_id, limit = params.integer("fromId"), params.integer("orderId"), params.limit(500, 1_000)
    start_ns, end_ns = call.since_ns(), call.until_ns()
    if first is not None and (start_ns is not None or end_ns is not None):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    if start_ns is not None and end_ns is not None and end_ns - start_ns > WEEK_NS:
        raise ApiError(-4165, "Invalid time interval. The maximum time interval is 7 days.")

    def wanted(fill: Fill) -> bool:
        return (
            (first is None or fill.trade_id >= first)
            and order_id in (None, fill.order_id)
            and _between(call, fill.ts_ns)
        )

    rows = [fill for fill in call.exchange.fills(call.account, listing.symbol) if wanted(fill)]
    rows = rows[-limit:] if first is None and start_ns is None else rows[:limit]
    return [own_trade(row, listing.instrument, call.face) for row in rows]


def countdown(call: Call) -> Json:
    """Cancel all regular orders of the symbol unless it is asked again in time; 0 disarms."""
    symbol, wait_ms = call.listing().symbol, call.params.need_integer("countdownTime")
    if wait_ms < 0:
        raise invalid("countdownTime")
    key = (call.account, symbol)
    if wait_ms:
        call.api.countdowns[key] = call.now_ns + wait_ms * 1_000_000
    else:
        call.api.countdowns.pop(key, None)
    return {"symbol": symbol, "countdownTime": str(wait_ms)}


# -- shared ----------------------------------------------------------------------------------


def _terms(call: Call, symbol: str) -> Instrument:
    return call.listings[symbol].instrument


def _between(call: Call, ts_ns: int) -> bool:
    start_ns, end_ns = call.since_ns(), call.until_ns()
    return (start_ns is None or ts_ns >= start_ns) and (end_ns is None or ts_ns <= end_ns)


def _which(params: Params) -> tuple[int, str]:
    """(orderId or 0, origClientOrderId or "")."""
    order_id, client_id = params.integer("orderId"), params.text("origClientOrderId")
    if order_id is None and client_id is None:
        raise ApiError(
            -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        )
    return order_id or 0, client_id or ""


def _which_algo(params: Params) -> tuple[int, str]:
    algo_id, client_id = params.integer("algoId"), params.text("clientAlgoId")
    if algo_id is None and client_id is None:
        raise ApiError(-1102, "Param 'clientAlgoId' or 'algoId' must be sent, but both were empty/null!")
    return algo_id or 0, client_id or ""


def _price(call: Call, name: str, terms: Instrument) -> Decimal | None:
    return _precise(call.params.decimal(name), price_decimals(terms))


def _size(call: Call, terms: Instrument) -> Decimal | None:
    return _precise(call.params.decimal("quantity"), decimals(terms.lot_size))


def _precise(value: Decimal | None, most: int) -> Decimal | None:
    if value is not None and decimals(value) > most:
        raise ApiError(-1111)
    return value


def _open_weight(params: Params) -> int:
    return 1 if params.text("symbol") else 40


T, R = Security.TRADE, Security.READ
# By what follows the product's root; both products have these.
TRADE: Endpoints = {
    ("POST", "v1/order"): Endpoint(place, 0, T, orders=1),
    ("PUT", "v1/order"): Endpoint(amend, 0, T, orders=1),
    ("GET", "v1/order"): Endpoint(query, 1, R),
    ("DELETE", "v1/order"): Endpoint(cancel, 1, T),
    ("DELETE", "v1/allOpenOrders"): Endpoint(cancel_all, 1, T),
    ("GET", "v1/openOrder"): Endpoint(query_open, 1, R),
    ("GET", "v1/openOrders"): Endpoint(open_orders, _open_weight, R),
    ("GET", "v1/allOrders"): Endpoint(all_orders, 5, R),
    ("POST", "v1/batchOrders"): Endpoint(place_batch, 5, T, orders=5),
    ("PUT", "v1/batchOrders"): Endpoint(amend_batch, 5, T, orders=5),
    ("DELETE", "v1/batchOrders"): Endpoint(cancel_batch, 1, T),
    ("POST", "v1/algoOrder"): Endpoint(place_algo, 0, T, orders=1),
    ("GET", "v1/algoOrder"): Endpoint(query_algo, 1, R),
    ("DELETE", "v1/algoOrder"): Endpoint(cancel_algo, 1, T),
    ("GET", "v1/openAlgoOrders"): Endpoint(open_algos, _open_weight, R),
    ("DELETE", "v1/algoOpenOrders"): Endpoint(cancel_all_algos, 1, T),
    ("GET", "v1/allAlgoOrders"): Endpoint(all_algos, 5, R),
    ("GET", "v1/userTrades"): Endpoint(user_trades, 5, R),
    ("POST", "v1/countdownCancelAll"): Endpoint(countdown, 10, T),
}
