"""The plain loop that feeds an Engine with a recording: the second driver.

Time is one axis. At one moment the engine's deadline comes first, then bars that close, then what is
under way between desk and venue, in the order in which it was sent, then marks, then trades.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from contractdesk.domain.commands import Command, CommandBase
from contractdesk.domain.events import Event, MarketPassed, TimePassed
from contractdesk.domain.intents import Refused
from contractdesk.engine.engine import Engine
from contractdesk.engine.passing import Horizon
from contractdesk.errors import ConfigError
from contractdesk.replay.account import Books
from contractdesk.replay.bars import BarMaker, shortest_step
from contractdesk.replay.closing import Closing
from contractdesk.replay.collecting import patient_collector
from contractdesk.replay.hearing import Hearing
from contractdesk.replay.matching import Matching
from contractdesk.replay.opening import Item, Settlement, desk_events, strategy_events, to_come
from contractdesk.replay.outcome import Outcome
from contractdesk.replay.recorded import RecordedBook
from contractdesk.replay.setup import DEFAULT_BAR_NS, STRATEGY_IDS, Setup
from contractdesk.replay.tape import Tape
from contractdesk.replay.telling import Teller
from contractdesk.replay.ticks import Ticks
from contractdesk.replay.under_way import UnderWay
from contractdesk.replay.walk_layout import (
    AT_BARS,
    AT_DUE,
    AT_END,
    AT_MARK,
    AT_MARKS_FULL,
    AT_PRICE,
    AT_ROWS_END,
    AT_TRADE,
    EACH,
    FIELDS,
    FOREVER,
    KEEP_ALL,
    MARK_HIGH,
    MARK_LOW,
    PRICE_HIGH,
    PRICE_LOW,
    SIDE,
    TRADED,
)

MOST_LAGGING = 15  # bars that may be told before what they were made of


class Replay:
    """One run; to be run once."""

    def __init__(
        self,
        setup: Setup,
        batches: Iterable[Ticks],
        *,
        recorded: Sequence[RecordedBook | None] = (),
        every: bool = False,
    ) -> None:
        """``every`` feeds each trade, mark and book singly: what the horizon is compared with.

        ``recorded`` has the depth of each instrument, where there is some.
        Raises ConfigError for a recording without trades.
        """
        models, self._setup, self._every = setup.models, setup, every
        delay_ns = models.latency.feed_ns
        self._tape = Tape(batches, len(setup.instruments), models.mark_step_ns, delay_ns)
        if self._tape.empty:
            raise ConfigError("there is no trade in the recording: check its symbols and times")
        wanted = [every or setup.listens(terms.symbol, "on_book") for terms in setup.instruments]
        half_ticks = models.slippage.half_spread_ticks
        self._teller = Teller(self._tape, setup.instruments, half_ticks, delay_ns, recorded, wanted)
        first_ns = self._tape.first_ns
        start_ns = min(setup.start_ns, first_ns) if setup.start_ns else first_ns
        self._step_ns = shortest_step(setup.timeframes, DEFAULT_BAR_NS)
        since_ns = setup.start_ns or first_ns
        makers = [BarMaker(terms, setup.timeframes, self._step_ns, since_ns) for terms in setup.instruments]
        self._closing = Closing(
            self._tape, self._teller, setup.instruments, makers, self._step_ns, singly=every
        )
        self._bar_ns = first_ns - first_ns % self._step_ns + self._step_ns  # venue time of the next close
        self._delay_ns = delay_ns
        self._tape.begin_bars(self._bar_ns + delay_ns, self._step_ns)
        self._listening = [
            every or setup.listens(terms.symbol, "on_trade", "on_book") for terms in setup.instruments
        ]
        self._told: Horizon | None = None
        self._has_depth = any(recorded)
        self._count, self._version = len(setup.instruments), -1
        self._due_ns = self._deadline_ns = self._depth_ns = FOREVER
        self._now_ns = start_ns
        classes = {
            STRATEGY_IDS.format(place=place): type(each) for place, each in enumerate(setup.strategies)
        }
        engine = Engine(setup.config, classes)
        self.outcome = Outcome(setup=setup, engine=engine, start_ns=start_ns, end_ns=start_ns)
        self._engine = engine
        delays = models.latency.start(models.seed)
        leverage = {terms.symbol: setup.leverage for terms in setup.instruments}
        self._under_way = UnderWay(delays, self.outcome)
        self._books = Books(setup.instruments, setup.asset, setup.balance, leverage)
        self._matching = Matching(self._books, models, delays, self._under_way.answer, recorded)
        self._hearing = Hearing(self._tape, self._teller, engine)
        self._in_one_go = [
            not every and not self._has_depth and self._reads_only_trades(each.symbol)
            for each in setup.instruments
        ]
        self._refused: Refused | None = None  # the last one that was taken
        self._refusals = engine.refusals
        self._lagging = 0
        if not every:
            engine.leave_for_later(self._passed)

    def _passed(self) -> MarketPassed | None:
        """Somebody looks: what has passed up to now, and nothing of what the walk has done ahead of it."""
        self._closing.cut()
        return self._hearing.passed()

    def _reads_only_trades(self, symbol: str) -> bool:
        """Nobody is to be told of the book after each of them."""
        return self._setup.listens(symbol, "on_trade") and not self._setup.listens(symbol, "on_book")

    # -- the loop --------------------------------------------------------------------------

    def run(self) -> Outcome:
        """To the end of the recording; what is still under way then never arrives."""
        with patient_collector():
            return self._run()

    def _run(self) -> Outcome:
        self._start()
        tape, steps = self._tape, self._steps()
        while True:
            if self._arrived():
                continue
            if self._lagging >= MOST_LAGGING:
                self._tell()
            self._look()
            why = self._walk()
            if self._has_depth and why not in (AT_BARS, AT_ROWS_END):
                self._teller.before_ns = tape.now_ns(why) + (why != AT_DUE)
            if why == AT_END:
                break
            steps[why]()
        self._tell()
        self._sync()
        closes, end_ns = self._closing.closes, tape.last_ns
        self.outcome.end_ns, self.outcome.closes = end_ns, closes
        closes.append((max(end_ns, closes[-1][0]) if closes else end_ns, *self._books.marks))
        self.outcome.against = self._matching.against
        self.outcome.events, self.outcome.trades = self._engine.events_handled, tape.trades
        self.outcome.last_ticks = tape.rows[TRADED::FIELDS].tolist()
        return self.outcome

    def _steps(self) -> dict[int, Callable[[], None]]:
        return {
            AT_DUE: self._on_due,
            AT_PRICE: self._on_price,
            AT_MARK: self._on_mark,
            AT_TRADE: self._on_trade,
            AT_MARKS_FULL: self._tell,
            AT_ROWS_END: self._tape.load,
            AT_BARS: lambda: None,
        }

    def _walk(self) -> int:
        """Go on until something happens; at one moment a deadline comes before bars, they before the rest."""
        later_ns = min(self._under_way.next_ns, self._next_depth_ns())
        self._due_ns = min(self._deadline_ns, later_ns)
        limit_ns = min(self._deadline_ns - 1, later_ns)
        if self._bar_ns + self._delay_ns > limit_ns:
            return self._tape.walk(self._due_ns)
        why = self._closing.walk(self._due_ns, limit_ns)
        if self._closing.count:
            self._close_bars()
        return AT_BARS if self._closing.cut_off else why

    def _arrived(self) -> bool:
        """Whether something that is due at this very moment has been handled.

        The kernel stands at this moment and would stop at once, for it does what is due first; the
        engine's own deadlines lie ahead. So it is neither looked ahead for, nor called.
        """
        now_ns = self._now_ns
        if self._under_way.next_ns > now_ns or self._bar_ns + self._delay_ns <= now_ns or self._tape.at_end:
            return False
        if self._next_depth_ns() <= now_ns:
            return False
        self._arrive(*self._under_way.pop())
        return True

    def _look(self) -> None:
        """Let the kernel stop where the venue's orders and the engine's bounds want it to."""
        rows, matching = self._tape.rows, self._matching
        if matching.version != self._version:
            self._sync()
            self._version = matching.version
            for place in range(self._count):
                low, high = matching.bounds(place)
                rows[place * FIELDS + PRICE_LOW], rows[place * FIELDS + PRICE_HIGH] = low, high
        engine, next_ns = self._engine, self._under_way.next_ns
        if self._every or next_ns <= self._tape.mark_ns:
            self._told, self._deadline_ns = None, engine.next_deadline_ns or FOREVER
            if self._every or self._deadline_ns > next_ns:
                return  # there is no mark before that: no band is needed
        horizon = engine.horizon()
        if horizon is not self._told:
            self._told = horizon
            self._deadline_ns = horizon.deadline_ns
            self._set_bands(horizon)

    def _set_bands(self, horizon: Horizon) -> None:
        rows, markets = self._tape.rows, self._engine.view.symbols
        sizes = [markets[terms.symbol].position.size for terms in self._setup.instruments]
        several = self._count > 1 and any(sizes)  # then whose mark came when, dates the peaks
        for place, terms in enumerate(self._setup.instruments):
            at, size = place * FIELDS, sizes[place]
            rows[at + MARK_LOW], rows[at + MARK_HIGH] = horizon.bands[terms.symbol]
            side = (size > 0) - (size < 0)
            rows[at + SIDE] = KEEP_ALL if several else side

    def _next_depth_ns(self) -> int:
        """When recorded books have to be looked at next."""
        if self._has_depth:
            self._depth_ns = min(self._matching.depth_ns(), self._teller.depth_ns())
        return self._depth_ns

    # -- why the kernel has stopped --------------------------------------------------------

    def _on_due(self) -> None:
        now_ns = self._now_ns = self._due_ns
        if self._deadline_ns <= now_ns:
            self._wake(TimePassed(ts_ns=now_ns))
        elif self._depth_ns <= now_ns:
            self._matching.on_depth(now_ns)
            for event in self._teller.depth(now_ns):
                self._wake(event)
        else:
            self._arrive(*self._under_way.pop())

    def _on_price(self) -> None:
        place, ts_ns, ticks, lots = self._tape.pass_trade()
        self._now_ns = ts_ns
        self._sync()
        self._matching.on_trade(place, ts_ns, ticks, lots)

    def _on_mark(self) -> None:
        self._tell()
        place, self._now_ns, ticks = self._tape.pass_mark()
        for event in self._teller.mark(place, self._now_ns, ticks):
            self._feed(event)

    def _on_trade(self) -> None:
        self._tell()
        place = self._tape.next_place
        if self._in_one_go[place] and self._teller.shows(place):
            self._hear_trades(place)
            return
        place, self._now_ns, *trade = self._tape.hear_trade()
        for event in self._teller.trade(place, self._now_ns, *trade):
            self._feed(event)
        if not self._listening[place]:
            self._tape.rows[place * FIELDS + EACH] = 0

    def _hear_trades(self, place: int) -> None:
        """Many in one call; after one that has had a consequence, all is as if it had been told alone."""
        hearing = self._hearing
        trades = hearing.begin(place)
        commands = self._engine.hear(trades)
        last = hearing.end()
        self.outcome.wakes += len(trades)
        if last is None:
            return
        self._now_ns = last.ts_ns
        self._take(commands, last.ts_ns)
        ticks = self._setup.instruments[place].to_ticks(last.price)
        self._feed(self._teller.book(place, last.ts_ns, last.venue_ns, ticks))

    def _close_bars(self) -> None:
        """Tell the bars that the walk has closed on its way, up to one with a consequence."""
        closing, engine = self._closing, self._engine
        events = closing.events(self._bar_ns, self._delay_ns)
        if not self._every:
            before = engine.events_handled
            commands = engine.hear_bars(events)
            self.outcome.wakes += engine.events_handled - before
            self._now_ns = closing.now_ns
            if commands or not closing.done:
                closing.cut()
                self._take(commands, closing.now_ns)
        for event in events:
            self._now_ns = event.ts_ns
            self._feed(event)
        self._bar_ns += closing.told * self._step_ns
        self._lagging += closing.told

    def _arrive(self, now_ns: int, item: Item) -> None:
        """Something that was under way is there: a command at the venue, or news at the desk."""
        self._teller.before_ns = now_ns + 1
        if isinstance(item, Settlement):
            self._sync()
            self._matching.on_funding(item.place, item.rate, now_ns)
        elif isinstance(item, CommandBase):
            self._sync()
            self._matching.take(item, now_ns)
        else:
            self._wake(item)

    # -- the venue and the desk ------------------------------------------------------------

    def _sync(self) -> None:
        """The venue's account knows the last trades, also those that changed nothing."""
        rows, marks = self._tape.rows, self._books.marks
        for place in range(self._count):
            marks[place] = int(rows[place * FIELDS + TRADED])

    def _tell(self) -> None:
        self._lagging = 0
        passed = self._teller.passed()
        if passed is not None:
            self._feed(passed)

    def _wake(self, event: Event) -> None:
        self._tell()
        self._feed(event)

    def _feed(self, event: Event) -> None:
        self.outcome.wakes += 1
        self._take(self._engine.handle(event), event.ts_ns)

    def _take(self, commands: list[Command], now_ns: int) -> None:
        if commands:
            self._under_way.send(commands, now_ns)
        refusals = self._refusals
        if refusals and refusals[-1] is not self._refused:
            self.outcome.refusals += _after(refusals, self._refused)
            self._refused = refusals[-1]

    # -- the start -------------------------------------------------------------------------

    def _start(self) -> None:
        setup, now_ns = self._setup, self.outcome.start_ns
        for event in desk_events(setup, self._matching.state(0, now_ns), now_ns):
            self._feed(event)
        for due_ns, item in to_come(setup, now_ns, self._delay_ns):
            self._under_way.push(due_ns, item)
        for place in range(self._count):
            self._tape.rows[place * FIELDS + EACH] = 1  # the first trade makes the book
        for event in strategy_events(setup, now_ns):
            self._feed(event)


def _after(refusals: list[Refused], last: Refused | None) -> list[Refused]:
    """Those behind ``last``; not by their numbers: a wish that waits is refused after later ones."""
    place = next((at for at in reversed(range(len(refusals))) if refusals[at] is last), -1)
    return refusals[place + 1 :]
