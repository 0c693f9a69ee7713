"""Brings a symbol to where it can be looked at and traded: streams, bars, a book, a mark. Bounded in time."""

from __future__ import annotations

from contractdesk.desk.session import Session
from contractdesk.domain.intents import AtrStop, StopSpec
from contractdesk.domain.market import timeframe_ns
from contractdesk.engine.person import BY_HAND_TIMEFRAME, BY_HAND_WARMUP
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

    async def prepare(self, symbol: str, stop: StopSpec | None) -> bool:
        """Have what an entry by hand needs, the bars of its ATR stop included; False if not in time."""
        market = self._market(symbol)
        atr = isinstance(stop, AtrStop)
        timeframe = (stop.timeframe if isinstance(stop, AtrStop) else "") or BY_HAND_TIMEFRAME
        if not market.watched or (atr and timeframe not in market.series):
            self._permit(timeframe, market)
            self._host.look_at(symbol, timeframe, BY_HAND_WARMUP)
        return await self.tradeable(symbol, timeframe=timeframe if atr else "")

    async def tradeable(self, *symbols: str, timeframe: str = "") -> bool:
        """True as soon as all the symbols may be traded, and have those bars; False after ``READY_S``."""

        def whole(symbol: str) -> bool:
            market = self._market(symbol)
            there = not self._host.watching(symbol) and tradeable(market)
            return there and (not timeframe or timeframe in market.series)

        done = await self._host.until(lambda: True if all(map(whole, symbols)) else None, READY_S)
        self._host.publish()  # so that whoever waited sees what was waited for
        return bool(done)

    def _permit(self, timeframe: str, market: Market) -> None:
        native = self._host.venue.capabilities.native_timeframes
        if timeframe in native:
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
