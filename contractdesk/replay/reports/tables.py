"""The tables of a report, as HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from contractdesk.domain.instrument import Instrument
from contractdesk.replay.columns import rows_of, whole_ns
from contractdesk.replay.reports.summary import Line
from contractdesk.replay.reports.trips import OPEN
from contractdesk.replay.reports.wording import cash_places, length, moment, number, percent, places_of

if TYPE_CHECKING:
    import pandas as pd

    from contractdesk.replay.result import Result

MOST_ROWS = 1_000


class Column(Struct, frozen=True):
    """A column of a table: ``say`` makes text of a value; None: it is text already."""

    title: str
    say: Callable[[Any], str] | None = None
    toned: bool = False  # coloured by its sign, which is written too


def table_of(
    columns: Sequence[Column], rows: Sequence[Sequence[Any]], caption: str, *, all_: int | None = None
) -> str:
    """A table that scrolls; where ``all_`` is more than ``rows``, the caption says so."""
    if not rows:
        return f'<p class="muted">{escape(caption)}: none</p>'
    left_out = "" if all_ is None or all_ == len(rows) else f" (the last {len(rows):,} of {all_:,})"
    head = "".join(
        f'<th scope="col" class="num">{escape(each.title)}</th>'
        if each.say
        else f'<th scope="col">{escape(each.title)}</th>'
        for each in columns
    )
    body = "".join(
        f"<tr>{''.join(_cell(column, value) for column, value in zip(columns, row, strict=True))}</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table><caption>{escape(caption + left_out)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(column: Column, value: Any) -> str:
    if column.say is None:
        return f"<td>{escape(str(value))}</td>"
    tone = (" gain" if value > 0 else " loss" if value < 0 else "") if column.toned else ""
    return f'<td class="num{tone}">{escape(column.say(value))}</td>'


def figures(lines: Iterable[Line]) -> str:
    """All metrics, a table a group; each row's ``data-name`` is the field."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.group, []).append(line)
    return '<div class="groups">' + "".join(map(_group, groups.items())) + "</div>"


def _group(group: tuple[str, Sequence[Line]]) -> str:
    name, lines = group
    rows = "".join(
        f'<tr data-name="{line.name}"><td>{escape(line.title)}</td>'
        f'<td class="num">{escape(line.text)}</td></tr>'
        for line in lines
    )
    return f"<table><caption>{escape(name)}</caption><tbody>{rows}</tbody></table>"


# -- each table ---------------------------------------------------------------------------------


def trips(result: Result) -> str:
    """Round trips, with how long each one had no stop."""
    asset, places = result.setup.asset, cash_places(result.setup.asset)

    def cash(value: float) -> str:
        return number(value, places, signed=True)

    frame = result.trips.assign(naked=result.protection["naked"])
    shown = frame.iloc[-MOST_ROWS:]
    grids = {each.symbol: _on_grid(each) for each in result.setup.instruments}
    opened, held, naked = (whole_ns(shown[name]) for name in ("opened", "held", "naked"))
    columns = (
        Column("opened (UTC)"), Column("contract"), Column("direction"), Column("size", _as_it_is),
        Column("entry", _as_it_is), Column("exit", _as_it_is), Column("before fees", cash),
        Column("fees", lambda fee: number(fee, places)), Column("funding", cash),
        Column(f"net, {asset}", cash, toned=True), Column("held", length), Column("without stop", length),
        Column("ended by"),
    )  # fmt: skip
    rows = [
        (moment(int(at)), row.symbol, row.direction, *grids[row.symbol](row), row.profit,
         row.fees, row.funding, row.net, int(lived), int(bare),
         "still open" if row.exit == OPEN else row.exit)
        for at, lived, bare, row in zip(opened, held, naked, rows_of(shown), strict=True)
    ]  # fmt: skip
    return table_of(columns, rows, f"Round trips, money in {asset}", all_=len(frame))


