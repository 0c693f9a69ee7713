"""Starts a guardian's process: its own session, and no key on its command line or in its environment."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.config import GuardianOptions, Mode, ProductKind
from contractdesk.desk.guardian_words import Access, Beat, Terms, frame
from contractdesk.errors import UserError

MODULE = "contractdesk.desk.guardian"
OURS = "CONTRACTDESK_"  # of its variables, keys among them, the guardian needs none
REAP_WITHIN_S = 1.0
ANSWERS_WITHIN_S = 10.0
CHUNK = 1 << 12
_ROOT = str(Path(__file__).parents[2])


def start(theirs: socket.socket, home: Path, secrets: Iterable[str]) -> subprocess.Popen[bytes]:
    """The process, with ``theirs`` as its standard input."""
    return subprocess.Popen(  # noqa: S603  # our own interpreter and module, no shell
        [sys.executable, "-P", "-m", MODULE],
        stdin=theirs.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=home,
        env=environment(os.environ, secrets),
        start_new_session=True,  # an interrupt of the kernel, or the end of its group, is not meant for it
    )


def try_guardian(clock: Clock) -> float:
    """Start one that has nothing to guard: after how many seconds it answers. UserError where it does not."""
    ours, theirs = socket.socketpair()
    began_ns = clock.monotonic_ns()
    with ours, tempfile.TemporaryDirectory(prefix="contractdesk-") as folder:
        ours.settimeout(ANSWERS_WITHIN_S)
        home = Path(folder)
        with theirs:
            process = start(theirs, home, ())
        try:
            ours.sendall(frame(_nobody(home)) + frame(Beat(number=1, sent_ns=began_ns, offset_ms=0.0)))
            heard = ours.recv(CHUNK)
        except OSError as error:
            heard, why = b"", str(error) or type(error).__name__
        else:
            why = "its process ends at once"
        took_s = (clock.monotonic_ns() - began_ns) / NS_PER_S
        ours.close()
        code = end(process)
    if not heard:
        raise UserError(f"the guardian does not answer ({why}; exit code {code})")
    return took_s


def _nobody(home: Path) -> Terms:
    access = Access(
        venue="", mode=Mode.PAPER, product=ProductKind.USD_M, asset="", account="", key="", secret=""
    )
    return Terms(
        desk="doctor",
        bot="none",
        epoch=0,
        lock=str(home / "none.lock"),
        log=str(home / "none.log"),
        report=str(home / "none.report"),
        options=GuardianOptions(),
        access=access,
    )


def environment(ours: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
    """What it inherits: nothing of contractdesk's own, and no variable that holds one of the secrets."""
    hidden = tuple(secret for secret in secrets if secret)
    kept = {
        name: value
        for name, value in ours.items()
        if not name.startswith(OURS) and not any(secret in value for secret in hidden)
    }
    paths = [str(Path(part).absolute()) for part in kept.get("PYTHONPATH", "").split(os.pathsep) if part]
    return kept | {"PYTHONPATH": os.pathsep.join(dict.fromkeys([_ROOT, *paths]))}


def end(process: subprocess.Popen[bytes]) -> int:
    """Its exit code; it is killed where it does not end by itself within a second. Blocks."""
    try:
        return process.wait(REAP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(REAP_WITHIN_S)


def leave(process: subprocess.Popen[bytes]) -> None:
    """It goes on without us: tell subprocess not to complain when the object goes."""
    if process.poll() is None:
        process.returncode = 0
