"""Conditional orders: when they trigger, what becomes of them, and what the events say of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from contractdesk.exchange.market import Depth, Taker
from contractdesk.exchange.model import (
    AlgoChanged,
    AlgoOrder,
    AlgoStatus,
    AlgoType,
    AmendAlgo,
    CancelAlgo,
    CancelOrder,
    Event,
    ExecutionKind,
    NewAlgo,
    OrderChanged,
    OrderStatus,
    OrderType,
    Reason,
    Refused,
    Side,
    WorkingType,
)
from tests.exchange.quiet import BTC, NS_PER_S, Pit

D = Decimal
BIDS = [(599_990, 500), (590_000, 100_000)]
ASKS = [(600_010, 500), (610_000, 100_000)]


def placed(pit: Pit, request: NewAlgo) -> AlgoOrder:
    response = pit.handle(request).response
    assert isinstance(response, AlgoOrder)
    return response


def steps(events: list[Event]) -> list[AlgoStatus | ExecutionKind]:
    """The statuses of algo orders and the executions of regular ones, in the order of the events."""
    told: list[AlgoStatus | ExecutionKind] = []
    for event in events:
        match event:
            case AlgoChanged(algo=algo):
                told.append(algo.status)
            case OrderChanged(kind=kind):
                told.append(kind)
            case _:
                pass
    return told


def test_a_stop_on_the_mark_closes_the_position() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.100")
    algo = placed(pit, pit.stop("ann", Side.SELL, "59000", "0.100", client_id="guard"))
    assert steps(pit.mark("59000.1")) == []
    events = pit.mark("59000")
    assert steps(events) == [
        AlgoStatus.TRIGGERING,
        ExecutionKind.NEW,
        ExecutionKind.TRADE,
        AlgoStatus.TRIGGERED,
        AlgoStatus.FINISHED,
    ]
    done = pit.exchange.algo("ann", client_id="guard")
    child = pit.exchange.order("ann", BTC, order_id=done.order_id)
    assert pit.size("ann") == 0
    assert (child.algo_id, child.algo_type, child.client_id) == (algo.algo_id, AlgoType.STOP_MARKET, "guard")
    assert (child.type, child.reduce_only, child.trigger_price) == (OrderType.MARKET, True, D("59000"))
    assert (done.executed, done.average_price) == (D("0.100"), D("59999"))
    assert done.created_ns == algo.created_ns < done.triggered_ns == done.closed_ns == pit.now_ns


@pytest.mark.parametrize(
    ("kind", "side", "trigger", "quiet", "hit"),
    [
        (AlgoType.STOP_MARKET, Side.SELL, "59000", "59000.1", "58999"),
        (AlgoType.STOP_MARKET, Side.BUY, "61000", "60999.9", "61000"),
        (AlgoType.TAKE_PROFIT_MARKET, Side.SELL, "61000", "60999.9", "61000"),
        (AlgoType.TAKE_PROFIT_MARKET, Side.BUY, "59000", "59000.1", "59000"),
    ],
)
def test_which_way_the_price_must_go(kind: AlgoType, side: Side, trigger: str, quiet: str, hit: str) -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", side.opposite, "0.100")
    placed(pit, pit.stop("ann", side, trigger, "0.100", type=kind))
    assert not steps(pit.mark(quiet))
    assert steps(pit.mark(hit))[0] is AlgoStatus.TRIGGERING
    assert pit.size("ann") == 0


def test_a_stop_on_the_last_price_watches_trades() -> None:
    pit = Pit([*BIDS, (599_980, 500)], ASKS)
    pit.place("ann", Side.BUY, "0.100")
    placed(
        pit,
        pit.stop("ann", Side.SELL, "59998", "0.100", working_type=WorkingType.CONTRACT_PRICE),
    )
    assert not steps(pit.mark("59000"))
    assert steps(pit.send(Taker(Side.SELL, 501)))[0] is AlgoStatus.TRIGGERING
    assert pit.size("ann") == 0


def test_one_stop_may_set_off_the_next() -> None:
    pit = Pit([(599_990, 10), (599_980, 20), (599_970, 500)], ASKS)
    for name, trigger in (("ann", "59999"), ("bob", "59998")):
        pit.place(name, Side.BUY, "0.020")
        placed(
            pit,
            pit.stop(name, Side.SELL, trigger, "0.020", working_type=WorkingType.CONTRACT_PRICE),
        )
    pit.send(Taker(Side.SELL, 1))
    assert (pit.size("ann"), pit.size("bob")) == (0, 0)


def test_close_position_closes_all_of_it_and_ends_with_it() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.100")
    stop = placed(pit, pit.stop("ann", Side.SELL, "59000"))
    profit = placed(pit, pit.stop("ann", Side.SELL, "61000", type=AlgoType.TAKE_PROFIT_MARKET))
    pit.place("ann", Side.BUY, "0.050")
    pit.mark("59000")
    assert pit.size("ann") == 0
    assert pit.exchange.algo("ann", algo_id=stop.algo_id).executed == D("0.150")
    assert pit.exchange.algo("ann", algo_id=profit.algo_id).status is AlgoStatus.EXPIRED
    assert not pit.exchange.open_algos("ann")


def test_a_reduce_only_stop_with_nothing_to_reduce_expires() -> None:
    pit = Pit(BIDS, ASKS)
    placed(pit, pit.stop("ann", Side.SELL, "59000", "0.100", client_id="late"))
    assert steps(pit.mark("58999")) == [AlgoStatus.TRIGGERING, AlgoStatus.EXPIRED]
    expired = pit.exchange.algo("ann", client_id="late")
    assert (expired.reason, expired.order_id) == ("Reduce Only reject", 0)
    assert not pit.exchange.orders("ann")


def test_a_larger_stop_is_clipped_to_the_position() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.100")
    placed(pit, pit.stop("ann", Side.SELL, "59000", "0.300"))
    pit.mark("59000")
    assert pit.size("ann") == 0
    assert pit.exchange.orders("ann")[-1].status is OrderStatus.EXPIRED
    assert pit.exchange.algos("ann")[0].executed == D("0.100")


def test_a_stop_that_would_open_too_much_is_rejected_when_it_triggers() -> None:
    pit = Pit(BIDS, ASKS)
    placed(pit, pit.stop("ann", Side.SELL, "59000", "100", reduce_only=False, client_id="big"))
    assert steps(pit.mark("59000")) == [AlgoStatus.TRIGGERING, AlgoStatus.REJECTED]
    assert Reason.INSUFFICIENT_MARGIN.value in pit.exchange.algo("ann", client_id="big").reason


def test_a_priced_stop_becomes_a_limit_and_finishes_with_it() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.100")
    placed(pit, pit.stop("ann", Side.SELL, "59500", "0.100", type=AlgoType.STOP, price=D("60000.5")))
    assert steps(pit.mark("59400")) == [AlgoStatus.TRIGGERING, ExecutionKind.NEW, AlgoStatus.TRIGGERED]
    (child,) = pit.exchange.open_orders("ann")
    assert child.price == D("60000.5")
    events = pit.handle(CancelOrder(account="ann", symbol=BTC, order_id=child.order_id)).events
    assert steps(list(events)) == [ExecutionKind.CANCELED, AlgoStatus.FINISHED]


def test_a_trailing_stop_follows_and_never_loosens() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.100")
    request = pit.stop(
        "ann",
        Side.SELL,
        "1",
        "0.100",
        type=AlgoType.TRAILING_STOP_MARKET,
        trigger_price=None,
        callback_rate=D(1),
        activate_price=D(60100),
        client_id="trail",
    )
    assert not placed(pit, request).activated
    pit.mark("59000")  # not active yet: nothing follows
    pit.mark("60500")
    assert pit.exchange.algo("ann", client_id="trail").trigger_price == D("59895")
    pit.mark("60000")
    assert pit.exchange.algo("ann", client_id="trail").trigger_price == D("59895")
    assert steps(pit.mark("59895"))[0] is AlgoStatus.TRIGGERING
    assert pit.size("ann") == 0


def test_a_cancelled_stop_does_nothing_and_its_life_is_on_record() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.100")
    algo = placed(pit, pit.stop("ann", Side.SELL, "59000", "0.100"))
    pit.exchange.advance(pit.now_ns + NS_PER_S)
    pit.now_ns += NS_PER_S
    pit.handle(CancelAlgo(account="ann", algo_id=algo.algo_id))
    pit.mark("58000")
    assert pit.size("ann") == D("0.100")
    (row,) = pit.exchange.state()["accounts"]["ann"]["algo_orders"]
    assert (row["status"], row["closed_ns"] - row["created_ns"]) == ("CANCELED", NS_PER_S)
    with pytest.raises(Refused, match=Reason.UNKNOWN_ORDER.value):
        pit.handle(CancelAlgo(account="ann", algo_id=algo.algo_id))


def test_a_stop_without_a_counterparty_is_rejected_and_says_so() -> None:
    pit = Pit([(599_990, 500)], ASKS)
    pit.place("ann", Side.BUY, "0.100")
    placed(pit, pit.stop("ann", Side.SELL, "59000", "0.100", client_id="alone"))
    pit.send(Depth([(599_990, 0)], []))
    pit.mark("58000")
    assert pit.exchange.algo("ann", client_id="alone").reason == Reason.NO_LIQUIDITY.value


# -- amending ------------------------------------------------------------------------------------


def amend(
    pit: Pit, trigger: str | None, quantity: str | None, **which: object
) -> tuple[AlgoOrder, list[Event]]:
    """New terms for ann's "guard", unless another is named; a second later."""
    pit.now_ns += NS_PER_S
    named = which or {"client_id": "guard"}
    request = AmendAlgo(
        account="ann",
        symbol=BTC,
        trigger_price=None if trigger is None else D(trigger),
        quantity=None if quantity is None else D(quantity),
        **named,  # type: ignore[arg-type]
    )
    result = pit.handle(request)
    assert isinstance(result.response, AlgoOrder)
    return result.response, list(result.events)


