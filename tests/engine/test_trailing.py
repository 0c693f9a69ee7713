"""Stops that follow the market: which do, by what, when they are frozen, and one step at a time."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.domain.commands import CancelOrder, PlaceStop
from contractdesk.domain.events import BarsLoaded, MarkPriced, RiskTuned, SymbolNotReady
from contractdesk.domain.intents import AtrStop, FixedStop, IntentKind, StopSpec
from contractdesk.domain.market import Bar
from contractdesk.domain.orders import Side
from contractdesk.engine.engine import Engine, EngineConfig
from tests.engine.bench import CONFIG, NS_PER_S, START, SYMBOL, Bench, D, enter, wish

MINUTE = 60 * NS_PER_S
FREE = replace(CONFIG, risk=replace(CONFIG.risk, trail_min_step=D(0)))


def bars(timeframe: str = "1m", width: int = 100, count: int = 30) -> BarsLoaded:
    """Bars whose true range is always ``width``: ATR(14) is that."""
    step = {"1m": MINUTE, "5m": 5 * MINUTE}[timeframe]
    last = START - START % step - step
    made = [
        Bar(open_ns=last - back * step, open=D(30_000), high=D(30_000 + width // 2),
            low=D(30_000 - width // 2), close=D(30_000), volume=D(1))
        for back in reversed(range(count))
    ]  # fmt: skip
    return BarsLoaded(ts_ns=START, symbol=SYMBOL, timeframe=timeframe, bars=tuple(made))


def bench(config: EngineConfig = FREE) -> Bench:
    made = Bench(config=config)
    made.feed(bars())
    made.feed(bars("5m", 400))
    return made


def opened(made: Bench, side: Side = Side.BUY, stop: StopSpec = AtrStop(), **more: object) -> PlaceStop:  # noqa: B008
    """A position of 0.02 whose stop is confirmed; the stop as it was placed."""
    made.alive()
    made.ask(replace(enter(side=side), stop=stop, **more))
    entry = made.sent[-1].approved.request.client_id
    made.accept(entry)
    made.fill(entry, "0.02" if side is Side.BUY else "-0.02")
    placed = made.last(PlaceStop)
    made.accept(placed.client_id)
    return placed


def mark(made: Bench, price: str, seconds: float = 1, index: str | None = None) -> list[PlaceStop]:
    """A mark so much later; the stops that it made the engine place."""
    made.now_ns += int(seconds * NS_PER_S)
    made.feed(
        MarkPriced(
            ts_ns=made.now_ns, symbol=SYMBOL, mark=D(price), index=D(index or price),
            funding_rate=D(0), next_funding_ns=0, venue_ns=made.now_ns,
        )
    )  # fmt: skip
    return made.now(PlaceStop)


def replaced(made: Bench, placed: list[PlaceStop], old: PlaceStop) -> None:
    """The venue confirms the new stop, and then the old one goes."""
    (new,) = placed
    assert not made.now(CancelOrder), "the old one stands until the new one is confirmed"
    made.accept(new.client_id)
    assert [cancel.client_id for cancel in made.now(CancelOrder)] == [old.client_id]
    made.cancelled(old.client_id)


@pytest.mark.parametrize(
    ("side", "first", "better", "then"),
    [(Side.BUY, "29750.1", "30100", "29850"), (Side.SELL, "30249.9", "29900", "30150")],
)
def test_it_follows_the_best_mark_new_first(side: Side, first: str, better: str, then: str) -> None:
    made = bench()
    stop = opened(made, side)  # the ATR is 100: 250 behind the entry at 30,000.1 or 29,999.9
    assert stop.trigger_price == D(first)
    placed = mark(made, better)
    assert [p.trigger_price for p in placed] == [D(then)]
    replaced(made, placed, stop)
    assert mark(made, "30000") == []  # back: it stays


def test_it_takes_one_step_at_a_time() -> None:
    made = bench()
    stop = opened(made)
    placed = mark(made, "30100")
    assert len(placed) == 1
    assert mark(made, "30200") == []  # the first step is not confirmed
    made.accept(placed[0].client_id)
    made.cancelled(stop.client_id)
    later = mark(made, "30190")  # the best mark was 30,200
    assert [p.trigger_price for p in later] == [D(29_950)]


def test_a_step_that_is_refused_leaves_the_old_stop() -> None:
    made = bench()
    stop = opened(made)
    (first,) = mark(made, "30100")
    made.reject(first.client_id)
    assert made.market.guarded == D("0.02")
    assert not made.tracked(stop.client_id).cancelling
    assert made.codes[-1] == "stop_not_moved"
    waits = []
    for _ in range(7):  # each try waits longer: a venue that refuses is not asked at every mark
        before = made.now_ns
        while not (placed := [c for c in made.advance(0.25) if isinstance(c, PlaceStop)]):
            made.mark(D(30_100))
        waits.append((made.now_ns - before) / NS_PER_S)
        assert placed[0].trigger_price == first.trigger_price
        made.reject(placed[0].client_id)
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (0.25, 10.0)
    assert not made.market.guard.flatten_reason, "what is covered is not closed for it"
    (last,) = [c for c in made.advance(10) if isinstance(c, PlaceStop)]
    replaced(made, [last], stop)
    assert made.market.stop_price == first.trigger_price


def test_a_persons_price_does_not_wait_for_steps_that_were_refused() -> None:
    made = bench()
    opened(made)
    (placed,) = mark(made, "30100")
    for _ in range(6):
        made.reject(placed.client_id)
        while not (again := [c for c in made.advance(0.25) if isinstance(c, PlaceStop)]):
            made.mark(D(30_100))
        (placed,) = again
    made.reject(placed.client_id)
    made.ask(wish(IntentKind.MOVE_STOP, stop=FixedStop(D(29_950))))
    assert made.last(PlaceStop).trigger_price == D(29_950)


def test_the_old_stop_that_cannot_be_cancelled_costs_no_coverage() -> None:
    made = bench()
    opened(made)
    (new,) = mark(made, "30100")
    made.accept(new.client_id)
    made.advance(4)  # the cancel is asked for again and again
    assert made.market.guarded == D("0.02")
    assert made.market.stop_price == D(29_850)
    assert len(made.all(PlaceStop)) == 2


def test_a_fill_that_races_the_step_is_covered() -> None:
    made = bench()
    opened(made)
    made.alive()
    made.ask(replace(enter("0.01"), stop=AtrStop()))
    entry = made.sent[-1].approved.request.client_id
    made.accept(entry)
    (step,) = mark(made, "30100")
    made.fill(entry, "0.01", "30100")
    made.accept(step.client_id)  # over what was held before
    made.advance(1)
    for _ in range(4):  # the venue confirms whatever comes
        for placed in made.all(PlaceStop):
            if made.tracked(placed.client_id).order.status.value == "in_flight":
                made.accept(placed.client_id)
        for cancel in made.all(CancelOrder):
            made.cancelled(cancel.client_id)
    assert made.market.guarded == D("0.03")
    assert made.market.trail.best == D(30_100)  # adds keep the maximum


def test_a_minimum_step_spares_requests() -> None:
    made = bench(CONFIG)  # 0.1 x 100 = 10
    opened(made)
    placed = [len(mark(made, f"{30_000 + n}")) for n in range(1, 13)]
    assert sum(placed) == 1


@pytest.mark.parametrize("wish_it", [None, False])
def test_a_price_that_a_person_named_stays(wish_it: bool | None) -> None:
    made = bench()
    opened(made, stop=FixedStop(D(29_000)), trail=wish_it)
    assert mark(made, "30300") == []
    assert made.engine.snapshot().positions[0].trail_timeframe == ""


def test_a_named_price_follows_where_it_is_asked_to() -> None:
    made = bench()
    opened(made, stop=FixedStop(D(29_000)), trail=True)
    assert [p.trigger_price for p in mark(made, "30300")] == [D(30_050)]


def test_the_timeframe_is_the_stops_own_or_the_settings() -> None:
    made = bench()
    stop = opened(made, stop=AtrStop(timeframe="5m"))  # ATR 400
    placed = mark(made, "30100")
    assert [p.trigger_price for p in placed] == [D(29_100)]
    assert made.engine.snapshot().positions[0].trail_timeframe == "5m"
    replaced(made, placed, stop)
    made.feed(RiskTuned(ts_ns=made.now_ns, who="tester", settings={"trail_timeframe": "1m"}))
    assert [p.trigger_price for p in mark(made, "30200")] == [D(29_200)]  # it has named its bars


def test_an_atr_stop_follows_by_its_own_terms_and_a_price_by_the_settings() -> None:
    made = bench()
    opened(made, stop=AtrStop(multiple=D(6)))
    assert [p.trigger_price for p in mark(made, "30100")] == [D(29_500)]
    made = bench()
    made.feed(RiskTuned(ts_ns=made.now_ns, who="t", settings={"trail_multiple": 3, "trail_timeframe": "5m"}))
    opened(made, stop=FixedStop(D(28_000)), trail=True)
    assert [p.trigger_price for p in mark(made, "30100")] == [D(28_900)]  # 3 x 400


@pytest.mark.parametrize("how", ["spike", "old", "not ready", "off", "no bars"])
def test_it_is_frozen_on_what_is_not_known(how: str) -> None:
    made = bench() if how != "no bars" else Bench(config=FREE)
    opened(made, stop=FixedStop(D(29_000)), trail=True)
    match how:
        case "spike":  # off its index, and nobody confirms it
            assert mark(made, "33000", index="30000") == []
        case "old":
            made.now_ns += 10 * NS_PER_S
            stale = MarkPriced(
                ts_ns=made.now_ns, symbol=SYMBOL, mark=D(30_500), index=D(30_500), funding_rate=D(0),
                next_funding_ns=0, venue_ns=made.now_ns - 6 * NS_PER_S,
            )  # fmt: skip
            made.feed(stale)
            assert made.now(PlaceStop) == []
        case "not ready":
            made.feed(SymbolNotReady(ts_ns=made.now_ns, symbol=SYMBOL, reason="test"))
            assert mark(made, "30500") == []
        case "off":
            made.feed(RiskTuned(ts_ns=made.now_ns, who="tester", settings={"trailing": False}))
            assert mark(made, "30500") == []
        case _:
            assert mark(made, "30500") == []
    assert made.market.guard.stop_price == D(29_000)


def test_a_person_who_loosens_it_has_fixed_it_and_trail_stop_lets_it_go_on() -> None:
    made = bench()
    stop = opened(made)
    placed = mark(made, "30100")
    replaced(made, placed, stop)
    made.ask(wish(IntentKind.MOVE_STOP, stop=FixedStop(D(29_000))))
    assert made.market.guard.stop_price == D(29_000)
    assert not made.market.trail.on
    replaced(made, made.now(PlaceStop), placed[0])
    assert mark(made, "30100") == []
    made.ask(wish(IntentKind.MOVE_STOP, trail=True, trail_by=AtrStop(timeframe="5m")))
    assert [p.trigger_price for p in made.now(PlaceStop)] == [D(29_100)]  # 30,100 - 2.5 x 400


def test_a_person_who_tightens_it_keeps_it_following() -> None:
    made = bench()
    stop = opened(made)
    made.ask(wish(IntentKind.MOVE_STOP, stop=FixedStop(D(29_900))))
    replaced(made, made.now(PlaceStop), stop)
    assert mark(made, "30100") == []  # 29,850 would be looser
    assert [p.trigger_price for p in mark(made, "30200")] == [D(29_950)]


def test_a_new_position_begins_anew() -> None:
    made = bench()
    opened(made)
    placed = mark(made, "30400")
    made.accept(placed[0].client_id)
    made.fill(placed[0].client_id, "-0.02", "30150")  # stopped out
    assert made.market.trail.best is None
    opened(made, stop=FixedStop(D(29_000)), trail=True)
    assert made.market.trail.best == D(30_400)  # the mark now, not the best of the one before


def test_it_goes_on_from_a_checkpoint() -> None:
    made = bench()
    stop = opened(made)
    replaced(made, mark(made, "30100"), stop)
    made.engine = Engine.restore(made.engine.checkpoint(), {})
    assert [p.trigger_price for p in mark(made, "30200")] == [D(29_950)]
