"""COIN-M over the bare wire: the field names of Binance's own answers, and the wall between the products.

The expected keys are those of recorded answers (public endpoints) and of the venue's documentation.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.exchange.loopback import (
    COIN,
    SYMBOL,
    Client,
    events,
    hear,
    on_exchange,
    quiet_products,
)

RECORDED = "rest/binance/gocryptotrader_fapi_dapi_2026.json"
PUBLIC: dict[str, dict[str, object]] = {
    "depth": {"symbol": COIN, "limit": 5},
    "trades": {"symbol": COIN, "limit": 5},
    "aggTrades": {"symbol": COIN, "limit": 5},
    "klines": {"symbol": COIN, "interval": "5m", "limit": 5},
    "premiumIndex": {"symbol": COIN},
    "openInterest": {"symbol": COIN},
    "ticker/24hr": {"symbol": COIN},
    "ticker/bookTicker": {},
    "ticker/price": {"symbol": COIN},
    "exchangeInfo": {},
}


def shape(value: Any) -> Any:
    """The kind of an answer, without its values: keys and types of objects, the first row of lists."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


@pytest.mark.recording
def test_public_answers_have_the_shape_of_recorded_ones(recordings: Path) -> None:
    recorded = json.loads((recordings / RECORDED).read_text())

    @on_exchange()
    async def compare(demo: Client, other: Client) -> None:
        for name, params in PUBLIC.items():
            real = next(
                row["data"]
                for row in recorded[f"GET /dapi/v1/{name}"]
                if row["data"]
                and "code" not in row["data"]
                and ("symbol" not in params or "USD" in row["query"])
            )
            status, ours = await demo.public(f"/dapi/v1/{name}", **params)
            assert status == 200
            assert shape_of(name, ours) == shape_of(name, real), name

    compare()


def shape_of(name: str, answer: Any) -> Any:
    """Lists of levels, filters and the like vary in length: their rows are compared, not their number."""
    if name != "exchangeInfo":
        return shape(answer)
    row = next(each for each in answer["symbols"] if each["symbol"] == COIN)
    own = {key: type(each).__name__ for key, each in row.items() if key not in ("filters", "permissionSets")}
    filters = {each["filterType"]: shape(each) for each in row["filters"]}
    return sorted(set(answer) - {"timezone"}), own, filters


@on_exchange(quiet_products)
async def test_each_product_sees_its_own_contracts_and_wallet(demo: Client, other: Client) -> None:
    for root, mine, foreign, asset in (("fapi", SYMBOL, COIN, "USDT"), ("dapi", COIN, SYMBOL, "BTC")):
        _, info = await demo.public(f"/{root}/v1/exchangeInfo")
        assert [row["symbol"] for row in info["symbols"]] == [mine]
        status, refusal = await demo.public(f"/{root}/v1/depth", symbol=foreign)
        assert (status, refusal["code"]) == (400, -1121)
        params = {"symbol": foreign, "side": "BUY", "type": "MARKET", "quantity": "1"}
        status, refusal = await demo.signed("POST", f"/{root}/v1/order", **params)
        assert (status, refusal["code"]) == (400, -1121)
        version = "v3" if root == "fapi" else "v1"
        _, account = await demo.signed("GET", f"/{root}/{version}/account")
        assert [row["asset"] for row in account["assets"]] == [asset]
        _, income = await demo.signed("GET", f"/{root}/v1/income")
        assert {row["asset"] for row in income} == {asset}
    assert (await demo.public("/dapi/v1/multiAssetsMargin"))[0] == 404


