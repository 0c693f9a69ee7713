"""The depth chart: what stands in the book up to a price, both sides, twice a second."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import bqplot

from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import unpack_levels
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import formats
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.chart import BLUE, ORANGE, Chart, axis, move
from contractdesk.panels.focus import Focus

Curve = tuple[list[float], list[float]]


class DepthChart(Chart):
    """Cumulated contracts by price; the axis follows the book."""

    title = "Depth"
    height_px = 170

    def __init__(self, desk: DeskFace, focus: Focus | None = None, *, pulse: Pulse | None = None) -> None:
        self._focus = focus or Focus()
        super().__init__(desk, pulse=pulse)

    def build(self) -> tuple[Sequence[Any], Sequence[Any]]:
        x, y = bqplot.LinearScale(), bqplot.LinearScale(min=0.0)
        sides = [
            bqplot.Lines(
                x=[], y=[], scales={"x": x, "y": y}, colors=[color], fill="bottom", fill_opacities=[0.22],
                interpolation="step-after", stroke_width=1.5,
            )
            for color in (BLUE, ORANGE)
        ]  # fmt: skip
        self._price_axis = axis(x, tick_format=",.1f", ticks=4)
        return sides, (self._price_axis, axis(y, vertical=True, tick_format=".3~s", ticks=4))

    def redraw(self, snapshot: DeskSnapshot) -> str:
        view = snapshot.symbols.get(self._focus.on(snapshot))
        if view is None:
            return "no symbol"
        digits = f",.{formats.decimals_of(view.instrument.tick_size)}f"
        if self._price_axis.tick_format != digits:
            self._price_axis.tick_format = digits
        curves = curve(view.instrument, view.bids), curve(view.instrument, view.asks)
        for mark, (prices, sizes) in zip(self.marks, curves, strict=True):
            move(mark, x=prices, y=sizes)
        return f"{view.instrument.symbol}  {_balance(*curves)}"


def curve(instrument: Instrument, packed: bytes) -> Curve:
    """(prices, cumulated contracts) of one side, from the best price outwards; floats, for drawing."""
    levels = unpack_levels(packed)
    prices = [float(instrument.from_ticks(ticks)) for ticks, _ in levels]
    return prices, [float(instrument.from_lots(lots)) for lots in accumulate(lots for _, lots in levels)]


def _balance(bids: Curve, asks: Curve) -> str:
    """The bids' share of the visible depth: ``bids 62 %``."""
    bid, ask = (sizes[-1] if sizes else 0.0 for _, sizes in (bids, asks))
    return f"bids {100 * bid / (bid + ask):.0f} %" if bid + ask else "empty book"
