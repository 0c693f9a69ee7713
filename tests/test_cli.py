"""The command line: exit codes that a scheduler can act on, errors in one line."""

from __future__ import annotations

import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import nbformat
import pytest
from papermill.cli import _resolve_type

from contractdesk.cli import parameters, typed_parameters
from contractdesk.console import result
from contractdesk.console.doctor import diagnose
from contractdesk.console.headless import Outcome, execute
from contractdesk.console.result import GRAVITY, Ending, Result, Tripping
from contractdesk.errors import ConfigError


def command(*words: str) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("contractdesk")
    return subprocess.run([str(script), *words], capture_output=True, text=True, timeout=60)


def ended(**changes: object) -> Result:
    plain = {
        "desk": "d", "label": "PAPER", "ended": True, "state": "ACTIVE", "state_reason": "", "asset": "USDT",
        "equity": Decimal(1), "wallet_balance": Decimal(1), "unrealized_pnl": Decimal(0),
        "realized_pnl": Decimal(0), "fees": Decimal(0), "funding": Decimal(0), "fills": 0, "protected": True,
    }  # fmt: skip
    return Result(**(plain | changes))  # type: ignore[arg-type]


def notebook(path: Path, *cells: str) -> Path:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.cells[0].metadata["tags"] = ["parameters"]
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)
    return path


def test_a_replays_parameters_are_json_where_they_read_as_such() -> None:
    words = ["-p", "minutes", "30", "-p", "symbol", "BTC/USDT:USDT", "-p", "on", "true"]
    assert parameters(words) == {"minutes": 30, "symbol": "BTC/USDT:USDT", "on": True}
    with pytest.raises(ConfigError, match="NAME VALUE"):
        parameters(["-p", "minutes"])


def test_a_notebooks_parameters_are_typed_as_papermill_types_them() -> None:
    """The witness is papermill's own reader of the same words."""
    texts = [
        "30",
        "-5",
        "2.5",
        "1e3",
        "True",
        "False",
        "None",
        "true",
        "BTC/USDT:USDT",
        "007",
        "[1]",
        "inf",
        "",
    ]
    words = [word for n, text in enumerate(texts) for word in ("-p", f"n{n}", text)]
    found = typed_parameters(words)
    expected = {f"n{n}": _resolve_type(text) for n, text in enumerate(texts)}
    assert {name: (type(value), value) for name, value in found.items()} == {
        name: (type(value), value) for name, value in expected.items()
    }
    assert typed_parameters(["-r", "account", "007"]) == {"account": "007"}
    with pytest.raises(ConfigError, match="-p NAME VALUE"):
        typed_parameters(["-p", "minutes"])


def test_the_exit_code_is_the_gravest_that_happened() -> None:
    def ending(*results: Result, failure: str = "", stopped: signal.Signals | None = None) -> Ending:
        return Outcome(notebook=Path("x"), failure=failure, results=results, stopped=stopped).ending

    halted, naked = ended(state="HALTED"), ended(protected=False, state="HALTED")
    assert ending(ended()) is Ending.WELL
    assert ending(ended(), failure="cell 3") is Ending.NOTEBOOK_FAILED
    assert ending(halted, failure="cell 3") is Ending.HALTED
    assert ending(halted, failure="cell 3", stopped=signal.SIGINT) is Ending.INTERRUPTED
    assert ending(halted, stopped=signal.SIGTERM) is Ending.TERMINATED
    assert ending(ended(breaker=Tripping(trips=1)), stopped=signal.SIGINT) is Ending.BREAKER
    assert ending(ended(state="HALTED", breaker=Tripping(latched=True))) is Ending.BREAKER
    assert ending(ended(ended=False), ended(breaker=Tripping(trips=1))) is Ending.LOST
    assert ending(ended(), naked, ended(ended=False), stopped=signal.SIGINT) is Ending.UNPROTECTED
    assert [int(code) for code in Ending] == [0, 1, 3, 4, 5, 6, 130, 143]
    assert set(GRAVITY) == set(Ending)


def test_each_desk_keeps_one_result_and_the_trips_of_every_time_it_was_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.json"
    result.write(ended())  # nobody asked for it
    monkeypatch.setenv(result.VARIABLE, str(path))
    result.write(ended(ended=False))
    result.write(ended(desk="other"))
    result.write(ended(fills=1, breaker=Tripping(trips=1)))
    result.write(ended(ended=False, fills=1))
    result.write(ended(fills=2, breaker=Tripping(trips=1)))
    rows = [(row.desk, row.fills, row.breaker.trips, row.ended) for row in result.read(path)]
    assert rows == [("d", 2, 2, True), ("other", 0, 0, True)]


def test_a_notebook_runs_with_its_parameters_and_a_failing_cell_is_told(tmp_path: Path) -> None:
    made = notebook(tmp_path / "n.ipynb", "n = 1", "assert n == 2, n")
    good = execute(made, tmp_path / "out" / "n.ipynb", {"n": 2})
    assert (good.ending, good.failure) == (Ending.WELL, "")
    bad = execute(made, tmp_path / "out" / "n.ipynb", {"n": 3})
    assert bad.ending is Ending.NOTEBOOK_FAILED
    assert "AssertionError: 3" in bad.failure
    assert (tmp_path / "out" / "n.ipynb").exists()


def test_the_doctor_finds_this_installation_complete() -> None:
    table = diagnose()
    assert [row for row in table if not row["passed"]] == []


def test_the_commands_are_there_and_an_error_is_one_line(tmp_path: Path) -> None:
    helped = command("--help").stdout
    assert all(name in helped for name in ("exchange", "run", "lab", "doctor", "demo"))
    assert "--recording" in command("exchange", "--help").stdout
    wrong = command("run", str(notebook(tmp_path / "n.ipynb", "1")), "-p", "x")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("contractdesk: ")
    assert "Traceback" not in wrong.stderr


def test_a_notebook_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for words in (("lab", str(tmp_path / "n.ipynb")), ("run", str(tmp_path / "n.ipynb"))):
        told = command(*words)
        assert told.returncode == 2
        assert told.stderr.startswith("contractdesk: no notebook at")
