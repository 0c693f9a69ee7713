"""Every risk setting is explained, and every change of one is called by its right name."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
import pytest

from contractdesk.risk.meanings import SETTINGS, Effect, effect
from contractdesk.risk.settings import RANGES, CapBasis, OnTrip, RiskSettings

D = Decimal
FIELDS = {field.name: field for field in msgspec.structs.fields(RiskSettings)}


def test_every_setting_has_its_words_and_no_other_has() -> None:
    assert list(SETTINGS.keys() - FIELDS.keys()) == []
    assert list(FIELDS.keys() - SETTINGS.keys()) == []
    assert all(setting.doc for setting in SETTINGS.values())


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_value_of_a_switch_or_a_choice_has_its_place_from_tight_to_loose(name: str) -> None:
    kind: Any = FIELDS[name].type
    if kind is bool:
        assert set(SETTINGS[name].tight_to_loose) == {True, False}
    elif issubclass(kind, Enum):
        assert set(SETTINGS[name].tight_to_loose) == set(kind)
    else:
        assert SETTINGS[name].tight_to_loose == ()
        assert name in RANGES or kind is str


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("size_cap", D("0.03"), D("0.05"), Effect.LOOSENS),
        ("size_cap", D("0.03"), D("0.02"), Effect.TIGHTENS),
        ("size_cap", D("0.03"), D("0.030"), Effect.CHANGES),
        ("stop_liquidation_buffer", D("0.005"), D("0.001"), Effect.LOOSENS),
        ("breaker_window_s", 300.0, 60.0, Effect.LOOSENS),
        ("trailing", True, False, Effect.LOOSENS),
        ("funding_gate_shorts", False, True, Effect.TIGHTENS),
        ("cap_basis", CapBasis.NOTIONAL, CapBasis.MARGIN, Effect.LOOSENS),
        ("on_trip", OnTrip.HALT, OnTrip.FLATTEN, Effect.TIGHTENS),
        ("trail_period", 14, 20, Effect.CHANGES),
        ("trail_timeframe", "", "5m", Effect.CHANGES),
        # 0 is no limit: the first limit tightens, whatever it is, and taking it away loosens
        ("max_daily_loss", D(0), D("0.9"), Effect.TIGHTENS),
        ("max_daily_loss", D("0.9"), D(0), Effect.LOOSENS),
        ("max_entries_per_hour", 5, 6, Effect.LOOSENS),
    ],
)
def test_a_change_loosens_or_tightens(name: str, old: Any, new: Any, expected: Effect) -> None:
    assert effect(name, old, new) is expected
