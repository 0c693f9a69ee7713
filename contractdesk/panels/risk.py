"""Risk gauges: what each rule measures now, its limit, what is left, and what would happen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from html import escape
from typing import Final

from msgspec import Struct

from contractdesk.domain.intents import Finding, Gauge
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import formats

NOTEWORTHY: Final = 0.25  # of its limit: from here a gauge says the limit, not only its tooltip
_QUANTITY: Final = re.compile(r"^\s*(?:<=|>=|<|>)?\s*([+-]?[\d,]*\.?\d+)\s*([^\s\d.,]+)")


class Row(Struct, frozen=True):
    """One rule: ``share`` is found / limit where both begin with a number of one unit, else None."""

    rule: str
    found: str
    limit: str
    passed: bool
    would_pass: str
    left: str
    then: str
    share: float | None


def gauges(snapshot: DeskSnapshot) -> tuple[Row, ...]:
    """What blocks stands first, then the money, then the data; its checks are one line while all pass.

    The symbol is left out where there is only one.
    """
    only = next(iter(snapshot.symbols)) if len(snapshot.symbols) == 1 else ""
    data = [finding for finding in snapshot.risk if _of_the_data(finding) and finding.passed]
    shown = [_gauge(finding, only) for finding in snapshot.risk if finding not in data]
    if data:
        shown.append(_data(data))
    return tuple(sorted(shown, key=lambda gauge: gauge.passed))


def _gauge(finding: Gauge, only: str) -> Row:
    return Row(
        rule=finding.rule.replace("_", " "),
        found=_without(only, finding.found),
        limit=finding.limit,
        passed=finding.passed,
        would_pass=finding.would_pass,
        left=_without(only, finding.left),
        then=_without(only, finding.then),
        share=share_of(finding),
    )


def _data(findings: Sequence[Gauge]) -> Row:
    """The checks of state and data that pass, in one line; the tooltip has their figures."""
    names = "; ".join(f"{finding.rule.removeprefix('freshness_')} {finding.found}" for finding in findings)
    found = f"{len(findings)} of {len(findings)} pass"
    return Row("data", found, names, passed=True, would_pass="", left="", then="", share=None)


def _of_the_data(finding: Finding) -> bool:
    return finding.rule.startswith("freshness_") or finding.rule == "trading_state"


def _without(only: str, text: str) -> str:
    """The text without the only symbol in front of it, and with its base for its name elsewhere."""
    return text.removeprefix(f"{only}: ").replace(only, only.partition("/")[0]) if only else text


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


def _html_gauge(gauge: Row) -> str:
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
        f"{limit}{hint}{_ahead(gauge)}</div>"
    )


def _ahead(gauge: Row) -> str:
    """What is left, and what would happen then, where that is more than a refusal."""
    refuses = gauge.then.endswith("would be refused")
    left = gauge.left if gauge.left.startswith("moves at") else f"left {gauge.left}"
    words = [left if gauge.left else "", f"then {gauge.then}" if gauge.then and not refuses else ""]
    text = " \u00b7 ".join(word for word in words if word)
    return f'<div class="cd-gauge-ahead">{escape(text)}</div>' if text else ""
