"""Taking the account back from the guardian: where a step fails, the next attempt goes on from there."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from contractdesk.clock import SystemClock
from contractdesk.desk import lease_keeper, lock
from contractdesk.desk.guardian_report import Report
from contractdesk.desk.lease_keeper import LeaseKeeper
from contractdesk.desk.lock import DESK, AccountLock, GuardianLease
from contractdesk.errors import UserError, VenueUnreachable

WITHIN_S = 10.0  # only a failure waits so long
DEED = "placed a stop"


class Home:
    """A desk as its lease keeper sees it; ``failures`` are what its steps raise, each once."""

    def __init__(self, failures: dict[str, Exception]) -> None:
        self.failures = failures
        self.told: list[tuple[int, str]] = []
        self.reconciled = asyncio.Event()
        self.lock = AccountLock.acquire("a", "desk")
        self.keeper = LeaseKeeper(
            self.lock,
            SystemClock(),
            logging.getLogger("contractdesk.desk.lease"),
            lost=lambda _: None,
            begun=self._begun,
            reconcile=self._reconcile,
        )

    async def _begun(self, epoch: int, done: str) -> None:
        self._fail("begun")
        self.told.append((epoch, done))

    async def _reconcile(self) -> None:
        self._fail("reconcile")
        assert self.lock.valid
        self.reconciled.set()

    def _fail(self, step: str) -> None:
        if error := self.failures.pop(step, None):
            raise error

    async def taken_and_back(self) -> None:
        """Its guardian takes the account, reports a deed and leaves; until the desk has it back."""
        guardian = GuardianLease(self.lock.path, self.lock.epoch)
        assert guardian.take()
        report = Report(since_ns=1, reason="silent", deeds=[DEED])
        self.lock.report.write_bytes(msgspec.json.encode(report))
        guardian.release()
        running = asyncio.create_task(self.keeper.run())
        over = asyncio.create_task(self.reconciled.wait())
        await asyncio.wait({running, over}, timeout=WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        assert not running.done(), running.exception()
        assert over.done()
        running.cancel()
        self.lock.release()


@pytest.fixture(autouse=True)
def _quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTRACTDESK_STATE", str(tmp_path))
    monkeypatch.setattr(lease_keeper, "LOOK_S", 0.01)
    monkeypatch.setattr(lease_keeper, "AGAIN_S", 0.01)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Call it, and from then on a disk that is waited for does not answer."""
    answers = threading.Event()
    monkeypatch.setattr(lock, "SETTLES_WITHIN_S", 0.01)

    def hang() -> None:
        monkeypatch.setattr(os, "fsync", lambda _: answers.wait(WITHIN_S))

    yield hang
    answers.set()


def failing(_: int) -> None:
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("step", ["begun", "reconcile"])
@pytest.mark.parametrize("error", [VenueUnreachable("away"), UserError("no such symbol"), KeyError("a bug")])
def test_a_step_that_fails_is_tried_again_and_what_was_done_is_still_told(
    step: str, error: Exception
) -> None:
    async def case() -> None:
        home = Home({step: error})
        epoch = home.lock.epoch
        await home.taken_and_back()
        assert home.told == [(epoch + 2, f"silent: {DEED}")]  # begun once, and told once
        assert not home.keeper.away

    asyncio.run(case())


def test_a_disk_that_fails_to_keep_the_epoch_does_not_keep_the_desk_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def case() -> None:
        home = Home({})
        monkeypatch.setattr(os, "fsync", failing)
        await home.taken_and_back()

    asyncio.run(case())


def test_nor_does_one_that_hangs(hanging: Callable[[], None]) -> None:
    async def case() -> None:
        home = Home({})
        hanging()
        await home.taken_and_back()

    asyncio.run(case())


def test_an_account_that_another_writer_took_meanwhile_is_left_to_it() -> None:
    async def case() -> None:
        home = Home({"begun": KeyError("a bug")})
        guardian = GuardianLease(home.lock.path, home.lock.epoch)
        assert guardian.take()
        guardian.release()
        home.keeper._look()
        with pytest.raises(KeyError):
            await home.keeper._regain()
        assert home.lock.writer == DESK
        assert home.keeper._may_regain()  # what it has begun itself it goes on with
        later = (home.lock.in_force + 1).to_bytes(8, "big") + b"route".ljust(16, b"\0")
        home.lock.path.with_suffix(".epoch").write_bytes(later)
        assert not home.keeper._may_regain()
        home.lock.release()

    asyncio.run(case())


def test_a_desk_opens_on_a_disk_that_fails_or_hangs_over_its_epoch(
    monkeypatch: pytest.MonkeyPatch, hanging: Callable[[], None]
) -> None:
    monkeypatch.setattr(os, "fsync", failing)
    failed = AccountLock.acquire("a", "desk")
    assert failed.valid
    failed.release()
    hanging()
    hung = AccountLock.acquire("a", "desk")
    assert (hung.valid, hung.epoch) == (True, failed.epoch + 1)
    hung.release()
