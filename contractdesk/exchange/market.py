"""What moves a symbol: timed messages of a market, whether generated or recorded.

Prices are ticks, quantities lots, times wall nanoseconds as the exchange's clients see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from contractdesk.exchange.prints import Prints
from contractdesk.exchange.words import Side

Level = tuple[int, int]  # ticks, lots


class Depth(NamedTuple):
    """Absolute displayed lots at the named ticks, 0 = gone; applied as one."""

    bids: Sequence[Level]
    asks: Sequence[Level]


class Print(NamedTuple):
    """A trade that the recorded market made; ``side`` is its taker's."""

    side: Side
    tick: int
    lots: int


class Taker(NamedTuple):
    """A market order that the generated market sends into the book."""

    side: Side
    lots: int


class MarkTick(NamedTuple):
    mark_price: Decimal
    index_price: Decimal
    rate: Decimal
    next_funding_ns: int


Message = Depth | Print | Taker | MarkTick


class Market(Protocol):
    """One symbol's background. Deterministic: its messages depend on its inputs alone."""

    @property
    def next_ns(self) -> int:
        """When ``pop`` has something; a market that has ended still prints its mark."""
        ...

    @property
    def funding_interval_ns(self) -> int:
        """From one settlement to the next, until a mark says otherwise."""
        ...

    def open(self, prints: Prints) -> tuple[Depth, MarkTick]:
        """Fill in what printed before the opening; returns the opening book and mark."""
        ...

    def pop(self) -> Sequence[Message]:
        """The messages of ``next_ns``, in order."""
        ...

    def sleep_until(self, now_ns: int) -> None:
        """Nothing happened up to ``now_ns``: the market goes on from where it was."""
        ...

    def walk_to(self, tick: int, seconds: float) -> None:
        """Lead the price there; Refused(MARKET_NOT_STEERABLE) where it has a will of its own."""
        ...
