"""Open interest as the exchange publishes it: an amount now, and a row of its own past each 5 minutes.

The market's own part is steady until somebody sets it: recorded markets carry no open interest, and a
generated one has no reason to change it. Before the opening it was what it was at the opening.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from decimal import Decimal

from contractdesk.exchange.floor import Floor

STEP_NS = 300 * 1_000_000_000
KEPT = 30 * 24 * 12  # steps: the venue, too, publishes a month


class OpenInterest:
    """Of all symbols; in contracts, as the venue's instruments have them."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._step_ns = floor.now_ns - floor.now_ns % STEP_NS  # the last one that was noted
        self._set: dict[str, Decimal] = {}
        self._past: dict[str, deque[tuple[int, Decimal]]] = {}

    def now(self, symbol: str) -> Decimal:
        """The market's own, and our accounts' longs."""
        listing = self._floor.listing(symbol)
        lots = sum(max(0, account.holdings[symbol].lots) for account in self._floor.accounts.values())
        return self._set.get(symbol, listing.terms.open_interest) + listing.quantity(lots)

    def set(self, symbol: str, amount: Decimal) -> None:
        """Make the total ``amount``, by the market's own part; ValueError where our longs are more."""
        listing = self._floor.listing(symbol)
        own = self.now(symbol) - self._set.get(symbol, listing.terms.open_interest)
        if not amount.is_finite() or amount < own:
            raise ValueError(f"open interest of {amount}: it is at least {own}, what our accounts are long")
        self._set[symbol] = amount - own

    def pass_to(self, now_ns: int) -> None:
        """Note the amounts at each step up to ``now_ns``."""
        if now_ns < self._step_ns + STEP_NS:
            return
        last_ns = now_ns - now_ns % STEP_NS
        first_ns = max(self._step_ns + STEP_NS, last_ns - KEPT * STEP_NS)
        for symbol in self._floor.listings:
            amount, past = self.now(symbol), self._past_of(symbol)
            past.extend((ns, amount) for ns in range(first_ns, last_ns + 1, STEP_NS))
        self._step_ns = last_ns

    def history(
        self, symbol: str, period_ns: int, start_ns: int | None, end_ns: int, limit: int
    ) -> list[tuple[int, Decimal]]:
        """(time, amount) at the multiples of ``period_ns``, oldest first: the latest ``limit`` ones."""
        past = list(self._past_of(symbol))
        times = [ns for ns, _ in past]
        last_ns = min(end_ns, self._step_ns)
        rows: list[tuple[int, Decimal]] = []
        step = last_ns - last_ns % period_ns
        floor_ns = max(start_ns or 0, self._step_ns - KEPT * STEP_NS)
        while step >= floor_ns and len(rows) < limit:
            rows.append((step, past[max(0, bisect_right(times, step) - 1)][1]))
            step -= period_ns
        return rows[::-1]

    def _past_of(self, symbol: str) -> deque[tuple[int, Decimal]]:
        """Begins with what the symbol was opened with."""
        if symbol not in self._past:
            opening = self._floor.listing(symbol).terms.open_interest
            self._past[symbol] = deque([(self._step_ns, opening)], maxlen=KEPT)
        return self._past[symbol]
