"""One writer an account: across processes by a file lock, in time by the lease epoch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from contractdesk.desk.lock import AccountLock
from contractdesk.desk.paths import locks_home
from contractdesk.errors import DeskBusy

HOLDER = """
import sys
from contractdesk.desk.lock import AccountLock
lock = AccountLock.acquire("binance:live:main", "other desk")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTRACTDESK_STATE", str(tmp_path))


def test_another_process_is_named_with_what_to_do() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DeskBusy) as refused:
            AccountLock.acquire("binance:live:main", "mine")
        assert str(holder.pid) in str(refused.value)
        assert "other desk" in str(refused.value)
        assert "close" in str(refused.value)
        holder.stdin.close()
    AccountLock.acquire("binance:live:main", "mine").release()  # the end of a process lets go


def test_every_owner_begins_a_later_epoch() -> None:
    first = AccountLock.acquire("a", "desk")
    epoch = first.epoch
    first.release()
    second = AccountLock.acquire("a", "desk")
    assert second.epoch == epoch + 1
    second.release()
    second.release()
    assert not second.valid


def test_a_later_epoch_by_somebody_else_ends_the_lease() -> None:
    lock = AccountLock.acquire("a", "desk")
    assert lock.valid
    (path,) = locks_home().glob("*.epoch")
    path.write_bytes((lock.epoch + 1).to_bytes(8, "big"))
    assert not lock.valid
    lock.release()


def test_two_accounts_do_not_meet() -> None:
    locks = [AccountLock.acquire(name, "desk") for name in ("a:b", "a-b")]
    for lock in locks:
        lock.release()


def test_a_refusal_leaves_no_file_open() -> None:
    lock = AccountLock.acquire("a", "desk")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(DeskBusy):
            AccountLock.acquire("a", "again")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    lock.release()
