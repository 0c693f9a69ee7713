"""What can be shown as a page of HTML: its title, what its tab counts, and what stands on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from enum import Enum
from typing import Final

from msgspec import Struct

from contractdesk.domain.commands import Severity
from contractdesk.domain.histories import HOUR_NS
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import funding, grids
from contractdesk.panels.grid import Grid, html_grid
from contractdesk.panels.latency import html_latency
from contractdesk.panels.memo import Memo
from contractdesk.panels.risk import html_gauges, summary


class Page(Enum):
    """A page; the value names the trait that carries it."""

    POSITIONS = "positions"
    ORDERS = "orders"
    FILLS = "fills"
    REFUSALS = "refusals"
    STRATEGIES = "strategies"
    FUNDING = "funding"
    LOG = "log"
    LATENCY = "latency"
    RISK = "risk"


class Sheet(Struct, frozen=True):
    """A page at one moment; ``loud``: its tab is to be noticed."""

    title: str
    count: int
    html: str
    loud: bool = False


Maker = Callable[[DeskSnapshot, tzinfo], Sheet]


def _positions(snapshot: DeskSnapshot, zone: tzinfo) -> Sheet:
    held = sum(bool(row.size) for row in snapshot.positions)
    return _sheet(grids.positions(snapshot, zone), held)


def _orders(snapshot: DeskSnapshot, zone: tzinfo) -> Sheet:
    return _sheet(grids.orders(snapshot, zone), sum(order.status.open for order in snapshot.orders))


def _fills(snapshot: DeskSnapshot, zone: tzinfo) -> Sheet:
    return _sheet(grids.fills(snapshot, zone))


def _refusals(snapshot: DeskSnapshot, zone: tzinfo) -> Sheet:
    return _sheet(grids.refusals(snapshot, zone))


def _strategies(snapshot: DeskSnapshot, zone: tzinfo) -> Sheet:
    return _sheet(grids.strategies(snapshot, zone))


def _funding(snapshot: DeskSnapshot, zone: tzinfo) -> Sheet:
    """The ledger, and under it the payments, which the tab counts."""
    paid = funding.payments(snapshot, zone)
    html = (
        f"{html_grid(funding.funding_ledger(snapshot, zone))}"
        f'<div class="cd-subtitle">{paid.title}</div>{html_grid(paid)}'
    )
    return Sheet("Funding", paid.total, html)


def _log(snapshot: DeskSnapshot, zone: tzinfo) -> Sheet:
    alarm = any(notice.severity is Severity.ALARM for notice in snapshot.notices)
    return _sheet(grids.notices(snapshot, zone), loud=alarm)


def _latency(snapshot: DeskSnapshot, _zone: tzinfo) -> Sheet:
    return Sheet("Latency", 0, html_latency(snapshot))


def _risk(snapshot: DeskSnapshot, _zone: tzinfo) -> Sheet:
    blocking = sum(not finding.passed for finding in snapshot.risk)
    return Sheet(summary(snapshot), 0, html_gauges(snapshot), loud=bool(blocking))


def _sheet(grid: Grid, count: int | None = None, *, loud: bool = False) -> Sheet:
    return Sheet(grid.title, grid.total if count is None else count, html_grid(grid), loud)


_MAKERS: Final[Mapping[Page, Maker]] = {
    Page.POSITIONS: _positions,
    Page.ORDERS: _orders,
    Page.FILLS: _fills,
    Page.REFUSALS: _refusals,
    Page.STRATEGIES: _strategies,
    Page.FUNDING: _funding,
    Page.LOG: _log,
    Page.LATENCY: _latency,
    Page.RISK: _risk,
}

TABLES: Final = tuple(page for page in Page if page is not Page.RISK)  # behind tabs; the gauges stand alone


QUARTER_NS: Final = HOUR_NS // 4  # days and clocks change on a quarter of an hour, wherever that is

# What a page is made of, where that changes seldom; the others are made of the market, and change each time.
_PARTS: Final[Mapping[Page, Callable[[DeskSnapshot], object]]] = {
    Page.ORDERS: lambda snapshot: snapshot.orders,
    Page.FILLS: lambda snapshot: snapshot.fills,
    Page.REFUSALS: lambda snapshot: snapshot.refusals,
    Page.STRATEGIES: lambda snapshot: snapshot.strategies,
    Page.LOG: lambda snapshot: snapshot.notices,
    Page.LATENCY: lambda snapshot: snapshot.latencies,
}


class Sheets:
    """The pages of one panel: each is made anew when what stands on it has changed."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._made: dict[Page, Memo[object, Sheet]] = {page: Memo() for page in pages}

    def of(self, snapshot: DeskSnapshot, zone: tzinfo) -> dict[Page, Sheet]:
        # Beside its part a page shows the terms' digits, and says which day and which summer time it is.
        terms = tuple(view.instrument for view in snapshot.symbols.values())
        common = (terms, snapshot.asset, snapshot.ts_ns // QUARTER_NS)
        return {page: self._sheet(page, snapshot, zone, common) for page in self._made}

    def _sheet(self, page: Page, snapshot: DeskSnapshot, zone: tzinfo, common: object) -> Sheet:
        part = _PARTS.get(page)
        if part is None:
            return sheet_of(page, snapshot, zone)
        return self._made[page].of((part(snapshot), common), lambda: sheet_of(page, snapshot, zone))


def sheet_of(page: Page, snapshot: DeskSnapshot, zone: tzinfo) -> Sheet:
    """``page`` of ``snapshot``, with times in ``zone``."""
    return _MAKERS[page](snapshot, zone)
