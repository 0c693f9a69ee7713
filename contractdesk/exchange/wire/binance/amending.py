"""A dialect for tests: Binance as it would be, if it amended conditional orders in place.

The real venue has no such request (404, -5000). It exists until Bybit and OKX are spoken here, whose
stops can be amended: ``ExchangeOptions(amend_stops=True)`` adds it to the endpoints.
"""

from __future__ import annotations

from contractdesk.exchange.model import AlgoOrder, AmendAlgo
from contractdesk.exchange.wire.binance.api import Call, Endpoint, Endpoints, Security
from contractdesk.exchange.wire.binance.errors import missing
from contractdesk.exchange.wire.binance.orders import algo_row
from contractdesk.exchange.wire.binance.text import Json


def amend_algo(call: Call) -> Json:
    """``quantity`` and ``triggerPrice`` of an order named by ``algoId`` or ``clientAlgoId``."""
    params, listing = call.params, call.listing()
    algo_id, client_id = params.integer("algoId"), params.text("clientAlgoId")
    if algo_id is None and client_id is None:
        raise missing("algoId")
    trigger_price, quantity = params.decimal("triggerPrice"), params.decimal("quantity")
    if trigger_price is None:
        raise missing("triggerPrice")
    if quantity is None:
        raise missing("quantity")
    request = AmendAlgo(
        account=call.account,
        symbol=listing.symbol,
        algo_id=algo_id or 0,
        client_id=client_id or "",
        trigger_price=trigger_price,
        quantity=quantity,
    )
    algo = call.handle(request, AlgoOrder, unknown_order=-2013)
    return algo_row(algo, listing.instrument, call.face)


AMEND_STOPS: Endpoints = {
    ("PUT", "/fapi/v1/algoOrder"): Endpoint(amend_algo, 0, Security.TRADE, orders=1),
}
