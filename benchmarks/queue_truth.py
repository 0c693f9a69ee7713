"""What became of an order that never was, as exactly as recordings of trades, quotes and depth allow.

Observable: every print, which is one maker's fill; the lots of the best level at each of its changes
(bookTicker, to the millisecond); of the other levels the lots every 20 to 50 ms (depth@0ms). So what stood
before an order when it came is known, and so is what traded at its price since, and beyond it.

Not observable: whose order was cancelled. A fall of the level that no trade of the same millisecond
explains is a cancellation of so many lots. It is taken for the order of exactly that size which was seen to
come at that price, when all orders of that size that were seen stand on one side of ours; else it may have
stood before ours or behind it, and both are followed: ``soonest`` has all of those before us, ``latest``
behind us, as far as there were any. Where the two agree the order's fate is decided. Not seen, too: hidden
and iceberg lots, what the market had done differently had the order been there, and which of two things of
one millisecond was first (trades are taken before the levels that show them).

``tracers`` are orders that were: one that came to the touch with a size that nobody else had there is known
again by that size when it is filled, so the moment is known without any reckoning. What they cannot tell is
what became of orders that were not filled.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

LOOK_BACK_NS = 15 * 10**9  # from when on orders at the price are remembered by their size
TRACER_LOTS = 40  # at least: small sizes are everybody's


class Trade(NamedTuple):
    ts_ns: int
    ticks: int
    lots: int


class Quote(NamedTuple):
    ts_ns: int
    update_id: int
    bid: int
    bid_lots: int
    ask: int
    ask_lots: int


class Shown(NamedTuple):
    """A level as a depth message has it."""

    ts_ns: int
    update_id: int
    lots: int


class Order(NamedTuple):
    """Rests from ``ts_ns`` to ``end_ns``, both in the venue's time."""

    ts_ns: int
    end_ns: int
    buy: bool
    ticks: int
    lots: int


class Fate(NamedTuple):
    """``filled`` lots; ``done_ns`` after its arrival it was filled wholly, or it ended."""

    filled: int
    done_ns: int


class Truth(NamedTuple):
    ahead: int  # lots when it came
    soonest: Fate
    latest: Fate
    cancelled: int  # lots at its price while it rested
    doubtful: int  # of those, whose place is not known

    @property
    def decided(self) -> bool:
        return self.soonest.filled == self.latest.filled


class Filler:
    """Counts what reaches an order; ``ahead`` lots stand before it."""

    def __init__(self, order: Order, ahead: int) -> None:
        self.order, self.ahead, self.filled, self.done_ns = order, ahead, 0, order.end_ns

    def trade(self, ts_ns: int, lots: int) -> None:
        used = min(self.ahead, lots)
        self.ahead -= used
        self.fill(ts_ns, lots - used)

    def fill(self, ts_ns: int, lots: int) -> None:
        if self.filled < self.order.lots <= self.filled + lots:
            self.done_ns = ts_ns
        self.filled = min(self.order.lots, self.filled + lots)

    @property
    def fate(self) -> Fate:
        return Fate(self.filled, self.done_ns - self.order.ts_ns)


class Market(NamedTuple):
    """A recording, each part in the order of the venue's time; levels by (of bids, ticks)."""

    trades: list[Trade]
    quotes: list[Quote]
    levels: dict[tuple[bool, int], list[Shown]]

    def truth(self, order: Order) -> Truth | None:
        """None where the level was never seen before the order came."""
        follower = Follower(order)
        for ts_ns, _, _, told in sorted(self._events(order)):
            if ts_ns >= order.ts_ns and not follower.begin():
                return None
            if isinstance(told, Trade):
                follower.on_trade(told)
            else:
                follower.on_level(ts_ns, told)
        return follower.truth() if follower.begin() else None

    def _events(self, order: Order) -> Iterator[tuple[int, int, int, Trade | int]]:
        """(time, trades first, number, trade or lots of the level; -1: the other side has come)."""
        since, until = order.ts_ns - LOOK_BACK_NS, order.end_ns
        for number, trade in enumerate(_between(self.trades, since, until)):
            if trade.ticks <= order.ticks if order.buy else trade.ticks >= order.ticks:
                yield trade.ts_ns, 0, number, trade
        for quote in _between(self.quotes, since, until):
            best, lots, other = _sides(quote, buy=order.buy)
            behind = best < order.ticks if order.buy else best > order.ticks
            if other <= order.ticks if order.buy else other >= order.ticks:
                yield quote.ts_ns, 1, quote.update_id, -1
            elif best == order.ticks or behind:
                yield quote.ts_ns, 1, quote.update_id, 0 if behind else lots
        for shown in _between(self.levels.get((order.buy, order.ticks), []), since, until):
            yield shown.ts_ns, 1, shown.update_id, shown.lots


