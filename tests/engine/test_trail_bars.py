"""The bars that a stop follows are streamed from the wish on, whoever streams what beside them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.domain.commands import PlaceStop, Watch
from contractdesk.domain.intents import AtrStop, IntentKind
from tests.engine.bench import Bench, D, enter, wish
from tests.engine.test_trailing import FREE, bars, mark, opened

FIVE = AtrStop(timeframe="5m")


def watching(timeframe: str) -> Bench:
    """A desk on which a strategy's bars alone are streamed."""
    made = Bench(config=FREE)
    made.market.watched = (timeframe,)
    made.feed(bars(timeframe, 400))
    return made


def test_a_price_that_follows_by_hand_has_its_bars_streamed_beside_those_of_a_strategy() -> None:
    made = watching("5m")
    made.alive()
    made.ask(replace(enter(stop="29500"), trail=True))
    assert [command.timeframes for command in made.all(Watch)] == [("5m", "1m")]
    entry = made.sent[-1].approved.request.client_id
    made.accept(entry)
    made.fill(entry, "0.02")
    made.accept(made.last(PlaceStop).client_id)
    made.feed(bars())
    assert [placed.trigger_price for placed in mark(made, "30100")] == [D(29_850)]


@pytest.mark.parametrize(
    ("change", "watched"),
    [
        ({"stop": FIVE}, ("1m", "5m")),
        ({"stop": AtrStop()}, ("1m",)),
        ({"stop": FIVE, "trail": False}, ("1m",)),
        ({"stop": AtrStop(timeframe="7s")}, ("1m",)),
        ({"trail": True, "trail_by": FIVE}, ("1m", "5m")),
        ({"trail": True}, ("1m",)),
        ({}, ("1m",)),
    ],
)
def test_an_entry_by_hand_has_the_bars_streamed_that_its_stop_follows(
    change: dict[str, object], watched: tuple[str, ...]
) -> None:
    made = watching("1m")
    made.alive()
    made.ask(replace(enter(), **change))
    assert made.market.watched == watched


def test_a_stop_that_is_let_follow_by_other_bars_has_them_streamed() -> None:
    made = watching("1m")
    opened(made)
    made.ask(wish(IntentKind.MOVE_STOP, trail=False, trail_by=FIVE))
    assert made.market.watched == ("1m",)
    made.ask(wish(IntentKind.MOVE_STOP, trail=True, trail_by=FIVE))
    assert made.market.watched == ("1m", "5m")
    asked = len(made.all(Watch))
    made.ask(wish(IntentKind.MOVE_STOP, trail=True))
    assert len(made.all(Watch)) == asked
