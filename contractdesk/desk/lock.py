"""One writer an account: a file lock across processes, and the lease epoch that commands carry.

The epoch is a number in a file that grows with every owner. Whoever must take over (a guardian, a
second route) raises it first; a desk whose own epoch is no longer the file's sends nothing more. Beside
the number stands who has begun it: from its own guardian a desk takes the account back, from nobody else.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from contractdesk.desk.paths import locks_home, state_home
from contractdesk.errors import DeskBusy, UserError

_EPOCH_BYTES = 8
_WRITER_BYTES = 16
DESK, GUARDIAN = "desk", "guardian"
SETTLES_WITHIN_S = 0.25  # an epoch on the disk
_OVER = -1  # no file's epoch

log = logging.getLogger(__name__)


class Owner(Struct, frozen=True):
    """Who holds an account."""

    pid: int
    desk: str
    kernel: str = ""  # connection file of the Jupyter kernel that it is; "" = it is none


class AccountLock:
    """Held from ``acquire`` until ``release`` or the end of the process; not inherited by children.

    ``epoch`` is 0, and the lock not valid, until the account is begun.
    """

    def __init__(self, path: Path, fd: int, epoch_fd: int, epoch: int) -> None:
        self.path = path
        self._fd = fd
        self._epoch_fd = epoch_fd
        self.epoch = epoch

    @classmethod
    def acquire(cls, account: str, desk: str, kernel: str = "", *, begin: bool = True) -> Self:
        """Lock ``account`` ("venue:mode:account") and begin a new epoch; ``DeskBusy`` names its owner.

        UserError where the disk does not take it; then nothing is locked. Without ``begin`` the account stays
        with the guardian of the desk before, if one acts on it, until ``begin`` is called: the lock keeps
        every other desk out meanwhile.
        """
        with _told(account), ExitStack() as undo:
            path = _lock_path(account)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            undo.callback(os.close, fd)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DeskBusy(_busy(account, _read_owner(fd))) from None
            os.ftruncate(fd, 0)
            os.pwrite(fd, msgspec.json.encode(Owner(os.getpid(), desk, kernel)), 0)
            epoch_fd = os.open(path.with_suffix(".epoch"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            undo.callback(os.close, epoch_fd)
            lock = cls(path, fd, epoch_fd, 0)
            if begin:
                lock.begin()
            undo.pop_all()
            return lock

    def begin(self) -> None:
        """The account is ours from now on: whoever else acts on it sends nothing more."""
        with _told(self.path.stem):
            self.epoch = self.renew()

    @property
    def valid(self) -> bool:
        """True while nobody has begun a later epoch; read from the file, about 1 microsecond."""
        return 0 < self.epoch == self.in_force

    @property
    def in_force(self) -> int:
        """The epoch in the file, whoever has begun it."""
        return _read_epoch(self._epoch_fd) if self._epoch_fd >= 0 else 0

    @property
    def report(self) -> Path:
        """Where a guardian writes down what it has done to the account."""
        return self.path.with_suffix(".report")

    @property
    def writer(self) -> str:
        """Who has begun the epoch that is in force: DESK or GUARDIAN; "" where the file does not say."""
        if self._epoch_fd < 0:
            return ""
        return os.pread(self._epoch_fd, _WRITER_BYTES, _EPOCH_BYTES).rstrip(b"\0 ").decode(errors="replace")

    def renew(self) -> int:
        """Begin a new epoch as who still holds the account, and return it.

        Nobody else sends from now on, and neither does this desk until ``epoch`` is set to it. Waits for the
        disk, but not for one that is slow or fails: only a loss of power could undo what is in the file.
        """
        epoch = _begin(self._epoch_fd, DESK)
        _settle(self._epoch_fd)
        return epoch

    def release(self) -> None:
        """Let the next one in; may be called twice."""
        if self._fd < 0:
            return
        with suppress(OSError):  # a text that stays says nothing once the lock is let go
            os.ftruncate(self._fd, 0)
        os.close(self._fd)
        os.close(self._epoch_fd)
        self._fd = self._epoch_fd = -1


class GuardianLease:
    """The account, as taken over from the desk whose epoch it names; by the path of that desk's lock.

    Where the disk does not take the next epoch, and the desk's process is gone, it is held by the desk's own
    lock: no desk can open meanwhile. The epoch is written once the disk takes it, and that lock let go.
    """

    def __init__(self, path: Path, desk_epoch: int) -> None:
        self._lock = path
        self._path = path.with_suffix(".epoch")
        self._presence = path.with_suffix(".guardian")
        self._presence_fd = -1
        self._lock_fd = -1  # of the desk's lock, while the epoch is not in the file
        self.epoch = desk_epoch

    def take(self, *, beside: bool = False) -> bool:
        """Begin the next epoch; False where a newer desk has the account, or a guardian acts on it already.

        ``beside`` one, where it only has not let go yet: under an epoch that is over it sends nothing.
        It does not wait for the disk: what a loss of power could undo ends this process, too. A presence that
        cannot be shown forbids nothing: it only lets others know when this one has left.
        """
        fd = -1
        try:
            fd = os.open(self._presence, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not beside:
                os.close(fd)
                return False
        except OSError as error:
            log.warning("nobody can see that a guardian acts: %s", error)
        taken = self._next()
        if taken:
            self._presence_fd, self.epoch = fd, taken
        elif fd >= 0:
            os.close(fd)
        return bool(taken)

    def _next(self) -> int:
        """To act under; 0 where another is in force, or none can be written while the desk lives."""
        try:
            return self._begin(self.epoch)
        except FileNotFoundError:
            return 0
        except OSError as error:
            if not self._hold():
                return 0
            log.warning("the epoch cannot be written (%s): the account is held by the desk's lock", error)
            return self.epoch + 1

    def _begin(self, expected: int) -> int:
        with self._path.open("r+b", buffering=0) as file:
            return _begin(file.fileno(), GUARDIAN, expected)

    def _hold(self) -> bool:
        """Keep every desk out; False where the one before lives, or a newer one has been here."""
        fd = -1
        try:
            fd = os.open(self._lock, os.O_RDONLY | os.O_CLOEXEC)  # what is only read can be locked, too
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = self._in_force() == self.epoch
        except OSError:
            free = False
        if free:
            self._lock_fd = fd
        elif fd >= 0:
            os.close(fd)
        return free

    @property
    def valid(self) -> bool:
        """True while nobody has begun a later epoch; False, too, where the file is gone."""
        try:
            if self._lock_fd >= 0:
                self._make_up()
            return self._in_force() == self.epoch
        except FileNotFoundError:
            return False
        except OSError:
            return self._lock_fd >= 0  # the disk is as it was: nobody else has the account

    def _make_up(self) -> None:
        """Write the epoch under which it acts already; OSError where the disk still does not take it."""
        self.epoch = self._begin(self.epoch - 1) or _OVER
        self._let_go()

    def _in_force(self) -> int:
        return int.from_bytes(self._path.read_bytes()[:_EPOCH_BYTES], "big")

    def _let_go(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def release(self) -> None:
        """Let whoever waits know that nothing more is sent."""
        self._let_go()
        if self._presence_fd >= 0:
            os.close(self._presence_fd)
            self._presence_fd = -1


def guardian_gone(path: Path) -> bool:
    """True when no guardian acts on the account of that lock."""
    try:
        fd = os.open(path.with_suffix(".guardian"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


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


@contextmanager
def _told(account: str) -> Iterator[None]:
    """A disk that does not take the lock's files, in words."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"account {account} cannot be locked: {error}. Nothing was started; make room on the disk of"
            f" {state_home()}, or let it be written to, and open again"
        ) from error