@on_exchange(quiet_products)
async def test_orders_of_one_product_are_not_found_in_the_other(demo: Client, other: Client) -> None:
    await demo.limit("BUY", "0.01", "59000", newClientOrderId="linear")
    coin = {"symbol": COIN, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "2"}
    _, placed = await demo.signed("POST", "/dapi/v1/order", **coin, price="59000", newClientOrderId="coin")
    assert (placed["pair"], placed["cumQty"], placed["price"]) == ("BTCUSD", "0", "59000.0")
    stop = {"algoType": "CONDITIONAL", "symbol": COIN, "side": "BUY", "type": "STOP_MARKET", "quantity": "1"}
    _, algo = await demo.signed(
        "POST", "/dapi/v1/algoOrder", **stop, triggerPrice="65000", clientAlgoId="arm"
    )
    for root, name, open_algos in (("fapi", "linear", 0), ("dapi", "coin", 1)):
        _, orders = await demo.signed("GET", f"/{root}/v1/openOrders")
        assert [row["clientOrderId"] for row in orders] == [name]
        _, algos = await demo.signed("GET", f"/{root}/v1/openAlgoOrders")
        assert len(algos) == open_algos
    assert (await demo.signed("GET", "/fapi/v1/algoOrder", algoId=algo["algoId"]))[1]["code"] == -2013
    assert (await demo.signed("DELETE", "/fapi/v1/algoOrder", algoId=algo["algoId"]))[1]["code"] == -2011
    _, cancelled = await demo.signed("DELETE", "/dapi/v1/algoOrder", algoId=algo["algoId"])
    assert cancelled["algoStatus"] == "CANCELED"


@on_exchange(quiet_products)
async def test_a_position_is_told_in_contracts_and_coins(demo: Client, other: Client) -> None:
    _, bought = await demo.signed(
        "POST", "/dapi/v1/order", symbol=COIN, side="BUY", type="MARKET", quantity="60"
    )
    assert (bought["status"], bought["executedQty"]) == ("FILLED", "60")
    _, order = await demo.signed("GET", "/dapi/v1/order", symbol=COIN, orderId=bought["orderId"])
    assert (order["avgPrice"], order["cumBase"]) == ("60100.00000", "0.09983361")  # 6,000 / 60,100
    (row,) = (await demo.signed("GET", "/dapi/v1/positionRisk"))[1]
    assert (row["positionAmt"], row["notionalValue"], row["maxQty"]) == ("60", "0.1", "50")
    assert row["unRealizedProfit"] == "-0.00016639"  # 6,000 (1 / 60,100 - 1 / 60,000)
    (trade,) = (await demo.signed("GET", "/dapi/v1/userTrades", symbol=COIN))[1]
    assert (trade["baseQty"], trade["marginAsset"], trade["pair"]) == ("0.09983361", "BTC", "BTCUSD")
    assert (trade["commission"], trade["commissionAsset"]) == ("0.00004992", "BTC")  # 0.05 %
    (rows,) = (await demo.signed("GET", "/dapi/v2/leverageBracket"))[1]
    assert (rows["symbol"], rows["brackets"][0]["qtyCap"]) == (COIN, 5)
    (rows,) = (await demo.signed("GET", "/dapi/v1/leverageBracket", pair="BTCUSD"))[1]
    assert rows["pair"] == "BTCUSD"
    _, fees = await demo.signed("GET", "/dapi/v1/commissionRate", symbol=COIN)
    assert (fees["makerCommissionRate"], fees["takerCommissionRate"]) == ("0.0002", "0.0005")
    _, answer = await demo.signed("POST", "/dapi/v1/leverage", symbol=COIN, leverage=50)
    assert answer == {"symbol": COIN, "leverage": 50, "maxQty": "20"}


@on_exchange(quiet_products)
async def test_open_interest_of_one_path_serves_both(demo: Client, other: Client) -> None:
    path = "/futures/data/openInterestHist"
    (coin,) = (await demo.public(path, pair="BTCUSD", contractType="PERPETUAL", period="5m", limit=1))[1]
    assert set(coin) == {"pair", "contractType", "sumOpenInterest", "sumOpenInterestValue", "timestamp"}
    assert coin["sumOpenInterestValue"] == "19666.66666667"  # 11,800,000 x 100 / 60,000
    (linear,) = (await demo.public(path, symbol=SYMBOL, period="5m", limit=1))[1]
    assert linear["symbol"] == SYMBOL
    for wrong in ({"pair": "XYZUSD", "contractType": "PERPETUAL"}, {"pair": "BTCUSD", "contractType": "X"}):
        assert (await demo.public(path, period="5m", **wrong))[1]["code"] == -1121


