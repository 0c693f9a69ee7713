"""Whether the desk may trade, reckoned from what people asked and what was earned: a second opinion."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

from contractdesk.domain.account import PositionMode
from contractdesk.domain.events import (
    BreakerReset,
    ClosingAsked,
    Event,
    FlattenAsked,
    HaltAsked,
    ModesRead,
    ResumeAsked,
    RiskTuned,
)
from contractdesk.domain.views import TradingState
from contractdesk.engine.state import Desk
from contractdesk.errors import ConfigError
from contractdesk.risk.settings import RiskSettings, tuned
from tests.engine.risk_known import Known
from tests.engine.risk_terms import NS_PER_S

SILENT_NS = 5 * NS_PER_S


class Trading:
    """``blocked`` says who forbids entries; ``latched`` whether the breaker must have tripped.

    The samples are kept as they are, and all of the window are looked at each time.
    """

    def __init__(self, known: Known, settings: RiskSettings) -> None:
        self.known, self.settings = known, settings
        self.blocked: set[str] = set()
        self.latched = False
        self.hedged = False
        self.trips = 0
        self.samples: list[tuple[int, int, int]] = []  # (when, profit, equity), in 1e-8

    def follow(self, event: Event, now_ns: int, desk: Desk) -> None:
        tripped = self._sample(now_ns, desk)
        self._asked(event, desk)
        if not self.known.mixed:
            said = "" if desk.breaker_reason else "not "
            assert bool(desk.breaker_reason) == self.latched, f"the breaker has {said}tripped"
        if tripped or (desk.breaker_reason and self.known.mixed and not self.latched):
            self.trips += 1
            self.latched = True
        if self.blocked or self.latched:
            assert desk.state is not TradingState.ACTIVE, f"ACTIVE, though {self.blocked or 'latched'}"

    def _sample(self, now_ns: int, desk: Desk) -> bool:
        """True where the breaker has to trip just now."""
        known = self.known
        if not (known.measured and desk.started and known.account is not None) or known.mixed:
            return False
        equity, earned = _units(known.equity), _units(known.profit)
        window_ns = int(self.settings.breaker_window_s * NS_PER_S)
        part, whole = self.settings.breaker_drop.as_integer_ratio()
        if self.samples and now_ns - self.samples[-1][0] > SILENT_NS:  # what was known stood until now
            self.samples.append((now_ns - 1, *self.samples[-1][1:]))
        if equity > 0:
            self.samples.append((now_ns, earned, equity))
        window = (p * whole - part * e for t, p, e in self.samples if t >= now_ns - window_ns)
        trips = equity <= 0 or max(window) >= earned * whole
        fresh = trips and not self.latched
        self.latched |= trips
        return fresh

    def _asked(self, event: Event, desk: Desk) -> None:
        match event:
            case HaltAsked():
                self.blocked.add("halted")
            case FlattenAsked() | ClosingAsked():
                self.blocked.add("flattened")
            case ModesRead(position_mode=mode):
                self.hedged = mode is PositionMode.HEDGE
                if self.hedged:
                    self.blocked.add("hedged")
            case ResumeAsked() if desk.started and not self.latched and not self.hedged:
                self.blocked.clear()
            case BreakerReset(reason=reason) if reason.strip() and self.latched:
                self.latched, self.samples = False, []
            case RiskTuned(settings=changes):
                with suppress(ConfigError):  # refused: nothing changes
                    self.settings = tuned(self.settings, changes)
            case _:
                pass


def _units(amount: Decimal) -> int:
    return int(amount.scaleb(8))
