"""Freshness: no entry on data, streams or clocks that are not proven to be current.

Six rules, one finding each; a quiet book is not stale as long as its channel is proven alive.
"""

from __future__ import annotations

from msgspec import Struct

from contractdesk.domain.intents import Finding
from contractdesk.domain.views import DeskView, SymbolView
from contractdesk.risk.market_rules import venue_now_ns
from contractdesk.risk.proposal import Proposal, mark_of
from contractdesk.risk.words import failed, judged, left_s, number, seconds

NS_PER_S = 1_000_000_000


class BookFresh(Struct, frozen=True):
    """The book is valid, uncrossed, and its channel proved to be alive at most ``max_age_ns`` ago."""

    max_age_ns: int

    def review(self, proposal: Proposal, view: DeskView) -> Finding:
        item = view.symbols[proposal.intent.symbol]
        age_ns = max(0, view.now_ns - item.book_alive_ns)
        limit = f"valid, alive within {self.max_age_ns / NS_PER_S:g} s"
        if not item.book.valid:
            return failed("freshness_book", "invalid", limit, "a resync of the book")
        if item.book.crossed or item.book.best_bid is None or item.book.best_ask is None:
            return failed("freshness_book", "one-sided or crossed", limit, "two sides that do not cross")
        found = "never alive" if not item.book_alive_ns else f"alive, {seconds(age_ns)}"
        advice = "a sign of life of the channel"
        left = left_s(self.max_age_ns - age_ns)
        return judged("freshness_book", found, limit, advice, ok=age_ns <= self.max_age_ns, left=left)


class MarkFresh(Struct, frozen=True):
    """There is a positive mark price, beyond doubt and at most ``max_age_ns`` old."""

    max_age_ns: int

    def review(self, proposal: Proposal, view: DeskView) -> Finding:
        item = view.symbols[proposal.intent.symbol]
        limit = f"at most {self.max_age_ns / NS_PER_S:g} s old"
        mark = mark_of(item)
        if mark is None:
            return failed("freshness_mark", "no mark price", limit, "a mark price")
        age_ns = mark_age_ns(item, view)
        ok, left = age_ns <= self.max_age_ns, left_s(self.max_age_ns - age_ns)
        if ok and not item.mark_valid:  # one bad tick makes what is held look small, and the room large
            found, advice = f"{number(mark)} is in doubt", "a mark near its index, or a second one like it"
            return failed("freshness_mark", found, "a mark beyond doubt", advice)
        return judged("freshness_mark", seconds(age_ns), limit, "a newer mark price", ok=ok, left=left)


def mark_age_ns(item: SymbolView, view: DeskView) -> int:
    """Since the mark was heard, or since the venue made it: a feed may be late with what it brings."""
    return max(0, view.now_ns - item.mark_ns, venue_now_ns(view) - item.mark_venue_ns)


class StreamFresh(Struct, frozen=True):
    """The private stream is connected and reconciled: what it would tell us, we know."""

    def review(self, proposal: Proposal, view: DeskView) -> Finding:  # noqa: ARG002  (a Rule)
        ready = view.private_stream_ready
        found = "reconciled" if ready else "lost, or not reconciled"
        return judged("freshness_stream", found, "reconciled", "a reconciled private stream", ok=ready)


class SymbolFresh(Struct, frozen=True):
    """All streams of the symbol are confirmed and its backfill is complete."""

    def review(self, proposal: Proposal, view: DeskView) -> Finding:
        item = view.symbols[proposal.intent.symbol]
        found = "ready" if item.ready else f"not ready: {item.not_ready_reason}"
        return judged("freshness_symbol", found, "ready", "the end of the backfill", ok=item.ready)


class LoopFresh(Struct, frozen=True):
    """The desk's loop is at most ``max_lag_ms`` late."""

    max_lag_ms: float

    def review(self, proposal: Proposal, view: DeskView) -> Finding:  # noqa: ARG002  (a Rule)
        found, limit = f"{view.loop_lag_ms:.0f} ms late", f"<= {self.max_lag_ms:.0f} ms"
        ok = view.loop_lag_ms <= self.max_lag_ms  # false for NaN
        left = f"{self.max_lag_ms - view.loop_lag_ms:.0f} ms"
        return judged("freshness_loop", found, limit, "an idle kernel", ok=ok, left=left)


class ClockFresh(Struct, frozen=True):
    """Our clock and the venue's differ by at most ``max_offset_ms``."""

    max_offset_ms: float

    def review(self, proposal: Proposal, view: DeskView) -> Finding:  # noqa: ARG002  (a Rule)
        found, limit = f"{view.clock_offset_ms:+.0f} ms off", f"<= {self.max_offset_ms:.0f} ms either way"
        ok = abs(view.clock_offset_ms) <= self.max_offset_ms  # false for NaN
        left = f"{self.max_offset_ms - abs(view.clock_offset_ms):.0f} ms"
        return judged("freshness_clock", found, limit, "a host clock set by NTP", ok=ok, left=left)
