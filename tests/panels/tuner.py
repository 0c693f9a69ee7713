"""A desk that can be tuned and does not trade: a real strategy's parameters and the real settings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from contractdesk.desk.changes import RISK, Change
from contractdesk.errors import UserError
from contractdesk.panels.tuning_face import DESK, Comparison, Running, Values
from contractdesk.replay.trial import Trial
from contractdesk.risk.settings import RiskSettings, tuned
from contractdesk.strategy.library import TrendFollow
from contractdesk.strategy.params import plain
from tests.e2e.synthetic import BTC, SyntheticDesk

NAME = "TrendFollow-1"


class StillTuner:
    """Applies at once; ``gate`` holds a replay back, so that a test can look at it half-way."""

    def __init__(self) -> None:
        self.strategy = TrendFollow([BTC.symbol], "1m", fast=12, slow=26)
        self.settings = RiskSettings()
        self.log: list[Change] = []
        self.asked: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self.refuses = ""  # what the next verb raises
        self.gate = threading.Event()
        self.under_way = threading.Event()
        self.rehearsed: list[tuple[float, Mapping[str, Values]]] = []

    def running(self) -> tuple[Running, ...]:
        return (
            Running(
                strategy_id=NAME,
                class_name="TrendFollow",
                symbols=(BTC.symbol,),
                timeframe="1m",
                declared=TrendFollow.declared(),
                params=self.strategy.params,
            ),
        )

    def risk(self) -> RiskSettings:
        return self.settings

    def check(self, owner: str, changes: Values) -> None:
        if owner == DESK:
            tuned(self.settings, changes)
        else:
            self.strategy.with_params(**changes)

    def apply(self, owner: str, changes: Values, expected: Values) -> str:
        self.asked.append((owner, dict(changes), dict(expected)))
        if self.refuses:
            raise UserError(self.refuses)
        before = self.strategy.params if owner else {n: plain(getattr(self.settings, n)) for n in changes}
        if owner == DESK:
            self.settings = tuned(self.settings, changes)
        else:
            self.strategy = self.strategy.with_params(**changes)
        self.log += [
            Change(ts_ns=10**18, who="person", what=owner or RISK, name=n, was=before[n], now=v)
            for n, v in changes.items()
        ]
        return "done"

    def changes(self) -> tuple[Change, ...]:
        return tuple(self.log)

    def rehearse(
        self, hours: float, draft: Mapping[str, Values], progress: Callable[[float], None]
    ) -> Comparison:
        self.rehearsed.append((hours, draft))
        progress(0.5)
        self.under_way.set()
        assert self.gate.wait(10)
        progress(0.9)
        return Comparison(asset="USDT", runs=trial("1.5"), draft=trial("-2"))


def trial(profit: str) -> Trial:
    return Trial(
        start_ns=10**18,
        end_ns=10**18 + 3600 * 10**9,
        entries=3,
        fills=6,
        round_trips=3,
        profit=Decimal(profit),
        fees=Decimal("0.4"),
        drawdown=Decimal("-0.012"),
        refusals={"size_cap": 2},
        held=0,
        cut=False,
    )


class TunableDesk(SyntheticDesk):
    """The synthetic desk with something to tune."""

    def __init__(self, label: str = "EMBEDDED") -> None:
        super().__init__(warm=5)
        self.label = label
        self.tuning = StillTuner()
