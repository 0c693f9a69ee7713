"""Risk gauges: what each rule measures now, beside its limit."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from html import escape
from typing import Final

from msgspec import Struct

from contractdesk.domain.intents import Finding
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import formats

NOTEWORTHY: Final = 0.25  # of its limit: from here a gauge says the limit, not only its tooltip
_QUANTITY: Final = re.compile(r"^\s*(?:<=|>=|<|>)?\s*([+-]?[\d,]*\.?\d+)\s*([^\s\d.,]+)")


class Gauge(Struct, frozen=True):
    """One rule: ``share`` is found / limit where both begin with a number of one unit, else None."""

    rule: str
    found: str
    limit: str
    passed: bool
    would_pass: str
    share: float | None


def gauges(snapshot: DeskSnapshot) -> tuple[Gauge, ...]:
    """What blocks stands first; the symbol is left out where there is only one."""
    only = f"{next(iter(snapshot.symbols))}: " if len(snapshot.symbols) == 1 else ""
    shown = [
        Gauge(
            rule=finding.rule.replace("_", " "),
            found=finding.found.removeprefix(only),
            limit=finding.limit,
            passed=finding.passed,
            would_pass=finding.would_pass,
            share=share_of(finding),
        )
        for finding in snapshot.risk
    ]
    return tuple(sorted(shown, key=lambda gauge: gauge.passed))


def share_of(finding: Finding) -> float | None:
    """How much of its limit a finding uses, cut to 0..1; None for prices and words."""
    found, limit = _quantity(finding.found), _quantity(finding.limit)
    if found is None or limit is None or found[1] != limit[1] or limit[0] <= 0:
        return None
    return float(min(max(found[0] / limit[0], Decimal(0)), Decimal(1)))


def _quantity(text: str) -> tuple[Decimal, str] | None:
    """``BTC/USDT:USDT: 2.81 % of equity`` as (2.81, "%"); None without a number and a unit in front."""
    match = _QUANTITY.match(text.replace(formats.MINUS, "-").rpartition(": ")[2])
    if match is None:
        return None
    try:
        return Decimal(match[1].replace(",", "")), match[2]
    except InvalidOperation:
        return None


def html_gauges(snapshot: DeskSnapshot) -> str:
    shown = gauges(snapshot)
    if not shown:
        return '<div class="cd-empty">no rule has measured yet</div>'
    return "".join(_html_gauge(gauge) for gauge in shown)


def _html_gauge(gauge: Gauge) -> str:
    state, sign = ("ok", "\u2713") if gauge.passed else ("blocks", "\u2715")
    bar = ""
    if gauge.share is not None:
        bar = f'<div class="cd-bar"><div style="width:{gauge.share * 100:.0f}%"></div></div>'
    hint = ""
    if gauge.would_pass and not gauge.passed:
        hint = f'<div class="cd-gauge-hint">passes with {escape(gauge.would_pass)}</div>'
    limit = ""
    if not gauge.passed or (gauge.share or 0.0) >= NOTEWORTHY:
        limit = f'<div class="cd-gauge-limit">{escape(gauge.limit)}</div>'
    return (
        f'<div class="cd-gauge cd-gauge-{state}" title="limit: {escape(gauge.limit)}">'
        f'<div class="cd-gauge-line">'
        f'<span class="cd-gauge-rule">{sign} {escape(gauge.rule)}</span>'
        f'<span class="cd-gauge-found">{escape(gauge.found)}</span></div>{bar}'
        f"{limit}{hint}</div>"
    )
