"""The desk and its guardian's process: who starts it, who replaces it, who may enter meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from contractdesk.console.desk import Desk
from contractdesk.console.opening import open_desk
from contractdesk.desk import guardian_link
from contractdesk.desk.guardian_start import environment
from contractdesk.domain.views import GuardianState
from contractdesk.errors import ConfigError, UserError
from tests.desk.guarded import STOP, Account, Exchange, alive, eventually, exchange_of_its_own, supersede
from tests.desk.guarded_trader import PATIENT

BTC = "BTC/USDT:USDT"
NOBODY = {"rest": "http://127.0.0.1:9", "stream": "ws://127.0.0.1:9"}


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with exchange_of_its_own(tmp_path_factory.mktemp("state")) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def desk(venue: Exchange) -> Iterator[Desk]:
    """As a trader opens it: nothing is said of a guardian."""
    account = Account(venue, "linked")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.environment.items():
            patch.setenv(name, value)
        opened = open_desk("binance", "linked", "testnet", name="linked", endpoints=venue.endpoints)
    opened.book(BTC)
    yield opened
    opened.close(leave="flatten")


def guardian(desk: Desk) -> int:
    """The process that watches now."""
    desk.wait_for(lambda s: s.guardian is GuardianState.WATCHING, 20)
    link = desk._session.host.guardian
    assert link is not None
    return link.pid


def test_whoever_opens_a_desk_has_a_guardian_in_a_session_of_its_own(desk: Desk) -> None:
    pid = guardian(desk)
    assert os.getsid(pid) == pid
    (row,) = [row for row in desk.preflight().rows if row[0] == "guardian"]
    assert row[1]
    assert str(pid) in row[2]


def test_one_that_dies_is_replaced_and_the_person_is_told(desk: Desk) -> None:
    pid = guardian(desk)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: guardian(desk) != pid)
    assert "guardian_lost" in [notice.code for notice in desk.snapshot.notices]
    eventually(lambda: desk.buy(BTC, notional=130, stop=STOP).done)


def test_one_that_hangs_lets_no_entry_pass_and_is_replaced(desk: Desk) -> None:
    pid = guardian(desk)
    os.kill(pid, signal.SIGSTOP)
    refused = desk.buy(BTC, notional=130, stop=STOP)
    assert not refused.done
    assert "guardian" in refused.summary
    assert "guardian_silent" in [notice.code for notice in desk.snapshot.notices]
    assert desk.close_position(BTC).done  # what reduces asks nobody
    eventually(lambda: guardian(desk) != pid)
    eventually(lambda: desk.buy(BTC, notional=130, stop=STOP).done)


def test_an_orderly_close_ends_it_though_a_position_stays_under_its_stop(venue: Exchange) -> None:
    account = Account(venue, "orderly")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.environment.items():
            patch.setenv(name, value)
        desk = open_desk("binance", "orderly", "testnet", name="orderly", endpoints=venue.endpoints)
    pid, epoch = guardian(desk), account.epoch
    eventually(lambda: desk.buy(BTC, notional=130, stop=STOP).done)
    held = account.held
    desk.close()
    assert not alive(pid)
    assert account.stopped(held)
    assert (account.codes(), account.epoch) == ([], epoch)  # it never acted


def test_a_close_that_leaves_something_bare_leaves_the_guardian_with_it(venue: Exchange) -> None:
    account = Account(venue, "leaves")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.environment.items():
            patch.setenv(name, value)
        desk = open_desk(
            "binance", "leaves", "testnet", name="leaves", endpoints=venue.endpoints, risk=PATIENT
        )
    guardian(desk)
    desk.book(BTC)
    account.no_stop_of(account.epoch)

    def buy() -> None:
        with suppress(RuntimeError):  # the desk closes before it is done
            desk.buy(BTC, notional=130, stop=STOP)

    buying = threading.Thread(target=buy)
    buying.start()
    eventually(lambda: bool(account.held))
    desk.close()
    buying.join(10)
    eventually(lambda: account.stopped(account.held), lambda: account.truth)
    assert any("left something uncovered" in line["message"] for line in account.guardian_log())
    supersede(account)


def test_a_close_that_leaves_a_resting_entry_leaves_the_guardian_with_it(venue: Exchange) -> None:
    account = Account(venue, "resting")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.environment.items():
            patch.setenv(name, value)
        desk = open_desk("binance", "resting", "testnet", name="resting", endpoints=venue.endpoints)
    guardian(desk)
    eventually(lambda: desk.buy(BTC, notional=130, stop=STOP, limit=50_000).done)
    busy = {"status": 503, "code": -1008, "msg": "Server is currently overloaded"}
    venue.fault("answer", count=0, match={"method": "DELETE", "path": "/fapi/v1/order"}, **busy)
    desk.exit()  # the end of a notebook waits for no cancel that does not get through
    assert account.entries
    venue.heal()
    eventually(lambda: account.entries == [], lambda: account.truth)
    assert any("an entry that may fill" in line["message"] for line in account.guardian_log())
    supersede(account)


def test_a_close_while_there_is_no_guardian_waits_for_one_to_leave_it_to(
    venue: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guardian_link, "AGAIN_S", (2.0,))  # long enough to close meanwhile
    monkeypatch.setattr(guardian_link, "ARM_WITHIN_S", 20.0)  # a busy machine starts it late
    account = Account(venue, "orphan")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.environment.items():
            patch.setenv(name, value)
        desk = open_desk("binance", "orphan", "testnet", name="orphan", endpoints=venue.endpoints)
    pid = guardian(desk)
    eventually(lambda: desk.buy(BTC, notional=130, stop=STOP, limit=50_000).done)
    link = desk._session.host.guardian
    assert link is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: link._transport is None)
    desk._session.release()
    eventually(lambda: account.entries == [], lambda: account.truth)
    supersede(account)


def test_an_opening_that_fails_at_the_venue_leaves_a_guardian_with_what_is_held(venue: Exchange) -> None:
    account = Account(venue, "failed")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.environment.items():
            patch.setenv(name, value)
        desk = open_desk("binance", "failed", "testnet", name="failed", endpoints=venue.endpoints)
        guardian(desk)
        eventually(lambda: desk.buy(BTC, notional=130, stop=STOP).done)
        desk.close()
        epoch = account.epoch
        with pytest.raises(UserError, match="cannot be reached"):
            open_desk("binance", "failed", "testnet", name="failed", endpoints=NOBODY)
    eventually(lambda: account.epoch == epoch + 2)  # the desk's, and then its guardian's
    eventually(lambda: "guardian_took_over" in account.codes())
    supersede(account)


def test_an_engine_that_is_dead_is_silence_though_its_loop_lives(venue: Exchange) -> None:
    account = Account(venue, "dead")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.environment.items():
            patch.setenv(name, value)
        desk = open_desk(
            "binance", "dead", "testnet", name="dead", endpoints=venue.endpoints, guardian={"covered_s": 2}
        )
    guardian(desk)
    eventually(lambda: desk.buy(BTC, notional=130, stop=STOP).done)
    host, held = desk._session.host, account.held

    def broken(event: object) -> list[object]:
        raise ZeroDivisionError("a bug")

    host.engine.handle = broken  # type: ignore[assignment, method-assign]
    eventually(lambda: "guardian_took_over" in account.codes())
    assert account.stopped(held)
    time.sleep(0.6)
    assert not host._lock.valid  # such a desk does not take its account back
    link = host.guardian
    assert link is not None
    pid = link.pid
    desk._session.release()
    time.sleep(1.2)
    assert alive(pid)  # and it does not take the guardian with it
    supersede(account)
    eventually(lambda: not alive(pid))


def test_an_interpreter_that_ends_says_goodbye(tmp_path: Path) -> None:
    code = (
        "import contractdesk as cd\n"
        "desk = cd.open_desk('embedded', name='ends', seed=9, idle_limit_s=20)\n"
        "desk.wait_for(lambda s: s.guardian.value == 'watching', 20)\n"
        "print(desk._session.host.guardian.pid)\n"
    )
    environ = os.environ | {"CONTRACTDESK_STATE": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    assert not alive(int(ended.stdout.splitlines()[-1]))
    assert ended.stderr == ""
    assert not (tmp_path / "ends" / "guardian.log.jsonl").exists()


def test_who_wants_none_has_none_and_paper_needs_none(venue: Exchange) -> None:
    for mode, options in (("testnet", {"guardian": False}), ("paper", {})):
        name = f"none_{mode}"
        account = Account(venue, name)
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in account.environment.items():
                patch.setenv(variable, value)
            desk = open_desk("binance", name, mode, name=name, endpoints=venue.endpoints, **options)
        assert desk.snapshot.guardian is GuardianState.OFF
        assert desk._session.host.guardian is None
        desk.close()


def test_what_is_wrong_with_its_options_is_said() -> None:
    for wish, word in (
        ({"covered": 3}, "covered"),
        ({"covered_s": -1}, "times"),
        ({"uncovered_s": 20}, "longer"),
    ):
        with pytest.raises(ConfigError, match=word):
            open_desk("embedded", guardian=wish)


def test_its_environment_holds_nothing_of_ours_and_no_secret() -> None:
    ours = {
        "PATH": "/bin",
        "CONTRACTDESK_BINANCE_MAIN_SECRET": "s3cret-value",
        "CONTRACTDESK_STATE": "/state",
        "ELSEWHERE": "prefix s3cret-value",
        "PYTHONPATH": "lib",
    }
    kept = environment(ours, ("s3cret-value", ""))
    assert set(kept) == {"PATH", "PYTHONPATH"}
    assert kept["PYTHONPATH"].split(os.pathsep)[-1] == str(Path("lib").absolute())
