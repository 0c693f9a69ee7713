"""How long orders take, as histograms: a bar a bucket, on a logarithmic axis of time."""

from __future__ import annotations

from html import escape
from typing import Final

from contractdesk.domain.views import DeskSnapshot, Latency
from contractdesk.panels import formats

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
        f'<div class="cd-hist">{_bars(timed)}</div>{_axis(timed)}</div>'
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
    """The first, the middle and the last bucket's upper bound."""
    bounds = [bound for bound, _ in timed.buckets]
    shown = (bounds[0], bounds[len(bounds) // 2], min(bounds[-1], timed.max_ms))
    return (
        '<div class="cd-hist-axis">'
        + "".join(f"<span>{formats.duration(b)}</span>" for b in shown)
        + "</div>"
    )


def _empty(words: str) -> str:
    return f'<div class="cd-empty">{escape(words)}</div>'
