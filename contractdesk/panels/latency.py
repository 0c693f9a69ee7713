"""How long orders take, as histograms: a bar a bucket, on a logarithmic axis of time."""

from __future__ import annotations

from html import escape
from typing import Final

from contractdesk.domain.views import DeskSnapshot, Latency
from contractdesk.panels import formats

BAR_PX: Final = 26  # a bar is at most so wide
LEAST_PX: Final = 150  # and the axis at least: three figures stand under it
LEAST_SHARE: Final = 0.04  # of the highest bar: one slow order among thousands must be seen


def html_latency(snapshot: DeskSnapshot) -> str:
    """A block for each thing that is timed, in the order of the snapshot."""
    blocks = "".join(_block(timed) for timed in snapshot.latencies)
    return f'<div class="cd-latencies">{blocks}</div>' if blocks else _empty("nothing is timed yet")


def _block(timed: Latency) -> str:
    head = f'<div class="cd-latency-name">{escape(timed.name)}</div>'
    if not timed.count:
        return f'<div class="cd-latency">{head}{_empty("none yet")}</div>'
    figures = "".join(
        f"<span>{name} <b>{formats.duration(value)}</b></span>"
        for name, value in (("p50", timed.p50_ms), ("p99", timed.p99_ms), ("max", timed.max_ms))
    )
    return (
        f'<div class="cd-latency">{head}'
        f'<div class="cd-latency-figures"><span>n <b>{timed.count:,}</b></span>{figures}</div>'
        f'<div class="cd-hist-frame" style="max-width:{max(LEAST_PX, BAR_PX * len(timed.buckets))}px">'
        f'<div class="cd-hist">{_bars(timed)}</div>{_axis(timed)}</div></div>'
    )


def _bars(timed: Latency) -> str:
    most = max(count for _, count in timed.buckets)
    return "".join(
        f'<i style="height:{_height(count, most):.0f}%" title="up to {formats.duration(bound)}: {count}"></i>'
        for bound, count in timed.buckets
    )


def _height(count: int, most: int) -> float:
    return 100 * max(count / most, LEAST_SHARE) if count else 0.0


def _axis(timed: Latency) -> str:
    """The first, the middle and the last bucket's upper bound, each once."""
    bounds = [min(bound, timed.max_ms) for bound, _ in timed.buckets]
    texts = [formats.duration(bound) for bound in (bounds[0], bounds[len(bounds) // 2], bounds[-1])]
    spans = "".join(f"<span>{text}</span>" for text in dict.fromkeys(texts))
    return f'<div class="cd-hist-axis">{spans}</div>'


def _empty(words: str) -> str:
    return f'<div class="cd-empty">{escape(words)}</div>'
