"""The contracts' terms, kept up: read at the opening, every minute, and when an order is refused for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from msgspec.structs import replace

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.domain.events import InstrumentListed
from contractdesk.domain.instrument import Instrument
from contractdesk.errors import VenueError
from contractdesk.venues.binance.dialect import NOT_TRADING, TERMS
from contractdesk.venues.binance.feed import SymbolFeed
from contractdesk.venues.binance.markets import Listing, read_instruments, read_statuses, symbol_rows
from contractdesk.venues.binance.session import Session

log = logging.getLogger(__name__)
PERIOD_S = 60.0
WEEK_MS = 7 * 86_400_000
RENEW_WITHIN_S = 1.5  # a stop that was refused for its terms waits for the new ones: it is wanted within 3 s
RENEWED_FOR_NS = 2 * NS_PER_S  # after a refusal they are read once; more of them in a row change nothing


class TermsKeeper:
    """Of one session; what is listed is changed in place."""

    def __init__(
        self, session: Session, listing: Listing, feeds: Mapping[str, SymbolFeed], clock: Clock
    ) -> None:
        self._session = session
        self._listing = listing
        self._feeds = feeds
        self._clock = clock
        self._seen: object = None  # what the last reading was made of
        self._statuses: dict[str, str] = {}  # by the venue's symbol
        self._traded: set[str] | None = set()  # within the week before the opening; None: it may be any
        self._traded_read = False
        self._renewed_ns = -RENEWED_FOR_NS

    async def keep(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            try:
                await self.load()
            except VenueError as failure:
                log.warning("the contracts' terms could not be read: %s", failure)

    async def on_refused(self, code: int) -> None:
        """An order was refused with this code: where that speaks of terms, ours may be old."""
        now_ns = self._clock.monotonic_ns()
        if code not in TERMS | NOT_TRADING or now_ns < self._renewed_ns + RENEWED_FOR_NS:
            return
        self._renewed_ns = now_ns
        try:
            await asyncio.wait_for(self.load(), RENEW_WITHIN_S)
        except (VenueError, TimeoutError) as failure:
            log.warning("an order was refused for its terms, and they could not be read: %s", failure)

    async def load(self) -> None:
        """List every contract; tell of those that are watched and have changed.

        One that has stopped trading is listed as long as it is held, or was traded lately: a position must
        never look flat, and its settlement is a fill. In none of those an entry is taken.
        """
        session, private = self._session, self._session.private is not None
        brackets = await session.api.brackets() if private else {}
        held = {row.symbol for row in await session.api.positions() if row.position_amt} if private else set()
        if private and not self._traded_read:  # one of these may have been settled while nobody was here
            since_ms = session.api.server_clock.now_ms() - WEEK_MS
            self._traded, self._traded_read = await session.api.traded_symbols(since_ms), True
        body = await session.api.exchange_info()
        statuses = read_statuses(body)
        held |= statuses.keys() if self._traded is None else self._traded
        made_of = (symbol_rows(body), brackets, held)
        if made_of == self._seen:
            return  # to read hundreds of contracts takes long, and they seldom change
        self._statuses = statuses
        for feed in self._feeds.values():
            feed.set_status(self.status(feed.instrument.venue_symbol))
        for fresh in read_instruments(body, brackets, session.unify, held).values():
            self._take(fresh)
        self._seen = made_of

    def status(self, venue_symbol: str) -> str:
        """The venue's word for what may be done in a contract; "" where it is listed no more."""
        return self._statuses.get(venue_symbol, "")

    def _take(self, terms: Instrument) -> None:
        symbol, fresh = terms.symbol, terms
        known = self._listing.unified.get(symbol)
        if known is not None:
            fresh = replace(terms, maker_fee=known.maker_fee, taker_fee=known.taker_fee)
        self._listing.put(fresh)
        feed = self._feeds.get(symbol)
        if known is None or known == fresh or feed is None:
            return
        feed.instrument = fresh
        self._session.market.scan(fresh)
        self._session.emit(InstrumentListed(ts_ns=self._clock.now_ns(), instrument=fresh))
        if (known.tick_size, known.lot_size) != (fresh.tick_size, fresh.lot_size):
            feed.resync("its tick or lot has changed")
