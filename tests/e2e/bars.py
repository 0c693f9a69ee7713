"""Bars of one second for the synthetic desk: a seeded past, then what its market makes."""

from __future__ import annotations

import random
from decimal import Decimal

from contractdesk.domain.market import NS_PER_S, Bar
from contractdesk.domain.views import Candles, Overlay

TICK = Decimal("0.1")
PAST = 90  # bars that were there before
KEPT = 240
FAST, SLOW = 5, 15


class SecondBars:
    """Closed bars without a hole, and the one that is open."""

    def __init__(self, seed: int, price: Decimal) -> None:
        self._random = random.Random(seed)  # noqa: S311  a market, not a secret
        self._price = price
        self._closed: tuple[Bar, ...] = ()
        self._open: Bar | None = None

    @property
    def candles(self) -> Candles:
        closes = [float(bar.close) for bar in self._closed]
        lines = tuple(Overlay(f"EMA {period}", _ema(closes, period)) for period in (FAST, SLOW))
        return Candles(timeframe="1s", closed=self._closed, forming=self._open, overlays=lines)

    def move(self, now_ns: int, price: Decimal) -> None:
        """The market trades at ``price``."""
        start = now_ns - now_ns % NS_PER_S
        if not self._closed:
            self._closed = self._past(start)
        if self._open is not None and self._open.open_ns != start:
            self._closed, self._open = (*self._closed, self._open)[-KEPT:], None
        bar = self._open or _flat(start, self._closed[-1].close)
        self._open = Bar(
            open_ns=start, open=bar.open, high=max(bar.high, price), low=min(bar.low, price), close=price,
            volume=bar.volume + 1,
        )  # fmt: skip

    def _past(self, until_ns: int) -> tuple[Bar, ...]:
        """A walk that ends where the market begins."""
        closes = [self._price]
        for _ in range(PAST):
            closes.append(closes[-1] + TICK * round(self._random.gauss(0, 9)))
        closes.reverse()
        return tuple(
            _wick(until_ns - (PAST - i) * NS_PER_S, closes[i], closes[i + 1], self._random.randint(0, 8))
            for i in range(PAST)
        )


def _flat(open_ns: int, price: Decimal) -> Bar:
    return Bar(open_ns=open_ns, open=price, high=price, low=price, close=price, volume=Decimal(0))


def _wick(open_ns: int, first: Decimal, last: Decimal, ticks: int) -> Bar:
    return Bar(
        open_ns=open_ns, open=first, close=last, volume=Decimal(1),
        high=max(first, last) + TICK * ticks, low=min(first, last) - TICK * ticks,
    )  # fmt: skip


def _ema(closes: list[float], period: int) -> tuple[float, ...]:
    """From the first ``period`` closes on."""
    if len(closes) < period:
        return ()
    values = [sum(closes[:period]) / period]
    for close in closes[period:]:
        values.append(values[-1] + (close - values[-1]) * 2 / (period + 1))
    return tuple(values)
