"""Bars of a replay: the shortest ones come from the kernel, longer ones are made of those."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import Bar, timeframe_ns


class Grown(Struct):
    """A longer bar that is being put together, in ticks and lots."""

    open_ns: int
    open: int
    high: int
    low: int
    close: int
    lots: int


class BarMaker:
    """Closed bars of one symbol in all its timeframes.

    An interval without trades gives a flat bar at the last close; one that began before ``since_ns``
    gives none.
    """

    def __init__(self, terms: Instrument, timeframes: Sequence[str], step_ns: int, since_ns: int) -> None:
        """``step_ns`` is the length of the bars that ``close`` is told of; it divides all timeframes."""
        self._terms = terms
        self._since_ns = since_ns
        self._step_ns = step_ns
        self._lengths = [(timeframe, timeframe_ns(timeframe)) for timeframe in timeframes]
        short = len(timeframes) == 1 and timeframe_ns(timeframes[0]) == step_ns
        self._alone = timeframes[0] if short else None  # the one timeframe, which the short bars are of
        self._growing: dict[str, Grown] = {}

    def close(self, open_ns: int, row: Sequence[int]) -> Iterable[tuple[str, Bar]]:
        """(timeframe, bar) of all that end with the short bar at ``open_ns``; ``row`` is open, high, low,
        close, lots, in ticks and lots.
        """
        if self._alone is None:
            return self._close_all(open_ns, row)
        return ((self._alone, self._bar(open_ns, *row)),) if open_ns >= self._since_ns else ()

    def _close_all(self, open_ns: int, row: Sequence[int]) -> Iterator[tuple[str, Bar]]:
        end_ns = open_ns + self._step_ns
        for timeframe, length_ns in self._lengths:
            if length_ns == self._step_ns:
                if open_ns >= self._since_ns:
                    yield timeframe, self._bar(open_ns, *row)
                continue
            grown = self._grow(timeframe, open_ns - open_ns % length_ns, row)
            if end_ns % length_ns == 0:
                del self._growing[timeframe]
                if grown.open_ns >= self._since_ns:
                    yield (
                        timeframe,
                        self._bar(grown.open_ns, grown.open, grown.high, grown.low, grown.close, grown.lots),
                    )

    def _grow(self, timeframe: str, open_ns: int, row: Sequence[int]) -> Grown:
        opened, high, low, close, lots = row
        grown = self._growing.get(timeframe)
        if grown is None or not grown.lots:  # it begins with its first trade, not with the flat bars before
            grown = self._growing[timeframe] = Grown(open_ns, opened, high, low, close, lots)
        elif lots:
            grown.high, grown.low = max(grown.high, high), min(grown.low, low)
            grown.close, grown.lots = close, grown.lots + lots
        return grown

    def _bar(self, open_ns: int, opened: int, high: int, low: int, close: int, lots: int) -> Bar:
        price = self._terms.from_ticks
        return Bar(
            open_ns=open_ns,
            open=price(opened),
            high=price(high),
            low=price(low),
            close=price(close),
            volume=self._terms.from_lots(lots),
        )


def shortest_step(timeframes: Sequence[str], default_ns: int) -> int:
    """The longest step that divides all of them."""
    return math.gcd(*(timeframe_ns(timeframe) for timeframe in timeframes)) if timeframes else default_ns