def guarded_pit() -> tuple[Pit, AlgoOrder]:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.100")
    return pit, placed(pit, pit.stop("ann", Side.SELL, "59000", "0.100", client_id="guard"))


def test_an_amended_stop_triggers_where_it_was_moved_to_and_for_as_much() -> None:
    pit, algo = guarded_pit()
    moved, events = amend(pit, "59500", "0.060", algo_id=algo.algo_id)
    assert steps(events) == [AlgoStatus.NEW]
    assert (moved.algo_id, moved.trigger_price, moved.quantity) == (algo.algo_id, D(59_500), D("0.060"))
    assert [row.algo_id for row in pit.exchange.open_algos("ann")] == [algo.algo_id]
    assert steps(pit.mark("59500"))[0] is AlgoStatus.TRIGGERING
    assert pit.size("ann") == D("0.040")


def test_amendments_are_on_record_and_the_same_terms_again_are_none() -> None:
    pit, algo = guarded_pit()
    amend(pit, "59500", "0.100")
    amend(pit, "59500", "0.100")
    amend(pit, None, "0.050")
    (row,) = pit.exchange.state()["accounts"]["ann"]["algo_orders"]
    assert [
        ((each["ts_ns"] - algo.created_ns) // NS_PER_S, each["trigger_price"], each["quantity"])
        for each in row["amendments"]
    ] == [(0, "59000", "0.100"), (1, "59500", "0.100"), (3, "59500", "0.050")]


@pytest.mark.parametrize(
    ("trigger", "quantity", "reason"),
    [
        ("59500.05", "0.100", Reason.OFF_TICK),
        ("-1", "0.100", Reason.PRICE_NOT_POSITIVE),
        ("60000", "0.100", Reason.WOULD_TRIGGER),
        ("59500", "0.0001", Reason.QUANTITY_TOO_SMALL),
        ("59500", "0.1005", Reason.OFF_LOT),
        ("59500", "0", Reason.QUANTITY_NOT_POSITIVE),
    ],
)
def test_terms_that_no_new_order_could_have_are_refused(trigger: str, quantity: str, reason: Reason) -> None:
    pit, algo = guarded_pit()
    with pytest.raises(Refused, match=reason.value):
        amend(pit, trigger, quantity)
    assert pit.exchange.algo("ann", client_id="guard") == algo


def test_only_an_order_that_rests_can_be_amended() -> None:
    pit, _ = guarded_pit()
    for which in ({"client_id": "nobody"}, {"algo_id": 1}):
        with pytest.raises(Refused, match=Reason.UNKNOWN_ORDER.value):
            amend(pit, "59500", "0.100", **which)
    pit.mark("59000")
    with pytest.raises(Refused, match=Reason.UNKNOWN_ORDER.value):
        amend(pit, "58000", "0.100")
    whole = placed(pit, pit.stop("ann", Side.SELL, "58000", client_id="whole"))
    with pytest.raises(Refused, match=Reason.QUANTITY_WITH_CLOSE_POSITION.value):
        amend(pit, "57000", "0.100", client_id="whole")
    assert amend(pit, "57000", None, client_id="whole")[0].algo_id == whole.algo_id
