"""Paper: a scripted market in, matched fills, stops and funding out, all as the desk's own events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from contractdesk.clock import ManualClock
from contractdesk.desk.paper import PaperVenue
from contractdesk.domain.events import (
    AmendFailed,
    BookChanged,
    BookSnapshotRead,
    Event,
    FundingPaid,
    MarkPriced,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    StopTriggered,
    TradePrinted,
    WalletChanged,
)
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import pack_levels
from contractdesk.domain.orders import OrderRequest, OrderRole, OrderType, Side
from contractdesk.exchange.listings import default_listings
from contractdesk.venues.base import Capabilities, Check, Emit

START_NS = 1_680_652_000_000_000_000
BTC = "BTC/USDT:USDT"
TERMS = default_listings()[0].instrument


class ScriptedMarket:
    """The public half of a venue, with a test's hand on it."""

    name = "scripted"
    capabilities = Capabilities(
        amend_stop=False, attach_stop=False, dead_man_switch=False, native_timeframes=frozenset()
    )
    instruments = {BTC: TERMS}  # noqa: RUF012  # the protocol's attribute

    def __init__(self) -> None:
        self.emit: Emit = print

    def resolve(self, symbol: str) -> Instrument:
        return self.instruments[symbol]

    async def open(self, emit: Emit) -> None:
        self.emit = emit

    async def close(self) -> None: ...

    async def preflight(self) -> tuple[Check, ...]:
        return ()

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"paper must not use {name} of the real venue")


class Bench:
    """A paper venue on a manual clock, and everything it told."""

    def __init__(self, *, amend_stop: bool = False) -> None:
        self.clock = ManualClock(START_NS)
        self.market = ScriptedMarket()
        self.market.capabilities = replace(self.market.capabilities, amend_stop=amend_stop)
        self.told: list[Event] = []
        self.venue = PaperVenue(self.market, self.clock, Decimal(10_000))  # type: ignore[arg-type]

    async def open(self) -> None:
        await self.venue.open(self.told.append)
        self.mark("60000")
        bids = pack_levels([(600_000 - n, 1_000) for n in range(1, 20)])
        asks = pack_levels([(600_000 + n, 1_000) for n in range(1, 20)])
        self.market.emit(
            BookSnapshotRead(ts_ns=self.clock.now_ns(), symbol=BTC, update_id=1, bids=bids, asks=asks)
        )

    def mark(self, price: str, next_funding_s: int = 3600) -> None:
        self.market.emit(
            MarkPriced(
                ts_ns=self.clock.now_ns(),
                symbol=BTC,
                mark=Decimal(price),
                index=Decimal(price),
                funding_rate=Decimal("0.0001"),
                next_funding_ns=START_NS + next_funding_s * 1_000_000_000,
                venue_ns=self.clock.now_ns(),
            )
        )

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


def order(client_id: str, side: Side, size: str, **more: Any) -> OrderRequest:
    return OrderRequest(
        client_id=client_id,
        symbol=BTC,
        side=side,
        size=Decimal(size),
        **({"type": OrderType.MARKET, "role": OrderRole.ENTRY} | more),
    )


def on_bench(case: Callable[[Bench], Awaitable[None]], *, amend_stop: bool = False) -> Bench:
    async def run() -> Bench:
        bench = Bench(amend_stop=amend_stop)
        await bench.open()
        await case(bench)
        await bench.venue.close()
        return bench

    return asyncio.run(run())


def test_a_market_order_takes_the_real_depth() -> None:
    async def case(bench: Bench) -> None:
        assert isinstance(await bench.venue.submit(order("a", Side.BUY, "1.5")), OrderAccepted)

    bench = on_bench(case)
    fills = [event.fill for event in bench.of(OrderFilled)]
    assert [(fill.price, fill.size) for fill in fills] == [
        (Decimal("60000.1"), Decimal(1)),
        (Decimal("60000.2"), Decimal("0.5")),
    ]
    assert {fill.client_id for fill in fills} == {"a"}
    assert bench.of(WalletChanged)[-1].wallet_balance == 10_000 - sum(fill.fee for fill in fills)


def test_a_resting_order_fills_when_the_market_prints_through_it() -> None:
    async def case(bench: Bench) -> None:
        resting = order("r", Side.BUY, "0.010", type=OrderType.LIMIT, price=Decimal("59999.9"))
        await bench.venue.submit(resting)
        assert not bench.of(OrderFilled)
        bench.market.emit(
            TradePrinted(
                ts_ns=bench.clock.now_ns(),
                symbol=BTC,
                trade_id=1,
                price=Decimal("59999.5"),
                size=Decimal(3),
                taker=Side.SELL,
                venue_ns=0,
            )
        )

    (filled,) = on_bench(case).of(OrderFilled)
    assert (filled.fill.price, filled.fill.size) == (Decimal("59999.9"), Decimal("0.01"))


