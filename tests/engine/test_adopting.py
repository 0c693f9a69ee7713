"""A position that was opened elsewhere becomes ours: under a stop, and under every rule."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.domain.account import PositionMode, VenuePosition
from contractdesk.domain.commands import CancelOrder, PlaceStop, ReduceOrder
from contractdesk.domain.events import (
    FlattenAsked,
    ModesRead,
    OrderFilled,
    ResumeAsked,
    StrategyStarted,
    TradePrinted,
)
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.intents import AtrStop, FixedStop, Intent, IntentKind, StopSpec
from contractdesk.domain.orders import OrderRole, Side
from contractdesk.engine import client_ids
from contractdesk.engine.engine import Engine
from contractdesk.strategy.base import Context, Strategy, Wish
from tests.engine.bench import CONFIG, MARK, NS_PER_S, SYMBOL, Bench, D, enter, wish
from tests.engine.test_breaker import later
from tests.engine.test_trailing import bars

WIDE = replace(CONFIG, risk=replace(CONFIG.risk, size_cap=D(10)))


def external(
    size: str = "0.3",
    entry: str = "29000",
    liquidation: str | None = None,
    registry: dict[str, type[Strategy]] | None = None,
) -> Bench:
    """A desk that finds a position of somebody else's at its start."""
    bench = Bench(registry, config=WIDE, started=False)
    shown = VenuePosition(
        symbol=SYMBOL, size=D(size), entry_price=D(entry), unrealized_pnl=ZERO, leverage=D(10),
        liquidation_price=None if liquidation is None else D(liquidation),
    )  # fmt: skip
    bench.start(replace(bench.account(), positions=(shown,)))
    assert bench.market.external_size == D(size)
    later(bench, 1)
    return bench


def adopt(bench: Bench, stop: StopSpec, **more: object) -> None:
    bench.ask(wish(IntentKind.ADOPT, stop=stop, **more))


def last_refusal(bench: Bench) -> tuple[str, str, str]:
    refused = bench.engine.snapshot().refusals[-1]
    return refused.rule, refused.found, refused.limit


@pytest.mark.parametrize(("size", "stop"), [("0.3", "28500"), ("-0.3", "31500")])
def test_it_is_ours_at_the_venues_price_and_stopped(size: str, stop: str) -> None:
    bench = external(size)
    adopt(bench, FixedStop(D(stop)))
    assert (bench.market.position.size, bench.market.external_size) == (D(size), ZERO)
    (row,) = bench.engine.snapshot().positions
    assert (row.origin, row.entry_price, row.trail_timeframe) == ("own", D(29_000), "")
    placed = bench.last(PlaceStop)
    assert (placed.size, placed.trigger_price) == (abs(D(size)), D(stop))
    bench.accept(placed.client_id)
    assert bench.market.guarded == abs(D(size))
    told = bench.engine.why(bench.engine.snapshot().fills[-1].client_id)
    assert told is not None
    assert "adopt" in " ".join(told.lines)


def test_an_atr_stop_is_taken_from_the_mark_and_follows() -> None:
    bench = external()
    bench.feed(bars())
    adopt(bench, AtrStop())
    assert bench.last(PlaceStop).trigger_price == D(29_750)  # 30,000 - 2.5 x 100
    assert bench.market.trail.on
    assert bench.market.trail.best == MARK


def test_what_it_had_made_before_is_not_made_again() -> None:
    """The breaker measures the same profit before and after: 300 since the purchase are not a gain now."""
    bench = external()
    later(bench, 1, "30100")
    before = bench.engine._desk.breaker.profit
    assert before == D(30)  # 0.3 x 100, since it was first seen
    adopt(bench, FixedStop(D(28_500)))
    later(bench, 1, "30100")
    assert bench.engine._desk.breaker.profit == before
    assert bench.market.position.unrealized_pnl(bench.market.instrument, D(30_100)) == D(330)
    later(bench, 1, "30000")
    assert bench.engine._desk.breaker.profit == 0


