"""What is sent, when, and what becomes of it: every outcome is an event, nothing is sent twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from contractdesk.desk.dispatcher import Dispatcher
from contractdesk.desk.order_log import OrderLog
from contractdesk.desk.supervisor import Supervisor
from contractdesk.domain.commands import (
    Approved,
    CancelOrder,
    PlaceStop,
    QueryOrder,
    ReadAccount,
    ReadVenueState,
    ReduceOrder,
    SubmitOrder,
    Watch,
)
from contractdesk.domain.events import (
    AccountRead,
    CancelAsked,
    CancelFailed,
    Event,
    HaltAsked,
    IntentAsked,
    OrderAccepted,
    OrderCancelled,
    OrderRead,
    OrderRejected,
    OutcomeUnknown,
    ReadFailed,
    StreamLost,
    StreamName,
    SymbolNotReady,
    VenueStateRead,
)
from contractdesk.domain.intents import Intent, IntentKind
from contractdesk.domain.orders import OrderRequest, OrderRole, OrderType, Side
from contractdesk.engine.state import Desk
from contractdesk.errors import OutcomeLost, StorageError
from contractdesk.ops.metrics import Histogram
from tests.desk.scripted import CLOCK, TERMS, ScriptedVenue
from tests.engine.bench import SYMBOL, wish
from tests.engine.bench import Bench as EngineBench

BTC = TERMS.symbol
ENTRY = OrderRequest(
    client_id="e1", symbol=BTC, side=Side.BUY, type=OrderType.MARKET, size=Decimal(1), role=OrderRole.ENTRY
)
SUBMIT = SubmitOrder(
    # Only the gate makes an Approved; a test of the dispatcher has to forge one.
    approved=Approved(request=ENTRY, worst_price=Decimal(2), stop_price=Decimal(1), signal_ns=0)
)
STOP = PlaceStop(client_id="s1", symbol=BTC, side=Side.SELL, size=Decimal(1), trigger_price=Decimal(1))
REDUCE = ReduceOrder(client_id="x1", symbol=BTC, side=Side.SELL, size=Decimal(1), role=OrderRole.EXIT)


class Lease:
    """What the dispatcher sees of the account's lock."""

    valid = True
    epoch = 1


class Bench:
    def __init__(self, desk: Callable[[], Desk] | None = None) -> None:
        self.venue = ScriptedVenue()
        self.lease = Lease()
        self.events: list[Event] = []
        self.alarms: list[str] = []
        self.barrier: Callable[[], Awaitable[None]] = self.at_once
        self.faults: list[str] = []
        logger = logging.getLogger("contractdesk.desk.bench")
        self.supervisor = Supervisor(logger, lambda what, error: self.faults.append(f"{what}: {error}"))
        self.dispatcher = Dispatcher(
            venue=self.venue,  # type: ignore[arg-type]
            emit=self.events.append,
            alarm=lambda code, _: self.alarms.append(code),
            barrier=lambda: self.barrier(),
            lock=self.lease,  # type: ignore[arg-type]
            clock=CLOCK,
            supervisor=self.supervisor,
            orders=OrderLog(logger, Histogram()),
            logger=logger,
            desk=desk,
        )

    async def at_once(self) -> None:
        """The disk is fast."""

    async def settled(self) -> None:
        while self.supervisor._tasks:
            await asyncio.wait(self.supervisor._tasks, timeout=5)


def on_bench(*commands: Any, prepare: Callable[[Bench], None] = lambda _: None) -> Bench:
    async def run() -> Bench:
        bench = Bench()
        prepare(bench)
        bench.dispatcher.perform(commands, CLOCK.now_ns())
        await bench.settled()
        return bench

    return asyncio.run(run())


def kinds(bench: Bench) -> list[type]:
    return [type(event) for event in bench.events]


def test_an_entry_waits_for_the_journal_a_stop_and_an_exit_do_not() -> None:
    async def run() -> list[str]:
        bench, disk = Bench(), asyncio.Event()

        async def wait_for_disk() -> None:
            await disk.wait()

        bench.barrier = wait_for_disk
        bench.dispatcher.perform([SUBMIT, STOP, REDUCE], CLOCK.now_ns())
        for _ in range(20):  # turns of the loop: enough for whatever does not wait
            await asyncio.sleep(0)
        before = list(bench.venue.asked)
        disk.set()
        await bench.settled()
        return [*before, "disk", *bench.venue.asked[2:]]

    assert asyncio.run(run()) == ["submit s1", "submit x1", "disk", "submit e1"]


