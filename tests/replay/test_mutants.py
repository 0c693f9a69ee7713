"""The law bites: with one mistake in the replay or the bands, two walks of some world part.

Each mutant is what a slip in one place would do; the first world that notices ends it.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contractdesk.engine import engine, guarding, market_feed, passing
from contractdesk.replay import (
    account,
    closing,
    filling,
    kernel,
    matching,
    runner,
    tape,
    telling,
    ticks,
    under_way,
)
from contractdesk.replay.walk_layout import FIELDS
from contractdesk.risk import trailing
from tests.replay.law import check
from tests.replay.test_holding import SEEDS, moves

WORLDS = 400  # at most; most mutants need a few
Patch = pytest.MonkeyPatch


def mutated_kernel(patch: Patch, old: str, new: str) -> None:
    """The kernel compiled from its own source with one change in it."""
    source = Path(kernel.__file__).read_text().replace("from __future__ import annotations\n", "")
    assert source.count(old) == 1, f"{old!r} is not in the kernel once"
    plain = source.replace(old, new).replace("@part", "@njit").replace("ints_of(", "(")
    plain = re.sub(r"@kernel\(.*\)", "@njit", plain)
    made = types.ModuleType("mutated_kernel")
    exec(f"from numba import njit\n{plain}", vars(made))  # noqa: S102  (our own source)
    patch.setattr(tape, "walk", made.walk)


# -- the bands ----------------------------------------------------------------------------------


def the_trailing_band_is_a_tick_too_wide(patch: Patch) -> None:
    next_ticks = trailing.TrailingStop.next_ticks
    patch.setattr(
        trailing.TrailingStop, "next_ticks",
        lambda self, terms, sign, *more: next_ticks(self, terms, sign, *more) + sign,
    )  # fmt: skip


def the_trailing_band_is_not_renewed(patch: Patch) -> None:
    patch.setattr(market_feed.MarketFeed, "trails", lambda *_: False)


def the_guard_is_always_skipped(patch: Patch) -> None:
    far = guarding.Guarding.far
    patch.setattr(
        guarding.Guarding, "far",
        lambda self, share, equity=None: equity is not None or far(self, share),
    )  # fmt: skip


def the_guard_loses_its_beat(patch: Patch) -> None:
    """What was skipped shifts the beat."""
    patch.setattr(guarding.Guarding, "_next_ns", lambda self: self._desk.now_ns + self._period_ns)


def samples_are_lost(patch: Patch) -> None:
    patch.setattr(passing.Passing, "_defer", lambda *_: None)


def samples_are_of_the_last_mark_only(patch: Patch) -> None:
    samples = passing._samples
    patch.setattr(passing, "_samples", lambda *known: list(samples(*known))[-1:])


def the_best_mark_is_the_last(patch: Patch) -> None:
    patch.setattr(passing, "better", lambda _sign, known, mark: known or mark)


def midnight_passes_unseen(patch: Patch) -> None:
    patch.setattr(engine, "DAY_NS", 10**30)


# -- the driver ---------------------------------------------------------------------------------


def news_come_before_the_deadline(patch: Patch) -> None:
    on_due = runner.Replay._on_due

    def swapped(self: runner.Replay) -> None:
        if self._under_way.next_ns <= self._due_ns:
            self._arrive(*self._under_way.pop())
        else:
            on_due(self)

    patch.setattr(runner.Replay, "_on_due", swapped)


def the_latest_sent_comes_first(patch: Patch) -> None:
    def push(self: under_way.UnderWay, due_ns: int, item: Any) -> None:
        self._pushed -= 1
        under_way.heapq.heappush(self._queue, (due_ns, self._pushed, item))

    patch.setattr(under_way.UnderWay, "push", push)


def the_marks_are_not_delayed(patch: Patch) -> None:
    init = tape.Tape.__init__
    patch.setattr(
        tape.Tape, "__init__",
        lambda self, batches, symbols, step_ns, _delay: init(self, batches, symbols, step_ns, 0),
    )  # fmt: skip


def only_peaks_are_kept_of_several(patch: Patch) -> None:
    patch.setattr(runner, "KEEP_ALL", 0)


def refusals_are_told_apart_by_number(patch: Patch) -> None:
    patch.setattr(
        runner, "_after",
        lambda refusals, last: [each for each in refusals if last is None or each.intent_id > last.intent_id],
    )  # fmt: skip


def the_venue_sleeps_between_wakes(patch: Patch) -> None:
    patch.setattr(runner.Replay, "_sync", lambda _: None)


def full_marks_are_thrown_away(patch: Patch) -> None:
    def forget(self: runner.Replay) -> None:
        self._tape.rows[telling.MARKS :: FIELDS] = 0

    steps = runner.Replay._steps
    patch.setattr(
        runner.Replay, "_steps", lambda self: steps(self) | {runner.AT_MARKS_FULL: lambda: forget(self)}
    )


def a_batch_forgets_what_was_not_heard(patch: Patch) -> None:
    patch.setattr(ticks.Ticks, "after", lambda _self, _begin, more: more)


# -- the venue's bounds -------------------------------------------------------------------------


def the_venue_bounds_are_a_tick_too_wide(patch: Patch) -> None:
    bounds = matching.Matching.bounds

    def wide(self: matching.Matching, place: int) -> tuple[int, int]:
        low, high = bounds(self, place)
        return low - 1, high + 1

    patch.setattr(matching.Matching, "bounds", wide)


def bounds_are_kept_after_a_fill(patch: Patch) -> None:
    patch.setattr(filling.Filling, "touch", lambda self, place: None)


def danger_is_far_away(patch: Patch) -> None:
    patch.setattr(account.Books, "danger", lambda *_: (-account.FAR, account.FAR))


# -- the kernel ---------------------------------------------------------------------------------


def a_mark_at_the_edge_is_inside(patch: Patch) -> None:
    mutated_kernel(patch, "price >= row[at + MARK_HIGH]", "price > row[at + MARK_HIGH]")


def a_moment_that_is_due_waits_for_the_market(patch: Patch) -> None:
    mutated_kernel(patch, "min(traded, listened, marked) >= stop", "min(traded, listened, marked) > stop")


def a_mark_comes_after_the_trade(patch: Patch) -> None:
    mutated_kernel(patch, "marked <= traded and marked <= listened", "marked < traded and marked < listened")


def the_desk_hears_before_the_venue_acts(patch: Patch) -> None:
    mutated_kernel(patch, "elif traded <= listened:", "elif traded < listened:")


def a_bar_waits_for_what_is_due_with_it(patch: Patch) -> None:
    mutated_kernel(patch, "bar_due > own[BAR_LIMIT]", "bar_due >= own[BAR_LIMIT]")


# -- bars in one go -----------------------------------------------------------------------------


def the_walk_stays_ahead_of_a_bar_with_a_consequence(patch: Patch) -> None:
    patch.setattr(closing.Closing, "cut", lambda self: setattr(self, "cut_off", True))


def later_bars_are_told_after_a_look(patch: Patch) -> None:
    cut = closing.Closing.cut

    def half(self: closing.Closing) -> None:
        cut(self)
        self.cut_off = False

    patch.setattr(closing.Closing, "cut", half)


MUTANTS = [
    the_trailing_band_is_a_tick_too_wide, the_trailing_band_is_not_renewed,
    the_guard_is_always_skipped, the_guard_loses_its_beat, samples_are_lost,
    samples_are_of_the_last_mark_only, the_best_mark_is_the_last, midnight_passes_unseen,
    news_come_before_the_deadline, the_latest_sent_comes_first, the_marks_are_not_delayed,
    only_peaks_are_kept_of_several, refusals_are_told_apart_by_number,
    the_venue_sleeps_between_wakes, full_marks_are_thrown_away, a_batch_forgets_what_was_not_heard,
    the_venue_bounds_are_a_tick_too_wide, bounds_are_kept_after_a_fill, danger_is_far_away,
    a_mark_at_the_edge_is_inside, a_moment_that_is_due_waits_for_the_market, a_mark_comes_after_the_trade,
    the_desk_hears_before_the_venue_acts, a_bar_waits_for_what_is_due_with_it,
    the_walk_stays_ahead_of_a_bar_with_a_consequence, later_bars_are_told_after_a_look,
]  # fmt: skip


@pytest.mark.mutants
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_caught(mutant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    mutant(monkeypatch)
    with pytest.raises((AssertionError, ValueError, IndexError)):
        walked(WORLDS)


def walked(worlds: int) -> None:
    for seed in SEEDS:  # where nobody wishes anything, nothing but the bands is looked at
        moves(seed)
    for seed in range(worlds):
        check(seed)
