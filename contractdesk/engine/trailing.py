"""Moving the stop of a position after the market: how far is the rule's word, how is protection's.

The stop takes its next step only once the venue has confirmed the last one over the whole position; so
however fast the market runs, there is one replacement at a time. Frozen while the mark, the symbol or
the ATR is not known to be current.
"""

from __future__ import annotations

from msgspec.structs import replace

from contractdesk.engine.core import Core
from contractdesk.engine.state import NS_PER_S, Market
from contractdesk.risk.freshness import mark_age_ns
from contractdesk.risk.trailing import TrailingStop, better

FOREVER = 1 << 62  # ticks that no mark has


class Trailing:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._desk = core.desk

    def on_mark(self, market: Market) -> None:
        """A valid mark has come: it may be the best one, and the stop may follow it."""
        size, mark = market.position.size, market.trusted.price
        if not size or mark is None:
            return
        market.trail = replace(market.trail, best=better(1 if size > 0 else -1, market.trail.best, mark))
        self.follow(market)

    def on_bar(self, market: Market, timeframe: str) -> None:
        """A bar has closed: there is another ATR."""
        if timeframe == self._rule(market).timeframe:
            self.follow(market)

    def follow(self, market: Market) -> None:
        """Let the stop take its next step, if there is one to take."""
        if not market.trail.on:
            return
        rule, instrument = self._rule(market), market.instrument
        atr = self._desk.atr(instrument.symbol, rule.timeframe, rule.period)
        market.trail = replace(market.trail, atr=atr)  # shown, whether or not the stop may move
        stop, mark = market.guard.stop_price, market.trusted.price
        if mark is None or stop is None or not self._may(market):
            return
        sign = 1 if market.position.size > 0 else -1
        price = rule.follow(instrument, sign, stop, mark, market.trail.best, atr)
        if price is not None:
            market.guard.stop_price = price
            self._core.touch(instrument.symbol)

    def still(self, market: Market) -> tuple[int, int]:
        """(low, high) ticks: no mark strictly between them moves the stop; with this ATR and best mark."""
        stop, trail = market.guard.stop_price, market.trail
        may = self._desk.risk.trailing and market.ready and not market.guard.flatten_reason
        if not market.position.size or not trail.on or not may or stop is None:
            return -FOREVER, FOREVER
        if market.stop_price != stop or market.guarded != abs(market.position.size):
            return FOREVER, -FOREVER  # as soon as its last step is confirmed, it may take the next one
        rule, terms = self._rule(market), market.instrument
        atr = self._desk.atr(terms.symbol, rule.timeframe, rule.period)
        if atr is None:
            return -FOREVER, FOREVER
        sign = 1 if market.position.size > 0 else -1
        edge = rule.next_ticks(terms, sign, stop, trail.best, atr)
        return (-FOREVER, edge) if sign > 0 else (edge, FOREVER)

    def _rule(self, market: Market) -> TrailingStop:
        return TrailingStop.of(self._desk.risk, market.trail)

    def _may(self, market: Market) -> bool:
        """All that it follows is current, and the venue has confirmed its last step."""
        if not (self._desk.risk.trailing and market.ready and self._desk.started):
            return False
        guard = market.guard
        if guard.flatten_reason or not market.position.size:
            return False
        if mark_age_ns(market, self._desk) > self._desk.risk.mark_max_age_s * NS_PER_S:
            return False
        standing = market.stop_price == guard.stop_price
        return standing and market.guarded == abs(market.position.size)
