"""Small counters and histograms: a fixed number of numbers, whatever is measured."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

# Upper bounds in ms, about 1.25 apart: a quantile is exact to a quarter of its value.
_BOUNDS_MS: tuple[float, ...] = tuple(0.05 * 1.25**i for i in range(64))


class Histogram:
    """Durations in ms; quantiles are upper bounds of their bucket."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS_MS) + 1)
        self.count = 0
        self.max_ms = 0.0
        self.sum_ms = 0.0

    def add(self, value_ms: float) -> None:
        self._counts[bisect_left(_BOUNDS_MS, value_ms)] += 1
        self.count += 1
        self.sum_ms += value_ms
        self.max_ms = max(self.max_ms, value_ms)

    def quantile(self, q: float) -> float:
        """The value below which a share ``q`` in [0, 1] lies, in ms; 0 when nothing was measured."""
        rank, seen = q * self.count, 0
        for bound, count in zip((*_BOUNDS_MS, self.max_ms), self._counts, strict=True):
            seen += count
            if count and seen >= rank:
                return min(bound, self.max_ms)
        return self.max_ms

    @property
    def summary(self) -> dict[str, float]:
        """Count, p50, p99 and maximum, the last three in ms."""
        return {
            "count": self.count,
            "p50_ms": round(self.quantile(0.5), 3),
            "p99_ms": round(self.quantile(0.99), 3),
            "max_ms": round(self.max_ms, 3),
        }

    @property
    def buckets(self) -> tuple[tuple[float, int], ...]:
        """(upper bound in ms, how many) from the first bucket that is used to the last; empty without any."""
        used = [i for i, count in enumerate(self._counts) if count]
        if not used:
            return ()
        bounds = (*_BOUNDS_MS, max(self.max_ms, _BOUNDS_MS[-1]))
        return tuple((bounds[i], self._counts[i]) for i in range(used[0], used[-1] + 1))

    def reset(self) -> None:
        """Forget everything: for a measurement over a known span."""
        self._counts = [0] * (len(_BOUNDS_MS) + 1)
        self.count, self.max_ms, self.sum_ms = 0, 0.0, 0.0


class Metrics:
    """What one desk counts and measures, by name."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.loop_lag = Histogram()
        self.order_latency = Histogram()  # signal to acknowledgement
        self.round_trip = Histogram()  # an order handed to the venue's client, to its answer
        self.step = Histogram()  # one event through journal, engine and dispatch

    def reset(self) -> None:
        """Forget every duration; the counters go on."""
        for histogram in (self.loop_lag, self.order_latency, self.round_trip, self.step):
            histogram.reset()
