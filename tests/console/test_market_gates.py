"""The funding and open-interest gates end to end: the exchange moves the market, its state is the witness."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from contractdesk.console.desk import Desk
from contractdesk.desk import embedded
from contractdesk.domain.intents import Finding
from contractdesk.domain.orders import Side
from contractdesk.domain.views import DeskSnapshot
from tests.console.loopback import BTC, Watcher, address, ready, truth

SIZE = Decimal("0.002")


def gauge(picture: DeskSnapshot, rule: str) -> Finding:
    return next(row for row in picture.risk if row.rule == rule)


def enter(desk: Desk, side: Side) -> Any:
    """A small market order by hand, stopped 2 % away; its receipt."""
    mark = desk.snapshot.symbols[BTC].mark
    assert mark is not None
    order = desk.buy if side is Side.BUY else desk.sell
    return order(BTC, size=SIZE, stop=(mark * (1 - side.sign * Decimal("0.02"))).quantize(Decimal(1)))


def size_at_the_exchange(desk: Desk) -> Decimal:
    return Decimal(truth(desk)["positions"].get("BTCUSDT", {}).get("size", "0"))


def creates(desk: Desk) -> int:
    """How many orders have ever reached the exchange."""
    return len(truth(desk)["orders"])


def close(desk: Desk) -> None:
    assert desk.close_position(BTC).done
    desk.wait_for(lambda s: not any(row.size for row in s.positions), 20)
    assert size_at_the_exchange(desk) == 0


def fund(desk: Desk, *rates: str) -> None:
    for rate in rates:
        embedded.post(address(desk), "/control/fund", {"symbol": "BTCUSDT", "rate": rate})


def hold(desk: Desk, amount: str) -> None:
    embedded.post(address(desk), "/control/open_interest", {"symbol": "BTCUSDT", "amount": amount})


@pytest.fixture(scope="module")
def open_desk(desk: Desk) -> Desk:
    desk.start(Watcher([BTC], "1m"), name="watcher")
    ready(desk)
    return desk


def test_a_fall_of_open_interest_refuses_until_it_has_recovered(open_desk: Desk) -> None:
    desk = open_desk
    assert enter(desk, Side.BUY).refused is None
    desk.wait_for(lambda s: any(row.guarded for row in s.positions), 20)
    assert size_at_the_exchange(desk) == SIZE
    hold(desk, "79000")  # of 84,000: 5.95 %
    desk.wait_for(lambda s: not gauge(s, "open_interest").passed, 20)
    close(desk)  # nothing blocks the way out

    sent = creates(desk)
    for side in Side:
        refused = enter(desk, side).refused
        assert refused is not None
        assert refused.rule == "open_interest"
        assert "of 84000" in refused.found
        assert refused.would_pass.startswith(">= 79800")
    assert (creates(desk), size_at_the_exchange(desk)) == (sent, 0)

    hold(desk, "79900.1")  # 4.88 %, whatever of it is ours
    desk.wait_for(lambda s: gauge(s, "open_interest").passed, 20)
    assert enter(desk, Side.BUY).refused is None
    desk.wait_for(lambda s: any(row.guarded for row in s.positions), 20)
    assert size_at_the_exchange(desk) == SIZE
    close(desk)


def test_the_open_interest_gate_is_a_switch(open_desk: Desk) -> None:
    desk = open_desk
    hold(desk, "50000")
    desk.wait_for(lambda s: not gauge(s, "open_interest").passed, 20)
    desk.risk.tune(open_interest_gate=False)
    desk.wait_for(lambda s: gauge(s, "open_interest").found == "not checked", 20)
    assert enter(desk, Side.SELL).refused is None
    desk.wait_for(lambda s: any(row.guarded for row in s.positions), 20)
    assert size_at_the_exchange(desk) == -SIZE
    close(desk)


def test_funding_over_several_settlements_refuses_longs_and_lets_shorts_in(open_desk: Desk) -> None:
    desk = open_desk
    fund(desk, "0.0003", "0.0002")  # 0.05 %: at the limit
    desk.wait_for(lambda s: "+0.05 % in 2" in gauge(s, "funding_gate").found, 20)
    assert enter(desk, Side.BUY).refused is None
    desk.wait_for(lambda s: any(row.guarded for row in s.positions), 20)
    assert size_at_the_exchange(desk) == SIZE
    close(desk)

    fund(desk, "0.00000001")
    desk.wait_for(lambda s: not gauge(s, "funding_gate").passed, 20)
    sent = creates(desk)
    refused = enter(desk, Side.BUY).refused
    assert refused is not None
    assert (refused.rule, refused.limit) == ("funding_gate", "<= +0.05 % in 8 h for longs")
    assert refused.found == "+0.050001 % in 3 settlements"
    assert "leaves the window" in refused.would_pass
    assert (creates(desk), size_at_the_exchange(desk)) == (sent, 0)

    assert enter(desk, Side.SELL).refused is None
    desk.wait_for(lambda s: any(row.guarded for row in s.positions), 20)
    assert size_at_the_exchange(desk) == -SIZE
    close(desk)


def test_the_mirrored_rule_for_shorts_is_a_switch(open_desk: Desk) -> None:
    desk = open_desk
    desk.risk.tune(funding_gate_shorts=True)
    fund(desk, "-0.0020")
    desk.wait_for(lambda s: gauge(s, "funding_gate").found.startswith("-0.1499"), 20)
    sent = creates(desk)
    refused = enter(desk, Side.SELL).refused
    assert refused is not None
    assert (refused.rule, refused.limit) == ("funding_gate", ">= -0.05 % in 8 h for shorts")
    assert (creates(desk), size_at_the_exchange(desk)) == (sent, 0)
    assert enter(desk, Side.BUY).refused is None
    desk.wait_for(lambda s: any(row.guarded for row in s.positions), 20)
    assert size_at_the_exchange(desk) == SIZE
    close(desk)
