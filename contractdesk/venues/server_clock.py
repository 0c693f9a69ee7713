"""The venue's time, measured: what requests are signed with.

Anchored to the monotonic clock, so that a step of the host's clock changes nothing between samples. Where
the two of them part, one has been set, or has stood still while the host slept: measure before you sign.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from contractdesk.clock import NS_PER_MS, Clock
from contractdesk.domain.events import ClockMeasured

STEP_NS = 500 * NS_PER_MS


class TimeSample(Struct, frozen=True):
    """One reading of the venue's clock, with when it was asked for and came (monotonic ns)."""

    sent_ns: int
    received_ns: int
    venue_ns: int

    @property
    def rtt_ns(self) -> int:
        return self.received_ns - self.sent_ns


class ServerClock:
    """Venue time = monotonic time + the anchor of the sample with the shortest round trip."""

    def __init__(self, clock: Clock, emit: Callable[[ClockMeasured], None]) -> None:
        self._clock = clock
        self._emit = emit
        self._anchor_ns: int | None = None
        self._wall_ns = 0  # the host's wall clock over its monotonic one, when the anchor was set

    def now_ns(self) -> int:
        """The venue's time now; our own until it has been measured."""
        if self._anchor_ns is None:
            return self._clock.now_ns()
        return self._clock.monotonic_ns() + self._anchor_ns

    def monotonic_ns(self) -> int:
        """The host's, for distances of time."""
        return self._clock.monotonic_ns()

    def now_ms(self) -> int:
        return self.now_ns() // NS_PER_MS

    @property
    def stepped(self) -> bool:
        """True when the host's clocks have parted since the last measurement: the anchor may be wrong."""
        if self._anchor_ns is None:
            return False
        return abs(self._clock.now_ns() - self._clock.monotonic_ns() - self._wall_ns) > STEP_NS

    def take(self, samples: Sequence[TimeSample]) -> ClockMeasured:
        """Anchor to the best of ``samples`` (at least one), and tell."""
        best = min(samples, key=lambda sample: sample.rtt_ns)
        self._anchor_ns = best.venue_ns - (best.sent_ns + best.received_ns) // 2
        self._wall_ns = self._clock.now_ns() - self._clock.monotonic_ns()
        measured = ClockMeasured(
            ts_ns=self._clock.now_ns(),
            offset_ms=(self.now_ns() - self._clock.now_ns()) / NS_PER_MS,
            rtt_ms=best.rtt_ns / NS_PER_MS,
        )
        self._emit(measured)
        return measured

    async def measure(self, read: Callable[[], Awaitable[TimeSample]], samples: int = 5) -> ClockMeasured:
        """Read the venue's clock ``samples`` times, one after another."""
        return self.take([await read() for _ in range(samples)])
