"""One symbol's market data: its channels, the tasks that serve them, and whether it is ready."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial

from contractdesk.clock import Clock
from contractdesk.domain.events import Event, StreamName, SymbolNotReady, SymbolReady
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import timeframe_ns
from contractdesk.errors import VenueError, VenueUnreachable
from contractdesk.venues.base import Emit
from contractdesk.venues.binance.api import BinanceApi
from contractdesk.venues.binance.channels import BookChannel, Channel, Polls
from contractdesk.venues.binance.channels_interest import InterestChannel
from contractdesk.venues.binance.channels_mark import MarkChannel
from contractdesk.venues.binance.channels_trades import BarChannel, TradeChannel
from contractdesk.venues.binance.codec_market import SymbolFact
from contractdesk.venues.streams import Stream
from contractdesk.venues.upkeep import go_on

log = logging.getLogger(__name__)
TRADING = "TRADING"
TICK_S = 0.25
PACE_S = 0.4  # between two readings of what one channel is missing


class SymbolFeed:
    """Routes facts to the channels; emits SymbolReady when all are whole, SymbolNotReady when one is not.

    Bars of more timeframes join while everything goes on: they tell nothing before their history, so
    nobody waits for them but who asked. Also the channels' Host.
    """

    def __init__(
        self,
        instrument: Instrument,
        api: BinanceApi,
        clock: Clock,
        emit: Emit,
        streams: dict[StreamName, Stream],
        *,
        timeframes: tuple[str, ...],
        bases: Mapping[str, str],
        warmup: int,
        polls: Polls,
    ) -> None:
        """``bases``: timeframe of closed bars -> the native one that it is or is folded of."""
        self.instrument = instrument
        self.api = api
        self.clock = clock
        self.timeframes = timeframes
        self.polls = polls
        self._emit = emit
        self._streams = streams
        self._bases = bases
        self._wakes: dict[str, asyncio.Event] = {}  # by channel
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._joining: tuple[Channel, ...] = ()  # not whole yet, in a symbol that may be ready
        self._reviewed = asyncio.Event()
        self._status = TRADING
        self._connections: dict[str, int] = {}  # channel -> the connection that it is up on
        self._book = BookChannel(self)
        self._made = self._spans_ns(timeframes, warmup)
        self._trades = TradeChannel(self, max(self._made.values(), default=0))
        bars = self._bars(timeframes, warmup)
        own = (self._book, self._trades, MarkChannel(self), InterestChannel(self))
        self.channels: tuple[Channel, ...] = (*own, *bars)
        self.ready = False  # True between SymbolReady and SymbolNotReady

    def start(self) -> None:
        """Subscribe, and serve each channel from a task of its own."""
        self._run(self.channels)

    async def stop(self) -> None:
        await self._halt(self.channels)

    async def whole(self, timeout_s: float) -> None:
        """Wait until the symbol is ready, and has all history that was asked for.

        VenueUnreachable, naming what is missing, if that takes longer.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.ready or any(not channel.whole or channel.due for channel in self.channels):
                    self._reviewed.clear()
                    await self._reviewed.wait()
            return
        lacking = [channel for channel in self.channels if not channel.whole or channel.due]
        missing = ", ".join(self._complaint(channel) for channel in lacking)
        if self._status != TRADING:
            missing = f"trading (the venue calls it {self._status or 'unlisted'})"
        raise VenueUnreachable(f"{self.instrument.symbol} is not ready after {timeout_s:g} s: no {missing}")

    async def widen(self, timeframes: tuple[str, ...], warmup: int, timeout_s: float) -> None:
        """Tell the last ``warmup`` bars of these timeframes and go on with them, then SymbolReady.

        Those that were told already are told again: who asks may have missed some, or look further back.
        Book, trades and other bars go on meanwhile, and do so where this fails: VenueUnreachable.
        """
        before = self.timeframes
        for channel in self.channels:
            if isinstance(channel, BarChannel) and channel.sync.timeframe in timeframes:
                channel.reach(warmup)
        spans = self._spans_ns(timeframes, warmup).items()
        further = {each: span_ns for each, span_ns in spans if span_ns > self._made.get(each, 0)}
        if further:
            self._made |= further
            self._trades.reach(max(further.values()))
        fresh = tuple(each for each in dict.fromkeys(timeframes) if each not in before)
        joining = self._bars(fresh, warmup)
        self.timeframes += fresh
        self.channels += joining
        self._joining += joining
        self._run(joining)
        try:
            await self.whole(timeout_s)
        except BaseException:
            self.timeframes = before
            self.channels = tuple(channel for channel in self.channels if channel not in joining)
            self._joining = tuple(channel for channel in self._joining if channel not in joining)
            await self._halt(joining)
            raise
        self.answer(timeframes)

    def answer(self, timeframes: tuple[str, ...]) -> None:
        """Say that the history of these timeframes, which was asked for, has been told."""
        self._emit(SymbolReady(ts_ns=self.clock.now_ns(), symbol=self.instrument.symbol, told=timeframes))

    def _complaint(self, channel: Channel) -> str:
        refused = self._streams[channel.stream].subscriptions.refused
        reasons = {refused[topic] for topic in channel.topics if topic in refused}
        return f"{channel.name} ({'; '.join(reasons)})" if reasons else channel.name

    def on_fact(self, fact: SymbolFact) -> None:
        """A decoded frame of this symbol."""
        for channel in self.channels:
            channel.on_fact(fact)
        self._review("a gap")

    def set_status(self, word: str) -> None:
        """The venue's word for what may be done in this contract: no entry where it does not trade."""
        if word != self._status:
            self._status = word
            self._review(f"the contract does not trade: the venue calls it {word or 'unlisted'}")

    def resync(self, reason: str) -> None:
        """The book cannot be true: read it anew."""
        self._book.on_spoilt(reason)
        self._review(reason)

    def on_down(self, stream: StreamName, reason: str) -> None:
        """A stream is lost, for all that came over it."""
        for channel in self.channels:
            if channel.stream is stream:
                channel.on_down(reason)
        self._review(f"the {stream.value} stream is lost: {reason}")

    # -- what channels see -----------------------------------------------------------------

    def emit(self, event: Event) -> None:
        self._emit(event)

    def wake(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    def tell_again(self, history: Iterable[Event], reason: str) -> None:
        if self.ready:
            self._set_ready(reason, ready=False)
        for event in history:
            self._emit(event)
        self._review(reason)

    def dead(self, stream: StreamName, reason: str) -> None:
        self._streams[stream].restart(reason)

    # -- service ---------------------------------------------------------------------------

    def _run(self, channels: tuple[Channel, ...]) -> None:
        for channel in channels:
            self._streams[channel.stream].subscribe(channel.topics)
            self._streams[channel.stream].start()
            wake = self._wakes[channel.name] = asyncio.Event()
            name = f"{self.instrument.symbol} {channel.name}"
            self._tasks[channel.name] = asyncio.create_task(
                go_on(name, partial(self._serve, channel, wake)), name=name, context=contextvars.Context()
            )

    async def _halt(self, channels: tuple[Channel, ...]) -> None:
        others = {topic for each in self.channels if each not in channels for topic in each.topics}
        for channel in channels:
            alone = tuple(topic for topic in channel.topics if topic not in others)
            self._streams[channel.stream].unsubscribe(alone)
            self._wakes.pop(channel.name, None)
            self._connections.pop(channel.name, None)
        tasks = [self._tasks.pop(channel.name) for channel in channels if channel.name in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, channel: Channel, wake: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):  # wait_for can swallow a cancellation, before 3.12
                    await wake.wait()
            wake.clear()
            self._note_connection(channel)
            lacked = not channel.whole or channel.due
            try:
                await channel.serve()
            except VenueError as failure:
                log.warning("%s %s: %s", self.instrument.symbol, channel.name, failure)
            self._review(f"{channel.name} is not complete")
            if lacked and (not channel.whole or channel.due):
                await asyncio.sleep(PACE_S)

    def _note_connection(self, channel: Channel) -> None:
        """Tell the channel, once a connection, that all its topics are confirmed."""
        stream = self._streams[channel.stream]
        fresh = self._connections.get(channel.name) != stream.connections
        if fresh and stream.up and stream.delivers(channel.topics):
            self._connections[channel.name] = stream.connections
            channel.on_up()

    def _review(self, reason: str) -> None:
        self._reviewed.set()
        awaited = self.channels
        if self._joining:
            self._joining = tuple(channel for channel in self._joining if not channel.whole)
            awaited = tuple(channel for channel in self.channels if channel not in self._joining)
        ready = self._status == TRADING and all(channel.whole for channel in awaited)
        if ready != self.ready:
            self._set_ready(reason, ready=ready)

    def _set_ready(self, reason: str, *, ready: bool) -> None:
        self.ready = ready
        ts_ns, symbol = self.clock.now_ns(), self.instrument.symbol
        if ready:
            self._emit(SymbolReady(ts_ns=ts_ns, symbol=symbol, told=()))
        else:
            self._emit(SymbolNotReady(ts_ns=ts_ns, symbol=symbol, reason=reason))

    def _bars(self, timeframes: tuple[str, ...], warmup: int) -> tuple[Channel, ...]:
        known = (each for each in timeframes if each in self._bases)
        return tuple(BarChannel(self, each, warmup, self._bases[each]) for each in known)

    def _spans_ns(self, timeframes: tuple[str, ...], warmup: int) -> dict[str, int]:
        """Of bars that the venue does not close: how far back the trades begin of which others make them."""
        # Two more: the first is cut by the span's beginning, and the last is not over when it is counted.
        made = (each for each in timeframes if each not in self._bases)
        return {each: timeframe_ns(each) * (warmup + 2) for each in made}
