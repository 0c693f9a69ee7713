"""A desk moves its stops in place, against an exchange that amends; the exchange's books are the witness.

The venue is Binance's in all but one request, which only the exchange's test dialect has.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from contractdesk.clock import NS_PER_MS, NS_PER_S, SystemClock
from contractdesk.desk.host import DeskHost
from contractdesk.desk.lock import AccountLock
from contractdesk.desk.paths import DeskPaths
from contractdesk.desk.recorder import Recorder
from contractdesk.domain.events import AmendFailed, IntentAsked, OrderAmended
from contractdesk.domain.intents import FixedStop, Intent, IntentKind
from contractdesk.domain.orders import OrderRole, Side
from contractdesk.engine.config import EngineConfig
from contractdesk.engine.engine import Engine
from contractdesk.engine.state import Market
from contractdesk.exchange.faults import decode_fault
from contractdesk.exchange.launch import AccountOption, ExchangeOptions, Running, running
from contractdesk.exchange.trail import RequestRow
from contractdesk.ops.metrics import Metrics
from contractdesk.risk.settings import RiskSettings
from contractdesk.venues.binance import rows
from contractdesk.venues.binance.endpoints import at
from contractdesk.venues.binance.orders import ENTRY_WINDOW_MS
from contractdesk.venues.binance.translate import plain
from contractdesk.venues.binance.venue import CAPABILITIES, BinanceVenue
from contractdesk.venues.credentials import Credentials, Secret
from contractdesk.venues.limits import Priority
from contractdesk.venues.rest import Effect, Endpoint

BTC, D = "BTC/USDT:USDT", Decimal
CLOCK = SystemClock()
ACCOUNT = AccountOption(key="amending-key", secret="amending-secret", balance=D(100_000))
OPTIONS = ExchangeOptions(seed=11, accounts=(ACCOUNT,), amend_stops=True)
AMEND = Endpoint(api="fapiPrivate", method="PUT", path="algoOrder", weight=0, orders=1, effect=Effect.CREATE)
PATIENCE_S = 2.0
PUT = {"method": "PUT", "path": "/fapi/v1/algoOrder"}
WITHIN_S = 60.0


class AmendingVenue(BinanceVenue):
    """Binance, if it could."""

    capabilities = replace(CAPABILITIES, amend_stop=True)

    async def amend_stop(
        self, symbol: str, client_id: str, size: Decimal, trigger_price: Decimal
    ) -> OrderAmended | AmendFailed:
        params = {
            "symbol": self.resolve(symbol).venue_symbol,
            "clientAlgoId": client_id,
            "quantity": plain(size),
            "triggerPrice": plain(trigger_price),
            "recvWindow": str(ENTRY_WINDOW_MS),
        }
        client = self._need().api.client
        reply = await client.call(AMEND, params, Priority.PROTECT, patience_s=PATIENCE_S)
        row = msgspec.json.decode(reply.body, type=rows.AlgoRow, strict=False)
        return OrderAmended(
            ts_ns=self._clock.now_ns(),
            client_id=client_id,
            symbol=symbol,
            venue_ns=row.update_time * NS_PER_MS,
            price=None,
            trigger_price=row.trigger_price,
            size=row.quantity,
        )


class Rig:
    """A desk in a long position under one stop, and the exchange that it trades on."""

    def __init__(self, exchange: Running, host: DeskHost) -> None:
        self.exchange = exchange
        self.host = host

    @property
    def market(self) -> Market:
        return self.host.state.symbols[BTC]

    @property
    def books(self) -> dict[str, Any]:
        """The account as the exchange has it."""
        account: dict[str, Any] = self.exchange.server.exchange.state()["accounts"][ACCOUNT.key]
        return account

    @property
    def algos(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.books["algo_orders"]
        return rows

    def fault(self, kind: str, **terms: object) -> None:
        body = msgspec.json.encode({"kind": kind, "match": PUT, **terms})
        self.exchange.server.faults.install(decode_fault(body), CLOCK.monotonic_ns())

    def requests(self, method: str) -> list[RequestRow]:
        """What has reached the exchange about conditional orders."""
        seen = self.exchange.server.trail.since(0)
        return [row for row in seen if (row.method, row.path) == (method, "/fapi/v1/algoOrder")]

    def faults(self) -> list[str]:
        """What met each amend."""
        return [row.fault for row in self.requests("PUT")]

    async def wait(self, wanted: Callable[[], object]) -> None:
        held = await self.host.until(lambda: True if wanted() else None, WITHIN_S)
        assert held, f"{self.market.guard}, {self.algos}, {self.faults()}"

    async def ask(self, kind: IntentKind, stop: Decimal, **more: Any) -> None:
        intent = Intent(kind=kind, symbol=BTC, stop=FixedStop(price=stop), **more)
        await self.host.ask(IntentAsked(ts_ns=CLOCK.now_ns(), who="tester", intent=intent))

    async def enter(self) -> None:
        await self.host.list_symbol(BTC)
        self.host.look_at(BTC, "1m", 30)
        await self.wait(lambda: self.market.ready and self.market.mark and self.market.book.valid)
        await self.ask(IntentKind.ENTER, self.near("0.95"), side=Side.BUY, size=D("0.010"))
        await self.wait(lambda: self.market.guarded == D("0.010"))

    async def move(self, stop: Decimal) -> None:
        """Wish it there, and wait until the venue has confirmed it and nothing is under way."""
        await self.ask(IntentKind.MOVE_STOP, stop)
        await self.wait(lambda: self.market.stop_price == stop and len(self.stops()) == 1)

    def stops(self) -> list[str]:
        return [tracked.id for tracked in self.host.state.tracked(self.market, OrderRole.STOP)]

    def near(self, factor: str) -> Decimal:
        mark = self.market.mark
        assert mark is not None
        return (mark * D(factor)).quantize(D(1))

    def never_uncovered(self) -> None:
        """From the first stop on, by the exchange's books: at every instant live stops cover all."""
        began_ns = min(row["created_ns"] for row in self.algos)
        times = {began_ns} | {row["closed_ns"] for row in self.algos if row["closed_ns"]}
        times |= {each["ts_ns"] for row in self.algos for each in row["amendments"]}
        for ns in sorted(times):
            held = sum((signed(fill) for fill in self.books["fills"] if fill["ts_ns"] <= ns), D(0))
            live = [row for row in self.algos if row["created_ns"] <= ns < (row["closed_ns"] or ns + 1)]
            assert sum((quantity_at(row, ns) for row in live), D(0)) >= held, (ns, self.algos)
            assert len(live) <= 2


