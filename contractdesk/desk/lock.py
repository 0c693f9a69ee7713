"""One writer an account: a file lock across processes, and the lease epoch that commands carry.

The epoch is a number in a file that grows with every owner. Whoever must take over (a guardian, a
second route) raises it first; a desk whose own epoch is no longer the file's sends nothing more.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from contractdesk.desk.paths import locks_home
from contractdesk.errors import DeskBusy

_EPOCH_BYTES = 8


class Owner(Struct, frozen=True):
    """Who holds an account."""

    pid: int
    desk: str
    kernel: str = ""  # connection file of the Jupyter kernel that it is; "" = it is none


class AccountLock:
    """Held from ``acquire`` until ``release`` or the end of the process; not inherited by children."""

    def __init__(self, fd: int, epoch_fd: int, epoch: int) -> None:
        self._fd = fd
        self._epoch_fd = epoch_fd
        self.epoch = epoch

    @classmethod
    def acquire(cls, account: str, desk: str, kernel: str = "") -> Self:
        """Lock ``account`` ("venue:mode:account") and begin a new epoch; ``DeskBusy`` names its owner."""
        path = _lock_path(account)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _read_owner(fd)
            os.close(fd)
            raise DeskBusy(_busy(account, owner)) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, msgspec.json.encode(Owner(os.getpid(), desk, kernel)), 0)
        epoch_fd = os.open(path.with_suffix(".epoch"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        epoch = _read_epoch(epoch_fd) + 1
        os.pwrite(epoch_fd, epoch.to_bytes(_EPOCH_BYTES, "big"), 0)
        os.fsync(epoch_fd)
        return cls(fd, epoch_fd, epoch)

    @property
    def valid(self) -> bool:
        """True while nobody has begun a later epoch; read from the file, about 1 microsecond."""
        return self._epoch_fd >= 0 and _read_epoch(self._epoch_fd) == self.epoch

    def release(self) -> None:
        """Let the next one in; may be called twice."""
        if self._fd < 0:
            return
        os.ftruncate(self._fd, 0)
        os.close(self._fd)
        os.close(self._epoch_fd)
        self._fd = self._epoch_fd = -1


def owners() -> list[Owner]:
    """Who holds an account now, each once, by desk."""
    found = set()
    for path in locks_home().glob("*.lock"):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go of at once: it was nobody's
        except BlockingIOError:
            found.add(_read_owner(fd))
        finally:
            os.close(fd)
    return sorted((owner for owner in found if owner is not None), key=lambda owner: owner.desk)


def _lock_path(account: str) -> Path:
    readable = "".join(letter if letter.isalnum() else "-" for letter in account)[:80]
    digest = hashlib.sha256(account.encode()).hexdigest()[:8]
    return locks_home() / f"{readable}-{digest}.lock"


def _read_epoch(fd: int) -> int:
    return int.from_bytes(os.pread(fd, _EPOCH_BYTES, 0), "big")


def _read_owner(fd: int) -> Owner | None:
    try:
        return msgspec.json.decode(os.pread(fd, 4096, 0), type=Owner)
    except msgspec.MsgspecError:
        return None  # the owner has not written itself down yet


def _busy(account: str, owner: Owner | None) -> str:
    who = f"desk {owner.desk!r} in process {owner.pid}" if owner else "another process"
    return (
        f"account {account} already has {who}. Use that desk, or close it there with desk.close(), or shut"
        " its kernel down; then open again. Two desks on one account would trade against each other."
    )
