"""Charts as plain SVG text: a time axis, a value axis, lines, areas and marks. No script, no library.

Colours are classes (``.gain``, ``.loss``, ``.stop``, ``.plain``), which the page's style sheet gives to
both themes; shapes tell apart what colours do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
from msgspec import Struct

from contractdesk.replay.reports.metrics import DAY_NS, Floats, Ints
from contractdesk.replay.reports.wording import moment, number

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 1000, 74, 14, 10, 24
CROWD = 120  # marks of one kind; more are drawn smaller
ROOM = 0.04  # of the span, free above and below
MOST_POINTS = 1_200  # of a line: more than there are pixels
MINUTE_NS = 60 * 10**9
TIME_STEPS = tuple(
    minutes * MINUTE_NS for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720)
) + tuple(days * DAY_NS for days in (1, 2, 5, 10, 20, 50, 100, 200, 500))
SHAPES = {
    "up": "M0,-5L5,4L-5,4Z",
    "down": "M0,5L5,-4L-5,-4Z",
    "cross": "M-4,-4L4,4M-4,4L4,-4",
    "square": "M-3.5,-3.5H3.5V3.5H-3.5Z",
}


class Mark(Struct, frozen=True):
    """One point with a shape; ``words`` are shown when it is pointed at."""

    ts_ns: int
    value: float
    words: str


class Plot:
    """One chart. Values outside of its span are cut off at the edge."""

    def __init__(
        self, span_ns: tuple[int, int], values: tuple[float, float], height: int, title: str
    ) -> None:
        """``span_ns``: from and to; ``values``: the lowest and the highest."""
        self._begin_ns, self._end_ns = span_ns[0], max(span_ns[1], span_ns[0] + 1)
        self._height, self._title = height, title
        low, high = values if values[1] > values[0] else _around(values[0])
        self._step = round_step((high - low) / max(3, height // 30))
        room = (high - low) * ROOM
        self._low, self._high = low - room, high + room
        self._parts: list[str] = []
        self._legend: list[str] = []

    # -- what is drawn ---------------------------------------------------------------------

    def line(self, times: Ints, values: Floats, look: str, name: str, *, steps: bool = False) -> None:
        """A line, broken at NaN; ``steps``: a value holds until the next one."""
        if steps:
            times, values = _stepped(*self._told_apart(times, values))
        else:
            times, values = thinned(times, values, MOST_POINTS)
        if len(times):
            self._parts.append(f'<path class="line {look}" d="{self._path(times, values)}"/>')
            self._named(f'<path class="line {look}" d="M0,0H18"/>', name)

    def area(self, times: Ints, values: Floats, look: str, name: str) -> None:
        """What lies between 0 and values that hold until the next one."""
        times, values = _stepped(*thinned(times, values, MOST_POINTS))
        if not len(times):
            return
        zero, ends = self._y(np.zeros(1))[0], self._x(times[[0, -1]])
        path = f"{self._path(times, values)}L{ends[1]:.1f},{zero:.1f}L{ends[0]:.1f},{zero:.1f}Z"
        self._parts.append(f'<path class="area {look}" d="{path}"/>')
        self._named(f'<rect class="area {look}" x="0" y="-5" width="18" height="10"/>', name)

    def marks(self, marks: Sequence[Mark], shape: str, look: str, name: str) -> None:
        """Points with words."""
        if not marks:
            return
        xs = self._x(np.array([mark.ts_ns for mark in marks], dtype=np.int64))
        ys = self._y(np.array([mark.value for mark in marks], dtype=np.float64))
        small = " scale(0.6)" if len(marks) > CROWD else ""
        for mark, x, y in zip(marks, xs, ys, strict=True):
            place = f"translate({x:.1f},{y:.1f}){small}"
            self._parts.append(
                f'<path class="mark {look}" d="{SHAPES[shape]}" transform="{place}">'
                f"<title>{escape(mark.words)}</title></path>"
            )
        self._named(f'<path class="mark {look}" d="{SHAPES[shape]}" transform="translate(9,0)"/>', name)

    def bars(self, marks: Sequence[Mark]) -> None:
        """A thin bar from 0 to each value: a gain or a loss."""
        zero = self._y(np.zeros(1))[0]
        for mark in marks:
            x = self._x(np.array([mark.ts_ns]))[0]
            y = self._y(np.array([mark.value]))[0]
            look = "gain" if mark.value >= 0 else "loss"
            top, height = min(y, zero), max(abs(y - zero), 0.6)
            self._parts.append(
                f'<rect class="bar {look}" x="{x - 2:.1f}" y="{top:.1f}" width="4" height="{height:.1f}">'
                f"<title>{escape(mark.words)}</title></rect>"
            )

    def svg(self) -> str:
        """The chart, with its axes and its legend."""
        edge = self._height - BOTTOM
        frame = f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{edge}" y2="{edge}"/>'
        picture = (
            f'<svg viewBox="0 0 {WIDTH} {self._height}" role="img" aria-label="{escape(self._title)}">'
            f"{''.join(self._grid())}{frame}{''.join(self._parts)}</svg>"
        )
        legend = f'<div class="legend">{"".join(self._legend)}</div>' if self._legend else ""
        return f"<figure><figcaption>{escape(self._title)}</figcaption>{legend}{picture}</figure>"

    # -- inside ----------------------------------------------------------------------------

    def _named(self, sample: str, name: str) -> None:
        if name:
            self._legend.append(f'<span><svg viewBox="0 -8 18 16">{sample}</svg>{escape(name)}</span>')

    def _x(self, times: Ints) -> Floats:
        part = (times - self._begin_ns) / (self._end_ns - self._begin_ns)
        return np.asarray(LEFT + np.clip(part, 0, 1) * (WIDTH - LEFT - RIGHT))

    def _y(self, values: Floats) -> Floats:
        part = (values - self._low) / (self._high - self._low)
        return np.asarray(self._height - BOTTOM - np.clip(part, 0, 1) * (self._height - TOP - BOTTOM))

    def _told_apart(self, times: Ints, values: Floats) -> tuple[Ints, Floats]:
        """Of more points than there are pixels, the last one in each."""
        if len(times) <= MOST_POINTS:
            return times, values
        last = np.append(np.diff(self._x(times).astype(np.int64)) > 0, True)
        return times[last], values[last]

    def _path(self, times: Ints, values: Floats) -> str:
        found, pen = [], "M"
        for x, y, known in zip(self._x(times), self._y(values), np.isfinite(values), strict=True):
            if known:
                found.append(f"{pen}{x:.1f},{y:.1f}")
            pen = "L" if known else "M"
        return "".join(found)

    def _grid(self) -> Iterator[str]:
        places = max(0, -math.floor(math.log10(self._step) + 1e-9))
        lowest, highest = math.ceil(self._low / self._step), math.floor(self._high / self._step)
        for place in range(lowest, highest + 1):
            value = place * self._step
            y = self._y(np.array([value]))[0]
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text class="value" x="{LEFT - 8}" y="{y + 4:.1f}">{number(value, places)}</text>'
        for ts_ns, words in time_ticks(self._begin_ns, self._end_ns):
            x = self._x(np.array([ts_ns]))[0]
            yield f'<text class="time" x="{x:.1f}" y="{self._height - 7}">{words}</text>'


def _around(value: float) -> tuple[float, float]:
    pad = abs(value) * 1e-4 or 1.0
    return value - pad, value + pad


def round_step(rough: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least ``rough`` (> 0)."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= rough * (1 - 1e-9)), 10 * power)


def time_ticks(begin_ns: int, end_ns: int, most: int = 8) -> list[tuple[int, str]]:
    """Round moments (UTC) between two, at most ``most`` + 1, with what stands under each."""
    step = next((each for each in TIME_STEPS if (end_ns - begin_ns) <= each * most), TIME_STEPS[-1])
    first = -(-begin_ns // step) * step
    words = slice(0, 10) if step >= DAY_NS else slice(5 if end_ns - begin_ns > DAY_NS else 11, 16)
    return [(at, moment(at)[words]) for at in range(first, end_ns + 1, step)]


def thinned(times: Ints, values: Floats, most: int) -> tuple[Ints, Floats]:
    """At most about ``most`` points: of each stretch the lowest and the highest, and both ends of all."""
    if len(times) <= most:
        return times, values
    size = -(-len(times) // (most // 2))
    kept = {0, len(times) - 1}
    for begin in range(0, len(times), size):
        part = values[begin : begin + size]
        if np.isfinite(part).any():
            kept |= {begin + int(np.nanargmin(part)), begin + int(np.nanargmax(part))}
    index = np.array(sorted(kept))
    return times[index], values[index]


def _stepped(times: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Corners: each value holds until the next one's time."""
    if not len(times):
        return times, values
    return np.repeat(times, 2)[1:], np.repeat(values, 2)[:-1]
