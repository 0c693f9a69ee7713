"""A contract whose tick and lot grow while it is held: the stop is on the new grid, and covers all."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.domain.commands import PlaceStop, ReduceOrder
from contractdesk.domain.events import InstrumentListed, OrderExpired
from contractdesk.domain.intents import IntentKind
from contractdesk.domain.orders import Side
from tests.engine.bench import SYMBOL, Bench, D, wish


def listed_anew(bench: Bench, **terms: str) -> None:
    fresh = replace(bench.market.instrument, **{name: D(value) for name, value in terms.items()})
    bench.feed(InstrumentListed(ts_ns=bench.now_ns, instrument=fresh))


@pytest.mark.parametrize(
    ("side", "stop", "on_the_tick"), [(Side.BUY, "29000.3", "29000.5"), (Side.SELL, "31000.3", "31000.0")]
)
def test_the_stop_is_put_on_the_new_tick_and_no_further_away(side: Side, stop: str, on_the_tick: str) -> None:
    bench = Bench()
    entry = bench.enter("0.02", stop, side).approved.request.client_id
    bench.accept(entry)
    bench.fill(entry, "0.02" if side is Side.BUY else "-0.02")
    bench.accept(bench.last(PlaceStop).client_id)
    listed_anew(bench, tick_size="0.5")
    assert bench.last(PlaceStop).trigger_price == D(on_the_tick)
    assert bench.market.guarded == D("0.02"), "the old one stands until the new one does"


def test_a_stop_over_a_position_off_the_new_lot_is_larger_and_so_is_what_closes_it() -> None:
    bench = Bench()
    stop = bench.open("0.025")
    listed_anew(bench, lot_size="0.01", min_size="0.01")
    bench.feed(OrderExpired(ts_ns=bench.now_ns, client_id=stop, symbol=SYMBOL))
    placed = bench.last(PlaceStop)
    assert placed.size == D("0.03")
    bench.accept(placed.client_id)
    assert bench.market.guarded == D("0.025")
    bench.advance(1)
    assert bench.last(PlaceStop) is placed, "it fits"
    bench.ask(wish(IntentKind.EXIT))
    assert bench.last(ReduceOrder).size == D("0.03")
