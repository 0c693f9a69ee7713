"""The driver: one event at a time, written before it is handled; a fault halts entries and nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from contractdesk.clock import NS_PER_S
from contractdesk.desk.host import FAULTS_IN_A_ROW, DeskHost
from contractdesk.desk.lock import AccountLock, GuardianLease
from contractdesk.desk.paths import DeskPaths
from contractdesk.desk.reconciling import reconcile_anew
from contractdesk.desk.recorder import Recorder
from contractdesk.domain.commands import Command
from contractdesk.domain.events import (
    BookInvalidated,
    Event,
    HaltAsked,
    LoopLagged,
    ResumeAsked,
    TimePassed,
)
from contractdesk.domain.views import TradingState
from contractdesk.engine.config import EngineConfig
from contractdesk.engine.core import OVERLAP_NS
from contractdesk.engine.engine import Engine
from contractdesk.errors import UnknownSymbol, VenueUnreachable
from contractdesk.ops.metrics import Metrics
from contractdesk.storage.journal_reader import JournalReader
from tests.desk.scripted import CLOCK, TERMS, ScriptedVenue

CONFIG = EngineConfig(desk="test", bot="test", epoch=1)


class Rig:
    """A host on the running loop, with a scripted venue and real files."""

    def __init__(self, folder: Path) -> None:
        self.venue = ScriptedVenue()
        self.engine = Engine(CONFIG, {})
        self.paths = DeskPaths(folder)
        self.lock = AccountLock.acquire("test", "test")
        self.recorder = Recorder(self.paths)
        self.recorder.begin(CONFIG, "test", CLOCK.now_ns())
        self.host = DeskHost(
            engine=self.engine,
            venue=self.venue,  # type: ignore[arg-type]
            recorder=self.recorder,
            lock=self.lock,
            clock=CLOCK,
            logger=logging.getLogger("contractdesk.desk.rig"),
            metrics=Metrics(),
            name="test",
            asset="USDT",
        )

    async def close(self) -> None:
        await self.host.close()
        self.recorder.close()
        self.lock.release()


@pytest.fixture
def rigged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rig]:
    monkeypatch.setenv("CONTRACTDESK_STATE", str(tmp_path / "state"))

    def run(case: Callable[[Rig], Awaitable[None]]) -> Rig:
        async def go() -> Rig:
            rig = Rig(tmp_path)
            await rig.host.open()
            await case(rig)
            await rig.close()
            return rig

        return asyncio.run(go())

    return run


def halt() -> HaltAsked:
    return HaltAsked(ts_ns=CLOCK.now_ns(), who="test")


def test_it_opens_reconciled_and_active(rigged: Callable[..., Rig]) -> None:
    async def case(rig: Rig) -> None:
        assert rig.host.board.current.state is TradingState.ACTIVE
        assert rig.host.board.current.private_stream_ready

    rig = rigged(case)
    assert rig.venue.closed


def test_each_event_is_numbered_and_journaled_with_its_commands(rigged: Callable[..., Rig]) -> None:
    async def case(rig: Rig) -> None:
        session_start = rig.recorder.seq
        handled = await rig.host.ask(halt())
        assert session_start < handled.seq <= rig.recorder.seq
        assert handled.commands

    rig = rigged(case)
    with JournalReader(rig.paths.journal) as journal:
        (session,) = journal.sessions()
        numbers = [seq for seq, _ in journal.events()]
        assert numbers[0] == session.first_seq
        (seq,) = [seq for seq, event in journal.events() if isinstance(event, HaltAsked)]
        assert [s for s, _ in journal.commands() if s == seq]


def test_a_halt_that_is_confirmed_outlives_a_kill(rigged: Callable[..., Rig]) -> None:
    """It is on the disk when whoever asked hears of it, though nobody has closed anything."""

    async def case(rig: Rig) -> None:
        handled = await rig.host.ask(halt())
        with JournalReader(rig.paths.journal) as journal:
            assert [seq for seq, event in journal.events() if isinstance(event, HaltAsked)] == [handled.seq]

    rigged(case)


def test_a_disk_that_does_not_answer_does_not_keep_a_halt_from_being_confirmed(
    rigged: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    async def case(rig: Rig) -> None:
        with monkeypatch.context() as slow:
            slow.setattr(rig.recorder, "durable", never)
            await rig.host.ask(halt())
        assert rig.host.board.current.state is TradingState.HALTED

    rigged(case)


def test_time_never_goes_back_for_the_engine(rigged: Callable[..., Rig]) -> None:
    async def case(rig: Rig) -> None:
        await rig.host.ask(TimePassed(ts_ns=CLOCK.now_ns() + 10**9))
        await rig.host.ask(TimePassed(ts_ns=5))

    rig = rigged(case)
    with JournalReader(rig.paths.journal) as journal:
        times = [event.ts_ns for _, event in journal.events()]
    assert times == sorted(times)


def test_an_engine_fault_halts_entries_is_told_and_the_engine_goes_on(
    rigged: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Engine.handle

    def handle(self: Engine, event: Event) -> list[Command]:
        if isinstance(event, LoopLagged):
            raise ZeroDivisionError("a bug")
        return real(self, event)

    monkeypatch.setattr(Engine, "handle", handle)

    async def case(rig: Rig) -> None:
        await rig.host.ask(LoopLagged(ts_ns=CLOCK.now_ns(), lag_ms=1.0))
        await rig.host.ask(ResumeAsked(ts_ns=CLOCK.now_ns(), who="test"))
        picture = rig.host.board.current
        assert picture.state is TradingState.HALTED
        assert "a bug" in picture.state_reason
        assert "fault" in [notice.code for notice in picture.notices]
        assert rig.host._dispatcher.entries_blocked
        for _ in range(FAULTS_IN_A_ROW + 1):
            await rig.host.ask(LoopLagged(ts_ns=CLOCK.now_ns(), lag_ms=1.0))
        assert rig.host.board.current.state is TradingState.HALTED

    rigged(case)


def test_a_venue_that_cannot_be_opened_leaves_no_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTRACTDESK_STATE", str(tmp_path / "state"))

    async def go() -> set[asyncio.Task[Any]]:
        rig = Rig(tmp_path)
        rig.venue.fail("open", VenueUnreachable("no route"))
        with pytest.raises(VenueUnreachable):
            await rig.host.open()
        assert rig.venue.closed
        rig.recorder.close()
        rig.lock.release()
        return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]

    assert asyncio.run(go()) == set()


def test_a_condition_is_tried_after_each_event_and_given_up_in_time(rigged: Callable[..., Rig]) -> None:
    async def case(rig: Rig) -> None:
        state = rig.host.state
        waiting = asyncio.create_task(
            rig.host.until(lambda: True if state.state is TradingState.HALTED else None, 5)
        )
        await rig.host.ask(halt())
        assert await waiting is True
        assert await rig.host.until(lambda: None, 0.01) is None
        assert rig.host._conditions == []

    rigged(case)


def test_a_symbol_is_listed_before_anything_names_it(rigged: Callable[..., Rig]) -> None:
    async def case(rig: Rig) -> None:
        assert await rig.host.list_symbol(TERMS.symbol) == TERMS.symbol
        assert TERMS.symbol in rig.host.state.symbols
        with pytest.raises(UnknownSymbol):
            await rig.host.list_symbol("BTX/USDT:USDT")
        await rig.host.ask(BookInvalidated(ts_ns=CLOCK.now_ns(), symbol=TERMS.symbol, reason="test"))

    rigged(case)


def test_the_picture_shows_short_lags_that_the_engine_is_not_told_of(rigged: Callable[..., Rig]) -> None:
    async def case(rig: Rig) -> None:
        rig.host._lag.measured(7.0)
        rig.host.publish()
        assert rig.host.board.current.loop_lag_ms >= 7.0
        assert rig.host.state.loop_lag_ms == 0.0

    rigged(case)


def test_a_person_looks_at_a_symbol_once_and_the_engine_asks_for_nothing(rigged: Callable[..., Rig]) -> None:
    async def case(rig: Rig) -> None:
        await rig.host.list_symbol(TERMS.symbol)
        rig.host.publish()
        assert not rig.host.board.current.symbols[TERMS.symbol].watched, "it was named, and no more"
        assert rig.host.look_at(TERMS.symbol, "1m", 10)
        rig.host.publish()
        assert rig.host.board.current.symbols[TERMS.symbol].watched
        assert rig.host.watching(TERMS.symbol)
        assert not rig.host.look_at(TERMS.symbol, "1m", 10)
        await rig.host.ask(halt())
        await asyncio.sleep(0)
        assert not rig.host.watching(TERMS.symbol)
        assert rig.host.state.symbols[TERMS.symbol].watched == ()

    rig = rigged(case)
    assert rig.venue.asked.count(f"watch {TERMS.symbol} 1m 10") == 1


def test_an_approved_entry_that_waits_for_the_disk_does_not_leave_after_a_halt(
    rigged: Callable[..., Rig],
) -> None:
    async def case(rig: Rig) -> None:
        assert not rig.host._dispatcher.entries_blocked
        await rig.host.ask(halt())
        assert "HALTED" in rig.host._dispatcher.entries_blocked
        await rig.host.ask(ResumeAsked(ts_ns=CLOCK.now_ns(), who="test"))
        assert not rig.host._dispatcher.entries_blocked

    rigged(case)


def test_a_tape_segment_that_cannot_begin_costs_no_event(
    rigged: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, force: bool = False) -> None:
        raise OSError(28, "No space left on device")

    async def case(rig: Rig) -> None:
        monkeypatch.setattr(rig.recorder, "rotate", full)
        await rig.host.ask(halt())
        assert rig.host.board.current.state is TradingState.HALTED
        assert "No space left" in rig.host.fault

    rigged(case)


def test_an_engine_that_is_no_longer_fed_rings_no_timer(
    rigged: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def case(rig: Rig) -> None:
        def broken(self: Engine, event: Event) -> list[Command]:
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(Engine, "handle", broken)
        for _ in range(FAULTS_IN_A_ROW + 1):
            await rig.host.ask(LoopLagged(ts_ns=CLOCK.now_ns(), lag_ms=1.0))
        assert rig.host._deadline._timer_ns is None

    rigged(case)


def test_a_desk_takes_its_account_back_from_its_guardian_and_reconciles_first(
    rigged: Callable[..., Rig],
) -> None:
    async def case(rig: Rig) -> None:
        epoch = rig.lock.epoch
        guardian = GuardianLease(rig.lock.path, epoch)
        assert guardian.take()
        await rig.host.until(lambda: True if not rig.host.state.started else None, 5)
        assert not rig.host.state.private_stream_ready
        await asyncio.sleep(0.3)
        assert not rig.lock.valid  # it waits for the guardian to leave, and sends nothing meanwhile
        reads = rig.venue.asked.count("read_state")
        guardian.release()
        await rig.host.until(lambda: True if rig.host.state.private_stream_ready else None, 5)
        assert rig.venue.asked.count("read_state") == reads + 1
        assert rig.lock.valid
        assert rig.lock.epoch == rig.host.state.config.epoch == epoch + 2
        assert {"lease_lost", "lease_regained"} <= {notice.code for notice in rig.host.state.notices}
        assert rig.host.board.current.state is TradingState.ACTIVE

    rigged(case)


def test_a_picture_reads_fills_from_where_they_are_known_not_from_the_newest(
    rigged: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def case(rig: Rig) -> None:
        asked: list[int] = []
        read_state = rig.venue.read_state

        async def read(since_ns: int, *more: Any) -> Any:
            asked.append(since_ns)
            return await read_state(since_ns, *more)

        monkeypatch.setattr(rig.venue, "read_state", read)
        known_ns = rig.host.state.fills_known_ns
        rig.host.state.last_fill_ns = known_ns + 3600 * NS_PER_S  # streamed, and nothing was read since
        await reconcile_anew(rig.host)
        assert asked[0] == known_ns - OVERLAP_NS

    rigged(case)


def test_from_any_other_writer_a_desk_takes_nothing_back(rigged: Callable[..., Rig]) -> None:
    async def case(rig: Rig) -> None:
        later = (rig.lock.epoch + 1).to_bytes(8, "big") + b"route".ljust(16, b"\0")
        rig.lock.path.with_suffix(".epoch").write_bytes(later)
        await rig.host.until(lambda: True if not rig.host.state.started else None, 5)
        await asyncio.sleep(0.6)
        assert not rig.lock.valid
        assert not rig.host.state.private_stream_ready

    rigged(case)