def test_the_breaker_trips_on_what_is_adopted() -> None:
    bench = external()
    adopt(bench, FixedStop(D(20_000)))
    assert bench.engine.view.breaker_reason == ""
    later(bench, 1, "27300")  # -810 of 9,900 and some: -8.1 %
    later(bench, 1, "27300")
    assert bench.engine.view.breaker_reason


def test_closing_it_books_what_it_has_made_since_the_venues_price() -> None:
    bench = external()
    adopt(bench, FixedStop(D(28_500)))
    bench.accept(bench.last(PlaceStop).client_id)
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester", symbol=SYMBOL))
    order = bench.last(ReduceOrder)
    assert order.size == D("0.3")
    bench.fill(order.client_id, "-0.3", "30000")
    assert bench.market.position.realized_pnl == D(300)


@pytest.mark.parametrize(
    ("size", "stop", "liquidation", "rule", "limit"),
    [
        ("0.3", "30000", None, "hard_stop", "below the mark 30000"),
        ("-0.3", "30000", None, "hard_stop", "above the mark 30000"),
        ("0.3", "26130", "26000", "hard_stop", "inside 26130"),  # 26,000 x 1.005
        ("-0.3", "33830", "34000", "hard_stop", "inside 33830"),
    ],
)
def test_a_stop_on_the_wrong_side_or_behind_liquidation_adopts_nothing(
    size: str, stop: str, liquidation: str | None, rule: str, limit: str
) -> None:
    bench = external(size, liquidation=liquidation)
    adopt(bench, FixedStop(D(stop)))
    assert last_refusal(bench) == (rule, f"stop {stop}", limit)
    assert bench.market.external_size == D(size)
    assert not bench.all(PlaceStop)


def test_what_there_is_not_cannot_be_adopted() -> None:
    bench = Bench()
    adopt(bench, FixedStop(D(29_000)))
    assert last_refusal(bench)[:2] == ("adoption", "no external contracts")
    bench = external()
    adopt(bench, AtrStop())  # no bars
    assert last_refusal(bench)[:2] == ("hard_stop", "no price")


def test_two_directions_are_not_one_position() -> None:
    bench = Bench(config=WIDE)
    bench.open("0.1")
    fill = bench.make_fill("web", "-0.3")
    bench.feed(OrderFilled(ts_ns=bench.now_ns, client_id="web", symbol=SYMBOL, fill=fill))
    assert (bench.market.position.size, bench.market.external_size) == (ZERO, D("-0.2"))
    bench = external("-0.2")
    unknown = client_ids.make("b0t0", 1, 777, OrderRole.ENTRY)  # ours, of a journal that is lost
    bench.fill(unknown, "0.1")
    assert (bench.market.position.size, bench.market.external_size) == (ZERO, D("-0.1"))
    bench.fill(unknown, "0.3", "30100")
    assert (bench.market.position.size, bench.market.external_size) == (D("0.2"), ZERO)
    assert bench.market.position.entry_price(bench.market.instrument) == D(30_100)
    assert bench.market.position.realized_pnl == ZERO
    assert bench.codes.count("netted") == 2


def test_an_entry_that_rests_makes_way_for_what_is_opened_elsewhere_against_it() -> None:
    bench = Bench(config=WIDE)
    against = bench.enter("0.02", limit=D(29_990)).approved.request.client_id
    bench.accept(against)
    fill = bench.make_fill("web", "-0.05")
    bench.feed(OrderFilled(ts_ns=bench.now_ns, client_id="web", symbol=SYMBOL, fill=fill))
    assert [cancel.client_id for cancel in bench.now(CancelOrder)] == [against]
    bench.fill(against, "0.02")  # it was quicker
    assert (bench.market.position.size, bench.market.external_size) == (ZERO, D("-0.03"))
    assert not bench.all(PlaceStop), "nothing of ours is left to guard"
    assert not bench.market.guard.flatten_reason


def test_what_is_left_of_an_entry_after_netting_is_guarded() -> None:
    bench = Bench(config=WIDE)
    entry = bench.enter("0.05", limit=D(29_990)).approved.request.client_id
    bench.accept(entry)
    fill = bench.make_fill("web", "-0.02")
    bench.feed(OrderFilled(ts_ns=bench.now_ns, client_id="web", symbol=SYMBOL, fill=fill))
    bench.fill(entry, "0.05")
    assert (bench.market.position.size, bench.market.external_size) == (D("0.03"), ZERO)
    assert bench.last(PlaceStop).size == D("0.03")


