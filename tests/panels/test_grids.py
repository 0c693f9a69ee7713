from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import grids
from contractdesk.panels.grid import Cell, Column, Grid, Tone, html_grid, text_grid
from tests.e2e.synthetic import Market


@pytest.fixture(scope="module")
def snapshot() -> DeskSnapshot:
    market = Market()
    for _ in range(300):
        last = market.step()
    return last


def row_of(grid: Grid, number: int = 0) -> dict[str, Cell]:
    return dict(zip((column.title for column in grid.columns), grid.rows[number], strict=True))


def test_a_position_reads_with_the_instruments_precision(snapshot: DeskSnapshot) -> None:
    row = row_of(grids.positions(snapshot))
    held = snapshot.positions[0]
    assert row["Size"] == Cell("+0.007", Tone.BUY)
    assert row["Stop"].text == "28,131.5"
    assert row["Guarded"] == Cell("100 %")
    assert row["By"].text == "TrendFollow-1"
    assert row["uPnL"].text.strip("+\u2212") == f"{abs(held.unrealized_pnl):,.2f}"


def test_a_position_without_its_stop_is_an_alarm(snapshot: DeskSnapshot) -> None:
    naked = replace(snapshot.positions[0], stop_price=None, guarded=Decimal("0.0035"))
    row = row_of(grids.positions(replace(snapshot, positions=(naked,))))
    assert row["Stop"].tone is Tone.ALARM
    assert row["Guarded"] == Cell("50 %", Tone.ALARM)


def test_a_closed_position_keeps_its_money_and_shows_no_guard(snapshot: DeskSnapshot) -> None:
    closed = replace(snapshot.positions[0], size=Decimal(0), stop_price=None, guarded=Decimal(0))
    row = row_of(grids.positions(replace(snapshot, positions=(closed,))))
    assert row["Entry"].text == row["Guarded"].text == "\u2013"
    assert row["Stop"].tone is not Tone.ALARM


def test_open_orders_stand_first_and_a_reason_is_told(snapshot: DeskSnapshot) -> None:
    grid = grids.orders(snapshot)
    assert [row_of(grid, i)["Status"].text for i in range(4)] == [
        "working",
        "working",
        "working",
        "cancelled",
    ]
    assert row_of(grid, 3)["Reason"].text == "expired after 30 s"
    stop = next(row_of(grid, i) for i in range(4) if row_of(grid, i)["Role"].text == "stop")
    assert (stop["Trigger"].text, stop["Type"].text, stop["Price"].text) == (
        "28,131.5",
        "stop market",
        "\u2013",
    )


def test_fills_come_latest_first_with_the_fee_in_its_asset(snapshot: DeskSnapshot) -> None:
    row = row_of(grids.fills(snapshot))
    assert (row["Side"], row["Size"].text, row["Liquidity"].text) == (
        Cell("sell", Tone.SELL),
        "0.003",
        "maker",
    )
    assert row["Fee"].text.endswith(" USDT")


def test_a_refusal_says_what_would_pass(snapshot: DeskSnapshot) -> None:
    row = row_of(grids.refusals(snapshot))
    assert row["Rule"].text == "size_cap"
    assert row["Would pass"].text == "a size of 0.010 or less"


def test_strategies_and_notices_are_told(snapshot: DeskSnapshot) -> None:
    assert "fast=12" in row_of(grids.strategies(snapshot))["Parameters"].text
    assert row_of(grids.notices(snapshot))["Level"] == Cell("warning", Tone.WARN)


def test_tables_are_bounded_and_still_count_all(snapshot: DeskSnapshot) -> None:
    many = replace(snapshot, fills=snapshot.fills * 50)
    grid = grids.fills(many)
    assert len(grid.rows) == grids.MAX_ROWS
    assert grid.total == 150


def test_a_symbol_that_left_the_snapshot_is_still_shown(snapshot: DeskSnapshot) -> None:
    assert row_of(grids.fills(replace(snapshot, symbols={})))["Size"].text == "0.003"


@pytest.mark.parametrize("alone", [True, False])
def test_values_are_escaped(*, alone: bool) -> None:
    grid = Grid(name="x", title="X", columns=(Column("A"),), rows=((Cell("<script>alert(1)</script>"),),))
    assert "<script>" not in html_grid(grid, alone=alone)


def test_html_that_stands_alone_needs_no_classes_for_its_colours() -> None:
    grid = Grid(name="x", title="X", columns=(Column("A", numeric=True),), rows=((Cell("1", Tone.ALARM),),))
    assert 'style="text-align:right;color:#d1305e"' in html_grid(grid, alone=True)


def test_text_tables_align_numbers_to_the_right() -> None:
    columns = (Column("Name"), Column("Size", numeric=True))
    rows = ((Cell("a"), Cell("1")), (Cell("bbb"), Cell("10.5")))
    text = text_grid(Grid(name="x", title="Sizes", columns=columns, rows=rows))
    assert text.splitlines() == ["Sizes", "  Name  Size", "  a        1", "  bbb   10.5"]


def test_an_empty_table_says_so(snapshot: DeskSnapshot) -> None:
    empty = grids.fills(replace(snapshot, fills=()))
    assert text_grid(empty) == "Fills: no fill yet"
    assert "no fill yet" in html_grid(empty)
