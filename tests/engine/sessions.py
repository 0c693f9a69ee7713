"""Random trading sessions of an engine against an unruly venue, checked after every event."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from msgspec.structs import replace

from contractdesk.domain.commands import AmendStop, Command, PlaceStop, ReduceOrder, SubmitOrder
from contractdesk.domain.events import (
    ChannelAlive,
    Event,
    FlattenAsked,
    HaltAsked,
    IntentAsked,
    MarkPriced,
    ResumeAsked,
    TimePassed,
)
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.intents import FixedStop, Intent, IntentKind
from contractdesk.domain.orders import OrderRole, OrderStatus, Side
from contractdesk.domain.views import TradingState
from contractdesk.engine.amending import covers
from contractdesk.engine.coverage import oldest_ns, recount
from contractdesk.engine.engine import Engine
from contractdesk.engine.state import Desk, Uncovered
from tests.engine.bench import CONFIG, INSTRUMENT, NS_PER_S, SYMBOL, Bench, D
from tests.engine.unruly_venue import LATEST_NS, MS, Faults, UnrulyVenue

TICK_NS = 250 * MS
SLACK_NS = 50 * MS


@dataclass
class Session:
    """One seed, one story; ``events`` and ``commands`` are its record."""

    seed: int
    faults: Faults | None = None
    amend_stop: bool = False  # the venue can; then stops are moved often
    events: list[Event] = field(default_factory=list)
    commands: list[list[Command]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311  (a story's dice, not a secret)
        bench = Bench(config=replace(CONFIG, amend_stop=self.amend_stop), started=False)
        feed = bench.feed
        bench.feed = lambda event: self._record(event, feed(event))  # type: ignore[method-assign]
        bench.start()
        self.engine: Engine = bench.engine
        self.now_ns = bench.now_ns
        drawn = Faults.drawn(self.random)
        dice = Random(self.seed + 1)  # noqa: S311  (a story's dice, not a secret)
        self.venue = UnrulyVenue(dice, self.faults or drawn, self.now_ns)
        self.tick_ns = self.now_ns + TICK_NS
        self.blind = bool(self.venue.faults.drop or self.venue.faults.vanish)  # it cannot know of all
        self.uncovered: list[Uncovered] = []  # by the venue's own books
        self.last_position = self.covered = ZERO  # at the last look at them

    def _record(self, event: Event, commands: list[Command]) -> list[Command]:
        self.events.append(event)
        self.commands.append(commands)
        return commands

    # -- running ---------------------------------------------------------------------------

    def run(self, seconds: float, *, wishing: bool = True) -> None:
        until = self.now_ns + int(seconds * NS_PER_S)
        while True:
            times = [self.tick_ns, self.engine.next_deadline_ns, self.venue.next_ns]
            self.now_ns = max(self.now_ns, min(time for time in times if time is not None))
            if self.now_ns > until:
                return
            self.venue.now_ns = self.now_ns
            if self.now_ns == self.tick_ns:
                self._tick(wishing=wishing)
            elif self.now_ns == self.venue.next_ns:
                self.feed(replace(self.venue.pop(), ts_ns=self.now_ns))
            else:
                self.feed(TimePassed(ts_ns=self.now_ns))

    def quiesce(self) -> None:
        """The faults are over and the price stands; in 45 s everything must be in order."""
        self.venue.faults, self.venue.step = Faults(), 0
        self.run(45, wishing=False)

    def feed(self, event: Event) -> None:
        commands = self._record(event, self.engine.handle(event))
        self.engine.validate_state()
        for command in commands:
            self._check(command)
            self.venue.perform(command)
        assert len(set(self.venue.created)) == len(self.venue.created), "a client id was sent twice"
        assert len(self.venue.live_stops()) <= 2, "too many stops"
        self._check_protected()
        self._check_guarded_in_truth()
        self._check_counted()

    def _tick(self, *, wishing: bool) -> None:
        self.tick_ns += TICK_NS
        mark = self.venue.tick()
        self.feed(ChannelAlive(ts_ns=self.now_ns, symbol=SYMBOL, channel="book"))
        self.feed(
            MarkPriced(
                ts_ns=self.now_ns,
                symbol=SYMBOL,
                mark=mark,
                index=mark,
                funding_rate=ZERO,
                next_funding_ns=0,
                venue_ns=self.now_ns,
            )
        )
        if wishing and self.amend_stop and self.random.random() < 0.4:
            self.feed(self._move(mark))
        if wishing and self.random.random() < 0.25:
            self.feed(self._wish(mark))

    def _wish(self, mark: Decimal) -> Event:
        now = self.now_ns
        match self.random.randint(0, 11):
            case 0:
                return HaltAsked(ts_ns=now, who="tester", reason="test")
            case 1:
                return FlattenAsked(ts_ns=now, who="tester")
            case 2 | 3 | 4:
                return ResumeAsked(ts_ns=now, who="tester")
            case 5:
                return self._ask(Intent(kind=IntentKind.EXIT, symbol=SYMBOL))
            case 6:
                return self._move(mark)
            case _:
                side = self.random.choice([Side.BUY, Side.SELL])
                # our bench's book stands still at its first price: stops lie beyond both prices
                away = max(mark, D(30_000)) if side is Side.SELL else min(mark, D(30_000))
                stop = FixedStop(price=away - side.sign * D(self.random.randint(1, 8) * 50))
                size = D(self.random.randint(1, 30)) * INSTRUMENT.lot_size
                profit = away + side.sign * 300 if self.random.random() < 0.3 else None
                return self._ask(
                    Intent(
                        kind=IntentKind.ENTER,
                        symbol=SYMBOL,
                        side=side,
                        size=size,
                        stop=stop,
                        take_profit=profit,
                        expire_s=self.random.choice([None, 0.5]),
                    )
                )

    def _move(self, mark: Decimal) -> IntentAsked:
        stop = FixedStop(price=mark - 100 if self.random.random() < 0.5 else mark + 100)
        return self._ask(Intent(kind=IntentKind.MOVE_STOP, symbol=SYMBOL, stop=stop))

    def _ask(self, intent: Intent) -> IntentAsked:
        return IntentAsked(ts_ns=self.now_ns, who="tester", intent=intent)

    # -- checking --------------------------------------------------------------------------

    @property
    def desk(self) -> Desk:
        return self.engine._desk

    def _check(self, command: Command) -> None:
        market = self.desk.symbols[SYMBOL]
        size = market.position.size
        match command:
            case SubmitOrder():
                assert self.desk.state is TradingState.ACTIVE, "an entry while not ACTIVE"
            case ReduceOrder() | PlaceStop():
                assert command.size <= abs(size), "more than there is to close"
                assert command.side is market.position.closing_side, "it would open, not close"
            case AmendStop():
                assert command.size == abs(size), "it would cover more or less than there is"
                assert command.side is market.position.closing_side, "it would open, not close"
                assert command.trigger_price == market.guard.stop_price, "nobody wanted it there"

    def _check_protected(self) -> None:
        """Past the deadline all is guarded, or a reduce order is under way or about to be."""
        market = self.desk.symbols[SYMBOL]
        guard, size = market.guard, abs(market.position.size)
        oldest = min((item.since_ns for item in guard.uncovered), default=0)
        if oldest and self.now_ns > oldest + 3 * NS_PER_S + SLACK_NS:
            assert guard.flatten_reason, f"{size - market.guarded} contracts are naked"
        if size and guard.flatten_reason:
            flattening = self.engine._protection.flattening
            assert flattening.under_way(market) or guard.flatten_ns > self.now_ns, "nobody closes it"

    def _check_guarded_in_truth(self) -> None:
        """By the venue's own books, too, wherever the engine can know of every fill and stop."""
        position = self.venue.position
        if position * self.last_position <= 0:
            self.uncovered, self.covered = [], ZERO
        size, stops = abs(position), self.venue.live_stops()
        covered = min(size, sum((stop.size - stop.filled for stop in stops), ZERO))
        self.uncovered = recount(self.uncovered, size, covered, self.covered, self.now_ns)
        self.last_position, self.covered = position, covered
        if self.blind or self.desk.symbols[SYMBOL].guard.flatten_reason:
            return
        latest = self.now_ns - (LATEST_NS + 3 * NS_PER_S + SLACK_NS)
        assert not self.uncovered or oldest_ns(self.uncovered) >= latest, "naked by the venue's books"

    def _check_counted(self) -> None:
        """No stop counts for more contracts than the venue has it for, whatever became of an amend."""
        for tracked in self.desk.tracked(self.desk.symbols[SYMBOL], OrderRole.STOP):
            theirs = self.venue.orders.get(tracked.id)
            if theirs is not None and theirs.status is tracked.order.status is OrderStatus.WORKING:
                assert covers(tracked) <= theirs.size, f"{tracked.id} counts for more than it is"

    def check_settled(self) -> None:
        """With the faults over, ours is the venue's, and everything is guarded or gone."""
        market = self.desk.symbols[SYMBOL]
        assert market.position.size == self.venue.position, "drift"
        assert not market.external_size
        stops = self.venue.live_stops()
        assert len(stops) <= 1, f"{len(stops)} stops are left"
        guarded = sum((stop.size - stop.filled for stop in stops), ZERO)
        assert guarded == abs(market.position.size), "the venue's stops do not cover the position"
        for tracked in self.desk.tracked(market):
            assert tracked.role in (OrderRole.STOP, OrderRole.TAKE_PROFIT), "an order is left open"
            assert market.position.size, "an order is left without a position"
