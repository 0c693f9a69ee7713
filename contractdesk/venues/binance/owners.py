"""Whose order a fill belongs to: userTrades names only the venue's id of the regular order.

Known from the stream, else learnt from the order histories of both books around that time, else asked
for one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

from contractdesk.errors import VenueRejected
from contractdesk.venues.binance import rows
from contractdesk.venues.binance.api import BinanceApi
from contractdesk.venues.binance.attribution import Attribution
from contractdesk.venues.binance.codec_user import OrderTradeUpdate
from contractdesk.venues.binance.dialect import ABSENT

DAY_MS = 86_400_000
FOREIGN = "foreign-"  # prefix of the id of an order that the venue itself has forgotten


class Owners:
    """Fills the attribution's table of venue ids."""

    def __init__(self, api: BinanceApi, known: Attribution[OrderTradeUpdate]) -> None:
        self._api = api
        self._known = known

    async def of(self, trades: Sequence[rows.UserTradeRow]) -> list[str]:
        """The client id of each trade's order, in the same order; all of one symbol."""
        strange = [row for row in trades if self._known.known(str(row.order_id)) is None]
        if strange:
            await self._learn(strange[0].symbol, strange[0].time)
        return [await self._one(row.symbol, str(row.order_id)) for row in trades]

    async def _learn(self, symbol: str, time_ms: int) -> None:
        """One page of each history, from a day before on. A stop's own id goes before its child's."""
        params = {"startTime": str(time_ms - DAY_MS), "endTime": str(time_ms + 5 * DAY_MS)}
        algos = await self._api.all_algo_orders(symbol, params)
        children = {row.child: row.client_algo_id for row in algos if row.child}
        for row in await self._api.all_orders(symbol, params):
            self._known.placed(str(row.order_id), row.client_order_id)
        for child, client_id in children.items():
            self._known.placed(child, client_id)

    async def _one(self, symbol: str, venue_id: str) -> str:
        known = self._known.known(venue_id)
        if known is None:
            known = await self._ask(symbol, venue_id)
            self._known.placed(venue_id, known)
        return known

    async def _ask(self, symbol: str, venue_id: str) -> str:
        try:
            return (await self._api.order_by_id(symbol, venue_id)).client_order_id
        except VenueRejected as refused:
            if refused.code in ABSENT:  # orders are kept for a shorter time than trades
                return f"{FOREIGN}{venue_id}"
            raise
