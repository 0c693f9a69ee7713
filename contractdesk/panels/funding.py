"""What funding does: the ledger of each watched symbol, and our latest payments."""

from __future__ import annotations

from datetime import UTC, tzinfo

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.events import FundingPaid
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import formats
from contractdesk.panels.grid import Cell, Column, Grid, Tone
from contractdesk.panels.grids import amount_cell, grid_of, number_columns, terms_of, text_columns, time_title
from contractdesk.strategy.funding import FundingRow, ledger

RATE_PLACES = 4  # of a percent: venues settle in hundredths of a basis point


def funding_ledger(snapshot: DeskSnapshot, zone: tzinfo = UTC) -> Grid:
    """A watched symbol a row: the next settlement, what it will pay or cost, and what has accrued."""
    columns = (
        *text_columns("Symbol"),
        *number_columns("Size", "Rate", "Predicted", "Accrued"),
        *text_columns(f"Next {formats.suffix(snapshot.ts_ns, zone)}", "In", "Every"),
        *number_columns("Settled 8 h", "Limit 8 h"),
        Column("Eats the profit", numeric=True),
    )
    rows = [_row(row, snapshot, zone) for row in ledger(snapshot)]
    return grid_of("funding", "Funding", columns, rows, "no symbol is watched")


def _row(row: FundingRow, snapshot: DeskSnapshot, zone: tzinfo) -> tuple[Cell, ...]:
    terms, places = terms_of(snapshot, row.symbol), formats.cash_places(snapshot.asset) + 2
    over = row.settled_8h is not None and row.limit_8h is not None and row.settled_8h > row.limit_8h
    hours = formats.NONE if row.break_even_hours is None else f"in {row.break_even_hours:,.1f} h"
    return (
        Cell(row.symbol),
        Cell(formats.signed_size(terms, row.size) if terms else str(row.size)),
        Cell(formats.signed_percent(row.rate, RATE_PLACES)),
        Cell(formats.NONE, Tone.MUTED) if row.predicted is None else amount_cell(row.predicted, places),
        amount_cell(row.accrued, places),
        Cell(formats.moment(row.next_ns, snapshot.ts_ns, zone)),
        Cell(_until(row.next_ns, snapshot.ts_ns)),
        Cell(f"{row.interval_hours} h" if row.interval_hours else formats.NONE),
        Cell(formats.signed_percent(row.settled_8h, RATE_PLACES), Tone.ALARM if over else Tone.PLAIN),
        Cell(formats.signed_percent(row.limit_8h, RATE_PLACES), Tone.MUTED),
        Cell(hours, Tone.PLAIN if row.break_even_hours is not None else Tone.MUTED),
    )


def _until(next_ns: int, now_ns: int) -> str:
    return formats.NONE if next_ns <= 0 else formats.duration((next_ns - now_ns) / NS_PER_MS)


def payments(snapshot: DeskSnapshot, zone: tzinfo = UTC) -> Grid:
    """Ours, latest first; + received."""
    columns = (
        *text_columns(time_title(snapshot, zone), "Symbol"),
        *number_columns(f"Paid {snapshot.asset}"),
        *text_columns("Id"),
    )
    rows = [_payment(event, snapshot, zone) for event in reversed(snapshot.payments)]
    return grid_of("payments", "Payments", columns, rows, "no funding payment yet")


def _payment(event: FundingPaid, snapshot: DeskSnapshot, zone: tzinfo) -> tuple[Cell, ...]:
    return (
        Cell(formats.moment(event.venue_ns, snapshot.ts_ns, zone)),
        Cell(event.symbol),
        amount_cell(event.amount, formats.cash_places(snapshot.asset) + 2),
        Cell(event.payment_id, Tone.MUTED),
    )
