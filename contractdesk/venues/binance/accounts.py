"""Reading the account: balances, positions, modes, open orders, fills; completely or not at all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from typing import TypeVar

from contractdesk.clock import NS_PER_MS, NS_PER_S, Clock
from contractdesk.domain.account import Account, MarginMode, PositionMode
from contractdesk.domain.events import ModesRead, VenueOrder
from contractdesk.domain.fills import Fill
from contractdesk.domain.instrument import Instrument
from contractdesk.errors import VenueUnreachable
from contractdesk.venues.base import Check, VenueState
from contractdesk.venues.binance import rows
from contractdesk.venues.binance.api import PAGE, BinanceApi
from contractdesk.venues.binance.orders import Orders
from contractdesk.venues.binance.translate import (
    MARGIN_MODES,
    account_of,
    algo_of,
    fill_of,
    order_of,
)

STEADY_TRIES = 3  # how often a moving picture is taken again
WEEK_MS = 7 * 86_400_000 - 1  # userTrades answers for at most so long a time
MAX_WINDOWS = 13  # the venue keeps three months
MAX_PAGES = 50
STREAM_LAG_MS = 3_000  # the stream tells of a fill within milliseconds
# The orders of all symbols and the symbols traded cost 110 of the minute's 2,400, those of one symbol 2:
# what nobody here has named is looked at this often, and whatever is watched or held each time.
WHOLE_EVERY_NS = 60 * NS_PER_S
FEW = 10  # more symbols than that are as many requests: all at once are sooner

Row = TypeVar("Row")


class Accounts:
    """One account, read over REST."""

    def __init__(
        self,
        api: BinanceApi,
        clock: Clock,
        orders: Orders,
        by_venue: Mapping[str, Instrument],
        instruments: Mapping[str, Instrument],
        asset: str,
        deaf: Callable[[str], None],
    ) -> None:
        """``deaf(reason)`` is told of a fill that the private stream never reported."""
        self._api = api
        self._clock = clock
        self._orders = orders
        self._by_venue = by_venue
        self._instruments = instruments
        self._asset = asset
        self._deaf = deaf
        self._opened_ms = api.server_clock.now_ms()
        self._whole_ns: int | None = None  # monotonic: when all symbols were last read
        self._conditional: Counter[str] = Counter()  # open ones by symbol, as of then
        self.leverages: dict[str, Decimal] = {}  # by the venue's symbol
        self.margin_modes: dict[str, MarginMode] = {}
        self.config: rows.AccountConfigRow | None = None

    async def read_modes(self) -> ModesRead:
        """Position mode, and margin mode and leverage of every listed symbol."""
        config, configs = await asyncio.gather(self._api.account_config(), self._api.symbol_configs())
        self.config = config
        for row in configs:
            self.leverages[row.symbol] = row.leverage
            self.margin_modes[row.symbol] = MARGIN_MODES.get(row.margin_type, MarginMode.CROSS)
        known = [row.symbol for row in configs if row.symbol in self._by_venue]
        return ModesRead(
            ts_ns=self._clock.now_ns(),
            position_mode=PositionMode.HEDGE if config.dual_side_position else PositionMode.ONE_WAY,
            margin_modes={self._by_venue[symbol].symbol: self.margin_modes[symbol] for symbol in known},
            leverages={self._by_venue[symbol].symbol: self.leverages[symbol] for symbol in known},
        )

    async def read_account(self) -> Account:
        """Balances and positions of one moment, as near as two requests come."""
        asked_ns = self._api.server_clock.now_ns()
        account, positions = await asyncio.gather(self._api.account(), self._api.positions())
        return self._account(account, positions, asked_ns)

    async def read_state(
        self, fills_since_ns: int, symbols: Iterable[str], *, whole: bool = False
    ) -> VenueState:
        """Account, open orders of both books and fills since then; positions did not move meanwhile.

        Read for ``symbols`` and for whatever has a position; ``whole``, and at least each
        ``WHOLE_EVERY_NS``: also for what has an order, or was traded since then. Any read that fails, and a
        picture that never stands still, is a VenueError.
        """
        since_ms = self._earliest(fills_since_ns // NS_PER_MS)
        watched, now_ns = {*symbols} & self._instruments.keys(), self._clock.monotonic_ns()
        due = self._whole_ns is None or now_ns - self._whole_ns >= WHOLE_EVERY_NS
        whole = whole or due or len(watched) > FEW
        traded = await self._traded(since_ms) if whole else set()
        before = await self._api.positions()
        for _ in range(STEADY_TRIES):
            asked_ns = self._api.server_clock.now_ns()
            wanted = watched | traded | self._held(before)
            of = [""] if whole else sorted(wanted)
            orders, algos, account = await asyncio.gather(
                self._open_orders(of), self._open_algos(of), self._api.account()
            )
            fills: list[Fill] = []
            for symbol in sorted(wanted.union(order.symbol for order in (*orders, *algos))):
                fills.extend(await self._fills(symbol, since_ms))
            after = await self._api.positions()
            if _sizes(before) == _sizes(after):
                if whole:
                    self._whole_ns, self._conditional = now_ns, Counter(order.symbol for order in algos)
                left_out = set() if whole else self._conditional.keys() - wanted
                return VenueState(
                    account=self._account(account, after, asked_ns),
                    orders=(*orders, *algos),
                    fills=tuple(fills),
                    conditional_elsewhere=sum(self._conditional[symbol] for symbol in left_out),
                )
            before = after
        raise VenueUnreachable("the positions kept changing while they were read")

    async def _traded(self, since_ms: int) -> set[str]:
        """Unified, and maybe traded since then: all, where the venue has too much to tell."""
        found = await self._api.traded_symbols(since_ms)
        return {*self._instruments} if found is None else self._named(found)

    def _held(self, rows_: list[rows.PositionRow]) -> set[str]:
        """The unified symbols with a position; COIN-M lists flat ones, too."""
        return self._named(row.symbol for row in rows_ if row.position_amt)

    def _named(self, venue_symbols: Iterable[str]) -> set[str]:
        return {self._by_venue[symbol].symbol for symbol in venue_symbols if symbol in self._by_venue}

    def _account(self, account: rows.AccountRow, positions: list[rows.PositionRow], asked_ns: int) -> Account:
        """Dated by the question: what the stream told since then is newer than the answer may be."""
        return account_of(account, positions, self._by_venue, self.leverages, self._asset, asked_ns)

    async def _open_orders(self, symbols: Iterable[str]) -> list[VenueOrder]:
        """Of each of these symbols; of all of them for an empty one."""
        return [
            order_of(row, instrument, self._orders.name(row))
            for row in await self._of_each(symbols, self._api.open_orders)
            if (instrument := self._by_venue.get(row.symbol))
        ]

    async def _open_algos(self, symbols: Iterable[str]) -> list[VenueOrder]:
        """Likewise."""
        found = []
        for row in await self._of_each(symbols, self._api.open_algo_orders):
            if instrument := self._by_venue.get(row.symbol):
                self._orders.adopt(row)
                found.append(algo_of(row, instrument, None))
        return found

    async def _of_each(self, symbols: Iterable[str], ask: Callable[[str], Awaitable[list[Row]]]) -> list[Row]:
        venue_symbols = [self._instruments[symbol].venue_symbol if symbol else "" for symbol in symbols]
        answers = await asyncio.gather(*(ask(symbol) for symbol in venue_symbols))
        return [row for answer in answers for row in answer]

    async def _fills(self, symbol: str, since_ms: int) -> list[Fill]:
        """All of them, in windows of a week."""
        fills: list[Fill] = []
        while since_ms <= self._api.server_clock.now_ms():
            fills.extend(await self._window(self._instruments[symbol], since_ms))
            since_ms += WEEK_MS + 1
        return fills

    def _earliest(self, since_ms: int) -> int:
        """From 0 means: the last week; the venue keeps no more than MAX_WINDOWS of them."""
        now_ms = self._api.server_clock.now_ms()
        return max(since_ms or now_ms - WEEK_MS, now_ms - MAX_WINDOWS * WEEK_MS)

    async def _window(self, instrument: Instrument, start_ms: int) -> list[Fill]:
        fills: list[Fill] = []
        end_ms = start_ms + WEEK_MS
        params = {"startTime": str(start_ms), "endTime": str(end_ms)}
        for _ in range(MAX_PAGES):
            trades = await self._api.user_trades(instrument.venue_symbol, params)
            owners = await self._orders.owners.of(trades)
            for row, owner in zip(trades, owners, strict=True):
                self._listen(row)
                if row.time <= end_ms:
                    fills.append(fill_of(row, instrument, owner, self._clock.now_ns()))
            if len(trades) < PAGE or trades[-1].time > end_ms:
                return fills
            params = {"fromId": str(trades[-1].id + 1)}
        raise VenueUnreachable(f"more than {MAX_PAGES * PAGE} fills of {instrument.symbol} in a week")

    def _listen(self, row: rows.UserTradeRow) -> None:
        """A fill that is read long after it happened, and was never streamed: nobody speaks there."""
        due = self._opened_ms < row.time < self._api.server_clock.now_ms() - STREAM_LAG_MS
        if due and self._orders.missed(row.symbol, row.id):
            self._deaf(f"fill {row.id} of {row.symbol} was never told")


def check_modes(
    config: rows.AccountConfigRow | None, margin_modes: Mapping[str, MarginMode], watched: Iterable[str]
) -> tuple[Check, ...]:
    """The rows of the preflight table on the account's modes; ``watched`` by the venue's symbols.

    Supported: one-way positions, single-asset margin, cross margin.
    """
    if config is None:
        return ()
    isolated = [symbol for symbol in watched if margin_modes.get(symbol) is MarginMode.ISOLATED]
    return (
        Check(
            name="account may trade",
            passed=config.can_trade,
            found="yes" if config.can_trade else "no",
            advice="the venue has suspended trading for this account: ask its support",
        ),
        Check(
            name="position mode",
            passed=not config.dual_side_position,
            found="hedge" if config.dual_side_position else "one-way",
            advice="hedge mode is not supported: close all positions and orders, then set one-way mode",
        ),
        Check(
            name="multi-assets margin",
            passed=not config.multi_assets_margin,
            found="on" if config.multi_assets_margin else "off",
            advice="equity in several assets is not supported: switch to single-asset mode",
        ),
        Check(
            name="margin mode",
            passed=not isolated,
            found=f"isolated for {', '.join(isolated)}" if isolated else "cross",
            advice="isolated margin is not supported: set cross margin for these symbols",
        ),
    )


def _sizes(positions: Iterable[rows.PositionRow]) -> dict[tuple[str, str], Decimal]:
    return {(row.symbol, row.position_side): row.position_amt for row in positions if row.position_amt}
