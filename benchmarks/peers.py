"""The contenders of tick replay, each in a process and an environment of its own.

    python benchmarks/peers.py [--trades N] [--rounds N]

measures them without contractdesk. Environments and data are kept in `~/.cache/contractdesk-bench`, or in
the folder that CONTRACTDESK_BENCH names; what is missing there is made first, which is not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import replay_data

HERE = Path(__file__).resolve().parent
INSTALLED_WITHIN_S = 900
PREPARED_WITHIN_S = 900
RUN_WITHIN_S = 900


class Peer(NamedTuple):
    """A package that is measured: its script, and what the script's environment holds."""

    name: str
    script: str
    requirements: tuple[str, ...]


NAUTILUS = Peer(
    "nautilus_trader",
    "peer_nautilus.py",
    ("nautilus_trader==1.221.0", "pyarrow==26.0.1", "numpy==2.4.6", "pandas==2.3.3"),
)
HFTBACKTEST = Peer(
    "hftbacktest",
    "peer_hftbacktest.py",
    ("hftbacktest==2.4.4", "pyarrow==26.0.1", "numpy==2.2.6", "numba==0.68.1"),
)


class Run(NamedTuple):
    """One run as its script reported it; see `replay_terms`."""

    name: str
    trades: int
    wall_s: float  # from file to result
    cpu_s: float
    engine_cpu_s: float  # of it, without reading and converting
    rss_mb: float
    fills: int  # orders filled
    fees: float
    equity: float
    filled: list[list[int]]  # (ns, lots) of each order

    def same_as(self, other: Run) -> int:
        """How many orders were filled at the same trade and by as much in both."""
        ours, theirs = (Counter(map(tuple, run.filled)) for run in (self, other))
        return (ours & theirs).total()


class Lane(NamedTuple):
    """Ready to run: all that a run reads has been made."""

    name: str
    command: tuple[str, ...]

    def run(self, within_s: float = RUN_WITHIN_S) -> Run:
        """One round in a new process; SystemExit when it fails or takes longer."""
        return Run(**json.loads(_output(self.command, within_s).splitlines()[-1]))


def nautilus(trades: int, *, on_trade: bool = False) -> Lane:
    """From its own catalog; with ``on_trade`` its strategy is called at every trade too."""
    python = environment(NAUTILUS)
    catalog = folder() / f"catalog-{trades}-seed{replay_data.SEED}"
    if not catalog.exists():
        unfinished = catalog.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        source = replay_data.parquet(trades, folder())
        _output(
            (str(python), str(HERE / NAUTILUS.script), "prepare", str(source), str(unfinished)),
            PREPARED_WITHIN_S,
        )
        unfinished.rename(catalog)
    options = ("--on-trade",) if on_trade else ()
    name = f"{NAUTILUS.name}, called at every trade" if on_trade else NAUTILUS.name
    return Lane(name, (str(python), str(HERE / NAUTILUS.script), "run", str(catalog), *options))


def hftbacktest(trades: int) -> Lane:
    """From the file of trades."""
    source = replay_data.parquet(trades, folder())
    python = environment(HFTBACKTEST)
    return Lane(HFTBACKTEST.name, (str(python), str(HERE / HFTBACKTEST.script), "run", str(source)))


def compiled_loop(trades: int) -> Lane:
    """The reference, in this interpreter's environment: what no engine of any kind costs."""
    source = replay_data.parquet(trades, folder())
    return Lane("compiled loop", (sys.executable, str(HERE / "replay_reference.py"), str(source)))


def rounds(lanes: Sequence[Lane], count: int, within_s: float = RUN_WITHIN_S) -> dict[str, list[Run]]:
    """Run all lanes ``count`` times, in alternating order, so that a busy spell meets all of them."""
    found: dict[str, list[Run]] = {lane.name: [] for lane in lanes}
    for number in range(count):
        for lane in lanes if number % 2 else reversed(lanes):
            found[lane.name].append(lane.run(within_s))
    return found


def folder() -> Path:
    """Where environments and data are kept: outside of the repository."""
    chosen = os.environ.get("CONTRACTDESK_BENCH")
    return Path(chosen) if chosen else Path.home() / ".cache" / "contractdesk-bench"


def environment(peer: Peer) -> Path:
    """The interpreter of the peer's environment, which is made when it is not there as it should be."""
    place = folder() / "environments" / peer.name
    python, holds = place / "bin" / "python", place / "holds.txt"
    wanted = "\n".join(peer.requirements)
    if holds.exists() and holds.read_text() == wanted:
        return python
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    print(f"making an environment with {', '.join(peer.requirements)}", file=sys.stderr)
    _output((sys.executable, "-m", "venv", str(place)), INSTALLED_WITHIN_S)
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _output((*pip, *peer.requirements), INSTALLED_WITHIN_S)
    holds.write_text(wanted)  # last, so that an interrupted installation is begun anew
    return python


def _output(command: Sequence[str], within_s: float) -> str:
    """What the command printed; SystemExit with the end of its complaint when it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=within_s, stdin=subprocess.DEVNULL, check=True
        )
    except subprocess.TimeoutExpired as exc:
        raise SystemExit(f"{' '.join(command)}: not done within {within_s:g} s") from exc
    except subprocess.CalledProcessError as exc:
        raise SystemExit(f"{' '.join(command)}: exit code {exc.returncode}\n{exc.stderr[-2000:]}") from exc
    return done.stdout


def report(found: dict[str, list[Run]]) -> None:
    """A line for each lane: medians of its rounds, and what the last one came to."""
    reference = found["compiled loop"][0]
    print(f"{reference.trades} trades; M trades/s of CPU from file to result, and in the engine alone")
    for name, runs in found.items():
        cpu_s, engine_cpu_s, wall_s, rss_mb = (
            median(getattr(run, field) for run in runs)
            for field in ("cpu_s", "engine_cpu_s", "wall_s", "rss_mb")
        )
        last = runs[-1]
        rate, engine_rate = last.trades / cpu_s / 1e6, last.trades / engine_cpu_s / 1e6
        print(
            f"{name:40} {rate:8.3f} {engine_rate:8.3f}  {cpu_s:7.3f} s CPU {wall_s:7.3f} s {rss_mb:5.0f} MB  "
            f"{last.fills} orders filled ({last.same_as(reference)} the same), equity {last.equity:.2f}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trades", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    trades = options.trades
    lanes = [compiled_loop(trades), hftbacktest(trades), nautilus(trades), nautilus(trades, on_trade=True)]
    report(rounds(lanes, options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
