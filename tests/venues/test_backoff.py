"""Full jitter stays in its bounds, and attempts are counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contractdesk.venues.backoff import Backoff

UNIT = st.floats(0, 1, exclude_max=True)


@given(UNIT, st.floats(0.001, 10), st.floats(0.001, 100), st.integers(0, 10_000))
def test_a_delay_lies_between_zero_and_the_cap(draw: float, base: float, cap: float, attempt: int) -> None:
    delay = Backoff(base_s=base, cap_s=cap, random=lambda: draw).delay_s(attempt)
    assert delay is not None
    assert 0 <= delay <= min(cap, base * 2.0 ** min(attempt, 32))


@given(st.integers(0, 20), st.integers(0, 40))
def test_only_so_many_attempts_are_granted(attempts: int, attempt: int) -> None:
    backoff = Backoff(base_s=1, cap_s=8, random=lambda: 0.5, attempts=attempts)
    assert (backoff.delay_s(attempt) is None) == (attempt >= attempts)


def test_the_delays_double_up_to_the_cap() -> None:
    backoff = Backoff(base_s=1, cap_s=8, random=lambda: 0.5)
    assert [backoff.delay_s(n) for n in range(6)] == [0.5, 1, 2, 4, 4, 4]