def _lock_path(account: str) -> Path:
    readable = "".join(letter if letter.isalnum() else "-" for letter in account)[:80]
    digest = hashlib.sha256(account.encode()).hexdigest()[:8]
    return locks_home() / f"{readable}-{digest}.lock"


def _begin(fd: int, writer: str, expected: int | None = None) -> int:
    """The next epoch, written as ``writer``; 0 where another one than ``expected`` is in force."""
    fcntl.flock(fd, fcntl.LOCK_EX)  # two that begin at once must not begin the same
    try:
        found = _read_epoch(fd)
        if expected is not None and found != expected:
            return 0
        epoch = found + 1
        os.pwrite(fd, epoch.to_bytes(_EPOCH_BYTES, "big") + writer.encode().ljust(_WRITER_BYTES, b"\0"), 0)
        return epoch
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def _settle(fd: int) -> None:
    """Have the disk keep what is in the file; in a thread of its own, as one that hangs cannot be left."""

    def sync(own: int) -> None:
        try:
            os.fsync(own)
        except OSError as error:
            log.warning("the account's epoch may not outlive a loss of power: %s", error)
        finally:
            os.close(own)

    with suppress(OSError, RuntimeError):  # no descriptor or thread is left: it counts all the same
        thread = threading.Thread(target=sync, args=(os.dup(fd),), name="contractdesk-epoch", daemon=True)
        thread.start()
        thread.join(SETTLES_WITHIN_S)


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
