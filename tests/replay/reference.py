"""A second driver, written to be read: one plain loop that tells the engine everything, one by one.

It shares the engine and the venue with the replay and nothing else: no kernel, no bands, no bounds; its
bars, its marks and its queue are its own. What the two do not agree on, one of them has wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from contractdesk.domain.account import PositionMode
from contractdesk.domain.commands import (
    Command,
    CommandBase,
    Notify,
    QueryOrder,
    ReadAccount,
    ReadVenueState,
    Watch,
)
from contractdesk.domain.events import (
    BarClosed,
    BookChanged,
    BookSnapshotRead,
    ChannelAlive,
    ClockMeasured,
    Event,
    FundingHistoryRead,
    FundingPaid,
    FundingSettled,
    InstrumentListed,
    MarkPriced,
    ModesRead,
    OpenInterestRead,
    OrderFilled,
    StrategyStarted,
    StreamName,
    StreamRestored,
    SymbolReady,
    TimePassed,
    TradePrinted,
)
from contractdesk.domain.intents import Refused
from contractdesk.domain.market import Bar, pack_levels, timeframe_ns
from contractdesk.domain.orders import Side
from contractdesk.engine.engine import Engine, EngineConfig
from contractdesk.replay.account import Books
from contractdesk.replay.matching import Matching
from contractdesk.replay.runner import Outcome
from contractdesk.replay.setup import BOT, Setup
from contractdesk.replay.telling import SHOWN_LOTS, UNKNOWN

FOREVER = 1 << 62
MINUTE = 60 * 10**9
DEADLINE, BARS, QUEUED, MARK, TRADED, HEARD = range(6)  # the order of what comes at one moment


class Trade(Struct, frozen=True):
    """A public trade: made at ``ts_ns``, heard by the desk at ``heard_ns``."""

    ts_ns: int
    heard_ns: int
    ticks: int
    lots: int
    place: int


class Settled(Struct, frozen=True):
    """Funding is settled on a position."""

    place: int
    rate: Any


class Open(Struct):
    """A bar that is not over, made of the trades themselves."""

    open: int = 0
    high: int = 0
    low: int = 0
    close: int = 0
    lots: int = 0

    def take(self, trade: Trade) -> None:
        if not self.lots:
            self.open = self.high = self.low = trade.ticks
        self.high, self.low = max(self.high, trade.ticks), min(self.low, trade.ticks)
        self.close = trade.ticks
        self.lots += trade.lots


class Reference:
    """Runs once: ``outcome`` is what a ``Replay`` of the same recording must leave, too."""

    def __init__(self, setup: Setup, trades: Sequence[Trade]) -> None:
        self.setup, self.trades = setup, trades
        self.places = range(len(setup.instruments))
        first_ns = trades[0].ts_ns
        start_ns = min(setup.start_ns, first_ns) if setup.start_ns else first_ns
        self.since_ns = setup.start_ns or first_ns
        self.delay_ns = setup.models.latency.feed_ns
        self.delays = setup.models.latency.start(setup.models.seed)
        leverage = {terms.symbol: setup.leverage for terms in setup.instruments}
        self.books = Books(setup.instruments, setup.asset, setup.balance, leverage)
        self.venue = Matching(self.books, setup.models, self.delays, self.hear)
        self.queue: list[tuple[int, int, object]] = []
        self.pushed = self.made = self.heard = self.turn = 0
        self.grid_ns = next_multiple(first_ns, setup.models.mark_step_ns)
        self.steps = [timeframe_ns(each) for each in setup.timeframes]
        self.bar_ns = min(next_multiple(first_ns, step) for step in self.steps)
        self.bars = [[Open() for _ in self.steps] for _ in self.places]
        self.prices = [0 for _ in self.places]  # that the desk has heard last
        self.shown = [0 for _ in self.places]  # the middle of the book
        self.updates = 0
        config = EngineConfig(
            desk="replay", bot=BOT, epoch=1, asset=setup.asset, amend_stop=setup.amend_stop,
            native_timeframes=tuple(sorted(setup.timeframes)), polls=False, risk=setup.rules,
        )  # fmt: skip
        classes = {f"replay-{place}": type(each) for place, each in enumerate(setup.strategies)}
        self.engine = Engine(config, classes)
        self.seen: Refused | None = None
        self.outcome = Outcome(setup=setup, engine=self.engine, start_ns=start_ns, end_ns=start_ns)

    # -- the loop --------------------------------------------------------------------------

    def run(self) -> Outcome:
        self.start(self.outcome.start_ns)
        while self.heard < len(self.trades):
            due_ns, what = min(self.candidates())
            match what:
                case _ if what == DEADLINE:
                    self.feed(TimePassed(ts_ns=due_ns))
                case _ if what == BARS:
                    self.close_bars(due_ns)
                case _ if what == QUEUED:
                    self.arrive()
                case _ if what == MARK:
                    self.mark(due_ns)
                case _ if what == TRADED:
                    self.trade()
                case _:
                    self.hear_trade()
        self.outcome.end_ns = self.trades[-1].ts_ns
        return self.outcome

    def candidates(self) -> list[tuple[int, int]]:
        """(when, what) of all that may be next."""
        more = self.made < len(self.trades)
        return [
            (self.engine.next_deadline_ns or FOREVER, DEADLINE),
            (self.bar_ns + self.delay_ns, BARS),
            (min(self.queue)[0] if self.queue else FOREVER, QUEUED),
            (self.grid_ns + self.delay_ns, MARK),
            (self.trades[self.made].ts_ns if more else FOREVER, TRADED),
            (self.trades[self.heard].heard_ns, HEARD),
        ]

    # -- the market ------------------------------------------------------------------------

    def trade(self) -> None:
        """The venue makes a trade, and asks of every order and of the whole account what it means."""
        trade = self.trades[self.made]
        self.made += 1
        self.venue._filling._danger[trade.place] = (FOREVER, -FOREVER)
        self.venue.on_trade(trade.place, trade.ts_ns, trade.ticks, trade.lots)

    def hear_trade(self) -> None:
        trade = self.trades[self.heard]
        self.heard += 1
        place, terms = trade.place, self.setup.instruments[trade.place]
        for bar in self.bars[place]:
            bar.take(trade)
        self.prices[place] = trade.ticks
        self.feed(
            TradePrinted(
                ts_ns=trade.heard_ns, symbol=terms.symbol, trade_id=self.heard,
                price=terms.tick_size * trade.ticks, size=terms.lot_size * trade.lots,
                taker=Side.BUY, venue_ns=trade.ts_ns,
            )
        )  # fmt: skip
        self.show(trade, terms.symbol)

    def show(self, trade: Trade, symbol: str) -> None:
        """One level a side around the trade."""
        half, ticks = self.setup.models.slippage.half_spread_ticks, trade.ticks
        before, self.shown[trade.place] = self.shown[trade.place], ticks
        self.updates += 1
        bids, asks = {ticks - half: SHOWN_LOTS}, {ticks + half: SHOWN_LOTS}
        if not before:
            self.feed(
                BookSnapshotRead(
                    ts_ns=trade.heard_ns, symbol=symbol, update_id=self.updates,
                    bids=pack_levels(bids.items()), asks=pack_levels(asks.items()),
                )
            )  # fmt: skip
            return
        bids, asks = {before - half: 0} | bids, {before + half: 0} | asks
        self.feed(
            BookChanged(
                ts_ns=trade.heard_ns, symbol=symbol, first_id=self.updates, last_id=self.updates,
                bids=pack_levels(bids.items()), asks=pack_levels(asks.items()), venue_ns=trade.ts_ns,
            )
        )  # fmt: skip

    def mark(self, now_ns: int) -> None:
        """One contract's mark; those of the others follow, if nothing else is due before."""
        place = self.turn
        self.turn = (place + 1) % len(self.places)
        venue_ns = self.grid_ns
        self.grid_ns += 0 if self.turn else self.setup.models.mark_step_ns
        if not self.prices[place]:
            return
        symbol = self.setup.instruments[place].symbol
        price = self.setup.instruments[place].tick_size * self.prices[place]
        self.feed(ChannelAlive(ts_ns=now_ns, symbol=symbol, channel="book"))
        self.feed(
            MarkPriced(
                ts_ns=now_ns, symbol=symbol, mark=price, index=price, funding_rate=UNKNOWN,
                next_funding_ns=0, venue_ns=venue_ns,
            )
        )  # fmt: skip

    def close_bars(self, now_ns: int) -> None:
        """All that end now: of each contract in turn, the shorter ones first."""
        end_ns = self.bar_ns
        self.bar_ns = min(next_multiple(end_ns, step) for step in self.steps)
        for place in self.places:
            for number, step in enumerate(self.steps):
                if end_ns % step:
                    continue
                made, self.bars[place][number] = self.bars[place][number], Open()
                last = self.prices[place]
                if not last or end_ns - step < self.since_ns:
                    continue
                bar = made if made.lots else Open(last, last, last, last)
                self.feed(self.closed(now_ns, place, number, end_ns - step, bar))

    def closed(self, now_ns: int, place: int, number: int, open_ns: int, bar: Open) -> BarClosed:
        terms = self.setup.instruments[place]
        tick = terms.tick_size
        return BarClosed(
            ts_ns=now_ns,
            symbol=terms.symbol,
            timeframe=self.setup.timeframes[number],
            bar=Bar(
                open_ns=open_ns, open=bar.open * tick, high=bar.high * tick, low=bar.low * tick,
                close=bar.close * tick, volume=bar.lots * terms.lot_size,
            ),
        )  # fmt: skip

    # -- the venue and the desk ------------------------------------------------------------

    def arrive(self) -> None:
        row = min(self.queue)
        self.queue.remove(row)
        due_ns, _, item = row
        if isinstance(item, Settled):
            self.venue.on_funding(item.place, item.rate, due_ns)
        elif isinstance(item, CommandBase):
            self.venue.take(item, due_ns)
        else:
            self.feed(item)

    def feed(self, event: Any) -> None:
        for command in self.engine.handle(event):
            self.send(command, event.ts_ns)
        fresh: list[Refused] = []
        for refused in reversed(self.engine.refusals):
            if refused is self.seen:
                break
            fresh.append(refused)
        if fresh:
            self.seen = fresh[0]
            self.outcome.refusals += reversed(fresh)

    def send(self, command: Command, now_ns: int) -> None:
        if isinstance(command, Notify):
            self.outcome.notices.append((now_ns, command))
        elif isinstance(command, Watch):
            self.push(now_ns, SymbolReady(ts_ns=now_ns, symbol=command.symbol))
        else:
            self.outcome.commands.append((now_ns, command))
            asks = isinstance(command, QueryOrder | ReadAccount | ReadVenueState)
            wait_ns = self.delays.read_ns() // 2 if asks else self.delays.entry_ns()
            self.push(now_ns + wait_ns, command)

    def hear(self, event: Event) -> None:
        if isinstance(event, OrderFilled):
            self.outcome.fills.append(event.fill)
        elif isinstance(event, FundingPaid):
            self.outcome.payments.append(event)
        self.push(event.ts_ns, event)

    def push(self, due_ns: int, item: object) -> None:
        self.pushed += 1
        self.queue.append((due_ns, self.pushed, item))

    # -- the start -------------------------------------------------------------------------

    def start(self, now_ns: int) -> None:
        setup = self.setup
        for terms in setup.instruments:
            self.feed(InstrumentListed(ts_ns=now_ns, instrument=terms))
        leverages = {terms.symbol: setup.leverage for terms in setup.instruments}
        self.feed(
            ModesRead(ts_ns=now_ns, position_mode=PositionMode.ONE_WAY, margin_modes={}, leverages=leverages)
        )
        self.feed(ClockMeasured(ts_ns=now_ns, offset_ms=0.0, rtt_ms=0.0))
        self.feed(StreamRestored(ts_ns=now_ns, stream=StreamName.PRIVATE))
        self.feed(self.venue.state(0, now_ns))
        for place, terms in enumerate(setup.instruments):
            self.foresee(place, terms.symbol, now_ns)
        for place, strategy in enumerate(setup.strategies):
            self.feed(
                StrategyStarted(
                    ts_ns=now_ns, who="replay", strategy_id=f"replay-{place}",
                    class_name=type(strategy).__name__, source_hash=f"replay-{place}",
                    params=strategy.params, symbols=strategy.symbols, timeframe=strategy.timeframe,
                )
            )  # fmt: skip

    def foresee(self, place: int, symbol: str, now_ns: int) -> None:
        """Put into the queue what the recording knows of funding and open interest."""
        day = 24 * 3600 * 10**9
        self.feed(FundingHistoryRead(ts_ns=now_ns, symbol=symbol, since_ns=now_ns - day, until_ns=FOREVER))
        for row in self.setup.funding.get(symbol, ()):
            heard_ns = max(row.ts_ns + self.delay_ns, now_ns)
            if row.ts_ns >= now_ns:
                self.push(row.ts_ns, Settled(place, row.rate))
            self.push(
                heard_ns,
                FundingSettled(ts_ns=heard_ns, symbol=symbol, rate=row.rate, funding_ns=row.ts_ns),
            )
        for read in self.setup.interest.get(symbol, ()):
            heard_ns = max(read.ts_ns + self.delay_ns, now_ns)
            self.push(
                heard_ns,
                OpenInterestRead(ts_ns=heard_ns, symbol=symbol, amount=read.amount, venue_ns=read.ts_ns),
            )


def next_multiple(ts_ns: int, step_ns: int) -> int:
    """The first one after ``ts_ns``."""
    return ts_ns - ts_ns % step_ns + step_ns
