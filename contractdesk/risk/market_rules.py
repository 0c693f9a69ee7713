"""The rules that look at the market itself: what funding has cost, and whether positions are being closed.

Both judge the venue's own history in the venue's time, and refuse where it has a hole.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from msgspec import Struct

from contractdesk.domain.histories import FundingHistory, OpenInterestHistory
from contractdesk.domain.instrument import ContractKind
from contractdesk.domain.intents import Finding
from contractdesk.domain.orders import Side
from contractdesk.domain.views import DeskView
from contractdesk.risk.proposal import Proposal
from contractdesk.risk.words import failed, judged, number, passed, percent, seconds

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
FUNDING_WINDOW_NS = 8 * 3600 * NS_PER_S
FUNDING_MAX_AGE_NS = 300 * NS_PER_S  # of the last read of the list: several polls may fail
INTEREST_GAP_NS = 900 * NS_PER_S  # the venue's history has a row each 5 minutes, the last one late
FUNDING, INTEREST = "funding_gate", "open_interest"


class FundingGate(Struct, frozen=True):
    """Funding settled in (now - 8 h, now] is at most ``limit`` for longs; mirrored for shorts on request.

    Nothing is predicted: only settled rates count, at their time on the second.
    """

    limit: Decimal  # a fraction of notional: 0.0005 is 0.05 %
    shorts: bool = False

    def review(self, proposal: Proposal, view: DeskView) -> Finding:
        sell = proposal.side is Side.SELL
        if sell and not self.shorts:
            return passed(FUNDING, "a short", "longs only")
        history, now_ns = view.symbols[proposal.intent.symbol].settlements, venue_now_ns(view)
        allowed = f"{number(self.limit * 100)} %"
        limit = f">= -{allowed} in 8 h for shorts" if sell else f"<= +{allowed} in 8 h for longs"
        if (missing := _unsettled(history, now_ns)) is not None:
            return failed(FUNDING, missing[0], limit, missing[1])
        rates = history.within(now_ns - FUNDING_WINDOW_NS, now_ns)
        total = sum((rate for _, rate in rates), Decimal(0))
        found = f"{_signed(total)} in {len(rates)} settlement{'s' * (len(rates) != 1)}"
        if self._fits(total, proposal.side):
            left = _signed(self.limit - total * proposal.side.sign).removeprefix("+")
            return passed(FUNDING, found, limit, left)
        return failed(FUNDING, found, limit, self._advice(rates, total, proposal.side))

    def _fits(self, total: Decimal, side: Side) -> bool:
        return total * side.sign <= self.limit

    def _advice(self, rates: list[tuple[int, Decimal]], total: Decimal, side: Side) -> str:
        """When enough of the oldest settlements have left the window, if nothing is added to it."""
        for settled_ns, rate in rates:
            total -= rate
            if self._fits(total, side):
                left_ns = settled_ns + FUNDING_WINDOW_NS
                return f"from {_clock(left_ns)}, when the {_clock(settled_ns)} settlement leaves the window"
        return "a funding that does not cost this side"


class OpenInterestGate(Struct, frozen=True):
    """Open interest (base; inverse: quote) is at most ``drop`` below its highest of ``window_ns``."""

    drop: Decimal
    window_ns: int
    max_age_ns: int
    enabled: bool = True

    def review(self, proposal: Proposal, view: DeskView) -> Finding:
        item = view.symbols[proposal.intent.symbol]
        if not self.enabled:
            return passed(INTEREST, "not checked", "switched off")
        now_ns, history = venue_now_ns(view), item.interest
        limit = f"at most {number(self.drop * 100)} % below the highest of {self.window_ns / NS_PER_S:g} s"
        if (missing := self._missing(history, now_ns)) is not None:
            return failed(INTEREST, missing[0], limit, missing[1])
        amounts = [amount for _, amount in history.since(now_ns - self.window_ns)]
        now, most = amounts[-1], max(amounts)
        if not most:
            return failed(INTEREST, "no open interest", limit, "a contract that somebody holds")
        ok = Fraction(most - now) <= Fraction(self.drop) * Fraction(most)
        terms = item.instrument
        unit = terms.base if terms.kind is ContractKind.LINEAR else terms.quote
        found = f"{percent(most - now, most)} below: {number(now)} of {number(most)} {unit}"
        least = most * (1 - self.drop)
        advice = f">= {number(least)} {unit}, or a highest that is older"
        return judged(INTEREST, found, limit, advice, ok=ok, left=f"{number(now - least)} {unit}")

    def _missing(self, history: OpenInterestHistory, now_ns: int) -> tuple[str, str] | None:
        """What is not known of the window, and what would be enough."""
        start_ns, latest = now_ns - self.window_ns, history.latest
        if latest is None:
            return "never read", "a read of the open interest"
        if now_ns - latest[0] > self.max_age_ns:
            return seconds(now_ns - latest[0]), f"a read at most {self.max_age_ns / NS_PER_S:g} s old"
        reads = history.since(start_ns)
        if reads[0][0] > start_ns:
            known = seconds(now_ns - reads[0][0]).removesuffix(" old")
            return f"known for {known} only", "the venue's history of the whole window"
        hole = max((later - earlier for (earlier, _), (later, _) in pairwise(reads)), default=0)
        if hole > INTEREST_GAP_NS:
            return f"unknown for {hole / NS_PER_S:.0f} s", "the venue's history of the whole window"
        return None


def venue_now_ns(view: DeskView) -> int:
    """Our time as the venue's; ClockFresh refuses where the offset is no number."""
    offset_ms = view.clock_offset_ms
    return view.now_ns + (int(offset_ms * NS_PER_MS) if math.isfinite(offset_ms) else 0)


def _unsettled(history: FundingHistory, now_ns: int) -> tuple[str, str] | None:
    """What is not known of the last 8 hours, and what would be enough."""
    if not history.until_ns:
        return "history never read", "a read of the settled rates"
    if not history.whole_from(now_ns - FUNDING_WINDOW_NS):
        return "history does not reach back 8 h", "a read of the settled rates of 8 h"
    if now_ns - history.until_ns > FUNDING_MAX_AGE_NS:
        return f"history {seconds(now_ns - history.until_ns)}", "a fresh read of the settled rates"
    if history.overdue(now_ns):
        return f"the {_clock(history.due_ns)} settlement is not known", "its rate"
    return None


def _signed(rate: Decimal) -> str:
    return f"{(rate * 100).normalize():+f} %"


def _clock(ts_ns: int) -> str:
    """A time of day, the day being plain: "16:00:00 UTC"."""
    return f"{datetime.fromtimestamp(ts_ns // NS_PER_S, UTC):%H:%M:%S} UTC"
