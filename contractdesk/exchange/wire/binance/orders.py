"""Orders, conditional orders and own trades as the REST endpoints show them.

https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api
"""

from __future__ import annotations

from contractdesk.domain.instrument import Instrument
from contractdesk.exchange.model import AlgoOrder, AlgoStatus, AlgoType, Fill, Order, Side
from contractdesk.exchange.wire.binance.product import COINM, USDM, pair_of, paired, product_of, worth_of
from contractdesk.exchange.wire.binance.text import Face, Json, average, money, plain, price, size


def order_ack(order: Order, terms: Instrument, face: Face) -> Json:
    """The answer to place, amend and cancel: without average price and quote, since 2026-07-15."""
    return {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "pair": pair_of(terms),
        "status": order.status.value,
        "clientOrderId": order.client_id,
        "price": price(terms, order.price),
        "origQty": size(terms, order.quantity),
        "executedQty": size(terms, order.executed),
        "cumQty": size(terms, order.executed),
        "timeInForce": order.time_in_force.value,
        "type": order.type.value,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side.value,
        "positionSide": order.position_side.value,
        "stopPrice": price(terms, order.trigger_price),
        "workingType": order.working_type.value,
        "priceProtect": False,
        "origType": original_type(order),
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "updateTime": face.ms(order.updated_ns),
    }


def order_row(order: Order, terms: Instrument, face: Face) -> Json:
    """The answer to a query."""
    row = order_ack(order, terms, face)
    del row["cumQty"], row["pair"]
    worth = order.cum_quote
    if product_of(terms) is COINM:
        worth = worth_of(terms, order.executed, order.average_price) if order.executed else order.executed
    return paired(
        terms,
        {
            **row,
            "avgPrice": average(order.average_price),
            f"cum{product_of(terms).worth}": plain(worth),
            "time": face.ms(order.created_ns),
        },
    )


def original_type(order: Order) -> str:
    """The type it was placed as: its conditional order's, where it came from one."""
    return order.algo_type.value if order.algo_type else order.type.value


def algo_ack(algo: AlgoOrder, terms: Instrument, face: Face) -> Json:
    """The answer to placing a conditional order."""
    row: Json = {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": algo.type.value,
        "symbol": algo.symbol,
        "side": algo.side.value,
        "positionSide": algo.position_side.value,
        "timeInForce": algo.time_in_force.value,
        "quantity": size(terms, algo.quantity),
        "algoStatus": algo.status.value,
        "triggerPrice": price(terms, algo.trigger_price),
        "price": price(terms, algo.price),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": algo.working_type.value,
        "priceMatch": "NONE",
        "closePosition": algo.close_position,
        "priceProtect": False,
        "reduceOnly": algo.reduce_only,
        "createTime": face.ms(algo.created_ns),
        "updateTime": face.ms(algo.updated_ns),
        "triggerTime": face.ms(algo.triggered_ns),
        "goodTillDate": 0,
    }
    if algo.type is AlgoType.TRAILING_STOP_MARKET:
        row["activatePrice"] = price(terms, algo.activate_price)
        row["callbackRate"] = plain(algo.callback_rate)
    return row


def algo_row(algo: AlgoOrder, terms: Instrument, face: Face) -> Json:
    """The answer to a query: with the regular order that it became."""
    became = algo.order_id != 0
    row = {
        **algo_ack(algo, terms, face),
        "actualOrderId": str(algo.order_id) if became else "",
        "actualPrice": average(algo.average_price),
        "tpOrderType": "",
    }
    if became:
        row["actualType"] = "LIMIT" if algo.type.priced else "MARKET"
        row["actualQty"] = size(terms, algo.executed)
    return row


def algo_cancelled(algo: AlgoOrder) -> Json:
    """The answer to DELETE algoOrder."""
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "algoStatus": AlgoStatus.CANCELED.value,
        "code": "200",
        "msg": "success",
    }


def own_trade(fill: Fill, terms: Instrument, face: Face) -> Json:
    product = product_of(terms)
    row: Json = {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "side": fill.side.value,
        "price": price(terms, fill.price),
        "qty": size(terms, fill.quantity),
        "realizedPnl": money(fill.realized_pnl),
        f"{product.worth.lower()}Qty": plain(fill.quote_quantity),
        "commission": money(fill.commission),
        "commissionAsset": fill.commission_asset,
        "time": face.ms(fill.ts_ns),
        "positionSide": "BOTH",
        "maker": fill.maker,
        "buyer": fill.side is Side.BUY,
    }
    return row if product is USDM else paired(terms, {**row, "marginAsset": terms.settle})
