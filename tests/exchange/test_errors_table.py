"""What is refused, and with which of Binance's codes: one row each, over real HTTP."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import pytest

from contractdesk.exchange.wire.binance.signing import signature
from tests.exchange.loopback import DEMO, SYMBOL, Client, on_exchange, quiet_exchange

LIMIT = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
AT = {**LIMIT, "price": "59000"}
MARKET = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET"}
ALGO = {
    "algoType": "CONDITIONAL",
    "symbol": SYMBOL,
    "side": "SELL",
    "type": "STOP_MARKET",
    "quantity": "0.01",
    "triggerPrice": "55000",
    "workingType": "MARK_PRICE",
}
ORDER, ALGOS = "/fapi/v1/order", "/fapi/v1/algoOrder"
TRADES, INTEREST = "/fapi/v1/aggTrades", "/futures/data/openInterestHist"

ROWS: list[tuple[str, str, str, dict[str, Any], int]] = [
    ("a conditional type on the order endpoint", "POST", ORDER, {**AT, "type": "STOP_MARKET"}, -4120),
    ("a trailing stop on the order endpoint", "POST", ORDER, {**AT, "type": "TRAILING_STOP_MARKET"}, -4120),
    ("post-only that would take", "POST", ORDER, {**LIMIT, "timeInForce": "GTX", "price": "60100"}, -5022),
    ("fill-or-kill beyond the book", "POST", ORDER, {**AT, "timeInForce": "FOK"}, -5021),
    ("reduce-only with nothing to reduce", "POST", ORDER, {**AT, "reduceOnly": "true"}, -2022),
    ("more than the margin", "POST", ORDER, {**AT, "quantity": "10"}, -2019),
    ("an unknown symbol", "POST", ORDER, {**AT, "symbol": "NOPEUSDT"}, -1121),
    ("a price off the tick", "POST", ORDER, {**AT, "price": "59000.05"}, -4014),
    ("a price with too many decimals", "POST", ORDER, {**AT, "price": "59000.001"}, -1111),
    ("a quantity with too many decimals", "POST", ORDER, {**AT, "quantity": "0.0105"}, -1111),
    ("less than the minimum notional", "POST", ORDER, {**AT, "quantity": "0.001"}, -4164),
    ("a price far through the market", "POST", ORDER, {**LIMIT, "price": "90000"}, -4016),
    ("no side", "POST", ORDER, {**AT, "side": ""}, -1102),
    ("a side that is none", "POST", ORDER, {**AT, "side": "HOLD"}, -1117),
    ("a type that is none", "POST", ORDER, {**AT, "type": "ICEBERG"}, -1116),
    ("a limit without a price", "POST", ORDER, LIMIT, -1102),
    ("a limit without a time in force", "POST", ORDER, {**AT, "timeInForce": ""}, -1102),
    ("a market order without a quantity", "POST", ORDER, MARKET, -1102),
    ("no quantity at all", "POST", ORDER, {**AT, "quantity": "0"}, -4003),
    ("a number that is none", "POST", ORDER, {**AT, "quantity": "many"}, -1100),
    ("a NaN", "POST", ORDER, {**AT, "price": "NaN"}, -1100),
    ("a client id with a blank", "POST", ORDER, {**AT, "newClientOrderId": "a b"}, -4015),
    ("a hedge side in one-way mode", "POST", ORDER, {**AT, "positionSide": "LONG"}, -4061),
    ("cancel of an unknown order", "DELETE", ORDER, {"symbol": SYMBOL, "orderId": 7}, -2011),
    ("query of an unknown order", "GET", ORDER, {"symbol": SYMBOL, "orderId": 7}, -2013),
    ("cancel without an id", "DELETE", ORDER, {"symbol": SYMBOL}, -1102),
    ("a stop that would trigger", "POST", ALGOS, {**ALGO, "triggerPrice": "65000"}, -2021),
    ("closePosition with a quantity", "POST", ALGOS, {**ALGO, "closePosition": "true"}, -4137),
    ("a stop without a trigger", "POST", ALGOS, {**ALGO, "triggerPrice": ""}, -1102),
    ("cancel of an unknown stop", "DELETE", ALGOS, {"algoId": 7}, -2011),
    ("query of an unknown stop", "GET", ALGOS, {"algoId": 7}, -2013),
    ("trades by id and by time", "GET", TRADES, {"symbol": SYMBOL, "fromId": 1, "startTime": 1}, -1128),
    (
        "trades of over an hour",
        "GET",
        TRADES,
        {"symbol": SYMBOL, "startTime": 0, "endTime": 3_600_001},
        -1127,
    ),
    ("old open interest", "GET", INTEREST, {"symbol": SYMBOL, "period": "5m", "startTime": 0}, -1130),
    ("leverage beyond the brackets", "POST", "/fapi/v1/leverage", {"symbol": SYMBOL, "leverage": 200}, -4028),
    (
        "the margin type it already has",
        "POST",
        "/fapi/v1/marginType",
        {"symbol": SYMBOL, "marginType": "CROSSED"},
        -4046,
    ),
    ("the mode it already has", "POST", "/fapi/v1/positionSide/dual", {"dualSidePosition": "false"}, -4059),
    ("a timestamp 6 s old", "GET", "/fapi/v3/account", {"timestamp": -6_000}, -1021),
    ("a timestamp 2 s ahead", "GET", "/fapi/v3/account", {"timestamp": 2_000}, -1021),
    ("a window of two minutes", "GET", "/fapi/v3/account", {"recvWindow": 120_000}, -1131),
]


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[int, Any]]:
    """All rows against one exchange; each of them is refused, so none disturbs the next."""
    found: dict[str, tuple[int, Any]] = {}

    @on_exchange(quiet_exchange)
    async def ask(demo: Client, second: Client) -> None:
        for name, method, path, params, _code in ROWS:
            said = dict(params)
            if "timestamp" in said:
                said["timestamp"] += int(time.time() * 1000)
            found[name] = await demo.signed(method, path, **said)

    ask()
    return found


@pytest.mark.parametrize(("name", "code"), [(row[0], row[4]) for row in ROWS], ids=[row[0] for row in ROWS])
def test_code(answers: dict[str, tuple[int, Any]], name: str, code: int) -> None:
    status, body = answers[name]
    assert (status, body["code"]) == (400, code), body
    assert body["msg"]


@on_exchange(quiet_exchange)
async def test_what_depends_on_what_stands_already(demo: Client, second: Client) -> None:
    assert (await demo.limit("BUY", "0.01", "59000", newClientOrderId="mine"))[0] == 200
    assert (await demo.limit("BUY", "0.01", "59000", newClientOrderId="mine"))[1]["code"] == -4116
    assert (await demo.market("BUY", "0.01"))[0] == 200
    assert (await demo.stop("SELL", "55000", closePosition="true"))[0] == 200
    assert (await demo.stop("SELL", "54000", closePosition="true"))[1]["code"] == -4130
    amended = {"symbol": SYMBOL, "side": "BUY", "quantity": "0.02", "price": "59000"}
    named = {**amended, "origClientOrderId": "mine", "reduceOnly": "true"}
    assert (await demo.signed("PUT", "/fapi/v1/order", **named))[1]["code"] == -5047
    same = {**amended, "origClientOrderId": "mine", "quantity": "0.01"}
    assert (await demo.signed("PUT", "/fapi/v1/order", **same))[1]["code"] == -5027
    isolated = {"symbol": SYMBOL, "marginType": "ISOLATED"}
    assert (await demo.signed("POST", "/fapi/v1/marginType", **isolated))[1]["code"] == -4047


@on_exchange(quiet_exchange)
async def test_keys_and_signatures(demo: Client, second: Client) -> None:
    query = urlencode({"timestamp": int(time.time() * 1000)})
    status, body = await demo.raw("GET", "/fapi/v3/account", f"{query}&signature={'0' * 64}")
    assert (status, body["code"]) == (400, -1022)
    assert (await demo.raw("GET", "/fapi/v3/account", query))[1]["code"] == -1102
    demo.account = type(DEMO)(key="nobody", secret="x")
    assert await demo.signed("GET", "/fapi/v3/account") == (
        401,
        {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."},
    )
    demo.account = type(DEMO)(key="", secret="x")
    assert (await demo.signed("GET", "/fapi/v3/account"))[1]["code"] == -2014


@on_exchange(quiet_exchange)
async def test_signed_parameters_may_stand_in_query_body_or_both(demo: Client, second: Client) -> None:
    stamp = f"timestamp={int(time.time() * 1000)}"
    first, rest = f"symbol={SYMBOL}&side=BUY&type=LIMIT", "timeInForce=GTC&quantity=0.01&price=59000"

    def sign(payload: str) -> str:
        return f"signature={signature(DEMO.secret, payload)}"

    whole = f"{first}&{rest}&{stamp}"
    mixed = f"{rest}&{stamp}"
    assert (await demo.raw("POST", ORDER, f"{whole}&{sign(whole)}"))[0] == 200
    assert (await demo.raw("POST", ORDER, "", f"{whole}&{sign(whole)}"))[0] == 200
    assert (await demo.raw("POST", ORDER, first, f"{mixed}&{sign(first + mixed)}"))[0] == 200
    assert (await demo.raw("POST", ORDER, first, f"{mixed}&{sign(f'{first}&{mixed}')}"))[1]["code"] == -1022


@on_exchange(quiet_exchange)
async def test_scopes_of_a_key(demo: Client, second: Client) -> None:
    reader = {"key": "reader", "secret": "s", "account": "demo-key", "scopes": {"futures": False}}
    await demo.control("POST", "account", reader)
    demo.account = type(DEMO)(key="reader", secret="s")
    assert (await demo.signed("GET", "/fapi/v3/account"))[0] == 200
    assert (await demo.limit("BUY", "0.01", "59000"))[1]["code"] == -2015
    _, scopes = await demo.signed("GET", "/sapi/v1/account/apiRestrictions")
    assert (scopes["enableFutures"], scopes["enableReading"], scopes["enableWithdrawals"]) == (
        False,
        True,
        False,
    )
