"""A made market of some days, a strategy that turns its position over, and the replay of both."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from msgspec.structs import replace

from contractdesk.domain.instrument import ContractKind, Instrument
from contractdesk.replay.models import Models
from contractdesk.replay.result import Result
from contractdesk.replay.run import replay
from contractdesk.replay.setup import Funding, Setup
from contractdesk.replay.ticks import Ticks
from contractdesk.risk.settings import RiskSettings
from contractdesk.strategy import BarView, Context, Param, Strategy, atr_stop, enter_long, enter_short
from contractdesk.strategy.base import Wish
from tests.domain.terms import INVERSE, LINEAR

DAY = 24 * 3600 * 10**9
T0 = 1_723_075_200 * 10**9  # 2024-08-08 00:00 UTC
ETH = replace(LINEAR, symbol="ETH/USDT:USDT", venue_symbol="ETHUSDT", base="ETH", min_notional=Decimal(0))
BTC = replace(LINEAR, min_notional=Decimal(0))
COIN = INVERSE
RISK = RiskSettings(size_cap=Decimal("0.6"), trailing=False, open_interest_gate=False)


class Turner(Strategy):
    """Long, then short, then long: one order turns the position over every so many bars."""

    every = Param(7, ge=2, le=500, doc="bars")
    multiple = Param(Decimal(6), ge=Decimal("0.5"), le=Decimal(20), doc="ATRs to the stop")
    notional = Param(Decimal(1_000), ge=Decimal("0.001"), le=Decimal(100_000), doc="of an entry")

    @property
    def warmup(self) -> int:
        return 15

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        count = self.state[bar.symbol] = self.state.get(bar.symbol, 0) + 1
        if count < self.warmup or count % self.every:
            return None
        enter = enter_short if (count // self.every) % 2 else enter_long
        return enter(bar.symbol, notional=self.notional, stop=atr_stop(14, self.multiple), reverse=True)


def walk(days: float, *, every_s: int = 30, seed: int = 1, symbols: int = 1, start: int = 600_000) -> Ticks:
    """A random walk in ticks, one trade a symbol each ``every_s`` seconds or so."""
    random = np.random.default_rng(seed)
    count = int(days * 86_400 / every_s) * symbols
    ts = T0 + np.sort(random.integers(1, int(days * DAY), count)).astype(np.int64)
    which = random.integers(0, symbols, count).astype(np.int64)
    ticks = np.zeros(count, dtype=np.int64)
    for place in range(symbols):
        mine = which == place
        steps = random.normal(0, 4e-4, int(mine.sum()))
        ticks[mine] = np.round(start * np.exp(np.cumsum(steps))).astype(np.int64)
    return Ticks.of(ts, ticks, random.integers(1, 500, count), feed_ns=5_000_000, which=which)


def played(
    ticks: Ticks,
    instruments: Sequence[Instrument],
    strategies: Sequence[Strategy],
    *,
    every: bool = False,
    **more: Any,
) -> Result:
    """The replay, with 8-hourly funding of 0.01 %; settings by default as the tests need them."""
    days = int((ticks.ts_ns[-1] - T0) // DAY) + 1
    paid = [Funding(T0 + third * DAY // 3, Decimal("0.0001")) for third in range(1, 3 * days)]
    inverse = instruments[0].kind is ContractKind.INVERSE
    given: dict[str, Any] = {
        "instruments": tuple(instruments),
        "strategies": tuple(strategies),
        "balance": Decimal(5) if inverse else Decimal(10_000),
        "risk": RISK,
        "funding": {terms.symbol: paid for terms in instruments},
        "models": Models(mark_every_s=4),
    }
    return replay(Setup(**given | more), iter([ticks]), every=every)


def turned(*instruments: Instrument, days: float = 10, **more: Any) -> Result:
    """Ten days of ``Turner`` on quarter-hour bars."""
    symbols = [terms.symbol for terms in instruments]
    notional = Decimal("0.5") if instruments[0].kind is ContractKind.INVERSE else Decimal(1_000)
    strategy = Turner(symbols, timeframe="15m", notional=notional)
    return played(walk(days, symbols=len(instruments)), instruments, [strategy], **more)