def _sides(quote: Quote, *, buy: bool) -> tuple[int, int, int]:
    """The best price on the order's side, its lots, and the best of the other side."""
    return (quote.bid, quote.bid_lots, quote.ask) if buy else (quote.ask, quote.ask_lots, quote.bid)


def _between(rows: list, since_ns: int, until_ns: int) -> list:  # type: ignore[type-arg]
    begin = bisect_left(rows, since_ns, key=lambda row: row.ts_ns)
    return rows[begin : bisect_right(rows, until_ns, key=lambda row: row.ts_ns)]


class Follower:
    """Walks through what was seen at one order's price."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.level, self.ts_ns, self.unshown = -1, 0, 0
        self.front: Counter[int] = Counter()  # sizes of orders that were seen to come before ours
        self.behind: Counter[int] = Counter()
        self.ahead = self.cancelled = self.doubtful = 0
        self.fillers: list[Filler] = []  # soonest, latest

    def begin(self) -> bool:
        """The order comes; False where nothing is known of its level."""
        if self.fillers:
            return True
        if self.level < 0:
            return False
        self.ahead = max(0, self.level - self.unshown)
        self.fillers = [Filler(self.order, self.ahead) for _ in range(2)]
        return True

    def on_trade(self, trade: Trade) -> None:
        self._at(trade.ts_ns)
        beyond = trade.ticks != self.order.ticks
        for filler in self.fillers:
            if beyond:
                filler.ahead = 0
                filler.fill(trade.ts_ns, self.order.lots)
            else:
                filler.trade(trade.ts_ns, trade.lots)
        if not beyond:
            self.unshown += trade.lots
            if self.front[trade.lots]:
                self.front[trade.lots] -= 1

    def on_level(self, ts_ns: int, lots: int) -> None:
        self._at(ts_ns)
        if lots < 0:  # whoever comes to our price from the other side trades with us
            for filler in self.fillers:
                filler.ahead = 0
                filler.fill(ts_ns, self.order.lots)
            lots = 0
        if self.level >= 0:
            fall = self.level - lots
            traded = min(self.unshown, max(fall, 0))
            self.unshown -= traded
            if fall > traded:
                self._cancel(fall - traded)
            elif fall < 0:
                (self.behind if self.fillers else self.front)[-fall] += 1
        self.level = lots
        for filler in self.fillers:
            filler.ahead = min(filler.ahead, lots)

    def _at(self, ts_ns: int) -> None:
        """What has traded in an earlier millisecond has left the level, though as much may have come."""
        if ts_ns > self.ts_ns and self.level >= 0:
            self.level, self.unshown = max(0, self.level - self.unshown), 0
        self.ts_ns = ts_ns

    def _cancel(self, lots: int) -> None:
        front, behind = self.front[lots] > 0, self.behind[lots] > 0
        if not self.fillers:
            if front:
                self.front[lots] -= 1
            return
        self.cancelled += lots
        soonest, latest = self.fillers
        if front is behind:
            self.doubtful += lots
            soonest.ahead = max(0, soonest.ahead - lots)
        elif front:
            self.front[lots] -= 1
            soonest.ahead, latest.ahead = max(0, soonest.ahead - lots), max(0, latest.ahead - lots)
        else:
            self.behind[lots] -= 1

    def truth(self) -> Truth:
        soonest, latest = self.fillers
        return Truth(self.ahead, soonest.fate, latest.fate, self.cancelled, self.doubtful)


def tracers(market: Market, life_ns: int) -> Iterator[tuple[Order, int]]:
    """Real orders that were recognized: (what they were, how long after they came they were filled).

    A print is a whole order only where its taker went on: else it may be what the taker had left.
    """
    prints = Counter((trade.ticks, trade.lots) for trade in market.trades)
    whole = {
        (trade.ticks, trade.lots): trade.ts_ns
        for trade, after in pairwise(market.trades)
        if prints[trade.ticks, trade.lots] == 1 and after.ts_ns == trade.ts_ns
    }
    for buy in (True, False):
        came = list(_came(market.quotes, buy=buy))
        sizes = Counter((ticks, lots) for _, ticks, lots in came)
        for ts_ns, ticks, lots in came:
            filled_ns = whole.get((ticks, lots), 0)
            if lots >= TRACER_LOTS and sizes[ticks, lots] == 1 and ts_ns < filled_ns <= ts_ns + life_ns:
                yield Order(ts_ns, ts_ns + life_ns, buy, ticks, lots), filled_ns - ts_ns


def _came(quotes: list[Quote], *, buy: bool) -> Iterator[tuple[int, int, int]]:
    """(time, ticks, lots) of orders that were seen to join the touch."""
    for before, after in pairwise(quotes):
        (was, lots, _), (ticks, now, _) = _sides(before, buy=buy), _sides(after, buy=buy)
        if was == ticks and now > lots:
            yield after.ts_ns, ticks, now - lots
