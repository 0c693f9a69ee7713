"""How a process may leave: the end of the interpreter cancels entries, a kill loses nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contractdesk.console.opening import open_desk
from contractdesk.console.result import VARIABLE, Ending, read
from contractdesk.desk import embedded
from contractdesk.desk.paths import DeskPaths
from contractdesk.panels.pump import THE_PUMP
from contractdesk.panels.trouble import CLOSED
from tests.console.loopback import BTC, ready, walk

TRADER = """
import sys, time
import contractdesk as cd
from tests.console.loopback import BTC
desk = cd.open_desk("embedded", name=sys.argv[1], seed=9, idle_limit_s=60)
if sys.argv[2] != "rest":
    bought = desk.buy(BTC, notional=150, stop=30_000)
    assert bought.done, bought
rests = desk.buy(BTC, notional=130, limit=58_500, stop=30_000)
assert rests.done, rests
print("ready", flush=True)
if sys.argv[2] != "exit":
    time.sleep(60)
"""


FORGOTTEN = """
import gc, weakref
import contractdesk as cd
from tests.console.loopback import BTC
for _ in range(2):
    desk = cd.open_desk("embedded", name="light", seed=9, idle_limit_s=60)
    desk.buy(BTC, notional=150, stop=30_000)
    left = [weakref.ref(part) for part in (desk, desk._session, desk._session.host.engine)]
    desk.close(leave="flatten")
    del desk
    gc.collect()
    print("left", sum(part() is not None for part in left), flush=True)
"""


def trader(name: str, then: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TRADER, name, then],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def killed(name: str, then: str) -> None:
    """A trader that was killed once its orders stood."""
    process = trader(name, then)
    assert process.stdout is not None
    while "ready" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait(10)


def account(name: str) -> dict[str, Any]:
    running = embedded.find(DeskPaths.of(name).exchange)
    assert running is not None
    found: dict[str, Any] = embedded.control_state(running)["accounts"][name]
    return found


def standing_stops(name: str) -> list[Decimal]:
    rows = account(name)["open_algo_orders"]
    return [Decimal(row["trigger_price"]) for row in rows]


def test_the_end_of_the_interpreter_cancels_entries_and_keeps_stops(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = home / "result.json"
    monkeypatch.setenv(VARIABLE, str(result))
    process = trader("ends", "exit")
    assert "ready" in process.communicate(timeout=60)[0]
    assert process.returncode == 0
    assert account("ends")["open_orders"] == []
    assert standing_stops("ends") == [30_000]
    (told,) = read(result)
    assert told.ending is Ending.WELL
    assert told.stops == 1
    assert told.fills == 1


def test_after_a_kill_the_desk_is_as_it_was(home: Path) -> None:
    killed("killed", "stay")
    assert len(account("killed")["open_orders"]) == 1  # nobody was there to cancel it

    desk = open_desk("embedded", name="killed", seed=9, idle_limit_s=60)
    desk.wait_for(lambda s: s.private_stream_ready, 10)
    (row,) = [row for row in desk.snapshot.positions if row.size]
    assert (row.origin, row.guarded, row.stop_price) == ("own", row.size, Decimal(30_000))
    assert [o.request.price for o in desk.snapshot.orders if o.status.open and o.request.price] == [58_500]
    assert desk.flatten().done
    assert account("killed")["open_orders"] == []
    assert standing_stops("killed") == []
    assert BTC in desk.book(BTC).symbol
    desk.close()


def test_a_symbol_in_which_only_an_entry_rests_has_its_marks_after_a_kill(home: Path) -> None:
    killed("rests", "rest")
    assert len(account("rests")["open_orders"]) == 1

    desk = open_desk("embedded", name="rests", seed=9, idle_limit_s=60)
    assert [row for row in desk.snapshot.positions if row.size] == []
    ready(desk)
    assert desk.snapshot.symbols[BTC].mark is not None
    walk(desk, "58000")
    picture = desk.wait_for(lambda s: any(row.size for row in s.positions) and s.protected_fraction == 1)
    assert picture.symbols[BTC].mark is not None
    assert standing_stops("rests") == [30_000]
    assert desk.flatten().done
    desk.close()


def test_a_closed_desk_that_nobody_shows_leaves_the_memory(home: Path) -> None:
    words = [sys.executable, "-c", FORGOTTEN]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("left")] == ["left 0"] * 2


def test_a_closed_desks_console_says_so_once_and_costs_the_reopened_one_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_desk("embedded", name="twice", seed=3, idle_limit_s=30)
    before = first.console()
    whole = first._session.release

    def torn() -> None:
        whole()
        raise OSError("the disk is gone")

    monkeypatch.setattr(first._session, "release", torn)
    with pytest.raises(OSError, match="the disk is gone"):
        first.close()
    second = open_desk("embedded", name="twice", seed=3, idle_limit_s=30)
    after = second.console()
    try:
        assert [panel.trouble for panel in (before.status, before.ladder, before.risk)] == [CLOSED] * 3
        assert {panel.desk for panel in THE_PUMP.panels} == {second}
        assert first.console() is before
        assert after.status.trouble == ""
    finally:
        second.close()
        before.close()
        after.close()
