"""The core: ``handle(event) -> commands``, synchronous and deterministic.

All state lives here, time comes in with the events, and what is to be done goes out. Two drivers
feed it, the live desk and the replay runner, and neither is known to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Self, assert_never

from contractdesk.domain.commands import Command
from contractdesk.domain.events import (
    AccountRead,
    BarClosed,
    BookChanged,
    ClockMeasured,
    Event,
    FundingPaid,
    InstrumentListed,
    LeverageChanged,
    LoopLagged,
    MarginCalled,
    MarketEvent,
    MarketPassed,
    MarkPriced,
    ModesRead,
    OrderEvent,
    OrderFilled,
    PersonEvent,
    PositionReported,
    ReadFailed,
    StreamLost,
    StreamRestored,
    TimePassed,
    TradePrinted,
    VenueSilenced,
    VenueStateRead,
    WalletChanged,
)
from contractdesk.domain.intents import Finding, Intent, Refused, SizePreview
from contractdesk.domain.lease_events import LeaseEvent
from contractdesk.domain.views import DeskSnapshot, DeskView
from contractdesk.engine.breaking import Breaking
from contractdesk.engine.checkpoint import decode_desk, encode_desk
from contractdesk.engine.config import EngineConfig
from contractdesk.engine.connection import Connection
from contractdesk.engine.core import Core, Telling, Watch
from contractdesk.engine.executions import Executions
from contractdesk.engine.guarding import Guarding
from contractdesk.engine.intents import Intents
from contractdesk.engine.invariants import validate_state
from contractdesk.engine.ledger import Ledger
from contractdesk.engine.market_feed import BY_HAND_TIMEFRAME, MarketFeed
from contractdesk.engine.order_tracker import OrderTracker
from contractdesk.engine.passing import Horizon, Passing
from contractdesk.engine.person import Person
from contractdesk.engine.protection import Protection
from contractdesk.engine.reconcile import Reconciliation
from contractdesk.engine.repeating import Repeating
from contractdesk.engine.snapshot import snapshot_of
from contractdesk.engine.state import DAY_NS, NS_PER_MS, NS_PER_S, Desk
from contractdesk.engine.stop_intents import StopIntents
from contractdesk.engine.story import Story, story_of
from contractdesk.engine.strategies import Host
from contractdesk.engine.timers import Timers
from contractdesk.engine.trailing import FOREVER, Trailing
from contractdesk.errors import EngineFault
from contractdesk.risk.stress import Shock, Stress, stressed
from contractdesk.strategy.base import Strategy

__all__ = ["Engine", "EngineConfig", "Story"]

MAX_ROUNDS = 10_000  # of one event; strategies' wishes are limited long before
NEVER = 1 << 63
ROUTINE = (BookChanged, TradePrinted, MarketPassed, MarkPriced, BarClosed)  # alone they set no timers
SLEEP_NS = 15 * NS_PER_S  # a driver wakes us every 5 s at least: more means that nobody was awake


class Engine:
    """One desk's core. Start-up: InstrumentListed*, ModesRead, ClockMeasured, StreamRestored(PRIVATE), then
    VenueStateRead with ``request_id=0``: reconciled, and ACTIVE; after ``restore`` StreamLost(PRIVATE) first.
    """

    def __init__(self, config: EngineConfig, classes: Mapping[str, type[Strategy]]) -> None:
        """``classes`` by source hash; the driver adds to it before it feeds what names the hash."""
        self._assemble(Desk(config=config, risk=config.risk), classes)

    def _assemble(self, desk: Desk, classes: Mapping[str, type[Strategy]]) -> None:
        self._desk = desk
        self._core = core = Core(desk)
        self._orders = orders = OrderTracker(core)
        self._ledger = ledger = Ledger(core)
        self._protection = protection = Protection(core, orders)
        trailing = Trailing(core)
        stops = StopIntents(core, ledger, protection, trailing)
        self._intents = intents = Intents(core, orders, protection.flattening, stops)
        self._guarding = guarding = Guarding(core, orders, protection.flattening)
        self._host = host = Host(core, orders, classes)
        self._feed = feed = MarketFeed(core, host, trailing)
        self._executions = executions = Executions(core, orders, ledger, protection, feed)
        self._reconciliation = reconciliation = Reconciliation(core, orders, ledger, executions)
        self._connection = Connection(core)
        self._breaking = breaking = Breaking(core, orders, protection.flattening)
        self._repeating = Repeating(core, orders, breaking)
        self._person = Person(core, orders, protection.flattening, intents, host, feed, breaking)
        self._timers = Timers(core, orders, protection, intents, reconciliation, feed, guarding)
        self._passing = Passing(core, trailing, guarding)
        self._horizon: Horizon | None = None
        self._look_ahead()

    # -- events ----------------------------------------------------------------------------

    def handle(self, event: Event) -> list[Command]:
        """Take in one fact; returns what is to be done, in order."""
        desk, core = self._desk, self._core
        if event.ts_ns > desk.now_ns:
            slept_ns, desk.now_ns = event.ts_ns - desk.now_ns, event.ts_ns
            if slept_ns > SLEEP_NS and desk.started and desk.config.polls:
                self._connection.on_sleep(slept_ns)
        desk.events_handled += 1
        desk.handling = True
        try:
            self._take(event)
            if core.measuring:
                self._breaking.measure()
            due = desk.now_ns >= self._deadline
            if due:
                self._timers.run()
            if due or core.busy or not isinstance(event, ROUTINE):
                self._conclude()
            elif self._horizon is not None and self._moves(event):
                self._horizon = None
        finally:
            desk.handling = False
        return core.outbox()

    def hear(self, trades: list[TradePrinted]) -> list[Command]:
        """Take in trades of one symbol before anything else happens, up to the first with a consequence.

        What comes after that one is removed from ``trades``. For a driver that leaves for later what it is
        asked for meanwhile (``leave_for_later``): it tells what came before ``hearing``, and afterwards how
        the book has changed. Bars come from the venue.
        """
        desk, core = self._desk, self._core
        desk.handling, core.telling = True, Telling(trades, iter(trades))
        try:
            if self._host.hear(core.telling):
                core.catch_up()
            desk.events_handled += len(trades)
            if core.busy:
                self._conclude()
        finally:
            desk.handling, core.telling = False, None
        return core.outbox()

    def hear_bars(self, bars: Iterator[BarClosed]) -> list[Command]:
        """Take in closed bars before anything else is due, up to the first with a consequence.

        The rest is left in ``bars``. For a driver that leaves for later what it is asked for meanwhile: it
        ends ``bars`` after the one at which somebody has looked.
        """
        desk, core = self._desk, self._core
        desk.handling = True
        try:
            if self._feed.hear(bars):
                self._horizon = None
                if core.busy:
                    self._conclude()
        finally:
            desk.handling = False
        return core.outbox()

    def repeat(self, event: Event, answer: Sequence[Command]) -> None:
        """Take in again, though something before it is lost, what a process that has ended took in.

        ``answer`` came of it then, by the record: that counts, whatever would now. TimePassed stands in for
        an event that is lost itself.
        """
        try:
            with self._repeating.of(event, answer):
                self.handle(event)
            self._conclude()
        finally:
            self._core.sent_ids, self._core.out = None, []

    def watched(self, watch: Watch) -> Self:
        """Run every callback through ``watch`` from now on; itself."""
        self._core.watch = watch
        return self

    @property
    def hearing(self) -> TradePrinted | None:
        """The one of several trades that is being told."""
        return self._core.telling.present if self._core.telling else None

    def _conclude(self) -> None:
        self._settle()
        if self._core.measuring:  # a wish has been booked: its sample is of this event, too
            self._breaking.measure()
            self._settle()
        self._guarding.on_settled()
        self._look_ahead()

    def _moves(self, event: Event) -> bool:
        """A routine event after which one may go less far: a mark told singly, or a stop's next ATR."""
        if isinstance(event, BarClosed):
            market = self._desk.symbols.get(event.symbol)
            return market is not None and self._feed.trails(market)
        return isinstance(event, MarkPriced)

    def _look_ahead(self) -> None:
        """Nothing that was reckoned before holds for sure: when is what due now?"""
        self._horizon, self._guarding.safe = None, False
        self._passing.stir()
        self._timer = self._timers.deadline_ns() or NEVER
        self._deadline = min(self._timer, self._guarding.due_ns() or NEVER)

    def _take(self, event: Event) -> None:  # noqa: C901  (a flat dispatch, a case each)
        match event:
            case MarketEvent():
                self._feed.take(event)
            case MarketPassed():
                self._passing.take(event)
            case OrderFilled():
                self._executions.apply(event.fill)
            case OrderEvent():
                self._orders.on_report(event)
            case PersonEvent():
                self._person.ask(event)
            case AccountRead():
                self._on_account_read(event)
            case VenueStateRead():
                if self._reconciliation.on_read(event):
                    self._breaking.measure()  # what was missed may forbid what waited for this
                    self._guarding.look()
                    self._intents.on_account()
            case ReadFailed():
                self._on_read_failed(event)
            case WalletChanged():
                self._ledger.on_wallet(event)
            case FundingPaid():
                if self._ledger.on_funding(event):
                    self._host.on_funding(event.symbol, event)
            case PositionReported():
                self._reconciliation.on_witness(event)
            case StreamLost() | StreamRestored():
                self._connection.on_stream(event)
            case InstrumentListed() | ModesRead() | LeverageChanged() | MarginCalled():
                self._connection.on_terms(event)
            case ClockMeasured() | VenueSilenced() | LoopLagged() | LeaseEvent():
                self._connection.on_health(event)
            case TimePassed():
                pass
            case _:
                assert_never(event)

    def _on_account_read(self, event: AccountRead) -> None:
        asked_ns = self._desk.account_reads.pop(event.request_id, 0)
        if asked_ns < self._desk.account_ns or not asked_ns:
            return  # overtaken by a newer one, or given up: how old it is, nobody knows
        if not self._ledger.on_account(event.account, asked_ns, event.request_id):
            return  # from before money came or went: whoever waits, waits for a newer one
        self._guarding.look()
        self._intents.on_account()

    def _on_read_failed(self, event: ReadFailed) -> None:
        """A failed read changes nothing but when it is asked again."""
        desk = self._desk
        if desk.account_reads.pop(event.request_id, 0):
            if not desk.account_reads:
                self._intents.on_account_unreadable(event.reason)
        elif desk.state_read and desk.state_read.request_id == event.request_id:
            self._reconciliation.on_failed()
        else:
            self._orders.on_read_failed(event.request_id)

    # -- consequences ----------------------------------------------------------------------

    def _settle(self) -> None:
        """Let every consequence have its own, protection before strategies, until all is quiet."""
        core = self._core
        for _ in range(MAX_ROUNDS):
            self._protect()
            if core.bookings:
                self._host.on_booking(core.bookings.pop(0))
            elif core.moved:
                self._host.on_order(core.moved.pop(0))
            elif core.refused:
                self._host.on_refused(core.refused.pop(0))
            elif core.wishes:
                self._intents.wish(core.wishes.pop(0))
            elif not core.busy:
                return
        raise EngineFault("one event has more consequences than can be")

    def _protect(self) -> None:
        core = self._core
        while core.changes:
            tracked = core.changes.pop(0)
            self._protection.on_change(tracked)
            core.moved.append(tracked)
        while core.touched:
            touched, core.touched = core.touched, {}
            for symbol in touched:
                self._protection.ensure(self._desk.symbols[symbol])

    # -- looking in ------------------------------------------------------------------------

    @property
    def next_deadline_ns(self) -> int | None:
        """When the driver must feed TimePassed at the latest; None: only when something happens."""
        if self._deadline == NEVER:
            return None
        now = self._desk.now_ns  # exact, whenever it is asked; what has passed does not make a driver spin
        return self._deadline if self._deadline > now else now + NS_PER_MS

    @property
    def events_handled(self) -> int:
        return self._desk.events_handled

    @property
    def refusals(self) -> list[Refused]:
        """The last ones, oldest first: the engine's own list, to be read only."""
        return self._desk.refusals

    def leave_for_later(self, passed: Callable[[], MarketPassed | None]) -> None:
        """``passed`` gives what a driver has not told yet; it is asked as soon as somebody looks.

        A driver that sets it may feed a bar before the trades and marks that it was made of; before all
        else it tells them.
        """

        def take() -> None:
            event = passed()
            if event is not None:
                self._passing.take(event)
            telling = self._core.telling
            if telling is not None:  # this one has been told, though what came before it is told only now
                self._desk.symbols[telling.present.symbol].last = telling.present.price
                telling.cut()

        self._core.arrears = take

    def horizon(self) -> Horizon:
        """How far a driver that tells everything may go before the engine must think again.

        Until then trades, quotes and marks may be told at once (``MarketPassed``), but for those that
        a strategy has subscribed to. Asking twice in between costs nothing.
        """
        if self._horizon is None:
            bands = self._passing.bands()
            self._deadline = min(self._timer, self._guarding.due_ns() or NEVER)
            midnight_ns = (self._desk.now_ns // DAY_NS + 1) * DAY_NS  # a day's first mark is told singly
            self._horizon = Horizon(min(self.next_deadline_ns or FOREVER, midnight_ns), bands)
        return self._horizon

    @property
    def view(self) -> DeskView:
        """The current face of the desk: live and read-only, not to be kept."""
        return self._desk

    def snapshot(self, depth: int = 40) -> DeskSnapshot:
        """The frozen picture, with ``depth`` levels a side of each book."""
        return snapshot_of(self._desk, self._protection, self._intents.gate, depth)

    def why(self, id: str) -> Story | None:  # noqa: A002  (the name the design gives it)
        """The chain behind a client, venue, trade or intent id; None for one that is not known."""
        return story_of(self._desk, id)

    def why_not(self, symbol: str) -> tuple[Finding, ...]:
        """What would refuse an entry in the symbol now; empty when nothing would."""
        return self._intents.gate.blockers(symbol, self._desk)

    def preview(self, intent: Intent, *, risk: Decimal | None = None) -> SizePreview:
        """What an entry by hand would be now."""
        return self._intents.gate.preview(intent, self._desk, timeframe=BY_HAND_TIMEFRAME, risk=risk)

    def stress(self, shock: Shock) -> Stress | None:
        """The account as it would be under a shock; None before it has been read."""
        return stressed(self._desk, self._desk.risk, shock)

    def validate_state(self) -> None:
        """Check every invariant of the state; EngineFault where one is broken."""
        validate_state(self._core)

    # -- checkpoints -----------------------------------------------------------------------

    def checkpoint(self) -> bytes:
        """Everything the engine remembers; between two events only."""
        self._desk.breaker.make_all()
        return encode_desk(self._desk)

    @classmethod
    def restore(cls, data: bytes, classes: Mapping[str, type[Strategy]]) -> Self:
        """An engine that goes on as the one that was checkpointed would have."""
        engine = cls.__new__(cls)
        engine._assemble(decode_desk(data), classes)  # noqa: SLF001  (this class's own)
        return engine
