"""Everything that may happen in a story besides its prices; what breaks is mended some steps later."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from contractdesk.domain.account import MarginMode, PositionMode
from contractdesk.domain.events import (
    BookInvalidated,
    BreakerReset,
    ChannelAlive,
    ClosingAsked,
    Event,
    FlattenAsked,
    FundingSettled,
    HaltAsked,
    IntentAsked,
    LoopLagged,
    OpenInterestRead,
    ResumeAsked,
    RiskTuned,
    StrategyStopped,
    StreamLost,
    StreamName,
    StreamRestored,
    SymbolNotReady,
    SymbolReady,
    TradePrinted,
    VenueSilenced,
)
from contractdesk.domain.intents import Intent
from contractdesk.domain.orders import Side
from tests.engine.risk_terms import NS_PER_S, D, Puppet
from tests.engine.risk_wishes import ABSENT, Wishes

if TYPE_CHECKING:
    from tests.engine.risk_story import Story

WEIGHTS = {
    "wish": 24, "strategy_wish": 9, "quiet": 4, "crash": 3, "run": 2, "spike": 1, "odd_mark": 1,
    "mute_marks": 1, "lose_book": 1, "thin_book": 1.5, "cross_book": 0.4, "unready": 0.7, "lose_stream": 0.7,
    "lag": 0.7, "skew": 0.7, "silence": 0.6, "hedge": 0.3, "isolate": 0.5, "halt": 0.8, "flatten": 0.5,
    "close": 0.2, "settle": 0.8, "owe_funding": 0.7, "interest_falls": 0.8, "tune": 2, "tighten_guard": 1.2,
    "restore": 0.7, "restart": 0.4, "elsewhere": 1.0, "transfer": 0.7, "no_reads": 0.7, "slow_reads": 0.9,
    "sleep": 0.4, "stop_strategy": 0.7, "reset": 0.3,
}  # fmt: skip
TUNED: tuple[dict[str, Any], ...] = (
    {"size_cap": "0.03"}, {"size_cap": "1"}, {"size_cap": "10"}, {"cap_basis": "margin"},
    {"cap_basis": "notional"}, {"trailing": False}, {"trailing": True}, {"breaker_drop": "0.01"},
    {"breaker_drop": "0.08", "breaker_window_s": 60}, {"margin_guard": "0.85"}, {"on_trip": "flatten"},
    {"on_trip": "halt"}, {"slippage_collar": "0.001"}, {"slippage_collar": "0.005"}, {"trail_multiple": "1"},
    {"max_gross_exposure": "0.3"}, {"max_gross_exposure": "0"}, {"max_entries_per_hour": 2},
    {"max_entries_per_hour": 0}, {"max_daily_loss": "0.005"}, {"max_daily_loss": "0"},
    {"funding_gate_shorts": True}, {"size_cap": "NaN"}, {"trail_timeframe": "5m"}, {"margin_check": False},
    {"margin_check": True},
)  # fmt: skip


class Happenings:
    def __init__(self, story: Story) -> None:
        self.story, self.random = story, story.random
        self.wishes = Wishes(story.random, story.oracle)
        self.drift = 0.0  # of the prices, a step
        self.mends: list[tuple[int, Callable[[], None]]] = []  # (step, what to do)
        self.number = 0
        names = list(WEIGHTS)
        loud = {self.random.choice(names) for _ in range(2)}  # what this story is about
        self.weights = [WEIGHTS[name] * (4 if name in loud else 1) for name in names]
        self.acts: list[Callable[[], None]] = [getattr(self, name) for name in names]
        Puppet.script.clear()

    # -- running ---------------------------------------------------------------------------

    def before_start(self) -> None:
        """Somebody may have opened a position before the desk."""
        if self.random.random() < 0.3:
            self.elsewhere_in(self._any(), told=False)

    def next(self) -> None:
        self.number += 1
        due, self.mends = (
            [mend for step, mend in self.mends if step <= self.number],
            [(step, mend) for step, mend in self.mends if step > self.number],
        )
        for mend in due:
            mend()
        if self.story.engine.view.breaker_reason and self.random.random() < 0.12:
            self._reset("understood")
        self.random.choices(self.acts, self.weights)[0]()

    def heal_all(self) -> None:
        mends, self.mends = self.mends, []
        for _, mend in mends:
            mend()

    def _mend(self, mend: Callable[[], None], latest: int = 7) -> None:
        self.mends.append((self.number + self.random.randint(1, latest), mend))

    def _any(self) -> str:
        return self.random.choice(self.story.tradable)

    def _held(self) -> str:
        """A symbol in which something is held, where there is one."""
        held = [name for name, item in self.story.oracle.known.held.items() if item.size]
        return self.random.choice(held) if held else self._any()

    def _feed(self, kind: Callable[..., Event], **fields: Any) -> None:
        self.story.feed(kind(ts_ns=self.story.now_ns, **fields))

    # -- wishes ----------------------------------------------------------------------------

    def wish(self) -> None:
        symbol = self._held() if self.random.random() < 0.35 else self.random.choice(self.story.symbols)
        if symbol not in self.story.mute and self.random.random() < 0.8:
            self._feed(ChannelAlive, symbol=symbol, channel="book")
            self.story.mark(symbol)
        self.ask(self.wishes.draw(symbol))

    def ask(self, intent: Intent) -> None:
        self._feed(IntentAsked, who="tester", intent=intent)

    def strategy_wish(self) -> None:
        """By way of a trade that the strategy looks at; sometimes in a symbol that is not its own."""
        symbol = self.story.tradable[-1]
        intents = [self.wishes.draw(symbol) for _ in range(self.random.choice([1, 1, 1, 2]))]
        if self.random.random() < 0.04:
            intents = [self.wishes.draw(self.story.symbols[0])]
        number = len(Puppet.script) + 1
        Puppet.script[number] = intents
        price = self.story.venue.books.marks[symbol]
        told = {"trade_id": number, "price": price, "size": D(1), "taker": Side.BUY}
        self._feed(TradePrinted, symbol=symbol, **told, venue_ns=self.story.venue.venue_ns)

    def stop_strategy(self) -> None:
        """While its wish may be waiting for an account."""
        self.story.advance(int(2.2 * NS_PER_S))
        self.strategy_wish()
        self._feed(StrategyStopped, who="tester", strategy_id="puppet")
        self._mend(self.story.host)

    def quiet(self) -> None:
        pass

    # -- prices ----------------------------------------------------------------------------

    def crash(self) -> None:
        """Against a position, or just anywhere; the index goes along."""
        symbol = self._held()
        size = self.story.oracle.known.held[symbol].net
        away = self.random.choice([0.01, 0.03, 0.06, 0.12, 0.4]) * self.random.random()
        sign = -1 if size > 0 or (not size and self.random.random() < 0.5) else 1
        self.story.move(symbol, D(round(sign * away, 6)))

    def run(self) -> None:
        """All prices go one way for some steps."""
        self.drift = self.random.choice([-0.002, 0.002, 0.004])

        def calm() -> None:
            self.drift = 0.0

        self._mend(calm)

    def spike(self) -> None:
        """A mark far off its index: nobody trades there."""
        symbol = self._held()
        true = self.story.venue.books.marks[symbol]
        self.story.mark(symbol, mark=true * D(self.random.choice(["0.8", "0.95", "1.04", "1.3"])))

    def odd_mark(self) -> None:
        """No number, or one out of order, or too old."""
        symbol = self._held()
        true, roll = self.story.venue.books.marks[symbol], self.random.randint(0, 4)
        match roll:
            case 0:
                self.story.mark(symbol, mark=D("NaN"))
            case 1:
                self.story.mark(symbol, mark=self.random.choice([D(0), D("-Infinity"), D(-5)]))
            case 2:
                self.story.mark(symbol, mark=true * D("0.9"), index=true * D("0.9"), late_ms=3_000)
            case 3:
                self.story.mark(symbol, mark=true * D("1.1"), index=true * D("1.1"), late_ms=20_000)
            case _:
                self.story.mark(symbol, index=D("NaN"))

    def mute_marks(self) -> None:
        symbol = self._any()
        self.story.mute.add(symbol)
        self._mend(lambda: self.story.mute.discard(symbol))

    # -- books and streams -----------------------------------------------------------------

    def lose_book(self) -> None:
        symbol = self._any()
        self._feed(BookInvalidated, symbol=symbol, reason="a gap")
        self._mend(lambda: self.story.book(symbol))

    def thin_book(self) -> None:
        symbol = self._any()
        self.story.depth[symbol] = self.random.choice([1, 3, 50])
        self.story.book(symbol)

        def deep() -> None:
            self.story.depth[symbol] = 10**9
            self.story.book(symbol)

        self._mend(deep)

    def cross_book(self) -> None:
        symbol = self._any()
        self.story.book(symbol, crossed=True)
        self._mend(lambda: self.story.book(symbol))

    def unready(self) -> None:
        symbol = self._any()
        self._feed(SymbolNotReady, symbol=symbol, reason="backfill")
        self._mend(lambda: self._feed(SymbolReady, symbol=symbol))

    def lose_stream(self) -> None:
        self._feed(StreamLost, stream=StreamName.PRIVATE, reason="closed")
        self._mend(lambda: self._feed(StreamRestored, stream=StreamName.PRIVATE))

    def lag(self) -> None:
        self._feed(LoopLagged, lag_ms=self.random.choice([2_500.0, 8_000.0, float("nan"), 1_900.0]))

    def skew(self) -> None:
        self.story.clock(self.random.choice([6_000.0, -7_500.0, 3_000.0]))
        self._mend(lambda: self.story.clock(0.0))

    def silence(self) -> None:
        until = self.story.now_ns + self.random.randint(1, 12) * NS_PER_S
        self._feed(VenueSilenced, status=429, until_ns=until)

    def hedge(self) -> None:
        self.story.modes(PositionMode.HEDGE)

        def one_way() -> None:
            self.story.modes(PositionMode.ONE_WAY)
            self._feed(ResumeAsked, who="tester")

        self._mend(one_way)

    def isolate(self) -> None:
        """Somebody has set a contract to isolated margin, and sets it back."""
        symbol = self._any()
        self.story.modes(PositionMode.ONE_WAY, {symbol: MarginMode.ISOLATED})
        self._mend(lambda: self.story.modes(PositionMode.ONE_WAY, {symbol: MarginMode.CROSS}))

    def no_reads(self) -> None:
        faults = self.story.venue.faults
        before, faults.read = faults.read, 1.0

        def readable() -> None:
            faults.read = min(before, 0.4)

        self._mend(readable)

    def slow_reads(self) -> None:
        self.story.venue.slow = True
        self.story.advance(int(2.2 * NS_PER_S))
        self.ask(self.wishes.entry(self.story.oracle.known.held[self._any()]))

        def fast() -> None:
            self.story.venue.slow = False

        self._mend(fast)

    def sleep(self) -> None:
        """The host was suspended: nobody fed a deadline."""
        self.story.tally.sleeps += 1
        self.story.now_ns += self.random.choice([16, 40, 400, 3_000]) * NS_PER_S

    # -- people ----------------------------------------------------------------------------

    def halt(self) -> None:
        self._feed(HaltAsked, who="tester", reason="a look")
        self._resume_later()

    def flatten(self) -> None:
        symbol = self.random.choice([None, None, self._any(), ABSENT])
        if symbol != ABSENT:
            self._feed(FlattenAsked, who="tester", symbol=symbol)
            self._resume_later()

    def close(self) -> None:
        self._feed(ClosingAsked, who="tester", flatten=self.random.random() < 0.5)
        self._resume_later()

    def _resume_later(self) -> None:
        self._mend(lambda: self._feed(ResumeAsked, who="tester"))

    def reset(self) -> None:
        self._reset(self.random.choice(["", "  ", "understood"]))

    def _reset(self, reason: str) -> None:
        self._feed(BreakerReset, who="tester", reason=reason)

    def tune(self) -> None:
        self._tune(self.random.choice(TUNED))

    def tighten_guard(self) -> None:
        """So that what is held is too much."""
        self._tune({"margin_guard": "0.05"})
        self._mend(lambda: self._tune({"margin_guard": "0.85"}), latest=30)

    def _tune(self, changes: dict[str, Any]) -> None:
        self._feed(RiskTuned, who="tester", settings=changes)

    def restore(self) -> None:
        self.story.restore(restart=False)

    def restart(self) -> None:
        self.story.restore(restart=True)

    # -- the account and the market's histories --------------------------------------------

    def elsewhere(self) -> None:
        self.elsewhere_in(self._held(), told=self.random.random() < 0.6)

    def elsewhere_in(self, symbol: str, *, told: bool) -> None:
        """Somebody trades on the venue's own page; perhaps what was opened there is adopted later."""
        venue, terms = self.story.venue, self.story.terms[symbol]
        share = D(self.random.randint(1, 60)).scaleb(-2) * self.random.choice([1, 1, 1, 8])
        worth = max(venue.books.equity(), D(0)) * share
        lots = terms.size_for_notional(worth, venue.books.marks[symbol])
        if lots:
            venue.now_ns = self.story.now_ns
            venue.elsewhere(symbol, lots * self.random.choice([1, -1]), told=told)
            self._mend(lambda: self.ask(self.wishes.adopt(self.story.oracle.known.held[symbol])))

    def transfer(self) -> None:
        part = D(self.random.choice(["-0.7", "-0.3", "0.2", "1"]))
        self.story.venue.transfer(self.story.venue.books.wallet * part)

    def settle(self) -> None:
        """A public settlement, and our payment for it."""
        symbol, rate = self._held(), D(self.random.choice(["0.0003", "0.0008", "-0.0006", "-0.0009"]))
        self._settled(symbol, rate, self.story.venue.venue_ns)
        self.story.venue.pay(symbol, rate)

    def _settled(self, symbol: str, rate: Decimal, funding_ns: int) -> None:
        self._feed(FundingSettled, symbol=symbol, rate=rate, funding_ns=funding_ns)

    def owe_funding(self) -> None:
        """A settlement is announced and comes due, and its rate is not told for some steps."""
        symbol = self._any()
        due = self.story.next_funding[symbol] = self.story.venue.venue_ns + NS_PER_S
        self.story.mark(symbol)

        def told() -> None:
            self.story.next_funding.pop(symbol, None)
            self._settled(symbol, D("0.00001"), due)

        self._mend(told)

    def interest_falls(self) -> None:
        symbol = self._any()
        self._interest(symbol, D(self.random.choice([900, 940, 960, 0])))
        self._mend(lambda: self._interest(symbol, D(1000)))

    def _interest(self, symbol: str, amount: Decimal) -> None:
        self.story.interest[symbol] = amount
        self._feed(OpenInterestRead, symbol=symbol, amount=amount, venue_ns=self.story.venue.venue_ns)
