"""Bars of a timeframe that a venue does not close, of shorter ones that it does; pure.

Better than bars of trades where both can be had: the history is a page or two instead of thousands, and
the venue's bars hold the prints of liquidations, which its stream of aggregated trades leaves out. So a
10m bar here is what its two 5m bars are, in the warm-up and live.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from contractdesk.domain.market import Bar, timeframe_ns


def base_of(timeframe: str, native: Iterable[str]) -> str:
    """The longest native timeframe of which it is a whole multiple, itself if native; ValueError: none."""
    step_ns = timeframe_ns(timeframe)
    return max((each for each in native if step_ns % timeframe_ns(each) == 0), key=timeframe_ns)


def fold(bars: Iterable[Bar], step_ns: int) -> list[Bar]:
    """Bars of ``step_ns`` of shorter ones, ascending; whoever gives half an interval gets half a bar."""
    groups = groupby(bars, key=lambda bar: bar.open_ns - bar.open_ns % step_ns)
    return [_one(open_ns, list(group)) for open_ns, group in groups]


def _one(open_ns: int, bars: list[Bar]) -> Bar:
    return Bar(
        open_ns=open_ns,
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=bars[-1].close,
        volume=sum((bar.volume for bar in bars[1:]), bars[0].volume),
    )


class Folding:
    """Folds closed bars as they come: an interval of which one was missed gives none, and is to be read."""

    def __init__(self, step_ns: int, base_ns: int) -> None:
        """``step_ns`` is a whole multiple of ``base_ns``."""
        self._step_ns = step_ns
        self._base_ns = base_ns
        self._bars: list[Bar] = []  # of the interval that is open, from its first on

    def on_bar(self, bar: Bar) -> Bar | None:
        """The bar that this one completes."""
        into_ns = bar.open_ns % self._step_ns
        if self._bars and bar.open_ns == self._bars[-1].open_ns:
            return None  # a repeat
        if into_ns == 0 or not self._bars or bar.open_ns != self._bars[-1].open_ns + self._base_ns:
            self._bars.clear()
        if into_ns == 0 or self._bars:
            self._bars.append(bar)
        if not self._bars or into_ns + self._base_ns != self._step_ns:
            return None
        whole, self._bars = _one(bar.open_ns - into_ns, self._bars), []
        return whole
