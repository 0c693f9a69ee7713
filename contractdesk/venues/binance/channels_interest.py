"""The channel of the open interest: no stream tells it, so it is read, its past first.

The venue counts contracts. Told is what they stand for: contracts x contract size, base of a linear
contract, quote of an inverse one. Neither depends on a price: a mere rise must not look like positions
being closed, as it would in the base that inverse contracts are worth.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from contractdesk.clock import NS_PER_MS, NS_PER_S
from contractdesk.domain.events import OpenInterestRead, StreamName
from contractdesk.errors import VenueUnreachable
from contractdesk.venues.binance.channels import Host
from contractdesk.venues.binance.codec_market import SymbolFact

PAST_ROWS = 61  # of five minutes: the longest window of the risk settings, and an hour more
PATIENCE_S = 8.0  # a symbol does not wait longer for it
PAST_AGAIN_NS = 300 * NS_PER_S  # after so long without a read there is a hole to be filled


class InterestChannel:
    """Open interest every so often. It never keeps a symbol from being ready: a rule judges its age."""

    name = "open interest"
    stream = StreamName.MARKET
    due = False
    topics: tuple[str, ...] = ()

    def __init__(self, host: Host) -> None:
        self._host = host
        self._tried = False
        self._due_ns = 0  # monotonic
        self._read_ns = 0  # venue time of the last read: a host that slept has a hole, too

    @property
    def whole(self) -> bool:
        """True once it has been asked for, so that a symbol becomes ready with its history."""
        return self._tried

    def on_up(self) -> None:
        """It needs no stream."""

    def on_down(self, reason: str) -> None:
        """It needs no stream."""

    def on_fact(self, fact: SymbolFact) -> None:
        """No fact of a stream concerns it."""

    async def serve(self) -> None:
        now_ns = self._host.clock.monotonic_ns()
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + int(self._host.polls.open_interest_s * NS_PER_S)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._read()
        except TimeoutError as late:
            raise VenueUnreachable("the open interest does not come") from late
        finally:
            self._tried = True

    async def _read(self) -> None:
        """The amount now; before it the past, where there is none yet or it has a hole."""
        host, venue_symbol = self._host, self._host.instrument.venue_symbol
        now_ns = host.api.server_clock.now_ns()
        if now_ns - self._read_ns > PAST_AGAIN_NS:
            for past in await host.api.open_interest_history(venue_symbol, PAST_ROWS):
                self._tell(past.sum_open_interest, past.timestamp)
        row = await host.api.open_interest(venue_symbol)
        self._tell(row.open_interest, row.time)
        self._read_ns = now_ns

    def _tell(self, amount: Decimal, time_ms: int) -> None:
        """``amount`` in contracts."""
        host = self._host
        host.emit(
            OpenInterestRead(
                ts_ns=host.clock.now_ns(),
                symbol=host.instrument.symbol,
                amount=amount * host.instrument.contract_size,
                venue_ns=time_ms * NS_PER_MS,
            )
        )
