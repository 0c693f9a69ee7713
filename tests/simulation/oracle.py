"""The laws of a story, judged by the exchange's own state: never by what the desk says of itself.

What the desk believes is read only to be compared with it. The first breach ends the story.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from contractdesk.clock import NS_PER_S
from contractdesk.domain.orders import OrderStatus
from contractdesk.exchange.model import AlgoChanged, AlgoOrder, Event, OrderChanged
from contractdesk.exchange.words import AlgoStatus
from tests.simulation.books import OWN, STOP, Books, is_own, role_of
from tests.simulation.deskside import ACCOUNT, MOST_TASKS, DeskProcess
from tests.simulation.person import BY_HAND, Person
from tests.simulation.striking import Strikes
from tests.simulation.world import SYMBOLS, World

LAST_DIGIT = Decimal("1e-8")  # of money
LOOK_S = 0.1
LOOKS_A_COUNT = 10  # of tasks: it goes through all that every loop has
NAKED_NS = 8 * NS_PER_S  # 3 s to a confirmed stop, else 5 s more to flat
AFTER_TROUBLE_NS = 15 * NS_PER_S  # to cover, or to know, what happened while nothing could be seen or done
DRIFT_NS = 10 * NS_PER_S  # the desk's books are the exchange's within this
MOVED_BY_HAND_NS = 6 * NS_PER_S  # a person may loosen a stop; what is under way then may be the old one
LOOSE_NS = 3 * NS_PER_S  # for which the tightest of two stops may be gone before another is there
CALM_NS = 5 * NS_PER_S  # after the last trouble: by then the desk knows what happened in it
TOLD_NS = NS_PER_S // 2
IDLE_NS = 4 * NS_PER_S  # without a stop, and nothing sent: the 3 s to a stop, and a little
MOST_STOPS = 2
MOST_CANCELS = 12  # of one order within a minute: its pace allows ten, and a person or a doubt adds one
MINUTE_NS = 60 * NS_PER_S
MOST_WAITING = 2_000


class Verdict:
    """The first breach, in words; "" as long as there is none."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.breach = ""

    def found(self, law: str, what: str) -> None:
        if not self.breach:
            self.breach = f"{law}: {what} (seed {self._world.seed}, at {self._world.timeline.now_s:.3f} s)"


class Tightest(Struct, frozen=True):
    """The tightest stop that a position has had."""

    price: Decimal
    number: int  # of the creates that left the desk, which one
    opened_ns: int  # which position
    told_ns: int  # when that began, as far as the desk had been told


