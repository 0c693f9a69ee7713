"""What a replay assumes of the world between the desk and the market: small, named, and seeded.

Times are nanoseconds, prices whole ticks, sizes whole lots. A model answers; it changes nothing but
its own random stream.
"""

from __future__ import annotations

import math
from random import Random
from typing import Protocol

from msgspec import Struct

from contractdesk.errors import ConfigError

NS_PER_MS = 1_000_000


def _ns(ms: float) -> int:
    return round(ms * NS_PER_MS)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name}={value} is not permitted: it must be from {low} to {high}")


# -- latency ------------------------------------------------------------------------------------


class Latency(Protocol):
    """How long everything takes."""

    @property
    def feed_ns(self) -> int:
        """From a trade at the venue until the desk hears of it; of bars and marks, too."""
        ...

    @property
    def recorded(self) -> bool:
        """True: trades are heard when the recording host heard them, at least ``feed_ns`` late."""
        ...

    def start(self, seed: int) -> Delays:
        """The delays of one run."""
        ...


class Delays(Protocol):
    def entry_ns(self) -> int:
        """From the desk's decision until the venue has the order."""
        ...

    def answer_ns(self) -> int:
        """From the venue's deed until the desk hears of it."""
        ...

    def read_ns(self) -> int:
        """From a question until its answer: a round trip."""
        ...


class ConstantLatency(Struct, frozen=True, kw_only=True):
    """Always the same milliseconds. ``recorded`` takes the feed's from the recording, plus ``feed_ms``."""

    feed_ms: float = 5.0
    entry_ms: float = 25.0
    answer_ms: float = 25.0
    read_ms: float = 50.0
    recorded: bool = False

    def __post_init__(self) -> None:
        for name in ("feed_ms", "entry_ms", "answer_ms", "read_ms"):
            _check(name, getattr(self, name), 0, 60_000)

    @property
    def feed_ns(self) -> int:
        return _ns(self.feed_ms)

    def start(self, seed: int) -> Delays:  # noqa: ARG002  (nothing here is random)
        return _Constant(_ns(self.entry_ms), _ns(self.answer_ms), _ns(self.read_ms))


class SampledLatency(Struct, frozen=True, kw_only=True):
    """Log-normal around medians: most are near the median, and some take much longer.

    ``spread`` is the standard deviation of the logarithm: 0.5 puts the 99th percentile at 3.2 medians.
    The feed is constant: a market that overtakes itself is no market.
    """

    feed_ms: float = 5.0
    entry_ms: float = 25.0
    answer_ms: float = 25.0
    spread: float = 0.5
    recorded: bool = False

    def __post_init__(self) -> None:
        for name in ("feed_ms", "entry_ms", "answer_ms"):
            _check(name, getattr(self, name), 0, 60_000)
        _check("spread", self.spread, 0, 3)

    @property
    def feed_ns(self) -> int:
        return _ns(self.feed_ms)

    def start(self, seed: int) -> Delays:
        return _Sampled(Random(seed), _ns(self.entry_ms), _ns(self.answer_ms), self.spread)  # noqa: S311


class MeasuredLatency(Struct, frozen=True, kw_only=True):
    """Drawn from what a live session has measured (nanoseconds each), in seeded order."""

    entries_ns: tuple[int, ...]
    answers_ns: tuple[int, ...]
    feed_ms: float = 5.0
    recorded: bool = False

    def __post_init__(self) -> None:
        if not self.entries_ns or not self.answers_ns:
            raise ConfigError("measured latency needs at least one measurement of an entry and of an answer")
        if min(*self.entries_ns, *self.answers_ns) < 0:
            raise ConfigError("a measured latency is below 0 ns: correct the clocks' offset first")
        _check("feed_ms", self.feed_ms, 0, 60_000)

    @property
    def feed_ns(self) -> int:
        return _ns(self.feed_ms)

    def start(self, seed: int) -> Delays:
        return _Measured(Random(seed), self.entries_ns, self.answers_ns)  # noqa: S311


class _Constant(Struct, frozen=True):
    entry: int
    answer: int
    read: int

    def entry_ns(self) -> int:
        return self.entry

    def answer_ns(self) -> int:
        return self.answer

    def read_ns(self) -> int:
        return self.read


class _Sampled:
    def __init__(self, random: Random, entry_ns: int, answer_ns: int, spread: float) -> None:
        self._random, self._entry, self._answer, self._spread = random, entry_ns, answer_ns, spread

    def entry_ns(self) -> int:
        return self._draw(self._entry)

    def answer_ns(self) -> int:
        return self._draw(self._answer)

    def read_ns(self) -> int:
        return self.entry_ns() + self.answer_ns()

    def _draw(self, median_ns: int) -> int:
        return int(median_ns * math.exp(self._random.gauss(0.0, self._spread)))


