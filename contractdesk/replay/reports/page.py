"""The report of a replay: one HTML file that needs no other, a short HTML for a notebook, and text.

Nothing is fetched and nothing runs: the charts are SVG, the style sheet stands in the page.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from contractdesk.domain.commands import Severity
from contractdesk.replay.reports import tables
from contractdesk.replay.reports.charts import charts_of, spark_of
from contractdesk.replay.reports.wording import count, length, moment, money, number, percent
from contractdesk.replay.setup import STRATEGY_IDS

if TYPE_CHECKING:
    from contractdesk.replay.result import Result

MOST_ALARMS = 5  # in a summary; the page has a table of all
_STYLE = Path(__file__).with_name("page.css")


def page_of(result: Result) -> str:
    """The whole report."""
    figures = result.metrics
    lists = (
        tables.trips,
        tables.shares,
        tables.slippage,
        tables.refusals,
        tables.notices,
        tables.payments,
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(_title(result))}</title>"
        f"<style>\n{_STYLE.read_text(encoding='utf-8')}</style></head><body>"
        f"{_head(result)}{_tiles(result)}{_alarms(result)}"
        f"<h2>Charts</h2>{charts_of(result)}"
        f"<h2>Figures</h2>{tables.figures(figures.lines())}"
        f"<h2>Tables</h2>{''.join(table(result) for table in lists)}"
        f"<h2>What was assumed</h2>{_list(result.assumptions)}"
        "</body></html>\n"
    )


def brief_of(result: Result) -> str:
    """A summary for a notebook's cell: no style sheet, no script."""
    facts = " &middot; ".join(f"{escape(name)} <b>{escape(text)}</b>" for name, text in _gist(result))
    return (
        f"<div><b>{escape(_title(result))}</b><br>{escape(_when(result))}</div>"
        f"<div>{spark_of(result)}</div><div>{facts}</div>{_alarms(result)}"
        "<div><small>more: <code>.metrics .trips .equity .slippage .protection .refusals "
        ".assumptions</code>, <code>.to_html(path)</code>, <code>cd.charts(result)</code></small></div>"
    )


def text_of(result: Result) -> str:
    """Three lines for a terminal, and what went wrong."""
    facts = "  ".join(f"{name} {text}" for name, text in _gist(result))
    alarms = "".join(f"\n  ALARM {line}" for line in _alarm_lines(result))
    return f"{_title(result)}\n  {_when(result)}\n  {facts}{alarms}"


def _alarm_lines(result: Result) -> list[str]:
    """The last few things that a person should not miss."""
    alarms = [
        f"{moment(at)} {notice.message}"
        for at, notice in result.outcome.notices
        if notice.severity is Severity.ALARM
    ]
    left_out = len(alarms) - MOST_ALARMS
    return alarms[-MOST_ALARMS:] + ([f"and {left_out:,} before these"] if left_out > 0 else [])


def _alarms(result: Result) -> str:
    lines = "".join(f"<br><b>ALARM</b> {escape(line)}" for line in _alarm_lines(result))
    return f"<div>{lines}</div>" if lines else ""


def _title(result: Result) -> str:
    return f"Replay of {', '.join(dict.fromkeys(type(each).__name__ for each in result.setup.strategies))}"


def _when(result: Result) -> str:
    outcome, names = result.outcome, ", ".join(each.symbol for each in result.setup.instruments)
    span = length(outcome.end_ns - outcome.start_ns)
    return f"{names}, {moment(outcome.start_ns)} to {moment(outcome.end_ns)} UTC ({span})"


def _head(result: Result) -> str:
    strategies = "".join(
        f"<p><code>{escape(STRATEGY_IDS.format(place=place))}: {escape(repr(each))}</code></p>"
        for place, each in enumerate(result.setup.strategies)
    )
    start = money(float(result.setup.balance), result.setup.asset)
    return (
        f"<h1>{escape(_title(result))}</h1>"
        f'<p class="muted">{escape(_when(result))} · starts with {escape(start)}</p>{strategies}'
    )


def _gist(result: Result) -> tuple[tuple[str, str], ...]:
    """The few figures that one asks for first."""
    m = result.metrics
    return (
        ("net", f"{money(m.net_profit, m.asset, signed=True)}"),
        ("return", percent(m.total_return, signed=True)),
        ("max drawdown", percent(m.drawdown.fraction)),
        ("Sharpe a year", number(m.sharpe)),
        ("round trips", f"{m.trips:,}"),
        ("won", percent(m.win_rate, 1)),
        ("profit factor", number(m.profit_factor)),
        ("in a position", percent(m.time_in_position, 1)),
        ("fees", money(m.fees, m.asset)),
        ("funding", money(m.funding, m.asset, signed=True)),
        ("under a stop", percent(m.under_stop, 4)),
        ("refused", count(m.refusals, "intent")),
    )


def _tiles(result: Result) -> str:
    tiles = "".join(
        f'<div class="tile"><span>{escape(name)}</span><b>{escape(text)}</b></div>'
        for name, text in _gist(result)
    )
    return f'<div class="tiles">{tiles}</div>'


def _list(lines: tuple[str, ...]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
