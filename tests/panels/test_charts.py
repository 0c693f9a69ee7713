from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.domain.market import pack_levels
from contractdesk.domain.views import EquityPoint
from contractdesk.panels import formats
from contractdesk.panels.chart import TimeAxis, ValueAxis, reach, round_step, trimmed
from contractdesk.panels.depth import DepthChart, curve
from contractdesk.panels.equity import EquityChart, drawdowns, thinned
from contractdesk.panels.pump import BURST
from tests.e2e.synthetic import BTC, SyntheticDesk


def points(*values: str) -> list[EquityPoint]:
    return [EquityPoint(i, Decimal(value)) for i, value in enumerate(values)]


def test_the_drawdown_is_counted_from_the_highest_point_so_far() -> None:
    assert drawdowns(points("100", "110", "99", "110", "121", "60.5")) == [0, 0, -10, 0, 0, -50]
    assert drawdowns(points("0", "-5")) == [0, 0]


@given(st.integers(0, 3_000), st.integers(1, 700))
def test_thinning_keeps_the_last_point_and_the_bound(count: int, most: int) -> None:
    curve = points(*map(str, range(count)))
    kept = thinned(curve, most)
    assert len(kept) <= most + 1
    assert list(kept[-1:]) == curve[-1:]
    assert list(kept[:1]) == curve[:1]


@given(st.floats(1e-9, 1e12))
def test_a_step_is_round_and_not_more_than_two_and_a_half_times_too_long(rough: float) -> None:
    step = round_step(rough)
    assert rough * (1 - 1e-6) <= step <= rough * 2.5 * (1 + 1e-6)
    assert round(step / 10 ** math.floor(math.log10(step) + 1e-9), 6) in (1, 2, 5, 10)


def test_an_axis_sends_nothing_while_its_span_stays() -> None:
    axis = ValueAxis()
    assert axis.span(10_001, 10_019) == 2
    assert axis.span(10_001.5, 10_018) == 0
    assert (axis.scale.min, axis.scale.max) == (10_000, 10_020)
    assert axis.axis.tick_format == ",.0f"
    assert axis.span(5.0, 5.0) == 2, "a flat line still has an axis around it"
    assert axis.scale.min < 5 < axis.scale.max


def test_far_stops_do_not_flatten_the_price_and_near_ones_are_shown() -> None:
    assert reach([100.0, 110.0], [math.nan, 90.0]) == (90.0, 110.0)
    assert reach([100.0, 110.0], [50.0]) == (100.0, 110.0)


def test_a_line_of_stops_ends_where_the_last_stop_was() -> None:
    assert list(trimmed([math.nan, 1.0, math.nan, 2.0, math.nan]))[1:2] == [1.0]
    assert len(trimmed([math.nan, 1.0, math.nan, 2.0, math.nan])) == 4
    assert len(trimmed([math.nan, math.nan])) == 0


def test_a_depth_curve_adds_up_from_the_touch() -> None:
    packed = pack_levels([(281_500, 1_000), (281_498, 500)])
    assert curve(BTC, packed) == ([28_150.0, 28_149.8], [1.0, 1.5])


@pytest.mark.parametrize("kind", [DepthChart, EquityChart])
def test_a_chart_says_how_many_messages_it_sent(kind: type) -> None:
    desk = SyntheticDesk()
    chart = kind(desk)
    sent = chart.refresh(desk.snapshot)
    assert 0 < sent <= chart.cost <= BURST
    blank = replace(desk.snapshot, symbols={}, equity_curve=(), positions=(), fills=())
    assert kind(desk).refresh(blank) == 1, "only the header speaks"


def test_an_axis_of_times_shows_the_clock_of_its_zone_and_names_it_once() -> None:
    axis = TimeAxis(formats.zone_of("Europe/Berlin"))
    summer, winter = 1_680_652_680 * 10**9, 1_700_000_000 * 10**9
    shown, sent = axis.place([summer])
    assert (str(shown[0]), axis.axis.label, sent) == ("2023-04-05T01:58:00.000", "CEST", 1)
    assert axis.place([summer])[1] == 0
    shown, _ = axis.place([summer, winter])
    assert axis.axis.label == "CET"
    assert shown[1] - shown[0] == (winter - summer) // 10**6, "all are shifted alike"
