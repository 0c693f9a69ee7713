"""The account, looked at every 30 s: modes and leverages, and whether the ledger explains the wallet.

A wallet that has moved by more than 1.5 % for no reason that the venue's ledger names (profits, fees,
funding, transfers) is money that somebody else moves: entries are halted, once for each such move.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate

from msgspec import Struct

from contractdesk.clock import Clock
from contractdesk.domain.events import HaltAsked
from contractdesk.errors import VenueError
from contractdesk.venues.base import Emit
from contractdesk.venues.binance import rows
from contractdesk.venues.binance.accounts import Accounts
from contractdesk.venues.binance.api import BinanceApi

log = logging.getLogger(__name__)
PERIOD_S = 30.0
LIMIT = Decimal("0.015")  # of the wallet
EDGE_MS = 2_000  # a booking so near to a reading may be in it or not
LEDGER_LAG_S = 3.0  # the venue's ledger is behind its wallet
WHO = "venue"


class Reading(Struct, frozen=True):
    """The wallet as it was read, between two instants of the venue's time."""

    wallet: Decimal
    from_ms: int
    until_ms: int


class Health:
    """Of one account, for as long as its venue is open."""

    def __init__(self, api: BinanceApi, reads: Accounts, clock: Clock, emit: Emit, asset: str) -> None:
        self._api = api
        self._reads = reads
        self._clock = clock
        self._emit = emit
        self._asset = asset
        self._known: Reading | None = None

    async def keep(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except VenueError as failure:
                log.warning("the account could not be looked at: %s", failure)
            await asyncio.sleep(PERIOD_S)

    async def look(self) -> None:
        """Once; VenueError where it cannot be read."""
        self._emit(await self._reads.read_modes())
        known, now = self._known, await self._read()
        if known is not None and abs(await self._unexplained(known, now)) > LIMIT * known.wallet:
            await asyncio.sleep(LEDGER_LAG_S)
            now = await self._read()
            moved = await self._unexplained(known, now)
            if abs(moved) > LIMIT * known.wallet:
                self._halt(known, moved)
        self._known = now

    async def _read(self) -> Reading:
        from_ms = self._api.server_clock.now_ms()
        account = await self._reads.read_account()
        return Reading(account.wallet_balance, from_ms, self._api.server_clock.now_ms())

    async def _unexplained(self, known: Reading, now: Reading) -> Decimal:
        booked = [row for row in await self._api.income(known.from_ms - EDGE_MS) if row.asset == self._asset]
        return unexplained(known, now, booked)

    def _halt(self, known: Reading, moved: Decimal) -> None:
        share = moved / known.wallet if known.wallet else Decimal(1)
        reason = (
            f"the wallet has moved by {moved:+.2f} {self._asset} ({share:+.1%}), which no profit, fee, "
            "funding or transfer of the venue's ledger explains; find out who did it"
        )
        self._emit(HaltAsked(ts_ns=self._clock.now_ns(), who=WHO, reason=reason))


def unexplained(known: Reading, now: Reading, booked: Sequence[rows.IncomeRow]) -> Decimal:
    """What the bookings, ascending, leave of the wallet's move; + it has grown.

    Those at the edges may belong to either side of a reading: taken is what explains most.
    """
    move = now.wallet - known.wallet
    inside = [row for row in booked if row.time <= now.until_ms + EDGE_MS]
    sure = sum(
        (r.income for r in inside if known.until_ms + EDGE_MS < r.time < now.from_ms - EDGE_MS), Decimal(0)
    )
    before = [row.income for row in inside if row.time <= known.until_ms + EDGE_MS]
    after = [
        row.income
        for row in inside
        if row.time >= now.from_ms - EDGE_MS and row.time > known.until_ms + EDGE_MS
    ]
    earlier = accumulate(reversed(before), initial=Decimal(0))  # of those last in time, more and more
    later = tuple(accumulate(after, initial=Decimal(0)))
    return min((move - sure - left - right for left in earlier for right in later), key=abs)
