"""The venue's time: from the quickest sample, and unmoved by steps of the host's clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contractdesk.clock import NS_PER_MS, NS_PER_S, ManualClock
from contractdesk.domain.events import ClockMeasured
from contractdesk.venues.server_clock import ServerClock, TimeSample

START_NS = 1_700_000_000 * NS_PER_S


@given(
    st.integers(-10_000, 10_000),
    st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1)), min_size=1, max_size=5),
)
def test_the_error_is_at_most_half_the_shortest_round_trip(
    offset_ms: int, trips: list[tuple[int, float]]
) -> None:
    clock, told = ManualClock(START_NS), list[ClockMeasured]()
    server = ServerClock(clock, told.append)
    samples = []
    for rtt_ms, part in trips:
        sent_ns = clock.monotonic_ns()
        at_venue_ns = clock.now_ns() + round(rtt_ms * part * NS_PER_MS) + offset_ms * NS_PER_MS
        clock.advance(rtt_ms * NS_PER_MS)
        samples.append(TimeSample(sent_ns, clock.monotonic_ns(), at_venue_ns))
    measured = server.take(samples)
    shortest_ms = min(rtt_ms for rtt_ms, _ in trips)
    assert told == [measured]
    assert abs(measured.offset_ms - offset_ms) <= shortest_ms / 2 + 0.001
    assert abs(server.now_ns() - clock.now_ns() - offset_ms * NS_PER_MS) <= shortest_ms * NS_PER_MS / 2 + 2


def test_a_step_of_the_hosts_clock_does_not_move_it_and_is_noticed() -> None:
    clock = ManualClock(START_NS)
    server = ServerClock(clock, lambda _: None)
    assert (server.now_ns(), server.stepped) == (START_NS, False)
    server.take([TimeSample(0, 0, START_NS + 3 * NS_PER_S)])
    clock.advance(NS_PER_S)
    assert not server.stepped
    clock.step(-7 * NS_PER_S)
    assert (server.now_ns(), server.stepped) == (START_NS + 4 * NS_PER_S, True)
    server.take([TimeSample(NS_PER_S, NS_PER_S, START_NS + 4 * NS_PER_S)])
    assert not server.stepped


def test_a_host_that_slept_has_clocks_that_part() -> None:
    """The monotonic clock stands still meanwhile, so what is reckoned from it is too early."""
    clock = ManualClock(START_NS)
    server = ServerClock(clock, lambda _: None)
    server.take([TimeSample(0, 0, START_NS)])
    clock.step(600 * NS_PER_S)
    assert (server.now_ns(), server.stepped) == (START_NS, True)


def test_a_step_of_the_hosts_clock_is_told_without_asking_the_venue() -> None:
    clock, told = ManualClock(START_NS), list[ClockMeasured]()
    server = ServerClock(clock, told.append)
    server.look()
    assert not told  # nothing is known yet
    server.take([TimeSample(0, 20 * NS_PER_MS, START_NS + 10 * NS_PER_MS)])
    clock.advance(30 * NS_PER_S)
    server.look()
    assert len(told) == 1
    clock.step(3 * NS_PER_S)
    server.look()
    server.look()
    assert [round(each.offset_ms) for each in told] == [0, -3000]
    assert told[1].rtt_ms == told[0].rtt_ms
