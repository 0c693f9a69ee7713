"""The lessons run headless, by papermill and by nbval, and leave something to read.

They wait for fills of a seeded market, bounded; no figure of theirs depends on how fast this machine is.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter

from contractdesk.console.demo import demonstrate
from contractdesk.console.headless import execute
from contractdesk.console.result import Ending
from tests.console.loopback import end_exchanges

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CONSOLE = NOTEBOOKS / "01-console.ipynb"

LESSONS = (
    "01-console", "02-your-own-strategy", "03-risk-and-refusals", "04-tuning-live", "05-headless-sessions",
    "06-replay", "07-twin",
)  # fmt: skip
# What a stranger must find in the executed lesson.
READINGS = {
    "01-console": ("Audit: passed", "EMBEDDED", "passed", "(closing, asked by person)"),
    "02-your-own-strategy": (
        "on_bar: 1s bar of", "every entry has a stop", "disabled: on_bar raised ZeroDivisionError",
        "already trades", "(closing, asked by person)",
    ),
    "03-risk-and-refusals": ("found no stop", "in the other direction", "found HALTED", "HALTED, BTC/"),
    "04-tuning-live": ("fast 3 -&gt; 5", "is already running", "refused: fast=20", "what if: "),
    "05-headless-sessions": ("EMBEDDED CLOSED lesson-5", "Protection flat", "(closing, asked by person)"),
    "06-replay": ("max drawdown",),
    "07-twin": ("replayed: the same orders",),
}  # fmt: skip
DESKS = {
    "01-console": ["console-lesson"], "02-your-own-strategy": ["lesson-2"],
    "03-risk-and-refusals": ["lesson-3"], "04-tuning-live": ["lesson-4"],
    "05-headless-sessions": ["lesson-5"], "07-twin": ["twin-lesson"],
}  # fmt: skip
CANARIES = ("canary-key-3f1c", "canary-secret-9b7d", "embedded-key", "embedded-secret")
LIGHT = 1_500_000  # bytes of an executed lesson, widgets included

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CONTRACTDESK_STATE", str(tmp_path / "state"))
    yield
    end_exchanges()  # a reader of the lesson may come back to its own; a test does not


def test_the_console_lesson_trades_and_its_books_agree(tmp_path: Path) -> None:
    executed = tmp_path / "console.ipynb"
    shown = demonstrate(CONSOLE, executed, None, speed=1, seed=7)
    assert shown.ending is Ending.WELL, shown.lines
    assert any("5 of 5 figures equal" in line for line in shown.lines), shown.lines
    page = readable(executed)
    for reading in ("Audit: passed", "EMBEDDED", "size_cap", "preflight"):
        assert reading in page, f"{reading!r} cannot be read in the executed notebook without widgets"
    assert "application/vnd.jupyter.widget-state+json" in executed.read_text()


def test_every_lesson_is_run() -> None:
    """A lesson that nobody runs is wrong within a month."""
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(LESSONS)


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_runs_under_papermill_and_can_be_read_afterwards(tmp_path: Path, lesson: str) -> None:
    """As ``contractdesk run`` does it; what it leaves is read by a stranger, without widgets."""
    executed, report = tmp_path / f"{lesson}.ipynb", tmp_path / "result.json"
    with keys_loaded():
        outcome = execute(NOTEBOOKS / f"{lesson}.ipynb", executed, {}, report=report)
    assert outcome.ending is Ending.WELL, outcome.lines
    page = readable(executed)
    for words in READINGS[lesson]:
        assert words in page, f"{words!r} cannot be read in the executed {lesson}"
    told = json.loads(report.read_bytes())
    assert all(desk["ended"] and desk["protected"] and not desk["positions"] for desk in told["desks"])
    assert [desk["desk"] for desk in told["desks"]] == DESKS.get(lesson, [])
    for kept in (executed, report):
        text = kept.read_text()
        assert not [canary for canary in CANARIES if canary in text], f"{kept.name} holds a key"
    assert executed.stat().st_size < LIGHT, "the saved output is not light"


@pytest.mark.parametrize("lesson", LESSONS)
def test_nbval_agrees_with_the_outputs_that_are_kept(tmp_path: Path, lesson: str) -> None:
    alone = ["-n", "0", "-p", "no:cacheprovider"]
    notebook = str(NOTEBOOKS / f"{lesson}.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", *alone, notebook]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, timeout=800, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stdout[-3000:]
    end_exchanges()
    assert left_running(os.environ["CONTRACTDESK_STATE"]) == []


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_that_is_kept_reads_without_a_kernel(lesson: str) -> None:
    """On GitHub: outputs in text and HTML, pictures that are there, nothing of anybody's machine."""
    path = NOTEBOOKS / f"{lesson}.ipynb"
    text = path.read_text()
    book = nbformat.read(path, as_version=4)
    assert book.cells[0].source.startswith(f"# {int(lesson[:2])}. ")
    assert "widgets" not in book.metadata
    for output in (output for cell in book.cells for output in cell.get("outputs", [])):
        assert output.output_type in ("stream", "display_data", "execute_result"), output
        assert set(output.get("data", {})) <= {"text/html", "text/plain"}
    words = "".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    linked = re.findall(r"\]\(([^)#:]+)\)", words)
    assert [name for name in linked if not (NOTEBOOKS / name).exists()] == []
    assert not re.search(r"/(home|root|tmp|work|Users)/", text)
    assert not [canary for canary in CANARIES if canary in text]
    assert len(text) < 200_000


def readable(executed: Path) -> str:
    """What the notebook says where no widget can run."""
    book = nbformat.read(executed, as_version=4)
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    page, _ = HTMLExporter().from_notebook_node(book)
    return re.sub(r"<[^>]+>", "", str(page))


@contextmanager
def keys_loaded() -> Iterator[None]:
    """As on a trader's machine: a key of a real venue is in the environment of the kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTRACTDESK_BINANCE_MAIN_KEY", CANARIES[0])
        patch.setenv("CONTRACTDESK_BINANCE_MAIN_SECRET", CANARIES[1])
        yield


def left_running(state: str) -> list[str]:
    """Command lines of processes that work for the state folder, this one aside."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"CONTRACTDESK_STATE={state}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it has ended
    return found
