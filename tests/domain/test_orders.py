"""Orders: whatever the order of events, an order never goes back and never counts a fill twice."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.orders import (
    OPEN_STATUSES,
    TRANSITIONS,
    Order,
    OrderRequest,
    OrderRole,
    OrderStatus,
    OrderType,
    Side,
)

D = Decimal
S = OrderStatus
SIZE = 10
CLOSED = (S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED)

# How far an order has come. Only a rejection can turn out to be wrong: the order surfaces.
PROGRESS = {
    S.IN_FLIGHT: 0, S.UNKNOWN: 1, S.WORKING: 2, S.TRIGGERED: 3, S.PARTIALLY_FILLED: 4,
    S.CANCELLED: 5, S.EXPIRED: 5, S.REJECTED: 5, S.FILLED: 6,
}  # fmt: skip


def order() -> Order:
    request = OrderRequest(
        client_id="c", symbol="S", side=Side.BUY, type=OrderType.LIMIT, size=D(SIZE), role=OrderRole.ENTRY
    )
    return Order(request=request)


def fill(trade_id: int, size: int) -> Fill:
    return Fill(
        symbol="S",
        trade_id=str(trade_id),
        client_id="c",
        venue_order_id="v",
        signed_size=D(size),
        price=D(100),
        fee=D(0),
        fee_asset="USDT",
        liquidity=Liquidity.MAKER,
        venue_ns=1,
        ts_ns=1,
    )


steps = st.one_of(
    st.sampled_from(S),
    st.builds(fill, st.integers(1, 6), st.integers(1, 4)),
)


def stepped(order: Order, step: OrderStatus | Fill) -> Order:
    return order.apply(step) if isinstance(step, Fill) else order.moved(step, 2)


@given(st.lists(steps, max_size=20))
def test_no_history_takes_an_order_back(history: list[OrderStatus | Fill]) -> None:
    now = order()
    for step in history:
        before, now = now, stepped(now, step)
        assert PROGRESS[now.status] >= PROGRESS[before.status] or before.status is S.REJECTED
        assert now.filled >= before.filled
        if before.status is S.FILLED:
            assert now.status is S.FILLED
        if now.filled >= SIZE:
            assert now.status is S.FILLED
        if now.status is not before.status:
            assert now.status in TRANSITIONS[before.status]


@given(st.lists(steps, max_size=12), st.data())
def test_a_repeated_event_changes_nothing(history: list[OrderStatus | Fill], data: st.DataObject) -> None:
    now = order()
    for step in history:
        now = stepped(now, step)
        again = stepped(now, step)
        assert again.status is now.status
        assert again.filled == now.filled
        assert again.fill_ids == now.fill_ids


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
def test_each_fill_counts_once_wherever_it_comes(lots: list[int], data: st.DataObject) -> None:
    events: list[OrderStatus | Fill] = [fill(number, size) for number, size in enumerate(lots)]
    events += data.draw(st.lists(st.sampled_from(events), max_size=4))  # duplicates
    events += data.draw(st.lists(st.sampled_from([S.WORKING, S.CANCELLED, S.EXPIRED, S.UNKNOWN]), max_size=3))
    now = order()
    for step in data.draw(st.permutations(events)):
        now = stepped(now, step)
    assert now.filled == sum(lots)
    assert len(now.fill_ids) == len(lots)
    assert (now.status is S.FILLED) == (now.filled >= SIZE)
    assert now.remaining == max(0, SIZE - sum(lots))


def test_the_table_has_a_row_for_every_status_and_no_way_back_into_flight() -> None:
    assert set(TRANSITIONS) == set(S)
    assert all(S.IN_FLIGHT not in following for following in TRANSITIONS.values())
    assert TRANSITIONS[S.FILLED] == frozenset()
    assert {status for status in S if status.open} == set(OPEN_STATUSES) == set(S) - set(CLOSED)


@pytest.mark.parametrize("status", [S.CANCELLED, S.EXPIRED])
def test_a_fill_after_the_end_counts_and_a_full_one_is_a_full_fill(status: OrderStatus) -> None:
    ended = order().moved(S.WORKING, 1).moved(status, 2, reason="by us")
    partly = ended.apply(fill(1, 4))
    assert (partly.status, partly.filled) == (status, D(4))
    assert partly.apply(fill(2, 6)).status is S.FILLED


def test_a_rejected_order_that_surfaces_works_again() -> None:
    surfaced = order().moved(S.UNKNOWN, 1).moved(S.REJECTED, 2).moved(S.WORKING, 3, venue_id="v")
    assert (surfaced.status, surfaced.venue_id) == (S.WORKING, "v")


def test_a_late_acceptance_brings_only_the_venue_id() -> None:
    late = order().apply(fill(1, 10)).moved(S.WORKING, 9, venue_id="other")
    assert (late.status, late.venue_id, late.updated_ns) == (S.FILLED, "v", 1)
    unnamed = order().moved(S.CANCELLED, 1).moved(S.WORKING, 2, venue_id="v")
    assert (unnamed.status, unnamed.venue_id) == (S.CANCELLED, "v")


def test_sides() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    assert Side.BUY.opposite is Side.SELL
    assert Side.SELL.opposite is Side.BUY
    assert OrderType.STOP_MARKET.conditional
    assert not OrderType.MARKET.conditional
