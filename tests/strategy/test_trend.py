"""TrendFollow: enters on a cross with a stop, leaves on the opposite one, and flips when flat."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.domain.intents import AtrStop, Intent, IntentKind
from contractdesk.domain.orders import Side, TimeInForce
from contractdesk.errors import ConfigError
from contractdesk.strategy.library import EntryStyle, TrendFollow
from tests.domain.terms import LINEAR
from tests.risk.desks import order
from tests.strategy.hosts import SYMBOL, Host, closes

D = Decimal
FALL = [f"{60_000 - 10 * n}" for n in range(12)]
RISE = [f"{59_890 + 30 * n}" for n in range(12)]


def host(timeframe: str = "1m", **params: object) -> Host:
    return Host(
        TrendFollow([SYMBOL], timeframe=timeframe, **{"fast": 2, "slow": 4, "atr_period": 3, **params})
    )


def until_a_wish(on: Host, prices: list[str]) -> tuple[list[Intent], int]:
    for number, price in enumerate(prices):
        wished = on.close(price)
        if wished:
            return wished, number
    return [], len(prices)


@pytest.mark.parametrize("timeframe", ["1m", "1s"])
def test_a_cross_is_entered_once_at_market_with_an_atr_stop(timeframe: str) -> None:
    on = host(timeframe)
    assert on.close(*FALL) == []
    (intent,), place = until_a_wish(on, RISE)
    assert intent == Intent(
        kind=IntentKind.ENTER,
        symbol=SYMBOL,
        side=Side.BUY,
        stop=AtrStop(period=3, multiple=D("2.5")),
        trail=True,
        reason="cross",
    )
    assert on.hold("0.004") == []
    assert on.close(*RISE[place + 1 :]) == []


def test_the_opposite_cross_exits_then_flips_when_flat() -> None:
    on = host()
    on.close(*FALL)
    until_a_wish(on, RISE)
    on.hold("0.004")
    (exit_,), _ = until_a_wish(on, FALL)
    assert (exit_.kind, exit_.symbol, exit_.reason) == (IntentKind.EXIT, SYMBOL, "opposite cross")
    assert on.hold("0.002") == []  # half of the exit has filled
    (entry,) = on.hold("0")
    assert (entry.kind, entry.side) == (IntentKind.ENTER, Side.SELL)
    assert on.hold("-0.004") == []


def test_an_exit_is_wished_again_while_the_position_stands() -> None:
    on = host()
    on.close(*FALL)
    until_a_wish(on, RISE)
    on.hold("0.004")
    until_a_wish(on, FALL)
    (again,) = on.close("59000")
    assert again.kind is IntentKind.EXIT


def test_without_shorts_it_leaves_and_stays_out() -> None:
    on = host(shorts=False)
    on.close(*FALL)
    until_a_wish(on, RISE)
    on.hold("0.004")
    (exit_,), _ = until_a_wish(on, FALL)
    assert exit_.kind is IntentKind.EXIT
    assert on.hold("0") == []
    assert on.close("59000", "58000") == []
    assert host(longs=False).close(*FALL, *RISE) == []


def test_after_a_stop_out_it_waits_for_the_next_cross() -> None:
    on = host()
    on.close(*FALL)
    _, place = until_a_wish(on, RISE)
    on.hold("0.004")
    on.close(RISE[place + 1])
    assert on.hold("0") == []
    assert on.close(*RISE[place + 2 :]) == []


def test_a_passive_entry_rests_at_the_touch_and_quotes_anew() -> None:
    on = host(entry="passive")
    on.close(*FALL)
    (quote,), place = until_a_wish(on, RISE)
    assert (quote.limit, quote.time_in_force, quote.expire_s) == (D("59999.9"), TimeInForce.GTX, 54.0)
    (again,) = on.close(RISE[place + 1])
    assert again.limit == D("59999.9")
    on.desk.working = [order(LINEAR, Side.BUY, "0.004", "59999.9")]
    on.context.strategy_id = ""  # whose order that is
    assert on.close(RISE[place + 2]) == []
    on.desk.working = []
    on.hold("0.001")  # a part has filled: the signal has its entry
    assert on.close(*RISE[place + 3 :]) == []
    assert on.strategy.state == {}


def test_a_passive_entry_needs_a_book() -> None:
    on = host(entry=EntryStyle.PASSIVE)
    on.desk.symbols[SYMBOL].book.invalidate()
    assert on.close(*FALL, *RISE) == []


def test_parameters_are_checked_against_each_other() -> None:
    with pytest.raises(ConfigError, match="fast=26 must be below slow=26"):
        TrendFollow([SYMBOL], fast=26)
    with pytest.raises(ConfigError, match="must be below"):
        TrendFollow([SYMBOL]).with_params(slow=12)
    assert TrendFollow([SYMBOL]).warmup == 309  # 22 x 14 + 1


@given(st.lists(st.floats(1, 100_000), max_size=60), st.sampled_from(EntryStyle), st.data())
def test_it_never_raises_and_never_enters_against_its_position(
    prices: list[float], style: EntryStyle, data: st.DataObject
) -> None:
    on = host(entry=style)
    for price in closes(prices):
        wished = on.close(price)
        size = on.desk.symbols[SYMBOL].position.size
        for intent in wished:
            assert intent.kind is IntentKind.EXIT if size else intent.kind is IntentKind.ENTER
            assert intent.kind is not IntentKind.ENTER or intent.stop is not None
        if data.draw(st.booleans()):
            on.hold(data.draw(st.sampled_from(["0", "0.004", "-0.004"])))
