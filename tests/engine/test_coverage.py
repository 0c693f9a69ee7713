"""Since when is which contract uncovered? Tables with the story beside them, and a model."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.engine.coverage import oldest_ns, recount
from contractdesk.engine.state import Uncovered

D = Decimal


def items(*pairs: tuple[int, int]) -> list[Uncovered]:
    return [Uncovered(D(level), since) for level, since in pairs]


@pytest.mark.parametrize(
    ("before", "size", "guarded", "covered_before", "after"),
    [
        (items(), 5, 0, 0, items((5, 9))),  # a first fill
        (items((5, 1)), 8, 0, 0, items((5, 1), (8, 9))),  # a second one: the first keeps its time
        (items((5, 1), (8, 3)), 8, 5, 0, items((8, 3))),  # a stop over the first
        (items((5, 1), (8, 3)), 8, 8, 0, items()),  # over both
        (items(), 8, 0, 8, items((8, 9))),  # the stop is gone: all of it, from now on
        (items((8, 3)), 8, 2, 5, items((5, 9), (8, 3))),  # a smaller stop in its place
        (items((5, 1), (8, 3)), 4, 0, 0, items((4, 1))),  # a part has been closed
        (items((5, 1)), 0, 0, 0, items()),  # all of it
    ],
)
def test_recount(
    before: list[Uncovered], size: int, guarded: int, covered_before: int, after: list[Uncovered]
) -> None:
    assert recount(before, D(size), D(guarded), D(covered_before), 9) == after


class Model:
    """One time a contract: None while it is covered."""

    def __init__(self) -> None:
        self.since: list[int | None] = []

    def step(self, size: int, guarded: int, now: int) -> None:
        self.since = (self.since + [now] * size)[:size]
        for place in range(size):
            if place < guarded:
                self.since[place] = None
            elif self.since[place] is None:
                self.since[place] = now

    @property
    def oldest(self) -> int:
        return min((since for since in self.since if since is not None), default=0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_it_is_what_counting_each_contract_gives(steps: list[tuple[int, int]]) -> None:
    model, uncovered, covered = Model(), [], D(0)
    for now, (size, most) in enumerate(steps, 1):
        guarded = min(size, most)
        model.step(size, guarded, now)
        uncovered = recount(uncovered, D(size), D(guarded), covered, now)
        covered = D(guarded)
        assert oldest_ns(uncovered) == model.oldest
        levels = [item.level for item in uncovered]
        assert levels == sorted(set(levels))
        assert (levels[-1] if levels else guarded) == size
