"""The breaker end to end: the market falls on the loopback exchange, whose own books say what then stood."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contractdesk.console.desk import Desk
from contractdesk.console.opening import open_desk
from contractdesk.console.result import VARIABLE, Ending, read
from contractdesk.desk import embedded
from contractdesk.desk.paths import DeskPaths
from contractdesk.domain.events import BreakerReset
from contractdesk.domain.views import TradingState
from contractdesk.errors import ConfigError, UserError
from contractdesk.storage.journal_reader import JournalReader
from tests.console.loopback import BTC, truth, walk
from tests.test_cli import notebook

CRASHED = """
import sys, os, signal
import contractdesk as cd
from tests.console.test_breaker import exposed, tripped
from tests.console.loopback import walk
desk = cd.open_desk("embedded", name=sys.argv[1], seed=9, idle_limit_s=60)
exposed(desk)
host = desk._session.host
async def at_once():
    await host.until(lambda: host.state.breaker_reason or None, 30)
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
ending = desk._session.submit(at_once())
walk(desk, "54000", 2)
ending.result(40)
tripped(desk)
"""


def exposed(desk: Desk) -> None:
    """A long of some 18,000 USDT on an equity of 10,000, under a stop far below, and a resting entry."""
    desk.risk.tune(size_cap="4")
    desk.set_leverage(BTC, 10)
    bought = desk.buy(BTC, notional=18_000, stop=40_000)
    assert bought.done, bought
    rests = desk.buy(BTC, notional=500, limit=45_000, stop=40_000)
    assert rests.done, rests
    desk.wait_for(lambda s: all(row.guarded == abs(row.size) for row in s.positions), 10)


def tripped(desk: Desk) -> None:
    desk.wait_for(lambda s: s.state is TradingState.HALTED, 30)


def entries(account: dict[str, Any]) -> list[Any]:
    return [order for order in account["orders"] if not order["reduce_only"]]


def stops(account: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(o["client_id"], o["trigger_price"], o["status"]) for o in account["open_algo_orders"]]


def settled(desk: Desk) -> dict[str, Any]:
    """The exchange's books once nothing rests there."""
    desk.wait_for(lambda _: not truth(desk)["open_orders"], 10)
    return truth(desk)


@pytest.fixture(scope="module")
def fallen(home: Path) -> Desk:
    """A desk whose market has fallen by a tenth."""
    desk = open_desk("embedded", name="fallen", seed=11, idle_limit_s=120)
    exposed(desk)
    before = truth(desk)
    walk(desk, "54000", 2)
    tripped(desk)
    after = settled(desk)
    assert stops(after) == stops(before) != []
    assert len(entries(after)) == len(entries(before))
    assert [row["size"] for row in after["positions"].values()] == [
        row["size"] for row in before["positions"].values()
    ]
    return desk


def test_it_says_why(fallen: Desk) -> None:
    assert "breaker" in fallen.snapshot.state_reason
    (gauge,) = [row for row in fallen.risk if row["rule"] == "breaker"]
    assert not gauge["passed"]
    assert "reset" in repr(fallen.why_not(BTC))
    assert "breaker_tripped" in [notice.code for notice in fallen.snapshot.notices]


def test_no_entry_and_no_resume(fallen: Desk) -> None:
    before = truth(fallen)
    receipt = fallen.resume()
    assert not receipt.done
    assert "breaker" in receipt.summary
    refused = fallen.buy(BTC, notional=300, stop=40_000).refused
    assert refused is not None
    assert refused.rule == "breaker"
    assert len(entries(truth(fallen))) == len(entries(before))


