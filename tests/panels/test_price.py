"""The price chart: what it sends is what the snapshot holds, in ticks and on the venue's clock."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from contractdesk.domain.orders import Order, OrderRequest, OrderRole, OrderStatus, OrderType, Side
from contractdesk.panels.price import MAX_SAMPLES, PriceChart, kind_of
from contractdesk.panels.stop_trail import MAX_STEPS, StopTrail, steps_of
from tests.e2e.synthetic import BTC, SyntheticDesk

D = Decimal
SYMBOL = BTC.symbol


def doubles(packed: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(packed) // 8}d", packed)


@pytest.fixture
def desk() -> SyntheticDesk:
    return SyntheticDesk()


@pytest.fixture
def chart(desk: SyntheticDesk) -> PriceChart:
    shown = PriceChart(desk)
    shown.refresh(desk.snapshot)
    return shown


def test_bars_are_sent_in_ticks_oldest_first_and_the_open_one_apart(
    desk: SyntheticDesk, chart: PriceChart
) -> None:
    candles = desk.snapshot.symbols[SYMBOL].candles
    assert candles is not None
    numbers = doubles(chart.bars)
    assert len(numbers) == 5 * len(candles.closed)
    first = candles.closed[0]
    assert numbers[:5] == (
        first.open_ns / 1e6,
        *(float(p * 10) for p in (first.open, first.high, first.low, first.close)),
    )
    assert all(number == round(number) for number in numbers), "the grid's prices come out whole"
    assert chart.forming[0] == candles.forming.open_ns / 1e6
    assert chart.forming[4] == float(candles.forming.close * 10)
    assert (chart.terms["timeframe"], chart.terms["step"], chart.terms["decimals"]) == ("1s", 1_000, 1)


def test_lines_of_the_strategy_are_named_and_aligned_to_the_last_bar(
    desk: SyntheticDesk, chart: PriceChart
) -> None:
    candles = desk.snapshot.symbols[SYMBOL].candles
    assert [line["name"] for line in chart.overlays] == ["EMA 5", "EMA 15"]
    values = doubles(chart.overlay_values)
    assert len(values) == sum(line["count"] for line in chart.overlays)
    assert values[-1] == pytest.approx(candles.overlays[1].values[-1] * 10, abs=1e-3)


def test_bars_that_are_the_same_do_not_travel_again(desk: SyntheticDesk, chart: PriceChart) -> None:
    sent: list[set[str]] = []
    chart.send_state = lambda key=None: sent.append(set(key))  # type: ignore[method-assign]
    chart.refresh(replace(desk.snapshot, equity=D(1)))
    assert sent == [{"seq"}]


def test_fills_say_why_and_where(chart: PriceChart) -> None:
    assert [(fill["kind"], fill["side"]) for fill in chart.fills] == [
        ("entry", "buy"), ("entry", "buy"), ("exit", "sell"),
    ]  # fmt: skip
    assert chart.fills[2]["text"].startswith("sell 0.003 @ 28,")
    assert all(fill["ticks"] == round(fill["ticks"]) for fill in chart.fills)


def test_a_fill_of_an_order_that_is_not_ours_is_of_no_kind_of_ours(desk: SyntheticDesk) -> None:
    fill = replace(desk.snapshot.fills[0], client_id="autoclose-1712")
    assert kind_of(fill) == "other"


def test_the_position_its_stop_and_what_rests_lie_across_the_chart(chart: PriceChart) -> None:
    levels = {(level["kind"], level["text"]): level["ticks"] for level in chart.levels}
    assert levels[("stop", "STOP")] == 281_315
    assert levels[("liq", "LIQ")] == 141_032
    assert levels[("order", "buy 0.005")] == 281_480
    assert ("entry", "ENTRY") in levels
    assert chart.stops[-1][1] == 281_315


def test_refused_wishes_are_marked(desk: SyntheticDesk, chart: PriceChart) -> None:
    assert chart.refused == [desk.snapshot.refusals[0].ts_ns / 1e6]


def test_moments_of_ours_are_shifted_to_the_venues_clock(desk: SyntheticDesk) -> None:
    chart = PriceChart(desk)
    for offset_ms, shift in ((250.0, 250.0), (math.nan, 0.0)):
        chart.refresh(replace(desk.snapshot, clock_offset_ms=offset_ms))
        assert chart.refused == [desk.snapshot.refusals[0].ts_ns / 1e6 + shift]


def test_without_bars_the_price_is_sampled_and_bounded(desk: SyntheticDesk) -> None:
    chart = PriceChart(desk)
    view = replace(desk.snapshot.symbols[SYMBOL], candles=None)
    for second in range(MAX_SAMPLES + 5):
        later = desk.snapshot.ts_ns + second * 10**9
        chart.refresh(replace(desk.snapshot, ts_ns=later, symbols={SYMBOL: view}))
    numbers = doubles(chart.trail)
    assert len(numbers) == 2 * MAX_SAMPLES
    assert numbers[-1] == float(view.last * 10)
    assert (chart.bars, chart.forming, chart.terms["timeframe"]) == (b"", [], "")
    chart.refresh(desk.snapshot)
    assert chart.trail == b"", "bars have come"


def test_another_symbol_begins_anew_and_none_says_so(desk: SyntheticDesk) -> None:
    chart = PriceChart(desk)
    view = replace(desk.snapshot.symbols[SYMBOL], candles=None)
    other = replace(view, instrument=replace(BTC, symbol="ETH/USDT:USDT"))
    both = replace(desk.snapshot, symbols={SYMBOL: view, "ETH/USDT:USDT": other})
    chart.refresh(both)
    chart._focus.choose("ETH/USDT:USDT")
    chart.refresh(replace(both, ts_ns=both.ts_ns + 1))
    assert len(doubles(chart.trail)) == 2
    assert (chart.fills, chart.levels) == ([], [])
    chart.refresh(replace(both, symbols={}))
    assert chart.note == "no symbol"


def test_the_axis_is_told_the_zones_clock(desk: SyntheticDesk) -> None:
    desk.display_tz = "Europe/Berlin"
    chart = PriceChart(desk)
    chart.refresh(desk.snapshot)
    assert (chart.terms["zone"], chart.terms["ahead"]) == ("CEST", 7_200_000)


# -- the trail of the stop ---------------------------------------------------------------------


def stop(
    number: int, trigger: int, created: int, ended: int = 0, side: Side = Side.SELL, **changes: Any
) -> Order:
    request = OrderRequest(
        client_id=str(number), symbol=SYMBOL, side=side, type=OrderType.STOP_MARKET, size=D("0.005"),
        role=OrderRole.STOP, trigger_price=D(trigger),
    )  # fmt: skip
    status = OrderStatus.CANCELLED if ended else OrderStatus.WORKING
    row = Order(request=request, status=status, created_ns=created, updated_ns=ended or created)
    return replace(row, **changes)


def test_a_stop_that_was_replaced_new_first_leaves_no_gap() -> None:
    orders = (stop(3, 103, 30), stop(1, 101, 10, 21), stop(2, 102, 20, 31))
    assert steps_of(orders, SYMBOL) == [(10, D(101)), (20, D(102)), (30, D(103))]


def test_a_closed_position_ends_the_line_and_a_reversed_one_breaks_it() -> None:
    assert steps_of((stop(1, 101, 10, 15), stop(2, 105, 30)), SYMBOL) == [
        (10, D(101)),
        (15, None),
        (30, D(105)),
    ]
    turned = (stop(1, 101, 10, 15), stop(2, 109, 15, side=Side.BUY))
    assert steps_of(turned, SYMBOL) == [(10, D(101)), (15, None), (15, D(109))]


def test_what_never_stood_and_what_is_not_ours_to_show_leaves_no_step(desk: SyntheticDesk) -> None:
    rejected = stop(1, 101, 10, 11, status=OrderStatus.REJECTED)
    assert steps_of((rejected, *desk.snapshot.orders[:1]), SYMBOL) == []
    assert steps_of((stop(1, 101, 10),), "ETH/USDT:USDT") == []


def test_a_trail_goes_on_from_what_the_orders_told(desk: SyntheticDesk) -> None:
    trail, row = StopTrail(), desk.snapshot.positions[0]
    seen = replace(
        desk.snapshot, ts_ns=100, orders=(stop(1, 101, 10),), positions=(replace(row, stop_price=D(101)),)
    )
    assert trail.saw(seen, SYMBOL) == ((10, D(101)),)
    moved = replace(row, stop_price=D(102))
    assert trail.saw(replace(seen, ts_ns=110, positions=(moved,)), SYMBOL)[-1] == (110, D(102))
    reversed_ = replace(row, stop_price=D(109), size=-row.size)
    steps = trail.saw(replace(seen, ts_ns=120, positions=(reversed_,)), SYMBOL)
    assert steps[-2:] == ((120, None), (120, D(109)))
    assert trail.saw(replace(seen, ts_ns=130, positions=()), SYMBOL)[-1] == (130, None)


def test_a_trail_is_bounded(desk: SyntheticDesk) -> None:
    trail, row = StopTrail(), desk.snapshot.positions[0]
    for n in range(MAX_STEPS + 10):
        steps = trail.saw(replace(desk.snapshot, ts_ns=n, positions=(replace(row, stop_price=D(n)),)), SYMBOL)
    assert len(steps) == MAX_STEPS