def test_bars_that_a_person_has_had_streamed_outlive_a_venue_that_has_lost_the_feed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The engine knows nothing of them: what it asks for must not end them, or their ATR stands still."""

    class Forgetful(ScriptedVenue):
        """One feed a symbol, for all its bars; a watch that fails may have cost it."""

        streamed: tuple[str, ...] = ()
        times = 0

        async def watch(self, symbol: str, timeframes: tuple[str, ...], warmup: int) -> None:
            self.times += 1
            if self.times == 2:
                self.streamed = ()
                raise OutcomeLost("503")
            self.streamed = tuple(dict.fromkeys((*self.streamed, *timeframes)))

    async def at_once(_seconds: float) -> None:
        pass

    def prepare(bench: Bench) -> None:
        bench.venue = bench.dispatcher._venue = Forgetful()  # type: ignore[assignment]
        monkeypatch.setattr("contractdesk.desk.dispatcher.asyncio.sleep", at_once)

    looked = Watch(symbol=BTC, timeframes=("5m",), warmup=3)
    wanted = Watch(symbol=BTC, timeframes=("1m",), warmup=3)
    bench = on_bench(looked, wanted, prepare=prepare)
    assert isinstance(bench.venue, Forgetful)
    assert bench.venue.streamed == ("5m", "1m")
    assert SymbolNotReady not in kinds(bench), "what streams is as ready as the feed says"


def test_a_symbol_is_watched_however_long_the_venue_is_away_and_the_person_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Away(ScriptedVenue):
        left = 130

        async def watch(self, symbol: str, timeframes: tuple[str, ...], warmup: int) -> None:
            self.left -= 1
            if self.left >= 0:
                raise OutcomeLost("503")
            await super().watch(symbol, timeframes, warmup)

    waits: list[float] = []

    async def at_once(seconds: float) -> None:
        waits.append(seconds)

    def prepare(bench: Bench) -> None:
        bench.venue = bench.dispatcher._venue = Away()  # type: ignore[assignment]
        monkeypatch.setattr("contractdesk.desk.dispatcher.asyncio.sleep", at_once)

    bench = on_bench(Watch(symbol=BTC, timeframes=("1m",), warmup=3), prepare=prepare)
    assert bench.venue.asked == [f"watch {BTC} 1m 3"]
    assert not bench.dispatcher.watching(BTC)
    assert kinds(bench) == [SymbolNotReady] * 130
    assert bench.alarms == ["watch_failed"] * 6
    assert (waits[0], waits[-1], len(waits)) == (3.0, 30.0, 130)


def test_an_entry_is_refused_with_an_alarm_when_the_disk_is_too_slow_or_broken() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    async def broken() -> None:
        raise StorageError("full")

    for barrier in (never, broken):
        bench = on_bench(SUBMIT, prepare=lambda b, barrier=barrier: setattr(b, "barrier", barrier))  # type: ignore[misc]
        (refused,) = bench.events
        assert isinstance(refused, OrderRejected)
        assert "journal" in refused.message
        assert bench.alarms == ["journal_late"]
        assert bench.venue.asked == []


def test_nothing_is_sent_under_a_lease_that_was_taken_over() -> None:
    bench = on_bench(
        SUBMIT, STOP, CancelOrder(client_id="c1", symbol=BTC, conditional=False),
        prepare=lambda b: setattr(b.lease, "valid", False),
    )  # fmt: skip
    assert bench.venue.asked == []
    assert sorted(kind.__name__ for kind in kinds(bench)) == [
        "CancelFailed",
        "OrderRejected",
        "OrderRejected",
    ]
    refused = [event for event in bench.events if isinstance(event, OrderRejected)]
    assert all(event.unheard for event in refused)  # no word of the venue: a stop is tried again


def test_an_entry_is_sent_only_when_the_guardian_knows_of_it_and_protection_asks_nobody() -> None:
    async def run(answer: str) -> Bench:
        bench, told = Bench(), asyncio.Event()

        async def arm(symbol: str) -> str:
            assert symbol == BTC
            await told.wait()
            return answer

        bench.dispatcher._arm = arm
        bench.dispatcher.perform([SUBMIT, STOP, REDUCE], CLOCK.now_ns())
        for _ in range(20):
            await asyncio.sleep(0)
        assert bench.venue.asked == ["submit s1", "submit x1"]
        told.set()
        await bench.settled()
        return bench

    assert asyncio.run(run("")).venue.asked[2:] == ["submit e1"]
    unarmed = asyncio.run(run("the guardian is away"))
    assert unarmed.venue.asked[2:] == []
    (refused,) = [event for event in unarmed.events if isinstance(event, OrderRejected)]
    assert "the guardian is away" in refused.message


def test_a_fault_halts_entries_and_lets_protection_through() -> None:
    bench = on_bench(SUBMIT, STOP, prepare=lambda b: setattr(b.dispatcher, "entries_blocked", "a fault"))
    assert bench.venue.asked == ["submit s1"]
    assert [kind.__name__ for kind in kinds(bench)] == ["OrderRejected", "OrderAccepted"]


def test_a_lost_answer_is_unknown_and_is_never_sent_again() -> None:
    for error in (OutcomeLost("gone"), ZeroDivisionError("a bug")):
        bench = on_bench(SUBMIT, prepare=lambda b, error=error: b.venue.fail("submit", error))  # type: ignore[misc]
        (unknown,) = bench.events
        assert isinstance(unknown, OutcomeUnknown)
        assert unknown.fence_ns > CLOCK.now_ns()
        assert bench.venue.asked == ["submit e1"]
        assert len(bench.faults) == isinstance(error, ZeroDivisionError)


def test_a_cancel_goes_out_after_the_answer_to_its_create() -> None:
    async def run() -> list[type]:
        bench = Bench()
        bench.venue.hold = asyncio.Event()
        cancel = CancelOrder(client_id="s1", symbol=BTC, conditional=True)
        bench.dispatcher.perform([STOP, cancel], CLOCK.now_ns())
        for _ in range(10):
            await asyncio.sleep(0)
        assert bench.venue.asked == ["submit s1"]
        bench.venue.hold.set()
        await bench.settled()
        return kinds(bench)

    assert asyncio.run(run()) == [OrderAccepted, OrderCancelled]


GROUNDS: dict[str, Callable[[EngineBench, str], object]] = {
    "an exit is wished": lambda at, _: at.feed(asked(at, wish(IntentKind.EXIT))),
    "entries are cancelled": lambda at, _: at.feed(asked(at, wish(IntentKind.CANCEL))),
    "it is cancelled by hand": lambda at, entry: at.feed(
        CancelAsked(ts_ns=at.now_ns, who="tester", client_id=entry)
    ),
    "the other side is wished": lambda at, _: at.enter("0.01", "31000", Side.SELL),
    "the desk is halted": lambda at, _: at.feed(HaltAsked(ts_ns=at.now_ns, who="tester")),
    "the private stream is lost": lambda at, _: at.feed(
        StreamLost(ts_ns=at.now_ns, stream=StreamName.PRIVATE, reason="cut")
    ),
    "the book is lost": lambda at, _: at.feed(SymbolNotReady(ts_ns=at.now_ns, symbol=SYMBOL, reason="a gap")),
    "it is over": lambda at, entry: at.reject(entry),
}


def asked(at: EngineBench, intent: Intent) -> IntentAsked:
    return IntentAsked(ts_ns=at.now_ns, who="tester", intent=intent)


@pytest.mark.parametrize("what", ["nothing", *GROUNDS])
def test_an_entry_whose_grounds_are_gone_when_its_turn_comes_is_not_sent(what: str) -> None:
    """The venue's limits hold it back, and meanwhile the engine, which is the real one, learns something."""

    async def run(at: EngineBench, entry: SubmitOrder) -> Bench:
        bench = Bench(desk=lambda: at.engine._desk)
        bench.venue.queue = asyncio.Event()
        bench.dispatcher.perform([entry, STOP], CLOCK.now_ns())
        for _ in range(20):
            await asyncio.sleep(0)
        if what != "nothing":
            GROUNDS[what](at, entry.approved.request.client_id)
        bench.venue.queue.set()
        await bench.settled()
        return bench

    engine = EngineBench()
    entry = engine.enter()
    client_id = entry.approved.request.client_id
    bench = asyncio.run(run(engine, entry))
    assert "submit s1" in bench.venue.asked, "nothing is a reason to leave a position naked"
    assert (f"submit {client_id}" in bench.venue.asked) is (what == "nothing")
    refused = [event.client_id for event in bench.events if isinstance(event, OrderRejected)]
    assert refused == ([] if what == "nothing" else [client_id])


def test_reads_and_queries_are_answered_by_events_of_their_request() -> None:
    commands = [
        ReadAccount(request_id=1),
        ReadVenueState(request_id=2, fills_since_ns=0),
        QueryOrder(request_id=3, client_id="q", symbol=BTC, conditional=False),
        Watch(symbol=BTC, timeframes=("1m",), warmup=10),
    ]
    good = on_bench(*commands)
    assert kinds(good) == [AccountRead, VenueStateRead, OrderRead]

    def fail(bench: Bench) -> None:
        for method in ("read_account", "read_state", "query"):
            bench.venue.fail(method)

    bad = on_bench(*commands[:3], prepare=fail)
    assert [(type(e), e.request_id) for e in bad.events] == [(ReadFailed, n) for n in (1, 2, 3)]  # type: ignore[union-attr]


def test_a_refused_cancel_says_so() -> None:
    cancel = CancelOrder(client_id="c1", symbol=BTC, conditional=False)
    bench = on_bench(cancel, prepare=lambda b: b.venue.fail("cancel"))
    assert kinds(bench) == [CancelFailed]
