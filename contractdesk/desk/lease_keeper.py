"""Notices that the guardian has taken the account over, and takes it back: a desk that wakes from a stall.

Nothing is sent under the old epoch. The new one begins once the guardian has left; then the account is
reconciled as at a start, and only then may be entered again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from contractdesk.clock import NS_PER_MS, NS_PER_S, Clock
from contractdesk.desk.guardian_report import take_report
from contractdesk.desk.lock import GUARDIAN, AccountLock, guardian_gone
from contractdesk.errors import VenueError

LOOK_S = 0.25
STILL_NS = 200 * NS_PER_MS  # between two steps: then somebody may have acted meanwhile
LEAVES_WITHIN_S = 8.0  # its request under way has ended by then
POLL_S = 0.02
AGAIN_S = 1.0
NO_REPORT = "the guardian left no report"


class LeaseKeeper:
    def __init__(
        self,
        lock: AccountLock,
        clock: Clock,
        logger: logging.Logger,
        *,
        lost: Callable[[str], None],
        begun: Callable[[int, str], Awaitable[None]],
        reconcile: Callable[[], Awaitable[None]],
    ) -> None:
        """``lost(why)`` is told at once; ``begun(epoch, what was done meanwhile)`` before it is in force."""
        self._lock = lock
        self._clock = clock
        self._logger = logger
        self._lost = lost
        self._begun = begun
        self._reconcile = reconcile
        self._step_ns = clock.monotonic_ns()
        self._renewed = 0  # the epoch that was begun last to take it back
        self._done = NO_REPORT  # meanwhile, in words
        self.resigned = False  # True: what the guardian has, it keeps
        self.away = ""  # why nothing is sent; "" = the lease is ours, and what it covers is known

    def on_step(self, now_ns: int) -> None:
        """Before an event is handled (monotonic): where the loop stood still, look first."""
        still_ns, self._step_ns = now_ns - self._step_ns, now_ns
        if still_ns > STILL_NS:
            self._look()

    async def run(self) -> None:
        """Look, and take back what the guardian took, until cancelled."""
        while True:
            try:
                self._look()
                if self.away and not self.resigned and self._may_regain():
                    await self._regain()
            except VenueError as error:
                self._logger.warning("not reconciled yet: %s", error)
                await asyncio.sleep(AGAIN_S)
            except Exception:  # whatever it is: without this task the desk would never send again
                self._logger.exception("the account is not taken back yet")
                await asyncio.sleep(AGAIN_S)
            await asyncio.sleep(LOOK_S)

    def _look(self) -> None:
        if self.away or self._lock.valid:
            return
        by_guardian = self._lock.writer == GUARDIAN
        self.away = (
            "its guardian has taken the account over" if by_guardian else "another writer has the account"
        )
        self._lost(self.away)

    def _may_regain(self) -> bool:
        """It is the guardian's, or was begun by this desk and is not wholly back: from nobody else."""
        return self._lock.writer == GUARDIAN or 0 < self._renewed == self._lock.in_force

    async def _regain(self) -> None:
        """Where a step fails, the next attempt goes on from there."""
        if not self._lock.valid:
            if self._lock.writer == GUARDIAN:
                self._renewed = await asyncio.to_thread(self._lock.renew)
            await gone(self._lock.path, self._clock)
            report = await asyncio.to_thread(take_report, self._lock.report)
            self._done = report.text if report else self._done
            await self._begun(self._renewed, self._done)
            self._lock.epoch = self._renewed  # from now on it may send, and knows nothing yet
            self._done = NO_REPORT
        await self._reconcile()
        self.away = ""


async def gone(lock: Path, clock: Clock) -> None:
    """Wait until no guardian acts on the account; bounded: its requests end within their own limits."""
    end_ns = clock.monotonic_ns() + int(LEAVES_WITHIN_S * NS_PER_S)
    while not guardian_gone(lock) and clock.monotonic_ns() < end_ns:  # noqa: ASYNC110  # a file says it
        await asyncio.sleep(POLL_S)
