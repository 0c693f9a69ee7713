"""The law of the replay: what may be left out changes nothing.

On random recordings, with random strategies, rules and models, the replay that wakes the engine only
where it must think gives the same commands, fills, payments, refusals and notices as a loop that tells
it everything, and leaves the same account, positions and breaker. ``law.check(seed)`` walks one again.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.replay.law import check, horizon, told
from tests.replay.tally import LEAST, Tally
from tests.replay.worlds import world

FIRST, WORLDS = 70, 80  # seeds: of these worlds enough is known to happen
TOTAL = Tally()


@pytest.mark.parametrize("number", range(FIRST, FIRST + WORLDS))
def test_what_is_left_out_changes_nothing(number: int) -> None:
    """The same worlds everywhere, and each time: they are drawn from these seeds alone."""
    TOTAL.add(check(number))


@settings(max_examples=5, deadline=None, phases=[Phase.generate])  # a smaller seed is no simpler world
@given(seed=st.integers(FIRST + WORLDS, 2**62))
def test_nor_does_it_in_worlds_that_nobody_has_seen_yet(seed: int) -> None:
    check(seed)


def test_everything_has_happened_in_those_worlds(capsys: pytest.CaptureFixture[str]) -> None:
    """A law about worlds in which nothing happens would hold, too."""
    with capsys.disabled():
        print(f"\n{TOTAL.report()}")  # noqa: T201  (the report is this test's purpose)
    assert TOTAL["worlds"] == WORLDS
    assert not TOTAL.shortfalls()


def test_too_little_is_said_by_its_name() -> None:
    enough = Tally()
    enough.update(LEAST)
    assert enough.shortfalls() == []
    enough["fills"] -= 1
    assert enough.shortfalls() == [f"fills: {LEAST['fills'] - 1} of at least {LEAST['fills']}"]


def test_a_world_is_the_same_each_time_it_is_walked() -> None:
    """Latencies and gamblers are drawn anew, from the same seeds."""
    first, second = (told(horizon(world(8), 50)) for _ in range(2))
    assert first == second
    assert first["commands"]