def signed(fill: dict[str, Any]) -> Decimal:
    return D(fill["quantity"]) * (1 if fill["side"] == "BUY" else -1)


def quantity_at(row: dict[str, Any], ns: int) -> Decimal:
    past = [D(each["quantity"]) for each in row["amendments"] if each["ts_ns"] <= ns]
    return past[-1] if past else D(row["quantity"])


@asynccontextmanager
async def rig_of(exchange: Running, folder: Path) -> AsyncIterator[Rig]:
    credentials = Credentials("test", Secret(ACCOUNT.key), Secret(ACCOUNT.secret))
    config = EngineConfig(desk="test", bot="test", epoch=1, amend_stop=True, risk=RiskSettings(size_cap=D(1)))
    lock = AccountLock.acquire("test", "test")
    recorder = Recorder(DeskPaths(folder))
    recorder.begin(config, "test", CLOCK.now_ns())
    host = DeskHost(
        engine=Engine(config, {}),
        venue=AmendingVenue(at(exchange.url), credentials, CLOCK, seed=1),
        recorder=recorder,
        lock=lock,
        clock=CLOCK,
        logger=logging.getLogger("contractdesk.desk.amending"),
        metrics=Metrics(),
        name="test",
        asset="USDT",
    )
    try:
        await host.open()
        yield Rig(exchange, host)
    finally:
        await host.close()
        recorder.close()
        lock.release()


Case = Callable[[Rig], Awaitable[None]]


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Case], None]:
    """Run a case on a desk that is in a position under a confirmed stop; nothing was uncovered after it."""
    monkeypatch.setenv("CONTRACTDESK_STATE", str(tmp_path / "state"))

    async def go(case: Case) -> None:
        async with asyncio.timeout(90), running(OPTIONS) as exchange, rig_of(exchange, tmp_path) as rig:
            await rig.enter()
            await case(rig)
            rig.never_uncovered()

    return lambda case: asyncio.run(go(case))


def test_a_stop_moves_as_one_order(guarded: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        wanted = [rig.near(factor) for factor in ("0.951", "0.952", "0.953", "0.954")]
        for price in wanted:
            await rig.move(price)
        (row,) = rig.algos
        assert [D(each["trigger_price"]) for each in row["amendments"]][1:] == wanted
        assert rig.faults() == [""] * 4
        assert not rig.requests("GET")  # the answers said it all

    guarded(case)


@pytest.mark.parametrize(
    ("when", "ms", "again"),
    [("after", 0, 0), ("before", 0, 1), ("after", 800, 1)],
    ids=["done", "not done", "done later"],
)
def test_an_answer_that_is_lost_leaves_one_order_and_it_is_where_it_should_be(
    guarded: Callable[[Case], None], when: str, ms: int, again: int
) -> None:
    async def case(rig: Rig) -> None:
        # twice: a PUT whose connection breaks is sent again by aiohttp itself, once
        rig.fault("drop_request", when=when, ms=ms, count=2)
        price = rig.near("0.952")
        await rig.move(price)
        (row,) = rig.algos
        assert [D(each["trigger_price"]) for each in row["amendments"]][1:] == [price]
        assert rig.faults() == ["drop_request"] * 2 + [""] * again

    guarded(case)


def test_an_answer_that_is_late_is_read_and_nothing_is_sent_twice(guarded: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        rig.fault("delay", ms=4_000)
        price = rig.near("0.952")
        await rig.move(price)
        assert len(rig.algos) == len(rig.faults()) == 1  # a query, or a picture, has told it

    guarded(case)


def test_a_refusal_is_followed_by_a_safe_replacement(guarded: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        rig.fault("answer", status=400, code=-5026, msg="Exceed maximum modify order limit.")
        await rig.move(rig.near("0.952"))
        old, new = rig.algos
        assert not old["amendments"]
        assert new["created_ns"] < old["closed_ns"]
        await rig.move(rig.near("0.953"))  # and the next move is made in place again
        assert len(rig.algos) == 2

    guarded(case)


def test_a_stop_that_triggers_meanwhile_closes_and_leaves_no_other(guarded: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        rig.fault("delay", when="before", ms=1_500)
        await rig.ask(IntentKind.MOVE_STOP, rig.near("0.951"))
        rig.exchange.server.exchange.levers.walk_to("BTCUSDT", rig.near("0.94"), 0.3)
        await rig.wait(lambda: rig.market.position.flat and not rig.market.open_ids)
        await rig.wait(lambda: [row.code for row in rig.requests("PUT")] == [-2013])
        refused_ns = rig.host.state.now_ns
        await rig.wait(lambda: rig.host.state.now_ns > refused_ns + NS_PER_S)  # its answer has been heard
        assert [row["status"] for row in rig.algos] == ["FINISHED"]
        assert not rig.books["open_algo_orders"]

    guarded(case)
