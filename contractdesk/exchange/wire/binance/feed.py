"""From market events to the messages of the public streams, at each stream's own pace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import assert_never

from contractdesk.exchange.core import Exchange
from contractdesk.exchange.model import (
    AggTradeMade,
    BookMoved,
    ForcedOrder,
    FundingHappened,
    Kline,
    Mark,
    MarketEvent,
    MarkMoved,
    Order,
    TradeMade,
)
from contractdesk.exchange.wire.binance import frames
from contractdesk.exchange.wire.binance.depth import NS_PER_MS, DepthStream
from contractdesk.exchange.wire.binance.market import Day, day_of
from contractdesk.exchange.wire.binance.streams import DEPTH_SPEEDS_MS, INTERVALS_S, Kind, Stream
from contractdesk.exchange.wire.binance.text import Face, Json

NS_PER_S = 1_000_000_000
DAY_NS = 86_400 * NS_PER_S
MARK_SLACK_NS = 100 * NS_PER_MS  # marks are printed once a second, give or take
Payload = Json | list[Json]
Message = tuple[str, Payload]  # (stream name, payload)
Renderer = Callable[[], Json]


class Feed:
    """All public streams of one exchange. ``wanted`` maps the names that have subscribers."""

    def __init__(self, exchange: Exchange, face: Face, wanted: Mapping[str, Stream]) -> None:
        self._exchange = exchange
        self._face = face
        self._wanted = wanted
        self._terms = {symbol: row.instrument for symbol, row in exchange.listings.items()}
        self._depth = {
            symbol: [DepthStream(terms, speed) for speed in DEPTH_SPEEDS_MS]
            for symbol, terms in self._terms.items()
        }
        self._due_ns: dict[str, int] = {}
        self._tops: dict[str, object] = {}
        self._marks: dict[str, int] = {}  # when a slow mark stream last spoke
        self._bars: dict[str, Kline] = {}  # the bar a kline stream last showed
        self._partials: dict[str, int] = {}  # the last update id a partial stream has shown
        self._forced: dict[str, Order] = {}  # the latest forced order not yet shown, by stream

    # -- as it happens -----------------------------------------------------------------------

    def take(self, event: MarketEvent) -> Iterator[Message]:
        """Messages of the streams that do not wait."""
        match event:
            case BookMoved():
                for stream in self._depth[event.symbol]:
                    stream.add(event)
                yield from self._book_ticker(event)
            case TradeMade(trade=trade):
                yield from self._send(
                    f"{trade.symbol.lower()}@trade",
                    lambda: frames.trade_frame(trade, self._terms[trade.symbol], self._face),
                )
            case AggTradeMade(trade=total):
                yield from self._send(
                    f"{total.symbol.lower()}@aggTrade",
                    lambda: frames.agg_frame(total, self._terms[total.symbol], self._face),
                )
            case MarkMoved(mark=mark):
                yield from self._mark(mark)
            case ForcedOrder(order=order):
                for name in (f"{order.symbol.lower()}@forceOrder", "!forceOrder@arr"):
                    self._forced[name] = order
            case FundingHappened():
                return  # only the mark price and the ledger speak of it
            case _:
                assert_never(event)

    def _send(self, name: str, render: Renderer) -> Iterator[Message]:
        if name in self._wanted:
            yield name, render()

    def _book_ticker(self, event: BookMoved) -> Iterator[Message]:
        names = [n for n in (f"{event.symbol.lower()}@bookTicker", "!bookTicker") if n in self._wanted]
        if not names:
            return
        book = self._exchange.book(event.symbol, 1)
        top = (book.bids, book.asks)
        if top != self._tops.get(event.symbol):
            self._tops[event.symbol] = top
            frame = frames.ticker_frame(book, self._terms[event.symbol], event.ts_ns, self._face)
            yield from ((name, frame) for name in names)

    def _mark(self, mark: Mark) -> Iterator[Message]:
        name = f"{mark.symbol.lower()}@markPrice"
        yield from self._send(
            f"{name}@1s", lambda: frames.mark_frame(mark, self._terms[mark.symbol], self._face)
        )
        if mark.ts_ns - self._marks.get(name, 0) >= 3 * NS_PER_S - MARK_SLACK_NS:
            self._marks[name] = mark.ts_ns
            yield from self._send(name, lambda: frames.mark_frame(mark, self._terms[mark.symbol], self._face))

    # -- as time passes ------------------------------------------------------------------------

    def tick(self, now_ns: int) -> Iterator[Message]:
        """Messages that are due."""
        for streams in self._depth.values():
            for depth in streams:
                yield from self._diff(depth, now_ns)
        for stream in list(self._wanted.values()):
            if not stream.every_ms or stream.kind is Kind.DEPTH or now_ns < self._due_ns.get(stream.name, 0):
                continue
            period_ns = stream.every_ms * NS_PER_MS
            self._due_ns[stream.name] = now_ns - now_ns % period_ns + period_ns
            yield from ((stream.name, payload) for payload in self._timed(stream, now_ns))

    def _diff(self, depth: DepthStream, now_ns: int) -> Iterator[Message]:
        names = [name for name in depth.aliases if name in self._wanted]
        message = depth.flush(now_ns, self._face, wanted=bool(names))
        if message is not None:
            yield from ((name, message) for name in names)

    def _timed(self, stream: Stream, now_ns: int) -> Iterator[Payload]:
        match stream.kind:
            case Kind.PARTIAL:
                yield from self._partial(stream, now_ns)
            case Kind.KLINE:
                yield from self._klines(stream, now_ns)
            case Kind.FORCED:
                order = self._forced.pop(stream.name, None)
                if order is not None:
                    yield frames.force_frame(order, self._terms[order.symbol], self._face)
            case Kind.MARK if not stream.symbol:
                yield [
                    frames.mark_frame(self._exchange.mark(symbol), terms, self._face)
                    for symbol, terms in self._terms.items()
                ]
            case Kind.TICKER | Kind.MINI_TICKER:
                yield from self._days(stream, now_ns)
            case _:
                return  # sent as it happens

    def _partial(self, stream: Stream, now_ns: int) -> Iterator[Payload]:
        book = self._exchange.book(stream.symbol, stream.levels)
        shown = self._partials.get(stream.name, 0)
        if book.last_update_id != shown:
            self._partials[stream.name] = book.last_update_id
            yield frames.partial_frame(book, shown, self._terms[stream.symbol], now_ns, self._face)

    def _klines(self, stream: Stream, now_ns: int) -> Iterator[Payload]:
        """The growing bar when it has changed; before it, each bar that has closed meanwhile."""
        shown = self._bars.get(stream.name)
        length_ns = INTERVALS_S[stream.interval] * NS_PER_S
        start_ns = shown.open_ns if shown else now_ns - now_ns % length_ns
        bars = self._exchange.klines(
            stream.symbol, stream.interval, start_ns=start_ns, end_ns=now_ns, limit=1_000
        )
        for bar in bars:
            closed = bar.close_ns <= now_ns
            if closed or (bar != shown and bar.trades):
                yield frames.kline_frame(
                    bar, stream.symbol, stream.interval, self._terms[stream.symbol], now_ns, self._face,
                    closed=closed,
                )  # fmt: skip
        if bars:
            self._bars[stream.name] = bars[-1]

    def _days(self, stream: Stream, now_ns: int) -> Iterator[Payload]:
        render = frames.day_frame if stream.kind is Kind.TICKER else frames.mini_frame
        symbols = [stream.symbol] if stream.symbol else list(self._terms)
        days = [day for symbol in symbols if (day := self.day(symbol, now_ns))]
        rows = [render(day, self._terms[day.symbol], self._face) for day in days]
        if rows:
            yield rows[0] if stream.symbol else rows

    def day(self, symbol: str, now_ns: int) -> Day | None:
        """The last 24 hours; None before the first trade."""
        last = self._exchange.trades(symbol, 1)
        bars = self._exchange.klines(symbol, "1m", start_ns=now_ns - DAY_NS, limit=1_441)
        return day_of(symbol, bars, last[-1], now_ns) if last and bars else None
