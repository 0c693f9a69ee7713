"""Limits and switches: each has its range, met from both sides, and a refusal names it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import asdict, fields

from contractdesk.errors import ConfigError
from contractdesk.risk.settings import RANGES, SHARES, RiskSettings, told, tuned
from tests.risk.desks import D

BESIDE = D("0.0001")
TOGETHER = {"stop_deadline_s": {"flatten_deadline_s": 60}, "flatten_deadline_s": {"stop_deadline_s": 0.1}}


def test_every_number_has_a_range_and_every_other_setting_is_a_switch() -> None:
    numbers = {field.name for field in fields(RiskSettings) if field.type in (int, float, Decimal)}
    assert numbers == set(RANGES)
    switches = {"on_trip", "cap_basis", "trail_timeframe"}
    booleans = {field.name for field in fields(RiskSettings) if field.type is bool}
    assert numbers | booleans | switches == set(asdict(RiskSettings()))


@pytest.mark.parametrize(("name", "low", "high"), [(name, *bounds) for name, bounds in RANGES.items()])
def test_a_setting_goes_to_both_ends_of_its_range_and_not_beyond(name: str, low: str, high: str) -> None:
    kind = type(getattr(RiskSettings(), name))
    step = D(1) if kind is int else BESIDE
    for bound, way in ((low, -1), (high, 1)):
        inside, outside = kind(D(bound)), kind(D(bound) + way * step)
        with_others = TOGETHER.get(name, {})
        if not (name == "stop_deadline_s" and bound == high):
            assert getattr(tuned(RiskSettings(), with_others | {name: inside}), name) == inside
        with pytest.raises(ConfigError, match=f"{name}=.* it must be from {low} to {high}"):
            tuned(RiskSettings(), with_others | {name: outside})
    with pytest.raises(ConfigError, match=f"{name}=.*from {low} to {high}"):
        tuned(RiskSettings(), {name: "much"})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"on_trip": "panic"}, "it must be one of 'halt', 'flatten'"),
        ({"cap_basis": "leverage"}, "it must be one of 'notional', 'margin'"),
        ({"trailing": "yes"}, "it must be a bool"),
        ({"trail_timeframe": "7x"}, "trail_timeframe='7x' is not permitted"),
    ],
)
def test_a_switch_names_what_it_can_be(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        tuned(RiskSettings(), changes)


def test_what_a_tuning_changes_is_said_in_per_cent() -> None:
    """A cap of 2 is 200 % of the equity, and whoever meant 2 % reads it at once."""
    before = RiskSettings()
    changes = {"size_cap": "2", "funding_gate": "0.001", "on_trip": "flatten", "trail_period": 20}
    assert told(before, tuned(before, changes), changes) == (
        "size_cap 3 % -> 200 % of equity a symbol, funding_gate 0.05 % -> 0.1 % in 8 hours, "
        "on_trip halt -> flatten, trail_period 14 -> 20"
    )
    fractions = {name for name, value in asdict(before).items() if isinstance(value, D)}
    assert fractions - set(SHARES) == {"trail_multiple", "trail_min_step"}  # those count ATRs
