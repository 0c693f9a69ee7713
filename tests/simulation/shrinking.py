"""A failing story cut down: the fewest faults and the shortest time with which the same law still breaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from tests.simulation.plan import BEGINS_S, LASTS_S, Planned, plan
from tests.simulation.story import Outcome, Story

MOST_TRIES = 60
Tell = Callable[[Sequence[Planned], float], Outcome]


class Shrunk(Struct, frozen=True):
    """What is left of it; ``command`` tells it again."""

    outcome: Outcome
    faults: tuple[Planned, ...]
    lasts_s: float

    @property
    def command(self) -> str:
        return again(self.outcome.seed, self.faults, self.lasts_s)


def again(seed: int, faults: Sequence[Planned] | None = None, lasts_s: float = LASTS_S) -> str:
    """The command that tells a story again."""
    words = [f"python -m tests.simulation --seed {seed}"]
    if faults is not None:
        words.append("--only " + (",".join(str(each.number) for each in faults) or "none"))
    if lasts_s != LASTS_S:
        words.append(f"--lasts {lasts_s:.2f}")
    return " ".join(words)


def law_of(outcome: Outcome) -> str:
    return outcome.breach.partition(":")[0]


def shrink(seed: int, tell: Tell | None = None) -> Shrunk | None:
    """The seed's own plan cut down; None where it breaks no law."""
    tell = tell or (lambda faults, lasts_s: Story(seed, faults, lasts_s).tell())
    kept, lasts_s = plan(seed), LASTS_S
    worst = tell(kept, lasts_s)
    if not worst.breach:
        return None
    law, tries = law_of(worst), 0
    size = max(1, len(kept) // 2)
    while kept and tries < MOST_TRIES:
        smaller = False
        for start in range(0, len(kept), size):
            candidate = kept[:start] + kept[start + size :]
            outcome, tries = tell(candidate, lasts_s), tries + 1
            if law_of(outcome) == law:
                kept, worst, smaller = candidate, outcome, True
                break
        if not smaller:
            if size == 1:
                break
            size //= 2
        size = max(1, min(size, len(kept) // 2 or 1))
    for share in (0.25, 0.5, 0.75):
        shorter_s = LASTS_S * share
        if any(each.at_s > BEGINS_S + shorter_s for each in kept):
            continue
        outcome = tell(kept, shorter_s)
        if law_of(outcome) == law:
            return Shrunk(outcome, kept, shorter_s)
    return Shrunk(worst, kept, lasts_s)