def test_more_of_what_we_hold_is_added_to_it() -> None:
    bench = Bench(config=WIDE)
    bench.open("0.1", "29000")
    shown = VenuePosition(
        symbol=SYMBOL, size=D("0.3"), entry_price=D(29_900), unrealized_pnl=ZERO, leverage=D(10)
    )
    fill = bench.make_fill("web", "0.2", "29850")
    bench.feed(OrderFilled(ts_ns=bench.now_ns, client_id="web", symbol=SYMBOL, fill=fill))
    bench.advance(3)
    request = bench.engine._desk.state_read
    assert request is not None
    bench.picture(request.request_id, account=replace(bench.account(), positions=(shown,)))
    adopt(bench, FixedStop(D(29_100)))
    assert (bench.market.position.size, bench.market.external_size) == (D("0.3"), ZERO)
    assert bench.last(PlaceStop).size == D("0.3")


class Adopter(Strategy):
    """Adopts whatever there is at each trade, under a stop at 28,000."""

    def on_trade(self, trade: TradePrinted, ctx: Context) -> Wish:
        stop = FixedStop(D(28_000))
        return Intent(kind=IntentKind.ADOPT, symbol=trade.symbol, stop=stop)


def host(bench: Bench) -> None:
    hosted = {"strategy_id": "a", "class_name": "Adopter", "source_hash": "adopter", "timeframe": "1m"}
    bench.feed(StrategyStarted(ts_ns=bench.now_ns, who="tester", **hosted, params={}, symbols=(SYMBOL,)))


def printed(bench: Bench) -> None:
    trade = {"trade_id": 1, "price": MARK, "size": D(1), "taker": Side.BUY, "venue_ns": bench.now_ns}
    bench.feed(TradePrinted(ts_ns=bench.now_ns, symbol=SYMBOL, **trade))


def test_a_strategy_adopts_nothing_where_it_may_only_reduce() -> None:
    bench = external(registry={"adopter": Adopter})
    host(bench)
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester"))
    printed(bench)
    assert last_refusal(bench)[:2] == ("trading_state", "REDUCING")
    bench.feed(ResumeAsked(ts_ns=bench.now_ns, who="tester"))
    printed(bench)
    assert bench.market.position.size == D("0.3")


def test_more_than_one_stop_can_close_is_not_adopted() -> None:
    bench = external("120.001")
    adopt(bench, FixedStop(D(28_500)))
    assert last_refusal(bench) == ("adoption", "120.001 contracts in all", "<= 120 for one stop")


def test_a_strategy_loosens_no_stop_by_adopting() -> None:
    """Ours stands at 29,000: taking 0.2 more under 28,000 would loosen that; a person may, and says so."""
    bench = Bench({"adopter": Adopter}, config=WIDE)
    bench.open("0.1", "29000")
    account = bench.account(D("0.3"))
    fill = bench.make_fill("web", "0.2", "29850")
    bench.feed(OrderFilled(ts_ns=bench.now_ns, client_id="web", symbol=SYMBOL, fill=fill))
    bench.advance(3)
    request = bench.engine._desk.state_read
    assert request is not None
    bench.picture(request.request_id, account=account)
    host(bench)
    printed(bench)
    assert last_refusal(bench) == ("hard_stop", "stop 28000", "not looser than 29000")
    assert bench.market.guard.stop_price == D(29_000)
    adopt(bench, FixedStop(D(28_000)))
    assert bench.market.guard.stop_price == D(28_000)


def test_it_stays_ours_from_a_checkpoint() -> None:
    bench = external()
    adopt(bench, FixedStop(D(28_500)))
    bench.accept(bench.last(PlaceStop).client_id)
    bench.engine = Engine.restore(bench.engine.checkpoint(), {})
    bench.now_ns += NS_PER_S
    assert bench.market.guard.stop_price == D(28_500)
    assert bench.engine.why("1") is not None


