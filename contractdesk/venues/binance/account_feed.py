"""The private side: the user stream, its listen key, and whatever it missed, read over REST.

StreamRestored follows a connection once fills and funding of the time before have been delivered.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal

from msgspec import Struct

from contractdesk.clock import NS_PER_MS, NS_PER_S, Clock
from contractdesk.domain.events import OrderFilled, StreamLost, StreamName, StreamRestored
from contractdesk.domain.fills import Fill
from contractdesk.domain.instrument import ZERO, Instrument
from contractdesk.errors import VenueError, VenueProtocolError, VenueRejected
from contractdesk.venues.backoff import Backoff
from contractdesk.venues.base import Emit
from contractdesk.venues.binance.api import PAGE, BinanceApi
from contractdesk.venues.binance.codec_user import decode_user
from contractdesk.venues.binance.fill_watch import remember
from contractdesk.venues.binance.orders import Orders
from contractdesk.venues.binance.translate import MINUTE_MS, fill_of, funding_paid
from contractdesk.venues.binance.user_events import (
    Ask,
    AskFills,
    AskFunding,
    AskOrder,
    AskParent,
    Outcome,
    RenewKey,
    UserEvents,
)
from contractdesk.venues.streams import Stream, StreamTimes
from contractdesk.venues.transport import NETWORK, Transport
from contractdesk.venues.upkeep import go_on

log = logging.getLogger(__name__)
TICK_S = 0.25
KEY_LIFE_NS = 25 * 60 * NS_PER_S  # prolonged so often; the venue forgets it after an hour
KEY_LAST_NS = 55 * 60 * NS_PER_S  # so long it serves without, while the venue does not answer
KEY_AGAIN_NS = 5 * NS_PER_S
OVERLAP_MS = 60_000  # read again before the loss: the stream may have lagged
LEDGER_LAG_NS = 5 * NS_PER_S
RETRY_NS = NS_PER_S // 2
MAX_TRIES = 12
MAX_ASKS = 256
MAX_PAGES = 20


class Backfill(Struct, frozen=True):
    """Read everything since the stream was last good."""

    since_ms: int
    connection: int


class Task(Struct, frozen=True):
    """Something to be asked of the venue, and how often that has failed."""

    ask: Ask | Backfill
    tries: int = 0
    not_before_ns: int = 0  # monotonic


class AccountFeed:
    """Folds the private stream into events, and asks for what it does not say."""

    def __init__(
        self,
        api: BinanceApi,
        clock: Clock,
        emit: Emit,
        instruments: Mapping[str, Instrument],
        by_venue: Mapping[str, Instrument],
        *,
        address: Callable[[str], str],
        backoff: Backoff,
        proxy: bool,
        times: StreamTimes | None,
        symbols: Callable[[], set[str]],
        transport: Transport = NETWORK,
    ) -> None:
        """``instruments`` by unified symbol, ``by_venue`` by the venue's; both may change in place.

        ``address`` is the stream's for a listen key; ``symbols`` yields those whose fills are backfilled.
        """
        self._api = api
        self._clock = clock
        self._emit = emit
        self._instruments = instruments
        self._symbols = symbols
        self._address_of = address
        self._by_venue = by_venue
        self.updates = UserEvents(by_venue)
        self.orders = Orders(api, clock, instruments, by_venue, self.updates, self.take)
        self.quarantined: Counter[str] = Counter()
        self.restored = asyncio.Event()
        self.stream = Stream(
            "private", self._address, self._on_frame, self._on_up, self._on_down,
            clock=clock, backoff=backoff, proxy=proxy, times=times, transport=transport,
        )  # fmt: skip
        self._tasks: OrderedDict[Ask | Backfill, Task] = OrderedDict()
        self._running: list[asyncio.Task[None]] = []
        self._key_until_ns = 0  # monotonic: when it is prolonged next
        self._key_since_ns = 0  # monotonic: when it last was
        self._opened_ms = self._good_ms = api.server_clock.now_ms()
        self._paid: OrderedDict[str, None] = OrderedDict()
        self._booked: OrderedDict[int, Decimal] = OrderedDict()  # settlement minute -> by the stream
        self._read: OrderedDict[int, Decimal] = OrderedDict()  # settlement minute -> by the ledger

    # -- life ------------------------------------------------------------------------------

    def start(self) -> None:
        self.stream.start()
        works = {"asks": self._work, "account": self._tend, "listen key": self._keep_key}
        self._running = [
            asyncio.create_task(
                go_on(name, work, self.stream.restart), name=f"binance {name}", context=contextvars.Context()
            )
            for name, work in works.items()
        ]

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.stream.stop()

    def expect_funding(self, since_ns: int) -> None:
        """Look soon into the ledger for what was paid since then, should the stream not tell of it."""
        ask = AskFunding(since_ns, ZERO)
        self._tasks.setdefault(ask, Task(ask, not_before_ns=self._clock.monotonic_ns() + LEDGER_LAG_NS))

    def missed_since(self, since_ns: int) -> None:
        """Nobody was here from then (0: ever) until the opening: what was paid is in the ledger alone."""
        if 0 < since_ns < self._opened_ms * NS_PER_MS:
            self.expect_funding(since_ns)

    def take(self, outcomes: tuple[Outcome, ...]) -> None:
        """Emit the events, queue the asks."""
        for outcome in outcomes:
            if isinstance(outcome, Ask):
                self._ask(outcome)
            else:
                self._emit(outcome)

    # -- the stream ------------------------------------------------------------------------

    async def _address(self) -> str:
        key = await self._api.open_listen_key()
        self._key_is_good()
        return self._address_of(key)

    def _key_is_good(self) -> None:
        self._key_since_ns = self._clock.monotonic_ns()
        self._key_until_ns = self._key_since_ns + KEY_LIFE_NS

    def _on_frame(self, frame: bytes) -> None:
        try:
            self.take(self.updates.on_update(decode_user(frame), self._clock.now_ns()))
        except (VenueProtocolError, KeyError) as unfit:
            self.quarantined[type(unfit).__name__] += 1
            log.warning("a private frame was put aside (%d so far)", self.quarantined.total())

    def _on_up(self) -> None:
        self._ask(Backfill(self._since(self._good_ms), self.stream.connections))

    def _on_down(self, reason: str) -> None:
        self._tasks = OrderedDict(
            (ask, task) for ask, task in self._tasks.items() if not isinstance(ask, Backfill)
        )
        if self.restored.is_set():
            self.restored.clear()
            self._emit(StreamLost(ts_ns=self._clock.now_ns(), stream=StreamName.PRIVATE, reason=reason))

    async def _tend(self) -> None:
        """Time passes: late fills, strange orders. Nothing here waits for the venue."""
        while True:
            await asyncio.sleep(TICK_S)
            self.take(self.updates.on_time(self._clock.now_ns()))
            if self.restored.is_set():
                self._good_ms = self._api.server_clock.now_ms()

    async def _keep_key(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._key_until_ns and self._clock.monotonic_ns() > self._key_until_ns:
                await self._prolong()

    async def _prolong(self) -> None:
        """A venue that does not answer keeps the key as long as it lasts: the stream may be well."""
        try:
            await self._api.prolong_listen_key()
            self._key_is_good()
        except VenueError as failure:
            now_ns = self._clock.monotonic_ns()
            if not isinstance(failure, VenueRejected) and now_ns < self._key_since_ns + KEY_LAST_NS:
                self._key_until_ns = now_ns + KEY_AGAIN_NS
                return
            self._key_until_ns = 0
            self.stream.restart(f"the listen key was not prolonged: {failure}")

    # -- asking ----------------------------------------------------------------------------

    def _ask(self, ask: Ask | Backfill) -> None:
        if isinstance(ask, RenewKey):
            self.stream.restart("the listen key has expired")
            return
        if isinstance(ask, AskFunding) and ask.change:
            minute = _minute(ask.venue_ns // NS_PER_MS)
            remember(self._booked, minute, self._booked.get(minute, ZERO) + ask.change)
        if len(self._tasks) >= MAX_ASKS and not isinstance(ask, Backfill):
            log.warning("too many questions to the venue; %s is left to reconciliation", type(ask).__name__)
            return
        self._tasks.setdefault(ask, Task(ask))

    async def _work(self) -> None:
        """Answer the asks, one after another; a failing one is put behind the others."""
        while True:
            task = self._next()
            if task is None:
                await asyncio.sleep(TICK_S / 10)
                continue
            try:
                await self._answer(task.ask)
            except VenueError as failure:
                self._again(task, failure)

    def _next(self) -> Task | None:
        now_ns = self._clock.monotonic_ns()
        for ask, task in self._tasks.items():
            if task.not_before_ns <= now_ns:
                return self._tasks.pop(ask)
        return None

    def _again(self, task: Task, failure: VenueError) -> None:
        log.info("%s: %s", type(task.ask).__name__, failure)
        if task.tries < MAX_TRIES or isinstance(task.ask, Backfill):
            later_ns = self._clock.monotonic_ns() + RETRY_NS
            self._tasks.setdefault(task.ask, Task(task.ask, task.tries + 1, later_ns))

    async def _answer(self, ask: Ask | Backfill) -> None:
        match ask:
            case Backfill():
                await self._backfill(ask)
            case AskFills(symbol=symbol):
                await self._read_fills(symbol, self._since(self._api.server_clock.now_ms()))
            case AskFunding(venue_ns=venue_ns, change=change):
                await self._read_funding(venue_ns // NS_PER_MS - OVERLAP_MS)
                if change:
                    self._check_funding(venue_ns)
            case AskOrder(symbol=symbol, client_id=client_id, conditional=conditional):
                self._emit(await self.orders.query(symbol, client_id, conditional=conditional))
            case AskParent(candidates=candidates):
                for armed in candidates:
                    await self.orders.find_child(armed)
            case RenewKey():
                raise AssertionError("a key is renewed at once")

    def _since(self, time_ms: int) -> int:
        """With some overlap; never from before the feed was opened: that is for reconciliation."""
        return max(self._opened_ms, time_ms - OVERLAP_MS)

    async def _backfill(self, ask: Backfill) -> None:
        if ask.connection != self.stream.connections or not self.stream.up:
            return
        for symbol in sorted(self._symbols()):
            await self._read_fills(symbol, ask.since_ms)
        await self._read_funding(ask.since_ms)
        if ask.connection == self.stream.connections and self.stream.up:
            self.restored.set()
            self._emit(StreamRestored(ts_ns=self._clock.now_ns(), stream=StreamName.PRIVATE))

    async def _read_fills(self, symbol: str, since_ms: int) -> None:
        """Emit the fills since then that the stream did not report."""
        instrument = self._instruments[symbol]
        params = {"startTime": str(since_ms)}
        for _ in range(MAX_PAGES):
            trades = await self._api.user_trades(instrument.venue_symbol, params)
            owners = await self.orders.owners.of(trades)
            for row, owner in zip(trades, owners, strict=True):
                if self.updates.fills.reported(row.symbol, row.id, str(row.order_id), row.qty):
                    self._filled(fill_of(row, instrument, owner, self._clock.now_ns()))
            if len(trades) < PAGE:
                return
            params = {"fromId": str(trades[-1].id + 1)}

    def _filled(self, fill: Fill) -> None:
        self._emit(
            OrderFilled(
                ts_ns=fill.ts_ns,
                client_id=fill.client_id,
                symbol=fill.symbol,
                venue_ns=fill.venue_ns,
                fill=fill,
            )
        )

    async def _read_funding(self, since_ms: int) -> None:
        """Emit the payments since then that were not told; the ledger alone knows symbol and amount."""
        for row in await self._api.funding_income(since_ms):
            instrument = self._by_venue.get(row.symbol)
            if instrument is None:
                continue
            paid = funding_paid(row, instrument.symbol, self._clock.now_ns())
            if paid.payment_id not in self._paid:
                remember(self._paid, paid.payment_id, None)
                minute = _minute(row.time)
                remember(self._read, minute, self._read.get(minute, ZERO) + row.income)
                self._emit(paid)

    def _check_funding(self, venue_ns: int) -> None:
        """The ledger lags behind the stream: what was booked has to be in it, else it is asked again."""
        minute = _minute(venue_ns // NS_PER_MS)
        booked, read = self._booked.get(minute, ZERO), self._read.get(minute, ZERO)
        if booked != read:
            raise VenueError(f"funding of {booked} was booked, and {read} is in the ledger yet")


def _minute(time_ms: int) -> int:
    return time_ms // MINUTE_MS


async def wait_restored(feed: AccountFeed, timeout_s: float) -> bool:
    """True when the private stream is up and backfilled within the time."""
    with suppress(TimeoutError):
        await asyncio.wait_for(feed.restored.wait(), timeout_s)
    return feed.restored.is_set()
