"""What the house does to its customers: by force, by decree, or without a word."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.exchange.loopback import SYMBOL, Client, hear, on_exchange, quiet_exchange

pytestmark = pytest.mark.timeout(60)
D = Decimal


async def account(ann: Client) -> dict[str, Any]:
    state = await ann.control("GET", "state")
    found: dict[str, Any] = state["accounts"][ann.account.key]
    return found


async def held(ann: Client) -> Decimal:
    return D((await account(ann))["positions"][SYMBOL]["size"])


async def long(ann: Client, size: str = "0.01") -> None:
    assert (await ann.market("BUY", size))[0] == 200
    stopped, _ = await ann.stop("SELL", "55000", quantity=size, reduceOnly="true", workingType="MARK_PRICE")
    assert stopped == 200


@pytest.mark.parametrize(("lever", "prefix"), [("liquidate", "autoclose-"), ("deleverage", "adl_autoclose-")])
def test_a_part_is_closed_by_force_and_orders_stay(lever: str, prefix: str) -> None:
    @on_exchange(quiet_exchange)
    async def story(ann: Client, bob: Client) -> None:
        await long(ann)
        wish = {"account": ann.account.key, "symbol": SYMBOL, "quantity": "0.004"}
        async with await ann.user_socket() as socket:
            await ann.control("POST", lever, wish)
            frame = await hear(socket, lambda said: said.get("e") == "ORDER_TRADE_UPDATE" and said["o"]["t"])
        assert (frame["o"]["x"], frame["o"]["c"].startswith(prefix)) == ("CALCULATED", True)
        assert await held(ann) == D("0.006")
        assert len((await account(ann))["open_algo_orders"]) == 1
        async with ann.http.post(f"{ann.venue.url}/control/{lever}", json=wish | {"quantity": "1"}) as answer:
            assert answer.status == 400
        assert await held(ann) == D("0.006")

    story()


@on_exchange(quiet_exchange)
async def test_a_contract_about_to_be_delisted_takes_only_what_reduces(ann: Client, bob: Client) -> None:
    await long(ann)
    await ann.control("POST", "status", {"symbol": SYMBOL, "status": "PRE_SETTLE"})
    _, info = await ann.public("/fapi/v1/exchangeInfo")
    assert info["symbols"][0]["status"] == "PRE_SETTLE"
    assert (await ann.market("BUY", "0.01"))[1]["code"] == -4140
    assert (await ann.market("SELL", "0.004", reduceOnly="true"))[0] == 200
    await ann.control("POST", "status", {"symbol": SYMBOL, "status": "SETTLING"})
    assert (await ann.market("SELL", "0.004", reduceOnly="true"))[1]["code"] == -4108
    assert (await ann.stop("SELL", "54000", quantity="0.006", reduceOnly="true"))[1]["code"] == -4108
    await ann.control("POST", "status", {"symbol": SYMBOL, "status": "TRADING"})
    assert (await ann.market("BUY", "0.004"))[0] == 200


@on_exchange(quiet_exchange)
async def test_a_delisting_settles_at_the_mark_and_leaves_no_order(ann: Client, bob: Client) -> None:
    await long(ann)
    await ann.limit("BUY", "0.01", "59000")
    await ann.control("POST", "mark", {"symbol": SYMBOL, "mark": "59500"})
    await ann.control("POST", "delist", {"symbol": SYMBOL})
    found = await account(ann)
    assert (await held(ann), found["open_orders"], found["open_algo_orders"]) == (0, [], [])
    last = found["fills"][-1]
    assert (D(last["price"]), last["client_id"].startswith("settlement_autoclose-")) == (59_500, True)
    _, info = await ann.public("/fapi/v1/exchangeInfo")
    assert info["symbols"][0]["status"] == "CLOSE"
    assert (await ann.market("BUY", "0.01"))[1]["code"] == -4108


@on_exchange(quiet_exchange)
async def test_an_adjustment_moves_the_wallet_and_no_row_of_the_ledger_tells_why(
    ann: Client, bob: Client
) -> None:
    _, before = await ann.signed("GET", "/fapi/v1/income")
    wallet = D((await account(ann))["balances"]["USDT"]["wallet"])
    async with await ann.user_socket() as socket:
        await ann.control("POST", "adjust", {"account": ann.account.key, "amount": "-200"})
        frame = await hear(socket, lambda said: said.get("e") == "ACCOUNT_UPDATE")
    assert (frame["a"]["m"], D(frame["a"]["B"][0]["bc"])) == ("ADJUSTMENT", -200)
    assert D((await account(ann))["balances"]["USDT"]["wallet"]) == wallet - 200
    assert (await ann.signed("GET", "/fapi/v1/income"))[1] == before


@on_exchange(quiet_exchange)
async def test_a_key_that_is_revoked_and_an_address_that_is_banned(ann: Client, bob: Client) -> None:
    await ann.control("POST", "revoke", {"key": ann.account.key})
    assert (await ann.signed("GET", "/fapi/v3/account"))[1]["code"] == -2015
    assert (await bob.signed("GET", "/fapi/v3/account"))[0] == 200
    await ann.control("POST", "ban", {"seconds": 30})
    status, answer = await bob.public("/fapi/v1/time")
    assert (status, answer["code"]) == (418, -1003)
    assert 28 <= int(bob.headers["Retry-After"]) <= 30
    await ann.control("POST", "limits", {})
    assert (await bob.public("/fapi/v1/time"))[0] == 200


@on_exchange(quiet_exchange)
async def test_an_order_is_filled_beyond_its_size(ann: Client, bob: Client) -> None:
    _, order = await ann.limit("BUY", "0.01", "59500")
    wish = {"account": ann.account.key, "symbol": SYMBOL, "quantity": "0.002"}
    await ann.control("POST", "overfill", wish)
    account = (await ann.control("GET", "state"))["accounts"][ann.account.key]
    (row,) = account["orders"]
    assert (row["order_id"], row["status"], Decimal(row["executed"])) == (
        order["orderId"],
        "FILLED",
        Decimal("0.012"),
    )
    assert Decimal(account["positions"][SYMBOL]["size"]) == Decimal("0.012")
    with pytest.raises(AssertionError, match="no order"):
        await ann.control("POST", "overfill", wish)


@on_exchange(quiet_exchange)
async def test_filters_change_and_what_does_not_fit_is_refused(ann: Client, bob: Client) -> None:
    assert (await ann.limit("BUY", "0.013", "59000.1"))[0] == 200
    await ann.control(
        "POST", "filters", {"symbol": SYMBOL, "tick_size": "0.5", "lot_size": "0.01", "min_notional": "700"}
    )
    for size, price, code in (
        ("0.02", "59000.1", -4014),
        ("0.013", "59000.5", -1111),
        ("0.01", "59000.5", -4164),
    ):
        assert (await ann.limit("BUY", size, price))[1]["code"] == code
    assert (await ann.limit("BUY", "0.02", "59000.5"))[0] == 200
    _, info = await ann.public("/fapi/v1/exchangeInfo")
    filters = {row["filterType"]: row for row in info["symbols"][0]["filters"]}
    assert Decimal(filters["PRICE_FILTER"]["tickSize"]) == Decimal("0.5")
    assert Decimal(filters["LOT_SIZE"]["stepSize"]) == Decimal("0.01")
    with pytest.raises(AssertionError, match="multiple of"):
        await ann.control("POST", "filters", {"symbol": SYMBOL, "tick_size": "0.05"})
