"""Every panel of a desk by name: ``desk.panels.ladder()``, ``desk.panels.console()``.

Widgets and bqplot are imported by the first call, never before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from contractdesk.errors import UserError
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
    from contractdesk.panels.tuning import Tuning

P = TypeVar("P", bound=Panel)


class Panels:
    """The windows of one desk. Each call opens a new one; ``console`` shows the desk's only one."""

    def __init__(self, desk: DeskFace) -> None:
        self._desk = desk

    def __repr__(self) -> str:
        return f"panels of {self._desk.name!r}: " + ", ".join(f"{name}()" for name in self.names())

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """What there is to open."""
        helpers = ("flush", "let_go", "names")
        return tuple(name for name in vars(cls) if not name.startswith("_") and name not in helpers)

    def console(self, symbol: str | None = None, *, trading: bool | None = None) -> Console:
        """The whole screen; ``symbol`` turns its ladder and charts to another one.

        Its ladder can place, move and cancel orders once its Trade switch is on. On LIVE the switch stays
        off unless ``trading=True`` permits it here; ``trading=False`` takes it away anywhere.
        """
        from contractdesk.panels.layout import console

        return console(self._desk, symbol, trading=trading)

    def status(self) -> Status:
        """State, equity, margin, protection, feed and lag, with Halt, Resume and Flatten."""
        from contractdesk.panels.status import Status

        return _open(Status(self._desk))

    def ladder(self, symbol: str | None = None, *, trading: bool | None = None) -> Ladder:
        """The order book with own orders and stops; of the first held symbol unless one is named.

        ``trading`` as of ``console``.
        """
        from contractdesk.panels.ladder import Ladder

        return _open(Ladder(self._desk, Focus(symbol)).permit(trading))

    def depth(self, symbol: str | None = None) -> DepthChart:
        from contractdesk.panels.depth import DepthChart

        return _open(DepthChart(self._desk, Focus(symbol)))

    def price(self, symbol: str | None = None) -> PriceChart:
        """Candles with entries, exits, the stop's trail and the strategy's lines; without bars the price."""
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

    def strategies(self) -> Tables:
        """What runs, with its parameters in force."""
        from contractdesk.panels.tables import Page

        return self._pages((Page.STRATEGIES,))

    def funding(self) -> Tables:
        """The funding ledger of each watched symbol, and our payments."""
        from contractdesk.panels.tables import Page

        return self._pages((Page.FUNDING,))

    def latency(self) -> Tables:
        """Histograms: from a signal to the venue's answer, of an order's round trip, of the loop's lag."""
        from contractdesk.panels.tables import Page

        return self._pages((Page.LATENCY,))

    def log(self) -> Tables:
        """The desk's notices, latest first."""
        from contractdesk.panels.tables import Page

        return self._pages((Page.LOG,))

    def tuning(self) -> Tuning:
        """Parameters and limits as a draft, what it would have done, Apply and Revert, and every change ever.

        UserError for a desk that cannot be tuned.
        """
        from contractdesk.panels.tuning import Tuning
        from contractdesk.panels.tuning_face import TuningFace

        if not isinstance(self._desk, TuningFace):
            raise UserError(f"{self._desk.name} cannot be tuned: it only shows")
        return _open(Tuning(self._desk, self._desk.tuning))

    def tables(self) -> Tables:
        """Positions, orders, fills, refusals, strategies, funding, log and latency behind tabs."""
        from contractdesk.panels.tables import TABLES

        return self._pages(TABLES)

    def flush(self) -> None:
        """Bring every open panel, and the words under it, to the present; from the cell's own thread."""
        from contractdesk.panels.stills import renew

        renew()

    def let_go(self) -> None:
        """The desk is closed: its panels, and the words under them, say so and stay; as of ``flush``."""
        THE_PUMP.let_go(self._desk)
        self.flush()

    def _pages(self, pages: Sequence[Page]) -> Tables:
        from contractdesk.panels.tables import Tables

        return _open(Tables(self._desk, pages))


def _open(panel: P) -> P:
    THE_PUMP.add(panel)
    return panel
