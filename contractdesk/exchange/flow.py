"""A generated market: a seeded random walk, a layered book around it, takers who hit it.

The same seed and the same number of steps give the same messages, whatever users do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from random import Random  # a seeded instance only: chance is an input

from msgspec import Struct

from contractdesk.exchange.market import Depth, Level, MarkTick, Message, Taker
from contractdesk.exchange.prehistory import Past, recall
from contractdesk.exchange.prints import NS_PER_S, Prints
from contractdesk.exchange.terms import Listing
from contractdesk.exchange.words import Side

STEP_NS = 100_000_000
STEPS_A_MARK = 10
SPACINGS = (1, 5, 25)  # ticks between the levels of a side, ever wider apart
RESTATED = 5  # best levels that makers refill at every step
RESIZED = 6  # levels whose makers change their mind at every step
LOWEST_MID = 2_000.0  # ticks: the walk turns back there


class FlowSettings(Struct, frozen=True, kw_only=True):
    """How one generated market behaves."""

    opening_price: Decimal
    volatility: float = 1.0e-4  # of the mid, a square-root second
    trend: float = 3.0e-5  # of the mid a second: size of the drift, which lasts about a minute
    takers_a_step: float = 0.5
    taker_notional: float = 2_500.0  # median, in quote
    level_notional: float = 25_000.0  # median at the best price, in quote
    levels: int = 30  # at each of three spacings: 90 a side
    base_rate: float = 1.0e-4  # funding, around which the basis moves it
    funding_interval_ns: int = 8 * 3600 * NS_PER_S  # settlements fall on its multiples
    past_minutes: int = 1_500  # of bars, before the last quarter of an hour, which has its trades


class Walk(Struct, frozen=True):
    """A steered stretch: from ``start`` to ``goal`` ticks in ``steps``."""

    start: float
    goal: float
    steps: int
    done: int = 0


class GeneratedMarket:
    """One symbol's generated background."""

    def __init__(self, listing: Listing, settings: FlowSettings, seed: int, start_ns: int) -> None:
        self._listing = listing
        self._settings = settings
        self._random = Random(f"{seed}/{listing.symbol}")  # noqa: S311 - a simulation, not a secret
        self._mid = float(settings.opening_price / listing.instrument.tick_size)
        self._drift = 0.0
        self._premium = 0.0
        self._basis = 0.0
        self._walk: Walk | None = None
        self._step = 0
        self._start_ns = start_ns
        self._next_ns = start_ns + STEP_NS
        self._quotes: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}

    @property
    def next_ns(self) -> int:
        return self._next_ns

    @property
    def funding_interval_ns(self) -> int:
        return self._settings.funding_interval_ns

    def open(self, prints: Prints) -> tuple[Depth, MarkTick]:
        settings = self._settings
        past = Past(settings.past_minutes, settings.volatility)
        recall(prints, self._listing, self._random, self._mid, past, self._start_ns)
        return self._requote(), self._mark(self._start_ns)

    def pop(self) -> Sequence[Message]:
        now_ns = self._next_ns
        self._next_ns += STEP_NS
        self._step += 1
        before = self._mid
        self._move()
        messages: list[Message] = [self._requote()]
        messages += self._takers(rising=self._mid > before)
        if self._step % STEPS_A_MARK == 0:
            messages.append(self._mark(now_ns))
        return messages

    def sleep_until(self, now_ns: int) -> None:
        missed = max(0, now_ns - self._next_ns)
        self._next_ns += -(-missed // STEP_NS) * STEP_NS

    def walk_to(self, tick: int, seconds: float) -> None:
        steps = max(1, round(seconds * NS_PER_S / STEP_NS))
        self._walk = Walk(self._mid, tick + 0.5, steps)

    # -- the walk ----------------------------------------------------------------------------

    def _move(self) -> None:
        step_s = STEP_NS / NS_PER_S
        settings = self._settings
        self._drift += step_s / 60 * (self._random.gauss(0, 8 * settings.trend) - self._drift)
        noise = settings.volatility * math.sqrt(step_s) * self._random.gauss(0, 1)
        if self._walk is not None:
            self._steer(self._walk)
            return
        self._mid *= 1 + self._drift * step_s + noise
        self._mid = max(self._mid, LOWEST_MID)

    def _steer(self, walk: Walk) -> None:
        done = walk.done + 1
        self._mid = walk.start + (walk.goal - walk.start) * done / walk.steps
        self._walk = Walk(walk.start, walk.goal, walk.steps, done) if done < walk.steps else None

    def _mark(self, now_ns: int) -> MarkTick:
        """Index and mark: the mark follows the index with a smoothed basis."""
        self._premium += 0.02 * (self._random.gauss(0, 1e-3) - self._premium)
        self._basis += 0.1 * (self._premium - self._basis)
        mid = self._mid * float(self._listing.instrument.tick_size)
        index = mid / (1 + self._premium)
        interval = self._settings.funding_interval_ns
        return MarkTick(
            mark_price=_decimal(index * (1 + self._basis)),
            index_price=_decimal(index),
            rate=_decimal(self._settings.base_rate + self._basis / 5),
            next_funding_ns=(now_ns // interval + 1) * interval,
        )

    # -- the book ----------------------------------------------------------------------------

    def _requote(self) -> Depth:
        bid = int(self._mid)
        ask = bid + 1 + (self._random.random() < 0.1)
        return Depth(self._side(Side.BUY, bid), self._side(Side.SELL, ask))

    def _side(self, side: Side, best: int) -> list[Level]:
        """Bring one side's quotes to the ladder around ``best``; returns what changed or is refilled."""
        quotes = self._quotes[side]
        wanted = _ladder(best, -side.sign, self._settings.levels)
        kept = set(wanted)
        moved = {tick: 0 for tick in quotes if tick not in kept}
        for tick in moved:
            del quotes[tick]
        for depth, tick in enumerate(wanted):
            if tick not in quotes:
                moved[tick] = quotes[tick] = self._size(tick, depth)
            elif depth < RESTATED:
                moved[tick] = quotes[tick]
        for _ in range(RESIZED):
            depth = self._random.randrange(len(wanted))
            tick = wanted[depth]
            moved[tick] = quotes[tick] = self._size(tick, depth)
        return list(moved.items())

    def _size(self, tick: int, depth: int) -> int:
        """Lots of one level: log-normal, growing with the distance from the best."""
        notional = self._settings.level_notional * (1 + depth / 15) * self._random.lognormvariate(0, 0.8)
        return self._lots(notional, tick)

    def _takers(self, *, rising: bool) -> list[Taker]:
        takers: list[Taker] = []
        while self._random.random() < self._settings.takers_a_step / (1 + self._settings.takers_a_step):
            side = Side.BUY if self._random.random() < (0.6 if rising else 0.4) else Side.SELL
            notional = self._settings.taker_notional * self._random.lognormvariate(0, 1.3)
            takers.append(Taker(side, self._lots(notional, int(self._mid))))
        return takers

    def _lots(self, notional: float, tick: int) -> int:
        return max(1, round(notional / float(self._listing.quote_value(1, tick))))


def _ladder(best: int, direction: int, levels: int) -> list[int]:
    """Ticks from the best outwards (``direction`` +1 up, -1 down), ever wider apart."""
    ticks: list[int] = []
    tick = best
    for spacing in SPACINGS:
        tick = tick if tick % spacing == 0 else (tick // spacing + (direction > 0)) * spacing
        ticks += [tick + direction * spacing * level for level in range(levels)]
        tick += direction * spacing * levels
    return ticks


def _decimal(value: float) -> Decimal:
    return Decimal(f"{value:.8f}")