def slippage(result: Result) -> str:
    """By the role of the order: what was paid, and which part of it the model has assumed."""
    asset = result.setup.asset

    def ticks(value: float) -> str:
        return number(value, signed=True)

    def cash(value: float) -> str:
        return number(value, cash_places(asset), signed=True)

    columns = (
        Column("order"), Column("taking fills", lambda n: f"{n:,}"), Column("ticks a fill", ticks),
        Column("assumed", ticks), Column("moved until filled", ticks), Column("worst, ticks", ticks),
        Column("bps a fill", ticks), Column(f"cost, {asset}", cash),
        Column("order to fill", lambda ms: length(ms * 1e6)),
    )  # fmt: skip
    rows = [
        (role, len(own), own["ticks"].mean(), own["assumed_ticks"].mean(), own["moved_ticks"].mean(),
         own["ticks"].max(), own["bps"].mean(), own["cost"].sum(), own["latency_ms"].mean())
        for role, own in result.slippage.groupby("role")
    ]  # fmt: skip
    return table_of(columns, rows, "Slippage of taking fills; + is against us")


def refusals(result: Result) -> str:
    """How often each rule has refused, and the last of what it found."""
    columns = (
        Column("rule"), Column("times", lambda n: f"{n:,}"), Column("last at (UTC)"), Column("contract"),
        Column("found"), Column("limit"), Column("would pass"),
    )  # fmt: skip
    rows = []
    for rule, own in result.refusals.groupby("rule"):
        last = own.iloc[-1]
        at = moment(int(last["time"].value))
        rows.append((rule, len(own), at, last["symbol"], last["found"], last["limit"], last["would_pass"]))
    return table_of(columns, rows, "Refused by rules")


def payments(result: Result) -> str:
    """Funding that was settled."""
    asset, all_ = result.setup.asset, result.outcome.payments
    columns = (
        Column("settled (UTC)"), Column("contract"),
        Column(f"received, {asset}", lambda v: number(v, cash_places(asset) + 2, signed=True), toned=True),
    )  # fmt: skip
    rows = [(moment(each.venue_ns), each.symbol, float(each.amount)) for each in all_[-MOST_ROWS:]]
    return table_of(columns, rows, "Funding payments", all_=len(all_))


def notices(result: Result) -> str:
    """What the desk would have told a person, by its code."""
    found: dict[tuple[str, str], tuple[int, int, str]] = {}
    for at, notice in result.outcome.notices:
        key = (notice.severity.value, notice.code)
        found[key] = (found.get(key, (0,))[0] + 1, at, notice.message)
    columns = (
        Column("severity"), Column("code"), Column("times", lambda n: f"{n:,}"), Column("last at (UTC)"),
        Column("last"),
    )  # fmt: skip
    rows = [(*key, times, moment(at), message) for key, (times, at, message) in found.items()]
    return table_of(columns, rows, "Told on the way")


def shares(result: Result) -> str:
    """By strategy, contract and direction: where the net comes from."""
    asset, places = result.setup.asset, cash_places(result.setup.asset)

    def cash(value: float) -> str:
        return number(value, places, signed=True)

    columns = (
        Column("strategy"), Column("contract"), Column("direction"),
        Column("round trips", lambda n: f"{n:,}"), Column("won", lambda share: percent(share, 1)),
        Column("fees", lambda fee: number(fee, places)),
        Column("funding", cash), Column(f"net, {asset}", cash, toned=True),
    )  # fmt: skip
    groups: Iterable[tuple[Any, pd.DataFrame]] = result.trips.groupby(["strategy", "symbol", "direction"])
    rows = [
        (*name, len(own), (own["net"] > 0).mean(), own["fees"].sum(), own["funding"].sum(), own["net"].sum())
        for name, own in groups
    ]
    return table_of(columns, rows, f"Where it comes from, money in {asset}")


def _as_it_is(text: str) -> str:
    return text


def _on_grid(terms: Instrument) -> Callable[[Any], tuple[str, str, str]]:
    """Says a trip's size and average prices with the contract's digits."""
    price, size = places_of(terms.tick_size), places_of(terms.lot_size)
    return lambda trip: (
        number(trip.size, size),
        number(trip.entry_price, price),
        number(trip.exit_price, price),
    )
