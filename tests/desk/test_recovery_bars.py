"""A desk that is opened again streams what it holds or may hold, with the bars that its stops follow.

It trusts no bars that nobody streams.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.desk.recovery import recovered
from contractdesk.domain.commands import PlaceStop, Watch
from contractdesk.domain.events import StreamLost, StreamName, StreamRestored, VenueOrder
from contractdesk.domain.fills import Fill
from contractdesk.domain.intents import FixedStop
from contractdesk.domain.orders import OrderRole, OrderStatus, OrderType
from contractdesk.engine import client_ids
from contractdesk.engine.engine import EngineConfig
from contractdesk.strategy.bars import BarBuilder
from tests.engine.bench import START, SYMBOL, Bench, D, enter
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


def test_bars_that_the_venue_tells_now_are_made_no_more() -> None:
    made = watching("1m")
    stop = opened(made, stop=FixedStop(price=D(29_500)), trail=True)
    made.market.builders["10m"] = BarBuilder("10m")
    made.market.watched = ("1m", "10m")
    config = replace(FREE, native_timeframes=("10m", "1m"))
    reopened(made, stop, config)
    assert (made.market.watched, made.market.builders) == (("1m", "10m"), {})


def test_a_reopened_desk_keeps_no_bars_of_what_it_does_not_hold() -> None:
    made = watching("1m")
    made.engine = recovered(made.engine.checkpoint(), replace(FREE, epoch=2), {})
    assert (made.market.watched, made.market.series) == ((), {})


def resting(made: Bench, **more: object) -> str:
    """An entry that rests; its client id."""
    made.alive()
    made.ask(enter(stop="29500", limit=D(29_900), **more))
    entry: str = made.sent[-1].approved.request.client_id
    made.accept(entry)
    return entry


def reopened_flat(made: Bench, *fills: Fill, size: str = "0") -> None:
    """Another engine with what this one knew; the venue's first picture has these fills, and no order."""
    made.engine = recovered(made.engine.checkpoint(), replace(FREE, epoch=2), {})
    assert made.market.watched, "before the first picture: the order may fill before it"
    made.feed(StreamLost(ts_ns=made.now_ns, stream=StreamName.PRIVATE, reason="away"))
    made.feed(StreamRestored(ts_ns=made.now_ns, stream=StreamName.PRIVATE))
    made.picture(0, D(size), fills=fills)


@pytest.mark.parametrize(
    ("before", "wish", "after"),
    [
        (("1m",), {}, ("1m",)),
        (("5m",), {}, ("5m", "1m")),  # the wish by hand has had its own bars streamed
        (("1m",), {"trail": True, "trail_by": FIVE}, ("1m", "5m")),
    ],
)
def test_a_symbol_in_which_only_an_entry_rests_is_watched_with_the_bars_that_its_stop_will_follow(
    before: tuple[str, ...], wish: dict[str, object], after: tuple[str, ...]
) -> None:
    made = watching(before[0])
    resting(made, **({"trail": True} | wish))
    made.market.watched = before  # as an older desk left it
    made.engine = recovered(made.engine.checkpoint(), replace(FREE, epoch=2), {})
    assert made.market.watched == after


def test_a_symbol_that_an_older_desk_did_not_watch_again_is_watched() -> None:
    made = watching("1m")
    resting(made)
    made.market.watched = ()
    reopened_flat(made)
    assert made.market.watched == ("1m",)


def test_an_entry_that_has_filled_while_no_desk_was_there_has_its_marks() -> None:
    made = watching("1m")
    entry = resting(made)
    made.now_ns += 1
    reopened_flat(made, made.make_fill(entry, "0.02", "29900"), size="0.02")
    assert (made.market.position.size, made.market.watched) == (D("0.02"), ("1m",))
    assert made.last(PlaceStop).trigger_price == D(29_500)


def test_an_entry_that_is_over_has_nothing_streamed_for_it() -> None:
    made = watching("1m")
    made.cancelled(resting(made))
    made.engine = recovered(made.engine.checkpoint(), replace(FREE, epoch=2), {})
    assert made.market.watched == ()


def test_an_order_of_ours_that_no_journal_remembers_has_its_marks_as_soon_as_it_fills() -> None:
    made = Bench(config=FREE)
    assert made.market.watched == ()
    made.fill(client_ids.make("b0t0", 1, 777, OrderRole.ENTRY), "0.02")
    assert [(row.symbol, row.timeframes) for row in made.all(Watch)] == [(SYMBOL, ("1m",))]
    assert made.market.guard.flatten_reason == "there is no price to stop it at"
