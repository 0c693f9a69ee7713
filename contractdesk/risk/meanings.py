"""What each risk setting is, in words and units, and which way it loosens: for people who turn it.

Tight and loose are said of what the desk may do: the looser value permits an entry, an order or a wait
that the tighter one refuses. Where neither is so, a change is only a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from msgspec import Struct

from contractdesk.risk.settings import CapBasis, OnTrip


class Looser(Enum):
    """Which values of a setting permit more."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Effect(Enum):
    """What a change of a setting does; the value is the word for it."""

    LOOSENS = "loosens"
    TIGHTENS = "tightens"
    CHANGES = "changes"


class Setting(Struct, frozen=True, kw_only=True):
    """One setting. ``percent``: a fraction that people read as per cent of ``unit``."""

    group: str
    doc: str
    unit: str = ""
    percent: bool = False
    looser: Looser = Looser.HIGHER
    zero_is_off: bool = False  # 0 is no limit, the loosest value there is
    tight_to_loose: tuple[object, ...] = ()  # of a switch or a choice


SIZE: Final = "Size and price"
STOPS: Final = "Stops"
BREAKER: Final = "Breaker and guard"
GATES: Final = "Market gates"
PORTFOLIO: Final = "Whole desk"
DATA: Final = "Data and clock"

_ON_IS_TIGHT: Final = (True, False)
_LOWER: Final = Looser.LOWER
_NEITHER: Final = Looser.NEITHER

SETTINGS: Final[Mapping[str, Setting]] = {
    "size_cap": Setting(
        group=SIZE, percent=True, unit="of equity", doc="a symbol's worst case, orders included"
    ),
    "cap_basis": Setting(
        group=SIZE,
        tight_to_loose=(CapBasis.NOTIONAL, CapBasis.MARGIN),
        doc="what the cap counts: notional, or margin (leverage multiplies what it permits)",
    ),
    "slippage_collar": Setting(
        group=SIZE, percent=True, doc="worst price of a market order, from the far side of the book"
    ),
    "margin_check": Setting(
        group=SIZE, tight_to_loose=_ON_IS_TIGHT, doc="an entry needs free margin for its worst case"
    ),
    "stop_liquidation_buffer": Setting(
        group=STOPS, percent=True, looser=_LOWER, doc="a stop lies at least so far inside liquidation"
    ),
    "stop_deadline_s": Setting(
        group=STOPS, unit="s", doc="a filled contract is under a confirmed stop within this"
    ),
    "flatten_deadline_s": Setting(
        group=STOPS, unit="s", doc="or else it is closed; an alarm where it is still open after this"
    ),
    "trailing": Setting(
        group=STOPS, tight_to_loose=_ON_IS_TIGHT, doc="stops follow the best mark; off: they stay put"
    ),
    "trail_period": Setting(group=STOPS, unit="bars", looser=_NEITHER, doc="closed bars of the trail's ATR"),
    "trail_multiple": Setting(group=STOPS, unit="ATR", doc="how far a stop follows behind the best mark"),
    "trail_timeframe": Setting(
        group=STOPS, looser=_NEITHER, doc="bars of the trail's ATR, e.g. 5m; empty: those of the entry"
    ),
    "trail_min_step": Setting(group=STOPS, unit="ATR", doc="a smaller improvement of a stop is not sent"),
    "breaker_drop": Setting(
        group=BREAKER, percent=True, unit="of equity", doc="lost within the window, halts the desk"
    ),
    "breaker_window_s": Setting(
        group=BREAKER, unit="s", looser=_LOWER, doc="in which the breaker looks for the loss"
    ),
    "on_trip": Setting(
        group=BREAKER,
        tight_to_loose=(OnTrip.FLATTEN, OnTrip.HALT),
        doc="when the breaker trips: halt (positions keep their stops) or flatten",
    ),
    "margin_guard": Setting(
        group=BREAKER, percent=True, unit="of equity", doc="initial margin above which positions are unwound"
    ),
    "margin_guard_period_s": Setting(group=BREAKER, unit="s", doc="between two looks of the margin guard"),
    "funding_gate": Setting(
        group=GATES, percent=True, doc="rates settled in 8 hours, above which no long is entered"
    ),
    "funding_gate_shorts": Setting(
        group=GATES, tight_to_loose=_ON_IS_TIGHT, doc="the same for shorts, below minus that"
    ),
    "open_interest_gate": Setting(
        group=GATES, tight_to_loose=_ON_IS_TIGHT, doc="no entry while open interest falls"
    ),
    "open_interest_drop": Setting(
        group=GATES, percent=True, doc="fall from the highest of the window that refuses an entry"
    ),
    "open_interest_window_s": Setting(
        group=GATES, unit="s", looser=_LOWER, doc="over which the highest open interest is sought"
    ),
    "open_interest_max_age_s": Setting(group=GATES, unit="s", doc="older open interest refuses an entry"),
    "max_gross_exposure": Setting(
        group=PORTFOLIO, percent=True, unit="of equity", zero_is_off=True, doc="all symbols; 0: no limit"
    ),
    "max_entries_per_hour": Setting(
        group=PORTFOLIO,
        unit="an hour",
        zero_is_off=True,
        doc="entries sent, by hand and by strategies; 0: no limit",
    ),
    "max_daily_loss": Setting(
        group=PORTFOLIO,
        percent=True,
        unit="of equity",
        zero_is_off=True,
        doc="since 00:00 UTC, of the equity then; 0: no limit",
    ),
    "max_intents_per_s": Setting(
        group=PORTFOLIO, unit="a second", doc="a strategy that wishes faster is disabled"
    ),
    "account_max_age_s": Setting(group=DATA, unit="s", doc="an older account is read again before an entry"),
    "intent_expiry_s": Setting(
        group=DATA, unit="s", doc="an entry that waits longer for its account expires"
    ),
    "book_max_age_s": Setting(group=DATA, unit="s", doc="no entry on a book not proven alive within this"),
    "mark_max_age_s": Setting(group=DATA, unit="s", doc="no entry on an older mark"),
    "max_loop_lag_ms": Setting(group=DATA, unit="ms", doc="no entry while the desk's loop is later"),
    "max_clock_offset_ms": Setting(
        group=DATA, unit="ms", doc="no entry while the venue's clock is farther off"
    ),
}


def effect(name: str, old: Any, new: Any) -> Effect:
    """What changing the setting from ``old`` to ``new`` does; values of the setting's own type."""
    setting = SETTINGS[name]
    if old == new or (setting.looser is Looser.NEITHER and not setting.tight_to_loose):
        return Effect.CHANGES
    before, after = _looseness(setting, old), _looseness(setting, new)
    return Effect.LOOSENS if after > before else Effect.TIGHTENS


def _looseness(setting: Setting, value: Any) -> Decimal:
    """A number that is the greater, the more the value permits."""
    if setting.tight_to_loose:
        return Decimal(setting.tight_to_loose.index(value))
    number = Decimal(str(value))
    if setting.zero_is_off and not number:
        return Decimal("Infinity")
    return number if setting.looser is Looser.HIGHER else -number
