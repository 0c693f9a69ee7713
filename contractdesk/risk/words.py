"""Findings in a person's words: numbers with units, never rounded to the safe side."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from contractdesk.domain.intents import Finding

_COINLIKE_DIGITS, _CASHLIKE_DIGITS = 8, 2
_CASHLIKE = frozenset({"USD", "USDT", "USDC", "BUSD", "FDUSD", "USDE", "EUR"})


def passed(rule: str, found: str, limit: str) -> Finding:
    return Finding(rule=rule, found=found, limit=limit, passed=True)


def failed(rule: str, found: str, limit: str, advice: str) -> Finding:
    """A finding of a rule that refuses; ``advice`` is what would pass."""
    return Finding(rule=rule, found=found, limit=limit, passed=False, would_pass=advice)


def judged(rule: str, found: str, limit: str, advice: str, *, ok: bool) -> Finding:
    return passed(rule, found, limit) if ok else failed(rule, found, limit, advice)


def percent(part: Fraction | Decimal, whole: Fraction | Decimal, *, up: bool = True) -> str:
    """``part`` of ``whole``: "3.12 %"; rounded up, so that a breach never reads as the limit."""
    if whole <= 0:
        return "n/a"
    return f"{_rounded(Fraction(part) / Fraction(whole) * 100, 2, up=up)} %"


def money(amount: Fraction | Decimal, asset: str, *, up: bool = True) -> str:
    """An amount with its asset: "312.00 USDT", "0.00480000 BTC"."""
    digits = _CASHLIKE_DIGITS if asset in _CASHLIKE else _COINLIKE_DIGITS
    return f"{_rounded(Fraction(amount), digits, up=up)} {asset}"


def number(value: Decimal) -> str:
    """A price or a size without trailing zeros: "0.010" is "0.01", "61000.0" is "61000"."""
    return f"{value.normalize():f}"


def seconds(age_ns: int) -> str:
    """An age: "3.2 s old"."""
    return f"{age_ns / 1e9:.1f} s old"


def _rounded(value: Fraction, digits: int, *, up: bool) -> Decimal:
    scaled = value * 10**digits
    whole = -(-scaled.numerator // scaled.denominator) if up else scaled.numerator // scaled.denominator
    return Decimal(whole).scaleb(-digits)
