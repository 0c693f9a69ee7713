"""A recorded session run again: what the venue of the replay does with what was heard."""

from __future__ import annotations

from decimal import Decimal

from contractdesk.domain.events import Event, FundingPaid, FundingSettled, MarkPriced, TradePrinted
from contractdesk.domain.orders import Side
from contractdesk.replay.models import Models
from contractdesk.replay.session import Session
from contractdesk.replay.twin import Twin
from tests.engine.bench import MARK, NS_PER_S, SYMBOL, Bench

D = Decimal
EIGHT_HOURS = 8 * 3600 * NS_PER_S


def run(bench: Bench, *events: Event) -> Twin:
    """The replay of a session that began with what the bench knows, and heard this."""
    session = Session(
        checkpoint=bench.engine.checkpoint(),
        start_ns=bench.now_ns,
        classes={},
        inputs=events,
        commands=(),
    )
    twin = Twin(session, Models(maker_fee=0.0, taker_fee=0.0), {}, {})
    twin.run()
    return twin


def holding() -> Bench:
    bench = Bench()
    bench.open()
    return bench


def settled(heard_ns: int, funding_ns: int) -> FundingSettled:
    return FundingSettled(ts_ns=heard_ns, symbol=SYMBOL, rate=D("0.0001"), funding_ns=funding_ns)


def mark(ts_ns: int, price: Decimal = MARK) -> MarkPriced:
    return MarkPriced(
        ts_ns=ts_ns, symbol=SYMBOL, mark=price, index=price, funding_rate=D(0), next_funding_ns=0,
        venue_ns=ts_ns,
    )  # fmt: skip


def trade(ts_ns: int, number: int, price: Decimal = MARK) -> TradePrinted:
    return TradePrinted(
        ts_ns=ts_ns,
        symbol=SYMBOL,
        trade_id=number,
        price=price,
        size=D("0.5"),
        taker=Side.BUY,
        venue_ns=ts_ns,
    )


def payments(twin: Twin) -> list[FundingPaid]:
    return [event for event in twin.events if isinstance(event, FundingPaid)]


def test_the_settlements_of_many_days_that_an_opening_hears_are_not_paid_again() -> None:
    bench = holding()
    start = bench.now_ns
    past = [settled(start + NS_PER_S, start - number * EIGHT_HOURS - 1) for number in range(27)]
    twin = run(bench, mark(start + 1), *past, mark(start + 2 * NS_PER_S))
    assert not payments(twin)


def test_a_settlement_is_paid_once_at_its_time_however_late_it_is_heard() -> None:
    bench = holding()
    start = bench.now_ns
    due = start + 5 * NS_PER_S
    trades = [trade(start + second * NS_PER_S, second + 1) for second in range(25)]
    heard = [settled(due + 18 * NS_PER_S, due), settled(due + 19 * NS_PER_S, due)]
    twin = run(bench, *trades, *heard, mark(due + 25 * NS_PER_S))
    (paid,) = payments(twin)
    assert paid.venue_ns == due
    assert paid.amount == D("-0.06")  # 0.02 at 30,000, of which 0.01 %
