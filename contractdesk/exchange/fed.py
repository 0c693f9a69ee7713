"""A market whose messages are handed in: a live feed for trading on paper, or a test's script."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from contractdesk.exchange.market import Depth, MarkTick, Message
from contractdesk.exchange.prints import NS_PER_S, Prints
from contractdesk.exchange.words import Reason, Refused

NEVER_NS = 2**63 - 1
FUNDING_INTERVAL_NS = 8 * 3600 * NS_PER_S


class FedMarket:
    """Opens with a book and a mark; then has exactly what it is fed, at the times it is given."""

    def __init__(
        self, depth: Depth, tick: MarkTick, *, funding_interval_ns: int = FUNDING_INTERVAL_NS
    ) -> None:
        self._opening = depth, tick
        self._funding_interval_ns = funding_interval_ns
        self._queue: deque[tuple[int, Message]] = deque()

    @property
    def next_ns(self) -> int:
        return self._queue[0][0] if self._queue else NEVER_NS

    @property
    def funding_interval_ns(self) -> int:
        return self._funding_interval_ns

    def feed(self, ts_ns: int, *messages: Message) -> None:
        """Hand in messages for ``ts_ns``; whoever feeds advances the exchange, too: it is the bound."""
        self._queue += ((ts_ns, message) for message in messages)

    def open(self, prints: Prints) -> tuple[Depth, MarkTick]:  # noqa: ARG002 - it has no past
        return self._opening

    def pop(self) -> Sequence[Message]:
        return (self._queue.popleft()[1],)

    def sleep_until(self, now_ns: int) -> None:
        """What was fed late is still true: it happens now."""
        self._queue = deque((max(ts_ns, now_ns), message) for ts_ns, message in self._queue)

    def walk_to(self, tick: int, seconds: float) -> None:
        raise Refused(Reason.MARKET_NOT_STEERABLE, f"to {tick} ticks in {seconds} s")
