"""One symbol's book: anonymous background quantity, and users' orders queued within it.

The background is what a market (generated or recorded) displays; users' orders stand behind the
quantity that was there before them. Law: the book is never crossed after a message or a request.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from typing import NamedTuple

from contractdesk.exchange.words import Side

Level = tuple[int, int]  # ticks, lots


class Resting:
    """A user's order in its queue."""

    __slots__ = ("account", "ahead", "lots", "order_id", "reduce_only", "side", "symbol", "tick")

    def __init__(
        self, order_id: int, account: str, symbol: str, side: Side, tick: int, lots: int, *, reduce_only: bool
    ) -> None:
        self.order_id = order_id
        self.account = account
        self.symbol = symbol
        self.side = side
        self.tick = tick
        self.lots = lots
        self.reduce_only = reduce_only
        self.ahead = 0  # background lots that are served first


class Match(NamedTuple):
    """``lots`` change hands at ``tick``; ``maker`` None is the background, 0 lots means clipped away."""

    maker: Resting | None
    tick: int
    lots: int


Room = Callable[[Resting], int]  # how many lots a resting order may still trade


class BookSide:
    """Bids (sign +1) or asks (sign -1); ``keys`` are sign x ticks in ascending order, best last."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.sign = side.sign
        self.keys: list[int] = []
        self.background: dict[int, int] = {}
        self.queues: dict[int, list[Resting]] = {}
        self.touched: set[int] = set()

    @property
    def best(self) -> int | None:
        """The best price in ticks."""
        return self.keys[-1] * self.sign if self.keys else None

    def lots(self, tick: int) -> int:
        """Public quantity at a price."""
        queue = self.queues.get(tick)
        displayed = self.background.get(tick, 0)
        return displayed + sum(resting.lots for resting in queue) if queue else displayed

    def set_background(self, tick: int, lots: int) -> None:
        """What the market says of a level, absolute; whatever users took from it is forgotten."""
        known = self.background.get(tick, 0)
        if lots == known:
            return
        self.touched.add(tick)
        queue = self.queues.get(tick)
        if queue:
            for resting in queue:
                resting.ahead = min(resting.ahead, lots)
        if lots:
            self.background[tick] = lots
            if not known and not queue:
                insort(self.keys, tick * self.sign)
        else:
            del self.background[tick]
            if not queue:
                self._drop(tick)

    def add(self, resting: Resting) -> None:
        """Queue an order behind everything displayed at its price."""
        tick = resting.tick
        resting.ahead = self.background.get(tick, 0)
        queue = self.queues.setdefault(tick, [])
        if not queue and not resting.ahead:
            insort(self.keys, tick * self.sign)
        queue.append(resting)
        self.touched.add(tick)

    def remove(self, resting: Resting) -> None:
        tick = resting.tick
        queue = self.queues[tick]
        queue.remove(resting)
        self.touched.add(tick)
        if not queue:
            del self.queues[tick]
            if tick not in self.background:
                self._drop(tick)

    def reaches(self, tick: int, limit: int | None) -> bool:
        """True where a counter-order limited to ``limit`` may trade at ``tick``."""
        return limit is None or tick * self.sign >= limit * self.sign

    def available(self, limit: int | None) -> int:
        """Lots that a counter-order limited to ``limit`` is sure to find."""
        total = 0
        for key in reversed(self.keys):
            tick = key * self.sign
            if not self.reaches(tick, limit):
                break
            users = sum(resting.lots for resting in self.queues.get(tick, ()) if not resting.reduce_only)
            total += self.background.get(tick, 0) + users
        return total

    def take(self, lots: int, limit: int | None, room: Room) -> Iterator[Match]:
        """Serve a counter-order in price-time priority; the caller books each match as it comes.

        A match of 0 lots names a reduce-only maker with nothing left to reduce: the caller removes it.
        """
        while lots > 0 and (tick := self.best) is not None and self.reaches(tick, limit):
            queue = self.queues.get(tick)
            if queue and not queue[0].ahead:
                match = self._serve(queue[0], lots, room)
            else:
                match = self._consume(tick, queue, lots)
            lots -= match.lots
            yield match

    def users_better_than(self, tick: int) -> list[int]:
        """Prices strictly better than ``tick`` at which users rest, best first."""
        better = [t for t in self.queues if t * self.sign > tick * self.sign]
        return sorted(better, key=lambda t: -t * self.sign)

    def printed(self, tick: int, lots: int, room: Room) -> Iterator[Match]:
        """Pass a print of the recorded market through the users' queues.

        Users at better prices come first; at the print's price the quantity ahead of them shrinks.
        The displayed background is left to the next delta.
        """
        for better in self.users_better_than(tick):
            while lots > 0 and (queue := self.queues.get(better)):
                match = self._serve(queue[0], lots, room)
                lots -= match.lots
                yield match
        queue = self.queues.get(tick)
        while lots > 0 and (queue := self.queues.get(tick)):
            if ahead := min(queue[0].ahead, lots):
                for resting in queue:
                    resting.ahead = max(0, resting.ahead - ahead)
                match = Match(None, tick, ahead)
            else:
                match = self._serve(queue[0], lots, room)
            lots -= match.lots
            yield match
        if lots > 0:
            yield Match(None, tick, lots)

    def levels(self, limit: int | None = None) -> list[Level]:
        """The public levels, best first."""
        keys = self.keys[::-1] if limit is None else self.keys[: -limit - 1 : -1]
        return [(tick, self.lots(tick)) for tick in (key * self.sign for key in keys)]

    def flush(self) -> tuple[Level, ...]:
        """Levels touched since the last flush, with their lots now."""
        if not self.touched:
            return ()
        moved = tuple((tick, self.lots(tick)) for tick in sorted(self.touched))
        self.touched = set()
        return moved

    def _serve(self, first: Resting, lots: int, room: Room) -> Match:
        given = min(lots, first.lots, room(first))
        first.lots -= given
        self.touched.add(first.tick)
        if not first.lots:
            self.remove(first)
        return Match(first, first.tick, given)

    def _consume(self, tick: int, queue: list[Resting] | None, lots: int) -> Match:
        displayed = self.background[tick]
        given = min(lots, queue[0].ahead if queue else displayed, displayed)
        for resting in queue or ():
            resting.ahead = max(0, resting.ahead - given)
        self.touched.add(tick)
        if given < displayed:
            self.background[tick] = displayed - given
        else:
            del self.background[tick]
            if not queue:
                self._drop(tick)
        return Match(None, tick, given)

    def _drop(self, tick: int) -> None:
        del self.keys[bisect_left(self.keys, tick * self.sign)]


class Book:
    """Both sides, and the update ids of the public feed."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.bids = BookSide(Side.BUY)
        self.asks = BookSide(Side.SELL)
        self.last_update_id = 1_000_000

    def resting_side(self, side: Side) -> BookSide:
        """Where orders of ``side`` rest; a taker of the other side meets them there."""
        return self.bids if side is Side.BUY else self.asks

    def counter_side(self, side: Side) -> BookSide:
        """What a taker of ``side`` meets."""
        return self.asks if side is Side.BUY else self.bids

    def would_take(self, side: Side, tick: int) -> bool:
        counter = self.counter_side(side)
        best = counter.best
        return best is not None and counter.reaches(best, tick)

    @property
    def crossing(self) -> tuple[int, int] | None:
        """(best bid, best ask) where they cross or meet; None for a sound book."""
        bid, ask = self.bids.best, self.asks.best
        return (bid, ask) if bid is not None and ask is not None and bid >= ask else None