class Oracle:
    """Watches positions, stops and the desk's picture of them. Call ``begin`` once."""

    def __init__(
        self, world: World, books: Books, strikes: Strikes, person: Person, verdict: Verdict
    ) -> None:
        self._world = world
        self._books = books
        self._strikes = strikes
        self._person = person
        self._verdict = verdict
        self._naked_ns: dict[str, int] = {}  # since when it is not covered
        self._adrift_ns: dict[str, int] = {}  # since when the desk's size is another
        self._best: dict[str, Tightest] = {}
        self._loose_ns: dict[str, int] = {}
        self._looks = 0
        self._cancels: dict[str, deque[int]] = {}  # when the last ones of an order left the desk
        self.sent_ns: dict[str, int] = {}  # when a create left the desk
        self._number: dict[str, int] = {}  # and its place among them: several leave at one moment
        self._acted_ns: dict[str, int] = {}  # when one left that closes or guards, by symbol
        world.server.listeners.append(self)

    def begin(self) -> None:
        self._world.control.call_later(LOOK_S, self._look)

    @property
    def _now_ns(self) -> int:
        return self._world.timeline.now_ns

    def _patience(self, since_ns: int, limit_ns: int) -> bool:
        """True while a state that began then may last: its limit, or long enough after the last trouble."""
        return self._now_ns <= max(since_ns + limit_ns, self._strikes.troubled_until_ns + AFTER_TROUBLE_NS)

    # -- each event ------------------------------------------------------------------------

    def on_events(self, events: Sequence[Event]) -> None:
        moved = self._books.on_events(events, self._now_ns)
        for fill in self._books.flips:
            self._verdict.found("NO-FLIP", f"{fill.client_id} turned {fill.symbol} over")
        for event in events:
            if isinstance(event, AlgoChanged) and event.algo.account == ACCOUNT:
                self._on_stop(event.algo)
                moved = True
            elif isinstance(event, OrderChanged) and is_own(event.order.client_id):
                reducing = event.order.reduce_only or role_of(event.order.client_id) == "e"
                if not reducing:
                    self._verdict.found("NO-FLIP", f"{event.order.client_id} closes and is not reduce-only")
        if moved:
            self._measure()

    def _on_stop(self, algo: AlgoOrder) -> None:
        """One of the desk's own has appeared: reduce-only, and no looser than any before it."""
        symbol = algo.symbol
        if role_of(algo.client_id) != STOP:
            return
        if algo.status is AlgoStatus.CANCELED:
            self._given_up(algo)
        if algo.status is not AlgoStatus.NEW:
            return
        if not (algo.reduce_only or algo.close_position):
            self._verdict.found("NO-FLIP", f"the stop {algo.client_id} is not reduce-only")
        live = len(self._books.stops(symbol))
        if live > MOST_STOPS:
            self._verdict.found("BOUNDED", f"{live} live stops of one position in {symbol}")
        opened_ns = self._books.opened_ns[symbol]
        own = self._books.own[symbol]
        meant = self._books.of_this_position(symbol, self.sent_ns.get(algo.client_id, 0), TOLD_NS)
        if not own or algo.side.sign * own > 0 or not meant:
            return
        sign, told_ns = 1 if own > 0 else -1, self._told_ns(symbol)
        this = Tightest(algo.trigger_price, self._number.get(algo.client_id, 0), opened_ns, told_ns)
        best = self._best.get(symbol)
        if best is None or best.opened_ns != opened_ns or (best.told_ns != told_ns and self._troubled):
            best = this
        wanted = self._by_hand(symbol) or self._named(symbol, this.price)
        looser = sign * (this.price - best.price) < 0 and not wanted
        if looser and this.number > best.number:  # else it left before, and was overtaken on its way
            self._verdict.found("MONOTONE", f"the stop of {symbol} loosens from {best.price} to {this.price}")
        self._best[symbol] = replace(best, told_ns=told_ns) if looser else this

    def _told_ns(self, symbol: str) -> int:
        """When the position began, as far as the desk has been told: it may have missed a fill."""
        desk = self._world.desk
        market = desk.host.state.symbols.get(SYMBOLS[symbol]) if desk is not None and desk.up else None
        return market.position.opened_ns if market is not None else 0

    @property
    def _troubled(self) -> bool:
        return self._now_ns <= self._strikes.troubled_until_ns + CALM_NS

    def _given_up(self, algo: AlgoOrder) -> None:
        """While nothing goes wrong, what the desk cancels is never what a position stands under."""
        calm = not self._troubled
        calm &= self._now_ns > self._books.changed_ns[algo.symbol] + TOLD_NS  # it knows what it holds
        of_this_one = self.sent_ns.get(algo.client_id, 0) >= self._books.opened_ns[algo.symbol]
        closing = algo.side.sign * self._books.own[algo.symbol] < 0
        if calm and closing and of_this_one and not self._books.covered(algo.symbol):
            whole = sum((each.quantity for each in self._books.stops(algo.symbol)), algo.quantity)
            if whole >= abs(self._books.own[algo.symbol]):
                self._verdict.found(
                    "PROTECT", f"the stop {algo.client_id} was cancelled before another stood"
                )

    def _by_hand(self, symbol: str) -> bool:
        moved_ns = self._person.moved_ns.get(SYMBOLS[symbol], -MOVED_BY_HAND_NS)
        return SYMBOLS[symbol] == BY_HAND and self._now_ns - moved_ns < MOVED_BY_HAND_NS

    def _named(self, symbol: str, price: Decimal) -> bool:
        """It is the one that a person has named, however often it was lost on its way; else that is over."""
        named = self._person.named.get(SYMBOLS[symbol])
        if price == named:
            return True
        self._person.named.pop(SYMBOLS[symbol], None)
        return False

    def _measure(self) -> None:
        """Which positions are not under their stops, and since when."""
        for symbol, own in self._books.own.items():
            if not own or self._books.covered(symbol):
                self._naked_ns.pop(symbol, None)
            else:
                self._naked_ns.setdefault(symbol, self._now_ns)

    def sent(self, client_id: str, symbol: str, *, entry: bool) -> None:
        """The desk has sent a create."""
        self.sent_ns.setdefault(client_id, self._now_ns)
        self._number.setdefault(client_id, len(self._number) + 1)
        if not entry:
            self._acted_ns[symbol] = self._now_ns

    def cancelled(self, client_id: str) -> None:
        """The desk has sent a cancel."""
        sent_ns = self._cancels.setdefault(client_id, deque(maxlen=MOST_CANCELS + 1))
        sent_ns.append(self._now_ns)
        if len(sent_ns) > MOST_CANCELS and self._now_ns - sent_ns[0] < MINUTE_NS:
            seconds = (self._now_ns - sent_ns[0]) / NS_PER_S
            text = f"{client_id} was cancelled {len(sent_ns)} times within {seconds:.1f} s"
            self._verdict.found("BOUNDED", text)

    # -- from time to time -----------------------------------------------------------------

    def _look(self) -> None:
        self._world.control.call_later(LOOK_S, self._look)
        for symbol, since_ns in self._naked_ns.items():
            idle = self._acted_ns.get(symbol, 0) < since_ns
            if idle and self._now_ns > max(since_ns, self._strikes.troubled_until_ns + CALM_NS) + IDLE_NS:
                text = (
                    f"{symbol} has no stop, and for {IDLE_NS / NS_PER_S:g} s nothing was sent to protect it"
                )
                self._verdict.found("PROTECT", text)
            if not self._patience(since_ns, NAKED_NS):
                naked_s = (self._now_ns - since_ns) / NS_PER_S
                text = f"{self._books.own[symbol]} contracts of {symbol} without a stop for {naked_s:.1f} s"
                self._verdict.found("PROTECT", text)
        self._stays_tight()
        desk = self._world.desk
        if desk is None or not desk.up:
            self._adrift_ns.clear()
            return
        self._compare(desk)
        self._bounded(desk)
        self._looks += 1
        if self._looks % LOOKS_A_COUNT == 0 and desk.tasks > MOST_TASKS:
            self._verdict.found("BOUNDED", f"{desk.tasks} tasks")

    def _stays_tight(self) -> None:
        """The tightest stop of a position is not taken away for a looser one."""
        for symbol, best in self._best.items():
            own = self._books.own[symbol]
            stops = self._books.stops(symbol)
            another = best.opened_ns != self._books.opened_ns[symbol]
            if not own or another or not stops or self._by_hand(symbol):
                self._loose_ns.pop(symbol, None)
                continue
            sign = 1 if own > 0 else -1
            tightest = max(sign * algo.trigger_price for algo in stops)
            if tightest >= sign * best.price:
                self._loose_ns.pop(symbol, None)
                continue
            since_ns = self._loose_ns.setdefault(symbol, self._now_ns)
            if not self._patience(since_ns, LOOSE_NS):
                text = f"{symbol} had a stop at {best.price}, and has none better than {abs(tightest)} now"
                self._verdict.found("MONOTONE", text)

    def _compare(self, desk: DeskProcess) -> None:
        """Sizes, as the desk has booked them."""
        for symbol, unified in SYMBOLS.items():
            market = desk.host.state.symbols.get(unified)
            if market is None:
                continue
            theirs = (self._books.own[symbol], self._books.external[symbol])
            ours = (market.position.size, market.external_size)
            if ours != theirs and sum(ours) == sum(theirs) and self._strikes.external:
                self._books.split_anew(symbol, *ours)  # whose they are hangs on the order of the telling
                self._best.pop(symbol, None)
                theirs = ours
            if ours == theirs:
                self._adrift_ns.pop(symbol, None)
                continue
            since_ns = max(self._adrift_ns.setdefault(symbol, self._now_ns), desk.opened_ns)
            if not self._patience(since_ns, DRIFT_NS):
                text = f"{symbol}: own and external are {_pair(theirs)}, the desk has booked {_pair(ours)}"
                self._verdict.found("LEDGER", text)

    def _bounded(self, desk: DeskProcess) -> None:
        if len(desk.host._inbox) > MOST_WAITING:
            self._verdict.found("BOUNDED", f"{len(desk.host._inbox)} events wait")
        if desk.host.fault:
            self._verdict.found("FAULT", desk.host.fault)
        faults = [*desk.loop.faults, *self._world.there.faults, *self._world.control.faults]
        if faults:
            self._verdict.found("FAULT", repr(faults[0]))

    # -- when all is calm --------------------------------------------------------------------

    def unwell(self) -> str:
        """What is not as it must be within 30 s after the last fault; "" when all is well."""
        desk = self._world.desk
        if desk is None or not desk.up:
            return "no desk is open" + (f": {desk.failure}" if desk is not None and desk.failure else "")
        state = desk.host.state
        if not state.private_stream_ready:
            return "the private stream is not ready"
        for market in state.symbols.values():
            if not market.ready or not market.book.valid:
                return f"{market.instrument.symbol} is not ready: {market.not_ready_reason}"
        lost = [
            tracked.id
            for market in state.symbols.values()
            for tracked in state.tracked(market)
            if tracked.order.status is OrderStatus.UNKNOWN
        ]
        if lost:
            return f"the outcome of {lost[0]} is unknown"
        if self._naked_ns:
            return f"{', '.join(self._naked_ns)} is not covered"
        if self._adrift_ns:
            return f"the desk's books of {', '.join(self._adrift_ns)} are not the exchange's"
        return ""

    def unsettled(self) -> tuple[str, str]:
        """Everything is closed: books, orders and money are the exchange's, to the last digit.

        The law and what breaks it; empty words when all is so.
        """
        desk = self._world.desk
        assert desk is not None
        exchange = self._world.server.exchange
        for symbol, own in self._books.own.items():
            if own:
                return "LIVENESS", f"{own} contracts of {symbol} are still held"
        left = [order.client_id for order in exchange.open_orders(ACCOUNT)]
        left += [algo.client_id for algo in exchange.open_algos(ACCOUNT)]
        own = [client_id for client_id in left if client_id.startswith(OWN)]
        if own:
            return "LIVENESS", f"orders are left: {', '.join(own)}"
        wallet = exchange._floor.accounts[ACCOUNT].wallets["USDT"]
        if desk.host.state.wallet_balance != wallet:
            return "CASH", f"the wallet is {wallet}, the desk has {desk.host.state.wallet_balance}"
        return next((found for symbol in SYMBOLS if (found := self._money(desk, symbol))[0]), ("", ""))

    def _money(self, desk: DeskProcess, symbol: str) -> tuple[str, str]:
        """Realized, fees and funding by symbol; where somebody else closed some, both wallets tell.

        A fill that is heard after a later one is booked at another average cost. What is made in the end is
        the same, but for each booking's last digit: the wallets, compared before, are equal to that.
        """
        market = desk.host.state.symbols[SYMBOLS[symbol]]
        booked = market.position.realized_pnl - market.position.fees + market.position.funding
        ledger = self._world.server.exchange.ledger(ACCOUNT)
        there = sum((entry.amount for entry in ledger if entry.symbol == symbol), Decimal(0))
        heard = [fill.venue_ns for fill in desk.host.state.fills if fill.symbol == SYMBOLS[symbol]]
        rounded = LAST_DIGIT * len(heard) if heard != sorted(heard) else Decimal(0)
        if abs(booked - there) <= rounded or self._strikes.external:
            return "", ""
        return "CASH", f"{symbol} has made {there}, the desk has booked {booked}"


def _pair(sizes: tuple[Decimal, Decimal]) -> str:
    return f"{sizes[0].normalize():f} and {sizes[1].normalize():f}"
