"""What can be tuned: what a control shows is what the desk takes, and the other way round."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from contractdesk.errors import ConfigError
from contractdesk.panels.tunables import Kind, Tunable, of_desk, of_strategy
from contractdesk.panels.tuning_face import Running
from contractdesk.risk.settings import RANGES, RiskSettings, tuned
from contractdesk.strategy.base import Strategy
from contractdesk.strategy.params import Param, plain

D = Decimal


class Colour(Enum):
    RED = 1
    BLUE = 2


class Odd(Strategy):
    """One parameter of every kind."""

    whole = Param(5, ge=1, le=9, unit="bars", doc="a count")
    real = Param(0.5, ge=0.0, le=2.0)
    exact = Param(D("2.50"), ge=D("0.1"))
    flag = Param(default=True)
    colour = Param(Colour.RED)
    few = Param(3, choices=(1, 3, 9))
    word = Param("a")


def odd() -> dict[str, Tunable]:
    strategy = Odd(["X"])
    row = Running(
        strategy_id="odd", class_name="Odd", symbols=("X",), timeframe="1m", declared=Odd.declared(),
        params=strategy.params,
    )  # fmt: skip
    return {each.name: each for each in of_strategy(row)}


@pytest.mark.parametrize(
    ("name", "kind", "given", "expected"),
    [
        ("whole", Kind.NUMBER, "7", 7),
        ("real", Kind.NUMBER, "1.25", 1.25),
        ("exact", Kind.NUMBER, "1,000.50", "1000.5"),
        ("flag", Kind.TOGGLE, False, False),
        ("colour", Kind.CHOICE, 1, 2),
        ("few", Kind.CHOICE, 2, 9),
        ("word", Kind.TEXT, " b ", "b"),
    ],
)
def test_what_a_control_says_is_what_a_strategy_takes(
    name: str, kind: Kind, given: Any, expected: Any
) -> None:
    tunable = odd()[name]
    assert tunable.kind is kind
    value = tunable.parse(given)
    assert value == expected
    assert type(value) is type(expected)
    assert Odd(["X"], **{name: value}).params[name] == expected


@pytest.mark.parametrize(
    ("name", "given", "must"),
    [
        ("whole", "10", "a whole number, 1 to 9 bars"),
        ("whole", "2.5", "a whole number, 1 to 9 bars"),
        ("whole", 7, "a whole number"),
        ("real", "nan", "0 to 2"),
        ("real", "NaN", "0 to 2"),
        ("real", "inf", "0 to 2"),
        ("exact", "-1", "at least 0.1"),
        ("exact", "one", "at least 0.1"),
        ("flag", "yes", "on or off"),
        ("flag", 1, "on or off"),
        ("few", 3, "one of its choices"),
        ("few", True, "one of its choices"),
        ("few", -1, "one of its choices"),
        ("word", "x" * 300, "a text"),
        ("word", None, "a text"),
    ],
)
def test_what_is_not_permitted_is_refused_with_what_is(name: str, given: Any, must: str) -> None:
    with pytest.raises(ConfigError, match=must):
        odd()[name].parse(given)


@pytest.mark.parametrize("tunable", of_desk(), ids=lambda each: each.name)
def test_every_limit_is_read_back_as_it_is_shown_and_its_bounds_are_permitted(tunable: Tunable) -> None:
    settings = RiskSettings()
    runs = plain(getattr(settings, tunable.name))
    if tunable.kind is Kind.NUMBER:
        assert tunable.same(tunable.parse(tunable.text(runs)), runs)
        assert tunable.low is not None
        assert tunable.high is not None
        for bound in (tunable.low, tunable.high):
            value = D(str(tunable.parse(str(bound))))
            assert value in (D(RANGES[tunable.name][0]), D(RANGES[tunable.name][1]))
        with pytest.raises(ConfigError, match=tunable.name.split("_")[0]):
            tunable.parse(str(tunable.high + 1))
        assert 1 <= tunable.curve <= 12
    elif tunable.kind is Kind.CHOICE:
        assert {tuned(settings, {tunable.name: choice}) for choice in tunable.choices}


def test_a_share_is_shown_as_per_cent_and_a_default_lies_in_the_middle_of_its_slider() -> None:
    cap = next(each for each in of_desk() if each.name == "size_cap")
    assert cap.said("0.03") == "3 % of equity"
    assert cap.permitted == "0 to 1,000 % of equity"
    assert cap.parse("4.5") == "0.045"
    assert 1000 * 0.5**cap.curve == pytest.approx(3)
