"""What the driver adds to a picture: open bars, payments, latencies, its own notices."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from contractdesk.desk.pictures import NOTICES_KEPT, SHOWN_PAYMENTS, Pictures
from contractdesk.desk.records import Records
from contractdesk.domain.commands import Severity
from contractdesk.domain.events import FundingPaid, TradePrinted
from contractdesk.domain.orders import Side
from contractdesk.domain.views import Candles, DeskSnapshot, Notice, SymbolSnapshot
from contractdesk.ops.metrics import Metrics
from tests.e2e.synthetic import BTC, Market

D = Decimal
SYMBOL = BTC.symbol
MINUTE = 60 * 10**9


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def pictures(records: Records, metrics: Metrics) -> Pictures:
    return Pictures(records, metrics)


@pytest.fixture
def snapshot() -> DeskSnapshot:
    """As an engine makes it of bars that the venue closes: none is open."""
    made = Market().step()
    view = made.symbols[SYMBOL]
    assert view.candles is not None
    closed = tuple(replace(bar, open_ns=n * MINUTE) for n, bar in enumerate(view.candles.closed))
    minutes = Candles(timeframe="1m", closed=closed)
    return replace(
        made, symbols={SYMBOL: replace(view, candles=minutes)}, payments=(), latencies=(), notices=()
    )


def trade(number: int, price: int, venue_ns: int) -> TradePrinted:
    return TradePrinted(
        ts_ns=venue_ns, symbol=SYMBOL, trade_id=number, price=D(price), size=D(1), taker=Side.BUY,
        venue_ns=venue_ns,
    )  # fmt: skip


def view_of(pictures: Pictures, snapshot: DeskSnapshot) -> SymbolSnapshot:
    return pictures.complete(snapshot, 0.0).symbols[SYMBOL]


def test_the_open_bar_of_a_venues_own_timeframe_is_made_of_the_trades(
    pictures: Pictures, snapshot: DeskSnapshot
) -> None:
    candles = snapshot.symbols[SYMBOL].candles
    assert candles is not None
    start = candles.closed[-1].open_ns + MINUTE
    assert view_of(pictures, snapshot).candles.forming is None, "no trade was seen"
    for number, (price, at) in enumerate(((28_150, 1), (28_160, 2), (28_140, 3), (28_155, 4))):
        pictures.saw(trade(number, price, start + at * 10**9))
    forming = view_of(pictures, snapshot).candles.forming
    assert (forming.open, forming.high, forming.low, forming.close) == (
        D(28_150),
        D(28_160),
        D(28_140),
        D(28_155),
    )
    assert (forming.open_ns, forming.volume) == (start, D(4))

    closed = (*candles.closed, forming)
    told = replace(snapshot.symbols[SYMBOL], candles=replace(candles, closed=closed))
    assert view_of(pictures, replace(snapshot, symbols={SYMBOL: told})).candles.forming is None, "it is over"


def test_a_bar_that_the_engine_builds_itself_is_left_as_it_is(pictures: Pictures) -> None:
    made = Market().step()
    assert made.symbols[SYMBOL].candles.forming is not None
    assert view_of(pictures, made) is made.symbols[SYMBOL]


def test_payments_are_the_latest_and_the_same_object_until_another_comes(
    pictures: Pictures, records: Records, snapshot: DeskSnapshot
) -> None:
    def pay(number: int) -> None:
        records.saw(
            FundingPaid(
                ts_ns=number, symbol=SYMBOL, payment_id=str(number), amount=D("-0.1"), venue_ns=number
            )
        )

    assert pictures.complete(snapshot, 0.0).payments == ()
    for number in range(SHOWN_PAYMENTS + 3):
        pay(number)
    shown = pictures.complete(snapshot, 0.0).payments
    assert [shown[0].payment_id, shown[-1].payment_id, len(shown)] == [
        "3",
        str(SHOWN_PAYMENTS + 2),
        SHOWN_PAYMENTS,
    ]
    assert pictures.complete(snapshot, 0.0).payments is shown
    pay(1_000)
    assert pictures.complete(snapshot, 0.0).payments[-1].payment_id == "1000"


def test_latencies_are_told_by_name_with_their_buckets(
    pictures: Pictures, metrics: Metrics, snapshot: DeskSnapshot
) -> None:
    for took_ms in (1.0, 1.0, 9.0):
        metrics.order_latency.add(took_ms)
    metrics.round_trip.add(4.0)
    shown = {row.name: row for row in pictures.complete(snapshot, 0.0).latencies}
    answer = shown["signal to answer"]
    assert (answer.count, answer.max_ms) == (3, 9.0)
    assert sum(count for _, count in answer.buckets) == 3
    assert answer.buckets[0][1] == 2
    assert answer.buckets[-1][1] == 1
    assert shown["order round trip"].count == 1
    assert shown["loop lag"].buckets == ()
    again = {row.name: row for row in pictures.complete(snapshot, 0.0).latencies}
    assert again["signal to answer"] is answer, "nothing was measured in between"


def test_notices_of_the_driver_join_the_engines_in_time_and_are_bounded(
    pictures: Pictures, snapshot: DeskSnapshot
) -> None:
    def notice(ts_ns: int) -> Notice:
        return Notice(ts_ns=ts_ns, severity=Severity.ALARM, code="x", message=str(ts_ns))

    for ts_ns in range(0, 2 * (NOTICES_KEPT + 5), 2):
        pictures.tell(notice(ts_ns))
    told = pictures.complete(replace(snapshot, notices=(notice(51),)), 7.0)
    assert [row.ts_ns for row in told.notices] == sorted([*range(10, 2 * (NOTICES_KEPT + 5), 2), 51])
    assert told.loop_lag_ms == 7.0
