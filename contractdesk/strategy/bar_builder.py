"""Bars from trades, for timeframes that a venue does not close itself.

Exact: a bar holds every trade of its interval and no other, an interval without trades gives a flat
bar at the last close, and an interval that was seen only in part gives none.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from contractdesk.domain.events import TradePrinted
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.market import NS_PER_S, Bar, timeframe_ns

GRACE_NS = NS_PER_S // 2  # how long after its end an interval waits for a trade still under way
MAX_FLAT_BARS = 10_000  # a longer silence is a hole, to be loaded from the venue


class BarBuilder:
    """Folds the trades of one symbol, ascending by id, into closed bars."""

    def __init__(self, timeframe: str, *, last: Bar | None = None, since_ns: int | None = None) -> None:
        """``last`` is the bar to continue after: flat bars follow it when nothing trades.

        ``since_ns`` (venue time) says from when the trades are complete; None: the interval of the
        first trade counts as seen in part.
        """
        self.timeframe = timeframe
        self.late = 0  # trades that came after their bar was closed; they are in no bar
        self._step_ns = timeframe_ns(timeframe)
        self._last_id = -1
        self._next_ns: int | None = last.open_ns + self._step_ns if last else None
        self._close: Decimal | None = last.close if last else None
        self._open_bar: Bar | None = None
        self._whole_ns = self._next_ns if since_ns is None else since_ns  # whole from this start on

    def on_trade(self, trade: TradePrinted) -> list[Bar]:
        """The bars that this trade closes, oldest first; a repeated id changes nothing."""
        if trade.trade_id <= self._last_id:
            return []
        self._last_id = trade.trade_id
        start = trade.venue_ns - trade.venue_ns % self._step_ns
        if self._next_ns is None:
            self._next_ns = start
        if self._whole_ns is None:
            self._whole_ns = start + self._step_ns
        if start < self._next_ns:
            self.late += 1
            return []
        closed = self._close_until(start)
        self._add(trade, start)
        return closed

    def on_time(self, now_ns: int) -> list[Bar]:
        """The bars that are over at ``now_ns`` (venue time) with no trade to say so."""
        until = now_ns - GRACE_NS
        return self._close_until(until - until % self._step_ns)

    def _close_until(self, start: int) -> list[Bar]:
        """Close every interval that ends at or before ``start``."""
        if self._next_ns is None or start <= self._next_ns:
            return []
        if start - self._next_ns > MAX_FLAT_BARS * self._step_ns:
            return self._give_up(start)
        closed = []
        while self._next_ns < start:
            closed += self._close_one(self._next_ns)
            self._next_ns += self._step_ns
        return closed

    def _close_one(self, open_ns: int) -> list[Bar]:
        bar, self._open_bar = self._open_bar or self._flat(open_ns), None
        if bar is None:
            return []
        self._close = bar.close
        return [bar] if self._whole_ns is not None and open_ns >= self._whole_ns else []

    def _give_up(self, start: int) -> list[Bar]:
        """Silence beyond the bound: close what is open, go on at ``start`` after a hole."""
        closed = self._close_one(self._next_ns) if self._open_bar and self._next_ns is not None else []
        self._next_ns = start
        return closed

    def _flat(self, open_ns: int) -> Bar | None:
        close = self._close
        if close is None:
            return None
        return Bar(open_ns=open_ns, open=close, high=close, low=close, close=close, volume=ZERO)

    def _add(self, trade: TradePrinted, start: int) -> None:
        price, bar = trade.price, self._open_bar
        if bar is None:
            self._open_bar = Bar(
                open_ns=start, open=price, high=price, low=price, close=price, volume=trade.size
            )
            return
        self._open_bar = replace(
            bar,
            high=max(bar.high, price),
            low=min(bar.low, price),
            close=price,
            volume=bar.volume + trade.size,
        )
