"""When a symbol settles its funding, and at which rate."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from contractdesk.exchange.market import MarkTick
from contractdesk.exchange.rows import FundingRate

RATES_KEPT = 10_000


class FundingSchedule:
    """The next settlement as the market announces it, and the past ones.

    The rate in force is the last one that was announced for that settlement. A market may go on
    naming a time that has passed for a moment; it is not settled twice.
    """

    def __init__(self, tick: MarkTick) -> None:
        self.next_ns = tick.next_funding_ns
        self.rate: Decimal = tick.rate
        self.settled: deque[FundingRate] = deque(maxlen=RATES_KEPT)

    def announce(self, tick: MarkTick) -> None:
        """Take over what the market says, unless that settlement is behind us."""
        if self.settled and tick.next_funding_ns <= self.settled[-1].ts_ns:
            return
        self.next_ns = tick.next_funding_ns
        self.rate = tick.rate

    def settle(self, funding: FundingRate, interval_ns: int) -> None:
        """Note a settlement; until the market says otherwise the next one follows an interval later."""
        self.settled.append(funding)
        self.next_ns = funding.ts_ns + interval_ns
