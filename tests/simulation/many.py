"""Very many seeds, on all cores; what they came to, and a failing one cut down.

A module of its own: a process that ``multiprocessing`` spawns does not know a package's ``__main__``.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from statistics import median

from msgspec import Struct

from tests.simulation.plan import KINDS
from tests.simulation.shrinking import again, shrink
from tests.simulation.story import Outcome, Story

SAY_EVERY_S = 30.0


class Told(Struct, frozen=True):
    """An outcome and what it has cost."""

    outcome: Outcome
    cpu_s: float


def tell_many(seeds: range, jobs: int) -> int:
    """0: all laws hold in all of them; 1: they do not."""
    began_s, said_s = time.monotonic(), time.monotonic()  # the suite's own watch, not the desk's
    told: list[Told] = []
    broken: list[Outcome] = []
    for each in _tell_all(seeds, jobs):
        told.append(each)
        if each.outcome.breach:
            broken.append(each.outcome)
            sys.stdout.write(f"{said(each.outcome)}\n  {again(each.outcome.seed)}\n")
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


def said(outcome: Outcome) -> str:
    """What it came to."""
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
