"""Finds books that cannot be true though no sequence number is missing, and has them read anew.

A venue's book has two sides that do not cross. One that is otherwise for longer than a message takes has
been spoilt on its way, and would stay so: what follows names the changed levels only.
"""

from __future__ import annotations

from collections.abc import Mapping

from contractdesk.clock import NS_PER_S
from contractdesk.domain.book import Book
from contractdesk.engine.state import Market

SICK_NS = NS_PER_S
AGAIN_NS = 10 * NS_PER_S  # a market that really has one side only is not read without end


class BookWatch:
    """By symbol: since when a book is sick, and when it may be read anew."""

    def __init__(self) -> None:
        self._since_ns: dict[str, int] = {}
        self._again_ns: dict[str, int] = {}

    def look(self, markets: Mapping[str, Market], now_ns: int) -> list[tuple[str, str]]:
        """The symbols whose books are to be read anew now, and why. ``now_ns`` is monotonic."""
        found = []
        for symbol, market in markets.items():
            reason = complaint(market.book)
            if not reason:
                self._since_ns.pop(symbol, None)
                continue
            since_ns = self._since_ns.setdefault(symbol, now_ns)
            if now_ns - since_ns >= SICK_NS and now_ns >= self._again_ns.get(symbol, 0):
                self._again_ns[symbol] = now_ns + AGAIN_NS
                found.append((symbol, reason))
        return found


def complaint(book: Book) -> str:
    """What is wrong with a book that counts as valid; "" = nothing."""
    if not book.valid:
        return ""
    if book.best_bid is None or book.best_ask is None:
        return "the book has one side only"
    return "the book is crossed" if book.crossed else ""
