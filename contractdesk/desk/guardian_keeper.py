"""The guardian at work: it has the account, and brings what the desk left to safety, round by round.

Each round reads positions and open orders, and does what the plan says. A read that fails proves nothing.
It goes on past the request window of what was on the wire, so that a late entry is met, too.
"""

from __future__ import annotations

import asyncio

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.desk.guardian_plan import Act, Cancel, Close, SentStop, Stop, Ward, plan
from contractdesk.desk.guardian_report import Chronicle
from contractdesk.desk.guardian_watch import Watch
from contractdesk.desk.guardian_words import Terms
from contractdesk.desk.lock import GuardianLease
from contractdesk.domain.events import (
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OutcomeUnknown,
    VenueOrder,
)
from contractdesk.domain.orders import OrderRequest, OrderRole, OrderStatus, OrderType
from contractdesk.engine import client_ids
from contractdesk.errors import VenueError
from contractdesk.venues.base import Custody

MARGIN_S = 2.0  # beyond the window: the venue's read lag
QUICK_S, CALM_S, RESTING_S = 0.3, 10.0, 30.0  # between rounds: in the window, after it, after the alert
REPLACING_S = 0.05  # just after a stop was sent: the one that it replaces is to go as soon as it is listed
LEASE_EVERY_S = 0.1
CLOSED_WITHIN_S, CLOSE_POLL_S = 2.0, 0.1
CLOSE_FENCE_NS = 8 * NS_PER_S  # a close that was not found until then was not accepted
MOST_CHUNKS = 10
OVER = (OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED)
NEWER, NOTHING_LEFT, ENDED = "a newer desk has the account", "nothing is left to protect", "its venue ends"


