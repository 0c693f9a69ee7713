"""One prioritised queue of requests per venue and key: who may be sent next, and when.

``Limiter`` is pure (time comes in, decisions go out); ``RequestQueue`` is its asyncio shell. Laws:
nothing is sent before an ordered silence is over; no request is sent while a sendable one of higher
priority waits; after a silence one request goes alone, and the rest follow when it is answered.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import IntEnum

from msgspec import Struct

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.errors import RateLimited, VenueUnreachable

MAX_WAITING = 512  # a class: beyond it the caller is told so, at once


class Priority(IntEnum):
    """The order in which waiting requests are sent; lower goes first."""

    PROTECT = 0  # stops, and whatever flattens
    CANCEL = 1
    RECONCILE = 2
    ENTRY = 3
    DATA = 4


class Quota(Struct, frozen=True, kw_only=True):
    """What the venue grants an address and an account; the defaults are Binance USDⓈ-M's."""

    weight_1m: int = 2_400
    orders_10s: int = 300
    orders_1m: int = 1_200
    # By priority. The part of each quota that a class may use, and how many requests may be on the wire
    # when one of it is sent: what is left belongs to the classes before it, so that neither a spent
    # quota nor a hanging read ever keeps a stop waiting.
    shares: tuple[float, float, float, float, float] = (1.0, 1.0, 0.9, 0.8, 0.6)
    in_flight: tuple[int, int, int, int, int] = (16, 12, 4, 8, 3)


class Now(Struct, frozen=True):
    """The same instant on two clocks: silences are measured on the first, windows on the second."""

    monotonic_ns: int
    venue_ns: int


class Usage(Struct, frozen=True, kw_only=True):
    """The venue's own counters, as an answer carried them; None: it did not."""

    weight_1m: int | None = None
    orders_10s: int | None = None
    orders_1m: int | None = None


class Ticket(Struct, frozen=True, kw_only=True):
    """One request in the queue."""

    number: int
    priority: Priority
    weight: int
    orders: int


class Window:
    """Usage of one of the venue's fixed windows: its own count plus what is on the wire."""

    def __init__(self, seconds: int, limit: int) -> None:
        self.limit = limit
        self._period_ns = seconds * NS_PER_S
        self._index = -1
        self._used = 0

    def used(self, venue_ns: int) -> int:
        self._roll(venue_ns)
        return self._used

    def spend(self, venue_ns: int, amount: int) -> None:
        self._roll(venue_ns)
        self._used += amount

    def correct(self, venue_ns: int, counted: int | None, on_wire: int) -> None:
        """Take over the venue's count; what is on the wire may not be in it yet."""
        self._roll(venue_ns)
        if counted is not None:
            self._used = counted + on_wire

    def ends_ns(self, venue_ns: int) -> int:
        """Venue time at which the count starts anew; later than ``venue_ns``."""
        self._roll(venue_ns)
        return (self._index + 1) * self._period_ns

    def _roll(self, venue_ns: int) -> None:
        index = venue_ns // self._period_ns
        if index > self._index:
            self._index, self._used = index, 0