# -- beside what is ours -------------------------------------------------------------------------


def test_the_external_part_costs_what_the_venues_average_leaves_for_it() -> None:
    """Ours 0.1 at 30,000; the venue's average of 0.3 is 32,000: the other 0.2 cost 33,000 each."""
    bench = Bench(config=WIDE)
    bench.open("0.1", "29000")
    fill = bench.make_fill("web", "0.2", "33000")
    bench.feed(OrderFilled(ts_ns=bench.now_ns, client_id="web", symbol=SYMBOL, fill=fill))
    bench.advance(3)
    request = bench.engine._desk.state_read
    assert request is not None
    shown = VenuePosition(
        symbol=SYMBOL, size=D("0.3"), entry_price=D(32_000), unrealized_pnl=ZERO, leverage=D(10)
    )
    bench.picture(request.request_id, account=replace(bench.account(), positions=(shown,)))
    later(bench, 1)
    adopt(bench, FixedStop(D(29_100)))
    assert bench.market.position.entry_price(bench.market.instrument) == D(32_000)
    assert bench.market.position.unrealized_pnl(bench.market.instrument, D(30_000)) == D(-600)


def test_a_moved_stop_lies_inside_the_liquidation_of_the_whole_position() -> None:
    bench = Bench(config=WIDE)
    bench.open("0.1", "29000")
    fill = bench.make_fill("web", "3", "30000")
    bench.feed(OrderFilled(ts_ns=bench.now_ns, client_id="web", symbol=SYMBOL, fill=fill))
    bench.advance(3)
    request = bench.engine._desk.state_read
    assert request is not None
    shown = VenuePosition(
        symbol=SYMBOL, size=D("3.1"), entry_price=D(30_000), unrealized_pnl=ZERO, leverage=D(10),
        liquidation_price=D(26_900),
    )  # fmt: skip
    bench.picture(request.request_id, account=replace(bench.account(), positions=(shown,)))
    bench.ask(wish(IntentKind.MOVE_STOP, stop=FixedStop(D(20_000))))
    assert last_refusal(bench) == ("hard_stop", "stop 20000", "inside 27034.5")  # 26,900 x 1.005


def test_a_picture_of_another_size_adopts_nothing_yet() -> None:
    bench = external("0.3")
    fill = bench.make_fill("web", "0.1")
    bench.feed(OrderFilled(ts_ns=bench.now_ns, client_id="web", symbol=SYMBOL, fill=fill))
    adopt(bench, FixedStop(D(28_500)))
    assert last_refusal(bench)[:2] == ("adoption", "no entry price known yet")


def test_nothing_is_adopted_in_hedge_mode_or_on_a_doubted_mark() -> None:
    bench = external()
    bench.feed(ModesRead(ts_ns=bench.now_ns, position_mode=PositionMode.HEDGE, margin_modes={}, leverages={}))
    adopt(bench, FixedStop(D(28_500)))
    assert last_refusal(bench)[:2] == ("adoption", "hedge mode")


def test_more_of_what_follows_keeps_its_best_mark() -> None:
    bench = Bench(config=WIDE)
    bench.feed(bars())
    bench.alive()
    bench.ask(replace(enter("0.1"), stop=AtrStop()))
    entry = bench.sent[-1].approved.request.client_id
    bench.accept(entry)
    bench.fill(entry, "0.1")
    later(bench, 1, "31000")
    later(bench, 1, "30800")
    fill = bench.make_fill("web", "0.2", "30800")
    bench.feed(OrderFilled(ts_ns=bench.now_ns, client_id="web", symbol=SYMBOL, fill=fill))
    bench.advance(3)
    request = bench.engine._desk.state_read
    assert request is not None
    shown = VenuePosition(
        symbol=SYMBOL, size=D("0.3"), entry_price=D(30_533), unrealized_pnl=ZERO, leverage=D(10)
    )
    bench.picture(request.request_id, account=replace(bench.account(), positions=(shown,)))
    adopt(bench, FixedStop(D(30_000)))
    assert (bench.market.trail.on, bench.market.trail.best) == (True, D(31_000))
