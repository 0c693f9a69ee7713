"""The lessons run headless, by papermill and by nbval, and leave something to read.

They wait for fills of a seeded market, bounded; no figure of theirs depends on how fast this machine is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from contractdesk.console.demo import demonstrate
from contractdesk.console.headless import execute
from contractdesk.console.result import Ending
from tests.console.loopback import end_exchanges

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CONSOLE = NOTEBOOKS / "console.ipynb"

pytestmark = pytest.mark.timeout(300)


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

    notebook = nbformat.read(executed, as_version=4)
    html = "".join(
        output["data"].get("text/html", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type in ("display_data", "execute_result")
    )
    for reading in ("Audit: passed", "EMBEDDED", "size_cap", "preflight"):
        assert reading in html, f"{reading!r} cannot be read in the executed notebook without widgets"
    saved = executed.read_text()  # outputs, parameters and the state of the widgets
    assert "application/vnd.jupyter.widget-state+json" in saved
    assert "embedded-key" not in saved
    assert "embedded-secret" not in saved


def test_every_lesson_is_run() -> None:
    """A lesson that nobody runs is wrong within a month."""
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == {"console", "replay", "twin"}


@pytest.mark.parametrize("lesson", ["replay", "twin"])
def test_a_lesson_runs_under_papermill(tmp_path: Path, lesson: str) -> None:
    executed = tmp_path / f"{lesson}.ipynb"
    outcome = execute(NOTEBOOKS / f"{lesson}.ipynb", executed, {})
    assert outcome.ending is Ending.WELL, outcome.lines
    shown = executed.read_text()
    wanted = {"replay": "max drawdown", "twin": "replayed: the same orders"}[lesson]
    assert wanted in shown


@pytest.mark.parametrize("lesson", ["console", "replay", "twin"])
def test_nbval_agrees_with_the_outputs_that_are_kept(tmp_path: Path, lesson: str) -> None:
    alone = ["-n", "0", "-p", "no:cacheprovider"]
    notebook = str(NOTEBOOKS / f"{lesson}.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", *alone, notebook]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, timeout=280, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stdout[-3000:]
