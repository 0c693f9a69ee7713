"""Levers of the control API that stage what a venue does rarely: one bad mark, a stop that it takes away."""

from __future__ import annotations

from decimal import Decimal

from tests.exchange.loopback import SYMBOL, Client, hear, on_exchange, quiet_exchange

STREAM = "/market/ws/btcusdt@markPrice@1s"


@on_exchange(quiet_exchange)
async def test_one_mark_is_printed_off_the_index(ann: Client, bob: Client) -> None:
    async with ann.socket(STREAM) as socket:
        await ann.control("POST", "mark", {"symbol": SYMBOL, "mark": "51000.5"})
        frame = await hear(socket, lambda said: said.get("e") == "markPriceUpdate")
    assert (Decimal(frame["p"]), Decimal(frame["i"])) == (Decimal("51000.5"), Decimal(60_000))
    marks = (await ann.control("GET", "state"))["marks"][SYMBOL]
    assert (Decimal(marks["mark_price"]), Decimal(marks["index_price"])) == (Decimal("51000.5"), 60_000)


@on_exchange(quiet_exchange)
async def test_such_a_mark_triggers_what_watches_it(ann: Client, bob: Client) -> None:
    await ann.market("BUY", "0.001", reduceOnly="false")
    _, stop = await ann.stop("SELL", "55000", closePosition="true", workingType="MARK_PRICE")
    await ann.control("POST", "mark", {"symbol": SYMBOL, "mark": "55000.1"})
    assert len((await ann.control("GET", "state"))["accounts"][ann.account.key]["open_algo_orders"]) == 1
    await ann.control("POST", "mark", {"symbol": SYMBOL, "mark": "55000"})
    account = (await ann.control("GET", "state"))["accounts"][ann.account.key]
    assert account["open_algo_orders"] == []
    assert [row["algo_id"] for row in account["algo_orders"] if row["triggered_ns"]] == [stop["algoId"]]


@on_exchange(quiet_exchange)
async def test_a_mark_must_be_a_positive_number_of_a_listed_symbol(ann: Client, bob: Client) -> None:
    for body in (
        {"symbol": SYMBOL, "mark": "0"},
        {"symbol": SYMBOL, "mark": "NaN"},
        {"symbol": "X", "mark": "1"},
    ):
        async with ann.http.post(f"{ann.venue.url}/control/mark", json=body) as answer:
            assert answer.status == 400
    marks = (await ann.control("GET", "state"))["marks"][SYMBOL]
    assert Decimal(marks["mark_price"]) == 60_000


@on_exchange(quiet_exchange)
async def test_open_algo_orders_expire_and_their_owner_hears_of_it(ann: Client, bob: Client) -> None:
    await ann.stop("SELL", "55000", quantity="0.001", reduceOnly="true", workingType="MARK_PRICE")
    await bob.stop("SELL", "55000", quantity="0.001", reduceOnly="true", workingType="MARK_PRICE")
    async with await ann.user_socket() as socket:
        await ann.control("POST", "expire_algos", {"account": ann.account.key, "symbol": SYMBOL})
        frame = await hear(socket, lambda said: said.get("e") == "ALGO_UPDATE")
    assert frame["o"]["X"] == "EXPIRED"
    accounts = (await ann.control("GET", "state"))["accounts"]
    assert accounts[ann.account.key]["open_algo_orders"] == []
    (row,) = accounts[ann.account.key]["algo_orders"]
    assert (row["status"], row["closed_ns"] > 0) == ("EXPIRED", True)
    assert len(accounts[bob.account.key]["open_algo_orders"]) == 1


@on_exchange(quiet_exchange)
async def test_settlements_of_the_past_are_told_and_nobody_paid_them(ann: Client, bob: Client) -> None:
    past = [[1_600_000_000_000, "0.0001"], [1_600_028_800_000, "-0.0002"]]
    await ann.control("POST", "past_funding", {"symbol": SYMBOL, "rates": past})
    await ann.control("POST", "past_funding", {"symbol": SYMBOL, "rates": [[1_500_000_000_000, "0.0003"]]})
    _, rows = await ann.public("/fapi/v1/fundingRate", symbol=SYMBOL)
    assert [(row["fundingTime"], Decimal(row["fundingRate"])) for row in rows] == [
        (1_500_000_000_000, Decimal("0.0003")),
        *((ms, Decimal(rate)) for ms, rate in past),
    ]
    account = (await ann.control("GET", "state"))["accounts"][ann.account.key]
    assert {entry["kind"] for entry in account["ledger"]} == {"TRANSFER"}
    for bad in (past[:1], past[::-1], [[4_000_000_000_000, "0"]]):
        wish = {"symbol": SYMBOL, "rates": bad}
        async with ann.http.post(f"{ann.venue.url}/control/past_funding", json=wish) as answer:
            assert answer.status == 400


@on_exchange(quiet_exchange)
async def test_resting_orders_that_the_venue_takes_away_are_expired(ann: Client, bob: Client) -> None:
    for client, price in ((ann, "59000"), (ann, "59001"), (bob, "59000")):
        assert (await client.limit("BUY", "0.01", price))[0] == 200
    await ann.control("POST", "expire_orders", {"account": ann.account.key, "symbol": SYMBOL})
    accounts = (await ann.control("GET", "state"))["accounts"]
    ours, theirs = accounts[ann.account.key], accounts[bob.account.key]
    assert [row["status"] for row in ours["orders"]] == ["EXPIRED", "EXPIRED"]
    assert all(Decimal(row["open_order_initial_margin"]) == 0 for row in ours["balances"].values())
    assert len(theirs["open_orders"]) == 1
