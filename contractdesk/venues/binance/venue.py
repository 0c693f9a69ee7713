"""Binance futures as a Venue, one product of the two: the wiring of REST, streams, feeds and orders.

Supported: one-way positions, cross margin, single-asset margin. Conditional orders live in the Algo
service and cannot be amended; a stop is attached to nothing.
https://developers.binance.com/docs/derivatives/usds-margined-futures
https://developers.binance.com/docs/derivatives/coin-margined-futures
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial

from msgspec.structs import replace

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.domain.account import Account, MarginMode, PositionMode
from contractdesk.domain.events import (
    AmendFailed,
    CancelFailed,
    Event,
    FundingSettled,
    HaltAsked,
    InstrumentListed,
    LeverageChanged,
    ModesRead,
    OrderAmended,
    OrderCancelled,
    OrderRead,
    OrderRejected,
)
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.orders import OrderRequest
from contractdesk.errors import CredentialsError, VenueError, VenueUnreachable
from contractdesk.venues.base import Capabilities, Check, Emit, VenueState, Wanted, always
from contractdesk.venues.binance.account_feed import wait_restored
from contractdesk.venues.binance.accounts import check_modes
from contractdesk.venues.binance.channels import AT_HOME, Polls
from contractdesk.venues.binance.clear import clear
from contractdesk.venues.binance.connect import connect
from contractdesk.venues.binance.endpoints import Endpoints
from contractdesk.venues.binance.feed import SymbolFeed
from contractdesk.venues.binance.health import WHO, Health
from contractdesk.venues.binance.markets import Listing
from contractdesk.venues.binance.orders import Submitted, cannot_amend
from contractdesk.venues.binance.product import USDM, Product
from contractdesk.venues.binance.session import Private, Session, assemble
from contractdesk.venues.binance.terms import TermsKeeper
from contractdesk.venues.binance.translate import MARGIN_WORDS, plain
from contractdesk.venues.credentials import Credentials, check_scopes, refuse_scopes
from contractdesk.venues.elsewhere import Elsewhere
from contractdesk.venues.folding import base_of
from contractdesk.venues.limits import Quota
from contractdesk.venues.streams import StreamTimes
from contractdesk.venues.transport import NETWORK, Transport
from contractdesk.venues.upkeep import go_on

log = logging.getLogger(__name__)
NATIVE = frozenset({"1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d"})
FOLDED = ("2m", "4m", "6m", "10m", "12m", "20m", "45m", "90m", "3h")
BASES = {each: base_of(each, NATIVE) for each in (*NATIVE, *FOLDED)}
CAPABILITIES = Capabilities(
    amend_stop=False,
    attach_stop=False,
    dead_man_switch=True,
    native_timeframes=frozenset(BASES),
    max_conditional=200,
)
CLOCK_LOOK_S = 0.25  # so often is seen whether the host's clock has been set
CLOCK_LOOKS = 240  # after so many of these, a minute, the venue's clock is measured
CLOCK_LIMIT_MS = 5_000.0  # more than that between venue and host is an alarm
OPEN_TIMEOUT_S = 20.0
WATCH_TIMEOUT_S = 30.0
RECENT_NS = 600 * NS_PER_S  # a settlement so fresh may have been paid just now


class BinanceVenue:
    """One account; without credentials market data only."""

    name = "binance"
    capabilities = CAPABILITIES

    def __init__(
        self,
        endpoints: Endpoints,
        credentials: Credentials | None,
        clock: Clock,
        *,
        product: Product = USDM,
        seed: int | None = None,
        asset: str = "USDT",
        quota: Quota | None = None,
        times: StreamTimes | None = None,
        transport: Transport = NETWORK,
        permit: Callable[[], bool] = lambda: True,
    ) -> None:
        """``seed`` makes the jitter repeatable; ``asset`` is the margin asset that is reported.

        ``permit`` is asked before everything that is sent but reads.
        """
        self._product = product
        self._endpoints = endpoints
        self._credentials = credentials
        self._clock = clock
        self._random = random.Random(seed).random  # noqa: S311  (jitter, not secrets)
        self._asset = asset
        self._quota = quota
        self._times = times
        self._transport = transport
        self._permit = permit
        self._listing = Listing()
        self._feeds: dict[str, SymbolFeed] = {}
        self._elsewhere = Elsewhere()
        self._session: Session | None = None
        self._terms: TermsKeeper | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # -- life ------------------------------------------------------------------------------

    async def open(self, emit: Emit) -> None:
        """See ``Venue.open``. CredentialsError names the scope that a refused key has or lacks."""
        if self._session is not None:
            raise VenueUnreachable("the venue is open already")

        def tell(event: Event) -> None:
            emit(event)
            self._heed(event)

        api, unify = await connect(
            self._product, self._endpoints, self._credentials, self._clock, tell, self._random, self._quota,
            transport=self._transport,
            permit=self._permit,
        )  # fmt: skip
        session = self._session = assemble(
            api, unify, tell,
            product=self._product, where=self._endpoints, clock=self._clock, listing=self._listing,
            feeds=self._feeds, asset=self._asset if self._credentials else None, random=self._random,
            times=self._times, transport=self._transport,
        )  # fmt: skip
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await self._begin(session)
        except BaseException as failure:
            await self.close()
            account = self._credentials.account if self._credentials else ""
            if (said := clear(failure, self._endpoints.rest_url, account)) is not None:
                raise said from None
            raise

    async def _begin(self, session: Session) -> None:
        await session.api.measure_clock()
        if session.private is not None and self._endpoints.scopes_known:
            refuse_scopes(await session.api.key_scopes())
        self._terms = terms = TermsKeeper(session, self._listing, self._feeds, self._clock)
        await terms.load()
        if session.private is not None:
            await self._begin_private(session, session.private)
        works: dict[str, Callable[[], Awaitable[None]]]
        works = {"clock": partial(self._keep_clock, session), "terms": terms.keep}
        if session.private is not None:
            works["health"] = partial(self._keep_health, session)
        for name, work in works.items():
            upkeep = go_on(name, work)
            self._tasks.append(
                asyncio.create_task(upkeep, name=f"binance {name}", context=contextvars.Context())
            )

    async def _begin_private(self, session: Session, private: Private) -> None:
        session.emit(await private.reads.read_modes())
        session.api.on_key_refused = lambda refused: self._halt(
            f"binance refuses this key ({refused.code}: {refused.message}): was it revoked, or its IP list "
            "or permissions changed? stops rest on the venue"
        )
        private.feed.start()
        if not await wait_restored(private.feed, OPEN_TIMEOUT_S):
            raise VenueUnreachable("the private stream does not come up")

    async def close(self) -> None:
        """See ``Venue.close``."""
        session, self._session = self._session, None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for symbol in list(self._feeds):
            await self._unwatch(symbol)
        if session is not None:
            await session.stop()

    # -- what there is ---------------------------------------------------------------------

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """See ``Venue.instruments``."""
        return self._listing.unified

    def resolve(self, symbol: str) -> Instrument:
        """See ``Venue.resolve``."""
        return self._listing.find(symbol)

    async def preflight(self) -> tuple[Check, ...]:
        """See ``Venue.preflight``."""
        session = self._need()
        offset_ms = await session.api.measure_clock()
        clock = Check(
            name="clock",
            passed=abs(offset_ms) <= CLOCK_LIMIT_MS,
            found=f"{offset_ms:+.0f} ms",
            advice="set this host's clock (NTP): it is too far from the venue's",
        )
        reached = Check(name="reachability", passed=True, found=self._endpoints.rest_url)
        if session.private is None:
            return (reached, clock)
        scopes = check_scopes(await session.api.key_scopes()) if self._endpoints.scopes_known else ()
        reads = session.private.reads
        session.emit(await reads.read_modes())
        watched = [self._listing.unified[symbol].venue_symbol for symbol in self._feeds]
        return (reached, clock, *scopes, *check_modes(reads.config, reads.margin_modes, watched))

    # -- market data -----------------------------------------------------------------------

    async def watch(self, symbol: str, timeframes: tuple[str, ...], warmup: int) -> None:
        """See ``Venue.watch``. Timeframes that are not told closed come as TradesLoaded over ``warmup`` bars.

        A symbol that is watched already goes on meanwhile: see ``SymbolFeed.widen``.
        """
        session, instrument = self._need(), self.resolve(symbol)
        running = self._feeds.get(instrument.symbol)
        if running is not None:
            await running.widen(timeframes, warmup, WATCH_TIMEOUT_S)
            return
        instrument = await self._with_fees(session, instrument)
        session.emit(InstrumentListed(ts_ns=self._clock.now_ns(), instrument=instrument))
        if session.private is not None:  # now that the symbol is listed, its leverage is heard
            session.emit(await session.private.reads.read_modes())
        await asyncio.to_thread(session.market.scan, instrument)  # loads the compiled scanner
        feed = SymbolFeed(
            instrument, session.api, self._clock, session.emit, session.market.streams,
            timeframes=timeframes, bases=BASES, warmup=warmup,
            polls=AT_HOME if self._endpoints.local else Polls(),
        )  # fmt: skip
        if self._terms is not None:
            feed.set_status(self._terms.status(instrument.venue_symbol))
        self._feeds[instrument.symbol] = feed
        feed.start()
        try:
            await feed.whole(WATCH_TIMEOUT_S)
        except BaseException:
            await self._unwatch(instrument.symbol)
            raise
        feed.answer(timeframes)

    def resync(self, symbol: str, reason: str) -> None:
        """See ``Venue.resync``."""
        feed = self._feeds.get(symbol)
        if feed is not None:
            feed.resync(reason)

    async def _unwatch(self, symbol: str) -> None:
        feed = self._feeds.pop(symbol, None)
        if feed is not None:
            await feed.stop()

    # -- orders ----------------------------------------------------------------------------

    async def submit(self, request: OrderRequest, wanted: Wanted = always) -> Submitted:
        """See ``Venue.submit``."""
        outcome = await self._private().feed.orders.submit(request, wanted)
        if isinstance(outcome, OrderRejected) and self._terms is not None:
            await self._terms.on_refused(outcome.code)  # whoever tries again knows the new ones
        return outcome

    async def cancel(
        self, symbol: str, client_id: str, *, conditional: bool
    ) -> OrderCancelled | CancelFailed:
        """See ``Venue.cancel``."""
        return await self._private().feed.orders.cancel(symbol, client_id, conditional=conditional)

    async def amend_stop(
        self,
        symbol: str,
        client_id: str,
        size: Decimal,  # noqa: ARG002  (the protocol's)
        trigger_price: Decimal,  # noqa: ARG002
    ) -> OrderAmended | AmendFailed:
        """See ``Venue.amend_stop``; there is no such request here, and none is sent."""
        return cannot_amend(symbol, client_id, self._clock.now_ns())

    async def query(self, symbol: str, client_id: str, *, conditional: bool) -> OrderRead:
        """See ``Venue.query``."""
        return await self._private().feed.orders.query(symbol, client_id, conditional=conditional)

    # -- account ---------------------------------------------------------------------------

    async def read_account(self) -> Account:
        """See ``Venue.read_account``."""
        return await self._private().reads.read_account()

    async def read_state(self, fills_since_ns: int, symbols: Iterable[str] | None = None) -> VenueState:
        """See ``Venue.read_state``; fills from 0 are those of the last week."""
        named, private = {*self._feeds, *(symbols or ())}, self._private()
        state = await private.reads.read_state(fills_since_ns, named, whole=symbols is None)
        if symbols is None:
            private.feed.missed_since(fills_since_ns)
        return state

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        """See ``Venue.set_leverage``."""
        private, instrument = self._private(), self.resolve(symbol)
        self._elsewhere.set_leverage(instrument.symbol, leverage)
        await self._need().api.set_leverage(instrument.venue_symbol, plain(leverage))
        private.reads.leverages[instrument.venue_symbol] = leverage

    async def set_margin_mode(self, symbol: str, mode: MarginMode) -> None:
        """See ``Venue.set_margin_mode``."""
        private, instrument = self._private(), self.resolve(symbol)
        self._elsewhere.set_margin_mode(instrument.symbol, mode)
        await self._need().api.set_margin_type(instrument.venue_symbol, MARGIN_WORDS[mode])
        private.reads.margin_modes[instrument.venue_symbol] = mode

    async def set_position_mode(self, mode: PositionMode) -> None:
        """See ``Venue.set_position_mode``."""
        self._private()
        await self._need().api.set_hedge_mode("true" if mode is PositionMode.HEDGE else "false")

    # -- upkeep ----------------------------------------------------------------------------

    async def _keep_clock(self, session: Session) -> None:
        looks = 0
        while True:
            await asyncio.sleep(CLOCK_LOOK_S)
            session.api.server_clock.look()
            looks += 1
            if looks % CLOCK_LOOKS:
                continue
            try:
                await session.api.measure_clock()
            except VenueError as failure:
                log.warning("the venue's clock could not be read: %s", failure)

    async def _keep_health(self, session: Session) -> None:
        if session.private is not None:
            reads = session.private.reads
            await Health(session.api, reads, self._clock, session.emit, self._asset).keep()

    async def _with_fees(self, session: Session, instrument: Instrument) -> Instrument:
        """The terms with the account's own fee rates."""
        if session.private is None:
            return instrument
        rates = await session.api.commission(instrument.venue_symbol)
        fresh = replace(
            instrument, maker_fee=rates.maker_commission_rate, taker_fee=rates.taker_commission_rate
        )
        self._listing.put(fresh)
        return fresh

    def _heed(self, event: Event) -> None:
        """What our own events tell ourselves."""
        session = self._session
        if session is None or session.private is None:
            return
        match event:
            case LeverageChanged(symbol=symbol, leverage=leverage):
                session.private.reads.leverages[self._listing.unified[symbol].venue_symbol] = leverage
                reason = self._elsewhere.leverage(symbol, leverage)
                if reason and symbol in self._feeds:
                    self._halt(reason)
            case ModesRead():
                for reason in self._elsewhere.modes(event, self._feeds):
                    self._halt(reason)
            case FundingSettled(funding_ns=funding_ns):
                if funding_ns > session.api.server_clock.now_ns() - RECENT_NS:
                    session.private.feed.expect_funding(funding_ns)
            case _:
                pass

    def _halt(self, reason: str) -> None:
        """What only a person can put right: no entry until then."""
        if self._session is not None:
            self._session.emit(HaltAsked(ts_ns=self._clock.now_ns(), who=WHO, reason=reason))

    def _need(self) -> Session:
        if self._session is None:
            raise VenueUnreachable("the venue is not open")
        return self._session

    def _private(self) -> Private:
        private = self._need().private
        if private is None:
            raise CredentialsError("this venue was opened without a key: market data only")
        return private
