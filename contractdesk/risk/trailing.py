"""Where a stop follows the market to. Pure; it never loosens.

Long: S = max(S, floor to tick(best mark since the position opened - multiple x ATR)); a short mirrored.
The ATR is Wilder's, of the last closed bar.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from msgspec import Struct

from contractdesk.domain.instrument import ZERO, Instrument, Rounding
from contractdesk.domain.intents import Finding
from contractdesk.domain.position import Trail
from contractdesk.domain.views import DeskView, SymbolView
from contractdesk.risk.settings import RiskSettings
from contractdesk.risk.words import failed, number, passed

RULE, LIMIT = "trailing_stop", "behind the best mark; never looser"


class TrailingStop(Struct, frozen=True):
    """The rule for one position."""

    period: int
    multiple: Decimal
    min_step: Decimal  # ATRs
    timeframe: str = ""  # of the ATR's bars

    @classmethod
    def of(cls, settings: RiskSettings, trail: Trail) -> Self:
        """For one position: an ATR stop follows by its own terms, a price by those of the settings."""
        by, timeframe = trail.by, settings.trail_timeframe or trail.timeframe
        if by is None:
            return cls(settings.trail_period, settings.trail_multiple, settings.trail_min_step, timeframe)
        return cls(by.period, by.multiple, settings.trail_min_step, by.timeframe or timeframe)

    def level(self, instrument: Instrument, sign: int, best: Decimal, atr: Decimal) -> Decimal | None:
        """``multiple`` ATRs behind the best mark, on the tick away from it; None where that is no price.

        ``sign``: +1 for a long position, -1 for a short one.
        """
        if not (atr.is_finite() and best.is_finite()) or atr <= 0 or best <= 0:
            return None
        exact = best - sign * self.multiple * atr
        price = instrument.round_price(exact, Rounding.DOWN if sign > 0 else Rounding.UP)
        return price if price > 0 else None

    def follow(
        self,
        instrument: Instrument,
        sign: int,
        stop: Decimal,
        mark: Decimal,
        best: Decimal | None,
        atr: Decimal | None,
    ) -> Decimal | None:
        """The stop's next price; None: it stays where it is.

        It stays for less than a step, and where the mark is already beyond the new price (an ATR that
        has shrunk): such a stop would not rest, and the one that stands is closer to it than nothing.
        """
        if best is None or atr is None:
            return None
        price = self.level(instrument, sign, best, atr)
        if price is None or not mark.is_finite() or sign * (mark - price) <= 0:
            return None
        gained = sign * (price - stop)
        return price if gained > 0 and gained >= self.min_step * atr else None

    def next_ticks(
        self, instrument: Instrument, sign: int, stop: Decimal, best: Decimal | None, atr: Decimal
    ) -> int:
        """The first mark on the tick grid, beyond the best one, at which the stop may move."""
        tick, away = instrument.tick_size, Rounding.UP if sign > 0 else Rounding.DOWN
        price = None if best is None else self.level(instrument, sign, best, atr)
        gained = ZERO if price is None else sign * (price - stop)
        if price is not None and gained > 0 and gained >= self.min_step * atr:
            return instrument.to_ticks(price) + sign  # it waits for a mark that is not beyond it
        target = instrument.round_price(stop + sign * max(self.min_step * atr, tick), away)
        return instrument.to_ticks(instrument.round_price(target + sign * self.multiple * atr, away))


def gauge(view: DeskView, settings: RiskSettings) -> Finding | None:
    """Where the stops stand that follow; None where nothing is held."""
    held = [(symbol, item) for symbol, item in view.symbols.items() if item.position.size]
    if not held:
        return None
    words = [_standing(symbol, item, settings) for symbol, item in held]
    found = "; ".join(text for text, _ in words)
    if not all(moving for _, moving in words):
        return failed(RULE, found, LIMIT, "a fresh mark, and closed bars for the ATR")
    steps = (_next_step(symbol, item, settings) for symbol, item in held)
    return passed(RULE, found, LIMIT, "; ".join(step for step in steps if step))


def _standing(symbol: str, item: SymbolView, settings: RiskSettings) -> tuple[str, bool]:
    """(words, whether it can follow, or need not)."""
    trail, rule = item.trail, TrailingStop.of(settings, item.trail)
    stop = f"{symbol}: stop {'none' if item.stop_price is None else number(item.stop_price)}"
    if not (trail.on and settings.trailing):
        return f"{stop}, fixed", True
    behind = f"{number(rule.multiple)} x ATR({rule.period}) of {rule.timeframe} bars"
    if trail.best is None or trail.atr is None:
        return f"{stop}, frozen: no {behind}", False
    best = number(item.instrument.round_price(trail.best, Rounding.NEAREST))
    return f"{stop}, {behind} behind {best}", True


def _next_step(symbol: str, item: SymbolView, settings: RiskSettings) -> str:
    """The best mark at which the stop moves next."""
    atr, rule = item.trail.atr, TrailingStop.of(settings, item.trail)
    if not (item.trail.on and settings.trailing) or atr is None or item.stop_price is None:
        return ""
    sign = 1 if item.position.size > 0 else -1
    step = max(item.instrument.round_price(rule.min_step * atr, Rounding.UP), item.instrument.tick_size)
    best = item.stop_price + sign * (step + rule.multiple * atr)
    away = Rounding.UP if sign > 0 else Rounding.DOWN
    return f"{symbol} moves at {number(item.instrument.round_price(best, away))}"


def better(sign: int, best: Decimal | None, mark: Decimal) -> Decimal:
    """The better of two marks for a position of that sign."""
    if best is None:
        return mark
    return max(best, mark) if sign > 0 else min(best, mark)