@on_exchange()
async def test_streams_carry_what_the_venues_own_do(demo: Client, other: Client) -> None:
    """Keys as in frames of dstream that were recorded in September 2026."""
    wanted = {
        "depth@100ms": {"e", "E", "T", "s", "ps", "U", "u", "pu", "b", "a", "st"},
        "bookTicker": {"e", "u", "s", "ps", "b", "B", "a", "A", "T", "E", "st"},
        "trade": {"e", "E", "T", "s", "t", "p", "q", "X", "m"},
        "aggTrade": {"e", "E", "s", "a", "p", "q", "f", "l", "T", "m"},
        "markPrice@1s": {"e", "E", "s", "p", "ap", "P", "i", "r", "T", "st"},
        "kline_1m": {"e", "E", "s", "k"},
        "ticker": set("eEspPwcQohlvqOCFLn") | {"ps", "st"},
    }
    names = "/".join(f"{COIN.lower()}@{name}" for name in wanted)
    async with demo.socket(f"/stream?streams={names}") as socket:
        spoken: dict[str, Any] = {}
        while len(spoken) < len(wanted):
            message = await hear(socket, lambda m: True)
            spoken[message["stream"].partition("@")[2]] = message["data"]
    assert {name: set(data) for name, data in spoken.items()} == wanted
    assert {data["s"] for data in spoken.values()} == {COIN}
    assert {data["st"] for data in spoken.values() if "st" in data} == {2}
    assert {data["ps"] for data in spoken.values() if "ps" in data} == {"BTCUSD"}


@on_exchange(quiet_products)
async def test_a_listen_key_tells_of_its_product_alone(demo: Client, other: Client) -> None:
    _, coin = await demo.raw("POST", "/dapi/v1/listenKey")
    _, linear = await demo.raw("POST", "/fapi/v1/listenKey")
    assert coin != linear
    assert (await demo.raw("PUT", "/dapi/v1/listenKey"))[1] == coin
    async with (
        demo.socket(f"/ws/{coin['listenKey']}") as coins,
        demo.socket(f"/private/ws/{linear['listenKey']}") as dollars,
    ):
        await demo.signed("POST", "/dapi/v1/order", symbol=COIN, side="BUY", type="MARKET", quantity="3")
        await demo.market("BUY", "0.01")
        await demo.signed("POST", "/dapi/v1/leverage", symbol=COIN, leverage=11)
        await demo.signed("POST", "/fapi/v1/leverage", symbol=SYMBOL, leverage=12)
        told = await events(coins, lambda m: m["e"] == "ACCOUNT_CONFIG_UPDATE")
        assert {row["o"]["s"] for row in told if row["e"] == "ORDER_TRADE_UPDATE"} == {COIN}
        assert {row["o"]["ma"] for row in told if row["e"] == "ORDER_TRADE_UPDATE"} == {"BTC"}
        assert {b["a"] for row in told if row["e"] == "ACCOUNT_UPDATE" for b in row["a"]["B"]} == {"BTC"}
        assert told[-1]["ac"] == {"s": COIN, "l": 11}
        told = await events(dollars, lambda m: m["e"] == "ACCOUNT_CONFIG_UPDATE")
        assert {b["a"] for row in told if row["e"] == "ACCOUNT_UPDATE" for b in row["a"]["B"]} == {"USDT"}
        assert told[-1]["ac"] == {"s": SYMBOL, "l": 12}
        await demo.control("POST", "expire_listen_key", {"account": "demo-key"})
        for socket in (coins, dollars):
            assert (await hear(socket, lambda m: True))["e"] == "listenKeyExpired"


@on_exchange(quiet_products)
async def test_a_linear_listen_key_is_silent_on_the_unrouted_path(demo: Client, other: Client) -> None:
    _, linear = await demo.raw("POST", "/fapi/v1/listenKey")
    async with demo.socket(f"/ws/{linear['listenKey']}") as socket:
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        assert await hear(socket, lambda m: True) == {"result": [], "id": 1}


@on_exchange(quiet_products)
async def test_an_account_gets_each_asset_once(demo: Client, other: Client) -> None:
    key = {"key": "k", "secret": "s", "account": "ann"}
    for asset, balance in (("USDT", "5"), ("BTC", "2"), ("BTC", "7")):
        await demo.control("POST", "account", {**key, "asset": asset, "balance": balance})
    state = await demo.control("GET", "state")
    wallets = {name: row["wallet"] for name, row in state["accounts"]["ann"]["balances"].items()}
    assert wallets == {"USDT": "5", "BTC": "2"}
    body = {**key, "asset": "DOGE", "balance": "1"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{demo.venue.url}/control/account", json=body) as answer,
    ):
        assert answer.status == 400
        assert "settles in DOGE" in await answer.text()
