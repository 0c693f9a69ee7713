"""Which mark prices count: one bad tick is no crash, nor is old news. Pure; times are venue time."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from contractdesk.domain.instrument import ZERO, Instrument, cash

NS_PER_S = 1_000_000_000
BAND = Decimal("0.03")  # of the index; and of a doubted mark, by one that confirms it
CONFIRM_NS = NS_PER_S  # a confirmation comes at least this much later


class TrustedMark(Struct, kw_only=True):
    """The last valid mark of one contract; it stays when the contract goes stale.

    Valid: finite, positive, newer than any before, at most ``max_age_ns`` old (nor that much ahead of
    the venue's clock), and within 3 % of its index or confirmed: at least a second earlier there was
    a mark, also off the index, of which it is within 3 %. What is back at the index ends the doubt.
    """

    price: Decimal | None = None  # None: there has never been a valid one
    seen_ns: int = 0  # of the newest mark that was looked at, valid or not
    doubted: Decimal | None = None
    doubted_ns: int = 0

    def take(self, mark: Decimal, index: Decimal, venue_ns: int, now_ns: int, max_age_ns: int) -> bool:
        """Look at a mark of ``venue_ns``; True when it is valid. ``now_ns`` is venue time."""
        if not _positive(mark) or venue_ns <= self.seen_ns or abs(now_ns - venue_ns) > max_age_ns:
            return False
        self.seen_ns = venue_ns
        if _positive(index) and _near(mark, index):
            self.doubted = None
        elif not self._confirmed(mark, venue_ns):
            return False
        self.price = mark
        return True

    def _confirmed(self, mark: Decimal, venue_ns: int) -> bool:
        """The doubt is kept for the next mark: each one off the index needs its own confirmation."""
        agreed = self.doubted is not None and _near(mark, self.doubted)
        if agreed and venue_ns - self.doubted_ns < CONFIRM_NS:
            return False
        self.doubted, self.doubted_ns = mark, venue_ns
        return agreed


class Carried(Struct):
    """Contracts of the account that are not ours: what their value has made since they were first seen.

    They are valued from mark to mark, whatever they were bought at: their past is not this desk's.
    """

    size: Decimal = ZERO
    cost: Fraction = Fraction(0)  # at the mark when the size last changed
    realized: Decimal = ZERO

    def profit(self, instrument: Instrument, size: Decimal, mark: Decimal) -> Decimal:
        """What they have made up to ``mark``, settle currency; from now on there are ``size`` of them."""
        gained = cash(instrument.exact_pnl(self.size, self.cost, mark)) if self.size else ZERO
        if size == self.size:
            return self.realized + gained
        self.realized += gained
        self.size, self.cost = size, instrument.cost(size, mark)
        return self.realized


def _positive(price: Decimal) -> bool:
    return price.is_finite() and price > 0


def _near(mark: Decimal, other: Decimal) -> bool:
    return abs(mark - other) <= BAND * other
