"""Which fills were reported, and which were promised and are late; pure and bounded.

A promise is a TRADE_LITE (it has no fee, so it is no fill) or an order's answer that says how much is
executed. What does not follow within its time is to be read from the venue.
"""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal
from typing import TypeVar

from msgspec import Struct

from contractdesk.clock import NS_PER_S
from contractdesk.domain.instrument import ZERO

PATIENCE_NS = 2 * NS_PER_S  # a full report normally follows within milliseconds
MAX_REMEMBERED = 4_096
K = TypeVar("K")
V = TypeVar("V")


class Promise(Struct, frozen=True):
    """An order of ``symbol`` is executed to ``executed``; its fills are due."""

    symbol: str
    executed: Decimal
    until_ns: int


class FillWatch:
    """By the venue's own symbols and ids."""

    def __init__(self) -> None:
        self._reported: OrderedDict[tuple[str, int], None] = OrderedDict()  # (symbol, trade id)
        self._hints: OrderedDict[tuple[str, int], int] = OrderedDict()  # -> until ns
        self._promises: OrderedDict[str, Promise] = OrderedDict()  # by order id
        self._filled: OrderedDict[str, Decimal] = OrderedDict()  # by order id

    def hinted(self, symbol: str, trade_id: int, ts_ns: int) -> None:
        """A fill happened; its report may have come before."""
        if (symbol, trade_id) not in self._reported:
            remember(self._hints, (symbol, trade_id), ts_ns + PATIENCE_NS)

    def promised(self, symbol: str, order_id: str, executed: Decimal, ts_ns: int) -> None:
        """An answer said that so much of an order is executed."""
        remember(self._promises, order_id, Promise(symbol, executed, ts_ns + PATIENCE_NS))

    def reported(self, symbol: str, trade_id: int, order_id: str, size: Decimal) -> bool:
        """A fill in full; False when it was known before."""
        if (symbol, trade_id) in self._reported:
            return False
        remember(self._reported, (symbol, trade_id), None)
        self._hints.pop((symbol, trade_id), None)
        remember(self._filled, order_id, self._filled.get(order_id, ZERO) + size)
        return True

    def missed(self, symbol: str, trade_id: int) -> bool:
        """True, once, for a fill that was never reported."""
        if (symbol, trade_id) in self._reported:
            return False
        remember(self._reported, (symbol, trade_id), None)
        return True

    def late(self, ts_ns: int) -> set[str]:
        """Symbols whose promised fills have not come in time; each promise is named once."""
        hints = [hint for hint, until_ns in self._hints.items() if until_ns <= ts_ns]
        promises = [each for each in self._promises.items() if each[1].until_ns <= ts_ns]
        for hint in hints:
            del self._hints[hint]
        for order_id, _ in promises:
            del self._promises[order_id]
        short = {each.symbol for key, each in promises if self._filled.get(key, ZERO) < each.executed}
        return {symbol for symbol, _ in hints} | short


def remember(table: OrderedDict[K, V], key: K, value: V) -> None:
    """Put, and forget the oldest beyond MAX_REMEMBERED."""
    table[key] = value
    table.move_to_end(key)
    while len(table) > MAX_REMEMBERED:
        table.popitem(last=False)
