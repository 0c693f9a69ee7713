"""Recorded books under a replay: as the venue has them now, and as the desk has heard of them.

Two cursors go over the same messages, the desk's after the venue's. At one moment trades come before the
depth that shows them, so the venue's book changes a nanosecond after its stamp. Nothing is applied before
somebody has to look: whoever looks says up to when.
"""

from __future__ import annotations

from collections.abc import Iterator

from contractdesk.domain.book import Book, Level
from contractdesk.replay.depth import take
from contractdesk.replay.depth_rows import Message, What
from contractdesk.replay.walk_layout import FOREVER

SHOWN = 32  # levels that a walk looks at first


class RecordedBook:
    """The depth of one market; no more than a batch and its rest is in memory."""

    def __init__(self, batches: Iterator[list[Message]]) -> None:
        """The first batch is read at once."""
        self.book = Book()  # the venue's
        self._batches = batches
        self._messages: list[Message] = []
        self._venue = self._desk = 0
        self._whole: list[int] = []  # where messages lie that are no deltas, the last one first
        self._ours: dict[tuple[bool, int], int] = {}  # lots that we took, by (of asks, ticks)
        self._load()

    # -- the venue -------------------------------------------------------------------------

    def venue_ns(self, *, each: bool) -> int:
        """When the venue's cursor has to be moved next; ``each``: somebody waits for every message."""
        at = self._venue if each else len(self._messages) - 1
        return self._messages[at].venue_ns + 1 if self._venue < len(self._messages) else FOREVER

    def pass_one(self, now_ns: int) -> Message | None:
        """Apply the next message that the venue has at ``now_ns``; None where there is none."""
        if self._venue >= len(self._messages) or self._messages[self._venue].venue_ns >= now_ns:
            return None
        message = self._messages[self._venue]
        self._venue += 1
        self._apply(message)
        if self._venue == len(self._messages):
            self._load()
        return message

    def catch_up(self, now_ns: int) -> None:
        """Apply everything that the venue has at ``now_ns``."""
        while self.pass_one(now_ns):
            pass

    def best(self, *, ask: bool) -> int:
        """Ticks; 0 where that side is empty, or the book is not valid."""
        return (self.book.best_ask if ask else self.book.best_bid) or 0

    def walk(self, lots: int, *, buy: bool, limit: int = 0, after: tuple[int, int] = (0, 0)) -> list[Level]:
        """(ticks, lots) of each level that an order of ours would take; missing lots are not there.

        ``after`` is a trade (ticks, lots) that the book does not show yet: what is better than its price
        is gone, and so are its lots. What we took before is gone until the level is told anew.
        """
        depth = SHOWN
        while True:
            levels = self.book.top(depth)[1 if buy else 0]
            taken = take(self._left(levels, buy, after), lots, buy=buy, limit=limit)
            beyond = bool(limit and levels) and (levels[-1][0] > limit if buy else levels[-1][0] < limit)
            if beyond or len(levels) < depth or sum(part for _, part in taken) == lots:
                return taken
            depth *= 8

    def holds(self, lots: int, *, buy: bool, limit: int) -> bool:
        """An order of ours could be filled at once, and wholly."""
        return sum(part for _, part in self.walk(lots, buy=buy, limit=limit)) == lots

    def took(self, parts: list[Level], *, buy: bool) -> None:
        """Levels that an order of ours has been filled at."""
        for ticks, lots in parts:
            self._ours[buy, ticks] = self._ours.get((buy, ticks), 0) + lots

    def _left(self, levels: list[Level], buy: bool, after: tuple[int, int]) -> Iterator[Level]:  # noqa: FBT001
        ticks_then, lots_then = after
        for ticks, lots in levels:
            if ticks_then and (ticks < ticks_then if buy else ticks > ticks_then):
                continue
            gone = self._ours.get((buy, ticks), 0) + (lots_then if ticks == ticks_then else 0)
            yield ticks, max(0, lots - gone)

    def _apply(self, message: Message) -> None:
        book = self.book
        if message.what is What.DELTA:
            if self._ours:
                self._forget(message)
            book.apply(message.bids, message.asks, message.last_id)
            return
        self._ours.clear()
        if message.what is What.SNAPSHOT:
            book.apply_snapshot(message.bids, message.asks, message.last_id)
        else:
            book.invalidate()

    def _forget(self, message: Message) -> None:
        for ask, ticks in list(self._ours):
            if message.tells(bid=not ask, ticks=ticks):
                del self._ours[ask, ticks]

    # -- the desk --------------------------------------------------------------------------

    def heard_ns(self, *, each: bool) -> int:
        """When the desk has to be told next; without ``each`` deltas may wait until it looks."""
        at = self._desk if each else self._whole[-1] if self._whole else len(self._messages)
        return self._messages[at].heard_ns if at < len(self._messages) else FOREVER

    def hear_one(self) -> Message:
        """The next message, as the desk hears it."""
        message = self._messages[self._desk]
        self._heard_to(self._desk + 1)
        return message

    def hear(self, before_ns: int) -> tuple[bytes, bytes, int]:
        """Bids and asks of all deltas that are heard before ``before_ns``, and when of the last; 0: none."""
        begin = end = self._desk
        messages, stop = self._messages, self._whole[-1] if self._whole else len(self._messages)
        while end < stop and messages[end].heard_ns < before_ns:
            end += 1
        if end == begin:
            return b"", b"", 0
        told = messages[begin:end]
        self._heard_to(end)
        bids, asks = (b"".join(side) for side in zip(*((each.bids, each.asks) for each in told), strict=True))
        return bids, asks, told[-1].heard_ns

    def _heard_to(self, end: int) -> None:
        self._desk = end
        while self._whole and self._whole[-1] < end:
            self._whole.pop()

    def _load(self) -> None:
        """The next batch behind what the desk has not heard yet."""
        new: list[Message] = next((batch for batch in self._batches if batch), [])
        self._venue -= self._desk
        self._messages = self._messages[self._desk :] + new
        self._desk = 0
        places = range(len(self._messages) - 1, -1, -1)
        self._whole = [at for at in places if self._messages[at].what is not What.DELTA]
