"""Binance's own SDK trades on an exchange: run by an interpreter that has it, prints one JSON object.

Usage: ``python sdk_session.py http://127.0.0.1:PORT``; accounts demo-key and other-key must exist.
Nothing of contractdesk is imported here.
"""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import pairwise
from typing import Any

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_common.errors import BadRequestError
from binance_sdk_derivatives_trading_usds_futures import DerivativesTradingUsdsFutures

SYMBOL = "BTCUSDT"


def client(url: str, key: str, secret: str) -> DerivativesTradingUsdsFutures:
    return DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(api_key=key, api_secret=secret, base_path=url, timeout=5_000),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=url.replace("http", "ws")),
    )


def refusal(call: Any, *arguments: Any, **named: Any) -> int:
    """The venue's code for a call that has to be refused."""
    try:
        call(*arguments, **named)
    except BadRequestError as error:
        return int(error.status_code or 0)  # it holds the venue's code
    return 0


def rest_story(api: Any, other: Any) -> dict[str, Any]:
    """Markets, account, leverage, an order's whole life, stops, history."""
    found: dict[str, Any] = {}
    info = api.exchange_information().data()
    found["symbols"] = [row.symbol for row in info.symbols]
    found["tick"] = next(
        row.tick_size for row in info.symbols[0].filters if row.filter_type == "PRICE_FILTER"
    )
    found["bars"] = len(api.kline_candlestick_data(SYMBOL, "1m", limit=5).data())
    found["mark"] = api.mark_price(symbol=SYMBOL).data().actual_instance.mark_price
    found["wallet"] = api.account_information_v3().data().total_wallet_balance
    found["leverage"] = api.change_initial_leverage(SYMBOL, 7).data().leverage
    limit = {"type": "LIMIT", "time_in_force": "GTC"}
    placed = api.new_order(SYMBOL, "BUY", quantity=0.05, price=59_950, **limit).data()
    found["placed"] = placed.status
    amended = api.modify_order(SYMBOL, "BUY", 0.04, 60_000, order_id=placed.order_id).data()
    found["amended"] = [amended.price, amended.orig_qty, amended.order_id == placed.order_id]
    taken = other.new_order(SYMBOL, "SELL", "MARKET", quantity=0.015).data()
    found["taken"] = taken.status
    seen = api.query_order(SYMBOL, order_id=placed.order_id).data()
    found["partial"] = [seen.status, seen.executed_qty, seen.avg_price]
    found["open"] = [row.order_id == placed.order_id for row in api.current_all_open_orders(SYMBOL).data()]
    found["cancelled"] = api.cancel_order(SYMBOL, order_id=placed.order_id).data().status
    found["cancel_all"] = api.cancel_all_open_orders(SYMBOL).data().code
    (trade,) = api.account_trade_list(SYMBOL).data()
    found["trade"] = [trade.price, trade.qty, trade.maker, trade.commission]
    (position,) = api.position_information_v3(SYMBOL).data()
    found["position"] = [position.position_amt, position.entry_price]
    found["balance"] = [row.asset for row in api.futures_account_balance_v3().data()]
    found["stop_on_order"] = refusal(
        api.new_order, SYMBOL, "SELL", "STOP_MARKET", quantity=0.01, reduce_only="true"
    )
    stop = api.new_algo_order(
        "CONDITIONAL", SYMBOL, "SELL", "STOP_MARKET", quantity=0.015, trigger_price=55_000,
        reduce_only="true", working_type="MARK_PRICE",
    ).data()  # fmt: skip
    found["stop"] = [stop.algo_status, stop.trigger_price, stop.reduce_only]
    found["stops"] = len(api.current_all_algo_open_orders(symbol=SYMBOL).data())
    found["stop_cancelled"] = api.cancel_algo_order(algo_id=stop.algo_id).data().code
    found["off_tick"] = refusal(api.new_order, SYMBOL, "BUY", quantity=0.01, price=59_000.05, **limit)
    found["funding"] = len(api.get_funding_rate_history(symbol=SYMBOL).data())
    found["income"] = sorted({row.income_type for row in api.get_income_history().data()})
    return found


async def stream_story(desk: DerivativesTradingUsdsFutures) -> dict[str, Any]:
    """The diff book and the user stream, over the SDK's own WebSocket client."""
    listen_key = desk.rest_api.start_user_data_stream().data().listen_key
    connection = await desk.websocket_streams.create_connection()
    depths: asyncio.Queue[Any] = asyncio.Queue()
    told: asyncio.Queue[Any] = asyncio.Queue()
    try:
        book = await connection.diff_book_depth_streams(symbol=SYMBOL.lower(), update_speed="100ms")
        book.on("message", depths.put_nowait)
        user = await connection.user_data(listen_key)
        user.on("message", told.put_nowait)
        await asyncio.sleep(1)  # the SDK does not wait for the venue's acknowledgement
        order = {"type": "LIMIT", "time_in_force": "GTC"}
        for price in (59_930, 59_931, 59_932):
            await asyncio.to_thread(
                desk.rest_api.new_order, SYMBOL, "BUY", quantity=0.01, price=price, **order
            )
        messages = [await asyncio.wait_for(depths.get(), 10)]
        await asyncio.to_thread(desk.rest_api.cancel_all_open_orders, SYMBOL)
        while not messages[-1].b or float(messages[-1].b[-1][1]):
            messages.append(await asyncio.wait_for(depths.get(), 10))
        events = [(await asyncio.wait_for(told.get(), 10)).actual_instance for _ in range(6)]
    finally:
        await connection.close_connection(close_session=True)
    chained = all(later.pu == sooner.u for sooner, later in pairwise(messages))
    return {
        "chained": chained,
        "depth": [messages[0].e, messages[0].s],
        "events": [[event.o.x, event.o.X, event.o.p] for event in events],
    }


async def main(url: str) -> dict[str, Any]:
    desk = client(url, "demo-key", "demo-secret")
    other = client(url, "other-key", "other-secret")
    rest = await asyncio.to_thread(rest_story, desk.rest_api, other.rest_api)
    return {"rest": rest, "streams": await stream_story(desk)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(sys.argv[1]))) + "\n")
