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
NEAR: Final = 0.75  # of its limit: from here it warns
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
    return finding.rule.startswith("freshness_") or finding.rule in ("trading_state", "margin_mode")


def _without(only: str, text: str) -> str:
    """The text without the only symbol in front of it, and with its base for its name elsewhere."""
    return text.removeprefix(f"{only}: ").replace(only, only.partition("/")[0]) if only else text


def share_of(finding: Finding) -> float | None:
    """How much of its limit a finding uses, cut to 0..1; None for prices and words.

    A limit below zero is one for losses: a found profit uses none of it.
    """
    found, limit = _quantity(finding.found), _quantity(finding.limit)
    if found is None or limit is None or found[1] != limit[1] or not limit[0]:
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


def summary(snapshot: DeskSnapshot) -> str:
    """``Risk: 1 blocking``, or ``Risk``."""
    blocking = sum(not finding.passed for finding in snapshot.risk)
    return f"Risk: {blocking} blocking" if blocking else "Risk"


def html_gauges(snapshot: DeskSnapshot) -> str:
    shown = gauges(snapshot)
    if not shown:
        return '<div class="cd-empty">no rule has measured yet</div>'
    return "".join(_html_gauge(gauge) for gauge in shown)


def _html_gauge(gauge: Row) -> str:
    sign = "\u2713" if gauge.passed else "\u2715"
    return (
        f'<div class="cd-gauge cd-gauge-{_state(gauge)}" title="limit: {escape(gauge.limit)}">'
        f'<div class="cd-gauge-line"><span class="cd-gauge-rule">{sign} {escape(gauge.rule)}</span>'
        f'<span class="cd-gauge-found">{escape(gauge.found)}</span></div>'
        f"{_bar(gauge)}{_line('limit', _limit(gauge))}{_line('hint', _hint(gauge))}"
        f"{_line('ahead', _ahead(gauge))}</div>"
    )


def _state(gauge: Row) -> str:
    if not gauge.passed:
        return "blocks"
    return "near" if (gauge.share or 0.0) >= NEAR else "ok"


def _bar(gauge: Row) -> str:
    if gauge.share is None:
        return ""
    return f'<div class="cd-bar"><div style="width:{gauge.share * 100:.0f}%"></div></div>'


def _line(kind: str, text: str) -> str:
    return f'<div class="cd-gauge-{kind}">{escape(text)}</div>' if text else ""


def _limit(gauge: Row) -> str:
    return gauge.limit if not gauge.passed or (gauge.share or 0.0) >= NOTEWORTHY else ""


def _hint(gauge: Row) -> str:
    return f"passes with {gauge.would_pass}" if gauge.would_pass and not gauge.passed else ""


def _ahead(gauge: Row) -> str:
    """What is left, and what would happen then, where that is more than a refusal."""
    refuses = gauge.then.endswith("would be refused")
    left = gauge.left if gauge.left.startswith("moves at") else f"left {gauge.left}"
    words = [left if gauge.left else "", f"then {gauge.then}" if gauge.then and not refuses else ""]
    return " \u00b7 ".join(word for word in words if word)
