"""The channels of trades and bars: nothing passes over a hole before REST has closed it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from contractdesk.clock import NS_PER_MS, NS_PER_S
from contractdesk.domain.events import BarClosed, BarsLoaded, ChannelAlive, StreamName, TradePrinted
from contractdesk.domain.market import Bar, timeframe_ns
from contractdesk.errors import VenueProtocolError
from contractdesk.venues.binance.api import PAGE
from contractdesk.venues.binance.channels import Host, Silence
from contractdesk.venues.binance.codec_market import SymbolFact, trade_printed
from contractdesk.venues.binance.rows import AggTradeRow
from contractdesk.venues.binance.translate import bar_of
from contractdesk.venues.continuity import SETTLE_NS, BarSync, MarketRows, TradesBefore, TradeSync
from contractdesk.venues.folding import Folding, fold

TRADE_SILENCE_NS = 10 * NS_PER_S
BAR_GRACE_NS = 3 * NS_PER_S
MAX_PAGES = 30
MOST_PRELOADED = 30 * PAGE  # trades: what is read within a watch's time, and not half of a minute's weight
log = logging.getLogger(__name__)


class TradeChannel:
    """Aggregated public trades in exact id continuity; preloaded for bars that the venue has not."""

    name = "trade"
    stream = StreamName.MARKET

    def __init__(self, host: Host, preload_ns: int) -> None:
        """``preload_ns``: how far back the first trades lie, unless there are too many; 0: from now on."""
        self.topics = (f"{host.instrument.venue_symbol.lower()}@aggTrade",)
        self.sync = TradeSync(host.instrument.symbol)
        self.sync.hold()
        self._host = host
        self._preload_ns = preload_ns
        self._delivering = False
        self._silence = Silence(host.clock, TRADE_SILENCE_NS)
        self._before: TradesBefore | None = None
        self._reach_ns = 0
        self.due = False

    def reach(self, span_ns: int) -> None:
        """Have the trades of so long a time told, those that were told already once more."""
        if not self.due or span_ns > self._reach_ns:
            self._reach_ns, self._before, self.due = span_ns, None, True
            self._host.wake()

    @property
    def whole(self) -> bool:
        return self._delivering and not self.sync.filling

    def on_up(self) -> None:
        self._delivering = True
        self.sync.hold()
        self._silence.heard()

    def on_down(self, reason: str) -> None:  # noqa: ARG002  (the feed tells the reason)
        self._delivering = False
        self.sync.hold()

    def on_fact(self, fact: SymbolFact) -> None:
        if not isinstance(fact, TradePrinted):
            return
        self._silence.heard()
        self._tell(self.sync.on_trade(fact))
        if self.sync.filling:
            self._host.wake()

    def _tell(self, events: Sequence[MarketRows]) -> None:
        for event in events:
            self._host.emit(event)
        if self._before is not None:
            self._before.on_told(events)

    async def serve(self) -> None:
        if not self._delivering:
            return
        for _ in range(MAX_PAGES):
            if not self.sync.filling:
                break
            if not await self._read_page():
                return  # the venue has not got there yet: again at the next tick
        if self.due and not self.sync.filling:
            await self._read_before()
        if self._silence.too_long:
            await self._probe()

    async def _read_before(self) -> None:
        """What lies before the trades that flow, and them too; then all are told, in one piece.

        Bars that are made of trades begin anew with the first one of these; nobody may act on them, nor see
        a trade in between.
        """
        host, last_id = self._host, self.sync.last_id
        if self._before is None and last_id is not None:
            self._before = TradesBefore(last_id)
        before = self._before
        while before is not None and not before.complete:
            first = before.next_id is None
            wanted = await self._begin_of(self._reach_ns) if first else {"fromId": str(before.next_id)}
            rows = await host.api.agg_trades(host.instrument.venue_symbol, wanted)
            if self._before is not before:
                return  # it was asked for more meanwhile
            before.on_loaded([self._printed(row, host.clock.now_ns()) for row in rows])
            if not rows and first:
                break  # nothing was traded for so long
            if self.sync.filling or (len(rows) < PAGE and not before.complete):
                return  # what is missing goes first; and the venue may not have got there yet
        self.due, self._before = False, None
        if before is not None and before.complete:
            pieces = before.pieces(host.clock.now_ns(), self.sync.symbol, PAGE)
            host.tell_again(pieces, "bars that are made of trades begin further back")

    async def _read_page(self) -> bool:
        wanted = await self._from()
        rows = await self._host.api.agg_trades(self._host.instrument.venue_symbol, wanted)
        ts_ns = self._host.clock.now_ns()
        trades = [self._printed(row, ts_ns) for row in rows]
        self._tell(self.sync.on_loaded(trades, ts_ns, to_present=len(rows) < PAGE))
        return bool(rows) and len(rows) == PAGE

    async def _from(self) -> dict[str, str]:
        if self.sync.wants_from is not None:
            return {"fromId": str(self.sync.wants_from)}
        return await self._begin_of(self._preload_ns) if self._preload_ns else {"limit": "1"}

    async def _begin_of(self, span_ns: int) -> dict[str, str]:
        """As far back as is wished, or as many as can be read in time: bars then begin later."""
        api, symbol = self._host.api, self._host.instrument.venue_symbol
        start_ns = api.server_clock.now_ns() - span_ns
        wished = {"startTime": str(start_ns // NS_PER_MS)}
        oldest = await api.agg_trades(symbol, {**wished, "limit": "1"})
        latest = await api.agg_trades(symbol, {"limit": "1"})
        count = latest[-1].a - oldest[0].a + 1 if oldest and latest else 0
        if count <= MOST_PRELOADED:
            return wished
        log.warning(
            "%s: of the %d trades of the last %.0f s the last %d are read: bars made of them begin later",
            self.sync.symbol, count, span_ns / NS_PER_S, MOST_PRELOADED,
        )  # fmt: skip
        return {"fromId": str(latest[-1].a - MOST_PRELOADED + 1)}

    async def _probe(self) -> None:
        host = self._host
        latest = await host.api.agg_trades(host.instrument.venue_symbol, {"limit": "1"})
        if not latest or (self.sync.last_id is not None and latest[-1].a <= self.sync.last_id):
            self._silence.heard()
            host.emit(ChannelAlive(ts_ns=host.clock.now_ns(), symbol=self.sync.symbol, channel=self.name))
        elif self._silence.too_long and self._silence.suspect():
            host.dead(self.stream, f"{self.sync.symbol} was traded without us")

    def _printed(self, row: AggTradeRow, ts_ns: int) -> TradePrinted:
        try:
            return trade_printed(
                self._host.instrument,
                trade_id=row.a,
                price=row.p,
                size=row.q,
                maker_bought=row.m,
                time_ms=row.time_ms,
                ts_ns=ts_ns,
            )
        except ValueError as unfit:
            raise VenueProtocolError("binance", repr(row).encode()) from unfit


class BarChannel:
    """Closed bars of one timeframe: a native one, or one that is folded of a native one."""

    stream = StreamName.MARKET

    def __init__(self, host: Host, timeframe: str, warmup: int, base: str) -> None:
        """``base``: the native timeframe that ``timeframe`` is, or is a whole multiple of."""
        self.name = f"bars {timeframe}"
        self.topics = (f"{host.instrument.venue_symbol.lower()}@kline_{base}",)
        self.sync = BarSync(host.instrument.symbol, timeframe)
        self._base = base
        self._folding = None if base == timeframe else Folding(self.sync.step_ns, timeframe_ns(base))
        self._warmup = warmup
        self._host = host
        self._delivering = False
        self._asked = self._answered = 0  # how often it was asked to tell its history again

    @property
    def whole(self) -> bool:
        return self._delivering and not self.sync.filling

    @property
    def due(self) -> bool:
        return self._answered < self._asked

    def reach(self, warmup: int) -> None:
        """Have the last ``warmup`` bars told, those that were told already once more: some may be missed."""
        self._warmup = max(self._warmup, warmup)
        self._asked += 1
        self._host.wake()

    def on_up(self) -> None:
        self._delivering = True
        self.sync.hold()

    def on_down(self, reason: str) -> None:  # noqa: ARG002  (the feed tells the reason)
        self._delivering = False
        self.sync.hold()

    def on_fact(self, fact: SymbolFact) -> None:
        if not isinstance(fact, BarClosed) or fact.timeframe != self._base:
            return
        bar = self._folding.on_bar(fact.bar) if self._folding else fact.bar
        if bar is not None:
            for event in self.sync.on_bar(replace(fact, timeframe=self.sync.timeframe, bar=bar)):
                self._host.emit(event)
            if self.sync.filling:
                self._host.wake()

    async def serve(self) -> None:
        if not self._delivering:
            return
        if self.sync.overdue(self._host.api.server_clock.now_ns(), BAR_GRACE_NS):
            self.sync.hold()
        if self.sync.filling:
            await self._fill()
        elif self.due:
            await self._tell_again()

    async def _fill(self) -> None:
        host, sync = self._host, self.sync
        venue_ns, next_ns = host.api.server_clock.now_ns(), sync.next_open_ns
        bars = await (self._last(venue_ns) if next_ns is None else self._window(next_ns))
        for event in sync.on_loaded(bars, venue_ns, host.clock.now_ns()):
            host.emit(event)

    async def _tell_again(self) -> None:
        """Only what has been told, as it was told: live bars go on meanwhile, the last one must be final."""
        host, sync, asked = self._host, self.sync, self._asked
        told_ns, venue_ns = sync.next_open_ns, host.api.server_clock.now_ns()
        if told_ns is None:  # none has ever closed: there is nothing to tell
            self._answered = asked
            return
        if told_ns + SETTLE_NS > venue_ns:
            return
        bars = tuple(bar for bar in await self._last(venue_ns) if bar.open_ns < told_ns)
        symbol, ts_ns = host.instrument.symbol, host.clock.now_ns()
        host.emit(BarsLoaded(ts_ns=ts_ns, symbol=symbol, timeframe=sync.timeframe, bars=bars))
        self._answered = asked

    async def _last(self, venue_ns: int) -> list[Bar]:
        """The bars of the warm-up, and the open one."""
        step_ns = self.sync.step_ns
        if self._folding is None and self._warmup < PAGE:
            return await self._read({"limit": str(self._warmup + 1)})
        start_ns, bars = venue_ns - venue_ns % step_ns - self._warmup * step_ns, list[Bar]()
        while start_ns <= venue_ns:
            bars += await self._window(start_ns)
            start_ns += self._window_ns
        return bars

    @property
    def _window_ns(self) -> int:
        """What a page holds, in whole bars."""
        return PAGE * timeframe_ns(self._base) // self.sync.step_ns * self.sync.step_ns

    async def _window(self, start_ns: int) -> list[Bar]:
        end_ns = start_ns + self._window_ns  # of more COIN-M tells the last ones
        return await self._read(
            {"startTime": str(start_ns // NS_PER_MS), "endTime": str(end_ns // NS_PER_MS - 1)}
        )

    async def _read(self, wanted: Mapping[str, str]) -> list[Bar]:
        klines = await self._host.api.klines(self._host.instrument.venue_symbol, self._base, wanted)
        bars = [bar_of(kline) for kline in klines]
        return fold(bars, self.sync.step_ns) if self._folding else bars
