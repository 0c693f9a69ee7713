"""What the venue's ledger explains of a wallet's move, with bookings at the edges of the readings."""

from __future__ import annotations

from decimal import Decimal

import pytest

from contractdesk.venues.binance.health import EDGE_MS, Reading, unexplained
from contractdesk.venues.binance.rows import IncomeRow

D = Decimal
START, END = 100_000, 130_000


def booked(time: int, amount: str) -> IncomeRow:
    return IncomeRow(symbol="", income=D(amount), asset="USDT", time=time)


def left(move: str, *rows: IncomeRow) -> Decimal:
    known = Reading(D(1_000), START, START + 20)
    return unexplained(known, Reading(D(1_000) + D(move), END, END + 20), rows)


def test_what_is_booked_in_between_explains_it() -> None:
    assert left("-7", booked(110_000, "-10"), booked(120_000, "3")) == 0
    assert left("-27", booked(110_000, "-10"), booked(120_000, "3")) == -20
    assert left("50") == 50


@pytest.mark.parametrize("time", [START - EDGE_MS, START + 10, END + 10, END + EDGE_MS])
def test_what_is_booked_at_an_edge_is_in_the_reading_or_not(time: int) -> None:
    assert left("0", booked(time, "40")) == 0
    assert left("40", booked(time, "40")) == 0
    assert left("90", booked(time, "40")) == 50


def test_of_several_at_an_edge_the_earlier_ones_are_in_the_reading() -> None:
    rows = booked(START + 5, "40"), booked(START + 6, "-15")
    assert left("-15", *rows) == 0
    assert left("25", *rows) == 0
    assert left("40", *rows) == 15
