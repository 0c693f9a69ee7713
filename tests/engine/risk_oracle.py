"""The laws of the risk rules, judged after every event by what is ``Known`` and by the venue's books.

A breach raises AssertionError with the law in its words. ``tally`` counts what the story has reached.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from contractdesk.domain.commands import (
    CancelOrder,
    Command,
    Notify,
    PlaceStop,
    ReduceOrder,
    SubmitOrder,
)
from contractdesk.domain.events import (
    AccountRead,
    BarClosed,
    Event,
    IntentAsked,
    MarkPriced,
    TradePrinted,
    VenueStateRead,
)
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.intents import FixedStop, Intent, IntentKind, Refused
from contractdesk.domain.orders import OrderRequest, OrderRole, OrderType
from contractdesk.domain.position import Position
from contractdesk.domain.views import TradingState
from contractdesk.engine.engine import Engine
from contractdesk.engine.state import Desk, Market
from contractdesk.risk.settings import RiskSettings
from tests.engine.risk_entries import EntryLaws
from tests.engine.risk_known import Held, Known
from tests.engine.risk_tally import Tally
from tests.engine.risk_terms import NS_PER_S, Puppet, World, value
from tests.engine.risk_venue import RiskVenue
from tests.engine.risk_witness import Trading

SLACK_NS = NS_PER_S // 20
IDLE_NS = 3 * NS_PER_S  # of a closing, until the next deadline: an exit that resists its cancel blocks it
STEP_NS = 8 * NS_PER_S  # the guard is patient for 5 s with its last act
LOOKS = 3  # at accounts above the limit, each asked for after that, without another act
STARTUP = 0  # the request that the picture at the start answers
NAMED = (IntentKind.MOVE_STOP, IntentKind.ADOPT)  # acts of a person that name a stop


class Oracle:
    """Judges one story; ``take`` is called with each event and what the engine commanded on it."""

    def __init__(self, world: World, settings: RiskSettings, venue: RiskVenue, tally: Tally) -> None:
        self.world, self.venue, self.tally = world, venue, tally
        self.known = Known({terms.symbol: Held(terms) for terms in world.prices})
        self.trading = Trading(self.known, settings)
        self.entries = EntryLaws(self.known, self.trading, venue)
        self.stops: dict[str, tuple[int, Decimal]] = {}  # symbol -> (which position, wanted stop)
        self.refused: set[int] = set()
        self.seen: dict[str, tuple[Position, Decimal, int]] = {}  # as they were compared last
        self.flattening: set[str] = set()  # before the event
        self.asking = STARTUP  # the picture of the venue that the desk waits for, before the event
        self.idle: dict[str, int] = {}  # since when a closing has nothing under way
        self.over_ns = 0  # since when all accounts have been above the margin limit
        self.looks: set[int] = set()
        self.engine: Engine
        self.now_ns = 0

    @property
    def desk(self) -> Desk:
        return self.engine._desk

    @property
    def settings(self) -> RiskSettings:
        return self.trading.settings

    # -- one event -------------------------------------------------------------------------

    def before(self) -> None:
        markets = self.desk.symbols.items()
        self.flattening = {symbol for symbol, market in markets if market.guard.flatten_reason}
        self.asking = self.desk.state_read.request_id if self.desk.state_read else STARTUP

    def take(self, event: Event, commands: list[Command], now_ns: int) -> None:
        self.now_ns = now_ns
        known = self.known
        slept = any(isinstance(command, Notify) and command.code == "time_gap" for command in commands)
        read = isinstance(event, VenueStateRead) and event.request_id in (STARTUP, self.asking)
        read = read and not slept  # what was asked for before it counts for nothing, and is asked for anew
        known.hear(event, now_ns, taken=read)
        if isinstance(event, AccountRead | VenueStateRead) and self.desk.account is event.account:
            known.took(event, now_ns)
            self._guarded(commands)
        if isinstance(event, VenueStateRead) and read:
            self._drifts(event, commands)
        self._adopted(event)
        self._money()
        self.trading.follow(event, now_ns, self.desk)
        for command in commands:
            self._judge(command)
            known.send(command, now_ns)
            self.tally.netted += isinstance(command, Notify) and command.code == "netted"
        self._stops_never_loosen(event)
        self._refusals(event)
        for symbol, market in self.desk.symbols.items():
            if market.position.size:
                self._covered(symbol, market)

    def _drifts(self, event: VenueStateRead, commands: list[Command]) -> None:
        """What the desk says to be somebody else's is the difference to the venue's picture."""
        shown = {position.symbol: position for position in event.account.positions}
        for command in commands:
            if isinstance(command, Notify) and command.code in ("drift", "external_position"):
                item, there = self.known.held[command.symbol], shown.get(command.symbol)
                difference = (there.size if there else ZERO) - item.net
                assert difference, f"{command.symbol}: a drift, and no difference"
                price = item.mark or (there.entry_price if there else ZERO)
                self._foreign(item, difference, price)

    def _foreign(self, item: Held, signed: Decimal, price: Decimal) -> None:
        self.known.mixed = True
        item.foreign(signed, price, ZERO)

    def _adopted(self, event: Event) -> None:
        """Adoption books what is external at what the venue's average leaves for it; nothing else does."""
        for intent in _wishes(event):
            market = self.desk.symbols.get(intent.symbol)
            if intent.kind is not IntentKind.ADOPT or market is None or market.external_size:
                continue
            item = self.known.held[intent.symbol]
            if item.external and self.known.account is not None:
                rows = {row.symbol: row for row in self.known.account.positions}
                price = item.leaves(rows[intent.symbol].entry_price)
                taken, item.external = item.external, ZERO
                item.bookings += 1
                item.apply(taken, price, ZERO)
                self.tally.adoptions += 1

    # -- money -----------------------------------------------------------------------------

    def _money(self) -> None:
        for symbol, item in self.known.held.items():
            market = self.desk.symbols.get(symbol)
            if market is None:
                continue
            ours, seen = market.position, self.seen.get(symbol)
            if seen is not None and seen[0] is ours and seen[1:] == (market.external_size, item.bookings):
                continue  # nothing has been booked, on either side
            self.seen[symbol] = (ours, market.external_size, item.bookings)
            assert (ours.size, market.external_size) == (item.size, item.external), f"{symbol}: size"
            assert ours.cost == item.cost, f"{symbol}: cost"
            assert (ours.realized_pnl, ours.fees, ours.funding) == (
                item.realized, item.fees, item.funding,
            ), f"{symbol}: money"  # fmt: skip
            self.tally.held |= bool(item.size)

    # -- commands --------------------------------------------------------------------------

    def _judge(self, command: Command) -> None:
        match command:
            case SubmitOrder(approved=approved):
                self._entry(approved.request, approved.stop_price)
            case PlaceStop() | ReduceOrder():
                item = self.known.held[command.symbol]
                assert item.size, f"{command.symbol}: nothing is held that could be closed"
                assert command.side is item.closing, f"{command.symbol}: it would open, not close"
                assert command.size <= abs(item.size), f"{command.symbol}: it would flip the position"
            case CancelOrder():
                self._cancel(command)
            case Notify(code="margin_guard", symbol=symbol) if symbol:
                self._smallest_first(symbol)
            case _:
                pass

    def _entry(self, ask: OrderRequest, stop: Decimal) -> None:
        self.tally.entries += 1
        blocked = self.trading.blocked or self.trading.latched or self.desk.breaker_reason
        assert not blocked, f"an entry while {blocked}"
        assert self.desk.state is TradingState.ACTIVE, f"an entry while {self.desk.state}"
        item, account = self.known.held[ask.symbol], self.known.account
        assert item.terms.settle == self.world.asset, "an entry that settles in another asset"
        assert account is not None
        assert account is self.desk.account or account == self.desk.account, "an account of its own"
        aged_s = (self.now_ns - self.known.account_ns) / NS_PER_S
        assert aged_s <= self.settings.account_max_age_s, f"an entry on an equity of {aged_s} s"
        self.entries.check(ask, stop)

    def _cancel(self, command: CancelOrder) -> None:
        """A stop goes only when another stands, or when nothing is left to guard.

        One that was given up before it was heard of goes as soon as it is.
        """
        sent = self.known.sent.get(command.client_id)
        if sent is None or sent.role is not OrderRole.STOP:
            return
        sent.cancels += 1
        item = self.known.held[sent.symbol]
        standing_before = sent.confirmed and sent.confirmed_ns < self.now_ns
        if item.size and sent.side is item.closing and sent.cancels == 1 and standing_before:
            others = self.known.orders(sent.symbol, OrderRole.STOP)
            standing = [o for o in others if o is not sent and o.confirmed and o.side is item.closing]
            assert standing, f"{sent.symbol}: its only stop is cancelled"

    # -- the guard -------------------------------------------------------------------------

    def _guarded(self, commands: list[Command]) -> None:
        """Above the limit, with anything of ours that could be given up, the guard is at work."""
        account = self.known.account
        assert account is not None
        limit = Fraction(self.settings.margin_guard) * max(Fraction(0), Fraction(account.equity))
        roles = [sent.role for sent in self.known.open.values() if not self.entries.lost(sent.client_id)]
        ours = any(item.size for item in self.known.held.values()) or OrderRole.ENTRY in roles
        if self.desk.started and ours and Fraction(account.initial_margin) > limit:
            assert self.desk.unwinding, "above the margin limit, and nobody unwinds"
            self._proceeds()
        else:
            self.over_ns = 0

    def _proceeds(self) -> None:
        """It goes on: above the limit for long, some position of ours is being closed, or was just now."""
        self.over_ns = self.over_ns or self.now_ns
        held = [symbol for symbol, item in self.known.held.items() if item.size]
        if not held or any(self.desk.symbols[symbol].guard.flatten_reason for symbol in held):
            self.looks.clear()
        elif self.known.account_ns > self.over_ns + STEP_NS:
            self.looks.add(self.known.account_ns)
            assert len(self.looks) <= LOOKS, "above the margin limit, and the unwinding does not go on"

    def _smallest_first(self, symbol: str) -> None:
        self.tally.unwindings += 1
        candidates = {
            name: abs(value(item.terms, item.size, item.mark or Decimal(1)))
            for name, item in self.known.held.items()
            if item.size and name not in self.flattening
        }
        assert symbol in candidates, f"{symbol} has nothing to close"
        smallest = min(candidates.values())
        assert candidates[symbol] - smallest < Fraction(1, 10**7), f"{symbol} is not the smallest"

    # -- stops -----------------------------------------------------------------------------

    def _stops_never_loosen(self, event: Event) -> None:
        for symbol, item in self.known.held.items():
            market = self.desk.symbols.get(symbol)
            stop = market.guard.stop_price if market is not None else None
            before = self.stops.get(symbol)
            if before is not None and item.size and before[0] == item.opened and stop != before[1]:
                self._moved(event, item, before[1], stop)
            if stop is None or not item.size:
                self.stops.pop(symbol, None)
            else:
                self.stops[symbol] = (item.opened, stop)

    def _moved(self, event: Event, item: Held, old: Decimal, new: Decimal | None) -> None:
        symbol, sign = item.terms.symbol, 1 if item.size > 0 else -1
        assert new is not None, f"{symbol}: its stop is given up"
        person = isinstance(event, IntentAsked) and event.intent.kind in NAMED
        if not person:
            assert sign * (new - old) > 0, f"{symbol}: the stop loosens from {old} to {new}"
        else:
            self._inside_liquidation(item, sign, new)
        if isinstance(event, MarkPriced | BarClosed):
            assert self.settings.trailing, "a stop follows though none is to"
            assert item.trusted is not None
            assert sign * (item.trusted - new) > 0, f"{symbol}: a stop at {new}, beyond the mark"
            self.tally.trails += 1

    def _inside_liquidation(self, item: Held, sign: int, stop: Decimal) -> None:
        """Of the venue's own liquidation price, where it is this very position's."""
        rows = self.known.account.positions if self.known.account else ()
        row = next((row for row in rows if row.symbol == item.terms.symbol), None)
        if row is not None and row.size == item.size and row.liquidation_price is not None:
            bound = row.liquidation_price * (1 + sign * self.settings.stop_liquidation_buffer)
            assert sign * (stop - bound) > 0, f"{row.symbol}: a stop at {stop}, behind liquidation"

    def _covered(self, symbol: str, market: Market) -> None:
        """Past the deadline all is guarded, or a reduce order is under way or about to be."""
        item, guard = self.known.held[symbol], market.guard
        stops = self.known.orders(symbol, OrderRole.STOP)
        told = sum((s.left for s in stops if s.confirmed and s.side is item.closing), ZERO)
        assert market.guarded <= told, f"{symbol}: {market.guarded} guarded, by stops over {told}"
        oldest = min((part.since_ns for part in guard.uncovered), default=0)
        late_ns = int(self.settings.stop_deadline_s * NS_PER_S) + SLACK_NS
        if oldest and self.now_ns > oldest + late_ns and self.desk.started:
            assert guard.flatten_reason, f"{symbol}: {guard.uncovered} naked"
        if guard.flatten_reason and self.desk.started:
            flattening = self.engine._protection.flattening
            busy = flattening.under_way(market) or guard.flatten_ns > self.now_ns
            since = self.idle.setdefault(symbol, self.now_ns)
            assert busy or self.now_ns - since <= IDLE_NS, f"{symbol}: nobody closes it"
            if not busy:
                return
        self.idle.pop(symbol, None)

    def two_at_most(self, symbol: str) -> None:
        """By the venue's own books: one stop, and one that replaces it."""
        live = [o for o in self.venue.orders.values() if o.live and o.symbol == symbol]
        resting = [o for o in live if o.type is OrderType.STOP_MARKET]
        assert len(resting) <= 2, f"{symbol}: {len(resting)} live stops"

    # -- refusals --------------------------------------------------------------------------

    def _refusals(self, event: Event) -> None:
        fresh: list[Refused] = []
        for refused in reversed(self.desk.refusals):
            if refused.intent_id in self.refused:
                break
            fresh.append(refused)
        for refused in reversed(fresh):
            self.refused.add(refused.intent_id)
            self.tally.refuse(refused.rule)
            self._says_why(refused)
            if refused.intent.kind is IntentKind.EXIT:
                self._exit_refused(refused)
        for intent in _wishes(event):
            if isinstance(event, IntentAsked) and intent.kind is IntentKind.EXIT:
                self._closing(intent)

    @staticmethod
    def _says_why(refused: Refused) -> None:
        failed = [finding for finding in refused.findings if not finding.passed]
        assert failed, f"{refused.rule} refused, and no finding says it"
        assert failed[0].rule == refused.rule
        for said in (refused, *failed):
            assert said.rule.strip(), f"a refusal without a rule: {said}"
            assert said.found.strip(), f"{said.rule} does not say what it found"
            assert said.limit.strip(), f"{said.rule} does not say its limit"
            assert said.would_pass.strip(), f"{said.rule} does not say what would pass"

    def _exit_refused(self, refused: Refused) -> None:
        """Only what cannot be understood, and a strategy that is halted or not of this symbol, is told no."""
        if refused.strategy_id and (self.desk.state is TradingState.HALTED or refused.rule == "symbol"):
            return
        item = self.known.held.get(refused.intent.symbol)
        refusable = item is None or not item.size or not sane(refused.intent)
        assert refusable, f"an exit was refused: {refused.rule}: {refused.found}"

    def _closing(self, intent: Intent) -> None:
        """After an exit at market of all, everything is on its way out."""
        market, item = self.desk.symbols.get(intent.symbol), self.known.held.get(intent.symbol)
        if market is None or item is None or not item.size or intent.size or intent.limit or not sane(intent):
            return
        under_way = self.engine._protection.flattening.under_way(market)
        assert under_way >= abs(item.size), f"{intent.symbol}: an exit closes {under_way} of {item.size}"

    # -- the end ---------------------------------------------------------------------------

    def at_the_end(self) -> None:
        """With the faults over, ours is the venue's, it is guarded or gone, and the margin fits."""
        held = False
        for symbol, item in self.known.held.items():
            market = self.desk.symbols[symbol]
            assert item.net == self.venue.books.size(symbol), f"{symbol}: drift"
            assert item.size * item.external >= 0, f"{symbol}: ours stands against what is external"
            live = [o for o in self.venue.orders.values() if o.live and o.symbol == symbol]
            stops = [o for o in live if o.type is OrderType.STOP_MARKET]
            guarded = sum((stop.left for stop in stops), ZERO)
            leaving = any(o.type is OrderType.LIMIT and o.reduce_only for o in live)  # stops wait for its end
            assert len(stops) <= 1 + leaving, f"{symbol}: {len(stops)} stops are left"
            fits = guarded >= abs(item.size) if leaving else guarded == abs(item.size)
            assert fits, f"{symbol}: stops over {guarded} of {item.size}"
            assert not market.guard.flatten_reason, f"{symbol}: still closing: {market.guard.flatten_reason}"
            if self.desk.state is not TradingState.ACTIVE:
                entries = [o for o in live if not o.reduce_only]
                assert not entries, f"{symbol}: an entry rests while {self.desk.state}"
            held |= bool(item.size)
        account = self.venue.account()
        limit = Fraction(self.settings.margin_guard) * max(Fraction(0), Fraction(account.equity))
        over = Fraction(account.initial_margin) > limit or self.desk.unwinding
        assert not held or not over, f"the unwinding has not ended: {self.desk.unwinding}"
        kept = len(self.desk.decisions) + len(self.desk.pending)
        assert kept == min(self.desk.intents, 1000), "a wish has got no answer"


def _wishes(event: Event) -> tuple[Intent, ...]:
    if isinstance(event, IntentAsked):
        return (event.intent,)
    return tuple(Puppet.script.get(event.trade_id, ())) if isinstance(event, TradePrinted) else ()


def sane(intent: Intent) -> bool:
    stop = intent.stop.price if isinstance(intent.stop, FixedStop) else None
    numbers = (intent.size, intent.notional, intent.amount, intent.limit, intent.take_profit, stop)
    return all(number is None or (number.is_finite() and number > 0) for number in numbers)
