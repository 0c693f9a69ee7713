"""Binance futures over REST: each method one endpoint, typed in, typed out, with its priority.

What is said here is USDⓈ-M's way; COIN-M's deviations stand in ``api_coin``.

All raise VenueError; what each kind asks of the caller stands in ``contractdesk.errors``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

import msgspec

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.instrument import Instrument
from contractdesk.errors import (
    OutcomeLost,
    VenueError,
    VenueProtocolError,
    VenueRejected,
    VenueUnreachable,
)
from contractdesk.venues.base import Wanted, always
from contractdesk.venues.binance import endpoints as at
from contractdesk.venues.binance import rows
from contractdesk.venues.binance.codec_market import decode_snapshot
from contractdesk.venues.binance.dialect import BAD_KEY, Code
from contractdesk.venues.binance.product import Product
from contractdesk.venues.book_sync import DepthSnapshot
from contractdesk.venues.credentials import KeyScopes, remember
from contractdesk.venues.key_gate import KeyGate
from contractdesk.venues.limits import Priority
from contractdesk.venues.outage import Outage
from contractdesk.venues.rest import Endpoint, Reply, RestClient
from contractdesk.venues.server_clock import ServerClock, TimeSample

T = TypeVar("T")
PAGE = 1_000  # rows: the most that the venue's lists hold
DEPTH_LEVELS = 1_000
CLOCK_SAMPLES = 5
MAX_PAGES = 20
NOTHING: Mapping[str, str] = MappingProxyType({})
UNSIGNED = ("Public", "Data")  # how the names of those sections end


class BinanceApi:
    """One account's REST face."""

    def __init__(self, client: RestClient, server_clock: ServerClock, product: Product) -> None:
        self.client = client
        self.product = product
        self.server_clock = server_clock
        self.on_key_refused: Callable[[VenueRejected], None] = lambda _: None
        self._gate = KeyGate()
        self._outage = Outage()
        self._measuring = asyncio.Lock()

    # -- public ----------------------------------------------------------------------------

    async def measure_clock(self) -> float:
        """Measure and adopt the venue's clock; returns its offset to ours in ms."""
        return (await self.server_clock.measure(self._read_time, CLOCK_SAMPLES)).offset_ms

    async def exchange_info(self) -> bytes:
        """The raw answer: ``markets.read_instruments`` reads it."""
        return (await self._send(at.EXCHANGE_INFO, {}, Priority.RECONCILE)).body

    async def depth(self, instrument: Instrument) -> DepthSnapshot:
        """The whole book, as far as the venue shows it."""
        params = {"symbol": instrument.venue_symbol, "limit": str(DEPTH_LEVELS)}
        reply = await self._send(at.DEPTH, params, Priority.RECONCILE)
        return decode_snapshot(reply.body, instrument)

    async def depth_id(self, symbol: str) -> int:
        """``lastUpdateId`` of the book now; cheap."""
        params = {"symbol": symbol, "limit": "5"}
        reply = await self._send(at.DEPTH, params, Priority.DATA, weight=2)
        return read(reply, rows.DepthHead).last_update_id

    async def klines(self, symbol: str, timeframe: str, params: Mapping[str, str]) -> list[rows.Kline]:
        """Ascending; the last one may still be open."""
        asked = {"symbol": symbol, "interval": timeframe, "limit": str(PAGE), **params}
        return read(await self._send(at.KLINES, asked, Priority.DATA), list[rows.Kline])

    async def agg_trades(self, symbol: str, params: Mapping[str, str]) -> list[rows.AggTradeRow]:
        """Ascending by id; at most PAGE."""
        asked = {"symbol": symbol, "limit": str(PAGE), **params}
        return read(await self._send(at.AGG_TRADES, asked, Priority.DATA), list[rows.AggTradeRow])

    async def funding_rates(self, symbol: str, since_ms: int) -> list[rows.FundingRow]:
        """Settled rates, ascending."""
        params = {"symbol": symbol, "startTime": str(since_ms), "limit": str(PAGE)}
        return read(await self._send(at.FUNDING_RATE, params, Priority.DATA), list[rows.FundingRow])

    async def open_interest(self, symbol: str) -> rows.OpenInterestRow:
        """In contracts, now."""
        reply = await self._send(at.OPEN_INTEREST, {"symbol": symbol}, Priority.DATA)
        return read(reply, rows.OpenInterestRow)

    async def open_interest_history(
        self, symbol: str, limit: int, span: Mapping[str, str] = NOTHING
    ) -> list[rows.OpenInterestPastRow]:
        """The last ``limit`` rows of five minutes, in contracts, ascending; at most 500.

        ``span``: startTime and endTime, if any.
        """
        return await self._open_interest_history({"symbol": symbol, **span}, limit)

    async def _open_interest_history(
        self, asked: Mapping[str, str], limit: int
    ) -> list[rows.OpenInterestPastRow]:
        params = {**asked, "period": "5m", "limit": str(limit)}
        reply = await self._send(at.OPEN_INTEREST_HISTORY, params, Priority.DATA)
        return read(reply, list[rows.OpenInterestPastRow])

    async def mark_time_ms(self, symbol: str) -> int:
        """Venue time of the latest mark price."""
        reply = await self._send(at.PREMIUM_INDEX, {"symbol": symbol}, Priority.DATA)
        return read(reply, rows.PremiumRow).time

    # -- account ---------------------------------------------------------------------------

    async def account(self) -> rows.AccountRow:
        return read(await self._send(self.product.account, {}, Priority.RECONCILE), rows.AccountRow)

    async def positions(self) -> list[rows.PositionRow]:
        return read(await self._send(self.product.positions, {}, Priority.RECONCILE), list[rows.PositionRow])

    async def brackets(self) -> dict[str, rows.BracketRow]:
        """By the venue's symbol."""
        reply = await self._send(self.product.brackets, {}, Priority.RECONCILE)
        return {row.symbol: row for row in read(reply, list[rows.BracketRow])}

    async def commission(self, symbol: str) -> rows.CommissionRow:
        return read(await self._send(at.COMMISSION, {"symbol": symbol}, Priority.DATA), rows.CommissionRow)

    async def symbol_configs(self) -> list[rows.SymbolConfigRow]:
        """Leverage and margin type of every symbol."""
        reply = await self._send(at.SYMBOL_CONFIG, {}, Priority.RECONCILE)
        return read(reply, list[rows.SymbolConfigRow])

    async def account_config(self) -> rows.AccountConfigRow:
        return read(await self._send(at.ACCOUNT_CONFIG, {}, Priority.RECONCILE), rows.AccountConfigRow)

    async def key_scopes(self) -> KeyScopes:
        row = read(await self._send(at.KEY_SCOPES, {}, Priority.RECONCILE), rows.ScopesRow)
        return KeyScopes(
            read=row.enable_reading,
            contracts=row.enable_futures,
            withdraw=row.enable_withdrawals,
            transfer=row.enable_internal_transfer or row.permits_universal_transfer,
            spot=row.enable_spot_and_margin_trading,
            ip_restricted=row.ip_restrict,
        )

    async def funding_income(self, since_ms: int) -> list[rows.IncomeRow]:
        """Funding payments, ascending."""
        params = {"incomeType": "FUNDING_FEE", "startTime": str(since_ms), "limit": str(PAGE)}
        return read(await self._send(at.INCOME, params, Priority.RECONCILE), list[rows.IncomeRow])

    async def income(self, since_ms: int) -> list[rows.IncomeRow]:
        """Every booking since then, ascending."""
        found: list[rows.IncomeRow] = []
        for page in range(1, MAX_PAGES + 1):
            params = {"startTime": str(since_ms), "limit": str(PAGE), "page": str(page)}
            booked = read(await self._send(at.INCOME, params, Priority.RECONCILE), list[rows.IncomeRow])
            found += booked
            if len(booked) < PAGE:
                return found
        raise VenueUnreachable(f"more than {MAX_PAGES * PAGE} bookings: ask for less time")

    async def traded_symbols(self, since_ms: int) -> set[str] | None:
        """The venue's symbols in which a commission was booked since then.

        None where more were booked than MAX_PAGES hold, by whatever program: it may be any symbol.
        """
        params = {"incomeType": "COMMISSION", "startTime": str(since_ms), "limit": str(PAGE)}
        found: set[str] = set()
        for page in range(1, MAX_PAGES + 1):
            asked = {**params, "page": str(page)}
            booked = read(await self._send(at.INCOME, asked, Priority.RECONCILE), list[rows.IncomeRow])
            found.update(row.symbol for row in booked)
            if len(booked) < PAGE:
                return found
        return None

    async def user_trades(self, symbol: str, params: Mapping[str, str]) -> list[rows.UserTradeRow]:
        """Ascending by id; at most PAGE."""
        asked = {"symbol": symbol, "limit": str(PAGE), **params}
        return read(await self._send(at.USER_TRADES, asked, Priority.RECONCILE), list[rows.UserTradeRow])

    async def set_leverage(self, symbol: str, leverage: str) -> None:
        await self._send(at.SET_LEVERAGE, {"symbol": symbol, "leverage": leverage}, Priority.ENTRY)

    async def set_margin_type(self, symbol: str, word: str) -> None:
        """A margin type that is already set is no error."""
        params = {"symbol": symbol, "marginType": word}
        await self._set(at.SET_MARGIN_TYPE, params, Code.NO_NEED_TO_CHANGE_MARGIN_TYPE)

    async def set_hedge_mode(self, word: str) -> None:
        """``true`` or ``false``; a mode that is already set is no error."""
        params = {"dualSidePosition": word}
        await self._set(at.SET_POSITION_SIDE, params, Code.NO_NEED_TO_CHANGE_POSITION_SIDE)

    # -- orders ----------------------------------------------------------------------------

    async def create(
        self,
        params: Mapping[str, str],
        priority: Priority,
        patience_s: float | None,
        wanted: Wanted = always,
    ) -> bytes:
        """POST order, or algoOrder where the parameters name an algoType. Sent once.

        A timestamp that the venue refused was not executed: then the clock is measured anew and the
        order signed anew, once, where it is ``wanted`` still.
        """
        endpoint = at.NEW_ALGO_ORDER if "algoType" in params else at.NEW_ORDER
        return (await self._send(endpoint, params, priority, patience_s=patience_s, wanted=wanted)).body

    async def cancel(self, symbol: str, client_id: str, *, conditional: bool) -> bytes:
        """The answer as it came: of a regular order it is the order's row."""
        endpoint, params = _by_client_id(
            at.CANCEL_ALGO_ORDER if conditional else at.CANCEL_ORDER, symbol, client_id, conditional
        )
        return (await self._send(endpoint, params, Priority.CANCEL)).body

    async def order(self, symbol: str, client_id: str) -> rows.OrderRow:
        endpoint, params = _by_client_id(at.ORDER, symbol, client_id, conditional=False)
        return read(await self._send(endpoint, params, Priority.RECONCILE), rows.OrderRow)

    async def order_by_id(self, symbol: str, venue_id: str) -> rows.OrderRow:
        params = {"symbol": symbol, "orderId": venue_id}
        return read(await self._send(at.ORDER, params, Priority.RECONCILE), rows.OrderRow)

    async def algo_order(self, symbol: str, client_id: str) -> rows.AlgoRow:
        endpoint, params = _by_client_id(at.ALGO_ORDER, symbol, client_id, conditional=True)
        return read(await self._send(endpoint, params, Priority.RECONCILE), rows.AlgoRow)

    async def all_orders(self, symbol: str, params: Mapping[str, str]) -> list[rows.OrderRow]:
        """Regular orders of every status, ascending; at most PAGE."""
        asked = {"symbol": symbol, "limit": str(PAGE), **params}
        return read(await self._send(at.ALL_ORDERS, asked, Priority.RECONCILE), list[rows.OrderRow])

    async def all_algo_orders(self, symbol: str, params: Mapping[str, str]) -> list[rows.AlgoRow]:
        """Conditional orders of every status; at most PAGE."""
        asked = {"symbol": symbol, "limit": str(PAGE), **params}
        return read(await self._send(at.ALL_ALGO_ORDERS, asked, Priority.RECONCILE), list[rows.AlgoRow])

    async def open_orders(self, symbol: str = "") -> list[rows.OrderRow]:
        """Of one symbol, or of all, which weighs as much as forty."""
        return read(await self._open(at.OPEN_ORDERS, symbol), list[rows.OrderRow])

    async def open_algo_orders(self, symbol: str = "") -> list[rows.AlgoRow]:
        """Likewise."""
        return read(await self._open(at.OPEN_ALGO_ORDERS, symbol), list[rows.AlgoRow])

    async def _open(self, endpoint: Endpoint, symbol: str) -> Reply:
        params, weight = ({"symbol": symbol}, 1) if symbol else ({}, None)
        return await self._send(endpoint, params, Priority.RECONCILE, weight=weight)

    # -- listen key ------------------------------------------------------------------------

    async def open_listen_key(self) -> str:
        """A new key, or the one that the account already has, for an hour."""
        reply = await self._send(at.OPEN_LISTEN_KEY, {}, Priority.RECONCILE)
        key = read(reply, rows.ListenKeyRow).listen_key
        remember(key)
        return key

    async def prolong_listen_key(self) -> None:
        """VenueRejected (-1125) when it is gone."""
        await self._send(at.PROLONG_LISTEN_KEY, {}, Priority.RECONCILE)

    # -- sending ---------------------------------------------------------------------------

    async def _send(
        self,
        endpoint: Endpoint,
        params: Mapping[str, str],
        priority: Priority,
        *,
        weight: int | None = None,
        patience_s: float | None = None,
        wanted: Wanted = always,
    ) -> Reply:
        endpoint = self.product.calls(endpoint)
        signed = not endpoint.api.endswith(UNSIGNED)
        if signed:
            await self._ready(priority)
        try:
            reply = await self._call(
                endpoint, params, priority, weight=weight, patience_s=patience_s, wanted=wanted
            )
        except VenueRejected as refused:
            self._note(refused)
            if refused.code != Code.BAD_TIMESTAMP or not wanted():
                raise
            await self.measure_clock()
            reply = await self._call(
                endpoint, params, priority, weight=weight, patience_s=patience_s, wanted=wanted
            )
        if signed:
            self._gate.taken()
        return reply

    async def _call(
        self,
        endpoint: Endpoint,
        params: Mapping[str, str],
        priority: Priority,
        *,
        weight: int | None = None,
        patience_s: float | None = None,
        wanted: Wanted = always,
    ) -> Reply:
        """Through the client, unless the venue is down and it was asked just now."""
        if not self._outage.passes(priority, self.server_clock.monotonic_ns()):
            raise VenueUnreachable(f"{endpoint.name}: not sent, the venue does not answer just now")
        try:
            reply = await self.client.call(
                endpoint, params, priority, weight=weight, patience_s=patience_s, wanted=wanted
            )
        except (VenueUnreachable, OutcomeLost):
            self._outage.failed(self.server_clock.monotonic_ns())
            raise
        except VenueError:
            self._outage.answered()
            raise
        self._outage.answered()
        return reply

    async def _ready(self, priority: Priority) -> None:
        """A signed request has a good clock, and a key that is not known to be refused."""
        if self.server_clock.stepped:
            async with self._measuring:
                if self.server_clock.stepped:  # others have waited for the same measurement
                    await self.measure_clock()
        if not self._gate.passes(priority, self.server_clock.monotonic_ns()):
            raise VenueRejected(Code.BAD_KEY, "not sent: the venue has refused this key just now")

    def _note(self, refused: VenueRejected) -> None:
        if refused.code in BAD_KEY and self._gate.refused(self.server_clock.monotonic_ns()):
            self.on_key_refused(refused)

    async def _set(self, endpoint: Endpoint, params: Mapping[str, str], already: Code) -> None:
        try:
            await self._send(endpoint, params, Priority.ENTRY)
        except VenueRejected as refused:
            if refused.code != already:
                raise

    async def _read_time(self) -> TimeSample:
        reply = await self._call(self.product.calls(at.TIME), {}, Priority.RECONCILE)
        venue_ns = read(reply, rows.ServerTime).server_time * NS_PER_MS
        return TimeSample(reply.sent_ns, reply.received_ns, venue_ns)


def _by_client_id(
    endpoint: Endpoint,
    symbol: str,
    client_id: str,
    conditional: bool,  # noqa: FBT001  (which book)
) -> tuple[Endpoint, dict[str, str]]:
    if conditional:
        return endpoint, {"symbol": symbol, "clientAlgoId": client_id}
    return endpoint, {"symbol": symbol, "origClientOrderId": client_id}


def read(reply: Reply, kind: type[T]) -> T:
    """The answer as ``kind``; VenueProtocolError where it is none."""
    try:
        return msgspec.json.decode(reply.body, type=kind, strict=False)
    except msgspec.DecodeError as unfit:
        raise VenueProtocolError("binance", reply.body) from unfit
