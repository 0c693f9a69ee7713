"""Performs the engine's commands through the venue; every outcome comes back as an event.

An entry waits until the journal is on disk, and is refused when that takes too long. Whatever
protects (cancel, stop, reduce-only) never waits. Nothing is sent under a lease that was taken over,
and nothing is sent twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Coroutine, Sequence
from itertools import count
from typing import Any

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.desk.lock import AccountLock
from contractdesk.desk.order_log import OrderLog
from contractdesk.desk.supervisor import Supervisor
from contractdesk.domain.commands import (
    AmendStop,
    CancelOrder,
    Command,
    Notify,
    PlaceStop,
    QueryOrder,
    ReadAccount,
    ReadVenueState,
    ReduceOrder,
    Severity,
    SubmitOrder,
    Watch,
)
from contractdesk.domain.events import (
    AccountRead,
    AmendFailed,
    CancelFailed,
    Event,
    OrderRejected,
    OutcomeUnknown,
    ReadFailed,
    SymbolNotReady,
    VenueStateRead,
)
from contractdesk.domain.orders import OrderRequest
from contractdesk.domain.requests import reduce_request, stop_request
from contractdesk.engine.leaving import still_wanted
from contractdesk.engine.state import Desk
from contractdesk.errors import RateLimited, StorageError, UserError, VenueError, VenueRejected
from contractdesk.venues.base import Venue
from contractdesk.venues.rest import TAKEN_OVER

DURABLE_WITHIN_S = 0.250
CREATE_ANSWER_WITHIN_S = 30.0  # the venue's own timeouts are shorter; this only bounds a cancel's wait
AMEND_WITHIN_S = 1.0  # an amend waits no longer for its order's create: it must not come late
WATCH_AGAIN_S, WATCH_RARELY_S = 3.0, 30.0  # between attempts at a symbol's streams; the first ones, the rest
WATCH_ALARM = 20  # attempts, after which the person is told, each time anew
FENCE_NS = 15 * NS_PER_S  # a create that ended in a fault: later than any request window

Barrier = Callable[[], Awaitable[None]]
Arm = Callable[[str], Awaitable[str]]  # of an entry's symbol: why it must not be sent, or ""
_LEVELS = {Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING, Severity.ALARM: logging.ERROR}


class Dispatcher:
    """Lives on the desk's loop; ``perform`` returns at once."""

    def __init__(
        self,
        *,
        venue: Venue,
        emit: Callable[[Event], None],
        alarm: Callable[[str, str], None],
        barrier: Barrier,
        lock: AccountLock,
        clock: Clock,
        supervisor: Supervisor,
        orders: OrderLog,
        logger: logging.Logger,
        arm: Arm | None = None,
        desk: Callable[[], Desk] | None = None,
    ) -> None:
        """``arm`` lets a guardian know of each entry before it is sent; None: there is none to be told.

        ``desk`` is looked at when an entry has its turn: is it still wanted?
        """
        self._venue = venue
        self._emit = emit
        self._alarm = alarm
        self._barrier = barrier
        self._lock = lock
        self._clock = clock
        self._supervisor = supervisor
        self._orders = orders
        self._logger = logger
        self._arm = arm
        self._desk = desk
        self._creates: dict[str, asyncio.Task[None]] = {}
        self._watches: Counter[str] = Counter()  # under way, by symbol
        self._streamed: dict[str, tuple[str, ...]] = {}  # timeframes that a symbol has had, for whomever
        self._one_watch: dict[str, asyncio.Lock] = {}  # two at once would make two feeds of one symbol
        self.entries_blocked = ""  # why entries are refused here; "" = they are not

    @property
    def busy(self) -> int:
        """Creates whose answer is still awaited."""
        return len(self._creates)

    @property
    def asked(self) -> Container[str]:
        """Symbols whose streams were asked for, by whomever; they may not have come yet."""
        return self._watches

    def watching(self, symbol: str) -> bool:
        """True while streams or bars that were asked for are still on their way."""
        return self._watches[symbol] > 0

    def perform(self, commands: Sequence[Command], caused_ns: int) -> None:
        """Start performing ``commands``; ``caused_ns`` is when their event came in."""
        for command in commands:
            self._perform(command, caused_ns)

    def _perform(self, command: Command, caused_ns: int) -> None:  # noqa: C901  (a flat dispatch, a case each)
        match command:
            case SubmitOrder(approved=approved):
                self._create(approved.request, approved.signal_ns, entry=True)
            case PlaceStop():
                self._create(stop_request(command), caused_ns, entry=False)
            case ReduceOrder():
                self._create(reduce_request(command), command.signal_ns or caused_ns, entry=False)
            case AmendStop():
                self._spawn(self._amend(command), f"amend {command.client_id}")
            case CancelOrder():
                self._spawn(self._cancel(command), f"cancel {command.client_id}")
            case QueryOrder():
                self._spawn(self._query(command), f"query {command.client_id}")
            case ReadAccount(request_id=request_id):
                self._spawn(self._read_account(request_id), "read account")
            case ReadVenueState():
                self._spawn(self._read_state(command), "read venue state")
            case Watch():
                self._watches[command.symbol] += 1
                self._spawn(self._watch(command), f"watch {command.symbol}")
            case Notify():
                self._logger.log(
                    _LEVELS[command.severity],
                    command.message,
                    extra={"event.code": command.code, "symbol": command.symbol},
                )

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._supervisor.spawn(work, name)

    # -- creates ---------------------------------------------------------------------------

    def _create(self, request: OrderRequest, signal_ns: int, *, entry: bool) -> None:
        self._orders.sent(request, signal_ns)
        task = self._supervisor.spawn(
            self._send(request, entry=entry),
            f"create {request.client_id}",
            after_fault=lambda: self._lost(request, "a fault of the desk while it was sent"),
        )
        self._creates[request.client_id] = task
        task.add_done_callback(lambda _: self._creates.pop(request.client_id, None))

    async def _send(self, request: OrderRequest, *, entry: bool) -> None:
        if entry and (reason := await self._entry_blocked(request.symbol)):
            self._refuse(request, reason)
            return
        if not self._lock.valid:  # as if there were no connection: what protects is tried again
            self._refuse(request, TAKEN_OVER, unheard=True)
            return
        sent_ns = self._clock.monotonic_ns()
        try:
            answer = await self._venue.submit(request, lambda: not entry or self._wanted(request))
        except VenueError as error:
            self._lost(request, str(error))
            return
        self._orders.answered(self._clock.monotonic_ns() - sent_ns)
        self._emit(answer)

    def _wanted(self, entry: OrderRequest) -> bool:
        """It may have waited for the venue's limits, or its clock: what protects is always wanted."""
        return not self.entries_blocked and (self._desk is None or still_wanted(self._desk(), entry))

    async def _entry_blocked(self, symbol: str) -> str:
        """The guardian is told while the disk writes: neither waits for the other."""
        if self.entries_blocked:
            return self.entries_blocked
        unarmed, undurable = await asyncio.gather(self._unarmed(symbol), self._undurable())
        return self.entries_blocked or unarmed or undurable

    async def _unarmed(self, symbol: str) -> str:
        return await self._arm(symbol) if self._arm is not None else ""

    async def _undurable(self) -> str:
        try:
            await asyncio.wait_for(self._barrier(), DURABLE_WITHIN_S)
        except (TimeoutError, StorageError) as error:
            reason = f"the journal was not on disk within {DURABLE_WITHIN_S * 1000:.0f} ms"
            self._alarm("journal_late", f"entry refused: {reason} {error}".rstrip())
            return reason
        return ""

    def _refuse(self, request: OrderRequest, reason: str, *, unheard: bool = False) -> None:
        self._emit(
            OrderRejected(
                ts_ns=self._clock.now_ns(),
                client_id=request.client_id,
                symbol=request.symbol,
                code=0,
                message=f"not sent: {reason}",
                unheard=unheard,
            )
        )

    def _lost(self, request: OrderRequest, reason: str) -> None:
        now_ns = self._clock.now_ns()
        self._emit(
            OutcomeUnknown(
                ts_ns=now_ns,
                client_id=request.client_id,
                symbol=request.symbol,
                fence_ns=now_ns + FENCE_NS,
                reason=reason,
            )
        )

    # -- amends, cancels and reads -----------------------------------------------------------

    async def _answered(self, client_id: str, within_s: float) -> bool:
        """Wait for the answer to the order's create: what overtakes that finds no order."""
        create = self._creates.get(client_id)
        if create is None:
            return True
        done, _ = await asyncio.wait({create}, timeout=within_s)
        return bool(done)

    async def _amend(self, command: AmendStop) -> None:
        code, message = 0, "not sent: the order's create has no answer yet"
        if not await self._answered(command.client_id, AMEND_WITHIN_S):
            pass  # later nobody may want it any more
        elif not self._lock.valid:
            message = TAKEN_OVER
        else:
            try:
                outcome = await self._venue.amend_stop(
                    command.symbol, command.client_id, command.size, command.trigger_price
                )
            except VenueError as error:
                code, message = _code_of(error), str(error)
            else:
                self._emit(outcome)
                return
        self._emit(
            AmendFailed(
                ts_ns=self._clock.now_ns(),
                client_id=command.client_id,
                symbol=command.symbol,
                code=code,
                message=message,
            )
        )

    async def _cancel(self, command: CancelOrder) -> None:
        await self._answered(command.client_id, CREATE_ANSWER_WITHIN_S)
        code, message = 0, TAKEN_OVER
        if self._lock.valid:
            try:
                self._emit(
                    await self._venue.cancel(
                        command.symbol, command.client_id, conditional=command.conditional
                    )
                )
            except VenueError as error:
                message = str(error)
            else:
                return
        self._emit(
            CancelFailed(
                ts_ns=self._clock.now_ns(),
                client_id=command.client_id,
                symbol=command.symbol,
                code=code,
                message=message,
            )
        )

    async def _query(self, command: QueryOrder) -> None:
        try:
            self._emit(
                await self._venue.query(command.symbol, command.client_id, conditional=command.conditional)
            )
        except VenueError as error:
            self._failed(command.request_id, "order", error)

    async def _read_account(self, request_id: int) -> None:
        try:
            account = await self._venue.read_account()
        except VenueError as error:
            self._failed(request_id, "account", error)
        else:
            self._emit(AccountRead(ts_ns=self._clock.now_ns(), request_id=request_id, account=account))

    async def _read_state(self, command: ReadVenueState) -> None:
        try:
            state = await self._venue.read_state(command.fills_since_ns, command.symbols)
        except VenueError as error:
            self._failed(command.request_id, "venue state", error)
        else:
            self._emit(
                VenueStateRead(
                    ts_ns=self._clock.now_ns(),
                    request_id=command.request_id,
                    account=state.account,
                    orders=state.orders,
                    fills=state.fills,
                    conditional_elsewhere=state.conditional_elsewhere,
                )
            )

    def _failed(self, request_id: int, what: str, error: VenueError) -> None:
        self._emit(
            ReadFailed(ts_ns=self._clock.now_ns(), request_id=request_id, what=what, reason=str(error))
        )

    async def _watch(self, command: Watch) -> None:
        try:
            async with self._one_watch.setdefault(command.symbol, asyncio.Lock()):
                await self._watch_until_whole(command)
        finally:
            self._watches[command.symbol] -= 1

    async def _watch_until_whole(self, command: Watch) -> None:
        """As long as it takes: nobody asks again for what was given up, and stops follow its marks.

        With all the bars that were streamed before. A symbol whose streams run is as ready as they say,
        whatever becomes of what is asked for besides.
        """
        before = self._streamed.get(command.symbol, ())
        timeframes = tuple(dict.fromkeys((*before, *command.timeframes)))
        for attempt in count(1):
            try:
                await self._venue.watch(command.symbol, timeframes, command.warmup)
            except VenueError as error:
                if not before:
                    self._not_ready(command.symbol, str(error))
                if attempt % WATCH_ALARM == 0:
                    self._alarm("watch_failed", f"{command.symbol} cannot be watched yet: {error}")
                await asyncio.sleep(WATCH_AGAIN_S if attempt < WATCH_ALARM else WATCH_RARELY_S)
            except UserError as error:
                if not before:
                    self._not_ready(command.symbol, str(error))
                return
            else:
                self._streamed[command.symbol] = timeframes
                return

    def _not_ready(self, symbol: str, reason: str) -> None:
        self._emit(SymbolNotReady(ts_ns=self._clock.now_ns(), symbol=symbol, reason=reason))


def _code_of(error: VenueError) -> int:
    """The venue's own where it has refused; 0 where what was asked may have been done all the same."""
    match error:
        case VenueRejected(code=code):
            return code
        case RateLimited(status=status):
            return -status
        case _:
            return 0
