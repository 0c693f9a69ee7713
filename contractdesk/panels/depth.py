"""The depth chart: what stands in the book up to a price, both sides, twice a second."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import bqplot

from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import unpack_levels
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.chart import BLUE, ORANGE, Chart, ValueAxis, move
from contractdesk.panels.focus import Focus

Curve = tuple[list[float], list[float]]


class DepthChart(Chart):
    """Cumulated contracts by price; the axes follow the book."""

    title = "Depth"
    left_px = 44

    def __init__(self, desk: DeskFace, focus: Focus | None = None, *, pulse: Pulse | None = None) -> None:
        self._focus = focus or Focus()
        self._price, self._size = ValueAxis(side="bottom", ticks=4), ValueAxis(ticks=3)
        super().__init__(desk, pulse=pulse)

    def build(self) -> tuple[Sequence[Any], Sequence[Any]]:
        scales = {"x": self._price.scale, "y": self._size.scale}
        sides = [
            bqplot.Lines(
                x=[], y=[], scales=scales, colors=[color], fill="bottom", fill_opacities=[0.22],
                interpolation="step-after", stroke_width=1.5,
            )
            for color in (BLUE, ORANGE)
        ]  # fmt: skip
        return sides, (self._price.axis, self._size.axis)

    def redraw(self, snapshot: DeskSnapshot) -> tuple[str, int]:
        view = snapshot.symbols.get(self._focus.on(snapshot))
        if view is None:
            return "no symbol", 0
        curves = curve(view.instrument, view.bids), curve(view.instrument, view.asks)
        prices = [price for side, _ in curves for price in side]
        if not prices:
            return "empty book", 0
        sent = self._price.span(min(prices), max(prices), exact=True)
        sent += self._size.span(0.0, max(sizes[-1] for _, sizes in curves if sizes))
        sent += sum(move(mark, x=x, y=y) for mark, (x, y) in zip(self.marks, curves, strict=True))
        return _balance(*curves), sent


def curve(instrument: Instrument, packed: bytes) -> Curve:
    """(prices, cumulated contracts) of one side, from the best price outwards; floats, for drawing."""
    levels = unpack_levels(packed)
    prices = [float(instrument.from_ticks(ticks)) for ticks, _ in levels]
    return prices, [float(instrument.from_lots(lots)) for lots in accumulate(lots for _, lots in levels)]


def _balance(bids: Curve, asks: Curve) -> str:
    """The bids' share of the visible depth: ``bids 62 %``."""
    bid, ask = (sizes[-1] if sizes else 0.0 for _, sizes in (bids, asks))
    return f"bids {100 * bid / (bid + ask):.0f} %" if bid + ask else "empty book"
