"""How the figures of a replay read: units always, a true minus sign, a dash for what is not known."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal

NONE = "\u2013"  # an en dash
MINUS = "\u2212"  # as wide as a plus sign
NS_PER_S = 10**9
STABLE = {"USDT", "USDC", "USD", "BUSD", "FDUSD"}
UNITS = ((1e-3, "us", 1e6), (1.0, "ms", 1e3), (120.0, "s", 1.0), (7_200.0, "min", 1 / 60))


def number(value: float | None, places: int = 2, *, signed: bool = False) -> str:
    """``12,345.60``; with a plus sign where ``signed``; zero has no sign."""
    if value is None or not math.isfinite(value):
        return NONE
    digits = f"{abs(value):,.{places}f}"
    if not digits.strip("0.,"):
        return digits
    return f"{MINUS if value < 0 else '+' if signed else ''}{digits}"


def cash_places(asset: str) -> int:
    """Digits of an amount: cents for stablecoins, 6 for coins."""
    return 2 if asset in STABLE else 6


def places_of(step: Decimal) -> int:
    """Digits after the point that a grid of ``step`` needs: 1 for 0.1 and 0.5, 2 for 0.25, 0 for 10."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def money(value: float | None, asset: str, *, signed: bool = False) -> str:
    """``+12.30 USDT``."""
    text = number(value, cash_places(asset), signed=signed)
    return text if text == NONE else f"{text} {asset}"


def percent(fraction: float | None, places: int = 2, *, signed: bool = False) -> str:
    """0.0312 as ``3.12 %``."""
    text = number(None if fraction is None else fraction * 100, places, signed=signed)
    return text if text == NONE else f"{text} %"


def length(span_ns: float | None) -> str:
    """A length of time in the unit that fits: ``25 ms``, ``3.2 s``, ``12 min``, ``5.1 h``, ``3.0 d``."""
    if span_ns is None or not math.isfinite(span_ns):
        return NONE
    seconds = span_ns / NS_PER_S
    if seconds == 0:
        return "0 s"
    for below, unit, factor in UNITS:
        if seconds < below:
            return f"{number(seconds * factor, 1 if unit == 's' else 0)} {unit}"
    hours = seconds / 3600
    return f"{number(hours, 1)} h" if hours < 48 else f"{number(hours / 24, 1)} d"


def moment(ts_ns: int) -> str:
    """``2024-10-18 14:03:07`` (UTC); a dash for 0, which means never."""
    if ts_ns <= 0:
        return NONE
    return f"{datetime.fromtimestamp(ts_ns // NS_PER_S, UTC):%Y-%m-%d %H:%M:%S}"


def count(value: int, one: str, many: str = "") -> str:
    """``1 trip``, ``12 trips``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"
