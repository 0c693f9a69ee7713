"""Where a stop follows the market to. Pure; it never loosens.

Long: S = max(S, floor to tick(best mark since the position opened - multiple x ATR)); a short mirrored.
The ATR is Wilder's, of the last closed bar.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from contractdesk.domain.instrument import Instrument, Rounding
from contractdesk.domain.intents import Finding
from contractdesk.domain.position import Trail
from contractdesk.domain.views import DeskView, SymbolView
from contractdesk.risk.settings import RiskSettings
from contractdesk.risk.words import failed, number, passed

RULE = "trailing_stop"


class TrailingStop(Struct, frozen=True):
    """The rule under one set of settings."""

    period: int
    multiple: Decimal
    min_step: Decimal  # ATRs
    timeframe: str = ""  # "" = that of the entry

    @classmethod
    def of(cls, settings: RiskSettings) -> TrailingStop:
        return cls(
            settings.trail_period, settings.trail_multiple, settings.trail_min_step, settings.trail_timeframe
        )

    def bars(self, trail: Trail) -> str:
        """The timeframe of the bars whose ATR it takes."""
        return self.timeframe or trail.timeframe

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

    def gauge(self, view: DeskView) -> Finding | None:
        """Where the stops stand that follow; None where nothing is held."""
        held = [(symbol, item) for symbol, item in view.symbols.items() if item.position.size]
        if not held:
            return None
        limit = f"{number(self.multiple)} x ATR({self.period}) behind the best mark; never looser"
        words = [self._standing(symbol, item) for symbol, item in held]
        frozen = [text for text, moving in words if not moving]
        found = "; ".join(text for text, _ in words)
        if frozen:
            return failed(RULE, found, limit, "a fresh mark, and closed bars for the ATR")
        steps = (self._next_step(symbol, item) for symbol, item in held)
        return passed(RULE, found, limit, "; ".join(step for step in steps if step))

    def _standing(self, symbol: str, item: SymbolView) -> tuple[str, bool]:
        """(words, whether it can follow, or need not)."""
        stop = "none" if item.stop_price is None else number(item.stop_price)
        if not item.trail.on:
            return f"{symbol}: stop {stop}, fixed", True
        timeframe = self.bars(item.trail)
        known = item.trail.atr is not None and item.trail.best is not None
        best = "unknown" if item.trail.best is None else number(item.trail.best)
        text = f"{symbol}: stop {stop}, best mark {best}, {timeframe} bars"
        return (text, True) if known else (f"{text}: frozen", False)

    def _next_step(self, symbol: str, item: SymbolView) -> str:
        """The best mark at which the stop moves next."""
        atr = item.trail.atr
        if not item.trail.on or atr is None or item.stop_price is None:
            return ""
        sign = 1 if item.position.size > 0 else -1
        step = max(self.min_step * atr, item.instrument.tick_size)
        best = item.stop_price + sign * (step + self.multiple * atr)
        away = Rounding.UP if sign > 0 else Rounding.DOWN
        return f"{symbol} moves at {number(item.instrument.round_price(best, away))}"


def better(sign: int, best: Decimal | None, mark: Decimal) -> Decimal:
    """The better of two marks for a position of that sign."""
    if best is None:
        return mark
    return max(best, mark) if sign > 0 else min(best, mark)
