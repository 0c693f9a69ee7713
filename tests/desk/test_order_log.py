"""What was to be expected is told quietly, and once."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from contractdesk.desk.order_log import OrderLog
from contractdesk.domain.events import AmendFailed, OrderRejected
from contractdesk.domain.intents import Intent, IntentKind, Refused
from contractdesk.domain.orders import OrderRequest, OrderRole, OrderType, Side
from contractdesk.ops.metrics import Histogram

REQUEST = OrderRequest(
    client_id="a", symbol="BTC", side=Side.BUY, type=OrderType.LIMIT, size=Decimal(1), role=OrderRole.ENTRY,
    price=Decimal(1),
)  # fmt: skip


def refusal(intent_id: int) -> Refused:
    return Refused(
        symbol="BTC", rule="size_cap", found="9 %", limit="3 %", would_pass="less", strategy_id="s", ts_ns=1,
        intent=Intent(kind=IntentKind.ENTER, symbol="BTC"), intent_id=intent_id,
    )  # fmt: skip


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> OrderLog:
    logger = logging.getLogger("order-log-test")
    caplog.set_level(logging.INFO, logger.name)
    return OrderLog(logger, Histogram())


@pytest.mark.parametrize(("would_take", "level"), [(True, "INFO"), (False, "WARNING")])
def test_a_post_only_order_that_would_take_is_no_warning(
    log: OrderLog, caplog: pytest.LogCaptureFixture, would_take: bool, level: str
) -> None:
    log.sent(REQUEST, 0)
    log.saw(OrderRejected(ts_ns=1, client_id="a", symbol="BTC", code=-1, message="", would_take=would_take))
    assert [record.levelname for record in caplog.records] == [level]


def test_each_refusal_is_told_once_also_where_old_ones_are_dropped(
    log: OrderLog, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = refusal(1), refusal(2), refusal(3)
    for now in ([], [first], [first], [second, third], [third]):
        log.refused(now)
    assert [record.__dict__["intentId"] for record in caplog.records] == [1, 2, 3]
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_a_stop_that_could_not_be_moved_is_told_each_time(
    log: OrderLog, caplog: pytest.LogCaptureFixture
) -> None:
    log.sent(REQUEST, 0)
    for code in (0, -2021):
        log.saw(AmendFailed(ts_ns=1, client_id="a", symbol="BTC", code=code, message="no"))
    assert [record.__dict__["reason"] for record in caplog.records] == ["0: no", "-2021: no"]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_a_round_trip_is_counted_apart_from_the_signals_latency() -> None:
    latency, trips = Histogram(), Histogram()
    log = OrderLog(logging.getLogger("order-log-test"), latency, trips)
    log.sent(REQUEST, 0)
    log.answered(4_000_000)
    assert (trips.count, trips.max_ms, latency.count) == (1, 4.0, 0)
