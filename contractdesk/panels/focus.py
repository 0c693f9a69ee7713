"""Which symbol the panels of one screen look at."""

from __future__ import annotations

from contractdesk.domain.views import DeskSnapshot


class Focus:
    """The chosen symbol; while it is not there, the first one with a position, else the first."""

    def __init__(self, symbol: str | None = None) -> None:
        self._chosen = symbol

    def choose(self, symbol: str) -> None:
        self._chosen = symbol

    def on(self, snapshot: DeskSnapshot) -> str:
        """The symbol to show of ``snapshot``; ``""`` when it has none."""
        if self._chosen is not None and self._chosen in snapshot.symbols:
            return self._chosen
        held = (row.symbol for row in snapshot.positions if row.size and row.symbol in snapshot.symbols)
        return next(held, next(iter(snapshot.symbols), ""))
