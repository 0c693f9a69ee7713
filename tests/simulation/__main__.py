"""Tells one seed, or very many: ``python -m tests.simulation --help``."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from statistics import median

from msgspec import Struct

from tests.simulation.endurance import Endurance, table, unbounded
from tests.simulation.plan import KINDS, LASTS_S, plan
from tests.simulation.shrinking import again, shrink
from tests.simulation.story import Outcome, Story

SAY_EVERY_S = 30.0


class Told(Struct, frozen=True):
    """An outcome and what it has cost."""

    outcome: Outcome
    cpu_s: float


def main() -> int:
    """0: all laws hold; 1: some do not."""
    ask = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    ask.add_argument("--seed", type=int, help="tell this one, with all that goes wrong in it")
    ask.add_argument("--only", default="", help="with --seed: the numbers of the faults that stay, or none")
    ask.add_argument(
        "--lasts", type=float, default=LASTS_S, help="with --seed: in so many seconds faults begin"
    )
    ask.add_argument("--trail", action="store_true", help="with --seed: print what passed on the wire")
    ask.add_argument("--seeds", type=int, default=200, help="how many, from --first on")
    ask.add_argument("--first", type=int, default=1)
    ask.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    ask.add_argument("--hours", type=float, help="one story of so many hours: what does the desk keep?")
    words = ask.parse_args()
    if words.hours is not None:
        return _long(words.seed or words.first, words.hours)
    return _one(words) if words.seed is not None else _many(words)


def _long(seed: int, hours: float) -> int:
    began_s = time.process_time()
    story = Endurance(seed, hours)
    outcome = story.tell()
    for line in table(story.extents):
        sys.stdout.write(f"{line}\n")
    grown = unbounded(story.extents)
    sys.stdout.write(f"{_line(outcome)}\n{(time.process_time() - began_s) / 60:.1f} CPU-minutes\n")
    sys.stdout.write(f"{grown or 'everything is bounded'}\n")
    return 1 if outcome.breach or grown else 0


def _one(words: argparse.Namespace) -> int:
    faults = plan(words.seed)
    if words.only:
        kept = set() if words.only == "none" else {int(number) for number in words.only.split(",")}
        faults = tuple(each for each in faults if each.number in kept)
    story = Story(words.seed, faults, words.lasts)
    lines: list[str] = []
    if words.trail:
        story.world.trail.lines = lines
    outcome = story.tell()
    for line in (*lines, *faults, _line(outcome)):
        sys.stdout.write(f"{line}\n")
    return 1 if outcome.breach else 0


def _many(words: argparse.Namespace) -> int:
    seeds = range(words.first, words.first + words.seeds)
    began_s, said_s = time.monotonic(), time.monotonic()  # the suite's own watch, not the desk's
    told: list[Told] = []
    broken: list[Outcome] = []
    for each in _tell_all(seeds, words.jobs):
        told.append(each)
        if each.outcome.breach:
            broken.append(each.outcome)
            sys.stdout.write(f"{_line(each.outcome)}\n  {again(each.outcome.seed)}\n")
            sys.stdout.flush()
        if time.monotonic() - said_s > SAY_EVERY_S:
            said_s = time.monotonic()
            sys.stdout.write(f"{len(told)} of {len(seeds)} seeds, {len(broken)} violations\n")
            sys.stdout.flush()
    _sum_up(told, broken, time.monotonic() - began_s)
    for outcome in broken[:5]:
        cut = shrink(outcome.seed)
        if cut is not None:
            sys.stdout.write(f"seed {outcome.seed} shrunk to {len(cut.faults)} faults: {cut.command}\n")
            sys.stdout.write(f"  {cut.outcome.breach}\n")
            sys.stdout.writelines(f"  {fault}\n" for fault in cut.faults)
    return 1 if broken else 0


def _tell_all(seeds: range, jobs: int) -> Iterator[Told]:
    if jobs <= 1:
        yield from map(_tell, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(_tell, seeds, chunksize=1)


def _tell(seed: int) -> Told:
    began_s = time.process_time()
    outcome = Story(seed).tell()
    return Told(outcome, time.process_time() - began_s)


def _line(outcome: Outcome) -> str:
    return (
        f"seed {outcome.seed}: {outcome.fills} fills, {outcome.faults} faults, {outcome.crashes} crashes in "
        f"{outcome.virtual_s:.1f} s, trail {outcome.digest}: {outcome.breach or 'all laws hold'}"
    )


def _sum_up(told: list[Told], broken: list[Outcome], wall_s: float) -> None:
    cpu_min = sum(each.cpu_s for each in told) / 60
    outcomes = [each.outcome for each in told]
    kinds = Counter(kind for outcome in outcomes for kind in outcome.kinds)
    virtual_min = sum(outcome.virtual_s for outcome in outcomes) / 60
    rows = {
        "seeds": len(told),
        "violations": len(broken),
        "laws that broke": ", ".join(sorted({outcome.breach.partition(":")[0] for outcome in broken})) or "-",
        "seeds per CPU-minute": f"{len(told) / cpu_min:.1f}",
        "trading minutes per CPU-minute": f"{virtual_min / cpu_min:.1f}",
        "CPU-minutes": f"{cpu_min:.1f} in {wall_s / 60:.1f} min",
        "fills, median a seed": f"{median(outcome.fills for outcome in outcomes):g}",
        "faults, median a seed": f"{median(outcome.faults for outcome in outcomes):g}",
        "crashes": sum(outcome.crashes for outcome in outcomes),
        "kinds of faults": f"{len(kinds)} of {len(KINDS)}, each in at least {min(kinds.values())} seeds",
    }
    for name, value in rows.items():
        sys.stdout.write(f"{name:32}{value}\n")


if __name__ == "__main__":
    sys.exit(main())
