"""Diff-depth streams: what moved in a book between two messages, chained by U, u and pu.

Law, a stream: ``pu`` is the ``u`` of the message before, ``U`` the first update after it, and
applying every message to a snapshot gives the book.
"""

from __future__ import annotations

from contractdesk.domain.instrument import Instrument
from contractdesk.exchange.model import BookMoved
from contractdesk.exchange.wire.binance.product import marked
from contractdesk.exchange.wire.binance.text import Face, Json, level

NS_PER_MS = 1_000_000


class DepthStream:
    """One symbol at one speed. It runs without subscribers too, so that its chain never breaks."""

    def __init__(self, terms: Instrument, every_ms: int) -> None:
        suffix = "" if every_ms == 250 else f"@{every_ms}ms"
        self.name = f"{terms.venue_symbol.lower()}@depth{suffix}"
        self.aliases = (self.name, f"{self.name}@250ms") if every_ms == 250 else (self.name,)
        self._terms = terms
        self._every_ns = every_ms * NS_PER_MS
        self._due_ns = 0
        self._first_id = 0  # 0: nothing has moved since the last message
        self._last_id = 0
        self._sent_id = 0
        self._moved_ns = 0
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def add(self, event: BookMoved) -> None:
        """Merge one move; lots are absolute, so the latest wins."""
        if not self._first_id:
            self._first_id = event.first_id
            self._sent_id = self._sent_id or event.first_id - 1
        self._last_id = event.last_id
        self._moved_ns = event.ts_ns
        self._bids.update(event.bids)
        self._asks.update(event.asks)

    def flush(self, now_ns: int, face: Face, *, wanted: bool) -> Json | None:
        """The message that is due, or None; unwanted ones are not rendered, but count."""
        if now_ns < self._due_ns or not self._first_id:
            return None
        self._due_ns = now_ns - now_ns % self._every_ns + self._every_ns
        message = self._message(now_ns, face) if wanted else None
        self._sent_id, self._first_id = self._last_id, 0
        self._bids, self._asks = {}, {}
        return message

    def _message(self, now_ns: int, face: Face) -> Json:
        frame: Json = {
            "e": "depthUpdate",
            "E": face.ms(now_ns),
            "T": face.ms(self._moved_ns),
            "s": self._terms.venue_symbol,
            "U": self._first_id,
            "u": self._last_id,
            "pu": self._sent_id,
            "b": [level(self._terms, tick, lots) for tick, lots in self._bids.items()],
            "a": [level(self._terms, tick, lots) for tick, lots in self._asks.items()],
        }
        return marked(self._terms, frame)
