"""What the engine's parts share while they handle one event: the state, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import length_hint

from msgspec import Struct

from contractdesk.domain.commands import Command, Notify, ReadAccount, ReadVenueState, Severity
from contractdesk.domain.events import TradePrinted
from contractdesk.domain.fills import Fill
from contractdesk.domain.intents import Intent, Refused
from contractdesk.domain.orders import OrderRole
from contractdesk.domain.views import Notice, TradingState
from contractdesk.engine import client_ids
from contractdesk.engine.state import NS_PER_S, Desk, Limits, Market, Read, Tracked

READ_TIMEOUT_NS = 10 * NS_PER_S
SOON_NS = NS_PER_S // 2  # for a reconciliation that should come at once, but not in a loop
EXPOSED_NS = 10 * NS_PER_S  # between reconciliations, with a position or an entry that rests
OVERLAP_NS = 60 * NS_PER_S  # fills are read again from so long before: the venue's readings lag

Watch = Callable[[Callable[[], object]], object]  # runs a step, and may raise CallbackOverrun into it


class Booking(Struct):
    """A fill that has been booked on our own position."""

    fill: Fill
    tracked: Tracked | None  # None: an execution that was not ours


class Wished(Struct):
    """An intent on its way to the gate."""

    intent: Intent
    strategy_id: str  # "" = by hand
    signal: str
    signal_ns: int
    timeframe: str


class Telling(Struct, frozen=True):
    """Trades on their way through one callback; whoever looks at the market meanwhile cuts the rest off."""

    trades: list[TradePrinted]
    left: Iterator[TradePrinted]  # over the same list

    @property
    def present(self) -> TradePrinted:
        """The one that is being told, or was last."""
        return self.trades[len(self.trades) - length_hint(self.left) - 1]

    def cut(self) -> None:
        del self.trades[len(self.trades) - length_hint(self.left) :]


class Core:
    """The state and the outboxes; the latter are empty between two events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.out: list[Command] = []
        self.changes: list[Tracked] = []  # orders that have moved: protection is told first
        self.bookings: list[Booking] = []
        self.wishes: list[Wished] = []
        self.refused: list[Refused] = []
        self.touched: dict[str, None] = {}  # symbols whose protection must be looked at
        self.measuring = False  # a valid mark or a booking: the breaker takes a sample
        self.moved: list[Tracked] = []  # then their strategies
        self.telling: Telling | None = None  # of several trades
        self.arrears: Callable[[], None] | None = None  # takes in what has passed and was not told yet
        self.watch: Watch | None = None  # ends a callback that does not return
        self.sent_ids: list[str] | None = None  # of what is repeated behind a hole; None: nothing is

    @property
    def busy(self) -> bool:
        """True while something that has happened has consequences to come."""
        return bool(
            self.changes or self.touched or self.bookings or self.moved or self.refused or self.wishes
        )

    def catch_up(self) -> None:
        """Somebody looks at the market: whatever a driver has left for this moment is taken in first."""
        if self.arrears is not None:
            self.arrears()

    def emit(self, command: Command) -> None:
        self.out.append(command)

    def outbox(self) -> list[Command]:
        """What is to be done; empty afterwards."""
        if not self.out:
            return []
        commands, self.out = self.out, []
        return commands

    def touch(self, symbol: str) -> None:
        self.touched[symbol] = None

    def notify(self, severity: Severity, code: str, message: str, symbol: str = "") -> None:
        self.emit(Notify(severity=severity, code=code, message=message, symbol=symbol))
        notice = Notice(ts_ns=self.desk.now_ns, severity=severity, code=code, message=message, symbol=symbol)
        self.desk.notices.append(notice)
        del self.desk.notices[: -Limits.NOTICES]

    def client_id(self, role: OrderRole) -> str:
        """A client id that has never been used."""
        desk = self.desk
        if self.sent_ids is not None:
            for client_id in self.sent_ids:
                parsed = client_ids.parse(client_id)
                if parsed is not None and parsed.role is role:
                    self.sent_ids.remove(client_id)
                    return client_id
            if desk.sequence < client_ids.NEVER_SENT:
                desk.sequence += client_ids.NEVER_SENT
        desk.sequence += 1
        return client_ids.make(desk.config.bot, desk.config.epoch, desk.sequence, role)

    def request_id(self) -> int:
        self.desk.requests += 1
        return self.desk.requests

    # -- trading state ---------------------------------------------------------------------

    def enter_state(self, state: TradingState, reason: str) -> None:
        """All symbols are looked at again: an entry may rest in any of them."""
        self.desk.state, self.desk.state_reason, self.desk.starting = state, reason, False
        if state is TradingState.ACTIVE:
            self.desk.reduced = ""
        for symbol in self.desk.symbols:
            self.touch(symbol)

    def halt(self, reason: str) -> None:
        """HALTED by the engine itself: only a person resumes."""
        if self.desk.state is TradingState.HALTED:
            self.desk.breaker.resume_too = True  # a reset of the breaker alone is not enough
            return
        self.enter_state(TradingState.HALTED, reason)
        self.notify(Severity.ALARM, "halted", f"halted: {reason}; resume() when it is understood")

    # -- reads -----------------------------------------------------------------------------

    def read_account(self, *, since_ns: int = 0) -> None:
        """Ask for the account, unless a question is under way whose answer will be fresh enough.

        One that was asked before ``since_ns``, or before money came or went, is not. While the venue
        demands silence nothing is asked; the next read is due at its end.
        """
        desk, reads = self.desk, self.desk.account_reads
        since_ns = max(since_ns, desk.account_after_ns)
        if desk.now_ns < desk.silent_until_ns:
            desk.account_due_ns = max(desk.account_due_ns, desk.silent_until_ns)
            return
        newest_ns = next(reversed(reads.values()), 0)
        if newest_ns >= max(since_ns, 1) and desk.now_ns < newest_ns + int(
            desk.risk.account_max_age_s * NS_PER_S
        ):
            return
        request_id = self.request_id()
        reads[request_id] = desk.now_ns
        while len(reads) > Limits.READS:
            del reads[next(iter(reads))]
        self.emit(ReadAccount(request_id=request_id))

    def doubt_account(self) -> None:
        """No picture of the account so far measures an entry any more: it is read anew."""
        desk = self.desk
        soon_ns = desk.now_ns + SOON_NS  # reasons to doubt come in bursts
        too_old_ns = desk.now_ns - int(desk.risk.account_max_age_s * NS_PER_S) - 1
        desk.account_ns = min(desk.account_ns, too_old_ns)
        desk.account_after_ns = desk.now_ns
        desk.account_due_ns = min(desk.account_due_ns or soon_ns, soon_ns)

    def read_state(self) -> None:
        """Ask for everything that reconciliation compares."""
        desk = self.desk
        desk.state_read = Read(self.request_id(), desk.now_ns)
        desk.read_asked_ns = desk.now_ns
        since = fills_since_ns(desk)
        # While the private stream is being restored nothing is known: then all there is, as at a start.
        symbols = tuple(desk.symbols) if desk.private_stream_ready else None
        self.emit(
            ReadVenueState(request_id=desk.state_read.request_id, fills_since_ns=since, symbols=symbols)
        )

    def reconcile_within(self, delay_ns: int) -> None:
        """Let the next reconciliation be no later than ``delay_ns`` from now."""
        if not self.desk.config.polls:
            return  # nothing can have been missed
        due = self.desk.now_ns + delay_ns
        if not self.desk.reconcile_due_ns or due < self.desk.reconcile_due_ns:
            self.desk.reconcile_due_ns = due

    # -- lookups ---------------------------------------------------------------------------

    def market(self, symbol: str) -> Market | None:
        return self.desk.symbols.get(symbol)


def fills_since_ns(desk: Desk) -> int:
    """Venue time from which fills are to be read; 0: as far back as there are any.

    Not from the newest one: it may have been streamed while an older one was missed.
    """
    return max(0, desk.fills_known_ns - OVERLAP_NS)


def bounded(seen: dict[str, None], limit: int) -> None:
    """Forget the oldest keys beyond ``limit``."""
    while len(seen) > limit:
        del seen[next(iter(seen))]
