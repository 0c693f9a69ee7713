"""Conditional orders that the venue's reads deny, though it had accepted them.

Reads lag, and one that says "no such order" is no proof. Such a stop is counted on no more, but it may
stand and fire: it is cancelled by its id until the venue has answered, and no third one is placed before.
"""

from __future__ import annotations

from contractdesk.domain.commands import CancelOrder
from contractdesk.engine.core import Core
from contractdesk.engine.state import NS_PER_S, Market, Tracked

CANCEL_RETRY_NS = NS_PER_S
UNANSWERED_NS = 40 * NS_PER_S  # every cancel is answered before, done, refused or lost


class Doubts:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._desk = core.desk

    def doubt(self, tracked: Tracked) -> None:
        """Reads say that the venue has it no more."""
        if tracked.order.request.type.conditional:
            self._desk.symbols[tracked.order.request.symbol].doubted[tracked.id] = 0

    def surfaced(self, tracked: Tracked) -> None:
        """The venue shows it again: where its cancel is under way, it is not to be counted on."""
        if self._desk.symbols[tracked.order.request.symbol].doubted.get(tracked.id):
            tracked.cancelling, tracked.cancels = True, tracked.cancels + 1
            tracked.cancel_ns = self._desk.now_ns + CANCEL_RETRY_NS
        self.settle(tracked)

    def settle(self, tracked: Tracked) -> None:
        """The answer to a cancel, or the order itself, has said what no read could."""
        symbol = tracked.order.request.symbol
        if self._desk.symbols[symbol].doubted.pop(tracked.id, None) is not None:
            self._core.touch(symbol)

    def lost(self, tracked: Tracked) -> None:
        """A cancel had no answer: the next one is due when any other of the order would be."""
        doubted = self._desk.symbols[tracked.order.request.symbol].doubted
        if tracked.id in doubted:
            doubted[tracked.id] = max(self._desk.now_ns + CANCEL_RETRY_NS, tracked.cancel_ns)

    def cancel(self, market: Market) -> None:
        """Cancel the symbol's, each once, and again when that was lost."""
        now, symbol = self._desk.now_ns, market.instrument.symbol
        for client_id, due_ns in list(market.doubted.items()):
            if now >= due_ns:
                market.doubted[client_id] = now + UNANSWERED_NS
                self._core.emit(CancelOrder(client_id=client_id, symbol=symbol, conditional=True))
