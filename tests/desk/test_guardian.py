"""When a guardian takes the account: whom it waits for, and whom it leaves it to."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contractdesk.clock import NS_PER_S, ManualClock
from contractdesk.desk.guardian import LEAVES_WITHIN_S, taken
from contractdesk.desk.guardian_keeper import Keeper
from contractdesk.desk.lock import GUARDIAN, AccountLock, GuardianLease, guardian_gone
from contractdesk.domain.orders import OrderRole
from contractdesk.engine import client_ids


class Nap:
    """What sleeping is here: time passes, and at ``at_s`` something happens."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.at_s = 0.0
        self.then = lambda: None

    @property
    def slept_s(self) -> float:
        return self.clock.monotonic_ns() / NS_PER_S

    def __call__(self, seconds: float) -> None:
        self.clock.advance(int(seconds * NS_PER_S))
        if self.slept_s >= self.at_s:
            self.then()


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AccountLock]:
    """A desk's."""
    monkeypatch.setenv("CONTRACTDESK_STATE", str(tmp_path))
    lock = AccountLock.acquire("a", "desk")
    yield lock
    lock.release()


@pytest.fixture
def leaving(lock: AccountLock) -> Iterator[GuardianLease]:
    """A guardian from which the desk has taken the account back, and which has not let go yet."""
    leaving = GuardianLease(lock.path, lock.epoch)
    assert leaving.take()
    lock.begin()
    yield leaving
    leaving.release()


def test_it_waits_until_the_one_before_it_has_left(lock: AccountLock, leaving: GuardianLease) -> None:
    nap, mine = Nap(), GuardianLease(lock.path, lock.epoch)
    nap.at_s, nap.then = 3.0, leaving.release
    assert taken(mine, nap.clock, nap)
    assert 3.0 <= nap.slept_s < 3.5
    assert (mine.valid, lock.writer, guardian_gone(lock.path)) == (True, GUARDIAN, False)
    mine.release()


def test_but_not_for_ever(lock: AccountLock, leaving: GuardianLease) -> None:
    nap, mine = Nap(), GuardianLease(lock.path, lock.epoch)
    assert taken(mine, nap.clock, nap)
    assert LEAVES_WITHIN_S <= nap.slept_s < LEAVES_WITHIN_S + 0.5
    assert (mine.valid, leaving.valid) == (True, False)  # that one may send nothing more
    mine.release()


def test_and_not_at_all_where_a_newer_desk_has_come(lock: AccountLock, leaving: GuardianLease) -> None:
    nap, mine = Nap(), GuardianLease(lock.path, lock.epoch)
    nap.at_s, nap.then = 1.0, lock.begin
    assert not taken(mine, nap.clock, nap)
    assert nap.slept_s < 1.5
    assert lock.valid


def test_on_a_disk_that_takes_no_epoch_it_acts_once_the_desk_is_gone(
    lock: AccountLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    nap, mine = Nap(), GuardianLease(lock.path, lock.epoch)
    nap.at_s, nap.then = 2.0, lock.release
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refused)
        assert taken(mine, nap.clock, nap)
        assert 2.0 <= nap.slept_s < 2.5
        assert mine.valid
    mine.release()


def test_its_ids_are_not_those_of_a_desk_that_begins_the_epoch_which_the_disk_did_not_take() -> None:
    terms: Any = SimpleNamespace(bot="b0t1")
    watch: Any = SimpleNamespace(symbols={}, wire_ns=0)
    custody: Any = SimpleNamespace(window_s=5.0)
    lease: Any = SimpleNamespace(epoch=8)
    chronicle: Any = None
    keeper = Keeper(terms, watch, custody, lease, chronicle, ManualClock())
    parts = client_ids.parse(keeper._client_id(OrderRole.STOP))
    assert parts is not None
    assert (parts.epoch, parts.role) == (8, OrderRole.STOP)
    assert parts.sequence > 10**10  # a desk counts from 1, an order at a time
