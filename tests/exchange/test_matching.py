"""Laws of the book under any sequence of requests and market messages, and priority by example."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contractdesk.exchange.market import Depth, Message, Print, Taker
from contractdesk.exchange.model import (
    AmendOrder,
    BookMoved,
    CancelOrder,
    Event,
    ExecutionKind,
    NewOrder,
    Order,
    OrderChanged,
    OrderStatus,
    OrderType,
    Refused,
    Side,
    TimeInForce,
    TradeMade,
)
from tests.exchange.quiet import BTC, Pit

D = Decimal
MID = 600_000
BIDS = [(599_990, 50), (599_980, 100)]
ASKS = [(600_010, 50), (600_020, 100)]

ticks = st.integers(MID - 6, MID + 6)
lots = st.integers(0, 12)
sides = st.sampled_from(Side)


@st.composite
def depths(draw: st.DrawFn) -> Depth:
    """A delta that would not cross a book made of such deltas alone."""
    mid = draw(ticks)
    bids = draw(st.dictionaries(st.integers(mid - 4, mid - 1), lots, max_size=4))
    asks = draw(st.dictionaries(st.integers(mid + 1, mid + 4), lots, max_size=4))
    return Depth(list(bids.items()), list(asks.items()))


messages = st.one_of(
    depths(),
    st.builds(Print, sides, ticks, st.integers(1, 12)),
    st.builds(Taker, sides, st.integers(1, 12)),
)
orders = st.builds(
    lambda name, side, quantity, tick, tif, reduce, market: NewOrder(
        account=name,
        symbol=BTC,
        side=side,
        type=OrderType.MARKET if market else OrderType.LIMIT,
        quantity=D(quantity) / 1000,
        price=None if market else D(tick) / 10,
        time_in_force=tif,
        reduce_only=reduce,
    ),
    st.sampled_from(["ann", "bob"]),
    sides,
    st.integers(2, 15),
    ticks,
    st.sampled_from([TimeInForce.GTC] * 4 + [TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTX]),
    st.sampled_from([False, False, True]),
    st.sampled_from([False, False, False, True]),
)
cancels = st.tuples(st.just("cancel"), st.integers(0, 10))
amends = st.tuples(st.just("amend"), st.integers(0, 10), ticks, st.integers(1, 15))
actions = st.lists(st.one_of(messages, orders, orders, orders, cancels, amends), min_size=15, max_size=50)


class Witness:
    """Drives a pit and keeps its own picture of what the events said."""

    def __init__(self) -> None:
        self.pit = Pit([(MID - 7, 30)], [(MID + 7, 30)], balance="1000000")
        self.levels: dict[Side, dict[int, int]] = {Side.BUY: {MID - 7: 30}, Side.SELL: {MID + 7: 30}}
        self.last_id = self.pit.exchange.book(BTC).last_update_id
        self.events: list[Event] = []

    def do(self, action: Any) -> None:
        held = {name: self.pit.size(name) for name in ("ann", "bob")}
        try:
            events = self._perform(action)
        except Refused:
            return
        self.events += events
        for event in events:
            self._note(event, held)

    def _perform(self, action: Any) -> list[Event]:
        if isinstance(action, NewOrder):
            result = self.pit.handle(action)
            self._check_time_in_force(action, result.response)
            return list(result.events)
        if isinstance(action, Depth | Print | Taker):
            return self.pit.send(action)
        return list(self.pit.handle(self._upon_resting(action)).events)

    def _upon_resting(self, action: tuple[Any, ...]) -> AmendOrder | CancelOrder:
        exchange = self.pit.exchange
        resting = exchange.open_orders("ann") + exchange.open_orders("bob")
        if not resting:
            return CancelOrder(account="ann", symbol=BTC, order_id=1)
        order = resting[action[1] % len(resting)]
        if action[0] == "cancel":
            return CancelOrder(account=order.account, symbol=BTC, order_id=order.order_id)
        return AmendOrder(
            account=order.account,
            symbol=BTC,
            order_id=order.order_id,
            price=D(action[2]) / 10,
            quantity=D(action[3]) / 1000,
        )

    def _check_time_in_force(self, request: NewOrder, order: Any) -> None:
        assert isinstance(order, Order)
        match request.type, request.time_in_force:
            case OrderType.LIMIT, TimeInForce.FOK:
                assert order.status is OrderStatus.FILLED
            case OrderType.LIMIT, TimeInForce.GTX:
                assert order.status is OrderStatus.NEW
            case (OrderType.MARKET, _) | (_, TimeInForce.IOC):
                assert not order.status.open
            case _:
                pass

    def _note(self, event: Event, held: dict[str, Decimal]) -> None:
        match event:
            case BookMoved():
                assert event.first_id == self.last_id + 1
                self.last_id = event.last_id
                for side, moved in ((Side.BUY, event.bids), (Side.SELL, event.asks)):
                    for tick, quantity in moved:
                        self.levels[side].pop(tick, None)
                        if quantity:
                            self.levels[side][tick] = quantity
            case OrderChanged(order=order, kind=ExecutionKind.TRADE, fill=fill):
                assert fill is not None
                before = held[order.account]
                held[order.account] += fill.side.sign * fill.quantity
                if order.reduce_only:
                    assert before * held[order.account] >= 0
                    assert abs(held[order.account]) < abs(before)
            case _:
                pass

    def check(self) -> None:
        book = self.pit.exchange.book(BTC)
        assert not book.bids or not book.asks or book.bids[0][0] < book.asks[0][0]
        assert dict(book.bids) == self.levels[Side.BUY]
        assert dict(book.asks) == self.levels[Side.SELL]
        assert book.bids == tuple(sorted(book.bids, reverse=True))
        assert book.asks == tuple(sorted(book.asks))
        for name in ("ann", "bob"):
            self._check_account(name)
        self._check_counterparties()

    def _check_account(self, name: str) -> None:
        exchange = self.pit.exchange
        fills = exchange.fills(name)
        assert self.pit.wallet(name) == sum(entry.amount for entry in exchange.ledger(name))
        assert self.pit.size(name) == sum(fill.side.sign * fill.quantity for fill in fills)
        for order in exchange.orders(name):
            mine = [fill for fill in fills if fill.order_id == order.order_id]
            assert order.executed == sum(fill.quantity for fill in mine)
            assert order.cum_quote == sum(fill.quote_quantity for fill in mine)
            assert (order.status is OrderStatus.FILLED) == (order.executed == order.quantity)
            assert (order.closed_ns == 0) == order.status.open
            if order.type is OrderType.LIMIT and not order.amendments:
                sign = order.side.sign
                assert all(sign * fill.price <= sign * order.price for fill in mine)

    def _check_counterparties(self) -> None:
        exchange = self.pit.exchange
        fills = exchange.fills("ann") + exchange.fills("bob")
        trades = {event.trade.trade_id: event.trade for event in self.events if isinstance(event, TradeMade)}
        for fill in fills:
            trade = trades[fill.trade_id]
            assert (fill.price, fill.quantity) == (trade.price, trade.quantity)
            assert fill.maker == ((fill.side is Side.BUY) == trade.buyer_is_maker)
        for trade_id in trades:
            both = [fill for fill in fills if fill.trade_id == trade_id]
            assert len({(fill.side, fill.maker) for fill in both}) == len(both) <= 2


@given(actions)
@settings(max_examples=100)
def test_the_books_laws_hold_whatever_happens(sequence: list[Any]) -> None:
    witness = Witness()
    for action in sequence:
        witness.do(action)
        witness.check()


@given(actions)
@settings(max_examples=20)
def test_the_same_inputs_give_the_same_events(sequence: list[Any]) -> None:
    one, other = Witness(), Witness()
    for action in sequence:
        one.do(action)
        other.do(action)
    assert one.events == other.events
    assert one.pit.exchange.state() == other.pit.exchange.state()


@given(actions)
@settings(max_examples=20)
def test_money_only_changes_hands(sequence: list[Any]) -> None:
    """With users alone in the book, wallets and unrealized profit lose nothing but the fees."""
    witness = Witness()
    witness.do(Depth([(MID - 7, 0)], [(MID + 7, 0)]))
    for action in sequence:
        if not isinstance(action, Depth | Print | Taker):
            witness.do(action)
    exchange = witness.pit.exchange
    equity = sum(exchange.account(name).balances[0].margin_balance for name in ("ann", "bob"))
    fees = sum(fill.commission for name in ("ann", "bob") for fill in exchange.fills(name))
    assert abs(equity + fees - 2_000_000) <= D("0.00000001") * 100


# -- priority by example ------------------------------------------------------------------------


def filled(pit: Pit, name: str) -> Decimal:
    return sum((fill.quantity for fill in pit.exchange.fills(name)), D(0))


def test_the_first_at_a_price_is_served_first() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.010", "60000")
    pit.place("bob", Side.BUY, "0.010", "60000")
    pit.send(Taker(Side.SELL, 12))
    assert (filled(pit, "ann"), filled(pit, "bob")) == (D("0.010"), D("0.002"))


def test_a_reduce_only_order_that_meets_its_own_goes_on_and_never_crosses_the_book() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.002")
    pit.place("ann", Side.BUY, "0.004", "60000")
    order = pit.place("ann", Side.SELL, "0.004", "59999.9", reduce_only=True)  # two lots, and two again
    assert order.status is OrderStatus.FILLED
    assert pit.size("ann") == D("0.002")
    book = pit.exchange.book(BTC)
    assert (list(book.bids), book.asks[0]) == (BIDS, (600_010, 48))


def test_what_was_displayed_before_an_order_is_served_before_it() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.010", "59999")  # behind 50 lots
    pit.send(Depth([(599_990, 80)], []))  # 30 more come in behind it
    pit.send(Taker(Side.SELL, 54))
    assert filled(pit, "ann") == D("0.004")
    assert dict(pit.exchange.book(BTC).bids)[599_990] == 6 + 30


def test_cancellations_ahead_shorten_the_queue() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.010", "59999")
    pit.send(Depth([(599_990, 3)], []))
    pit.send(Taker(Side.SELL, 5))
    assert filled(pit, "ann") == D("0.002")


def test_a_recorded_print_works_through_the_queue_and_fills_the_rest() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.010", "59999")
    pit.send(Print(Side.SELL, 599_990, 47))
    assert filled(pit, "ann") == 0
    pit.send(Print(Side.SELL, 599_990, 5))  # 3 are ahead
    assert filled(pit, "ann") == D("0.002")
    prints = [(trade.price, trade.quantity) for trade in pit.exchange.trades(BTC)]
    assert prints == [(D("59999.0"), D("0.047")), (D("59999.0"), D("0.003")), (D("59999.0"), D("0.002"))]
    summed = pit.exchange.agg_trades(BTC)
    assert [row.quantity for row in summed] == [D("0.047"), D("0.005")]


def test_a_recorded_print_through_a_better_price_fills_it_first() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.010", "60000")
    pit.send(Print(Side.SELL, 599_990, 25))
    assert filled(pit, "ann") == D("0.010")
    assert [trade.price for trade in pit.exchange.trades(BTC)] == [D("60000.0"), D("59999.0")]
    assert sum(trade.quantity for trade in pit.exchange.trades(BTC)) == D("0.025")


def test_a_delta_that_arrives_through_an_order_fills_it() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.010", "60000")
    pit.send(Depth([], [(599_995, 4)]))
    assert filled(pit, "ann") == D("0.004")
    assert pit.exchange.fills("ann")[0].price == D("60000.0")
    assert pit.exchange.fills("ann")[0].maker
    assert pit.exchange.book(BTC, 1).asks == ((600_010, 50),)


def test_what_a_user_took_stays_taken_until_the_level_is_named_again() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.050")
    pit.send(Depth([(599_970, 5)], []))
    assert pit.exchange.book(BTC, 1).asks == ((600_020, 100),)
    pit.send(Depth([], [(600_010, 7)]))
    assert pit.exchange.book(BTC, 1).asks == ((600_010, 7),)


def test_displayed_quantity_that_crosses_displayed_quantity_replaces_it() -> None:
    pit = Pit(BIDS, ASKS)
    pit.send(Depth([(600_010, 9)], []))
    book = pit.exchange.book(BTC)
    assert (book.bids[0], book.asks[0]) == ((600_010, 9), (600_020, 100))


def test_an_amended_order_goes_to_the_end_of_its_queue() -> None:
    pit = Pit(BIDS, ASKS)
    first = pit.place("ann", Side.BUY, "0.010", "60000")
    pit.place("bob", Side.BUY, "0.010", "60000")
    amended = pit.handle(
        AmendOrder(account="ann", symbol=BTC, order_id=first.order_id, quantity=D("0.012"), price=D("60000"))
    )
    assert [event.kind for event in amended.events if isinstance(event, OrderChanged)] == [
        ExecutionKind.AMENDMENT
    ]
    pit.send(Taker(Side.SELL, 11))
    assert (filled(pit, "ann"), filled(pit, "bob")) == (D("0.001"), D("0.010"))
    assert pit.exchange.order("ann", BTC, order_id=first.order_id).remaining == D("0.011")


@pytest.mark.parametrize(
    ("tif", "quantity", "price", "status"),
    [
        (TimeInForce.GTC, "0.004", "60000", OrderStatus.CANCELED),  # not above what is executed
        (TimeInForce.GTX, "0.010", "60002", OrderStatus.CANCELED),  # would take
        (TimeInForce.GTC, "0.010", "60001", OrderStatus.FILLED),
        (TimeInForce.GTX, "0.010", "59998", OrderStatus.PARTIALLY_FILLED),
    ],
)
def test_amending_a_partly_filled_order(
    tif: TimeInForce, quantity: str, price: str, status: OrderStatus
) -> None:
    pit = Pit(BIDS, ASKS)
    order = pit.place("ann", Side.BUY, "0.008", "60000", tif)
    pit.send(Taker(Side.SELL, 4))
    amended = pit.handle(
        AmendOrder(account="ann", symbol=BTC, order_id=order.order_id, quantity=D(quantity), price=D(price))
    ).response
    assert isinstance(amended, Order)
    assert amended.status is status
    assert amended.order_id == order.order_id


def test_time_in_force() -> None:
    pit = Pit(BIDS, ASKS)
    ioc = pit.place("ann", Side.BUY, "0.060", "60001", TimeInForce.IOC)
    assert (ioc.status, ioc.executed, ioc.average_price) == (OrderStatus.EXPIRED, D("0.050"), D("60001"))
    with pytest.raises(Refused):
        pit.place("ann", Side.BUY, "0.101", "60002", TimeInForce.FOK)
    fok = pit.place("ann", Side.BUY, "0.100", "60002", TimeInForce.FOK)
    assert fok.status is OrderStatus.FILLED
    market = pit.place("ann", Side.SELL, "0.160")
    assert (market.status, market.executed) == (OrderStatus.EXPIRED, D("0.150"))
    assert market.average_price == D("59998.33333333")  # (50 x 59,999 + 100 x 59,998) / 150


def test_reduce_only_is_clipped_when_it_fills_and_expires_when_nothing_is_left() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.010")
    exit_ = pit.place("ann", Side.SELL, "0.020", "60000.5", reduce_only=True)
    more = pit.place("ann", Side.SELL, "0.010", "60000.7", reduce_only=True)
    events = pit.send(Taker(Side.BUY, 15))
    assert pit.size("ann") == 0
    rows = {row.order_id: row for row in pit.exchange.orders("ann")}
    assert (rows[exit_.order_id].status, rows[exit_.order_id].executed) == (OrderStatus.EXPIRED, D("0.010"))
    assert rows[more.order_id].status is OrderStatus.EXPIRED
    assert [event.trade.quantity for event in events if isinstance(event, TradeMade)] == [
        D("0.010"),
        D("0.005"),
    ]
    assert not pit.exchange.open_orders("ann")


def test_a_message_of_no_consequence_says_nothing() -> None:
    pit = Pit(BIDS, ASKS)
    message: Message = Depth([BIDS[0]], [])
    assert pit.send(message) == []
