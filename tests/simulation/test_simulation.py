"""The live desk against the exchange in virtual time: fifty seeds of faults, and no law breaks.

``make soak SEEDS=10000`` tells more of them; a seed that fails says how it is told again.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from tests.simulation.shrinking import again
from tests.simulation.story import Outcome, Story

SEEDS = 50
PART = 10  # seeds a test: none of them takes long enough to be taken for hanging
ROOT = Path(__file__).parents[2]
told: dict[int, Outcome] = {}


def tell(seed: int) -> Outcome:
    outcome = Story(seed).tell()
    assert not outcome.breach, f"{outcome.breach}\n{again(seed)}"
    told[seed] = outcome
    return outcome


def test_a_seed_without_faults_trades_ends_flat_and_is_told_twice_alike() -> None:
    first, second = (Story(7, faults=()).tell() for _ in range(2))
    assert first == second
    assert not first.breach
    assert first.fills >= 10


@pytest.mark.timeout(600)  # seconds of work, on a host that others may share
@pytest.mark.parametrize("first", range(1, SEEDS + 1, PART))
def test_the_laws_hold(first: int) -> None:
    for seed in range(first, first + PART):
        tell(seed)


def test_the_seeds_are_worth_their_time() -> None:
    """Whoever runs a part of them alone gets the others told here."""
    outcomes = [told[seed] if seed in told else tell(seed) for seed in range(1, PART + 1)]
    outcomes += [outcome for seed, outcome in told.items() if seed > PART]
    assert median(outcome.fills for outcome in outcomes) >= 20
    assert median(outcome.faults for outcome in outcomes) >= 3
    assert sum(outcome.crashes for outcome in outcomes) >= 2


def test_another_process_tells_the_same_story() -> None:
    """With faults, crashes and another order of hashes: nothing hangs on the process that tells it."""
    seed = 25
    here = tell(seed) if seed not in told else told[seed]
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed)]
    environment = {"PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT), "PATH": ""}
    there = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert f"trail {here.digest}: all laws hold" in there.stdout, there.stdout + there.stderr


def test_many_are_told_on_several_cores() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "2", "--first", "7", "--jobs", "2"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    there = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert there.returncode == 0, there.stdout + there.stderr
    assert re.search(r"^violations +0$", there.stdout, re.MULTILINE), there.stdout
