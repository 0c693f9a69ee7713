"""One sequence: a desk, its venue, and what happens to them, all from one seed; judged at each event.

``steps`` cuts a story short and changes nothing before: the shortest failing prefix is found by it.
"""

from __future__ import annotations

import traceback
from collections import deque
from decimal import Decimal
from random import Random

from msgspec.structs import replace

from contractdesk.domain.account import MarginMode, PositionMode
from contractdesk.domain.commands import Command, PlaceStop
from contractdesk.domain.events import (
    BarClosed,
    BookSnapshotRead,
    ChannelAlive,
    ClockMeasured,
    Event,
    FundingHistoryRead,
    InstrumentListed,
    MarkPriced,
    ModesRead,
    OpenInterestRead,
    StrategyStarted,
    StreamLost,
    StreamName,
    StreamRestored,
    SymbolReady,
    TimePassed,
)
from contractdesk.domain.instrument import Rounding
from contractdesk.domain.market import pack_levels
from contractdesk.engine.engine import Engine, EngineConfig
from contractdesk.errors import EngineFault
from contractdesk.risk.settings import CapBasis, OnTrip, RiskSettings
from tests.engine.risk_happenings import Happenings
from tests.engine.risk_oracle import Oracle
from tests.engine.risk_tally import Tally
from tests.engine.risk_terms import MS, NS_PER_S, START, D, Puppet, inverse_world, linear_world
from tests.engine.risk_venue import MINUTE_NS, RiskVenue
from tests.engine.unruly_venue import Faults

CLASSES = {"puppet": Puppet}
POLL_NS = 60 * NS_PER_S
QUIET_S = 48  # after the last fault everything is in order within this
DEEP = 10**9  # lots at the touch


