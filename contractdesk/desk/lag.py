"""How late the desk's loop is: a 10 ms ticker that tells the engine, and a histogram."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from contractdesk.clock import NS_PER_MS, Clock
from contractdesk.ops.metrics import Histogram

TICK_S = 0.010
WARN_MS = 250.0
RECENT_TICKS = 100  # about a second


class LagMeter:
    """Reports a lag above ``WARN_MS`` at once, and the first tick that is in time again."""

    def __init__(self, clock: Clock, histogram: Histogram, report: Callable[[float], None]) -> None:
        self._clock = clock
        self._histogram = histogram
        self._report = report
        self._late = False
        self._recent: deque[float] = deque(maxlen=RECENT_TICKS)

    @property
    def recent_ms(self) -> float:
        """The longest lag of about the last second; 0 before the first tick."""
        return max(self._recent, default=0.0)

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            before_ns = self._clock.monotonic_ns()
            await asyncio.sleep(TICK_S)
            late_ms = (self._clock.monotonic_ns() - before_ns) / NS_PER_MS - TICK_S * 1000
            self.measured(max(0.0, late_ms))

    def measured(self, lag_ms: float) -> None:
        """Take one measurement."""
        self._histogram.add(lag_ms)
        self._recent.append(lag_ms)
        late = lag_ms > WARN_MS
        if late or self._late:
            self._report(lag_ms)
        self._late = late
