"""Where a stop follows to: the formula, and that it never loosens."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.domain.intents import AtrStop
from contractdesk.domain.position import Trail
from contractdesk.risk.settings import RiskSettings
from contractdesk.risk.trailing import TrailingStop, better, gauge
from tests.domain.terms import CONTRACTS, INVERSE, LINEAR
from tests.risk.desks import D, linear_desk, only

RULE = TrailingStop.of(RiskSettings(), Trail())
FREE = TrailingStop(14, D("2.5"), D(0))
signs = st.sampled_from([1, -1])


def test_the_mission_defaults() -> None:
    assert TrailingStop(14, D("2.5"), D("0.1")) == RULE


@pytest.mark.parametrize(
    ("sign", "best", "atr", "level"),
    [
        (1, "60000", "400", "59000"),  # 60,000 - 2.5 x 400
        (1, "60000.04", "400", "59000.0"),  # 59,000.04: down to the tick
        (-1, "60000", "400", "61000"),
        (-1, "60000.04", "400", "61000.1"),  # 61,000.04: up to the tick
    ],
)
def test_the_level_is_the_best_mark_less_its_atrs_on_the_tick_away(
    sign: int, best: str, atr: str, level: str
) -> None:
    assert RULE.level(LINEAR, sign, D(best), D(atr)) == D(level)


@pytest.mark.parametrize(
    ("best", "atr"), [("NaN", "1"), ("1", "NaN"), ("Infinity", "1"), ("1", "0"), ("1", "-1"), ("100", "100")]
)
def test_what_is_no_number_gives_no_level(best: str, atr: str) -> None:
    assert RULE.level(LINEAR, 1, D(best), D(atr)) is None


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ("58959.9", "59000"),  # 40.1 gained, and a step is 0.1 x 400 = 40
        ("58960", "59000"),
        ("58960.1", None),  # 39.9
        ("59000", None),
        ("59500", None),  # a person has put it nearer: it stays there
    ],
)
def test_less_than_a_step_is_not_worth_a_request(stop: str, expected: str | None) -> None:
    moved = RULE.follow(LINEAR, 1, D(stop), D(60_000), D(60_000), D(400))
    assert moved == (None if expected is None else D(expected))


def test_a_level_that_the_mark_has_passed_is_not_gone_to() -> None:
    assert FREE.follow(LINEAR, 1, D(58_000), D(59_000), D(60_000), D(400)) is None
    assert FREE.follow(LINEAR, 1, D(58_000), D("59000.1"), D(60_000), D(400)) == 59_000
    assert FREE.follow(LINEAR, -1, D(62_000), D(61_000), D(60_000), D(400)) is None


def test_what_is_not_known_moves_nothing() -> None:
    assert FREE.follow(LINEAR, 1, D(58_000), D(60_000), None, D(400)) is None
    assert FREE.follow(LINEAR, 1, D(58_000), D(60_000), D(60_000), None) is None
    assert FREE.follow(LINEAR, 1, D(58_000), D("NaN"), D(60_000), D(400)) is None


@st.composite
def paths(draw: st.DrawFn) -> tuple[int, list[tuple[int, float]]]:
    """(sign, (mark in ticks, ATR) after (mark, ATR)): non-finite ATRs among them."""
    odd = st.sampled_from([math.nan, math.inf, 0.0, -1.0])
    atrs = st.one_of(st.floats(0.01, 5_000), odd)
    rows = draw(st.lists(st.tuples(st.integers(200_000, 900_000), atrs), min_size=1, max_size=60))
    return draw(signs), rows


@given(paths(), st.sampled_from(CONTRACTS[:2]), st.decimals("0", "1", places=2))
def test_it_never_loosens_and_is_the_formula(
    path: tuple[int, list[tuple[int, float]]], instrument: object, step: Decimal
) -> None:
    """Against S = max(S, level) reckoned in fractions; a short mirrored. Steps only make it later."""
    sign, rows = path
    terms = LINEAR if instrument is LINEAR else INVERSE
    rule, tick = TrailingStop(14, D("2.5"), step), Fraction(terms.tick_size)
    stop = terms.from_ticks(1) if sign > 0 else terms.from_ticks(10_000_000)
    best: Decimal | None = None
    ideal = Fraction(stop)
    for ticks, atr in rows:
        mark, width = terms.from_ticks(ticks), D(repr(atr))
        best = better(sign, best, mark)
        moved = rule.follow(terms, sign, stop, mark, best, width)
        if math.isfinite(atr) and atr > 0:
            exact = (Fraction(best) - sign * Fraction("2.5") * Fraction(width)) / tick
            level = (exact.__floor__() if sign > 0 else exact.__ceil__()) * tick
            if level > 0 and sign * (Fraction(mark) - level) > 0:
                ideal = max(ideal, level) if sign > 0 else min(ideal, level)
        if moved is None:
            assert step or Fraction(stop) == ideal, "without a step it is the formula itself"
            continue
        assert sign * (moved - stop) > 0, "it has loosened"
        assert sign * (mark - moved) > 0, "it would trigger at once"
        assert sign * (Fraction(moved) - ideal) <= 0, "it is nearer than the formula"
        assert moved % terms.tick_size == 0
        stop = moved


def test_the_gauge_says_where_it_stands_and_when_it_moves() -> None:
    desk, settings = linear_desk(), RiskSettings()
    item = only(desk)
    assert gauge(desk, settings) is None
    item.hold("0.01", "60000")
    item.stop_price = D(59_000)
    fixed = gauge(desk, settings)
    assert fixed is not None
    assert (fixed.found, fixed.passed) == ("BTC/USDT:USDT: stop 59000, fixed", True)
    item.trail = Trail(on=True, timeframe="5m", best=D("60100.0371"), atr=D(400))
    shown = gauge(desk, settings)
    assert shown is not None
    assert shown.found == "BTC/USDT:USDT: stop 59000, 2.5 x ATR(14) of 5m bars behind 60100"
    assert shown.limit == "behind the best mark; never looser"
    assert shown.left == "BTC/USDT:USDT moves at 60040"  # 59,000 + 40 + 2.5 x 400
    item.trail = Trail(on=True, by=AtrStop(7, D(3), "1h"), best=D(60_100))
    frozen = gauge(desk, settings)
    assert frozen is not None
    assert not frozen.passed
    assert frozen.found == "BTC/USDT:USDT: stop 59000, frozen: no 3 x ATR(7) of 1h bars"
