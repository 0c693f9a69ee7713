"""Brings a symbol to where it can be looked at and traded: streams, bars, a book, a mark. Bounded in time."""

from __future__ import annotations

from collections.abc import Collection

from contractdesk.desk.session import Session
from contractdesk.domain.intents import AtrStop, Intent
from contractdesk.domain.market import timeframe_ns
from contractdesk.engine.market_feed import BY_HAND_TIMEFRAME, BY_HAND_WARMUP
from contractdesk.engine.person import followed
from contractdesk.engine.state import Market
from contractdesk.errors import ConfigError

READY_S = 15.0  # streams confirmed, bars loaded, a first mark


class Watching:
    """Lives on the desk's loop, beside the verbs and the inquiries."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._host = session.host

    async def look(self, symbol: str) -> str:
        """The unified symbol. The first look at one that nobody watches waits for its first picture."""
        unified = await self._host.list_symbol(symbol)
        if not self._market(unified).watched and self._host.look_at(
            unified, BY_HAND_TIMEFRAME, BY_HAND_WARMUP
        ):
            await self.tradeable(unified)
        return unified

    async def prepare(self, wish: Intent) -> bool:
        """Have what a wish by hand needs, the bars of its ATR stop and its trail too; False if not in time.

        Bars that are not streamed any more are of no use: those that are watched count, not those there are.
        """
        market = self._market(wish.symbol)
        needed = self._bars_for(wish, market)
        for timeframe in needed or (() if market.watched else (BY_HAND_TIMEFRAME,)):
            if timeframe not in market.watched:
                self._host.look_at(wish.symbol, timeframe, BY_HAND_WARMUP)
        return await self.tradeable(wish.symbol, timeframes=needed)

    async def tradeable(self, *symbols: str, timeframes: Collection[str] = ()) -> bool:
        """True as soon as all the symbols may be traded, and have those bars; False after ``READY_S``."""

        def whole(symbol: str) -> bool:
            market = self._market(symbol)
            there = not self._host.watching(symbol) and tradeable(market)
            return there and all(timeframe in market.series for timeframe in timeframes)

        done = await self._host.until(lambda: True if all(map(whole, symbols)) else None, READY_S)
        self._host.publish()  # so that whoever waited sees what was waited for
        return bool(done)

    def _bars_for(self, wish: Intent, market: Market) -> tuple[str, ...]:
        """The timeframes its stop is measured by, now and later; ConfigError for one that nobody makes."""
        stop = (wish.stop.timeframe or BY_HAND_TIMEFRAME) if isinstance(wish.stop, AtrStop) else ""
        by = wish.trail_by.timeframe if wish.trail_by is not None else ""
        needed = dict.fromkeys(timeframe for timeframe in (stop, by) if timeframe)
        for timeframe in needed:
            self._permit(timeframe, market)
        trail = followed(wish, market, self._session.state.risk)
        if trail in self._host.venue.capabilities.native_timeframes:  # the engine has others made
            needed[trail] = None
        return tuple(needed)

    def _permit(self, timeframe: str, market: Market) -> None:
        native = self._host.venue.capabilities.native_timeframes
        if timeframe in native or timeframe in market.watched:
            return
        there = sorted({*native, *market.series}, key=timeframe_ns)
        raise ConfigError(
            f"timeframe={timeframe!r}: an ATR by hand can be of {', '.join(there)} bars in"
            f" {market.instrument.symbol}; other bars are made for strategies only"
        )

    def _market(self, symbol: str) -> Market:
        return self._session.state.symbols[symbol]


def tradeable(market: Market) -> bool:
    """Streams confirmed, backfill complete, a book and a mark: the freshness rules have what they need."""
    return market.ready and market.mark is not None and market.book.valid


def warmup_line(market: Market, timeframe: str, wanted: int) -> str:
    """How many bars there are of those that a strategy looks back on."""
    series = market.series.get(timeframe)
    loaded = len(series) if series is not None else 0
    line = f"{loaded} bars of {timeframe} loaded for {market.instrument.symbol}, {wanted} wanted"
    return line if loaded >= wanted else f"{line}: its history is shorter, the rest comes bar by bar"