def test_it_survives_the_desk_and_ends_with_a_reason_only(
    fallen: Desk, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = home / "result.json"
    monkeypatch.setenv(VARIABLE, str(result))
    assert fallen.close().done
    (told,) = read(result)
    assert told.ending is Ending.BREAKER
    again = open_desk("embedded", name="fallen", seed=11, idle_limit_s=120)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("fallen is HALTED (breaker: -")
    assert line.endswith('desk.risk.reset("breaker", reason="..."))')  # and not: resume()
    again.wait_for(lambda s: s.private_stream_ready, 10)
    assert again.snapshot.state is TradingState.HALTED
    assert not again.resume().done
    with pytest.raises(UserError, match="does not latch"):
        again.risk.reset("size_cap", reason="x")
    with pytest.raises(UserError, match="why"):
        again.risk.reset("breaker", reason=" ")
    receipt = again.risk.reset("breaker", reason="the fall was understood")
    assert receipt.done
    assert "resume() ends what else stopped the desk" in receipt.summary  # it was closed, too
    assert again.resume().done
    assert again.snapshot.state is TradingState.ACTIVE
    with pytest.raises(UserError, match="not tripped"):
        again.risk.reset("breaker", reason="twice")
    assert again.buy(BTC, notional=300, stop=40_000).done
    again.flatten()
    again.close()
    with JournalReader(DeskPaths.of("fallen").journal) as journal:
        said = [event for _, event in journal.events() if isinstance(event, BreakerReset)]
    assert [(event.who, event.reason) for event in said] == [("person", "the fall was understood")]


def test_flatten_on_trip_closes_everything(home: Path) -> None:
    desk = open_desk("embedded", name="flattens", seed=11, idle_limit_s=120)
    with pytest.raises(ConfigError, match="'halt', 'flatten'"):
        desk.risk.tune(on_trip="panic")
    desk.risk.tune(on_trip="flatten", breaker_drop="0.05")
    exposed(desk)
    walk(desk, "56000", 2)
    tripped(desk)
    desk.wait_for(lambda s: not any(row.size for row in s.positions), 20)
    account = settled(desk)
    assert all(not Decimal(row["size"]) for row in account["positions"].values())
    closing = account["orders"][-1]
    assert closing["reduce_only"]
    desk.wait_for(lambda _: not stops(truth(desk)), 10)
    assert desk.snapshot.state is TradingState.HALTED
    desk.close()


def test_a_kill_directly_after_the_trip_changes_nothing(home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CRASHED, "crashed", "killed"], cwd=Path(__file__).parents[2]
    )
    assert process.wait(90) == -signal.SIGKILL
    running = embedded.find(DeskPaths.of("crashed").exchange)
    assert running is not None
    standing = stops(embedded.control_state(running)["accounts"]["crashed"])
    assert len(standing) == 1
    recovered = {"symbol": "BTCUSDT", "price": "60000", "seconds": 0}  # the loss is gone: it is the latch
    embedded.post(running.address, "/control/price", recovered)
    desk = open_desk("embedded", name="crashed", seed=9, idle_limit_s=60)
    desk.wait_for(lambda s: s.private_stream_ready, 10)
    assert desk.snapshot.state is TradingState.HALTED
    assert "breaker" in desk.snapshot.state_reason
    account = settled(desk)
    assert stops(account) == standing
    assert len(entries(account)) == 2  # those from before
    desk.close()


def test_a_headless_run_in_which_it_tripped_exits_with_3(home: Path, tmp_path: Path) -> None:
    cell = CRASHED.replace("sys.argv[1]", '"headless"').replace("sys.argv[2]", '"closed"')
    made = notebook(tmp_path / "n.ipynb", "minutes = 1", cell, "desk.close()")
    repository = Path(__file__).parents[2]
    script = Path(sys.executable).with_name("contractdesk")
    told = subprocess.run(
        [str(script), "run", str(made)],
        env=os.environ | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.returncode == Ending.BREAKER, told
    assert "breaker" in told.stdout + told.stderr
    (desk,) = json.loads((tmp_path / "n.out.result.json").read_bytes())["desks"]
    assert (desk["breaker"]["trips"], desk["breaker"]["latched"], desk["protected"]) == (1, True, True)
    assert desk["breaker"]["reason"].startswith("tripped: -")