def test_a_stop_triggers_on_the_mark_and_its_fill_bears_its_own_id() -> None:
    async def case(bench: Bench) -> None:
        await bench.venue.submit(order("a", Side.BUY, "0.010"))
        stop = order(
            "s", Side.SELL, "0.010", type=OrderType.STOP_MARKET, role=OrderRole.STOP, reduce_only=True,
            trigger_price=Decimal(59_000),
        )  # fmt: skip
        await bench.venue.submit(stop)
        assert [row.client_id for row in (await bench.venue.read_state(0)).orders] == ["s"]
        bench.mark("58999")

    bench = on_bench(case)
    (triggered,) = bench.of(StopTriggered)
    assert triggered.client_id == "s"
    assert [event.fill.client_id for event in bench.of(OrderFilled)] == ["a", "s"]


def test_a_delta_of_the_venue_moves_the_book_that_we_trade_on() -> None:
    async def case(bench: Bench) -> None:
        delta = BookChanged(
            ts_ns=bench.clock.now_ns(),
            symbol=BTC,
            first_id=2,
            last_id=2,
            bids=b"",
            asks=pack_levels([(600_001, 0), (600_002, 0)]),
            venue_ns=0,
        )
        bench.market.emit(delta)
        await bench.venue.submit(order("a", Side.BUY, "0.010"))

    (filled,) = on_bench(case).of(OrderFilled)
    assert filled.fill.price == Decimal("60000.3")


def test_funding_is_paid_on_what_is_held_across_the_settlement() -> None:
    async def case(bench: Bench) -> None:
        await bench.venue.submit(order("a", Side.BUY, "0.010"))
        bench.clock.advance(3601 * 1_000_000_000)
        bench.mark("60000", next_funding_s=3600 * 9)

    (paid,) = on_bench(case).of(FundingPaid)
    assert paid.amount == Decimal("-0.06000000")  # 0.010 x 60,000 x 0.01 %


def test_refusals_and_cancels_have_an_answer() -> None:
    async def case(bench: Bench) -> None:
        refused = await bench.venue.submit(order("x", Side.BUY, "0.0005"))
        assert isinstance(refused, OrderRejected)
        await bench.venue.submit(order("r", Side.BUY, "0.010", type=OrderType.LIMIT, price=Decimal(50_000)))
        assert (await bench.venue.query(BTC, "r", conditional=False)).order is not None
        assert isinstance(await bench.venue.cancel(BTC, "r", conditional=False), OrderCancelled)
        assert not isinstance(await bench.venue.cancel(BTC, "r", conditional=False), OrderCancelled)
        assert (await bench.venue.query(BTC, "nobody", conditional=True)).order is None

    on_bench(case)


@pytest.mark.parametrize("leverage", [5, 100])
def test_leverage_is_the_accounts(leverage: int) -> None:
    async def case(bench: Bench) -> None:
        await bench.venue.set_leverage(BTC, Decimal(leverage))
        await bench.venue.submit(order("a", Side.BUY, "0.100"))
        account = await bench.venue.read_account()
        assert account.initial_margin == Decimal(6000) / leverage
        assert account.equity < 10_000

    on_bench(case)


STOP = order(
    "s", Side.SELL, "0.010", type=OrderType.STOP_MARKET, role=OrderRole.STOP, reduce_only=True,
    trigger_price=Decimal(59_000),
)  # fmt: skip


def test_a_stop_moves_in_place_where_the_venue_of_the_market_can() -> None:
    async def case(bench: Bench) -> None:
        await bench.venue.submit(order("a", Side.BUY, "0.010"))
        await bench.venue.submit(STOP)
        amended = await bench.venue.amend_stop(BTC, "s", Decimal("0.005"), Decimal(59_500))
        assert isinstance(amended, OrderAmended)
        assert amended.venue_ns
        refused = await bench.venue.amend_stop(BTC, "s", Decimal("0.005"), Decimal(60_001))
        assert isinstance(refused, AmendFailed)
        assert "trigger" in refused.message
        bench.mark("59500")
        gone = await bench.venue.amend_stop(BTC, "s", Decimal("0.005"), Decimal(59_000))
        assert isinstance(gone, AmendFailed)
        assert gone.code

    bench = on_bench(case, amend_stop=True)
    (pushed,) = bench.of(OrderAmended)
    assert (pushed.client_id, pushed.size, pushed.trigger_price) == ("s", Decimal("0.005"), Decimal(59_500))
    assert bench.of(OrderFilled)[-1].fill.size == Decimal("0.005")


def test_elsewhere_paper_cannot_amend_either() -> None:
    async def case(bench: Bench) -> None:
        await bench.venue.submit(order("a", Side.BUY, "0.010"))
        await bench.venue.submit(STOP)
        refused = await bench.venue.amend_stop(BTC, "s", Decimal("0.005"), Decimal(59_500))
        assert isinstance(refused, AmendFailed)
        assert "cannot amend" in refused.message
        (row,) = (await bench.venue.read_state(0)).orders
        assert row.trigger_price == Decimal(59_000)

    on_bench(case)
