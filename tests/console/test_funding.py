"""The funding ledger end to end: the exchange settles, and its own ledger says what was booked."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from contractdesk.console.desk import Desk
from contractdesk.desk import embedded
from contractdesk.domain.orders import Side
from contractdesk.domain.views import DeskSnapshot
from contractdesk.strategy.funding import FundingRow, ledger, payment
from tests.console.loopback import BTC, Watcher, address, ready, truth

SIZE = Decimal("0.004")


def row(picture: DeskSnapshot) -> FundingRow:
    return next(item for item in ledger(picture) if item.symbol == BTC)


def shown(desk: Desk) -> dict[str, Any]:
    """The symbol's row as the table has it."""
    return next(item for item in desk.funding.ledger if item["symbol"] == BTC)


def fund(desk: Desk, rate: str | None = None) -> None:
    body = {"symbol": "BTCUSDT"} | ({} if rate is None else {"rate": rate})
    embedded.post(address(desk), "/control/fund", body)


def booked(desk: Desk) -> list[Decimal]:
    """Every funding payment in the exchange's ledger, oldest first."""
    return [Decimal(e["amount"]) for e in truth(desk)["ledger"] if e["kind"] == "FUNDING_FEE"]


def enter(desk: Desk, side: Side) -> None:
    mark = desk.snapshot.symbols[BTC].mark
    assert mark is not None
    order = desk.buy if side is Side.BUY else desk.sell
    stop = (mark * (1 - side.sign * Decimal("0.05"))).quantize(Decimal(1))
    assert order(BTC, size=SIZE, stop=stop).done
    desk.wait_for(lambda s: any(item.size and item.guarded == abs(item.size) for item in s.positions), 20)


@pytest.fixture(scope="module")
def watching(desk: Desk) -> Desk:
    desk.start(Watcher([BTC], "1m"), name="watcher")
    ready(desk)
    return desk


def test_a_watched_symbol_has_a_row_before_anything_is_held(watching: Desk) -> None:
    desk = watching
    state = json.loads(embedded.get(address(desk), "/control/state"))
    next_ns = state["marks"]["BTCUSDT"]["next_funding_ns"]
    picture = desk.wait_for(lambda s: row(s).rate is not None and row(s).settled_8h is not None, 20)
    found = row(picture)
    assert found.next_ns // 10**6 == next_ns // 10**6
    assert (found.size, found.predicted, found.accrued, found.break_even_hours) == (0, 0, 0, None)
    assert (found.settled_8h, found.limit_8h) == (0, Decimal("0.0005"))
    assert desk.funding.ledger.column("symbol") == [BTC], "the others are not watched"


def test_accrued_is_the_exchanges_ledger_to_the_last_digit_and_predicted_follows_the_mark(
    watching: Desk,
) -> None:
    desk = watching
    enter(desk, Side.BUY)
    for times, rate in enumerate(("0.0003", "-0.00012345", "0.00017001"), 1):
        fund(desk, rate)
        paid = booked(desk)
        assert len(paid) == times
        desk.wait_for(lambda s, paid=paid: row(s).accrued == sum(paid), 20)  # type: ignore[misc]
    picture = desk.wait_for(lambda s: row(s).settled_8h == Decimal("0.00034656"), 20)
    found, item = row(picture), picture.symbols[BTC]
    assert found.accrued == sum(booked(desk)) != 0
    assert found.size == SIZE
    assert item.mark is not None
    assert item.funding_rate is not None
    assert found.predicted == (-SIZE * item.mark * item.funding_rate).quantize(Decimal("1e-8"))
    assert shown(desk)["accrued"] == found.accrued


def test_what_the_rate_in_force_predicts_is_what_is_booked(watching: Desk) -> None:
    """The exchange's public list says at which rate and mark it settled."""
    desk = watching
    before = len(booked(desk))
    fund(desk)
    settled = json.loads(embedded.get(address(desk), "/fapi/v1/fundingRate?symbol=BTCUSDT"))[-1]
    instrument = desk.snapshot.symbols[BTC].instrument
    rate, mark = Decimal(settled["fundingRate"]), Decimal(settled["markPrice"])
    assert booked(desk)[before:] == [payment(instrument, SIZE, mark, rate)]
    desk.wait_for(lambda s: row(s).accrued == sum(booked(desk)), 20)


def test_another_position_begins_at_zero_and_a_short_receives(watching: Desk) -> None:
    desk = watching
    assert desk.close_position(BTC).done
    picture = desk.wait_for(lambda s: not any(item.size for item in s.positions), 20)
    assert (row(picture).size, row(picture).accrued) == (0, 0)
    earlier = booked(desk)
    enter(desk, Side.SELL)
    assert row(desk.snapshot).accrued == 0
    fund(desk, "0.0001")
    since = booked(desk)[len(earlier) :]
    picture = desk.wait_for(lambda s: row(s).accrued != 0, 20)
    assert [row(picture).accrued] == since
    assert row(picture).accrued > 0
    assert sum(earlier) + sum(since) == desk.pnl.funding


def test_the_ledger_reads_as_text_as_html_and_as_pandas(watching: Desk) -> None:
    funding = watching.funding
    for text in (repr(funding), funding._repr_html_()):
        places = [text.index(f"funding {part}") for part in ("ledger", "payments", "rates")]
        assert places == sorted(places)
    frame = funding.ledger.df
    assert list(frame["size"]) == [-SIZE]
    assert str(frame["next_time"].dt.tz) == "UTC"
    assert set(frame.columns) >= {"rate", "interval_hours", "predicted", "accrued", "break_even_hours"}
