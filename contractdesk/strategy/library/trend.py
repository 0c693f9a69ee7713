"""Trend following on a cross of two exponential means, with a stop by ATR."""

from __future__ import annotations

import math
from decimal import Decimal
from enum import Enum

from contractdesk.domain.intents import Intent
from contractdesk.domain.market import NS_PER_S, timeframe_ns
from contractdesk.domain.orders import Side
from contractdesk.domain.position import Position
from contractdesk.errors import ConfigError
from contractdesk.strategy.base import BarView, Context, Param, Strategy, Wish
from contractdesk.strategy.indicators import Ema
from contractdesk.strategy.intents import atr_stop, enter_long, enter_short, exit_position


class EntryStyle(Enum):
    """How an entry is sent."""

    MARKET = "market"
    PASSIVE = "passive"  # post-only at the touch, quoted anew at each bar


class TrendFollow(Strategy):
    """Long above, short below: follows the cross of EMA(fast) over EMA(slow) of the closes.

    - A cross at a bar's close starts a signal; it stands until the opposite cross.
    - An open position against the signal is closed at once (reduce-only, at market), and the new
      direction is entered when the position is flat. There is one entry a signal: after a stop-out,
      or a refusal at market, it waits for the next cross.
    - ``entry="market"`` enters at the cross. ``entry="passive"`` rests a post-only limit at the
      touch that expires before the next bar, and quotes anew while the signal stands and nothing
      has filled.
    - The stop lies ``atr_multiple`` x ATR(``atr_period``) from the entry, and follows the best mark
      that far behind unless ``trail`` is off.
    - The size is the cap's share. During warm-up it does nothing.
    """

    fast = Param(12, ge=2, le=500, unit="bars", doc="bars of the fast mean")
    slow = Param(26, ge=3, le=1000, unit="bars", doc="bars of the slow mean")
    atr_period = Param(14, ge=1, le=500, unit="bars", doc="bars of the ATR that places the stop")
    atr_multiple = Param(
        Decimal("2.5"), ge=Decimal("0.1"), le=Decimal(20), unit="ATR", doc="stop distance in ATRs"
    )
    trail = Param(True, doc="the stop follows the market")  # noqa: FBT003  (the default is the parameter)
    entry = Param(EntryStyle.MARKET, doc="market, or passive (post-only at the touch)")
    longs = Param(True, doc="may go long")  # noqa: FBT003  (the default is the parameter)
    shorts = Param(True, doc="may go short")  # noqa: FBT003  (the default is the parameter)

    QUOTE_LIFE = 0.9  # of a bar: a passive entry is gone before the next bar quotes anew

    def validate(self) -> None:
        if self.fast >= self.slow:
            raise ConfigError(f"fast={self.fast} must be below slow={self.slow}")

    @property
    def warmup(self) -> int:
        """By then the seed of the slow mean weighs under 0.01 %, and that of Wilder's ATR under 1e-9."""
        return max(5 * self.slow, 22 * self.atr_period) + 1

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        crossed = self._crossed(bar.symbol, ctx)
        if crossed is not None:
            self.state[bar.symbol] = crossed.value  # the signal that waits for its entry
        return self._pursue(bar.symbol, ctx)

    def on_position(self, position: Position, ctx: Context) -> Wish:
        """Flat after an exit on the opposite cross: now the new direction may be entered."""
        return self._pursue(position.symbol, ctx) if position.flat else None

    def _pursue(self, symbol: str, ctx: Context) -> Wish:
        waiting = self.state.get(symbol)
        size = ctx.position(symbol).size
        if waiting is None:
            return None
        side = Side(waiting)
        if size * side.sign < 0:
            return exit_position(symbol, reason="opposite cross")
        if size:  # filled, wholly or in part: the signal has its entry
            del self.state[symbol]
            return None
        return self._enter(symbol, side, ctx)

    def _enter(self, symbol: str, side: Side, ctx: Context) -> Intent | None:
        permitted = self.longs if side is Side.BUY else self.shorts
        if not permitted:
            del self.state[symbol]
            return None
        if ctx.entering(symbol):  # or its cancel is still under way
            return None
        enter = enter_long if side is Side.BUY else enter_short
        stop = atr_stop(self.atr_period, self.atr_multiple)
        if self.entry is EntryStyle.MARKET:
            del self.state[symbol]
            return enter(symbol, stop=stop, trail=self.trail, reason="cross")
        touch = ctx.touch(symbol, side)
        if touch is None:
            return None
        life_s = self.QUOTE_LIFE * timeframe_ns(self.timeframe) / NS_PER_S
        return enter(
            symbol, stop=stop, trail=self.trail, limit=touch, post_only=True, expire_s=life_s, reason="cross"
        )

    def _crossed(self, symbol: str, ctx: Context) -> Side | None:
        """The side of a cross at the last closed bar; None without one, and in warm-up."""
        now, before = self._spread(symbol, ctx, 0), self._spread(symbol, ctx, 1)
        if math.isnan(now) or math.isnan(before):
            return None
        if before <= 0 < now:
            return Side.BUY
        return Side.SELL if before >= 0 > now else None

    def _spread(self, symbol: str, ctx: Context, ago: int) -> float:
        return ctx.indicator(symbol, Ema(self.fast), ago) - ctx.indicator(symbol, Ema(self.slow), ago)
