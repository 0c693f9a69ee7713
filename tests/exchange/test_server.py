"""The server over real sockets: orders and their history, limits, control, process."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from decimal import Decimal

import aiohttp
import pytest

from contractdesk.clock import ManualClock
from contractdesk.errors import ConfigError
from contractdesk.exchange.__main__ import options_of
from contractdesk.exchange.launch import AccountOption, ExchangeOptions, running
from contractdesk.exchange.limits import Quota
from tests.exchange.loopback import (
    SYMBOL,
    TWO,
    Client,
    clients,
    eventually,
    on_exchange,
    quiet_exchange,
)


@on_exchange(quiet_exchange)
async def test_batches_countdown_and_history(demo: Client, other: Client) -> None:
    row = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    batch = [{**row, "price": "59000"}, {**row, "price": "59000.05"}, {**row, "type": "STOP"}]
    _, answers = await demo.signed("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps(batch))
    assert [answer.get("code", answer.get("status")) for answer in answers] == ["NEW", -4014, -4120]
    ids = json.dumps([answers[0]["orderId"]])
    _, gone = await demo.signed("DELETE", "/fapi/v1/batchOrders", symbol=SYMBOL, orderIdList=ids)
    assert gone[0]["status"] == "CANCELED"
    await demo.limit("BUY", "0.01", "59000")
    await demo.signed("POST", "/fapi/v1/countdownCancelAll", symbol=SYMBOL, countdownTime=50)
    await eventually(
        lambda: demo.signed("GET", "/fapi/v1/openOrders", symbol=SYMBOL), lambda answer: answer[1] == []
    )
    await demo.market("BUY", "0.01")
    await demo.market("SELL", "0.01")
    _, trades = await demo.signed("GET", "/fapi/v1/userTrades", symbol=SYMBOL)
    _, later = await demo.signed("GET", "/fapi/v1/userTrades", symbol=SYMBOL, fromId=trades[1]["id"])
    assert [trade["side"] for trade in trades] == ["BUY", "SELL"]
    assert later == trades[1:]
    _, since = await demo.signed(
        "GET", "/fapi/v1/userTrades", symbol=SYMBOL, startTime=trades[1]["time"], limit=10
    )
    assert trades[1] in since
    _, orders = await demo.signed("GET", "/fapi/v1/allOrders", symbol=SYMBOL)
    assert [order["status"] for order in orders] == ["CANCELED", "CANCELED", "FILLED", "FILLED"]
    _, income = await demo.signed("GET", "/fapi/v1/income", incomeType="COMMISSION")
    assert len(income) == 2


def test_used_weight_429_and_418() -> None:
    async def story() -> None:
        options = ExchangeOptions(accounts=TWO, quota=Quota(weight_1m=10, patience=2, ban_s=7))
        minute = ManualClock(time.time_ns() // (60 * 10**9) * 60 * 10**9)  # one that does not pass
        async with clients(options, quiet_exchange(), minute) as (demo, _):
            statuses = []
            for _ in range(5):
                status, body = await demo.public("/fapi/v1/trades", symbol=SYMBOL)  # weight 5
                statuses.append(status)
            assert statuses == [200, 200, 429, 429, 418]
            assert body["code"] == -1003
            assert demo.headers["Retry-After"] == "7"
            rows = await demo.control("GET", "requests")
            assert [row["weight"] for row in rows] == [5] * 5

    asyncio.run(story())


@on_exchange(quiet_exchange)
async def test_counters_in_the_headers(demo: Client, other: Client) -> None:
    await demo.limit("BUY", "0.01", "59000")
    await demo.limit("BUY", "0.01", "59000")
    assert demo.headers["X-MBX-ORDER-COUNT-1M"] in ("1", "2")  # a minute may have begun between them
    await demo.public("/fapi/v1/depth", symbol=SYMBOL, limit=1000)
    assert int(demo.headers["X-MBX-USED-WEIGHT-1M"]) >= 20


# -- control -----------------------------------------------------------------------------------


@on_exchange()
async def test_the_market_walks_where_it_is_told(demo: Client, other: Client) -> None:
    await demo.control("POST", "price", {"symbol": SYMBOL, "price": "61000", "seconds": 0.5})
    await eventually(
        lambda: demo.public("/fapi/v1/ticker/bookTicker", symbol=SYMBOL),
        lambda answer: abs(float(answer[1]["bidPrice"]) - 61_000) < 60,
    )


@on_exchange(quiet_exchange)
async def test_the_truth_and_the_request_log(demo: Client, other: Client) -> None:
    await demo.limit("BUY", "0.01", "59000", newClientOrderId="mine")
    await demo.market("BUY", "0.02", newClientOrderId="taken")
    await demo.stop("SELL", "55000", quantity="0.02", reduceOnly="true", clientAlgoId="guard")
    await demo.control("POST", "transfer", {"account": "demo-key", "amount": "500"})
    state = (await demo.control("GET", "state"))["accounts"]["demo-key"]
    assert state["positions"][SYMBOL]["size"] == "0.020"
    assert [row["client_id"] for row in state["open_orders"]] == ["mine"]
    assert [row["client_id"] for row in state["open_algo_orders"]] == ["guard"]
    assert [row["client_id"] for row in state["fills"]] == ["taken"]
    wallet = sum(Decimal(row["amount"]) for row in state["ledger"])
    assert wallet == Decimal(state["balances"]["USDT"]["wallet"]) == Decimal("10500") - Decimal("0.601")

    rows = await demo.control("GET", "requests")
    assert [row["seq"] for row in rows] == [1, 2, 3]
    assert [(row["client_id"], row["role"], row["status"]) for row in rows] == [
        ("mine", "entry", 200),
        ("taken", "entry", 200),
        ("guard", "stop", 200),
    ]
    assert rows[2]["reduce_only"] is True
    assert await demo.control("GET", "requests?since=2") == rows[2:]
    everything = json.dumps(rows)
    assert "secret" not in everything
    assert "signature" not in everything
    assert "demo-key" not in everything


@on_exchange(quiet_exchange)
async def test_control_refuses_with_a_sentence(demo: Client, other: Client) -> None:
    async def refused(name: str, body: object, **headers: str) -> tuple[int, str]:
        url = f"{demo.venue.url}/control/{name}"
        async with demo.http.post(url, json=body, headers=headers) as answer:
            return answer.status, await answer.text()

    assert (await refused("fault", {"kind": "earthquake"}))[0] == 400
    assert (await refused("fault", {"kind": "cut", "depth": 3}))[0] == 400
    assert (await refused("expire_listen_key", {"account": "nobody"}))[0] == 400
    assert (await refused("transfer", {"account": "demo-key", "amount": "-99999"}))[0] == 400
    assert (await refused("price", {"symbol": SYMBOL}, Origin="https://example.org"))[0] == 403


# -- the process -------------------------------------------------------------------------------


def test_options_from_the_command_line() -> None:
    options = options_of(["--account", "k:s:5", "--account", "l:t", "--port", "9", "--seed", "3"])
    assert options.accounts == (
        AccountOption(key="k", secret="s", balance=Decimal(5)),
        AccountOption(key="l", secret="t"),
    )
    assert (options.port, options.seed, options.recording) == (9, 3, None)
    assert "k" not in repr(options.accounts[0])
    assert options_of([]).accounts[0].balances == {"USDT": 10_000, "BTC": 1}
    assert AccountOption.parse("k:s:5:2").balances == {"USDT": 5, "BTC": 2}


@pytest.mark.parametrize(
    "account", ["k", "k:", ":s:1", "k:s:much", "k:s:-1", "k:s:NaN", "k:s:1:-1", "k:s:1:", "k:s:1:1:1"]
)
def test_an_account_that_is_none(account: str) -> None:
    with pytest.raises(ConfigError):
        AccountOption.parse(account)


def test_a_taken_port_is_one_clear_error() -> None:
    async def story() -> None:
        async with running() as venue:
            with pytest.raises(ConfigError, match=f"port {venue.port}"):
                async with running(ExchangeOptions(port=venue.port)):
                    pass

    asyncio.run(story())


def test_a_process_says_when_it_is_ready_and_ends_when_nobody_comes() -> None:
    async def story() -> int | None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "contractdesk.exchange", "--idle-limit", "0.3", "--seed", "7",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().split()
        assert line[0] == "ready"
        async with aiohttp.ClientSession() as http, http.get(f"{line[1]}/fapi/v1/ping") as answer:
            assert answer.status == 200
        return await asyncio.wait_for(process.wait(), 30)

    assert asyncio.run(story()) == 0


def test_a_wrong_option_is_one_line() -> None:
    async def story() -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "contractdesk.exchange", "--recording", "/nowhere",
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, err = await asyncio.wait_for(process.communicate(), 30)
        return process.returncode, err.decode()

    code, err = asyncio.run(story())
    assert code == 2
    assert len(err.splitlines()) == 1, err
