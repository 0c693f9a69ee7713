"""Every way in which a headless run can end, on an exchange whose own books say what then stands.

Each run is a notebook of its own in a kernel of its own; what it leaves is read from three places: the exit
code, the result file, and the executed notebook as a stranger finds it, with widgets and without.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter

from contractdesk.console.headless import Outcome, execute
from contractdesk.console.result import Ending
from contractdesk.desk import embedded
from contractdesk.desk.paths import DeskPaths
from contractdesk.errors import ConfigError
from tests.test_cli import notebook

REPOSITORY = Path(__file__).parents[2]
BTC = "BTC/USDT:USDT"
OPEN = """
import contractdesk as cd
desk = cd.open_desk("embedded", name=name, seed=3, fresh=True, idle_limit_s=120)
desk.console()
"""
TRADE = """
def passed(receipt):
    assert receipt.done, receipt.text

passed(desk.buy("BTC/USDT:USDT", size="0.002", stop=50_000))
low = round(desk.book("BTC/USDT:USDT").best_bid * 95 / 100)
passed(desk.buy("BTC/USDT:USDT", size="0.002", limit=low, stop=50_000))  # it rests
"""
# No stop is taken, and no position can be closed: what protection can do is exhausted.
NAKED = """
from tests.console.loopback import address
from contractdesk.desk import embedded
for role in ("stop", "reduce"):
    answer = {"kind": "answer", "count": 0, "status": 400, "code": -1015, "match": {"role": role}}
    embedded.post(address(desk), "/control/fault", answer)
desk.buy("BTC/USDT:USDT", size="0.003", stop=50_000)
desk.close()
"""
KILLED = """
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""
BUSY = """
with open(started, "w") as told:
    told.write("x")
while True: pass
"""


def ran(tmp_path: Path, name: str, *cells: str) -> tuple[Outcome, dict[str, Any]]:
    """A run in this process, and its result file."""
    made = notebook(tmp_path / f"{name}.ipynb", f'name = "{name}"', *cells)
    outcome = execute(made, tmp_path / "out.ipynb", {}, report=tmp_path / "result.json")
    return outcome, json.loads((tmp_path / "result.json").read_bytes())


def books(name: str) -> dict[str, Any]:
    """The exchange's own picture of the desk's account."""
    running = embedded.find(DeskPaths.of(name).exchange)
    assert running is not None
    account: dict[str, Any] = embedded.control_state(running)["accounts"][name]
    return account


