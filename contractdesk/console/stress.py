"""``desk.stress(...)``: the account after a shock, as attributes and as something to read."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from contractdesk.console.tables import Table
from contractdesk.risk.stress import Stress

if TYPE_CHECKING:
    import pandas as pd

_POSITION = (
    "symbol", "size", "mark", "shocked", "change", "notional", "initial_margin", "maintenance_margin",
    "liquidation_price", "stop_price", "stop_fires",
)  # fmt: skip
ADVICE_CHARS = 200


class StressView:
    """What would be: ``.positions`` and ``.rules`` are tables, ``.stress`` has the figures."""

    def __init__(self, stress: Stress) -> None:
        self.stress = stress

    @property
    def positions(self) -> Table:
        """One row a position, ours and external; amounts in the settle currency."""
        rows = [[getattr(row, name) for name in _POSITION] for row in self.stress.positions]
        return Table("positions after the shock", _POSITION, rows)

    @property
    def rules(self) -> Table:
        """What would fire, first; then what would not."""
        ordered = sorted(self.stress.rules, key=lambda row: not row.fires)
        rows = [(row.rule, row.fires, row.found, row.limit, row.then) for row in ordered]
        columns = ("rule", "fires", "found", "limit", "then")
        return Table("rules after the shock", columns, rows, widest=ADVICE_CHARS)

    @property
    def df(self) -> pd.DataFrame:
        """The positions as pandas."""
        return self.positions.df

    @property
    def fires(self) -> list[str]:
        """The rules that would fire."""
        return [row.rule for row in self.stress.rules if row.fires]

    @property
    def title(self) -> str:
        stress = self.stress
        share = stress.margin_ratio
        ratio = "no equity left" if share is None else f"margin {share * 100:.2f} %"
        left_out = f"; not shocked: {', '.join(stress.unknown)}" if stress.unknown else ""
        return (
            f"equity {stress.equity_before} -> {stress.equity} {stress.asset}, {ratio},"
            f" fires: {', '.join(self.fires) or 'nothing'}{left_out}"
        )

    def __repr__(self) -> str:
        return "\n".join((self.title, repr(self.positions), repr(self.rules)))

    def _repr_html_(self) -> str:
        return f"<b>{html.escape(self.title)}</b>{self.positions._repr_html_()}{self.rules._repr_html_()}"