class _Measured:
    def __init__(self, random: Random, entries_ns: tuple[int, ...], answers_ns: tuple[int, ...]) -> None:
        self._random, self._entries, self._answers = random, entries_ns, answers_ns

    def entry_ns(self) -> int:
        return self._random.choice(self._entries)

    def answer_ns(self) -> int:
        return self._random.choice(self._answers)

    def read_ns(self) -> int:
        return self.entry_ns() + self.answer_ns()


# -- slippage -----------------------------------------------------------------------------------


class Slippage(Protocol):
    """At what price an order that takes is filled, where only trades were recorded."""

    @property
    def half_spread_ticks(self) -> int:
        """From the last trade to either side of the book that is shown, at least 1."""
        ...

    def ticks(self, lots: int, traded_lots: int) -> int:
        """Ticks beyond the trade's price, against us. ``traded_lots``: what that trade was of."""
        ...


class FixedSlippage(Struct, frozen=True):
    """The same number of ticks for each fill."""

    per_fill: int = 1

    def __post_init__(self) -> None:
        _check("per_fill", self.per_fill, 0, 1_000_000)

    @property
    def half_spread_ticks(self) -> int:
        return max(1, self.per_fill)

    def ticks(self, lots: int, traded_lots: int) -> int:  # noqa: ARG002  (a Slippage)
        return self.per_fill


class SquareRootImpact(Struct, frozen=True, kw_only=True):
    """Half the spread, and an impact that grows with the root of our size in units of a typical one.

    The square-root law of market impact (Almgren et al., "Direct estimation of equity market impact",
    Risk, 2005), with ``typical_lots`` as the volume that moves the price by ``impact_ticks``.
    """

    half_spread: int = 1  # ticks
    impact_ticks: float = 1.0
    typical_lots: int = 1_000

    def __post_init__(self) -> None:
        _check("half_spread", self.half_spread, 0, 1_000_000)
        _check("impact_ticks", self.impact_ticks, 0, 1_000_000)
        _check("typical_lots", self.typical_lots, 1, 1 << 53)

    @property
    def half_spread_ticks(self) -> int:
        return max(1, self.half_spread)

    def ticks(self, lots: int, traded_lots: int) -> int:  # noqa: ARG002  (a Slippage)
        return self.half_spread + round(self.impact_ticks * math.sqrt(lots / self.typical_lots))


# -- the queue at a price -----------------------------------------------------------------------


class Queue(Protocol):
    """When a resting order is filled by trades at its own price; beyond it, always."""

    def ahead(self, lots: int) -> int:
        """Lots that stand before an order of ``lots`` when it comes; negative: never at its price."""
        ...


class TradeThrough(Struct, frozen=True):
    """Only when the market trades beyond its price: the most cautious of all."""

    def ahead(self, lots: int) -> int:  # noqa: ARG002  (a Queue)
        return -1


class TouchFill(Struct, frozen=True):
    """As soon as anything trades at its price: the most hopeful, and the usual one of backtests."""

    def ahead(self, lots: int) -> int:  # noqa: ARG002  (a Queue)
        return 0


class QueueAhead(Struct, frozen=True):
    """Behind so many lots, which trades at the price use up; none of them is ever cancelled."""

    lots: int

    def __post_init__(self) -> None:
        _check("lots", self.lots, 0, 1 << 53)

    def ahead(self, lots: int) -> int:  # noqa: ARG002  (a Queue)
        return self.lots


# -- together -----------------------------------------------------------------------------------


class Models(Struct, frozen=True, kw_only=True):
    """Everything that a replay assumes."""

    latency: Latency = ConstantLatency()
    slippage: Slippage = FixedSlippage()
    queue: Queue = TradeThrough()
    maker_fee: float | None = None  # fractions of notional; None: as the contract's terms say
    taker_fee: float | None = None
    mark_every_s: float = 1.0  # venues publish it each second; here it is the last trade's price
    seed: int = 0

    def __post_init__(self) -> None:
        _check("mark_every_s", self.mark_every_s, 0.1, 5)
        for name in ("maker_fee", "taker_fee"):
            if getattr(self, name) is not None:
                _check(name, getattr(self, name), -0.01, 0.01)

    @property
    def mark_step_ns(self) -> int:
        return round(self.mark_every_s * 1e9)
