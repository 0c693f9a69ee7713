"""Binance's past over REST: aggregated trades by their ids, everything else by its own time.

Two trades may share a millisecond and a page ends anywhere, so trades are paged by id; an id that the
venue left out shows as a gap. Bars, rates and open interest have one row a time. Limits are kept by the
same queue that a desk uses, in its least urgent class: a desk at this address goes first.
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

from contractdesk.clock import NS_PER_MS, NS_PER_S, Clock
from contractdesk.domain.events import Event, VenueSilenced
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import Bar, timeframe_ns
from contractdesk.domain.orders import Side
from contractdesk.errors import VenueProtocolError, VenueUnreachable
from contractdesk.venues.binance.api import PAGE, BinanceApi
from contractdesk.venues.binance.connect import Patience, connect
from contractdesk.venues.binance.endpoints import Endpoints
from contractdesk.venues.binance.markets import Listing, read_instruments
from contractdesk.venues.binance.product import Product
from contractdesk.venues.binance.rows import AggTradeRow
from contractdesk.venues.binance.translate import bar_of
from contractdesk.venues.binance.venue import NATIVE
from contractdesk.venues.limits import Quota
from contractdesk.venues.past import OnSilence, Page, PastTrade, PastValue, Span

OPEN_LIMIT_S = 20.0
HOUR_MS = 3_600_000  # the longest stretch in which the venue looks for trades by time
DAY_NS = 86_400 * NS_PER_S
FRESH_NS = 10 * NS_PER_S  # younger trades and bars may still change in the venue's answers
RATE_FRESH_NS = 60 * NS_PER_S  # a settlement is listed some seconds after its time
INTEREST_FRESH_NS = 900 * NS_PER_S  # statistics are published with some delay
INTEREST_KEPT_NS = 30 * DAY_NS - 3_600 * NS_PER_S  # the venue has a month of them
INTEREST_STEP_MS = 300_000
FIRST_ID = 1  # at most, of a contract's first trade
STRIDE = 1_024  # how much farther back each look for the first trade goes, until halves are less
INTEREST_PAGE = 500
DISORDER_MS = 1_000  # by which times may go back where ids go on
PATIENT = Patience(retry_base_s=0.5, retry_cap_s=30.0, retries=8, read_limit_s=900.0)


class BinancePast:
    """One of the two products, without a key."""

    name = "binance"
    timeframes = NATIVE

    def __init__(
        self,
        where: Endpoints,
        product: Product,
        clock: Clock,
        *,
        seed: int | None = None,
        quota: Quota | None = None,
    ) -> None:
        """``seed`` makes the jitter repeatable."""
        self._where, self._product, self._clock, self._quota = where, product, clock, quota
        self._random = random.Random(seed).random  # noqa: S311  (jitter, not secrets)
        self._listing = Listing()
        self._opened: BinanceApi | None = None

    async def open(self, on_silence: OnSilence) -> None:
        """See ``Past.open``. VenueUnreachable soon where nobody answers: the address may be wrong."""
        limit = asyncio.timeout(None)

        def tell(event: Event) -> None:
            if isinstance(event, VenueSilenced):
                if not self._listing.unified:
                    limit.reschedule(None)  # somebody did answer
                on_silence(event.until_ns)

        api, unify = await connect(
            self._product, self._where, None, self._clock, tell, self._random, self._quota, PATIENT
        )
        self._opened = api
        try:
            async with limit:
                limit.reschedule(asyncio.get_running_loop().time() + OPEN_LIMIT_S)
                await api.measure_clock()
                listed = read_instruments(await api.exchange_info(), {}, unify)
        except TimeoutError:
            raise VenueUnreachable(f"{self._where.rest_url} does not answer") from None
        for instrument in listed.values():
            self._listing.put(instrument)

    async def close(self) -> None:
        """End the HTTP session."""
        if self._opened is not None:
            await self._opened.client.close()

    def now_ns(self) -> int:
        return self._api.server_clock.now_ns()

    def find(self, symbol: str) -> Instrument:
        """See ``Past.find``."""
        return self._listing.find(symbol)

    # -- trades ----------------------------------------------------------------------------

    async def agg_trades(self, instrument: Instrument, span: Span) -> AsyncIterator[Page[PastTrade]]:
        """See ``Past``: the first by time, all others by id."""
        span = self._certain(span, FRESH_NS)
        if not span.length_ns:
            return
        symbol, start_ms, end_ms = instrument.venue_symbol, _ms(span.start_ns), _ms(span.end_ns)
        rows, whole = await self._first_trades(symbol, max(0, start_ms - DISORDER_MS), end_ms)
        reached_ns = span.start_ns
        if not whole:  # older ones may have been there once
            reached_ns = max(reached_ns, rows[0].time_ms * NS_PER_MS if rows else span.end_ns)
        while rows:
            last = rows[-1]
            wanted = tuple(_trade(row) for row in rows if start_ms <= row.time_ms < end_ms)
            done = last.time_ms >= end_ms + DISORDER_MS
            safe_ns = span.end_ns if done else min((last.time_ms - DISORDER_MS) * NS_PER_MS, span.end_ns)
            began_ns, reached_ns = reached_ns, max(reached_ns, safe_ns)
            yield Page(wanted, Span(began_ns, reached_ns))
            rows = [] if done else await self._trades_after(symbol, last)
        yield Page((), Span(reached_ns, span.end_ns))

    async def _first_trades(self, symbol: str, start_ms: int, end_ms: int) -> tuple[list[AggTradeRow], bool]:
        """A page that begins with the first trade from ``start_ms`` on, and whether none can be before it.

        What the venue finds by time is a hint: of more than a page it may tell the last ones.
        """
        until_ms = min(end_ms, start_ms + HOUR_MS) - 1
        rows = await self._api.agg_trades(symbol, {"startTime": str(start_ms), "endTime": str(until_ms)})
        hint = rows or await self._api.agg_trades(symbol, {"limit": "1"})
        if not rows and (until_ms == end_ms - 1 or not hint or hint[0].time_ms < start_ms):
            return [], True
        first, whole = await self._search(symbol, start_ms, hint[0].a)
        if rows and rows[0].a == first:
            return rows, whole
        return await self._api.agg_trades(symbol, {"fromId": str(first)}), whole

    async def _search(self, symbol: str, start_ms: int, first: int) -> tuple[int, bool]:
        """The id of the first trade from ``start_ms`` on, and whether the venue told what is before it.

        ``first`` is from then or later. The one before it is asked first, farther ones by halves.
        """
        low, high, step, seen = -1, first, 1, False
        while high - low > 1:
            probe = max((low + high) // 2, high - step)
            found = await self._api.agg_trades(symbol, {"fromId": str(probe), "limit": "1"})
            if found and found[0].time_ms >= start_ms:
                first, high, step = found[0].a, probe, step * STRIDE
            else:
                low, seen = found[0].a if found else probe, seen or bool(found)
        return first, seen or first <= FIRST_ID

    async def _trades_after(self, symbol: str, last: AggTradeRow) -> list[AggTradeRow]:
        rows = await self._api.agg_trades(symbol, {"fromId": str(last.a + 1)})
        if rows and rows[0].a <= last.a:
            raise VenueProtocolError(self.name, repr(rows[0]).encode())
        return rows

    # -- one row a time --------------------------------------------------------------------

    async def bars(self, instrument: Instrument, timeframe: str, span: Span) -> AsyncIterator[Page[Bar]]:
        """See ``Past``."""
        length_ns = timeframe_ns(timeframe)
        span = self._certain(span, FRESH_NS + length_ns)
        reached_ns = span.start_ns
        while reached_ns < span.end_ns:
            began_ns, end_ns = reached_ns, span.end_ns
            if self._product.last_bars:
                end_ns = min(began_ns + PAGE * length_ns, end_ns)
            asked = {"startTime": str(_ms(began_ns)), "endTime": str(_ms(end_ns) - 1)}
            rows = await self._api.klines(instrument.venue_symbol, timeframe, asked)
            more = len(rows) == PAGE and not self._product.last_bars
            reached_ns = rows[-1][0] * NS_PER_MS + length_ns if more else end_ns
            reached_ns = min(max(reached_ns, began_ns + 1), span.end_ns)
            yield Page(tuple(bar_of(row) for row in rows), Span(began_ns, reached_ns))

    async def funding_rates(self, instrument: Instrument, span: Span) -> AsyncIterator[Page[PastValue]]:
        """See ``Past``."""
        span = self._certain(span, RATE_FRESH_NS)
        reached_ns = span.start_ns
        while reached_ns < span.end_ns:
            rows = await self._api.funding_rates(instrument.venue_symbol, _ms(reached_ns))
            told = [PastValue(row.funding_time * NS_PER_MS, row.funding_rate) for row in rows]
            began_ns = reached_ns
            reached_ns = told[-1].venue_ns + 1 if len(told) == PAGE else span.end_ns
            reached_ns = min(max(reached_ns, began_ns + 1), span.end_ns)
            wanted = tuple(row for row in told if row.venue_ns < span.end_ns)
            yield Page(wanted, Span(began_ns, reached_ns))

    async def open_interest(self, instrument: Instrument, span: Span) -> AsyncIterator[Page[PastValue]]:
        """See ``Past``. The venue answers with the last rows of a stretch: none is longer than a page."""
        span = self._certain(span, INTEREST_FRESH_NS)
        oldest_ns = self.now_ns() - INTEREST_KEPT_NS
        reached_ns = max(span.start_ns, oldest_ns)
        while reached_ns < span.end_ns:
            start_ms = -(-_ms(reached_ns) // INTEREST_STEP_MS) * INTEREST_STEP_MS
            next_ms = start_ms + INTEREST_PAGE * INTEREST_STEP_MS
            end_ms = min(next_ms, _ms(span.end_ns)) - 1
            rows = []
            if start_ms <= end_ms:
                asked = {"startTime": str(start_ms), "endTime": str(end_ms)}
                rows = await self._api.open_interest_history(instrument.venue_symbol, INTEREST_PAGE, asked)
            size = instrument.contract_size
            told = [PastValue(row.timestamp * NS_PER_MS, row.sum_open_interest * size) for row in rows]
            began_ns, reached_ns = reached_ns, min(next_ms * NS_PER_MS, span.end_ns)
            wanted = tuple(row for row in told if began_ns <= row.venue_ns < reached_ns)
            yield Page(wanted, Span(began_ns, reached_ns))

    # -- inside ----------------------------------------------------------------------------

    @property
    def _api(self) -> BinanceApi:
        if self._opened is None:
            raise RuntimeError("open comes first")
        return self._opened

    def _certain(self, span: Span, age_ns: int) -> Span:
        """The part of it that is at least so old."""
        return Span(span.start_ns, min(span.end_ns, self.now_ns() - age_ns))


def _ms(ns: int) -> int:
    """The first millisecond that is not before ``ns``."""
    return -(-ns // NS_PER_MS)


def _trade(row: AggTradeRow) -> PastTrade:
    return PastTrade(
        trade_id=row.a,
        price=row.p,
        size=row.q,
        taker=Side.SELL if row.m else Side.BUY,
        venue_ns=row.time_ms * NS_PER_MS,
        first_id=row.first,
        last_id=row.last,
    )
