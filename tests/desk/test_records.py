"""What the tables are made of: each fact once, however often it is told, and no more than is kept."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from contractdesk.desk import records as module
from contractdesk.desk.records import Records
from contractdesk.domain.events import FundingPaid, FundingSettled
from contractdesk.domain.views import DeskSnapshot
from tests.e2e.synthetic import BTC, Market
from tests.engine.bench import Bench

D = Decimal
SYMBOL = BTC.symbol
KEPT = 20


def paid(number: int) -> FundingPaid:
    return FundingPaid(ts_ns=number, symbol=SYMBOL, amount=D(1), payment_id=str(number), venue_ns=number)


def settled(number: int) -> FundingSettled:
    return FundingSettled(ts_ns=number, symbol=SYMBOL, rate=D("0.0001"), funding_ns=number)


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> Records:
    monkeypatch.setattr(module, "KEPT", KEPT)
    return Records()


@pytest.fixture
def snapshot() -> DeskSnapshot:
    return Market().step()


def picture(snapshot: DeskSnapshot, numbers: range) -> DeskSnapshot:
    """It shows the fills of these numbers, as an engine's picture shows the last ones."""
    one = Bench().make_fill("order", "0.02")
    fills = (replace(one, symbol=SYMBOL, trade_id=str(number), ts_ns=number) for number in numbers)
    return replace(snapshot, fills=tuple(fills))


def test_what_is_told_again_is_booked_once(records: Records, snapshot: DeskSnapshot) -> None:
    for number in range(100):
        for told in (number, max(0, number - 5)):
            records.saw(paid(told))
            records.saw(settled(told))
            records.collect(picture(snapshot, range(max(0, told - 10), told)))
    last = list(range(100 - KEPT, 100))
    assert [int(each.payment_id) for each in records.payments] == last
    assert [each.funding_ns for each in records.rates] == last
    assert [int(each.trade_id) + 1 for each in records.fills] == last


def test_the_identities_of_a_long_life_are_not_all_kept(records: Records, snapshot: DeskSnapshot) -> None:
    for number in range(10 * KEPT):
        records.saw(paid(number))
        records.saw(settled(number))
        records.collect(picture(snapshot, range(number, number + 1)))
    kept = (records._seen_fills, records._seen_payments, records._seen_rates)
    assert [len(each) for each in kept] == [KEPT] * 3
