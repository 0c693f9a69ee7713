"""One writer an account: across processes by a file lock, in time by the lease epoch."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contractdesk.desk.lock import DESK, GUARDIAN, AccountLock, GuardianLease, guardian_gone
from contractdesk.desk.paths import locks_home
from contractdesk.errors import DeskBusy, UserError

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


@pytest.mark.parametrize("step", ["pwrite", "ftruncate"])
def test_a_disk_that_is_full_is_told_and_leaves_nothing_locked(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        with pytest.raises(UserError, match=r"No space left.*make room"):
            AccountLock.acquire("a", "desk")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    lock = AccountLock.acquire("a", "desk")
    assert lock.valid
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", full)
        lock.release()
    AccountLock.acquire("a", "desk").release()


def test_a_guardian_takes_the_epoch_and_the_desk_takes_it_back() -> None:
    lock = AccountLock.acquire("a", "desk")
    assert lock.writer == DESK
    guardian = GuardianLease(lock.path, lock.epoch)
    assert guardian.take()
    assert (guardian.valid, lock.valid, lock.writer) == (True, False, GUARDIAN)
    assert not guardian_gone(lock.path)
    epoch = lock.renew()
    assert (guardian.valid, lock.valid) == (False, False)  # neither sends until the desk says so
    lock.epoch = epoch
    assert (lock.valid, lock.writer, epoch) == (True, DESK, guardian.epoch + 1)
    guardian.release()
    assert guardian_gone(lock.path)
    lock.release()


def test_a_guardian_takes_nothing_from_a_newer_desk_and_only_one_acts() -> None:
    lock = AccountLock.acquire("a", "desk")
    assert not GuardianLease(lock.path, lock.epoch - 1).take()
    first, second = (GuardianLease(lock.path, lock.epoch) for _ in range(2))
    assert first.take()
    assert not second.take()
    first.release()
    assert not second.take()  # the epoch that it knows is over
    lock.release()


def test_a_guardian_that_cannot_show_its_presence_acts_all_the_same() -> None:
    lock = AccountLock.acquire("a", "desk")
    lock.path.with_suffix(".guardian").mkdir()
    guardian = GuardianLease(lock.path, lock.epoch)
    assert guardian.take()
    assert (guardian.valid, lock.writer) == (True, GUARDIAN)
    guardian.release()
    lock.release()


def refused(*_: object) -> int:
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A disk that takes no epoch any more, until this is undone."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refused)
        yield patch


@pytest.fixture
def left() -> tuple[Path, int]:
    """The lock of a desk whose process is gone, and its epoch."""
    lock = AccountLock.acquire("a", "desk")
    lock.release()
    return lock.path, lock.epoch


def test_on_a_disk_that_takes_no_epoch_a_guardian_acts_by_the_lock_of_the_desk_that_is_gone(
    left: tuple[Path, int], read_only: pytest.MonkeyPatch
) -> None:
    path, epoch = left
    guardian = GuardianLease(path, epoch)
    assert guardian.take()
    assert (guardian.epoch, guardian.valid) == (epoch + 1, True)
    with pytest.raises(DeskBusy):
        AccountLock.acquire("a", "another")
    second = GuardianLease(path, epoch)
    assert not second.take(beside=True)  # one acts
    assert guardian.valid
    read_only.undo()
    assert guardian.valid  # and it has written its epoch
    opening = AccountLock.acquire("a", "another", begin=False)
    assert (opening.in_force, opening.writer) == (epoch + 1, GUARDIAN)
    assert guardian.valid
    opening.begin()
    assert not guardian.valid
    guardian.release()
    opening.release()


def test_once_it_has_left_a_desk_can_open(left: tuple[Path, int], read_only: pytest.MonkeyPatch) -> None:
    guardian = GuardianLease(*left)
    assert guardian.take()
    guardian.release()
    assert not guardian.valid
    read_only.undo()
    AccountLock.acquire("a", "another").release()


def test_nobody_acts_beside_a_desk_that_lives_on_such_a_disk(read_only: pytest.MonkeyPatch) -> None:
    read_only.undo()
    lock = AccountLock.acquire("a", "desk")
    before = len(list(Path("/proc/self/fd").iterdir()))
    read_only.setattr(os, "pwrite", refused)
    guardian = GuardianLease(lock.path, lock.epoch)
    assert not guardian.take()
    assert lock.valid
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    lock.release()


def test_where_another_epoch_came_into_force_it_is_over(
    left: tuple[Path, int], read_only: pytest.MonkeyPatch
) -> None:
    path, epoch = left
    guardian = GuardianLease(path, epoch)
    assert guardian.take()
    # By whoever minds no lock; of the same number as ours.
    path.with_suffix(".epoch").write_bytes((epoch + 1).to_bytes(8, "big"))
    read_only.undo()
    assert not guardian.valid
    assert not guardian.valid
    guardian.release()


def test_a_guardian_whose_files_are_gone_sends_nothing() -> None:
    lock = AccountLock.acquire("a", "desk")
    guardian = GuardianLease(lock.path, lock.epoch)
    assert guardian.take()
    lock.path.with_suffix(".epoch").unlink()
    assert not guardian.valid
    guardian.release()
    lock.release()


def test_who_opens_leaves_the_account_to_the_guardian_until_it_begins() -> None:
    """What a new desk must do first takes seconds, in which somebody is to protect what the last one left."""
    dead = AccountLock.acquire("a", "desk")
    path, epoch = dead.path, dead.epoch
    dead.release()
    guardian = GuardianLease(path, epoch)
    assert guardian.take()
    opening = AccountLock.acquire("a", "desk", begin=False)
    with pytest.raises(DeskBusy):
        AccountLock.acquire("a", "another")
    assert guardian.valid
    assert not opening.valid
    opening.begin()
    assert opening.valid
    assert not guardian.valid
    guardian.release()
    opening.release()
