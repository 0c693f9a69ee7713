"""SIGKILL of a real kernel at each boundary of an order's life, and what the exchange says afterwards.

A cycle: a kernel holds a position under its stop on the embedded exchange and trades, is killed at a crash
point, and another kernel opens the desk again; desk, account and exchange process stay the same through all
cycles. The exchange's own books, in which every order, stop and fill has its time, are the judge:

- within 15 s of the reopening (the call of ``open_desk``; the package is imported) the desk is ACTIVE or what
  a person left it in, and its books are equal to the exchange's: positions, open orders, fills, wallet, and
  no outcome is unknown;
- no order is sent twice, and no more than one entry is accepted for a wish;
- no fill is lost or booked twice;
- no position is longer than 3 s without a live stop as large as itself. The guardian hears of a SIGKILL at
  once, by the end of file of its socket, so that its silence (1.5 s) is no part of it; 3 s is the deadline
  in which the desk itself puts a fill under a stop or closes it;
- never more than two stops live; a third one only where one that was on the wire at the kill arrives beside
  the guardian's and the one that this replaces, and for less than 0.5 s;
- nothing that could open a position is sent but by a desk.

Exit code 1 where one of them is violated; the folder with the desk's journal, its logs and the evidence of
each such cycle is kept, and named.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from kills_cycle import CONVERGES_WITHIN_S, Cycle, House, NeverOpened, Result
from kills_points import POINTS
from kills_witness import NeverSeen

CYCLES = 200
NAKED_MS = 3_000.0
MOST_STOPS = 2
ATTEMPTS = 3  # of a cycle whose crash point was not reached


class Bounds:
    """What a cycle may show at most."""

    def __init__(self, converged_s: float = CONVERGES_WITHIN_S, naked_ms: float = NAKED_MS) -> None:
        self.converged_s = converged_s
        self.naked_ms = naked_ms

    def violated(self, result: Result) -> Iterator[str]:
        """In words; none: all of it holds."""
        if result.differs:
            yield f"not recovered: {'; '.join(result.differs)}"
        elif result.converged_s > self.converged_s:
            yield f"recovered after {result.converged_s:.1f} s"
        if result.naked_ms > self.naked_ms:
            yield f"without a stop for {result.naked_ms:.0f} ms"
        if result.stops > MOST_STOPS:
            yield f"{result.stops} live stops at once"
        yield from (*result.duplicates, *result.others)
        yield from (f"fill {each} is lost, or booked twice" for each in result.lost)


class Run:
    """Cycle after cycle; after a violation the next one begins in a house of its own."""

    def __init__(self, folder: Path, seed: int, bounds: Bounds, say: Callable[[str], None] = print) -> None:
        self._folder = folder
        self._seed = seed
        self._bounds = bounds
        self._say = say
        self._house: House | None = None
        self._houses = 0
        self.results: list[Result] = []
        self.violations: list[str] = []

    def cycle(self, number: int, point: str) -> None:
        """The cycle of that number; the same seed and number do the same."""
        for attempt in range(ATTEMPTS):
            cycle = Cycle(self._home(), point, Random(f"{self._seed}/{number}/{attempt}"))  # noqa: S311
            try:
                result = cycle.run()
            except NeverSeen as missing:
                self._say(f"{number:4} {point}: not reached ({missing}); again")
                self.end()
                continue
            except NeverOpened as never:
                self._note(number, cycle, Result(point=point, variant=cycle.variant, differs=[str(never)]))
                return
            self._note(number, cycle, result)
            return
        self.violations.append(f"cycle {number}, {point}: not reached in {ATTEMPTS} attempts")

    def _note(self, number: int, cycle: Cycle, result: Result) -> None:
        self.results.append(result)
        broken = list(self._bounds.violated(result))
        verdict = "" if not broken else "  VIOLATED"
        self._say(
            f"{number:4} {result.point:<38} {result.converged_s:6.2f} s  naked {result.naked_ms:6.0f} ms  "
            f"{result.stops} stops  {result.variant}{verdict}"
        )
        if not broken:
            return
        evidence = self._folder / "evidence" / f"cycle-{number}.json"
        cycle.evidence(evidence, result)
        for each in broken:
            told = f"cycle {number}, {result.point} ({result.variant}): {each}"
            self.violations.append(told)
            self._say(f"     {each}")
        self._say(f"     look at {evidence} and {cycle.house.desk_folder}")
        self.end()

    def _home(self) -> House:
        if self._house is None:
            self._houses += 1
            folder = self._folder / f"house-{self._houses}"
            folder.mkdir(parents=True)
            os.environ["CONTRACTDESK_STATE"] = os.environ["XDG_CONFIG_HOME"] = str(folder)
            self._house = House(folder, self._seed)
        return self._house

    def end(self) -> None:
        """Kill what is left of the kernels; their exchange ends by its idle limit."""
        if self._house is not None:
            self._house.end()
            self._house = None


def table(results: list[Result]) -> str:
    """A line a crash point."""
    lines = [
        f"{'crash point':<38} {'cycles':>6} {'p50 s':>6} {'max s':>6} {'duplicates':>10} {'lost fills':>10} "
        f"{'naked ms':>8} {'stops':>5}"
    ]
    for point in POINTS:
        rows = [row for row in results if row.point == point]
        if not rows:
            continue
        took = sorted(row.converged_s for row in rows)
        lines.append(
            f"{point:<38} {len(rows):>6} {took[(len(took) - 1) // 2]:>6.1f} {took[-1]:>6.1f} "
            f"{sum(len(row.duplicates) for row in rows):>10} {sum(len(row.lost) for row in rows):>10} "
            f"{max(row.naked_ms for row in rows):>8.0f} {max(row.stops for row in rows):>5}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cycles", type=int, default=CYCLES, metavar="N", help=f"default {CYCLES}")
    parser.add_argument("--seed", type=int, default=1, help="of the market and of what is chosen (default 1)")
    parser.add_argument("--first", type=int, default=0, help="begin with this cycle: go on where one ended")
    parser.add_argument("--only", choices=list(POINTS), metavar="POINT", help="one of: " + "; ".join(POINTS))
    parser.add_argument("--within", type=float, default=CONVERGES_WITHIN_S, help="seconds to recover in")
    parser.add_argument("--naked", type=float, default=NAKED_MS, help="ms without a stop, at most")
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="contractdesk-kills-"))
    run, points = Run(folder, wanted.seed, Bounds(wanted.within, wanted.naked)), list(POINTS)
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended: begin again with --first"))
    try:
        for number in range(wanted.first, wanted.first + wanted.cycles):
            run.cycle(number, wanted.only or points[number % len(points)])
    finally:
        run.end()
        print(f"\n{table(run.results)}\n")
    took_s, load = time.monotonic() - began, os.getloadavg()[1]
    print(f"{len(run.results)} cycles, seed {wanted.seed}, {took_s:.0f} s, load average {load:.1f}")
    if run.violations:
        print("\n".join(("violated:", *run.violations, f"kept: {folder}")))
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
