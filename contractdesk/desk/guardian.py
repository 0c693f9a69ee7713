"""The guardian's process: it listens to one desk, and acts when that falls silent or is gone.

``python -m contractdesk.desk.guardian`` with a socket to its desk as standard input; started by the desk
alone. It sleeps in one system call. The venue's code is loaded at once, at a low priority: that takes seconds
on a busy host, and nobody has them once an entry is filled.
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from contractdesk.clock import NS_PER_S, Clock, SystemClock
from contractdesk.desk.guardian_watch import Watch
from contractdesk.desk.guardian_words import (
    Armed,
    Beat,
    Frames,
    FromDesk,
    Goodbye,
    Heard,
    Listed,
    Terms,
    frame,
    from_desk,
)

if TYPE_CHECKING:
    from contractdesk.desk.guardian_report import Chronicle
    from contractdesk.desk.lock import GuardianLease

NICER = 5  # of the thread that loads: a desk that trades needs the processor more
CHUNK = 1 << 16
EAR = 0  # standard input
TERMS_WITHIN_S = 30.0
OVERSLEPT_S = 0.5  # the whole host was stopped, and has woken up
GRACE_MS = 500  # for the desk to speak then
LEAVES_WITHIN_S, LEAVING_POLL_S = 10.0, 0.1  # of another guardian: its requests have ended by then
TOOK_OVER = 3  # exit code of one that has acted, and was superseded or had nothing left to do
HEAVY = (
    "ccxt.async_support",
    "contractdesk.venues.binance.custody",
    "contractdesk.desk.custody",
    "contractdesk.desk.guardian_report",
    "contractdesk.desk.guardian_keeper",
)


class Guardian:
    """One desk's; ``listen`` returns when it is time to act or to leave."""

    def __init__(self, ear: socket.socket, clock: Clock) -> None:
        self._ear = ear
        self._clock = clock
        self._frames = Frames()
        self._orderly = False
        self.terms: Terms | None = None
        self.watch: Watch | None = None

    def listen(self) -> str:
        """Why it must act; "" = it may leave."""
        poll = select.poll()
        poll.register(self._ear, select.POLLIN)
        while True:
            left_s, asked_ns = self._left_s(), self._clock.monotonic_ns()
            ready = poll.poll(None if left_s is None else int(left_s * 1000) + 1)
            slept_s = (self._clock.monotonic_ns() - asked_ns) / NS_PER_S
            if left_s is not None and slept_s > left_s + OVERSLEPT_S:  # we stood still, so may the desk have
                ready = ready or poll.poll(GRACE_MS)
            if ready:
                data = self._ear.recv(CHUNK)
                if not data:
                    return self._on_end()
                for body in self._frames.feed(data):
                    self._on_message(from_desk(body))
                if self._orderly:
                    return self._on_end()
            elif self.watch is None:
                return ""  # nobody has said whom to guard
            elif self._left_s() == 0:
                return self._silence(self.watch)

    def _left_s(self) -> float | None:
        """Until the desk's patience is over, by what has been read."""
        if self.watch is None:
            return TERMS_WITHIN_S
        return self.watch.left_s(self._clock.monotonic_ns())

    def _silence(self, watch: Watch) -> str:
        silent_s = watch.silent_s(self._clock.monotonic_ns())
        state = "with something uncovered or on the wire" if watch.exposed else "with everything covered"
        return f"the desk has been silent for {silent_s:.1f} s {state}"

    def _on_end(self) -> str:
        if self.watch is None or not self.watch.at_risk:
            return ""
        if not self._orderly:
            return "the desk's process is gone"
        if self.watch.exposed:
            return "the desk has closed and left something uncovered"
        return "the desk has closed and left an entry that may fill" if self.watch.unattended else ""

    def _on_message(self, message: FromDesk) -> None:
        if isinstance(message, Terms):
            self.terms, self.watch = message, Watch(message.options, self._clock.monotonic_ns())
            threading.Thread(target=_load, name="loading", daemon=True).start()
            return
        watch = self.watch
        if watch is None:
            return
        match message:
            case Listed(instrument=instrument):
                watch.instruments[instrument.symbol] = instrument
            case Beat():
                watch.beat(message)
                self._answer(message.number)
            case Armed():
                watch.armed(message)
                self._answer(message.number)
            case Goodbye(symbols=symbols):
                self._orderly = True
                watch.left(symbols)

    def _answer(self, number: int) -> None:
        with suppress(OSError):  # it is gone: the next read says so
            self._ear.sendall(frame(Heard(number=number)))


def _load() -> None:
    """What acting needs, while there is time; a failure is met again, and told, when it acts."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICER)
    with suppress(Exception):
        for name in HEAVY:
            importlib.import_module(name)


def main() -> None:
    """Listen, act if it must be, leave."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is meant for a cell
    clock = SystemClock()
    with socket.socket(fileno=os.dup(EAR)) as ear:
        guardian = Guardian(ear, clock)
        try:
            why = guardian.listen()
        except ConnectionResetError:
            why = "the desk's process is gone" if guardian.watch and guardian.watch.at_risk else ""
        if why and guardian.terms is not None and guardian.watch is not None:
            _act(why, guardian.terms, guardian.watch, clock)


def _act(why: str, terms: Terms, watch: Watch, clock: Clock) -> None:
    from contractdesk.desk.lock import GuardianLease

    lease = GuardianLease(Path(terms.lock), terms.epoch)
    if not taken(lease, clock):
        return
    try:
        from contractdesk.desk.guardian_report import Chronicle

        chronicle = Chronicle(terms, clock)
        chronicle.begin(why)
        try:
            _keep(terms, watch, lease, chronicle, clock)
        except Exception:  # nobody else would hear of it
            chronicle.logger.exception("the guardian has failed")
            chronicle.alert(
                "guardian_failed", f"the guardian of desk {terms.desk} has failed: look at {terms.log}"
            )
            sys.exit(1)
    finally:
        lease.release()
    sys.exit(TOOK_OVER)


def taken(lease: GuardianLease, clock: Clock, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Take the account; one before this, from which the desk has taken it back, may still be leaving.

    False where a newer desk has it. On a disk that does not take the epoch it tries on, until the disk does
    or the desk's process is gone: there is nobody else.
    """
    end_ns = clock.monotonic_ns() + int(LEAVES_WITHIN_S * NS_PER_S)
    while lease.valid:
        if lease.take(beside=clock.monotonic_ns() >= end_ns):
            return True
        sleep(LEAVING_POLL_S)
    return False


def _keep(terms: Terms, watch: Watch, lease: GuardianLease, chronicle: Chronicle, clock: Clock) -> None:
    import asyncio

    from contractdesk.desk.custody import make_custody
    from contractdesk.desk.guardian_keeper import Keeper

    custody = make_custody(terms.access, clock, lambda: lease.valid)
    over = asyncio.run(Keeper(terms, watch, custody, lease, chronicle, clock).run())
    chronicle.logger.info("leaves: %s", over, extra={"event.code": "guardian_left"})


if __name__ == "__main__":
    main()
