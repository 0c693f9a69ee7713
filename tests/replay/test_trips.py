"""Round trips: what they add up to, and how a fill that crosses zero is split."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.domain.events import FundingPaid
from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ContractKind, Instrument
from contractdesk.replay.orders import Sent
from contractdesk.replay.trips import Trip, trips_of
from tests.domain.terms import INVERSE, LINEAR, histories, prices

D = Decimal
ROUNDING = D("1e-8")
SENT = {"in": Sent("entry", "s"), "out": Sent("exit", "s"), "stop": Sent("stop", "s")}


def fill(size: str, price: str, fee: str = "0", at: int = 1, order: str = "in") -> Fill:
    return Fill(
        symbol=LINEAR.symbol,
        trade_id=str(at),
        client_id=order,
        venue_order_id="v",
        signed_size=D(size),
        price=D(price),
        fee=D(fee),
        fee_asset="USDT",
        liquidity=Liquidity.TAKER,
        venue_ns=at,
        ts_ns=at,
    )


def paid(amount: str, at: int) -> FundingPaid:
    return FundingPaid(
        ts_ns=at, symbol=LINEAR.symbol, amount=D(amount), payment_id=f"p{at}{amount}", venue_ns=at
    )


def trips(*fills: Fill, payments: tuple[FundingPaid, ...] = (), last: str | None = None) -> list[Trip]:
    return trips_of(LINEAR, fills, payments, SENT, None if last is None else D(last))


def equity_change(terms: Instrument, fills: list[Fill], last: Decimal) -> Fraction:
    """From cash flows alone: what was paid and received, and what the rest is worth."""
    unit, total = Fraction(terms.contract_size), Fraction(0)
    for each in fills:
        size = Fraction(each.signed_size) * unit
        if terms.kind is ContractKind.LINEAR:
            total += size * (Fraction(last) - Fraction(each.price))
        else:
            total += size * (1 / Fraction(each.price) - 1 / Fraction(last))
        total -= Fraction(each.fee)
    return total


@given(histories(), st.data())
def test_the_nets_add_up_to_the_change_of_the_equity(
    history: tuple[Instrument, list[Fill]], data: st.DataObject
) -> None:
    terms, fills = history
    last = data.draw(prices(terms))
    amounts = data.draw(st.lists(st.integers(-(10**6), 10**6), max_size=4))
    payments = [
        replace(paid("0", data.draw(st.integers(2, len(fills) + 1))), amount=D(each).scaleb(-8), symbol="x")
        for each in amounts
    ]
    payments.sort(key=lambda each: each.venue_ns)
    made = trips_of(terms, fills, payments, {}, last)
    total = sum((Fraction(trip.net) for trip in made), Fraction(0))
    expected = equity_change(terms, fills, last) + sum(Fraction(each.amount) for each in payments)
    assert abs(total - expected) <= Fraction(ROUNDING) * (len(fills) + 1), "each booking rounds once"
    assert sum(trip.fees for trip in made) == sum(each.fee for each in fills), "to the last digit"
    assert sum(trip.funding for trip in made) == sum(each.amount for each in payments)


@given(histories())
def test_trips_tile_the_time_in_which_a_position_is_held(history: tuple[Instrument, list[Fill]]) -> None:
    terms, fills = history
    made, size, held = trips_of(terms, fills, [], {}, None), D(0), []
    for each in fills:
        before, size = size, size + each.signed_size
        if before * size < 0 or (before and not size):
            held[-1] = (held[-1][0], each.venue_ns, held[-1][2])
        if size and before * size <= 0:
            held.append((each.venue_ns, 0, "long" if size > 0 else "short"))
    assert [(trip.opened_ns, trip.closed_ns, trip.direction) for trip in made] == held
    assert all(not trip.left for trip in made[:-1])
    assert made[-1].left == abs(size)
    bought = sum((each.signed_size for each in fills if each.signed_size > 0), D(0))
    entered = sum((trip.size if trip.sign > 0 else trip.size - trip.left for trip in made), D(0))
    assert entered == bought


@given(histories())
def test_profit_is_what_the_average_prices_say(history: tuple[Instrument, list[Fill]]) -> None:
    terms, fills = history
    for trip in trips_of(terms, fills, [], {}, fills[-1].price):
        units = float(trip.size * terms.contract_size) * trip.sign
        entry, out = float(trip.entry_price), float(trip.exit_price)
        linear = terms.kind is ContractKind.LINEAR
        profit = units * (out - entry) if linear else units * (1 / entry - 1 / out)
        blur = abs(units) * 2e-8 * (1 if linear else min(entry, out) ** -2)  # averages end at 1e-8
        assert profit == pytest.approx(float(trip.profit), rel=1e-9, abs=2e-7 + blur)


def test_a_reversal_ends_one_trip_and_begins_the_next() -> None:
    first, second = trips(
        fill("2", "100", "0.2", at=1),
        fill("-5", "110", "1.0", at=2),
        fill("3", "104", "0.3", at=3, order="stop"),
    )
    # 2 of the 5 contracts closed: 2/5 of the fee of 1.0 is theirs.
    assert (first.direction, first.opened_ns, first.closed_ns, first.exit) == ("long", 1, 2, "reversal")
    assert (first.size, first.profit, first.fees, first.net) == (2, 20, D("0.6"), D("19.4"))
    assert (second.direction, second.opened_ns, second.closed_ns, second.exit) == ("short", 2, 3, "stop")
    assert (second.size, second.entry_price, second.exit_price) == (3, 110, 104)
    assert (second.profit, second.fees, second.net) == (18, D("0.9"), D("17.1"))


def test_parts_belong_to_their_trip_and_averages_are_by_size() -> None:
    (trip,) = trips(
        fill("1", "100", at=1), fill("3", "104", at=2), fill("-2", "110", at=3, order="out"),
        fill("-2", "100", at=4, order="stop"),
    )  # fmt: skip
    assert (trip.size, trip.entry_price, trip.exit_price, trip.profit) == (4, 103, 105, 8)
    assert (trip.exit, trip.strategy) == ("stop", "s"), "what ended it, and who began it"


def test_an_open_trip_is_marked_at_the_last_price() -> None:
    closed, open_ = trips(
        fill("1", "100", at=1),
        fill("-1", "101", at=2, order="out"),
        fill("-2", "100", "0.5", at=3),
        last="90",
    )
    assert (closed.exit, open_.exit, open_.closed_ns, open_.left) == ("exit", "open", 0, 2)
    assert (open_.exit_price, open_.profit, open_.net) == (90, 20, D("19.5"))
    (alone,) = trips(fill("-2", "100", "0.5"))
    assert (alone.profit, alone.exit_price) == (0, 0), "nothing is known of it yet"


def test_funding_at_the_moment_of_a_fill_was_of_the_position_before() -> None:
    first, second = trips(
        fill("1", "100", at=5), fill("-2", "100", at=8),
        payments=(paid("-0.1", 8), paid("-0.2", 12)),
    )  # fmt: skip
    assert (first.funding, second.funding) == (D("-0.1"), D("-0.2"))


def test_an_order_that_nobody_has_sent_is_a_liquidation() -> None:
    (trip,) = trips(fill("1", "100", at=1), fill("-1", "10", at=2, order="autoclose-7"))
    assert (trip.exit, trip.profit) == ("liquidation", -90)


def test_an_inverse_trip_pays_in_coin() -> None:
    fills = [
        replace(fill("10", "50000", at=1), symbol=INVERSE.symbol),
        replace(fill("-10", "40000", at=2, order="out"), symbol=INVERSE.symbol),
    ]
    (trip,) = trips_of(INVERSE, fills, [], SENT, None)
    assert trip.profit == D("-0.005"), "1000 USD x (1/50000 - 1/40000)"
