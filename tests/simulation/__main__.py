"""Tells one seed, or very many: ``python -m tests.simulation --help``."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.simulation.endurance import Endurance, table, unbounded
from tests.simulation.many import said, tell_many
from tests.simulation.plan import LASTS_S, plan
from tests.simulation.story import Story


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
    if words.seed is not None:
        return _one(words)
    return tell_many(range(words.first, words.first + words.seeds), words.jobs)


def _long(seed: int, hours: float) -> int:
    began_s = time.process_time()
    story = Endurance(seed, hours)
    outcome = story.tell()
    for line in table(story.extents):
        sys.stdout.write(f"{line}\n")
    grown = unbounded(story.extents)
    sys.stdout.write(f"{said(outcome)}\n{(time.process_time() - began_s) / 60:.1f} CPU-minutes\n")
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
    for line in (*lines, *faults, said(outcome)):
        sys.stdout.write(f"{line}\n")
    return 1 if outcome.breach else 0


if __name__ == "__main__":
    sys.exit(main())
