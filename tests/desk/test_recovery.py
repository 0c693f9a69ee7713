"""In which state a desk comes back: what a person alone may end is not ended by opening it again."""

from __future__ import annotations

from decimal import Decimal

import pytest

from contractdesk.desk.recovery import _begin_anew
from contractdesk.domain.events import (
    ClosingAsked,
    Event,
    FlattenAsked,
    HaltAsked,
    OrderFilled,
    ResumeAsked,
    StreamLost,
    StreamName,
    StreamRestored,
)
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.views import TradingState
from contractdesk.engine.checkpoint import decode_desk, encode_desk
from contractdesk.engine.engine import Engine
from contractdesk.engine.flattening import LATE
from tests.engine.bench import CONFIG, NS_PER_S, START, SYMBOL, Bench

KNOWN = {"ts_ns": START, "who": "tester"}
FLATTEN, HALT, RESUME = FlattenAsked(**KNOWN), HaltAsked(**KNOWN), ResumeAsked(**KNOWN)
CLOSE, CLOSE_FLAT = ClosingAsked(**KNOWN, flatten=False), ClosingAsked(**KNOWN, flatten=True)
ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED

LEFT: list[tuple[tuple[Event, ...], TradingState, str]] = [
    ((), ACTIVE, ""),  # killed
    ((CLOSE,), ACTIVE, ""),
    ((CLOSE_FLAT,), ACTIVE, ""),
    ((FLATTEN,), REDUCING, "flatten asked by tester"),
    ((FLATTEN, CLOSE), REDUCING, "flatten asked by tester"),
    ((FLATTEN, CLOSE_FLAT), REDUCING, "flatten asked by tester"),
    ((FLATTEN, RESUME, CLOSE), ACTIVE, ""),
    ((HALT, CLOSE), HALTED, "halt asked by tester"),
    ((HALT, FLATTEN, CLOSE), HALTED, "halt asked by tester"),
    ((FLATTEN, HALT, RESUME, CLOSE), ACTIVE, ""),
]


def reopened(bench: Bench, size: Decimal = ZERO) -> None:
    """Another engine with what this one knew, once it has compared its books with the venue's."""
    desk = decode_desk(bench.engine.checkpoint())
    _begin_anew(desk, CONFIG)
    bench.engine = Engine.restore(encode_desk(desk), {})
    bench.feed(StreamLost(ts_ns=bench.now_ns, stream=StreamName.PRIVATE, reason="away"))
    bench.feed(StreamRestored(ts_ns=bench.now_ns, stream=StreamName.PRIVATE))
    bench.picture(0, size)
    bench.make_ready()


@pytest.mark.parametrize(("asked", "state", "reason"), LEFT)
def test_a_desk_that_is_opened_again_is_in_the_state_that_a_person_left(
    asked: tuple[Event, ...], state: TradingState, reason: str
) -> None:
    bench = Bench()
    for event in asked:
        bench.feed(event)
    for _ in range(2):  # nor does a second opening end it
        reopened(bench)
        view = bench.engine.view
        assert (view.state, view.state_reason) == (state, reason)
    bench.feed(RESUME)
    assert bench.engine.view.state is ACTIVE
    reopened(bench)
    assert bench.engine.view.state is ACTIVE
    assert bench.enter()


def test_what_somebody_else_closed_is_still_to_be_looked_at_after_a_reopening() -> None:
    bench = Bench()
    bench.open()
    held = bench.market.position.size
    fill = bench.make_fill("web", str(-held))
    bench.feed(OrderFilled(ts_ns=bench.now_ns, client_id="web", symbol=SYMBOL, fill=fill))
    assert bench.market.position.size == ZERO != held
    said = bench.engine.view.state_reason
    assert "closed by somebody else" in said
    bench.feed(CLOSE)
    assert bench.engine.view.state_reason != said
    reopened(bench)
    assert (bench.engine.view.state, bench.engine.view.state_reason) == (REDUCING, said)


def test_what_is_being_closed_has_its_deadline_from_the_opening_on() -> None:
    bench = Bench()
    bench.open()
    bench.feed(FLATTEN)
    bench.now_ns += 3600 * NS_PER_S  # nobody was there to close it
    reopened(bench, bench.market.position.size)
    bench.advance(4.9)
    assert LATE not in bench.codes
    bench.advance(0.1)
    assert bench.codes.count(LATE) == 1
