"""Time as a desk sees it: forward, whatever is done to its host's clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contractdesk.clock import NS_PER_MS, NS_PER_S, ManualClock, SteadyClock

START_NS = 1_700_000_000 * NS_PER_S


def test_set_back_by_an_hour_it_goes_on_a_little_slower() -> None:
    host = ManualClock(START_NS)
    steady = SteadyClock(host)
    host.step(-3600 * NS_PER_S)
    host.advance(4 * NS_PER_S)
    assert steady.now_ns() == START_NS + 3 * NS_PER_S
    host.advance(4 * NS_PER_S)
    assert steady.now_ns() == START_NS + 6 * NS_PER_S


def test_set_forward_and_back_it_is_right_again() -> None:
    host = ManualClock(START_NS)
    steady = SteadyClock(host)
    host.step(7 * NS_PER_S)
    assert steady.now_ns() == host.now_ns()
    host.step(-7 * NS_PER_S)
    for _ in range(30):
        host.advance(NS_PER_S)
        assert steady.now_ns() >= host.now_ns()
    assert steady.now_ns() == host.now_ns()


def test_set_forward_it_follows_at_once() -> None:
    host = ManualClock(START_NS)
    steady = SteadyClock(host)
    host.step(600 * NS_PER_S)
    assert steady.now_ns() == START_NS + 600 * NS_PER_S


def test_a_slewed_host_is_followed() -> None:
    host = ManualClock(START_NS)
    steady = SteadyClock(host)
    for _ in range(100):
        host.advance(NS_PER_S)
        host.step(-NS_PER_MS // 2)
        steady.now_ns()
    assert steady.now_ns() == host.now_ns()


@given(st.lists(st.tuples(st.integers(0, 10**10), st.integers(-(10**13), 10**13))))
def test_it_never_goes_back_and_never_stands_still(acts: list[tuple[int, int]]) -> None:
    host = ManualClock(START_NS)
    steady = SteadyClock(host)
    before = steady.now_ns()
    for passed_ns, set_ns in acts:
        host.advance(passed_ns)
        host.step(set_ns)
        now = steady.now_ns()
        assert now >= before + max(0, passed_ns * 3 // 4 - 50 * NS_PER_MS)
        before = now
