"""The dialect that amends conditional orders, over HTTP; and the real one, which does not."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from contractdesk.exchange.launch import ExchangeOptions
from tests.exchange.loopback import SYMBOL, TWO, Client, hear, on_exchange, quiet_exchange

ALGO = "/fapi/v1/algoOrder"
DIALECT = ExchangeOptions(accounts=TWO, amend_stops=True)
PUT = {"method": "PUT", "path": ALGO}


async def guarded(demo: Client, other: Client) -> None:
    """A long of 0.01 under the stop "guard" at 59,000."""
    await other.limit("SELL", "0.01", "60000")
    assert (await demo.market("BUY", "0.01"))[0] == 200
    terms = {"quantity": "0.01", "reduceOnly": "true", "workingType": "MARK_PRICE"}
    assert (await demo.stop("SELL", "59000", clientAlgoId="guard", **terms))[0] == 200


async def amend(demo: Client, trigger: str, quantity: str = "0.01", **more: object) -> tuple[int, object]:
    terms = {"symbol": SYMBOL, "triggerPrice": trigger, "quantity": quantity, "clientAlgoId": "guard"}
    return await demo.signed("PUT", ALGO, **{**terms, **more})


async def terms_of(demo: Client) -> list[tuple[str, str]]:
    """Trigger and quantity since the placing, by the exchange's own books."""
    (row,) = (await demo.control("GET", "state"))["accounts"]["demo-key"]["algo_orders"]
    return [(each["trigger_price"], each["quantity"]) for each in row["amendments"]]


@on_exchange(quiet_exchange)
async def test_the_real_venue_has_no_such_request(demo: Client, other: Client) -> None:
    await guarded(demo, other)
    status, answer = await amend(demo, "59500")
    assert (status, answer["code"]) == (404, -5000)
    assert await terms_of(demo) == []


@on_exchange(quiet_exchange, DIALECT)
async def test_an_amend_is_answered_like_a_query_and_told_on_the_stream(demo: Client, other: Client) -> None:
    await guarded(demo, other)
    socket = await demo.user_socket()
    status, answer = await amend(demo, "59500.0", "0.005")
    assert status == 200
    assert answer == (await demo.signed("GET", ALGO, symbol=SYMBOL, clientAlgoId="guard"))[1]
    assert (answer["triggerPrice"], answer["quantity"], answer["algoStatus"]) == ("59500.00", "0.005", "NEW")
    told = await hear(socket, lambda frame: frame["e"] == "ALGO_UPDATE")
    assert (told["o"]["X"], told["o"]["tp"], told["o"]["q"]) == ("NEW", "59500.00", "0.005")
    await socket.close()
    assert await terms_of(demo) == [("59000", "0.01"), ("59500.0", "0.005")]


@on_exchange(quiet_exchange, DIALECT)
async def test_what_cannot_be_amended_says_why(demo: Client, other: Client) -> None:
    await guarded(demo, other)
    for code, ask in (
        (-2013, amend(demo, "59500", clientAlgoId="nobody")),
        (-2021, amend(demo, "60500")),
        (-4014, amend(demo, "59500.05")),
        (-1102, amend(demo, "59500", triggerPrice=None)),
        (-1102, amend(demo, "59500", quantity=None)),
        (-1102, amend(demo, "59500", clientAlgoId=None)),
        (-1121, amend(demo, "59500", symbol="NOSUCH")),
    ):
        status, answer = await ask
        assert (status, answer["code"]) == (400, code)
    assert (await demo.signed("DELETE", ALGO, symbol=SYMBOL, clientAlgoId="guard"))[0] == 200
    assert (await amend(demo, "59500"))[1]["code"] == -2013
    assert await terms_of(demo) == []


@on_exchange(quiet_exchange, DIALECT)
async def test_faults_strike_an_amend_as_they_strike_a_create(demo: Client, other: Client) -> None:
    await guarded(demo, other)
    for when, trigger in (("before", "59100"), ("after", "59200")):
        await demo.fault("drop_request", when=when, match=PUT, count=2)  # a PUT is sent again by aiohttp
        with pytest.raises(aiohttp.ClientError):
            await amend(demo, trigger)
        await demo.control("DELETE", "fault")
    await demo.fault("answer", status=503, msg="Service Unavailable.", match=PUT)
    assert (await amend(demo, "59300"))[0] == 503
    await demo.fault("delay", ms=100, when="before", match=PUT)
    late = asyncio.create_task(amend(demo, "59400"))
    await asyncio.sleep(0)
    assert [trigger for trigger, _ in await terms_of(demo)] == ["59000", "59200"]
    assert (await late)[0] == 200
    assert [trigger for trigger, _ in await terms_of(demo)] == ["59000", "59200", "59400"]
