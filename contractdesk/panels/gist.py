"""The desk in one line: what the status bar, the text and the HTML pictures say alike."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

from msgspec import Struct

from contractdesk.domain.views import DeskSnapshot, GuardianState, PositionRow, TradingState
from contractdesk.panels import formats
from contractdesk.panels.grid import Tone

LAG_WARN_MS: Final = 250.0
LAG_ALARM_MS: Final = 2_000.0
FEED_WARN_MS: Final = 1_000.0
FEED_ALARM_MS: Final = 2_000.0  # the freshness rule refuses entries from here
MARGIN_WARN: Final = Decimal("0.6")
MARGIN_ALARM: Final = Decimal("0.85")  # the margin guard's limit

EXTERNAL: Final = "external"
STATE_TONE: Final = {
    TradingState.ACTIVE: Tone.BUY,
    TradingState.REDUCING: Tone.WARN,
    TradingState.HALTED: Tone.ALARM,
}


class Item(Struct, frozen=True):
    """One named value of the status line."""

    key: str
    name: str
    text: str
    tone: Tone = Tone.PLAIN


def items(snapshot: DeskSnapshot) -> tuple[Item, ...]:
    """Equity, uPnL, margin, protection, feed and lag, in the order of the status bar; then what is amiss."""
    places = formats.cash_places(snapshot.asset)
    pnl = snapshot.unrealized_pnl
    pnl_tone = Tone.GAIN if pnl > 0 else Tone.LOSS if pnl < 0 else Tone.PLAIN
    return (
        Item("equity", "Equity", f"{formats.fixed(snapshot.equity, places)} {snapshot.asset}"),
        Item("upnl", "uPnL", formats.signed(pnl, places), pnl_tone),
        _margin(snapshot),
        protection(snapshot),
        _feed(snapshot),
        _lag(snapshot.loop_lag_ms),
        *_guardian(snapshot),
    )


def _margin(snapshot: DeskSnapshot) -> Item:
    ratio = snapshot.margin_ratio
    tone = Tone.PLAIN
    if ratio is None or ratio > MARGIN_ALARM:
        tone = Tone.ALARM if snapshot.equity or snapshot.initial_margin else Tone.PLAIN
    elif ratio > MARGIN_WARN:
        tone = Tone.WARN
    return Item("margin", "Margin", formats.percent(ratio), tone)


def ours(row: PositionRow) -> bool:
    """False for a position that was opened elsewhere and is left alone: it needs no stop of ours."""
    return row.origin != EXTERNAL


def protection(snapshot: DeskSnapshot) -> Item:
    """``protected 100 %``, ``naked 0.4 s``, or ``flat``: of our own contracts."""
    if not any(row.size and ours(row) for row in snapshot.positions):
        return Item("protection", "Protection", "flat")
    if snapshot.naked_s > 0:
        return Item("protection", "Protection", f"naked {snapshot.naked_s:.1f} s", Tone.ALARM)
    share = snapshot.protected_fraction
    whole = share >= 1
    return Item(
        "protection",
        "Protection",
        f"protected {formats.percent(share, 0 if whole else 1)}",
        Tone.BUY if whole else Tone.ALARM,
    )


def _guardian(snapshot: DeskSnapshot) -> tuple[Item, ...]:
    """Nothing while it watches, or while there is none by choice."""
    if snapshot.guardian is not GuardianState.AWAY:
        return ()
    return (Item("guardian", "Guardian", "away: no entries", Tone.ALARM),)


def _feed(snapshot: DeskSnapshot) -> Item:
    """The oldest feed of what is watched; the private stream when that is what is missing."""
    if not snapshot.symbols:
        return Item("feed", "Feed", formats.NONE)
    if not snapshot.private_stream_ready:
        return Item("feed", "Feed", "private stream down", Tone.ALARM)
    if not any(view.watched for view in snapshot.symbols.values()):
        return Item("feed", "Feed", formats.NONE)
    age_ms = feed_age_ms(snapshot)
    if age_ms is None:
        return Item("feed", "Feed", formats.NONE, Tone.ALARM)
    return Item("feed", "Feed", formats.duration(age_ms), _graded(age_ms, FEED_WARN_MS, FEED_ALARM_MS))


def feed_age_ms(snapshot: DeskSnapshot) -> float | None:
    """Of the oldest feed that is watched; None: none is, or one has not come yet."""
    oldest = max((view.feed_age_ms for view in snapshot.symbols.values() if view.watched), default=math.inf)
    return oldest if math.isfinite(oldest) else None


def _lag(lag_ms: float) -> Item:
    return Item("lag", "Loop lag", formats.duration(lag_ms), _graded(lag_ms, LAG_WARN_MS, LAG_ALARM_MS))


def _graded(value: float, warn: float, alarm: float) -> Tone:
    return Tone.ALARM if value > alarm else Tone.WARN if value > warn else Tone.PLAIN
