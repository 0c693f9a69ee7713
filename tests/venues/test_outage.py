"""A venue that is down is asked seldom; stops are sent all the same, and one answer ends it."""

from __future__ import annotations

from contractdesk.clock import NS_PER_MS, NS_PER_S
from contractdesk.venues.limits import Priority
from contractdesk.venues.outage import FAILURES, Outage

READ, STOP = Priority.RECONCILE, Priority.PROTECT


def asked(outage: Outage, until_s: int, every_ms: int = 50) -> list[float]:
    """When a reader that asks all the time may, in a minute without an answer."""
    sent = []
    for now_ms in range(0, until_s * 1_000, every_ms):
        if outage.passes(READ, now_ms * NS_PER_MS):
            sent.append(now_ms / 1_000)
            outage.failed(now_ms * NS_PER_MS)
    return sent


def test_after_some_failures_it_is_asked_at_growing_distances() -> None:
    times = asked(Outage(), 30)
    assert times[:FAILURES] == [0.0, 0.05, 0.1, 0.15]
    distances = [round(b - a, 2) for a, b in zip(times[FAILURES - 1 :], times[FAILURES:], strict=False)]
    assert distances[:3] == [0.5, 1.0, 2.0]
    assert set(distances[3:]) == {3.0}


def test_what_protects_never_waits_and_an_answer_opens_it() -> None:
    outage = Outage()
    for _ in range(FAILURES):
        outage.failed(0)
    assert outage.closed
    assert outage.passes(STOP, 1)
    assert not outage.passes(READ, NS_PER_S // 4)
    outage.answered()
    assert outage.passes(READ, NS_PER_S // 4)
