"""A desk that is opened again streams the bars that its stops follow, and trusts none that nobody streams."""

from __future__ import annotations

from msgspec.structs import replace

from contractdesk.desk.recovery import recovered
from contractdesk.domain.commands import PlaceStop
from contractdesk.domain.events import StreamLost, StreamName, StreamRestored, VenueOrder
from contractdesk.domain.intents import FixedStop
from contractdesk.domain.orders import OrderStatus, OrderType
from contractdesk.engine.engine import EngineConfig
from tests.engine.bench import START, SYMBOL, Bench, D
from tests.engine.test_trail_bars import FIVE, watching
from tests.engine.test_trailing import FREE, bars, mark, opened


def reopened(made: Bench, stop: PlaceStop, config: EngineConfig = FREE) -> None:
    """Another engine with what this one knew; the stop stands, and what is watched is whole."""
    made.engine = recovered(made.engine.checkpoint(), replace(config, epoch=2), {})
    made.feed(StreamLost(ts_ns=made.now_ns, stream=StreamName.PRIVATE, reason="away"))
    made.feed(StreamRestored(ts_ns=made.now_ns, stream=StreamName.PRIVATE))
    row = VenueOrder(
        client_id=stop.client_id, symbol=SYMBOL, venue_id="v", side=stop.side, type=OrderType.STOP_MARKET,
        status=OrderStatus.WORKING, size=stop.size, filled=D(0), price=None,
        trigger_price=stop.trigger_price, reduce_only=True,
    )  # fmt: skip
    made.picture(0, D("0.02"), orders=(row,))
    made.make_ready()


def test_a_reopened_desk_streams_the_bars_that_a_stop_follows_and_forgets_those_nobody_streams() -> None:
    made = watching("1m")
    made.feed(bars("5m", 400))
    stop = opened(made, stop=FIVE)
    made.market.watched = ("1m",)  # as a person's look left it
    made.feed(bars("5m", 400))
    reopened(made, stop)
    assert made.market.watched == ("1m", "5m")
    assert mark(made, "31100") == [], "yesterday's ATR moves no stop"
    made.feed(bars("5m", 400))
    assert [placed.trigger_price for placed in mark(made, "31200")] == [D(30_200)]


def test_a_reopened_desk_streams_the_bars_that_its_settings_name_now() -> None:
    made = watching("1m")
    stop = opened(made, stop=FixedStop(price=D(29_500)), trail=True)
    reopened(made, stop, replace(FREE, risk=replace(FREE.risk, trail_timeframe="5m")))
    assert made.market.watched == ("1m", "5m")
    made.feed(bars("5m", 400))
    assert [placed.trigger_price for placed in mark(made, "31200")] == [D(30_200)]


def test_bars_that_the_venue_does_not_close_are_made_for_a_reopened_desk() -> None:
    made = watching("1m")
    stop = opened(made, stop=FixedStop(price=D(29_500)), trail=True)
    reopened(made, stop, replace(FREE, risk=replace(FREE.risk, trail_timeframe="7s")))
    assert set(made.market.builders) == {"7s"}
    made.advance(1)
    assert made.market.bar_due_ns > START


def test_a_reopened_desk_keeps_no_bars_of_what_it_does_not_hold() -> None:
    made = watching("1m")
    made.engine = recovered(made.engine.checkpoint(), replace(FREE, epoch=2), {})
    assert (made.market.watched, made.market.series) == ((), {})