class Keeper:
    def __init__(
        self,
        terms: Terms,
        watch: Watch,
        custody: Custody,
        lease: GuardianLease,
        chronicle: Chronicle,
        clock: Clock,
    ) -> None:
        self._terms = terms
        self._watch = watch
        self._custody = custody
        self._lease = lease
        self._chronicle = chronicle
        self._clock = clock
        self._wards = {symbol: Ward(risk=row) for symbol, row in watch.symbols.items()}
        self._began_ns = clock.monotonic_ns()
        window_ns = int((custody.window_s + MARGIN_S) * NS_PER_S)
        self._horizon_ns = max(self._began_ns + window_ns, watch.wire_ns + int(MARGIN_S * NS_PER_S))
        self._sequence = client_ids.GUARDIAN
        self._failures = 0  # reads in a row
        self._alerted = False

    async def run(self) -> str:
        """Until nothing is left to do, or a newer desk has taken over; returns which."""
        for instrument in self._watch.instruments.values():
            self._custody.know(instrument)
        await self._custody.open(self._watch.offset_ms)
        try:
            first = asyncio.create_task(self._cancel_known())
            while not (over := self._over()):
                self._mind_the_time()
                settled = self._settled
                try:
                    acted = await self._round(settled=settled)
                except Exception:  # whatever it is: there is nobody else, and the next round may do better
                    self._chronicle.logger.exception("fault in a round")
                    acted = False
                await self._pause(calm=settled and not acted)
            await first
            return over
        finally:
            await self._custody.close()

    # -- rounds ----------------------------------------------------------------------------

    async def _cancel_known(self) -> None:
        """At once, before anything is read: entries that rest, or may already."""
        acts = [
            (symbol, ward, Cancel(client_id=entry.client_id, conditional=False))
            for symbol, ward in self._wards.items()
            for entry in ward.risk.entries
            if entry.limit
        ]
        await asyncio.gather(*(self._perform(*act) for act in acts))

    async def _round(self, *, settled: bool) -> bool:
        """True where something was done: then the next one comes soon."""
        try:
            acts = await self._todo(settled=settled)
        except VenueError as error:
            self._failures += 1
            if self._failures in (1, 10) or self._failures % 100 == 0:
                text = f"the venue could not be read ({self._failures} times): {error}"
                self._chronicle.did("cannot_read", text)
            return self._failures < 10
        self._failures = 0
        await asyncio.gather(*(self._perform(*act) for act in acts))
        return bool(acts)

    async def _todo(self, *, settled: bool) -> list[tuple[str, Ward, Act]]:
        """What the venue's picture asks for; nothing in a symbol whose last close is still under way."""
        free = [(symbol, ward) for symbol, ward in self._wards.items() if await self._resolved(symbol, ward)]
        standing = await self._custody.standing()
        now_ns = self._clock.monotonic_ns()
        acts: list[tuple[str, Ward, Act]] = []
        for symbol, ward in free:
            orders = tuple(row for row in standing.orders if row.symbol == symbol)
            await self._vanished(symbol, ward, orders)
            todo = plan(ward, standing.size(symbol), orders, self._terms.bot, now_ns, settled=settled)
            acts += [(symbol, ward, act) for act in todo]
        return acts

    async def _vanished(self, symbol: str, ward: Ward, orders: tuple[VenueOrder, ...]) -> None:
        """Stops that were listed and are not any more: what they have closed, the sizes may not show yet."""
        there = {row.client_id for row in orders}
        for client_id in [name for name in ward.listed if name not in there and not ward.cancels.get(name)]:
            order = (await self._custody.query(symbol, client_id, conditional=True)).order
            if order is not None and order.filled:
                ward.closed += order.side.sign * order.filled
                self._chronicle.did("stopped", f"{client_id} has closed {order.filled} of {symbol}", symbol)

    @property
    def _settled(self) -> bool:
        """Nothing that was on the wire when the desk fell silent can be accepted any more."""
        return self._clock.monotonic_ns() > self._horizon_ns

    @property
    def _alone_s(self) -> float:
        return (self._clock.monotonic_ns() - self._began_ns) / NS_PER_S

    def _over(self) -> str:
        if not self._lease.valid:
            return NEWER
        if self._settled and all(ward.flat for ward in self._wards.values()):
            return NOTHING_LEFT
        longest_s = max(self._terms.options.alert_s, self._terms.options.flatten_s or 0) + CALM_S
        return ENDED if self._terms.access.ephemeral and self._alone_s > longest_s else ""

    def _mind_the_time(self) -> None:
        options, alone_s = self._terms.options, self._alone_s
        if not self._alerted and alone_s >= options.alert_s:
            self._alerted = True
            held = ", ".join(symbol for symbol, ward in self._wards.items() if not ward.flat) or "nothing"
            self._chronicle.alert(
                "guardian_alone",
                f"desk {self._terms.desk} has been away for {alone_s:.0f} s and holds {held}, under stops of "
                "its guardian: open the desk again, or close the positions at the venue",
            )
        if options.flatten_s is not None and alone_s >= options.flatten_s:
            for ward in self._wards.values():
                ward.close_why = ward.close_why or f"the desk has been away for {options.flatten_s:g} s"

    async def _pause(self, *, calm: bool) -> None:
        """Short steps: a newer desk waits for us to leave."""
        wait_s = RESTING_S if self._alerted else CALM_S
        if not calm or any(ward.pending for ward in self._wards.values()):
            wait_s = QUICK_S
        now_ns = self._clock.monotonic_ns()
        if any(now_ns < stop.sent_ns + NS_PER_S for ward in self._wards.values() for stop in ward.sent):
            wait_s = REPLACING_S
        end_ns = self._clock.monotonic_ns() + int(wait_s * NS_PER_S)
        options = self._terms.options
        for due_s in (options.alert_s, options.flatten_s):
            due_ns = self._began_ns + int((due_s or 0) * NS_PER_S)
            if due_s is not None and due_ns > self._clock.monotonic_ns():
                end_ns = min(end_ns, due_ns)
        while self._lease.valid and (left_ns := end_ns - self._clock.monotonic_ns()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(LEASE_EVERY_S, left_ns / NS_PER_S))

    # -- acts ------------------------------------------------------------------------------

    async def _perform(self, symbol: str, ward: Ward, act: Act) -> None:
        if not self._lease.valid:
            return
        match act:
            case Cancel():
                await self._cancel(symbol, act)
            case Stop():
                await self._stop(symbol, ward, act)
            case Close():
                await self._close(symbol, ward, act)

    async def _cancel(self, symbol: str, act: Cancel) -> None:
        outcome = await self._custody.cancel(symbol, act.client_id, conditional=act.conditional)
        if isinstance(outcome, OrderCancelled):
            self._chronicle.did("cancelled", f"cancelled {act.client_id} in {symbol}", symbol)
        else:
            self._chronicle.logger.info("%s was not cancelled: %s", act.client_id, outcome.message)

    async def _stop(self, symbol: str, ward: Ward, act: Stop) -> None:
        if act.frees:  # whatever comes of it: a stop too many is better than a position without one
            await self._cancel(symbol, Cancel(client_id=act.frees, conditional=True))
        request = OrderRequest(
            client_id=self._client_id(OrderRole.STOP),
            symbol=symbol,
            side=act.side,
            type=OrderType.STOP_MARKET,
            size=act.size,
            role=OrderRole.STOP,
            trigger_price=act.price,
            reduce_only=True,
        )
        sent = SentStop(client_id=request.client_id, size=act.size, sent_ns=self._clock.monotonic_ns())
        ward.sent.append(sent)
        outcome = await self._custody.submit(request)
        what = f"a stop for {act.size} contracts of {symbol} at {act.price}"
        match outcome:
            case OrderAccepted():
                sent.accepted = True
                self._chronicle.did("stop_placed", f"placed {what}", symbol)
            case OutcomeUnknown():
                self._chronicle.did(
                    "stop_unknown", f"sent {what}, and had no answer: {outcome.reason}", symbol
                )
            case OrderRejected(unheard=True):
                ward.sent.remove(sent)
                self._chronicle.logger.warning("%s did not get through: %s", what, outcome.message)
            case OrderRejected():
                ward.sent.remove(sent)
                ward.close_why = f"{what} was refused ({outcome.code}: {outcome.message})"
                self._chronicle.did("stop_refused", ward.close_why, symbol)

    async def _close(self, symbol: str, ward: Ward, act: Close) -> None:
        """In pieces that the venue takes; each is known to be over before the next is sent."""
        most = self._watch.instruments[symbol].max_market_size
        left = act.size
        self._chronicle.did("closing", f"closing {act.size} contracts of {symbol}: {act.why}", symbol)
        for _ in range(MOST_CHUNKS):
            size = min(left, most)
            if size <= 0 or not self._lease.valid:
                return
            request = OrderRequest(
                client_id=self._client_id(OrderRole.FLATTEN),
                symbol=symbol,
                side=act.side,
                type=OrderType.MARKET,
                size=size,
                role=OrderRole.FLATTEN,
                reduce_only=True,
            )
            outcome = await self._custody.submit(request)
            if isinstance(outcome, OrderRejected):
                self._chronicle.did("close_refused", f"{request.client_id}: {outcome.message}", symbol)
                return
            ward.pending, ward.pending_ns = request.client_id, self._clock.monotonic_ns()
            if not await self._known(symbol, ward):
                return
            left -= size

    async def _known(self, symbol: str, ward: Ward) -> bool:
        """The close that was sent is over, within a moment."""
        for _ in range(int(CLOSED_WITHIN_S / CLOSE_POLL_S)):
            try:
                if await self._resolved(symbol, ward):
                    return True
            except VenueError as error:
                self._chronicle.logger.info("%s: %s", ward.pending, error)
            await asyncio.sleep(CLOSE_POLL_S)
        return False

    async def _resolved(self, symbol: str, ward: Ward) -> bool:
        """True where no close is under way: what the last one has executed is counted then."""
        if not ward.pending:
            return True
        order = (await self._custody.query(symbol, ward.pending, conditional=False)).order
        if order is None:
            if self._clock.monotonic_ns() < ward.pending_ns + CLOSE_FENCE_NS:
                return False
        elif order.status not in OVER:
            return False
        else:
            ward.closed += order.side.sign * order.filled
            self._chronicle.did("closed", f"closed {order.filled} contracts of {symbol}", symbol)
        ward.pending = ""
        return True

    def _client_id(self, role: OrderRole) -> str:
        self._sequence += 1
        return client_ids.make(self._terms.bot, self._lease.epoch, self._sequence, role)
