"""Opening: one desk an account, one clear error for what cannot be, and nothing half-started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contractdesk.clock import SystemClock
from contractdesk.config import MarketOptions
from contractdesk.console.calls import run
from contractdesk.console.desk import Desk
from contractdesk.console.opening import open_desk
from contractdesk.desk import embedded
from contractdesk.desk.lock import AccountLock, GuardianLease
from contractdesk.desk.paths import DeskPaths
from contractdesk.errors import ConfigError, ContractdeskError, CredentialsError, UserError
from tests.console.loopback import BTC, Pendulum, Watcher, ready

CANARY_KEY, CANARY_SECRET = "canarykey3f9a7c", "canarysecret8e2b41"
NOBODY = {"rest": "http://127.0.0.1:9", "stream": "ws://127.0.0.1:9"}
SECOND = """
import contractdesk as cd
try:
    cd.open_desk("embedded", name="test", seed=11)
except cd.errors.DeskBusy as busy:
    print("busy:", busy)
"""


def held() -> tuple[set[str], set[str]]:
    """Our threads and the locks that this process holds."""
    threads = {t.name for t in threading.enumerate() if "contractdesk" in t.name}
    links = (str(f.readlink()) for f in Path("/proc/self/fd").iterdir() if f.is_symlink())
    return threads, {link for link in links if link.endswith((".lock", ".db", ".tape"))}


@pytest.fixture
def nothing_left(home: Path) -> Iterator[None]:
    before = held()
    yield
    threads, files = held()
    lasting = {"contractdesk-pump"}
    assert threads - before[0] <= lasting
    assert files <= before[1]


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTRACTDESK_BINANCE_MAIN_TESTNET_KEY", CANARY_KEY)
    monkeypatch.setenv("CONTRACTDESK_BINANCE_MAIN_TESTNET_SECRET", CANARY_SECRET)


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"venue": "kraken"}, ConfigError, "binance"),
        ({"mode": "real"}, ConfigError, "testnet"),
        ({"sed": 3}, ConfigError, "seed"),
        ({"speed": "fast"}, ConfigError, "speed"),
        ({"speed": -1}, ConfigError, "1000"),
        ({"name": "../x"}, ConfigError, "letters"),
        ({"risk": {"size_cap": -1}}, ConfigError, "size_cap"),
        ({"venue": "binance", "mode": "testnet"}, CredentialsError, "keyring set"),
        ({"venue": "binance", "mode": "live"}, UserError, "LIVE main"),
        ({"venue": "binance", "mode": "live", "confirm": "yes"}, UserError, "LIVE main"),
    ],
)
@pytest.mark.usefixtures("nothing_left")
def test_what_cannot_be_is_one_clear_error(
    options: dict[str, Any], error: type[Exception], word: str
) -> None:
    with pytest.raises(error, match=word):
        open_desk(**options)


@pytest.mark.usefixtures("nothing_left", "keys")
def test_an_unreachable_venue_says_so_and_leaves_nothing() -> None:
    with pytest.raises(UserError, match="cannot be reached"):
        open_desk("binance", mode="testnet", endpoints=NOBODY)
    with pytest.raises(UserError, match="cannot be reached"):  # and the account is free again
        open_desk("binance", mode="testnet", endpoints=NOBODY)


@pytest.mark.usefixtures("nothing_left", "keys")
def test_an_opening_that_is_refused_leaves_the_account_to_its_guardian() -> None:
    account = AccountLock.acquire("binance:testnet:main", "dead")
    account.release()
    guardian = GuardianLease(account.path, account.epoch)
    assert guardian.take()
    DeskPaths.of("torn").journal.write_bytes(b"no journal at all" * 1000)
    for _ in range(2):
        with pytest.raises(ContractdeskError, match="journal"):
            open_desk("binance", mode="testnet", name="torn", endpoints=NOBODY)
        assert guardian.valid
    guardian.release()


def test_the_same_name_is_the_same_desk(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert open_desk("embedded", name="test", seed=11, idle_limit_s=120) is desk
    assert "same desk" in capsys.readouterr().out
    assert open_desk("embedded", name="test", seed=11, idle_limit_s=120, fresh=True) is desk
    assert "same desk" in capsys.readouterr().out
    assert open_desk("embedded", name="test", seed=12, idle_limit_s=120) is desk
    assert "(seed=11, not 12); close()" in capsys.readouterr().out


def test_another_process_is_refused_with_what_to_do(desk: Desk) -> None:
    told = subprocess.run([sys.executable, "-c", SECOND], capture_output=True, text=True, timeout=60).stdout
    assert told.startswith("busy:")
    assert str(os.getpid()) in told
    assert "desk.close()" in told
    assert desk.is_open


def interrupted(call: Callable[[], object]) -> None:
    """Send this process the interrupt that a notebook's stop button sends, while ``call`` blocks.

    As a kernel does, it listens: a suite that was started in the background ignores interrupts.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            call()
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_leaves_the_bot_and_the_command_running(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.start(Watcher([BTC], "1s"), name="watcher")
    ready(desk)
    done = threading.Event()

    async def slowly() -> None:
        await desk._session.host.until(lambda: None, 1.0)
        done.set()

    interrupted(lambda: run(desk._session, slowly(), "slowly"))
    assert "slowly() goes on in the background" in capsys.readouterr().out
    assert done.wait(5)
    interrupted(lambda: desk.wait_for(lambda _: False, 30))
    handled = desk.snapshot.events_handled
    desk.wait_for(lambda s: s.events_handled > handled + 5, 10)


def test_a_busy_cell_does_not_stop_the_bot(desk: Desk) -> None:
    goal = desk.snapshot.events_handled + 20
    for _ in range(200_000_000):  # pure Python that never waits: what a cell's endless loop is
        if desk.snapshot.events_handled >= goal:
            return
    pytest.fail("the bot stood still while the cell was busy")


@pytest.mark.usefixtures("keys")
def test_no_key_or_secret_appears_anywhere(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = DeskPaths.of("canary")
    running = embedded.ensure(paths, MarketOptions(seed=5, idle_limit_s=60), SystemClock())
    embedded.open_account(running, "canary", CANARY_KEY, CANARY_SECRET, MarketOptions())
    where = embedded.endpoints(running)
    desk = open_desk(
        "binance", mode="testnet", name="canary", endpoints={"rest": where.rest, "stream": where.stream}
    )
    assert desk.label == "TESTNET"
    desk.preflight()
    desk.start(Pendulum([BTC], "1s"), name="pendulum")
    desk.wait_for(lambda s: len(s.fills) >= 2, 40)
    embedded.post(running.address, "/control/fault", {"kind": "cut"})
    shown = [
        repr(desk),
        desk._repr_html_(),
        repr(desk.profile),
        repr(desk.snapshot),
        repr(vars(desk._session)),
    ]
    desk.flatten()
    desk.close()
    shown += [capsys.readouterr().out]
    shown += [f.read_bytes().decode("latin-1") for f in paths.home.rglob("*") if f.is_file()]
    assert len(shown) > 8
    for secret in (CANARY_KEY, CANARY_SECRET):
        assert not [text[:80] for text in shown if secret in text]


def test_the_lock_is_free_for_the_next_process_after_close(home: Path) -> None:
    made = open_desk("embedded", name="brief", seed=2, idle_limit_s=30)
    assert made is open_desk("embedded", name="brief", seed=2, idle_limit_s=30)
    made.close()
    assert made.close().done  # again is no error
    again = open_desk("embedded", name="brief", seed=2, idle_limit_s=30)
    assert again is not made
    again.close()


def test_paper_needs_no_key_and_sends_no_order_to_the_venue(home: Path) -> None:
    running = embedded.ensure(DeskPaths.of("market"), MarketOptions(seed=8, idle_limit_s=60), SystemClock())
    where = embedded.endpoints(running)
    desk = open_desk("binance", endpoints={"rest": where.rest, "stream": where.stream}, balance=2_000)
    assert desk.label == "PAPER"
    assert all(desk.preflight().column("passed"))
    bought = desk.buy(BTC, notional=60 * 10, stop=30_000)
    assert not bought.done  # 3 % of 2,000 USDT
    desk.risk.tune(size_cap="0.5")
    bought = desk.buy(BTC, notional=600, stop=30_000)
    assert bought.done, bought
    assert [row["guarded"] for row in desk.positions] == [bought.order.filled if bought.order else None]
    assert desk.flatten().done
    assert desk.pnl.fees > 0
    desk.close()
    state = embedded.control_state(running)
    assert all(not account["orders"] for account in state["accounts"].values())