class Limiter:
    """Decides, and remembers what was decided. Every method is synchronous and takes the time."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.silent_until_ns = 0  # monotonic
        self._probing = False  # a silence was ordered, and none sent after it has been answered
        self._probe = 0  # number of the request that goes alone after the silence
        self._numbers = 0
        self._waiting: tuple[deque[Ticket], ...] = tuple(deque() for _ in Priority)
        self._in_flight: dict[int, Ticket] = {}
        self._weight = Window(60, quota.weight_1m)
        self._orders = (Window(10, quota.orders_10s), Window(60, quota.orders_1m))

    def enqueue(self, priority: Priority, weight: int, orders: int = 0) -> Ticket:
        """Join the queue; raises VenueUnreachable when the class is full."""
        if len(self._waiting[priority]) >= MAX_WAITING:
            raise VenueUnreachable(f"not sent: {MAX_WAITING} {priority.name.lower()} requests are waiting")
        self._numbers += 1
        ticket = Ticket(number=self._numbers, priority=priority, weight=weight, orders=orders)
        self._waiting[priority].append(ticket)
        return ticket

    def withdraw(self, ticket: Ticket) -> None:
        """Leave the queue unsent; nothing happens when it is no longer in it."""
        if ticket in self._waiting[ticket.priority]:
            self._waiting[ticket.priority].remove(ticket)

    def next(self, now: Now) -> Ticket | None:
        """Take the request to be sent now, or None."""
        if now.monotonic_ns < self.silent_until_ns or self._probe:
            return None
        for waiting in self._waiting:
            if waiting and self._has_room(waiting[0]) and self._affordable(waiting[0], now):
                return self._send(waiting.popleft(), now)
        return None

    def wake_ns(self, now: Now) -> int | None:
        """Monotonic time at which ``next`` may have something without any answer coming in."""
        if not any(self._waiting):
            return None
        if now.monotonic_ns < self.silent_until_ns:
            return self.silent_until_ns
        if self._probe or not any(waiting and self._has_room(waiting[0]) for waiting in self._waiting):
            return None
        ends = min(window.ends_ns(now.venue_ns) for window in (self._weight, *self._orders))
        return now.monotonic_ns + max(0, ends - now.venue_ns)

    def answered(self, ticket: Ticket, usage: Usage, now: Now) -> None:
        """An answer came, or is no longer waited for."""
        self._in_flight.pop(ticket.number, None)
        if ticket.number == self._probe:
            self._probing, self._probe = False, 0
        wire = self._in_flight.values()
        orders = sum(other.orders for other in wire)
        self._weight.correct(now.venue_ns, usage.weight_1m, sum(other.weight for other in wire))
        self._orders[0].correct(now.venue_ns, usage.orders_10s, orders)
        self._orders[1].correct(now.venue_ns, usage.orders_1m, orders)

    def silence(self, retry_after_s: float, now: Now) -> int:
        """The venue demands silence; returns its end on the monotonic clock (never an earlier one)."""
        until_ns = now.monotonic_ns + round(retry_after_s * NS_PER_S)
        self.silent_until_ns = max(self.silent_until_ns, until_ns)
        self._probing, self._probe = True, 0
        return self.silent_until_ns

    def _has_room(self, ticket: Ticket) -> bool:
        return len(self._in_flight) < self.quota.in_flight[ticket.priority]

    def _affordable(self, ticket: Ticket, now: Now) -> bool:
        share = self.quota.shares[ticket.priority]
        if ticket.orders and any(
            window.used(now.venue_ns) + ticket.orders > share * window.limit for window in self._orders
        ):
            return False
        used = self._weight.used(now.venue_ns)
        return not ticket.weight or used + ticket.weight <= share * self._weight.limit

    def _send(self, ticket: Ticket, now: Now) -> Ticket:
        self._in_flight[ticket.number] = ticket
        if self._probing:
            self._probe = ticket.number
        self._weight.spend(now.venue_ns, ticket.weight)
        for window in self._orders:
            window.spend(now.venue_ns, ticket.orders)
        return ticket


class RequestQueue:
    """Suspends each caller until the Limiter lets it pass."""

    def __init__(
        self,
        limiter: Limiter,
        clock: Clock,
        venue_now_ns: Callable[[], int],
        on_silence: Callable[[int, int], None],
    ) -> None:
        """``on_silence(status, until_ns)`` is told of each demanded silence (UTC nanoseconds)."""
        self._limiter = limiter
        self._clock = clock
        self._venue_now_ns = venue_now_ns
        self._on_silence = on_silence
        self._turns: dict[int, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(
        self, priority: Priority, weight: int, *, orders: int = 0, patience_s: float | None = None
    ) -> AsyncIterator[Callable[[Usage], None]]:
        """Wait for one's turn; call what is yielded with the answer's counters, if one came.

        ``patience_s``: raise VenueUnreachable (nothing was sent) when it is not our turn by then. A
        RateLimited that leaves the block silences the whole queue.
        """
        ticket = self._limiter.enqueue(priority, weight, orders)
        await self._wait(ticket, patience_s)
        usage = [Usage()]
        try:
            yield usage.append
        except RateLimited as limited:
            self._silence(limited)
            raise
        finally:
            self._limiter.answered(ticket, usage[-1], self._now())
            self._pump()

    async def _wait(self, ticket: Ticket, patience_s: float | None) -> None:
        turn = self._turns[ticket.number] = asyncio.get_running_loop().create_future()
        self._pump()
        try:
            async with asyncio.timeout(patience_s):  # wait_for can swallow a cancellation, before 3.12
                await turn
        except (TimeoutError, asyncio.CancelledError) as stopped:
            self._give_up(ticket, turn)
            if isinstance(stopped, TimeoutError):
                raise VenueUnreachable(f"not sent: {patience_s} s behind the venue's limits") from None
            raise
        finally:
            self._turns.pop(ticket.number, None)

    def _give_up(self, ticket: Ticket, turn: asyncio.Future[None]) -> None:
        self._limiter.withdraw(ticket)
        if turn.done() and not turn.cancelled():  # its turn came in the same instant: pass it on
            self._limiter.answered(ticket, Usage(), self._now())
            self._pump()

    def _pump(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        while ticket := self._limiter.next(self._now()):
            turn = self._turns.get(ticket.number)
            if turn is None or turn.done():
                self._limiter.answered(ticket, Usage(), self._now())
            else:
                turn.set_result(None)
        wake_ns = self._limiter.wake_ns(self._now())
        if wake_ns is not None:
            wait_s = max(0.001, (wake_ns - self._clock.monotonic_ns()) / NS_PER_S)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._pump)

    def _silence(self, limited: RateLimited) -> None:
        until_ns = self._limiter.silence(limited.retry_after_s, self._now())
        left_ns = until_ns - self._clock.monotonic_ns()
        self._on_silence(limited.status, self._clock.now_ns() + left_ns)

    def _now(self) -> Now:
        return Now(self._clock.monotonic_ns(), self._venue_now_ns())
