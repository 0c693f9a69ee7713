"""Public facts into the state of one symbol: book, prices, bars, readiness.

A price counts only when it is finite, positive, not of the future and not older than the one before.
Bars are taken without holes: one after a hole is not taken, the symbol is not ready, and its bars are
asked for. Where they are made here, of trades that were read already, there are none to ask for: the
history begins anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from contractdesk.domain.commands import Severity, Watch
from contractdesk.domain.events import (
    BarClosed,
    BarsLoaded,
    BookChanged,
    BookInvalidated,
    BookSnapshotRead,
    ChannelAlive,
    FundingHistoryRead,
    FundingSettled,
    LiquidationPrinted,
    MarkPriced,
    OpenInterestRead,
    SymbolNotReady,
    SymbolReady,
    TradePrinted,
    TradesLoaded,
)
from contractdesk.domain.market import Bar, timeframe_ns
from contractdesk.domain.views import EquityPoint
from contractdesk.engine.core import Core
from contractdesk.engine.ledger import equity
from contractdesk.engine.state import NS_PER_MS, NS_PER_S, Limits, Market
from contractdesk.engine.strategies import Host
from contractdesk.engine.trailing import Trailing
from contractdesk.strategy.bar_builder import GRACE_NS
from contractdesk.strategy.bars import Appended, BarBuilder, BarSeries

SAMPLE_NS = NS_PER_S  # of the equity curve
SILENCE_NS = 5 * NS_PER_S  # a feed without marks is found out sooner: then the venue itself has none
LATE_NS = 50 * NS_PER_MS  # between two looks at whether a bar that should be over has come whole
BOOK_CHANNEL = "book"
BY_HAND_TIMEFRAME = "1m"  # of the bars behind an ATR stop, unless the wish names another
BY_HAND_WARMUP = 500

MarketReport = (
    BookSnapshotRead | BookChanged | BookInvalidated | TradePrinted | MarkPriced | FundingSettled
    | LiquidationPrinted | OpenInterestRead | BarClosed | BarsLoaded | TradesLoaded | ChannelAlive
    | SymbolNotReady | SymbolReady | FundingHistoryRead
)  # fmt: skip


class MarketFeed:
    def __init__(self, core: Core, host: Host, trailing: Trailing) -> None:
        self._core = core
        self._desk = core.desk
        self._host = host
        self._trailing = trailing

    def take(self, event: MarketReport) -> None:  # noqa: C901  (a flat dispatch, a case each)
        market = self._desk.symbols.get(event.symbol)
        if market is None:
            return  # its terms have not been listed: nothing can be known about it
        match event:
            case BookChanged():
                self.on_book_changed(market, event)
            case TradePrinted():
                self.on_trade(market, event)
            case MarkPriced():
                self._on_mark(market, event)
            case BarClosed():
                self._on_bar(market, event.timeframe, event.bar)
            case ChannelAlive():
                if event.channel == BOOK_CHANNEL:
                    market.book_alive_ns = event.ts_ns
            case BookSnapshotRead():
                market.book.apply_snapshot(event.bids, event.asks, event.update_id)
                market.book_alive_ns = event.ts_ns
            case BookInvalidated():
                market.book.invalidate()
            case BarsLoaded():
                self._on_bars_loaded(market, event)
            case TradesLoaded():
                self._on_trades_loaded(market, event)
            case FundingSettled():
                market.settlements.settle(event.funding_ns, event.rate)
                self._host.on_funding(event.symbol, event)
            case FundingHistoryRead():
                market.settlements.read(event.since_ns, event.until_ns)
            case LiquidationPrinted():
                self._host.on_liquidation(event)
            case OpenInterestRead():
                market.interest.take(event.venue_ns, event.amount)
            case SymbolNotReady():
                market.ready, market.not_ready_reason = False, event.reason
            case SymbolReady():
                self._on_ready(market, event.told)

    def hear(self, bars: Iterator[BarClosed]) -> bool:
        """Closed bars, up to the first with a consequence; False where none has any."""
        desk, core = self._desk, self._core
        for event in bars:
            desk.now_ns = event.ts_ns
            desk.events_handled += 1
            market = desk.symbols.get(event.symbol)
            if market is None:
                continue
            self._on_bar(market, event.timeframe, event.bar)
            if core.busy or core.out or self.trails(market):
                return True
        return False

    @staticmethod
    def trails(market: Market) -> bool:
        """Each bar moves the marks at which the position's stop will be moved."""
        return bool(market.position.size) and market.trail.on

    # -- the fast ones ---------------------------------------------------------------------

    def on_book_changed(self, market: Market, event: BookChanged) -> None:
        market.book.apply(event.bids, event.asks, event.last_id)
        market.book_alive_ns = event.ts_ns
        if self._host.reads_books:
            self._host.on_book(event.symbol)

    def on_trade(self, market: Market, event: TradePrinted) -> None:
        market.last = event.price
        if market.builders:
            if market.ready:
                self._build(market, event)
            elif len(market.held_trades) < Limits.HELD_TRADES:
                market.held_trades.append(event)
        if self._host.reads_trades:
            self._host.on_trade(event)

    # -- marks -----------------------------------------------------------------------------

    def _on_mark(self, market: Market, event: MarkPriced) -> None:
        max_age_ns = int(self._desk.risk.mark_max_age_s * NS_PER_S)
        venue_now = self._desk.venue_now_ns
        trusted = market.trusted.take(event.mark, event.index, event.venue_ns, venue_now, max_age_ns)
        self._core.measuring |= trusted
        latest_ns = venue_now + max_age_ns  # one of later would keep all that come before its time out
        if not _valid(event.mark) or event.venue_ns > latest_ns:
            return
        if event.venue_ns < market.mark_venue_ns <= latest_ns:
            return
        market.mark, market.mark_ns, market.mark_venue_ns = event.mark, event.ts_ns, event.venue_ns
        if _valid(event.index):
            market.index = event.index
        if event.funding_rate.is_finite():
            market.funding_rate, market.next_funding_ns = event.funding_rate, event.next_funding_ns
            market.settlements.announce(event.next_funding_ns, event.venue_ns)
        if market.guard.uncovered:
            self._core.touch(event.symbol)  # a price beyond the stop is a reason to close at once
        if trusted:
            self._trailing.on_mark(market)
        self._sample_equity()

    def _sample_equity(self) -> None:
        desk, curve = self._desk, self._desk.equity_curve
        if desk.account is None or (curve and desk.now_ns < curve[-1].ts_ns + SAMPLE_NS):
            return
        curve.append(EquityPoint(desk.now_ns, equity(desk)))
        del curve[: -Limits.EQUITY]

    # -- bars ------------------------------------------------------------------------------

    def watch(self, symbol: str, timeframes: tuple[str, ...], warmup: int) -> bool:
        """Have the symbol's streams, and closed bars of these timeframes.

        True where some may close before the history that was asked for: SymbolReady says that it has come.
        """
        market = self._desk.symbols[symbol]
        new = tuple(timeframe for timeframe in timeframes if timeframe not in market.watched)
        flows = any(self._flows(market, each, warmup) for each in timeframes)
        if market.watched and not new and warmup <= market.warmup and not flows:
            return False
        market.watched += new
        market.warmup = max(market.warmup, warmup)
        for timeframe in new:
            self._series(market, timeframe)
        self._core.emit(Watch(symbol=symbol, timeframes=market.watched, warmup=market.warmup))
        return flows or any(each in market.builders for each in new)

    @staticmethod
    def _flows(market: Market, timeframe: str, warmup: int) -> bool:
        """Its bars come, with too short a history: made here they begin at once, the venue's with theirs."""
        known = len(market.series.get(timeframe, ()))
        return known < warmup and (known > 0 or timeframe in market.builders)

    def attend(self, market: Market) -> None:
        """Have the marks of what is held, where nobody has asked for its streams: the breaker needs them."""
        if market.position.size and not market.watched:
            self.watch(market.instrument.symbol, (BY_HAND_TIMEFRAME,), BY_HAND_WARMUP)

    def on_time(self, market: Market) -> None:
        """Close the built bars whose time is over, though nothing trades."""
        if not market.builders or self._desk.now_ns < market.bar_due_ns:
            return
        if market.ready:
            for timeframe, builder in market.builders.items():
                for bar in builder.on_time(self._heard_ns(market)):
                    self._on_bar(market, timeframe, bar)
        self._schedule(market)

    def _series(self, market: Market, timeframe: str) -> BarSeries:
        series = market.series.get(timeframe)
        if series is None:
            series = market.series[timeframe] = BarSeries(timeframe)
            if timeframe not in self._desk.config.native_timeframes:
                market.builders[timeframe] = BarBuilder(timeframe)
                self._schedule(market)
                self._core.touch(market.instrument.symbol)  # a deadline more to be told of
        return series

    def _schedule(self, market: Market) -> None:
        """When the next built bar can be over, in our own time."""
        step = min(timeframe_ns(timeframe) for timeframe in market.builders)
        over = self._heard_ns(market) - GRACE_NS
        wait = over - over % step + step + GRACE_NS - self._desk.venue_now_ns
        market.bar_due_ns = self._desk.now_ns + max(wait, LATE_NS)

    def _heard_ns(self, market: Market) -> int:
        """The venue's time up to which its trades can be here: marks travel beside them, and lag alike."""
        desk = self._desk
        silent = desk.now_ns - market.mark_ns > SILENCE_NS
        return desk.venue_now_ns if silent else min(desk.venue_now_ns, market.mark_venue_ns + GRACE_NS)

    def _build(self, market: Market, trade: TradePrinted) -> None:
        for timeframe, builder in market.builders.items():
            for bar in builder.on_trade(trade):
                self._on_bar(market, timeframe, bar)

    def _on_bar(self, market: Market, timeframe: str, bar: Bar) -> None:
        series = self._series(market, timeframe)
        match series.append(bar):
            case Appended.REPEATED:
                return
            case Appended.HOLE if timeframe in market.builders:
                self._begin_anew(market, series, bar)
            case Appended.HOLE:
                self._on_hole(market, timeframe)
                return
            case Appended.ADDED:
                pass
        if market.position.size and market.trail.on:
            self._core.catch_up()
        if market.position.size:
            self._trailing.on_bar(market, timeframe)
        if market.ready:
            self._host.on_bar(market.instrument.symbol, timeframe, bar, series.figures)

    def _begin_anew(self, market: Market, series: BarSeries, bar: Bar) -> None:
        series.extend((bar,))
        symbol, timeframe = market.instrument.symbol, series.timeframe
        text = f"{symbol}: trades were missed, and the history of {timeframe} bars begins anew"
        self._core.notify(Severity.WARNING, "bars_missing", text)

    def _on_hole(self, market: Market, timeframe: str) -> None:
        market.ready, market.not_ready_reason = False, f"bars of {timeframe} are missing"
        self._core.emit(
            Watch(symbol=market.instrument.symbol, timeframes=market.watched, warmup=market.warmup)
        )

    def _on_bars_loaded(self, market: Market, event: BarsLoaded) -> None:
        series = self._series(market, event.timeframe)
        series.extend(event.bars)
        if event.timeframe in market.builders and series.last_bar is not None:
            market.builders[event.timeframe] = BarBuilder(event.timeframe, last=series.last_bar)

    def _on_trades_loaded(self, market: Market, event: TradesLoaded) -> None:
        for timeframe, builder in market.builders.items():
            series = market.series[timeframe]
            if event.trades and _reaches_further(event.trades[0], builder, series):
                series.clear()
                market.builders[timeframe] = BarBuilder(timeframe)
        for trade in event.trades:
            self._build(market, trade)

    def _on_ready(self, market: Market, told: tuple[str, ...] | None) -> None:
        held, market.held_trades = market.held_trades, []
        for trade in held:
            self._build(market, trade)
        market.ready, market.not_ready_reason = True, ""  # after them: their bars are history
        self._host.on_warm(market.instrument.symbol, told)


def _valid(price: Decimal) -> bool:
    return price.is_finite() and price > 0


def _reaches_further(first: TradePrinted, builder: BarBuilder, series: BarSeries) -> bool:
    """Trades from ``first`` on give bars from before those that live trades have already made."""
    known_ns, step_ns = series.first_open_ns, timeframe_ns(series.timeframe)
    return first.trade_id <= builder.last_id and (known_ns is None or first.venue_ns + step_ns < known_ns)
