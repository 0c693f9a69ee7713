"""The embedded exchange: a detached process, found again by name, that ends when nobody needs it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contractdesk.clock import SystemClock
from contractdesk.config import MarketOptions
from contractdesk.desk import embedded
from contractdesk.desk.paths import DeskPaths
from contractdesk.errors import UserError

CLOCK = SystemClock()
BRIEF = MarketOptions(seed=3, idle_limit_s=60)


def until_gone(pid: int, within_s: float = 60.0) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if not embedded._ours(pid):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeskPaths]:
    monkeypatch.setenv("CONTRACTDESK_STATE", str(tmp_path))
    made = DeskPaths.of("lesson")
    yield made
    running = embedded.find(made.exchange)
    if running is not None:
        embedded.stop(running, CLOCK)


def test_it_is_detached_found_again_and_replaced_on_request(paths: DeskPaths) -> None:
    first = embedded.ensure(paths, BRIEF, CLOCK)
    assert os.getsid(first.pid) == first.pid != os.getsid(0)  # an interrupt of ours does not reach it
    assert embedded.ensure(paths, BRIEF, CLOCK) == first
    with pytest.raises(UserError, match="seed=3"):
        embedded.ensure(paths, MarketOptions(seed=4), CLOCK)
    fresh = embedded.ensure(paths, MarketOptions(seed=4, fresh=True, idle_limit_s=60), CLOCK)
    assert fresh.pid != first.pid
    assert until_gone(first.pid)


def test_an_account_is_opened_once_and_keeps_its_balance(paths: DeskPaths) -> None:
    running = embedded.ensure(paths, BRIEF, CLOCK)
    embedded.open_account(running, "lesson", "key", "secret", MarketOptions(balance=500))  # type: ignore[arg-type]
    embedded.open_account(running, "lesson", "key", "secret", MarketOptions(balance=900))  # type: ignore[arg-type]
    state = embedded.get(running.address, "/control/state")
    assert b'"wallet":"500"' in state


def test_no_secret_stands_on_its_command_line() -> None:
    assert not [word for word in embedded.command(BRIEF) if "secret" in word or "account" in word]


def test_one_that_cannot_start_says_why_and_leaves_no_process(paths: DeskPaths, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.gz"
    nonsense.write_bytes(b"no capture")
    with pytest.raises(UserError, match="did not start"):
        embedded.ensure(paths, MarketOptions(recording=str(nonsense)), CLOCK)
    assert embedded.find(paths.exchange) is None


def test_it_ends_by_itself_when_nobody_comes(paths: DeskPaths) -> None:
    running = embedded.ensure(paths, MarketOptions(seed=3, idle_limit_s=5), CLOCK)
    assert until_gone(running.pid, 15)
