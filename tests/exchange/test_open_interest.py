"""Open interest as the exchange tells it: steady before the opening, what it was at each step after it."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from contractdesk.exchange.core import Exchange
from contractdesk.exchange.model import NewOrder, OrderType, Refused, Side
from contractdesk.exchange.open_interest import KEPT, STEP_NS
from tests.exchange.loopback import SYMBOL, quiet_exchange

D = Decimal
OPENING = D(84_000)


def history(exchange: Exchange, period: int = 1, limit: int = 500) -> list[tuple[int, Decimal]]:
    return exchange.open_interest_history(SYMBOL, period * STEP_NS, start_ns=None, end_ns=None, limit=limit)


def test_before_the_opening_it_was_what_it_was_at_the_opening() -> None:
    exchange = quiet_exchange()
    rows = history(exchange, limit=13)
    assert [amount for _, amount in rows] == [OPENING] * 13
    assert [after[0] - before[0] for before, after in pairwise(rows)] == [STEP_NS] * 12
    assert exchange.now_ns - STEP_NS < rows[-1][0] <= exchange.now_ns


def test_it_keeps_what_it_was_at_each_step() -> None:
    exchange = quiet_exchange()
    for amount in ("90000", "70000", "70001"):
        exchange.levers.set_open_interest(SYMBOL, D(amount))
        assert exchange.open_interest(SYMBOL) == D(amount)
        exchange.advance(exchange.now_ns + STEP_NS)
    exchange.levers.set_open_interest(SYMBOL, D(1))  # since the last step: no row has it yet
    assert [amount for _, amount in history(exchange, limit=4)] == [OPENING, 90_000, 70_000, 70_001]
    exchange.advance(exchange.now_ns + 3 * STEP_NS)
    assert [amount for _, amount in history(exchange, limit=4)] == [70_001, 1, 1, 1]
    hours = history(exchange, period=12)
    assert all(ts_ns % (12 * STEP_NS) == 0 for ts_ns, _ in hours)
    assert history(exchange, limit=KEPT)[0][1] == OPENING


def test_our_accounts_longs_are_in_it_and_cannot_be_set_away() -> None:
    exchange = quiet_exchange()
    exchange.open_account("a", {"USDT": D(10_000)}, exchange.now_ns)
    order = NewOrder(account="a", symbol=SYMBOL, side=Side.BUY, type=OrderType.MARKET, quantity=D("0.01"))
    exchange.handle(order, exchange.now_ns)
    assert exchange.open_interest(SYMBOL) == OPENING + D("0.01")
    exchange.levers.set_open_interest(SYMBOL, D("0.01"))
    assert exchange.open_interest(SYMBOL) == D("0.01")
    for amount in ("0.009", "-1", "NaN"):
        with pytest.raises(ValueError, match="at least"):
            exchange.levers.set_open_interest(SYMBOL, D(amount))
    with pytest.raises(Refused):
        exchange.levers.set_open_interest("X", D(1))
