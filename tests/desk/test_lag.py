"""The lag meter reports what is late, and the first tick in time again."""

from __future__ import annotations

from contractdesk.clock import ManualClock
from contractdesk.desk.lag import RECENT_TICKS, LagMeter
from contractdesk.ops.metrics import Histogram


def test_it_reports_the_late_and_the_recovery_and_nothing_else() -> None:
    told: list[float] = []
    meter = LagMeter(ManualClock(), Histogram(), told.append)
    for lag_ms in (1.0, 249.0, 251.0, 900.0, 3.0, 2.0):
        meter.measured(lag_ms)
    assert told == [251.0, 900.0, 3.0]


def test_short_lags_are_remembered_for_a_while() -> None:
    meter = LagMeter(ManualClock(), Histogram(), lambda _: None)
    assert meter.recent_ms == 0.0
    meter.measured(7.0)
    for _ in range(RECENT_TICKS - 1):
        meter.measured(1.0)
    assert meter.recent_ms == 7.0
    meter.measured(1.0)
    assert meter.recent_ms == 1.0
