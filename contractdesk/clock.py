"""The sole reader of time. Everything else is handed a ``Clock`` or gets time with its events."""

from __future__ import annotations

import time
from typing import Protocol

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
SET_BACK_NS = 50 * NS_PER_MS  # what NTP's slewing and the two clocks' drift stay far below


class Clock(Protocol):
    """Time as its holder may see it; all values are integers in nanoseconds."""

    def now_ns(self) -> int:
        """UTC since the epoch; may step when the host's clock is set."""
        ...

    def monotonic_ns(self) -> int:
        """Never goes back; only differences mean something."""
        ...


class SystemClock:
    """The host's clocks."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class SteadyClock:
    """A host's clock whose wall time never goes back: set forward it follows, set back it is overtaken.

    Whoever waits for a deadline in wall time would otherwise wait by as much longer as the host was set back.
    Until the host has caught up time passes at three quarters of its pace: deadlines come a third later at
    most, and a host that was set forward by mistake and then back is right again.
    """

    def __init__(self, host: Clock) -> None:
        self._host = host
        self._told_ns = host.now_ns()
        self._monotonic_ns = host.monotonic_ns()

    def now_ns(self) -> int:
        monotonic_ns = self._host.monotonic_ns()
        expected_ns = self._told_ns + monotonic_ns - self._monotonic_ns
        wall_ns = self._host.now_ns()
        if expected_ns - wall_ns > SET_BACK_NS:
            wall_ns = max(wall_ns, self._told_ns + (monotonic_ns - self._monotonic_ns) * 3 // 4)
        self._told_ns, self._monotonic_ns = max(wall_ns, self._told_ns), monotonic_ns
        return self._told_ns

    def monotonic_ns(self) -> int:
        return self._host.monotonic_ns()


class ManualClock:
    """A clock that moves when it is told to: for tests, replays and simulations."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns
        self._monotonic_ns = 0

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def advance(self, ns: int) -> None:
        """Let ``ns`` nanoseconds pass (>= 0)."""
        if ns < 0:
            raise ValueError("a clock does not go back; use step() for a step of the wall clock")
        self._now_ns += ns
        self._monotonic_ns += ns

    def step(self, ns: int) -> None:
        """Set the wall clock by ``ns`` (either sign); the monotonic clock does not see it."""
        self._now_ns += ns
