"""The queue's laws: silence is kept, priority rules, quotas are not exceeded, nobody is forgotten."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.clock import NS_PER_S, SystemClock
from contractdesk.errors import RateLimited, VenueUnreachable
from contractdesk.venues.limits import Limiter, Now, Priority, Quota, RequestQueue, Ticket, Usage

STEP_NS = 250_000_000
QUOTA = Quota(weight_1m=60, orders_10s=4, orders_1m=12, in_flight=(5, 4, 3, 3, 2))
NARROW = Quota(in_flight=(2, 1, 1, 1, 1))

ASK = st.tuples(st.just("ask"), st.sampled_from(Priority), st.integers(0, 8), st.integers(0, 1))
ANSWER = st.tuples(st.just("answer"), st.integers(0, 5))
SILENCE = st.tuples(st.just("silence"), st.floats(0.001, 3))
STEPS = st.lists(st.one_of(ASK, ASK, ANSWER, SILENCE), max_size=80)


def at(step: int) -> Now:
    return Now(step * STEP_NS, 7 * NS_PER_S + step * STEP_NS)


@given(STEPS)
def test_no_run_breaks_silence_priority_or_quota(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    limiter, wire, waiting = Limiter(QUOTA), [], []
    silent_until_ns, alone, spent = 0, None, {}
    for index, step in enumerate(steps):
        now = at(index)
        match step:
            case ("ask", priority, weight, orders):
                waiting.append(limiter.enqueue(priority, weight, orders))
            case ("answer", which) if wire:
                ticket = wire.pop(which % len(wire))
                limiter.answered(ticket, Usage(), now)
                alone = None if alone == ticket.number else alone
            case ("silence", seconds):
                silent_until_ns = max(silent_until_ns, now.monotonic_ns + round(seconds * NS_PER_S))
                assert limiter.silence(seconds, now) == silent_until_ns
                alone = 0
        while ticket := limiter.next(now):
            assert now.monotonic_ns >= silent_until_ns
            assert alone in (None, 0), "the probe after a silence goes alone"
            alone = ticket.number if alone == 0 else None
            waiting.remove(ticket)
            assert len(wire) < QUOTA.in_flight[ticket.priority]
            wire.append(ticket)
            minute = now.venue_ns // (60 * NS_PER_S)
            spent[minute] = spent.get(minute, 0) + ticket.weight
            assert spent[minute] <= QUOTA.weight_1m
            same = [other.number for other in waiting if other.priority == ticket.priority]
            assert not same or ticket.number < min(same), "first come, first served within a class"


@given(st.lists(st.sampled_from(Priority), min_size=1, max_size=30))
def test_after_a_silence_the_highest_priority_goes_first(priorities: list[Priority]) -> None:
    limiter = Limiter(Quota())
    limiter.silence(1.0, at(0))
    for priority in priorities:
        limiter.enqueue(priority, 1)
    assert limiter.next(at(3)) is None
    assert limiter.wake_ns(at(3)) == NS_PER_S
    sent: list[Ticket] = []
    while ticket := limiter.next(at(4)):
        sent.append(ticket)
        limiter.answered(ticket, Usage(), at(4))
    assert [ticket.priority for ticket in sent] == sorted(priorities)


def test_the_venues_own_counter_decides() -> None:
    limiter = Limiter(Quota(weight_1m=100))
    first = limiter.enqueue(Priority.DATA, 1)
    assert limiter.next(at(0)) == first
    limiter.answered(first, Usage(weight_1m=70), at(0))  # somebody else at this address
    limiter.enqueue(Priority.DATA, 1)  # its class may use 60 of 100
    stop = limiter.enqueue(Priority.PROTECT, 1)
    assert limiter.next(at(1)) == stop
    assert limiter.next(at(1)) is None
    assert limiter.next(at(53 * 4)) is not None, "the next minute has begun"


def test_a_wait_for_the_next_window_is_not_a_spin() -> None:
    limiter = Limiter(Quota(weight_1m=100))
    first = limiter.enqueue(Priority.DATA, 1)
    assert limiter.next(at(0)) == first
    limiter.answered(first, Usage(weight_1m=100), at(0))
    limiter.enqueue(Priority.DATA, 1)
    for step in range(1, 53 * 4):  # the windows of orders end meanwhile, and nothing is sent
        assert limiter.next(at(step)) is None
        wake_ns = limiter.wake_ns(at(step))
        assert wake_ns is not None
        assert wake_ns > at(step).monotonic_ns
    assert limiter.next(at(53 * 4)) is not None


def test_hanging_reads_never_keep_a_stop_waiting() -> None:
    limiter = Limiter(Quota())
    for _ in range(20):
        limiter.enqueue(Priority.DATA, 1)
    while limiter.next(at(0)):
        pass
    stop = limiter.enqueue(Priority.PROTECT, 0, orders=1)
    assert limiter.next(at(0)) == stop


def test_a_full_class_says_so() -> None:
    limiter = Limiter(Quota())
    for _ in range(512):
        limiter.enqueue(Priority.DATA, 1)
    with pytest.raises(VenueUnreachable, match="not sent"):
        limiter.enqueue(Priority.DATA, 1)
    limiter.enqueue(Priority.PROTECT, 1)


def queue(told: list[tuple[int, int]], quota: Quota | None = None) -> RequestQueue:
    clock = SystemClock()
    return RequestQueue(
        Limiter(quota or Quota()), clock, clock.now_ns, lambda status, until: told.append((status, until))
    )


def test_callers_wait_out_the_silence_in_order_of_priority() -> None:
    async def run() -> None:
        told: list[tuple[int, int]] = []
        line, clock, order = queue(told), SystemClock(), []

        async def ask(priority: Priority) -> None:
            async with line.turn(priority, 1):
                order.append((priority, clock.monotonic_ns()))

        with pytest.raises(RateLimited):
            async with line.turn(Priority.DATA, 1):
                raise RateLimited(429, 0.137)
        began_ns = clock.monotonic_ns()
        tasks = [asyncio.create_task(ask(p)) for p in (Priority.DATA, Priority.ENTRY, Priority.PROTECT)]
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
        assert [priority for priority, _ in order] == [Priority.PROTECT, Priority.ENTRY, Priority.DATA]
        assert order[0][1] - began_ns > 0.13 * NS_PER_S
        assert told[0][0] == 429

    asyncio.run(run())


def test_an_impatient_caller_is_told_that_nothing_was_sent() -> None:
    async def run() -> None:
        line = queue([], NARROW)
        async with line.turn(Priority.DATA, 1):
            with pytest.raises(VenueUnreachable, match="not sent"):
                async with line.turn(Priority.ENTRY, 1, patience_s=0.01):
                    pytest.fail("there was no room")
        async with line.turn(Priority.DATA, 1):
            pass

    asyncio.run(run())


def test_a_cancelled_caller_leaves_no_trace() -> None:
    async def run() -> None:
        line = queue([], NARROW)

        async def ask() -> None:
            async with line.turn(Priority.ENTRY, 1):
                pass

        async with line.turn(Priority.DATA, 1):
            task = asyncio.create_task(ask())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with asyncio.timeout(1), line.turn(Priority.DATA, 1):
            pass

    asyncio.run(run())
