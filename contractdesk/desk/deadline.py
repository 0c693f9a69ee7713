"""The engine's next deadline as one timer of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from contractdesk.clock import NS_PER_S, Clock


class Deadline:
    """Rings once for the latest deadline that was set, never early by the wall clock."""

    def __init__(self, clock: Clock, ring: Callable[[int], None]) -> None:
        """``ring`` is called with the time at which it rings (UTC ns)."""
        self._clock = clock
        self._ring_out = ring
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns: int | None = None

    def set(self, deadline_ns: int | None) -> None:
        """Ring then, and at no time set before; None: not at all."""
        if deadline_ns == self._timer_ns:
            return
        self.cancel()
        self._timer_ns = deadline_ns
        if deadline_ns is not None:
            self._schedule(deadline_ns)

    def cancel(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self, deadline_ns: int) -> None:
        wait_s = max(0.0, (deadline_ns - self._clock.now_ns()) / NS_PER_S)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._ring, deadline_ns)

    def _ring(self, deadline_ns: int) -> None:
        now_ns = self._clock.now_ns()
        if now_ns < deadline_ns:  # the loop's clock and the wall clock do not run exactly alike
            self._schedule(deadline_ns)
            return
        self._timer_ns = None
        self._ring_out(now_ns)
