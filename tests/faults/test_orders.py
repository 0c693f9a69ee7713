"""Rows 1-22: an order's create, its fills, its cancel; answers that are lost, late, wrong or missing."""

from __future__ import annotations

import pytest

from tests.faults.case import Case, row
from tests.faults.desks import ENTRY, ORDERS, SIZE, STOP, D, Take, creates, naked, never_twice, under_stop
from tests.rules.venue import ETH, held, live_stops

pytestmark = pytest.mark.timeout(120)


@row(1)
def test_row_01_a_lost_answer_and_the_stream_tells(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("drop_request", when="after", match=ENTRY)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    truth = under_stop(at)
    never_twice(at)
    assert len(truth["orders"]) == len(creates(at, "entry")) == 1
    case.saw(f"the stream tells: 1 order, {held(truth, ETH)} held, {naked(truth)}")


@row(7, suite=True)
def test_row_07_a_fill_that_is_streamed_twice(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("duplicate_event", event=ORDERS, execution="TRADE", count=0)
    at.desk.buy(ETH, size=SIZE, stop=STOP)
    under_stop(at)
    assert at.desk.close_position(ETH, size="0.02").done
    truth = under_stop(at, D("0.03"))
    at.desk.wait_for(lambda s: [each.size for each in s.positions if each.symbol == ETH] == [D("0.03")])
    assert sum(D(stop["quantity"]) for stop in live_stops(truth, ETH)) == D("0.03")
    case.saw(f"each streamed twice: {held(truth, ETH)} held, {len(truth['fills'])} fills")
