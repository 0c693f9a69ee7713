"""Orders on the loopback exchange: their whole life, lost answers, refusals, limits, the clock."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from contractdesk.domain.events import (
    AmendFailed,
    CancelFailed,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OutcomeUnknown,
)
from contractdesk.domain.orders import OrderRole, OrderStatus, Side, TimeInForce
from contractdesk.errors import RateLimited, VenueUnreachable
from contractdesk.venues.binance.accounts import WHOLE_EVERY_NS

from .rig import SYMBOL, Rig, live, open_rig, request

D = Decimal
FAR = D(30_000)


async def resting(rig: Rig) -> D:
    """A price that stays below the market for a while."""
    return (await rig.price() * D("0.9")).quantize(D("0.1"))


async def posts(rig: Rig, client_id: str) -> list[int]:
    """Statuses of the creates that were sent under an id."""
    rows = await rig.requests()
    return [row["status"] for row in rows if row["method"] == "POST" and row["client_id"] == client_id]


@live
async def test_the_life_of_orders_of_both_books(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        venue, entry = rig.venue, request()
        assert isinstance(await venue.submit(entry), OrderAccepted)
        filled = await rig.seen("OrderFilled", lambda event: event.client_id == entry.client_id)
        (theirs,) = await rig.truth("fills")
        assert str(theirs["trade_id"]) == filled.fill.trade_id
        assert D(theirs["price"]) == filled.fill.price
        assert D(theirs["commission"]) == filled.fill.fee != 0

        stop = request(OrderRole.STOP, Side.SELL, trigger_price=await resting(rig))
        assert isinstance(await venue.submit(stop), OrderAccepted)
        limit = request(price=await resting(rig), time_in_force=TimeInForce.GTX)
        assert isinstance(await venue.submit(limit), OrderAccepted)

        state = await venue.read_state(0)
        assert {order.client_id for order in state.orders} == {stop.client_id, limit.client_id}
        assert [position.size for position in state.account.positions] == [D("0.01")]
        assert [fill.trade_id for fill in state.fills] == [filled.fill.trade_id]
        assert state.fills[0].client_id == entry.client_id

        for order, conditional in ((limit, False), (stop, True)):
            read = await venue.query(SYMBOL, order.client_id, conditional=conditional)
            assert read.order is not None
            assert (read.order.status, read.order.size) == (OrderStatus.WORKING, order.size)
            gone = await venue.cancel(SYMBOL, order.client_id, conditional=conditional)
            assert isinstance(gone, OrderCancelled)
            await rig.seen("OrderCancelled", lambda event, order=order: event.client_id == order.client_id)
            again = await venue.cancel(SYMBOL, order.client_id, conditional=conditional)
            assert isinstance(again, CancelFailed)
            assert again.code == -2011
            absent = await venue.query(SYMBOL, "nosuchorder", conditional=conditional)
            assert absent.order is None


@live
async def test_what_nobody_watches_is_read_once_a_minute_because_it_costs_most(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        stop = request(OrderRole.STOP, Side.SELL, size="0.1", symbol="ETH/USDT:USDT", trigger_price=D(500))
        assert isinstance(await rig.venue.submit(stop), OrderAccepted)

        async def read() -> tuple[set[str], int, int]:
            """(ids of the open orders, conditional ones that were left out, the request weight spent)"""
            since = await rig.last_request()
            state = await rig.venue.read_state(0, ())
            spent = sum(row["weight"] for row in await rig.requests(since) if row["method"] == "GET")
            return {order.client_id for order in state.orders}, state.conditional_elsewhere, spent

        shown, elsewhere, cost = await read()
        assert (shown, elsewhere) == ({stop.client_id}, 0)
        assert cost >= 30 + 2 * 40
        shown, elsewhere, cost = await read()
        assert (shown, elsewhere) == (set(), 1), "it is not forgotten: it counts against the venue's limit"
        assert cost <= 30
        reads = rig.venue._private().reads
        assert reads._whole_ns is not None
        reads._whole_ns -= WHOLE_EVERY_NS
        assert (await read())[0] == {stop.client_id}
        await rig.venue.cancel(stop.symbol, stop.client_id, conditional=True)


@live
async def test_a_triggered_stops_fills_are_its_own(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        entry = request()
        await rig.venue.submit(entry)
        price = await rig.price()
        stop = request(OrderRole.STOP, Side.SELL, trigger_price=(price * D("0.998")).quantize(D("0.1")))
        assert isinstance(await rig.venue.submit(stop), OrderAccepted)
        walk = {"symbol": "BTCUSDT", "price": str((price * D("0.99")).quantize(D("0.1"))), "seconds": 0.5}
        await rig.control("POST", "price", walk)
        filled = await rig.seen("OrderFilled", lambda event: event.client_id == stop.client_id)
        triggered = await rig.seen("StopTriggered", lambda event: event.client_id == stop.client_id)
        assert filled.fill.venue_order_id == triggered.child_venue_id
        read = await rig.venue.query(SYMBOL, stop.client_id, conditional=True)
        assert read.order is not None
        assert (read.order.status, read.order.filled) == (OrderStatus.FILLED, stop.size)
        assert (await rig.venue.read_state(0)).fills[-1].client_id == stop.client_id
        await rig.venue.close()  # another process knows nothing, and has to find out the same
        rig.venue = rig.new_venue()
        await rig.venue.open(rig.emit)
        state = await rig.venue.read_state(0)
        assert {fill.client_id for fill in state.fills} <= {entry.client_id, stop.client_id}
        assert state.fills[-1].client_id == stop.client_id


@live
async def test_a_stop_cannot_be_amended_and_nobody_tries(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        await rig.venue.submit(request())
        stop = request(OrderRole.STOP, Side.SELL, trigger_price=await resting(rig))
        assert isinstance(await rig.venue.submit(stop), OrderAccepted)
        assert not rig.venue.capabilities.amend_stop
        refused = await rig.venue.amend_stop(SYMBOL, stop.client_id, stop.size, D(1))
        assert isinstance(refused, AmendFailed)
        assert (refused.code, refused.client_id) == (-5000, stop.client_id)
        assert "replaced" in refused.message
        assert not [
            row
            for row in await rig.requests()
            if (row["method"], row["path"]) == ("PUT", "/fapi/v1/algoOrder")
        ]


@live
async def test_what_the_venue_refuses_keeps_its_code(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        price = await rig.price()
        crossing = request(price=(price * D("1.01")).quantize(D("0.1")), time_in_force=TimeInForce.GTX)
        refusals = {
            -5022: crossing,
            -4164: request(price=await resting(rig), size="0.001"),
            -2022: request(OrderRole.FLATTEN, Side.SELL),
            -2021: request(OrderRole.STOP, Side.SELL, trigger_price=(price * 2).quantize(D("0.1"))),
            -4014: request(price=D("50000.05")),
            0: request(symbol="NO/SUCH:THING"),
        }
        for code, order in refusals.items():
            outcome = await rig.venue.submit(order)
            assert isinstance(outcome, OrderRejected), outcome
            assert outcome.code == code, outcome


@live
async def test_a_lost_answer_is_unknown_and_never_sent_again(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        price = await resting(rig)
        lost = {
            "executed": ({"kind": "drop_request", "when": "after"}, True),
            "not executed": ({"kind": "drop_request", "when": "before"}, False),
            "503 executed": (
                {"kind": "answer", "status": 503, "msg": "Unknown error, please check", "execute": True},
                True,
            ),
            "-1007": ({"kind": "answer", "status": 408, "code": -1007, "msg": "Timeout"}, False),
            "-1006": ({"kind": "answer", "status": 400, "code": -1006, "msg": "Unexpected"}, False),
        }
        for name, (fault, executed) in lost.items():
            order = request(price=price)
            await rig.fault(**fault, match={"method": "POST", "client_id": order.client_id})
            outcome = await rig.venue.submit(order)
            assert isinstance(outcome, OutcomeUnknown), (name, outcome)
            assert outcome.fence_ns > rig.clock.now_ns()
            read = await rig.venue.query(SYMBOL, order.client_id, conditional=False)
            assert (read.order is not None) == executed, name
            assert len(await posts(rig, order.client_id)) == 1, name


@live
async def test_a_definitive_no_is_a_rejection(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        price = await resting(rig)
        no = {
            0: {"status": 503, "msg": "Service Unavailable"},
            -1008: {"status": 503, "code": -1008, "msg": "Request throttled by system-level protection."},
            -2019: {"status": 400, "code": -2019, "msg": "Margin is insufficient."},
        }
        for code, answer in no.items():
            order = request(price=price)
            await rig.fault("answer", match={"method": "POST", "client_id": order.client_id}, **answer)
            outcome = await rig.venue.submit(order)
            assert isinstance(outcome, OrderRejected)
            assert outcome.code == code
            assert outcome.unheard is (code != -2019)
            assert len(await posts(rig, order.client_id)) == 1


@live
async def test_a_duplicate_id_counts_as_sent(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        order = request(price=await resting(rig))
        assert isinstance(await rig.venue.submit(order), OrderAccepted)
        assert isinstance(await rig.venue.submit(order), OutcomeUnknown)


@live
async def test_reads_and_cancels_are_repeated(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        order = request(price=await resting(rig))
        await rig.venue.submit(order)
        await rig.fault("drop_request", when="before", match={"method": "GET", "path": "/fapi/v3/account"})
        assert (await rig.venue.read_account()).wallet_balance == D(10_000)
        await rig.fault("drop_request", when="before", match={"method": "DELETE"})
        assert isinstance(await rig.venue.cancel(SYMBOL, order.client_id, conditional=False), OrderCancelled)


def after(rows: list[dict[str, Any]], status: int) -> tuple[int, list[dict[str, Any]]]:
    """When a request was answered so, and what was sent later; what was on its way with it is not."""
    silenced_ns = next(int(row["ns"]) for row in rows if row["status"] == status)
    return silenced_ns, [row for row in rows if row["ns"] > silenced_ns + 100_000_000]


@live
async def test_after_a_429_nothing_is_sent_too_early_and_stops_go_first(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        await rig.venue.submit(request())
        await rig.seen("OrderFilled")
        price, before = await resting(rig), await rig.last_request()
        await rig.fault("answer", status=429, code=-1003, msg="Too many requests", retry_after_s=2,
                        match={"method": "POST", "path": "/fapi/v1/order"})  # fmt: skip
        refused = await rig.venue.submit(request(price=price))
        assert isinstance(refused, OrderRejected)
        assert refused.code == -429
        assert refused.unheard
        silenced = await rig.seen("VenueSilenced")
        assert silenced.status == 429
        stop = request(OrderRole.STOP, Side.SELL, trigger_price=price)
        waiting = [
            asyncio.create_task(rig.venue.read_account()),
            asyncio.create_task(rig.venue.submit(request(price=price))),
            asyncio.create_task(rig.venue.cancel(SYMBOL, "nosuchorder", conditional=False)),
            asyncio.create_task(rig.venue.submit(stop)),
        ]
        _, late_entry, _, stopped = await asyncio.gather(*waiting)
        assert isinstance(stopped, OrderAccepted)
        assert isinstance(late_entry, OrderRejected), "an entry does not wait so long"
        silenced_ns, later = after(await rig.requests(before), 429)
        assert later[0]["client_id"] == stop.client_id
        assert later[0]["ns"] - silenced_ns >= 2_000_000_000
        assert later[1]["method"] == "DELETE"


@live
async def test_an_entry_that_nobody_wants_when_a_silence_ends_is_not_sent(exchange: str) -> None:
    """The desk was halted while it waited; the one beside it, still wanted, is sent."""
    async with open_rig(exchange) as rig:
        price = await resting(rig)
        await rig.fault("answer", status=429, code=-1003, msg="Too many requests", retry_after_s=1,
                        match={"method": "POST", "path": "/fapi/v1/order"})  # fmt: skip
        await rig.venue.submit(request(price=price))
        halted, wanted = request(price=price), request(price=price)
        answers = await asyncio.gather(
            rig.venue.submit(halted, lambda: False), rig.venue.submit(wanted, lambda: True)
        )
        assert [type(answer) for answer in answers] == [OrderRejected, OrderAccepted]
        assert "not sent" in answers[0].message
        assert (await posts(rig, halted.client_id), await posts(rig, wanted.client_id)) == ([], [200])
        await rig.venue.cancel(SYMBOL, wanted.client_id, conditional=False)


@live
async def test_a_read_waits_out_a_ban(exchange: str) -> None:
    async with open_rig(exchange, watch=False) as rig:
        before = await rig.last_request()
        match = {"method": "GET", "path": "/fapi/v1/openOrders"}  # which the venue's own upkeep does not read
        await rig.fault("answer", status=418, code=-1003, msg="banned", retry_after_s=1, match=match)
        assert (await rig.venue.read_state(0, [SYMBOL])).account.asset == "USDT"
        silenced_ns, later = after(await rig.requests(before), 418)
        assert later[0]["ns"] - silenced_ns >= 1_000_000_000
        assert match["path"] in [row["path"] for row in later]


@live
async def test_a_server_clock_3_s_off_is_compensated(exchange: str) -> None:
    async with open_rig(exchange, watch=False) as rig:
        for shift_ms in (3_000, -3_000):
            mark = rig.mark()
            await rig.fault("shift_clock", ms=shift_ms, count=0)
            order = request(OrderRole.ENTRY, price=FAR, size="0.01")
            assert isinstance(await rig.venue.submit(order), OrderAccepted)
            measured = await rig.seen("ClockMeasured", since=mark)
            assert measured.offset_ms == pytest.approx(shift_ms, abs=200)
            assert (await posts(rig, order.client_id))[-1] == 200
            assert len(await posts(rig, order.client_id)) == 2, "refused for its timestamp, signed anew, once"
            await rig.control("DELETE", "fault")
            await rig.venue.preflight()


@live
async def test_an_entry_that_the_venue_met_too_late_is_not_sent_again(exchange: str) -> None:
    async with open_rig(exchange, watch=False) as rig:
        late = {"when": "before", "ms": 2_800, "count": 1}  # past an entry's window of 2.5 s
        await rig.fault("delay", match={"role": "entry"}, **late)
        order = request(OrderRole.ENTRY, price=FAR, size="0.01")
        refused = await rig.venue.submit(order)
        assert isinstance(refused, OrderRejected)
        assert refused.code == -1021
        assert await posts(rig, order.client_id) == [400]


@live
async def test_a_server_clock_7_s_off_fails_the_preflight(exchange: str) -> None:
    async with open_rig(exchange, watch=False) as rig:
        await rig.fault("shift_clock", ms=7_000, count=0)
        checks = {check.name: check for check in await rig.venue.preflight()}
        assert not checks["clock"].passed
        assert "NTP" in checks["clock"].advice
        assert rig.of("ClockMeasured")[-1].offset_ms == pytest.approx(7_000, abs=200)


@live
async def test_promised_fills_that_do_not_come_are_read(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        await rig.fault("drop_event", event="ORDER_TRADE_UPDATE", execution="TRADE")
        order = request()
        assert isinstance(await rig.venue.submit(order), OrderAccepted)
        filled = await rig.seen("OrderFilled", lambda event: event.client_id == order.client_id)
        (theirs,) = await rig.truth("fills")
        assert filled.fill.trade_id == str(theirs["trade_id"])
        assert filled.fill.fee == D(theirs["commission"])


def test_a_limit_has_its_seconds_in_its_text() -> None:
    assert "2.000 s" in str(RateLimited(429, 2))


@live
async def test_a_contract_that_is_not_listed_yet_has_no_answer_and_is_no_fault(exchange: str) -> None:
    """A desk that comes back asks for its orders, and cancels, before the contracts are listed."""
    async with open_rig(exchange, watch=False) as rig:
        with pytest.raises(VenueUnreachable, match="not listed yet"):
            await rig.venue.query("NOT/USDT:USDT", "cd-any", conditional=False)
        lost = await rig.venue.cancel("NOT/USDT:USDT", "cd-any", conditional=True)
        assert isinstance(lost, CancelFailed)
        assert lost.code == 0, "lost, not refused: it is repeated"


@live
async def test_a_cancel_that_is_refused_without_a_word_is_not_done(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        order = request(price=await resting(rig), time_in_force=TimeInForce.GTX)
        assert isinstance(await rig.venue.submit(order), OrderAccepted)
        await rig.fault("answer", status=400, code=-1015, match={"method": "DELETE"})
        refused = await rig.venue.cancel(SYMBOL, order.client_id, conditional=False)
        assert isinstance(refused, CancelFailed)
        assert (refused.code, refused.message) == (-1015, "")


@live
async def test_without_its_permit_nothing_is_sent_but_questions(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        venue, entry = rig.venue, request()
        assert venue._session is not None
        venue._session.api.client._permit = lambda: False
        outcome = await venue.submit(entry)
        assert isinstance(outcome, OrderRejected)
        assert outcome.unheard
        assert await posts(rig, entry.client_id) == []
        lost = await venue.cancel(SYMBOL, entry.client_id, conditional=False)
        assert isinstance(lost, CancelFailed)
        assert lost.code == 0
        assert [row for row in await rig.requests() if row["client_id"] == entry.client_id] == []
        await venue.read_account()
        await venue._session.api.open_listen_key()  # moves no order and no money
