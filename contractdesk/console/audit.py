"""``cd.audit(desk)``: an embedded desk's books beside those of its exchange, and its stops over time."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec import Struct

from contractdesk.console.desk import Desk
from contractdesk.console.tables import Table
from contractdesk.desk import embedded
from contractdesk.desk.audit import Agreement, Coverage, agreements, coverages
from contractdesk.domain.instrument import ZERO
from contractdesk.errors import UserError

STOP_WITHIN_S = 3.0  # a filled contract is under a stop that the venue confirmed within this


class Totals(Struct, frozen=True, kw_only=True):
    """The session in a few figures; amounts in the settle currency."""

    fills: int
    partly_filled_orders: int
    round_trips: int
    funding_settlements: int
    stops: int
    longest_naked_s: float
    realized_pnl: Decimal
    fees: Decimal
    funding: Decimal
    equity: Decimal
    position: dict[str, Decimal]


class Audit(Struct, frozen=True, kw_only=True):
    """The witness's word: every figure of both sides, and how long any contract stood without a stop."""

    desk: str
    market: str
    agreements: tuple[Agreement, ...]
    coverages: tuple[Coverage, ...]
    totals: Totals

    @property
    def passed(self) -> bool:
        """Both ledgers are equal to the last digit, and no contract was naked beyond the deadline."""
        equal = all(row.equal for row in self.agreements)
        return equal and all(row.longest_naked_s <= STOP_WITHIN_S for row in self.coverages)

    @property
    def books(self) -> Table:
        rows = [
            (row.symbol or "account", row.what, row.desk, row.exchange, "equal" if row.equal else "DIFFERENT")
            for row in self.agreements
        ]
        return Table("Books", ("symbol", "figure", "desk", "exchange", "verdict"), rows)

    @property
    def stops(self) -> Table:
        columns = ("symbol", "round trips", "part fills", "settlements", "stops", "longest naked s")
        rows = [
            (c.symbol, c.round_trips, c.partly_filled, c.funded, c.stops, round(c.longest_naked_s, 3))
            for c in self.coverages
        ]
        return Table("Stops, as the exchange saw them", columns, rows)

    def write(self, path: str | Path) -> None:
        """As JSON, for whoever started the notebook."""
        Path(path).write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2))

    def __repr__(self) -> str:
        verdict = "passed" if self.passed else "FAILED"
        return f"audit of {self.desk!r}: {verdict}\n{self.books!r}\n{self.stops!r}"

    def _repr_html_(self) -> str:
        verdict = "passed" if self.passed else "FAILED"
        return f"<p><b>Audit: {verdict}</b></p>{self.books._repr_html_()}{self.stops._repr_html_()}"


def audit(desk: Desk) -> Audit:
    """Compare an embedded desk with its exchange now. UserError for a desk on another venue.

    The exchange is asked over its control API; the account is read afresh first, so that both speak
    of the same moment when nothing trades (after ``halt()`` or ``flatten()``).
    """
    running = embedded.find(desk.folder / "exchange")
    if running is None:
        raise UserError("only an embedded desk can be audited: its exchange shows its own books")
    desk.account_state()
    state = embedded.control_state(running)
    account = state["accounts"][desk.name]
    books, covers = agreements(account, desk.snapshot), coverages(account, state["now_ns"])
    return Audit(
        desk=desk.name,
        market=embedded.words(running.market),
        agreements=books,
        coverages=covers,
        totals=_totals(desk, books, covers, len(account["fills"])),
    )


def _totals(desk: Desk, books: tuple[Agreement, ...], covers: tuple[Coverage, ...], fills: int) -> Totals:
    def total(what: str) -> Decimal:
        return sum((row.exchange for row in books if row.what == what), ZERO)

    return Totals(
        fills=fills,
        partly_filled_orders=sum(row.partly_filled for row in covers),
        round_trips=sum(row.round_trips for row in covers),
        funding_settlements=sum(row.funded for row in covers),
        stops=sum(row.stops for row in covers),
        longest_naked_s=max((row.longest_naked_s for row in covers), default=0.0),
        realized_pnl=total("realized PnL"),
        fees=total("fees"),
        funding=total("funding"),
        equity=desk.snapshot.equity,
        position={row.symbol: row.exchange for row in books if row.what == "position"},
    )
