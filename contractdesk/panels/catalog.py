"""Every panel of a desk by name: ``desk.panels.ladder()``, ``desk.panels.console()``.

Widgets and bqplot are imported by the first call, never before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from contractdesk.panels.base import DeskFace, Panel
from contractdesk.panels.focus import Focus
from contractdesk.panels.pump import THE_PUMP

if TYPE_CHECKING:
    from contractdesk.panels.depth import DepthChart
    from contractdesk.panels.equity import EquityChart
    from contractdesk.panels.ladder import Ladder
    from contractdesk.panels.layout import Console
    from contractdesk.panels.price import PriceChart
    from contractdesk.panels.status import Status
    from contractdesk.panels.tables import Page, Tables

P = TypeVar("P", bound=Panel)


class Panels:
    """The windows of one desk. Each call opens a new one; ``console`` shows the desk's only one."""

    def __init__(self, desk: DeskFace) -> None:
        self._desk = desk

    def __repr__(self) -> str:
        names = [name for name in vars(type(self)) if not name.startswith("_") and name != "flush"]
        return f"panels of {self._desk.name!r}: " + ", ".join(f"{name}()" for name in names)

    def console(self, symbol: str | None = None) -> Console:
        """The whole screen; ``symbol`` turns its ladder and charts to another one."""
        from contractdesk.panels.layout import console

        return console(self._desk, symbol)

    def status(self) -> Status:
        """State, equity, margin, protection, feed and lag, with Halt, Resume and Flatten."""
        from contractdesk.panels.status import Status

        return _open(Status(self._desk))

    def ladder(self, symbol: str | None = None) -> Ladder:
        """The order book with own orders and stops; of the first held symbol unless one is named."""
        from contractdesk.panels.ladder import Ladder

        return _open(Ladder(self._desk, Focus(symbol)))

    def depth(self, symbol: str | None = None) -> DepthChart:
        from contractdesk.panels.depth import DepthChart

        return _open(DepthChart(self._desk, Focus(symbol)))

    def price(self, symbol: str | None = None) -> PriceChart:
        """The last price from now on, with fills and the stop."""
        from contractdesk.panels.price import PriceChart

        return _open(PriceChart(self._desk, Focus(symbol)))

    def equity(self) -> EquityChart:
        """Equity and drawdown."""
        from contractdesk.panels.equity import EquityChart

        return _open(EquityChart(self._desk))

    def risk(self) -> Tables:
        """What every rule measures now, beside its limit."""
        from contractdesk.panels.tables import Page

        return self._pages((Page.RISK,))

    def positions(self) -> Tables:
        from contractdesk.panels.tables import Page

        return self._pages((Page.POSITIONS,))

    def orders(self) -> Tables:
        from contractdesk.panels.tables import Page

        return self._pages((Page.ORDERS,))

    def fills(self) -> Tables:
        from contractdesk.panels.tables import Page

        return self._pages((Page.FILLS,))

    def refusals(self) -> Tables:
        from contractdesk.panels.tables import Page

        return self._pages((Page.REFUSALS,))

    def log(self) -> Tables:
        """The desk's notices, latest first."""
        from contractdesk.panels.tables import Page

        return self._pages((Page.LOG,))

    def tables(self) -> Tables:
        """Positions, orders, fills, refusals, strategies and log behind tabs."""
        from contractdesk.panels.tables import TABLES

        return self._pages(TABLES)

    def flush(self) -> None:
        """Bring every open panel, and the words under it, to the present; from the cell's own thread."""
        from contractdesk.panels.stills import renew

        renew()

    def _pages(self, pages: Sequence[Page]) -> Tables:
        from contractdesk.panels.tables import Tables

        return _open(Tables(self._desk, pages))


def _open(panel: P) -> P:
    THE_PUMP.add(panel)
    return panel
