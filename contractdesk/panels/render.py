"""A snapshot as text and as HTML, for notebooks without widgets: headless, untrusted, exported.

Nothing here imports Jupyter.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from html import escape
from typing import Any, Final

from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import formats, gist, grids
from contractdesk.panels.base import DeskFace
from contractdesk.panels.grid import Grid, html_grid, text_grid

_BADGE: Final = "border:1px solid;border-radius:3px;padding:0 5px;font-weight:bold"


def text_of(snapshot: DeskSnapshot, *, name: str = "desk", label: str = "", tz: str = "UTC") -> str:
    """The desk in plain text: a status line, the positions, what is open, what was refused."""
    zone, head = formats.zone_of(tz), f"{name} {label}".strip()
    reason = f" ({snapshot.state_reason})" if snapshot.state_reason else ""
    values = "  ".join(f"{item.name} {item.text}" for item in gist.items(snapshot))
    lines = [f"{head}  {snapshot.state.value}{reason}  {values}  {_when(snapshot, zone)}"]
    return "\n".join([*lines, *(text_grid(grid) for grid in _told(snapshot, zone))])


def html_of(snapshot: DeskSnapshot, *, name: str = "desk", label: str = "", tz: str = "UTC") -> str:
    """The desk in HTML that needs no script, no style sheet and no trust."""
    zone = formats.zone_of(tz)
    values = " &middot; ".join(f"{escape(i.name)} <b>{escape(i.text)}</b>" for i in gist.items(snapshot))
    reason = f" ({escape(snapshot.state_reason)})" if snapshot.state_reason else ""
    badge = f'<span style="{_BADGE}">{escape(label)}</span> ' if label else ""
    head = (
        f"<div>{badge}<b>{escape(name)}</b> &middot; <b>{snapshot.state.value}</b>{reason} &middot; {values}"
        f" &middot; {_when(snapshot, zone)}</div>"
    )
    tables = "".join(
        f'<div style="margin-top:6px"><b>{escape(grid.title)}</b></div>{html_grid(grid, alone=True)}'
        for grid in _told(snapshot, zone)
    )
    return f"<div>{head}{tables}</div>"


def _told(snapshot: DeskSnapshot, zone: tzinfo) -> tuple[Grid, ...]:
    """What a still picture shows: positions always, the rest where there is something."""
    makers = (grids.strategies, grids.orders, grids.fills, grids.refusals)
    rest = (make(snapshot, zone) for make in makers)
    return (grids.positions(snapshot), *(grid for grid in rest if grid.rows))


def _when(snapshot: DeskSnapshot, zone: tzinfo) -> str:
    if snapshot.ts_ns <= 0:
        return "not started"
    ts_ns = snapshot.ts_ns
    return f"{formats.date(ts_ns, zone)} {formats.clock(ts_ns, zone)} {formats.suffix(ts_ns, zone)}"


def bundle_of(desk: DeskFace, widget: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A widget's MIME bundle with the desk's text and HTML beside it; ``widget`` may be None."""
    data, metadata = widget if isinstance(widget, tuple) else (widget or {}, {})
    snapshot, label = desk.snapshot, desk.label if desk.is_open else f"{desk.label} CLOSED"
    words: Mapping[str, str] = {
        "text/plain": text_of(snapshot, name=desk.name, label=label, tz=desk.display_tz),
        "text/html": html_of(snapshot, name=desk.name, label=label, tz=desk.display_tz),
    }
    return {**data, **words}, dict(metadata)
