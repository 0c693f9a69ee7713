"""A position that is only held: nothing but the market and its bars moves the stop that follows it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from contractdesk.domain.commands import AmendStop
from contractdesk.risk.settings import RiskSettings
from contractdesk.strategy import BarView, Context, Strategy, atr_stop, enter_long
from contractdesk.strategy.base import Wish
from tests.replay.markets import BTC, played, walk

SEEDS = (2, 3)


class Holder(Strategy):
    """Buys when it is flat, and leaves the rest to the stop."""

    @property
    def warmup(self) -> int:
        return 15

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        if ctx.position(bar.symbol).size or ctx.entries(bar.symbol):
            return None
        return enter_long(bar.symbol, notional=1_000, stop=atr_stop(14, 6))


def moves(seed: int) -> int:
    """Steps of the stop; AssertionError where telling each mark singly moves it otherwise."""
    told = [
        played(
            walk(0.5, every_s=5, seed=seed),
            (BTC,),
            (Holder([BTC.symbol], timeframe="1m"),),
            risk=RiskSettings(size_cap=Decimal(1), open_interest_gate=False, trail_min_step=Decimal(0)),
            every=every,
        ).outcome
        for every in (False, True)
    ]
    assert told[0].commands == told[1].commands
    assert told[0].fills == told[1].fills
    return sum(isinstance(command, AmendStop) for _, command in told[0].commands)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stop_follows_the_same_whatever_is_told_at_once(seed: int) -> None:
    assert moves(seed) >= 10
