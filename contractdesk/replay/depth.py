"""What recorded depth says of an order: at which prices it takes, and where it stands when it rests.

Prices are whole ticks and sizes whole lots. Everything here is pure arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct

from contractdesk.domain.book import Level
from contractdesk.errors import ConfigError


class DepthQueue(Struct, frozen=True):
    """Behind what the recorded book shows at its price; of cancellations there, a share was before us.

    Trades at the price come from the front. What else the level loses was cancelled, and a market's depth
    does not say by whom: with ``front`` of ``total`` lots before us, so many of the lost ones were, too::

        (front / total) ** power

    So the loss is shared out by position, which is Rigtorp's idea ("Estimating order queue position", 2013,
    https://rigtorp.se/2013/06/08/estimating-order-queue-position.html), in the form of hftbacktest's
    ``PowerProbQueueFunc3`` (https://hftbacktest.readthedocs.io/en/latest/order_fill.html). With 1 each lot is
    as likely to be cancelled as any other; above it those who came late cancel more, below it those in
    front. 4 is what ``benchmarks/queues.py`` fits. Where no book is known, only what trades beyond its price
    fills an order.
    """

    power: float = 4.0

    def __post_init__(self) -> None:
        if not 0 <= self.power <= 1_000:
            raise ConfigError(f"power={self.power} is not permitted: it must be from 0 to 1000")

    def ahead(self, lots: int) -> int:  # noqa: ARG002  (a Queue)
        return -1

    def share(self, front: float, total: float) -> float:
        """Of lots that were cancelled among ``total``, the share that stood among the ``front`` first."""
        if front <= 0 or total <= 0:
            return 0.0
        return 1.0 if front >= total else float((front / total) ** self.power)


class InLine(Struct):
    """A resting order's place in the queue of its price.

    Laws: ``ahead`` never grows and is never below 0; the lots that ``on_trade`` gives are never more
    than those that traded.
    """

    ahead: float  # lots before us
    level: int  # lots that the book has shown at the price last, without ours
    traded: int = 0  # lots at the price since then

    @classmethod
    def behind(cls, lots: int) -> InLine:
        """At the end of a level of ``lots``."""
        return cls(float(lots), lots)

    def on_trade(self, lots: int) -> int:
        """``lots`` have traded at the price; returns how many of them reach us."""
        used = min(self.ahead, float(lots))
        self.ahead -= used
        self.traded += lots
        return math.floor(lots - used)

    def on_level(self, lots: int, queue: DepthQueue) -> None:
        """The book shows ``lots`` at the price now: what trades do not explain was cancelled, or came."""
        left = max(self.level - self.traded, 0)
        cancelled = left - lots
        if cancelled > 0:
            self.ahead -= cancelled * queue.share(self.ahead, left)
        self.ahead = max(0.0, min(self.ahead, float(lots)))
        self.level, self.traded = lots, 0


def take(levels: Iterable[Level], lots: int, *, buy: bool, limit: int = 0) -> list[Level]:
    """(ticks, lots) of each level that a taking order of ``lots`` uses up, in the order of the walk.

    ``levels`` are of the other side, best first; ``limit`` is the last price, 0: none. What the levels do
    not hold is missing in the sum.
    """
    taken: list[Level] = []
    for ticks, there in levels:
        if lots <= 0 or (limit and (ticks > limit if buy else ticks < limit)):
            break
        used = min(lots, there)
        if used > 0:
            taken.append((ticks, used))
            lots -= used
    return taken


def quoted(levels: Iterable[Level], lots: int, *, buy: bool, limit: int = 0) -> tuple[int, int] | None:
    """(lots, average ticks rounded against us) of what ``take`` finds; (0, 0): nothing within the limit.

    None where the levels do not hold all of what has no limit.
    """
    parts = take(levels, lots, buy=buy, limit=limit)
    filled, worth = sum(used for _, used in parts), sum(ticks * used for ticks, used in parts)
    if not limit and filled < lots:
        return None
    if not filled:
        return 0, 0
    return filled, -(-worth // filled) if buy else worth // filled
