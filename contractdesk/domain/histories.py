"""What a symbol's funding and open interest have been: values that know how much of the past they hold.

Times are the venue's, UTC ns. Nothing here is predicted, and what is not known is said to be missing.
"""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal

from msgspec import Struct, field

NS_PER_S = 1_000_000_000
HOUR_NS = 3600 * NS_PER_S
DAY_NS = 24 * HOUR_NS
JITTER_NS = 60 * NS_PER_S  # a mark may name the next settlement this much before the last one is due
RATES_KEPT = 64  # settlements: 64 hours where funding settles each hour
READS_KEPT = 4_096
READS_SPAN_NS = 5 * 3600 * NS_PER_S  # an hour more than the longest window that can be asked for
UNPAID_NS = 8 * 3600 * NS_PER_S  # an announced settlement that never came is waited for this long


def on_the_second(ts_ns: int) -> int:
    """The nearest second: venues stamp settlements some milliseconds late, each by another amount."""
    return (ts_ns + NS_PER_S // 2) // NS_PER_S * NS_PER_S


class FundingHistory(Struct, kw_only=True):
    """Settled rates of one symbol, and the span over which none of them is missing.

    How that is known. Not from intervals: a venue changes them (8 h to 4 h or 1 h) without notice, and
    a new contract has no second settlement to measure one by. Three facts together say it instead: the
    venue's own list was read from ``since_ns`` to ``until_ns`` (FundingHistoryRead); that is repeated,
    so ``until_ns`` stays close; and the mark announces the next settlement, so that one which is due is
    missing until its rate has been told, however late the list shows it.
    """

    rates: dict[int, Decimal] = field(default_factory=dict)  # by the settlement's time
    since_ns: int = 0  # the list is whole from here
    until_ns: int = 0  # to here; 0: never read
    due_ns: int = 0  # the settlement announced last; 0: none, as on contracts without funding
    dropped_ns: int = 0  # up to here rates are no longer kept

    def settle(self, funding_ns: int, rate: Decimal) -> None:
        """Take in one settlement, in any order; a repeat changes nothing."""
        if not rate.is_finite():
            self.dropped_ns = max(self.dropped_ns, funding_ns)
        elif funding_ns > self.dropped_ns:
            self.rates[funding_ns] = rate
        if len(self.rates) > RATES_KEPT:
            oldest = min(self.rates)
            del self.rates[oldest]
            self.dropped_ns = max(self.dropped_ns, oldest)

    def read(self, since_ns: int, until_ns: int) -> None:
        """The venue's list over this span has been told to its end."""
        joined = self.until_ns and since_ns <= self.until_ns and until_ns >= self.since_ns
        self.since_ns = min(self.since_ns, since_ns) if joined else since_ns
        self.until_ns = max(self.until_ns, until_ns) if joined else until_ns

    def announce(self, next_ns: int, venue_ns: int) -> None:
        """A mark of ``venue_ns`` names the next settlement; the one before it may not be told yet."""
        if next_ns <= 0:
            return
        happened = self.due_ns - JITTER_NS <= venue_ns < self.due_ns + UNPAID_NS
        if self.due_ns and next_ns > self.due_ns and happened and not self._told(self.due_ns):
            return  # it has happened, and its rate is not known: that stays the thing to wait for
        self.due_ns = next_ns

    def overdue(self, now_ns: int) -> bool:
        """True when the announced settlement is over and its rate has not been told."""
        return 0 < self.due_ns <= now_ns and not self._told(self.due_ns)

    def whole_from(self, start_ns: int) -> bool:
        """True when no settlement after ``start_ns`` and up to ``until_ns`` is missing."""
        return bool(self.until_ns) and max(self.since_ns, on_the_second(self.dropped_ns)) <= start_ns

    def within(self, start_ns: int, end_ns: int) -> list[tuple[int, Decimal]]:
        """(time on its second, rate) of the settlements in (start_ns, end_ns], oldest first.

        A settlement that a millisecond's rounding moves beyond the end has happened all the same.
        """
        found = [
            (on_the_second(ns), rate)
            for ns, rate in self.rates.items()
            if on_the_second(ns) > start_ns and min(ns, on_the_second(ns)) <= end_ns
        ]
        return sorted(found)

    def total(self, start_ns: int, end_ns: int) -> Decimal | None:
        """Sum of the rates settled in (start_ns, end_ns]; None where one of them may be missing."""
        if not self.whole_from(start_ns) or self.overdue(end_ns):
            return None
        return sum((rate for _, rate in self.within(start_ns, end_ns)), Decimal(0))

    def interval_ns(self, next_ns: int) -> int:
        """The time between settlements that is in force, by the last one and the next; 0: not shown yet.

        An interval is whole hours that divide the day, and settlements fall on its multiples in UTC. A
        settlement off the hour was out of turn, and says nothing; another distance is a hole or a change.
        """
        known = {on_the_second(ns) for ns in (*self.rates, self.due_ns, next_ns)}
        turns = sorted(ns for ns in known if ns > 0 and ns % HOUR_NS == 0)[-2:]
        if len(turns) < 2:
            return 0
        gap = turns[1] - turns[0]
        return gap if DAY_NS % gap == 0 and turns[1] % gap == 0 else 0

    def _told(self, due_ns: int) -> bool:
        return any(on_the_second(ns) >= on_the_second(due_ns) for ns in self.rates)


class OpenInterestHistory(Struct, kw_only=True):
    """Open interest of one symbol as it was read, oldest first; its unit is that of OpenInterestRead.

    Between two reads the older amount is in force: what a window begins with is the last read before it.
    """

    reads: list[tuple[int, Decimal]] = field(default_factory=list)  # (venue time, amount)

    @property
    def latest(self) -> tuple[int, Decimal] | None:
        return self.reads[-1] if self.reads else None

    def take(self, venue_ns: int, amount: Decimal) -> None:
        """Take in one read, in any order; an amount that cannot be changes nothing."""
        if not amount.is_finite() or amount < 0:
            return
        reads = self.reads
        if not reads or venue_ns > reads[-1][0]:
            reads.append((venue_ns, amount))
        else:
            place = bisect_left(reads, venue_ns, key=_time)
            same = reads[place][0] == venue_ns
            reads[place : place + same] = [(venue_ns, amount)]
        first = bisect_left(reads, reads[-1][0] - READS_SPAN_NS, key=_time)
        del reads[: max(first, len(reads) - READS_KEPT)]

    def since(self, start_ns: int) -> list[tuple[int, Decimal]]:
        """The reads after ``start_ns``, and before them the one in force then, where it is known."""
        place = bisect_left(self.reads, start_ns + 1, key=_time)
        return self.reads[max(0, place - 1) :]


def _time(read: tuple[int, Decimal]) -> int:
    return read[0]
