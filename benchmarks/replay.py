"""Tick replay, measured against nautilus_trader and hftbacktest in one run.

    python benchmarks/replay.py [--trades N] [--rounds N] [--quick]

The workload and the strategy are those of `replay_terms`; contractdesk runs them through its full engine
(gate, protection, ledger, journal in memory), from its Parquet store to the report. A line `ratio NAME X`
says how many times as fast (CPU, file to result) it is as NAME. The fills, fees and equity must be the
reference's, to the cent; else the exit code is 1. ``--quick`` leaves the peers out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import peers
import replay_data

HERE = Path(__file__).resolve().parent
OURS = str(HERE / "replay_ours.py")
CENT = 0.01
DAYS = 2  # of the runs that are told everything singly
FIRST_CALL = 1_000_000


def store(trades: int) -> Path:
    """The workload as contractdesk keeps it."""
    place = peers.folder() / f"store-{trades}-seed{replay_data.SEED}"
    if not place.exists():
        unfinished = place.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        source = replay_data.parquet(trades, peers.folder())
        subprocess.run([sys.executable, OURS, "prepare", str(source), str(unfinished)], check=True)
        unfinished.rename(place)
    return place


def lane(trades: int, *options: str, name: str = "contractdesk") -> peers.Lane:
    return peers.Lane(name, (sys.executable, OURS, "run", str(store(trades)), *options))


def told(trades: int, *options: str) -> dict[str, Any]:
    """What a run says beside its line: wakes, entries, refusals, equity."""
    command = [sys.executable, OURS, "run", str(store(trades)), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    return found


def middle(runs: list[peers.Run]) -> float:
    return median(run.cpu_s for run in runs)


def ratios(found: dict[str, list[peers.Run]]) -> None:
    ours = middle(found["contractdesk"])
    for name in (peers.NAUTILUS.name, peers.HFTBACKTEST.name, "compiled loop"):
        if name in found:
            print(f"ratio {name.replace(' ', '_')} {middle(found[name]) / ours:.2f}")
    called = f"{peers.NAUTILUS.name}, called at every trade"
    if called in found:
        each = middle(found["contractdesk, called at every trade"])
        print(f"ratio {peers.NAUTILUS.name}_called_at_every_trade {middle(found[called]) / each:.2f}")


def same_money(ours: peers.Run, reference: peers.Run) -> bool:
    """Every order at the same trade, and fees and equity to the cent."""
    orders = ours.same_as(reference)
    fees, equity = abs(ours.fees - reference.fees), abs(ours.equity - reference.equity)
    print(
        f"reference: {orders} of {reference.fills} orders the same, fees {ours.fees:.5f} and "
        f"{reference.fees:.5f}, equity {ours.equity:.5f} and {reference.equity:.5f}"
    )
    return orders == reference.fills == ours.fills and fees < CENT and equity < CENT


def same_refusals(trades: int) -> bool:
    """Rules that bind refuse the same, whether the engine is told everything singly or not."""
    span = ("--days", str(DAYS), "--bind")
    horizon, every = told(trades, *span), told(trades, *span, "--every")
    same = bool(horizon["refusals"]) and horizon["refusals"] == every["refusals"]
    print(
        f"rules that bind, {DAYS} days: {len(horizon['refusals'])} refusals, event by event "
        f"{len(every['refusals'])}: {'the same' if same else 'DIFFERENT'}; "
        f"wakes {horizon['wakes']} and {every['wakes']}"
    )
    return same


def first_call() -> None:
    """A fresh process, its imports included; compiled code comes from the cache on disk."""
    place = store(FIRST_CALL)
    begin = time.perf_counter()
    subprocess.run([sys.executable, OURS, "run", str(place)], capture_output=True, check=True)
    print(f"first call: a new process replays {FIRST_CALL} trades in {time.perf_counter() - begin:.2f} s")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trades", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    trades = options.trades
    lanes = [peers.compiled_loop(trades), lane(trades)]
    if not options.quick:
        lanes += [
            lane(trades, "--on-trade", name="contractdesk, called at every trade"),
            peers.hftbacktest(trades),
            peers.nautilus(trades),
            peers.nautilus(trades, on_trade=True),
        ]
    found = peers.rounds(lanes, options.rounds)
    peers.report(found)
    ratios(found)
    about = told(trades)
    ours = middle(found["contractdesk"])
    print(
        f"wakes: {about['wakes']} in {about['bars']} bars, {ours / about['wakes'] * 1e6:.1f} us each in all\n"
        f"gate: {about['entries'] + len(about['refusals'])} entries reviewed, {about['entries']} sent, "
        f"{len(about['refusals'])} refused"
    )
    right = same_money(found["contractdesk"][-1], found["compiled loop"][-1])
    right &= same_refusals(trades)
    first_call()
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
