"""One symbol's market data: its channels, the tasks that serve them, and whether it is ready."""

from __future__ import annotations

import asyncio
import contextvars
import logging
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

    Also the channels' Host.
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
        native: frozenset[str],
        warmup: int,
        polls: Polls,
    ) -> None:
        self.instrument = instrument
        self.api = api
        self.clock = clock
        self.timeframes = timeframes
        self.polls = polls
        self._emit = emit
        self._streams = streams
        self._wakes: list[asyncio.Event] = []
        self._made_whole = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._status = TRADING
        self._connections: dict[str, int] = {}  # channel -> the connection that it is up on
        self._book = BookChannel(self)
        self.channels = self._channels(native, warmup)

    @property
    def ready(self) -> bool:
        """True between SymbolReady and SymbolNotReady."""
        return self._made_whole.is_set()

    def start(self) -> None:
        """Subscribe, and serve each channel from a task of its own."""
        for channel in self.channels:
            self._streams[channel.stream].subscribe(channel.topics)
            self._streams[channel.stream].start()
        self._tasks = [
            asyncio.create_task(
                go_on(
                    f"{self.instrument.symbol} {channel.name}", partial(self._serve, channel, self._wake())
                ),
                name=f"{self.instrument.symbol} {channel.name}",
                context=contextvars.Context(),
            )
            for channel in self.channels
        ]

    async def stop(self) -> None:
        for channel in self.channels:
            self._streams[channel.stream].unsubscribe(channel.topics)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def whole(self, timeout_s: float) -> None:
        """Wait until the symbol is ready; VenueUnreachable, naming what is missing, if that takes longer."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._made_whole.wait(), timeout_s)
            return
        missing = ", ".join(self._complaint(channel) for channel in self.channels if not channel.whole)
        if self._status != TRADING:
            missing = f"trading (the venue calls it {self._status or 'unlisted'})"
        raise VenueUnreachable(f"{self.instrument.symbol} is not ready after {timeout_s:g} s: no {missing}")

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
        for wake in self._wakes:
            wake.set()

    def dead(self, stream: StreamName, reason: str) -> None:
        self._streams[stream].restart(reason)

    # -- service ---------------------------------------------------------------------------

    def _wake(self) -> asyncio.Event:
        self._wakes.append(asyncio.Event())
        return self._wakes[-1]

    async def _serve(self, channel: Channel, wake: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):  # wait_for can swallow a cancellation, before 3.12
                    await wake.wait()
            wake.clear()
            self._note_connection(channel)
            was_whole = channel.whole
            try:
                await channel.serve()
            except VenueError as failure:
                log.warning("%s %s: %s", self.instrument.symbol, channel.name, failure)
            self._review(f"{channel.name} is not complete")
            if not was_whole and not channel.whole:
                await asyncio.sleep(PACE_S)

    def _note_connection(self, channel: Channel) -> None:
        """Tell the channel, once a connection, that all its topics are confirmed."""
        stream = self._streams[channel.stream]
        fresh = self._connections.get(channel.name) != stream.connections
        if fresh and stream.up and stream.delivers(channel.topics):
            self._connections[channel.name] = stream.connections
            channel.on_up()

    def _review(self, reason: str) -> None:
        whole = self._status == TRADING and all(channel.whole for channel in self.channels)
        if whole == self.ready:
            return
        ts_ns, symbol = self.clock.now_ns(), self.instrument.symbol
        if whole:
            self._made_whole.set()
            self._emit(SymbolReady(ts_ns=ts_ns, symbol=symbol))
        else:
            self._made_whole.clear()
            self._emit(SymbolNotReady(ts_ns=ts_ns, symbol=symbol, reason=reason))

    def _channels(self, native: frozenset[str], warmup: int) -> tuple[Channel, ...]:
        """Bars that the venue does not close are made, elsewhere, from trades: those are preloaded."""
        own = [timeframe for timeframe in self.timeframes if timeframe in native]
        # Two more: the first is cut by the span's beginning, and the last is not over when it is counted.
        made = [timeframe_ns(each) * (warmup + 2) for each in self.timeframes if each not in native]
        bars = [BarChannel(self, timeframe, warmup) for timeframe in own]
        trades = TradeChannel(self, max(made, default=0))
        return (self._book, trades, MarkChannel(self), InterestChannel(self), *bars)
