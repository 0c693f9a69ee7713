"""Every reason of refusal, with what provokes it; and that a refusal leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from contractdesk.exchange.algos import MAX_OPEN_ALGOS
from contractdesk.exchange.markets import generated_exchange
from contractdesk.exchange.model import (
    AccountChanged,
    AccountConfig,
    AccountReason,
    AlgoType,
    AmendOrder,
    CancelAlgo,
    CancelAll,
    CancelAllAlgos,
    CancelOrder,
    ConfigChanged,
    MarginMode,
    NewAlgo,
    NewOrder,
    OrderType,
    PositionMode,
    PositionSide,
    Reason,
    Refused,
    SetLeverage,
    SetMarginMode,
    SetPositionMode,
    Side,
    TimeInForce,
    Transfer,
    WorkingType,
)
from contractdesk.exchange.trading import MAX_AMENDMENTS
from contractdesk.exchange.words import SymbolStatus
from tests.exchange.quiet import BTC, NS_PER_S, START_NS, Pit

D = Decimal
BIDS = [(599_990, 50), (599_980, 100)]
ASKS = [(600_010, 49), (600_020, 100)]


def order(**more: Any) -> NewOrder:
    """A limit buy of 0.01 at 59,000, unless overridden."""
    base: dict[str, Any] = {
        "account": "ann", "symbol": BTC, "side": Side.BUY, "type": OrderType.LIMIT,
        "quantity": D("0.01"), "price": D("59000"),
    }  # fmt: skip
    return NewOrder(**(base | more))


def algo(**more: Any) -> NewAlgo:
    """A sell stop on the mark at 59,000, unless overridden."""
    base: dict[str, Any] = {
        "account": "ann", "symbol": BTC, "side": Side.SELL, "type": AlgoType.STOP_MARKET,
        "quantity": D("0.01"), "trigger_price": D("59000"), "reduce_only": True,
        "working_type": WorkingType.MARK_PRICE,
    }  # fmt: skip
    return NewAlgo(**(base | more))


def nothing(pit: Pit) -> None:
    """No preparation."""


def holds(pit: Pit) -> None:
    pit.place("ann", Side.BUY, "0.01")


def rests(pit: Pit) -> None:
    pit.handle(order(client_id="mine"))


def many_orders(pit: Pit) -> None:
    pit.handle(Transfer(account="ann", asset="USDT", amount=D(100_000)))
    for _ in range(pit.listing.terms.max_open_orders):
        pit.handle(order())


def many_algos(pit: Pit) -> None:
    for _ in range(MAX_OPEN_ALGOS):
        pit.handle(algo())


def amended_often(pit: Pit) -> None:
    rests(pit)
    for number in range(MAX_AMENDMENTS):
        price = D(59_000 + number % 2 + 1)
        pit.handle(AmendOrder(account="ann", symbol=BTC, client_id="mine", price=price))


def closing_stop(pit: Pit) -> None:
    holds(pit)
    pit.handle(algo(quantity=None, reduce_only=False, close_position=True))


class Crowded:
    """A venue on a day on which resting reduce-only orders count."""

    def rejects_trigger(self, symbol: str) -> bool:
        raise AssertionError(f"no conditional order of {symbol} triggers here")

    def crowds_reduce(self, symbol: str) -> bool:
        return symbol == BTC


def crowded(pit: Pit) -> None:
    holds(pit)
    pit.place("ann", Side.SELL, "0.01", "60500", reduce_only=True)
    pit.exchange.obey(Crowded())


def only_reducing(pit: Pit) -> None:
    pit.exchange.levers.set_status(BTC, SymbolStatus.PRE_SETTLE)


def halted(pit: Pit) -> None:
    pit.exchange.levers.set_status(BTC, SymbolStatus.SETTLING)


def hedged(pit: Pit) -> None:
    pit.handle(SetPositionMode(account="ann", mode=PositionMode.HEDGE))


def isolated(pit: Pit) -> None:
    pit.handle(SetMarginMode(account="ann", symbol=BTC, mode=MarginMode.ISOLATED))


def leveraged(pit: Pit) -> None:
    pit.handle(SetLeverage(account="ann", symbol=BTC, leverage=125))


def amend(**more: Any) -> AmendOrder:
    return AmendOrder(**({"account": "ann", "symbol": BTC, "client_id": "mine"} | more))


Row = tuple[Reason, Callable[[Pit], None], Any]
ROWS: list[Row] = [
    (Reason.UNKNOWN_ACCOUNT, nothing, order(account="eve")),
    (Reason.UNKNOWN_SYMBOL, nothing, order(symbol="DOGEUSDT")),
    (Reason.UNKNOWN_ORDER, nothing, CancelOrder(account="ann", symbol=BTC, order_id=5)),
    (Reason.UNKNOWN_ORDER, nothing, CancelAlgo(account="ann", client_id="none")),
    (Reason.UNKNOWN_ORDER, nothing, amend(price=D("59001"))),
    (Reason.UNKNOWN_ORDER, rests, amend(price=D("59001"), side=Side.SELL)),
    (Reason.UNKNOWN_ORDER, rests, CancelOrder(account="bob", symbol=BTC, client_id="mine")),
    (Reason.DUPLICATE_CLIENT_ID, rests, order(client_id="mine")),
    (Reason.BAD_CLIENT_ID, nothing, order(client_id="x" * 37)),
    (Reason.BAD_CLIENT_ID, nothing, order(client_id="no spaces")),
    (Reason.PRICE_MISSING, nothing, order(price=None)),
    (Reason.PRICE_MISSING, nothing, algo(type=AlgoType.STOP)),
    (Reason.QUANTITY_MISSING, nothing, order(quantity=None)),
    (Reason.TRIGGER_MISSING, nothing, algo(trigger_price=None)),
    (Reason.UNEXPECTED_PRICE, nothing, order(type=OrderType.MARKET)),
    (Reason.UNEXPECTED_PRICE, nothing, algo(price=D("59000"))),
    (Reason.OFF_TICK, nothing, order(price=D("59000.05"))),
    (Reason.OFF_TICK, nothing, algo(trigger_price=D("59000.05"))),
    (Reason.OFF_LOT, nothing, order(quantity=D("0.0105"))),
    (Reason.PRICE_NOT_POSITIVE, nothing, order(price=D(0))),
    (Reason.PRICE_NOT_POSITIVE, nothing, order(price=D("NaN"))),
    (Reason.QUANTITY_NOT_POSITIVE, nothing, order(quantity=D(-1))),
    (Reason.QUANTITY_NOT_POSITIVE, nothing, order(quantity=D("Infinity"))),
    (Reason.QUANTITY_TOO_SMALL, nothing, order(quantity=D("0.0005"))),
    (Reason.QUANTITY_TOO_LARGE, nothing, order(quantity=D(1001))),
    (Reason.QUANTITY_TOO_LARGE, nothing, order(type=OrderType.MARKET, price=None, quantity=D(121))),
    (Reason.BELOW_MIN_NOTIONAL, nothing, order(quantity=D("0.001"))),
    (Reason.PRICE_ABOVE_BAND, nothing, order(price=D("63000.1"))),
    (Reason.PRICE_ABOVE_BAND, holds, order(side=Side.SELL, price=D("600000.1"), reduce_only=True)),
    (Reason.PRICE_BELOW_BAND, nothing, order(side=Side.SELL, price=D("56999.9"))),
    (Reason.INSUFFICIENT_MARGIN, nothing, order(quantity=D(4))),  # 59,000 x 4 / 20 = 11,800
    (Reason.MAX_POSITION_AT_LEVERAGE, leveraged, order(quantity=D(6))),  # 354,000 > 300,000 at 125x
    (Reason.REDUCE_ONLY_REJECTED, nothing, order(reduce_only=True)),
    (Reason.REDUCE_ONLY_REJECTED, holds, order(reduce_only=True)),  # a buy does not reduce a long
    (Reason.POST_ONLY_WOULD_TAKE, nothing, order(price=D("60001"), time_in_force=TimeInForce.GTX)),
    (Reason.FOK_NOT_FILLED, nothing, order(price=D(60001), quantity=D(1), time_in_force=TimeInForce.FOK)),
    (Reason.TOO_MANY_ORDERS, many_orders, order()),
    (Reason.WOULD_TRIGGER, nothing, algo(trigger_price=D("60000"))),
    (Reason.WOULD_TRIGGER, nothing, algo(type=AlgoType.TAKE_PROFIT_MARKET, trigger_price=D("60000"))),
    (Reason.WOULD_TRIGGER, nothing, algo(side=Side.BUY, trigger_price=D("59999"))),
    (Reason.WOULD_TRIGGER, holds, algo(trigger_price=D("60001"), working_type=WorkingType.CONTRACT_PRICE)),
    (Reason.SECOND_CLOSE_POSITION, closing_stop, algo(quantity=None, reduce_only=False, close_position=True)),
    (Reason.QUANTITY_WITH_CLOSE_POSITION, nothing, algo(reduce_only=False, close_position=True)),
    (Reason.REDUCE_ONLY_WITH_CLOSE_POSITION, nothing, algo(quantity=None, close_position=True)),
    (
        Reason.CLOSE_POSITION_TYPE,
        nothing,
        algo(type=AlgoType.STOP, quantity=None, reduce_only=False, close_position=True, price=D("59000")),
    ),
    (Reason.BAD_CALLBACK_RATE, nothing, algo(type=AlgoType.TRAILING_STOP_MARKET, callback_rate=D("0.05"))),
    (Reason.BAD_CALLBACK_RATE, nothing, algo(type=AlgoType.TRAILING_STOP_MARKET)),
    (Reason.TOO_MANY_ALGOS, many_algos, algo()),
    (Reason.REDUCE_ONLY_CROWDED, crowded, order(side=Side.SELL, price=D("60600"), reduce_only=True)),
    (Reason.ONLY_REDUCING, only_reducing, order()),
    (Reason.SYMBOL_HALTED, halted, order()),
    (Reason.AMEND_NOTHING, rests, amend()),
    (Reason.TOO_MANY_AMENDMENTS, amended_often, amend(price=D("59009"))),
    (Reason.LEVERAGE_INVALID, nothing, SetLeverage(account="ann", symbol=BTC, leverage=126)),
    (Reason.LEVERAGE_INVALID, nothing, SetLeverage(account="ann", symbol=BTC, leverage=0)),
    (Reason.MARGIN_MODE_UNCHANGED, nothing, SetMarginMode(account="ann", symbol=BTC, mode=MarginMode.CROSS)),
    (Reason.MARGIN_MODE_POSITION, holds, SetMarginMode(account="ann", symbol=BTC, mode=MarginMode.ISOLATED)),
    (Reason.MARGIN_MODE_ORDERS, rests, SetMarginMode(account="ann", symbol=BTC, mode=MarginMode.ISOLATED)),
    (Reason.POSITION_MODE_UNCHANGED, nothing, SetPositionMode(account="ann", mode=PositionMode.ONE_WAY)),
    (Reason.POSITION_MODE_POSITION, holds, SetPositionMode(account="ann", mode=PositionMode.HEDGE)),
    (Reason.POSITION_MODE_ORDERS, rests, SetPositionMode(account="ann", mode=PositionMode.HEDGE)),
    (Reason.POSITION_SIDE_MISMATCH, hedged, order()),
    (Reason.POSITION_SIDE_MISMATCH, nothing, order(position_side=PositionSide.LONG)),
    (Reason.MODE_UNSUPPORTED, hedged, order(position_side=PositionSide.LONG)),
    (Reason.MODE_UNSUPPORTED, isolated, order()),
    (Reason.INSUFFICIENT_BALANCE, nothing, Transfer(account="ann", asset="USDT", amount=D("-10000.01"))),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "prepare", "request_"), ROWS, ids=lambda one: getattr(one, "name", ""))
def test_a_refusal_says_why_and_changes_nothing(
    reason: Reason, prepare: Callable[[Pit], None], request_: Any
) -> None:
    pit = Pit(BIDS, ASKS)
    prepare(pit)
    before, book = pit.exchange.state(), pit.exchange.book(BTC)
    with pytest.raises(Refused) as refusal:
        pit.handle(request_)
    assert refusal.value.reason is reason
    assert pit.exchange.state() == before
    assert pit.exchange.book(BTC) == book
    assert pit.exchange.advance(pit.now_ns) == []


def test_the_remaining_reasons() -> None:
    empty = Pit()
    with pytest.raises(Refused, match=Reason.NO_LIQUIDITY.value):
        empty.place("ann", Side.BUY, "0.01")
    with pytest.raises(Refused, match=Reason.BAD_INTERVAL.value):
        empty.exchange.klines(BTC, "1w")
    told = {reason for reason, _, _ in ROWS} | {Reason.NO_LIQUIDITY, Reason.BAD_INTERVAL}
    # a MARKET order never rests, so nothing but a LIMIT can be amended; steering: see test_recording
    assert set(Reason) - told == {Reason.AMEND_NOT_LIMIT, Reason.MARKET_NOT_STEERABLE}


def test_a_closed_order_frees_its_client_id() -> None:
    pit = Pit(BIDS, ASKS)
    rests(pit)
    pit.handle(CancelOrder(account="ann", symbol=BTC, client_id="mine"))
    rests(pit)
    assert pit.exchange.order("ann", BTC, client_id="mine").status.open
    assert len(pit.exchange.orders("ann")) == 2


def test_cancel_all_leaves_the_algo_book_alone_and_the_other_way_round() -> None:
    pit = Pit(BIDS, ASKS)
    rests(pit)
    pit.handle(algo())
    cancelled = pit.handle(CancelAll(account="ann", symbol=BTC)).response
    assert isinstance(cancelled, tuple)
    assert len(cancelled) == 1
    assert not pit.exchange.open_orders("ann")
    assert len(pit.exchange.open_algos("ann", BTC)) == 1
    pit.handle(CancelAllAlgos(account="ann", symbol=BTC))
    assert not pit.exchange.open_algos("ann")


def test_leverage_changes_margin_and_is_reported() -> None:
    pit = Pit(BIDS, ASKS)
    pit.place("ann", Side.BUY, "0.1")
    result = pit.handle(SetLeverage(account="ann", symbol=BTC, leverage=10))
    assert isinstance(result.response, AccountConfig)
    assert result.response.max_notional == D(100_000_000)
    assert [type(event) for event in result.events] == [ConfigChanged]
    (balance,) = pit.exchange.account("ann").balances
    assert balance.position_initial_margin == D("600")  # 0.1 x 60,000 / 10
    pit.handle(Transfer(account="ann", asset="USDT", amount=D("-9000")))
    with pytest.raises(Refused, match=Reason.INSUFFICIENT_MARGIN.value):
        pit.handle(SetLeverage(account="ann", symbol=BTC, leverage=1))
    assert pit.exchange.config("ann", BTC).leverage == 10


def test_a_transfer_is_booked_and_reported() -> None:
    pit = Pit()
    (event,) = pit.handle(Transfer(account="ann", asset="USDT", amount=D("250.5"))).events
    assert isinstance(event, AccountChanged)
    assert event.reason is AccountReason.DEPOSIT
    assert event.change == D("250.5")
    assert pit.wallet("ann") == D("10250.5")


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="ann"):
        Pit().exchange.open_account("ann", {}, START_NS)


def test_time_goes_forward_only() -> None:
    exchange = generated_exchange(3, START_NS)
    exchange.advance(START_NS + NS_PER_S)
    assert exchange.advance(START_NS) == []
    assert exchange.now_ns == START_NS + NS_PER_S
    assert START_NS + NS_PER_S < exchange.next_due_ns <= START_NS + 2 * NS_PER_S


def test_a_suspended_host_does_not_replay_the_night() -> None:
    exchange = generated_exchange(3, START_NS, longest_catch_up_ns=60 * NS_PER_S)
    exchange.open_account("ann", {"USDT": D(1)}, START_NS)
    events = exchange.advance(START_NS + 8 * 3600 * NS_PER_S)
    assert len(events) < 100
    assert exchange.next_due_ns > START_NS + 8 * 3600 * NS_PER_S


def test_details_name_what_would_pass() -> None:
    pit = Pit(BIDS, ASKS, mark="60000.05")
    details = []
    for request in (
        order(price=D("63000.2")),
        order(side=Side.SELL, price=D(56999)),
        order(quantity=D("0.001")),
    ):
        with pytest.raises(Refused) as refusal:
            pit.handle(request)
        details.append(refusal.value.detail)
    assert details == ["63000.0", "57000.1", "100"]
    with pytest.raises(Refused, match=Reason.PRICE_NOT_POSITIVE.value):
        pit.exchange.levers.walk_to(BTC, D("NaN"), 1)
