"""The live driver: feeds the engine one event at a time and performs what it commands.

Order of each step: the event is written (journal or tape), the engine handles it, the commands are
written, then performed. Everything here runs on the desk's own loop; it never prints.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from contractdesk.clock import NS_PER_MS, Clock
from contractdesk.desk.board import Board
from contractdesk.desk.book_watch import BookWatch
from contractdesk.desk.deadline import Deadline
from contractdesk.desk.dispatcher import Dispatcher
from contractdesk.desk.guardian_link import GuardianLink
from contractdesk.desk.guardian_report import take_report
from contractdesk.desk.inbox import Inbox
from contractdesk.desk.lag import LagMeter
from contractdesk.desk.lease_keeper import LeaseKeeper, gone
from contractdesk.desk.lock import AccountLock
from contractdesk.desk.order_log import OrderLog
from contractdesk.desk.pictures import Pictures
from contractdesk.desk.reconciling import own_up_to_the_gap, reconcile_anew
from contractdesk.desk.recorder import Recorder
from contractdesk.desk.records import Records
from contractdesk.desk.supervisor import Supervisor
from contractdesk.domain.commands import Command, Severity, Watch
from contractdesk.domain.events import (
    Event,
    HaltAsked,
    InstrumentListed,
    IntentAsked,
    LeaseBegun,
    LeaseLost,
    LoopLagged,
    MarketEvent,
    PersonEvent,
    TimePassed,
)
from contractdesk.domain.views import DeskSnapshot, GuardianState, Notice, TradingState
from contractdesk.engine.engine import Engine
from contractdesk.engine.state import Desk
from contractdesk.ops.metrics import Metrics
from contractdesk.venues.base import Venue

T = TypeVar("T")

SNAPSHOT_EVERY_S = 0.1
BURST = 64  # events handled before the sockets get their turn
SLOW_STEP_MS = 50.0
FAULTS_IN_A_ROW = 20  # then the engine is no longer fed: its guardian takes over
GUARDIAN_ACTED = "guardian_acted"  # code of the notice that tells what it did while no desk was here


class Handled(Struct, frozen=True):
    """What the engine made of one event."""

    seq: int
    commands: tuple[Command, ...]
    intent_id: int = 0  # of the wish that the event was, if it was one


class DeskHost:
    """One account's live engine. Constructed anywhere; every method runs on the desk's loop."""

    def __init__(
        self,
        *,
        engine: Engine,
        venue: Venue,
        recorder: Recorder,
        lock: AccountLock,
        clock: Clock,
        logger: logging.Logger,
        metrics: Metrics,
        name: str,
        asset: str,
        guardian: Callable[[Callable[[str, str], None]], GuardianLink] | None = None,
        picture_every_s: float = SNAPSHOT_EVERY_S,
    ) -> None:
        """``guardian`` is handed the desk's alarm; None: this account has none."""
        self.engine = engine
        self.venue = venue
        self.recorder = recorder
        self.metrics = metrics
        self.records = Records()
        self.clock = clock
        self.logger = logger
        self.board = Board(
            DeskSnapshot(
                ts_ns=clock.now_ns(), state=TradingState.REDUCING, state_reason="starting", asset=asset
            ),
            clock,
        )
        self.fault = ""  # what broke the engine; "" = nothing did
        self._name = name
        self._picture_every_s = picture_every_s
        self._supervisor = Supervisor(logger, self._on_fault)
        self._inbox = Inbox(self._on_overflow)
        self.guardian = guardian(self.alarm) if guardian is not None else None
        self._lock = lock
        self._lease = LeaseKeeper(
            lock,
            clock,
            logger,
            lost=self._lease_lost,
            begun=self._lease_begun,
            reconcile=lambda: reconcile_anew(self),
        )
        self._orders = OrderLog(logger, metrics.order_latency, metrics.round_trip)
        self._dispatcher = Dispatcher(
            venue=venue,
            emit=self.emit,
            alarm=self.alarm,
            barrier=recorder.durable,
            lock=lock,
            clock=clock,
            supervisor=self._supervisor,
            orders=self._orders,
            logger=logger,
            arm=self.guardian.arm if self.guardian is not None else None,
            desk=lambda: self.state,
        )
        self._lag = LagMeter(clock, metrics.loop_lag, self._lagged)
        self._books = BookWatch()
        self._looked_at: set[tuple[str, str]] = set()  # symbols and timeframes that only a person needs
        self._last_ns = 0
        self._faults_in_a_row = 0
        self._deadline = Deadline(clock, lambda now_ns: self.emit(TimePassed(ts_ns=now_ns)))
        self._conditions: list[tuple[Callable[[], object], asyncio.Future[object]]] = []
        self._pictures = Pictures(self.records, metrics, self._dispatcher.asked)

    @property
    def state(self) -> Desk:
        """All that the engine remembers; to be read on the desk's loop, never written."""
        view = self.engine.view
        assert isinstance(view, Desk)  # noqa: S101  # the engine's view is its state; this narrows it
        return view

    # -- life ------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect the venue and reconcile. Raises UserError or VenueError; then nothing is left running."""
        self._supervisor.spawn(self._pump(), "pump")
        self._supervisor.spawn(self._publish_all(), "publisher")
        self._supervisor.spawn(self._lag.run(), "lag meter")
        self._supervisor.spawn(self._lease.run(), "lease")
        if self.guardian is not None:
            self._supervisor.spawn(self.guardian.run(lambda: self.state), "guardian")
        try:
            await own_up_to_the_gap(self)
            await self.venue.open(self.emit)
            await gone(self._lock.path, self.clock)  # one of a desk before this one may be at work
            await reconcile_anew(self)
        except BaseException:  # an interrupt or a cancel must leave nothing running either
            await self._stop(orderly=False)
            raise
        report = await asyncio.to_thread(take_report, self._lock.report)
        if report is not None:
            self.alarm(GUARDIAN_ACTED, f"while no desk was here: {report.text}")
        self._watch_again()
        self.publish()  # whoever has opened it sees how it stands
        self.metrics.reset()  # importing ccxt is not the lag of trading
        self.logger.info("desk %s is open", self._name, extra={"event.code": "desk_opened"})

    def _watch_again(self) -> None:
        """The engine asked for these streams before; its positions need their marks."""
        again = [
            Watch(symbol=symbol, timeframes=market.watched, warmup=market.warmup)
            for symbol, market in self.state.symbols.items()
            if market.watched
        ]
        self._dispatcher.perform(again, self.clock.now_ns())

    async def close(self) -> None:
        """End the sockets and tasks, write what is queued. Orders stay as they are."""
        self.publish()
        await self._stop()
        last = partial(self.recorder.rotate, self._last_ns, self.engine.checkpoint, force=True)
        self._supervisor.guard("last tape segment", last)  # where the next desk begins
        self.logger.info("desk %s is closed", self._name, extra={"event.code": "desk_closed"})

    async def _stop(self, *, orderly: bool = True) -> None:
        self._deadline.cancel()
        await self.venue.close()
        if self.guardian is not None:
            await self.guardian.goodbye(orderly=orderly)  # nothing can be sent any more
        await self._supervisor.stop()

    # -- in and out ------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Queue an event."""
        self._inbox.put(event)

    async def ask(self, event: Event) -> Handled:
        """Queue an event and wait until the engine has handled it; the snapshot is then up to date.

        What a person did is on the disk, too: a halt that was confirmed outlives a kill.
        """
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._inbox.put(event, done)
        handled = await done
        if isinstance(event, PersonEvent):
            await self.recorder.kept()
        assert isinstance(handled, Handled)  # noqa: S101  # narrows what the inbox carries as object
        return handled

    async def list_symbol(self, symbol: str) -> str:
        """Tell the engine of a contract before anything names it; its unified symbol, or UnknownSymbol."""
        instrument = self.venue.resolve(symbol)
        if instrument.symbol not in self.state.symbols:
            await self.ask(InstrumentListed(ts_ns=self.clock.now_ns(), instrument=instrument))
        return instrument.symbol

    def look_at(self, symbol: str, timeframe: str, warmup: int) -> bool:
        """Have a symbol's streams and bars, though no strategy asked for them; False where that is old news.

        The engine is told nothing but the market itself: its own ``Watch`` commands stay what they were.
        """
        if (symbol, timeframe) in self._looked_at:
            return False
        self._looked_at.add((symbol, timeframe))
        watch = Watch(symbol=symbol, timeframes=(timeframe,), warmup=warmup)
        self._dispatcher.perform((watch,), self.clock.now_ns())
        return True

    def watching(self, symbol: str) -> bool:
        """True while streams or bars of the symbol that were asked for are still on their way."""
        return self._dispatcher.watching(symbol)

    async def until(self, condition: Callable[[], T | None], timeout_s: float) -> T | None:
        """The first non-None result of ``condition``, tried after each event; None after ``timeout_s``."""
        if (already := condition()) is not None:
            return already
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        entry = (condition, future)
        self._conditions.append(entry)
        try:
            await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            return condition()
        finally:
            self._conditions.remove(entry)
        return future.result()  # type: ignore[return-value]  # set from the same condition

    def alarm(self, code: str, message: str, severity: Severity = Severity.ALARM) -> None:
        """Tell the person what the engine cannot know."""
        log = self.logger.error if severity is Severity.ALARM else self.logger.warning
        log(message, extra={"event.code": code})
        self._pictures.tell(Notice(ts_ns=self.clock.now_ns(), severity=severity, code=code, message=message))

    # -- the pump --------------------------------------------------------------------------

    async def _pump(self) -> None:
        while True:
            for _ in range(BURST):
                event, done = await self._inbox.get()
                handled = self._supervisor.guard(f"event {type(event).__name__}", self._step, event)
                if done is not None and not done.done():
                    done.set_result(handled or Handled(self.recorder.seq, ()))
            await asyncio.sleep(0)

    def _step(self, event: Event) -> Handled:
        began_ns = self.clock.monotonic_ns()
        self._lease.on_step(began_ns)
        event = self._in_order(event)
        # A segment that cannot begin costs a later replay its start, never this event.
        self._supervisor.guard("tape segment", self.recorder.rotate, event.ts_ns, self.engine.checkpoint)
        self.recorder.event(event)
        seq = self.recorder.seq
        latched = self.state.breaker_reason
        wished = self.state.intents + 1  # an event's own wish comes before all that follows from it
        commands = self._handle(event)
        self.recorder.commands(event.ts_ns, commands)
        self._dispatcher.entries_blocked = self._no_entries()
        self._dispatcher.perform(commands, event.ts_ns)
        if self.state.breaker_reason != latched:
            self.recorder.latch(event.ts_ns, self.engine.checkpoint)
        self._orders.saw(event)
        self._orders.refused(self.state.refusals)
        self.records.saw(event)
        self._pictures.saw(event)
        self._arm_timer()
        self._settle_conditions()
        if not isinstance(event, MarketEvent | TimePassed):
            self.publish()
            if self.guardian is not None:
                self.guardian.note()
        self._measured(event, (self.clock.monotonic_ns() - began_ns) / NS_PER_MS)
        return Handled(seq, tuple(commands), wished if isinstance(event, IntentAsked) else 0)

    def _no_entries(self) -> str:
        """Why an entry that was approved, and waits for the disk, must not leave any more; "" = it may."""
        state = self.state.state
        return (
            self.fault
            or self._lease.away
            or ("" if state is TradingState.ACTIVE else f"the desk is {state.value}")
        )

    def _measured(self, event: Event, took_ms: float) -> None:
        self.metrics.counters["events"] += 1
        self.metrics.step.add(took_ms)
        if took_ms > SLOW_STEP_MS:
            self.logger.warning("%s took %.0f ms", type(event).__name__, took_ms)

    def _handle(self, event: Event) -> list[Command]:
        if self._faults_in_a_row >= FAULTS_IN_A_ROW:
            return []
        commands = self.engine.handle(event)
        self._faults_in_a_row = 0
        return commands

    def _in_order(self, event: Event) -> Event:
        """The engine's time never goes back: merged events and steps of the wall clock would do that."""
        if event.ts_ns < self._last_ns:
            event = replace(event, ts_ns=self._last_ns)
        self._last_ns = event.ts_ns
        return event

    def _settle_conditions(self) -> None:
        for condition, future in self._conditions:
            if not future.done() and (result := condition()) is not None:
                future.set_result(result)

    def _arm_timer(self) -> None:
        # An engine that is no longer fed leaves its deadline in the past: ringing on would be a spin.
        dead = self._faults_in_a_row >= FAULTS_IN_A_ROW
        self._deadline.set(None if dead else self.engine.next_deadline_ns)

    # -- the picture -----------------------------------------------------------------------

    async def _publish_all(self) -> None:
        while True:
            await asyncio.sleep(self._picture_every_s)
            self.publish()
            for symbol, reason in self._books.look(self.state.symbols, self.clock.monotonic_ns()):
                self.alarm("book_sick", f"{symbol}: {reason}; it is read anew", Severity.WARNING)
                self.venue.resync(symbol, reason)

    def publish(self) -> None:
        """Replace the snapshot now."""
        self._supervisor.guard("snapshot", self._publish)

    def _publish(self) -> None:
        snapshot = self.engine.snapshot()
        # The engine hears of long lags only; the person sees the short ones, too.
        snapshot = self._pictures.complete(
            snapshot,
            max(snapshot.loop_lag_ms, self._lag.recent_ms),
            self.guardian.state if self.guardian is not None else GuardianState.OFF,
        )
        if self.fault:
            snapshot = replace(snapshot, state=TradingState.HALTED, state_reason=self.fault)
        self.records.collect(snapshot)
        self.board.publish(snapshot)

    # -- trouble ---------------------------------------------------------------------------

    def _on_fault(self, what: str, error: BaseException) -> None:
        """Halt entries, keep the stops, go on protecting."""
        self._faults_in_a_row += 1
        if self._faults_in_a_row == FAULTS_IN_A_ROW:
            self._resign()
        self.metrics.counters["faults"] += 1
        if self.fault:
            return
        self.fault = f"fault in {what}: {error!r}; stops are kept; close the desk and open it again"
        self._dispatcher.entries_blocked = self._no_entries()
        self.alarm("fault", self.fault)
        self.emit(HaltAsked(ts_ns=self.clock.now_ns(), who="supervisor", reason=self.fault))

    def _resign(self) -> None:
        """The loop lives and the engine does not: nobody is at home, so let the guardian hear that."""
        self._lease.resigned = True
        if self.guardian is not None:
            self.guardian.mute = True

    def _lease_lost(self, why: str) -> None:
        """Before anything that has waited meanwhile is handled."""
        self._supervisor.guard("lease", self._step, LeaseLost(ts_ns=self.clock.now_ns(), reason=why))

    async def _lease_begun(self, epoch: int, done: str) -> None:
        await self.ask(LeaseBegun(ts_ns=self.clock.now_ns(), epoch=epoch, done=done))

    def _on_overflow(self, symbol: str) -> None:
        self.alarm("inbox_overflow", f"{symbol}: the desk was too slow for its feed; open the desk again")

    def _lagged(self, lag_ms: float) -> None:
        self.logger.warning("the loop was late by %.0f ms", lag_ms, extra={"lag_ms": round(lag_ms, 1)})
        self.emit(LoopLagged(ts_ns=self.clock.now_ns(), lag_ms=lag_ms))
