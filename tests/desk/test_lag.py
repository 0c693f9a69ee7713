"""The lag meter reports what is late, and the first tick in time again."""

from __future__ import annotations

from contractdesk.clock import ManualClock
from contractdesk.desk.lag import LagMeter
from contractdesk.ops.metrics import Histogram


def test_it_reports_the_late_and_the_recovery_and_nothing_else() -> None:
    told: list[float] = []
    meter = LagMeter(ManualClock(), Histogram(), told.append)
    for lag_ms in (1.0, 249.0, 251.0, 900.0, 3.0, 2.0):
        meter.measured(lag_ms)
    assert told == [251.0, 900.0, 3.0]