def busy(told: Path) -> bool:
    """Waits, bounded, until the busy cell has begun and says so."""
    reader = os.open(told, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return bool(select.select([reader], [], [], 120)[0]) and os.read(reader, 1) == b"x"
    finally:
        os.close(reader)


def left_protected(name: str) -> None:
    """No entry rests, and the whole position is under a live stop, says the exchange."""
    account = books(name)
    assert account["open_orders"] == []
    (position,) = [row for row in account["positions"].values() if float(row["size"])]
    (stop,) = account["open_algo_orders"]
    assert float(position["size"]) == 0.002
    assert (stop["side"], stop["trigger_price"]) == ("sell", "50000.00") or float(
        stop["trigger_price"]
    ) == 5e4


def test_a_raised_cell_ends_protected_with_its_last_picture_in_the_notebook(
    home: Path, tmp_path: Path
) -> None:
    outcome, told = ran(tmp_path, "raises", OPEN, TRADE, "desk.snapshot.no_such_thing")
    assert outcome.ending is Ending.NOTEBOOK_FAILED
    left_protected("raises")
    assert (told["exit_code"], told["exit_reason"]) == (1, "notebook_failed")
    assert told["failure"].startswith("cell 4: AttributeError: ")
    assert told["duration_s"] > 0
    assert told["started"] <= told["ended"]
    (desk,) = told["desks"]
    assert (desk["desk"], desk["label"], desk["ended"], desk["protected"]) == (
        "raises",
        "EMBEDDED",
        True,
        True,
    )
    (held,) = desk["positions"]
    assert (held["symbol"], held["size"], held["guarded"]) == (BTC, "0.002", "0.002")
    assert float(desk["equity"]) == pytest.approx(10_000, rel=0.01)
    assert (desk["fills"], desk["stops"], desk["breaker"]["trips"]) == (1, 1, 0)
    assert not list(tmp_path.glob("*.new")), "half a file"

    # Untrusted: the words under the console are of the end, though they were displayed before any trade.
    page, _ = HTMLExporter().from_filename(tmp_path / "out.ipynb")
    shown = re.sub(r"<[^>]+>", " ", page)
    for words in ("raises", "ACTIVE", "Equity", "protected 100 %", "+0.002", "50,000.0"):
        assert words in shown, words
    # Trusted: so is what the widgets will draw.
    state = widgets(tmp_path / "out.ipynb")
    (status,) = [w for w in state if "clock" in w]
    items = {item["key"]: item["text"] for item in status["items"]}
    assert items["protection"] == "protected 100 %"
    assert items["equity"].endswith(" USDT")
    assert status["state"] == "ACTIVE"
    (tables,) = [w for w in state if "guests" in w and len(w["shown"]) > 1]
    assert "+0.002" in tables["positions"]["html"]
    assert (
        tables["orders"]["count"] == 2
    )  # the stop, and the entry that rests: the cell raised before the end
    (ladder,) = [w for w in state if "foot" in w]
    assert ladder["foot"][0]["text"].startswith("long 0.002 @ ")


def widgets(executed: Path) -> list[dict[str, Any]]:
    """The state of each widget that the notebook keeps."""
    saved = nbformat.read(executed, as_version=4)
    kept = saved.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    return [model["state"] for model in kept.values()]


def test_a_desk_that_ends_without_a_stop_is_told_before_anything_else(home: Path, tmp_path: Path) -> None:
    outcome, told = ran(tmp_path, "naked", OPEN, NAKED, "1 / 0")
    assert outcome.ending is Ending.UNPROTECTED, outcome.lines
    assert books("naked")["open_algo_orders"] == [], "the exchange agrees"
    (desk,) = told["desks"]
    assert (told["exit_code"], told["exit_reason"], desk["protected"]) == (4, "unprotected", False)
    assert (desk["positions"][0]["size"], desk["positions"][0]["guarded"]) == ("0.003", "0")
    assert any("WITHOUT STOP" in line for line in outcome.lines)


def test_what_is_wrong_with_a_magics_line_is_told(home: Path, tmp_path: Path) -> None:
    outcome, told = ran(tmp_path, "magic", "%load_ext contractdesk\n%desk status")
    assert outcome.ending is Ending.NOTEBOOK_FAILED
    assert told["failure"] == "cell 2: UsageError: no desk is open: %desk open embedded"
    assert outcome.lines[0] == told["failure"]


def test_a_kernel_that_dies_is_not_taken_for_a_good_end(home: Path, tmp_path: Path) -> None:
    outcome, told = ran(tmp_path, "dies", OPEN, TRADE, KILLED, "1")
    assert (outcome.ending, outcome.failure) == (Ending.LOST, "the kernel died")
    assert (told["exit_code"], told["desks"][0]["ended"]) == (6, False)
    assert len(books("dies")["open_algo_orders"]) == 1, "stops are the venue's"


def test_a_halt_that_stands_at_the_end_is_told(home: Path, tmp_path: Path) -> None:
    outcome, told = ran(tmp_path, "halted", OPEN, 'desk.halt("enough")')
    assert outcome.ending is Ending.HALTED
    assert (told["exit_code"], told["desks"][0]["state"]) == (5, "HALTED")


def test_an_interrupt_halts_first_and_leaves_everything_protected(home: Path, tmp_path: Path) -> None:
    name, started = "stopped", tmp_path / "started"
    os.mkfifo(started)
    made = notebook(tmp_path / "n.ipynb", f'name = "{name}"\nstarted = ""', OPEN, TRADE, BUSY)
    command = [
        str(Path(sys.executable).with_name("contractdesk")),
        *("run", str(made), "-p", "started", str(started), "--result", str(tmp_path / "r.json")),
    ]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as run:  # type: ignore[call-overload]
        assert busy(started), "the cell has not begun"
        run.send_signal(signal.SIGINT)
        said, bar = run.communicate(timeout=120)
    assert run.returncode == 130, said
    left_protected(name)
    told = json.loads((tmp_path / "r.json").read_bytes())
    (desk,) = told["desks"]
    assert (told["exit_code"], told["failure"]) == (run.returncode, "interrupted in cell 5")
    assert (desk["state"], desk["state_reason"]) == ("HALTED", "the run was interrupted")
    assert (desk["protected"], desk["ended"]) == (True, True)
    (status,) = [w for w in widgets(tmp_path / "n.out.ipynb") if "clock" in w]
    assert (status["state"], status["reason"]) == ("HALTED", "the run was interrupted")
    assert "Executing" in bar
    assert "%" in bar


def test_what_cannot_be_run_is_one_sentence_and_runs_nothing(tmp_path: Path) -> None:
    made = notebook(tmp_path / "n.ipynb", "minutes = 1", "open('ran', 'w')")
    out = tmp_path / "out.ipynb"
    with pytest.raises(
        ConfigError, match=r"no parameter 'minute' \(did you mean 'minutes'\?\); it has: minutes"
    ):
        execute(made, out, {"minute": 2})
    plain = nbformat.read(made, 4)
    plain.cells[0].metadata["tags"] = []
    nbformat.write(plain, tmp_path / "plain.ipynb")
    with pytest.raises(ConfigError, match="takes no parameters"):
        execute(tmp_path / "plain.ipynb", out, {"minutes": 2})
    (tmp_path / "text.ipynb").write_text("no JSON")
    with pytest.raises(ConfigError, match="is not a Jupyter notebook"):
        execute(tmp_path / "text.ipynb", out, {})
    plain.metadata["kernelspec"]["name"] = "cobol"
    nbformat.write(plain, tmp_path / "cobol.ipynb")
    with pytest.raises(ConfigError, match="asks for the kernel 'cobol'"):
        execute(tmp_path / "cobol.ipynb", out, {})
    assert not (tmp_path / "ran").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "signals are given back"
