"""Bars from trades, for timeframes that a venue does not close itself.

Exact: a bar holds every trade of its interval and no other, an interval without trades gives a flat
bar at the last close, and an interval that was seen only in part gives none.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from contractdesk.domain.events import TradePrinted
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.market import NS_PER_S, Bar, timeframe_ns

GRACE_NS = NS_PER_S // 2  # how long after its end an interval waits for a trade still under way
MAX_FLAT_BARS = 10_000  # a longer silence is a hole, to be loaded from the venue


class BarBuilder(Struct):
    """Folds the trades of one symbol, ascending by id, into closed bars. All fields are checkpointed.

    Ids are consecutive: where one is missing, trades were not seen, and it begins anew. ``last`` is the
    bar to continue after: flat bars follow it when nothing trades. ``since_ns`` (venue time) says from
    when the trades are complete; without both, the first trade's interval counts as seen in part.
    """

    timeframe: str
    last: Bar | None = None  # the newest bar that is over
    since_ns: int | None = None  # intervals that start before it are not delivered
    late: int = 0  # trades that came after their bar was closed; they are in no bar
    last_id: int = -1
    next_ns: int | None = None  # start of the interval that is open
    open_bar: Bar | None = None  # None while nothing has traded in it

    def __post_init__(self) -> None:
        if self.next_ns is None and self.last is not None:
            self.next_ns = self.last.open_ns + timeframe_ns(self.timeframe)
            self.since_ns = self.next_ns if self.since_ns is None else self.since_ns

    def on_trade(self, trade: TradePrinted) -> list[Bar]:
        """The bars that this trade closes, oldest first; a repeated id changes nothing."""
        if trade.trade_id <= self.last_id:
            return []
        if 0 <= self.last_id < trade.trade_id - 1:
            self._begin_anew()
        self.last_id = trade.trade_id
        step_ns = timeframe_ns(self.timeframe)
        start = trade.venue_ns - trade.venue_ns % step_ns
        if self.next_ns is None:
            self.next_ns = start
        if self.since_ns is None:
            self.since_ns = start + step_ns
        if start < self.next_ns:
            self.late += 1
            return []
        closed = self._close_until(start)
        self._add(trade, start)
        return closed

    def on_time(self, now_ns: int) -> list[Bar]:
        """The bars that are over at ``now_ns`` (venue time) with no trade to say so."""
        until, step_ns = now_ns - GRACE_NS, timeframe_ns(self.timeframe)
        return self._close_until(until - until % step_ns)

    def _begin_anew(self) -> None:
        """Of what was traded meanwhile nothing is known: no bar holds it, and none stands in for it."""
        self.last = self.since_ns = self.next_ns = self.open_bar = None

    def _close_until(self, start: int) -> list[Bar]:
        """Close every interval that ends at or before ``start``."""
        if self.next_ns is None or start <= self.next_ns:
            return []
        step_ns = timeframe_ns(self.timeframe)
        if start - self.next_ns > MAX_FLAT_BARS * step_ns:
            return self._give_up(start)
        closed = []
        while self.next_ns < start:
            closed += self._close_one(self.next_ns)
            self.next_ns += step_ns
        return closed

    def _close_one(self, open_ns: int) -> list[Bar]:
        bar, self.open_bar = self.open_bar or self._flat(open_ns), None
        if bar is None:
            return []
        self.last = bar
        return [bar] if self.since_ns is not None and open_ns >= self.since_ns else []

    def _give_up(self, start: int) -> list[Bar]:
        """Silence beyond the bound: close what is open, go on at ``start`` after a hole."""
        closed = self._close_one(self.next_ns) if self.open_bar and self.next_ns is not None else []
        self.next_ns = start
        return closed

    def _flat(self, open_ns: int) -> Bar | None:
        if self.last is None:
            return None
        close = self.last.close
        return Bar(open_ns=open_ns, open=close, high=close, low=close, close=close, volume=ZERO)

    def _add(self, trade: TradePrinted, start: int) -> None:
        price, bar = trade.price, self.open_bar
        if bar is None:
            self.open_bar = Bar(
                open_ns=start, open=price, high=price, low=price, close=price, volume=trade.size
            )
            return
        self.open_bar = replace(
            bar,
            high=max(bar.high, price),
            low=min(bar.low, price),
            close=price,
            volume=bar.volume + trade.size,
        )