class Story:
    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)  # noqa: S311  (a story's dice, not a secret)
        self.seed, self.tally = seed, Tally()
        self.now_ns, self.offset_ms = START, 0.0
        self.world = inverse_world() if random.random() < 0.25 else linear_world(random.choice([2, 3]))
        self.symbols = [terms.symbol for terms in self.world.prices]
        self.terms = {terms.symbol: terms for terms in self.world.prices}
        self.tradable = [s for s in self.symbols if self.terms[s].settle == self.world.asset]
        leverage = {symbol: D(random.choice([5, 10, 20, 20, 50])) for symbol in self.symbols}
        faults = Faults.drawn(random) if random.random() < 0.6 else Faults()
        self.venue = RiskVenue(Random(seed + 1), faults, self.world, self.now_ns, leverage)  # noqa: S311
        settings = self._settings()
        self.oracle = Oracle(self.world, settings, self.venue, self.tally)
        config = EngineConfig(
            desk="bench", bot="b0t0", epoch=1, asset=self.world.asset,
            native_timeframes=("1m", "5m"), risk=settings,
        )  # fmt: skip
        self.oracle.engine = self.engine = Engine(config, CLASSES)
        self.depth = dict.fromkeys(self.symbols, DEEP)
        self.mute: set[str] = set()  # symbols whose marks do not come
        self.next_funding: dict[str, int] = {}
        self.interest = dict.fromkeys(self.symbols, D(1000))
        self.polled_ns, self.barred_ns = 0, self.now_ns - self.now_ns % MINUTE_NS
        self.recent: deque[tuple[int, Event, list[Command]]] = deque(maxlen=25)
        self.happenings = Happenings(self)

    def _settings(self) -> RiskSettings:
        pick = self.random.choice
        drawn = RiskSettings(
            size_cap=D(pick(["0.03", "0.3", "1", "3", "10"])),
            cap_basis=pick([CapBasis.NOTIONAL, CapBasis.NOTIONAL, CapBasis.MARGIN]),
            trailing=pick([True, True, True, False]),
            trail_min_step=D(pick(["0", "0.1"])),
            on_trip=pick([OnTrip.HALT, OnTrip.HALT, OnTrip.FLATTEN]),
            breaker_drop=D(pick(["0.01", "0.03", "0.08"])),
            margin_guard=D(pick(["0.3", "0.85", "0.85"])),
        )
        switches = {
            "max_gross_exposure": D(pick(["0.05", "0.5", "3"])),
            "max_entries_per_hour": pick([1, 4, 10]),
            "max_daily_loss": D(pick(["0.005", "0.03"])),
        }
        on = {name: limit for name, limit in switches.items() if self.random.random() < 0.15}
        return replace(drawn, **on)

    # -- telling ---------------------------------------------------------------------------

    def tell(self, steps: int) -> Tally:
        """Everything up to the end, which is quiet; AssertionError where a law is broken."""
        try:
            self.begin()
            for _ in range(steps):
                self.step()
            self.quiesce()
            self.tally.trips, self.tally.liquidations = self.oracle.trading.trips, self.venue.liquidations
        except (AssertionError, EngineFault, ArithmeticError, ValueError, LookupError, TypeError) as exc:
            raise AssertionError(self._told(exc)) from exc
        return self.tally

    def _told(self, exc: Exception) -> str:
        place = "".join(traceback.format_exception(exc)[-3:]) if not isinstance(exc, AssertionError) else ""
        lines = (
            f"{(ns - START) / NS_PER_S:.3f} s {event}"
            + "".join(f"\n    -> {command}" for command in commands)
            for ns, event, commands in self.recent
        )
        recent = "\n".join(lines)
        return f"seed {self.seed}, event {self.tally.events}: {exc}\n{place}last events:\n{recent}"

    def feed(self, event: Event) -> None:
        self.tally.events += 1
        commands: list[Command] = []
        self.recent.append((self.now_ns, event, commands))
        self.venue.now_ns = self.now_ns
        self.oracle.before()
        commands += self.engine.handle(event)
        self.oracle.take(event, commands, self.now_ns)
        for command in commands:
            self.venue.perform(command)
            if isinstance(command, PlaceStop):
                self.oracle.two_at_most(command.symbol)

    def begin(self) -> None:
        self.happenings.before_start()
        self.introduce()
        for symbol in self.symbols:
            self.book(symbol)
            self.mark(symbol)
            self.feed(SymbolReady(ts_ns=self.now_ns, symbol=symbol))
        self.poll()
        self.host()

    def introduce(self) -> None:
        """The start-up contract, for a first start and for one after a restore."""
        now = self.now_ns
        for terms in self.world.prices:
            self.feed(InstrumentListed(ts_ns=now, instrument=terms))
        self.modes(PositionMode.ONE_WAY)
        self.clock(self.offset_ms)
        self.feed(StreamRestored(ts_ns=now, stream=StreamName.PRIVATE))
        self.feed(replace(self.venue.picture(0), ts_ns=now))

    def modes(self, mode: PositionMode, margin_modes: dict[str, MarginMode] | None = None) -> None:
        told = {"margin_modes": margin_modes or {}, "leverages": self.venue.leverage}
        self.feed(ModesRead(ts_ns=self.now_ns, position_mode=mode, **told))

    def clock(self, offset_ms: float) -> None:
        self.offset_ms = offset_ms
        self.venue.offset_ns = int(offset_ms * MS)
        self.feed(ClockMeasured(ts_ns=self.now_ns, offset_ms=offset_ms, rtt_ms=1.0))

    def host(self) -> None:
        """A strategy on the last contract that can be traded."""
        self.feed(
            StrategyStarted(
                ts_ns=self.now_ns, who="tester", strategy_id="puppet", class_name="Puppet",
                source_hash="puppet", params={}, symbols=(self.tradable[-1],), timeframe="1m",
            )
        )  # fmt: skip

    def restore(self, *, restart: bool) -> None:
        """Another engine goes on from a checkpoint: in this process, or in a new one that hears anew."""
        self.engine = self.oracle.engine = Engine.restore(self.engine.checkpoint(), CLASSES)
        self.tally.restores += 1
        if restart:
            self.tally.restarts += 1
            self.venue.forget()
            self.feed(StreamLost(ts_ns=self.now_ns, stream=StreamName.PRIVATE, reason="restart"))
            self.introduce()

    # -- time ------------------------------------------------------------------------------

    def advance(self, ns: int) -> None:
        """Deadlines and answers as a driver feeds them."""
        until = self.now_ns + ns
        for _ in range(20_000):
            times = [self.engine.next_deadline_ns, self.venue.next_ns]
            first = min((time for time in times if time is not None), default=until + 1)
            if first > until:
                self.now_ns = until
                return
            self.now_ns = max(self.now_ns, first)
            if self.now_ns == self.venue.next_ns or (self.venue.next_ns or until) < self.now_ns:
                self.feed(replace(self.venue.pop(), ts_ns=self.now_ns))
            else:
                self.feed(TimePassed(ts_ns=self.now_ns))
        raise AssertionError("the desk's deadlines do not move on")

    def step(self) -> None:
        random = self.random
        seconds = random.choice([0.05, 0.2, 0.2, 0.5, 0.5, 1.0, 1.5, 3.0, random.choice([4.0, 12.0])])
        self.advance(int(seconds * NS_PER_S))
        self.market()
        self.happenings.next()
        self.engine.validate_state()

    def market(self) -> None:
        """The next minute's bar, the poll that is due, and a new price here or there."""
        minute = self.now_ns - self.now_ns % MINUTE_NS
        if minute > self.barred_ns:
            self._bars(minute)
        if self.now_ns >= self.polled_ns + POLL_NS:
            self.poll()
        for symbol in self.symbols:
            if self.random.random() < 0.6:
                walk = self.random.gauss(0.0, 0.0006) + self.happenings.drift
                self.move(symbol, D(round(walk, 6)))

    def _bars(self, minute: int) -> None:
        for symbol in self.symbols:
            watched = self.engine._desk.symbols[symbol].watched
            for open_ns in range(self.barred_ns, minute, MINUTE_NS) if "1m" in watched else ():
                bar = self.venue.bar(symbol, open_ns)
                self.feed(BarClosed(ts_ns=self.now_ns, symbol=symbol, timeframe="1m", bar=bar))
        self.barred_ns = minute

    def move(self, symbol: str, part: Decimal) -> None:
        """The true price moves by ``part`` of itself; the desk hears of it unless the symbol is mute."""
        terms = self.terms[symbol]
        price = self.venue.books.marks[symbol] * (1 + part)
        price = max(terms.round_price(price, Rounding.NEAREST), terms.tick_size * 10)
        self.venue.now_ns = self.now_ns
        self.venue.tick(symbol, price)
        if symbol in self.mute:
            return
        if self.random.random() < 0.2:
            self.book(symbol)
        else:
            self.feed(ChannelAlive(ts_ns=self.now_ns, symbol=symbol, channel="book"))
        self.mark(symbol)

    def mark(self, symbol: str, mark: Decimal | None = None, late_ms: int = 0, **more: Decimal) -> None:
        true = self.venue.books.marks[symbol]
        prices = {"mark": true if mark is None else mark, "index": true, "funding_rate": D("0.0001"), **more}
        self.feed(
            MarkPriced(
                ts_ns=self.now_ns, symbol=symbol, next_funding_ns=self.next_funding.get(symbol, 0),
                venue_ns=self.venue.venue_ns - late_ms * MS, **prices,
            )
        )  # fmt: skip

    def book(self, symbol: str, *, crossed: bool = False) -> None:
        """One tick around the true price; as deep as the story wants it."""
        tick, lots = self.terms[symbol].to_ticks(self.venue.books.marks[symbol]), self.depth[symbol]
        far = -1 if crossed else 1
        self.venue.count += 1
        sides = {"bids": pack_levels([(tick - far, lots)]), "asks": pack_levels([(tick + far, lots)])}
        self.feed(BookSnapshotRead(ts_ns=self.now_ns, symbol=symbol, update_id=self.venue.count, **sides))

    def poll(self) -> None:
        """The venue's histories, as a reader keeps them whole."""
        now, venue_now = self.now_ns, self.venue.venue_ns
        since = max(self.polled_ns, now - 5400 * NS_PER_S)
        for symbol in self.symbols:
            self.feed(FundingHistoryRead(ts_ns=now, symbol=symbol, since_ns=0, until_ns=venue_now))
            amount = self.interest[symbol]
            for ago in range((now - since) // (600 * NS_PER_S) * 600, -1, -600):
                read_ns = venue_now - ago * NS_PER_S
                self.feed(OpenInterestRead(ts_ns=now, symbol=symbol, amount=amount, venue_ns=read_ns))
        self.polled_ns = now

    # -- the end ---------------------------------------------------------------------------

    def quiesce(self) -> None:
        """The faults are over and the prices stand: soon all is guarded or gone, and the margin fits."""
        self.venue.faults, self.venue.at_trigger, self.venue.slow = Faults(), 0.0, False
        self.happenings.heal_all()
        self.mute.clear()
        for _ in range(QUIET_S // 6):
            self.advance(6 * NS_PER_S)
            for symbol in self.symbols:
                self.move(symbol, D(0))
        self.engine.validate_state()
        self.oracle.at_the_end()
