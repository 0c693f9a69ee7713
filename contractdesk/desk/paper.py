"""Paper trading: a real venue's market, matched in this process by the loopback exchange's core.

Instruments, books, trades, marks and funding are the venue's; orders, fills, margin and the account
are ours. The account lives as long as the desk: closing it ends its positions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from contractdesk.clock import Clock
from contractdesk.desk.paper_market import Background, PaperExchange, PushedMarket
from contractdesk.desk.paper_words import Translator, names
from contractdesk.domain.account import Account, MarginMode, PositionMode
from contractdesk.domain.events import (
    AmendFailed,
    BookChanged,
    BookSnapshotRead,
    CancelFailed,
    Event,
    MarketEvent,
    MarkPriced,
    ModesRead,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderRead,
    OrderRejected,
    OutcomeUnknown,
    StreamName,
    StreamRestored,
    TradePrinted,
)
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.orders import OrderRequest, OrderType
from contractdesk.errors import UserError
from contractdesk.exchange import model
from contractdesk.exchange.market import MarkTick, Message, Print
from contractdesk.exchange.model import Refused
from contractdesk.exchange.terms import Listing
from contractdesk.venues.base import UNWANTED, Check, Emit, Venue, VenueState, Wanted, always

NAME = "paper"
ANSWER_AFTER_S = 0.03  # a venue's round trip: without it paper fills what no real order would
HEARTBEAT_S = 0.1  # funding settles on time even when the market is quiet
UNKNOWN_ORDER = -2011
UNSUPPORTED = -4120


class PaperVenue:
    """A ``Venue`` whose account is made of paper."""

    def __init__(self, market: Venue, clock: Clock, balance: Decimal, asset: str = "USDT") -> None:
        """``market`` needs no key: only its public half is used."""
        self.name = f"{market.name} (paper)"
        self.capabilities = market.capabilities
        self._market = market
        self._clock = clock
        self._asset = asset
        self._words = Translator(asset)
        self._exchange = PaperExchange(clock.now_ns())
        self._exchange.open_account(NAME, {asset: balance}, clock.now_ns())
        self._backgrounds: dict[str, Background] = {}
        self._listed: dict[str, PushedMarket] = {}
        self._emit: Emit = lambda _: None
        self._heart: asyncio.Task[None] | None = None

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._market.instruments

    def resolve(self, symbol: str) -> Instrument:
        return self._market.resolve(symbol)

    # -- life ------------------------------------------------------------------------------

    async def open(self, emit: Emit) -> None:
        """Open the market; the paper account is ready at once."""
        self._emit = emit
        await self._market.open(self._on_market)
        self._words.instruments = names(self.instruments)
        now_ns = self._clock.now_ns()
        emit(ModesRead(ts_ns=now_ns, position_mode=PositionMode.ONE_WAY, margin_modes={}, leverages={}))
        emit(StreamRestored(ts_ns=now_ns, stream=StreamName.PRIVATE))
        self._heart = asyncio.create_task(self._beat(), name="paper heartbeat")

    async def close(self) -> None:
        if self._heart is not None:
            self._heart.cancel()
        await self._market.close()

    async def preflight(self) -> tuple[Check, ...]:
        paper = Check(
            name="account", passed=True, found="paper: no key is used, no order leaves this process"
        )
        return (*await self._market.preflight(), paper)

    async def watch(self, symbol: str, timeframes: tuple[str, ...], warmup: int) -> None:
        await self._market.watch(symbol, timeframes, warmup)

    def resync(self, symbol: str, reason: str) -> None:
        """See ``Venue.resync``: the book is the market's."""
        self._market.resync(symbol, reason)

    # -- the market ------------------------------------------------------------------------

    def _on_market(self, event: Event) -> None:
        self._emit(event)
        if isinstance(event, MarketEvent) and (message := self._message(event)) is not None:
            self._push(event.symbol, message)

    def _message(self, event: MarketEvent) -> Message | None:
        """The event as the exchange's core takes it; None for what does not move a market."""
        if event.symbol not in self._backgrounds:
            self._backgrounds[event.symbol] = Background(self.resolve(event.symbol))
        known = self._backgrounds[event.symbol]
        match event:
            case BookSnapshotRead(bids=bids, asks=asks):
                return known.replace(bids, asks)
            case BookChanged(bids=bids, asks=asks):
                return known.change(bids, asks)
            case TradePrinted(taker=taker, price=price, size=size):
                terms = known.instrument
                return Print(model.Side[taker.name], terms.to_ticks(price), terms.to_lots(size))
            case MarkPriced():
                known.tick = MarkTick(event.mark, event.index, event.funding_rate, event.next_funding_ns)
                return known.tick
            case _:
                return None

    def _push(self, symbol: str, message: Message) -> None:
        now_ns = self._clock.now_ns()
        market = self._listed.get(symbol)
        if market is None:
            self._list(symbol)
        else:
            market.push(message, now_ns)
            self._tell(self._exchange.advance(now_ns))

    def _list(self, symbol: str) -> None:
        known = self._backgrounds[symbol]
        if (opening := known.opening) is None:
            return
        self._listed[symbol] = PushedMarket(*opening)
        self._exchange.list_market(Listing(known.instrument), self._listed[symbol])

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            self._tell(self._exchange.advance(self._clock.now_ns()))

    def _tell(self, events: list[model.Event] | tuple[model.Event, ...]) -> None:
        ts_ns = self._clock.now_ns()
        for event in events:
            for told in self._words.events(event, ts_ns):
                self._emit(told)

    # -- orders ----------------------------------------------------------------------------

    async def submit(
        self, request: OrderRequest, wanted: Wanted = always
    ) -> OrderAccepted | OrderRejected | OutcomeUnknown:
        await asyncio.sleep(ANSWER_AFTER_S)
        ts_ns = self._clock.now_ns()
        known: dict[str, Any] = {"ts_ns": ts_ns, "client_id": request.client_id, "symbol": request.symbol}
        if not wanted():
            return OrderRejected(**known, code=0, message=f"not sent: {UNWANTED}")
        try:
            response = self._handle(self._ask(request))
        except Refused as refusal:
            return OrderRejected(**known, code=0, message=str(refusal))
        return OrderAccepted(**known, venue_id=_venue_id(response), venue_ns=ts_ns)

    async def cancel(
        self, symbol: str, client_id: str, *, conditional: bool
    ) -> OrderCancelled | CancelFailed:
        await asyncio.sleep(ANSWER_AFTER_S)
        ask: model.AnyRequest = model.CancelAlgo(account=NAME, client_id=client_id)
        if not conditional:
            ask = model.CancelOrder(account=NAME, symbol=self._venue_name(symbol), client_id=client_id)
        known: dict[str, Any] = {"ts_ns": self._clock.now_ns(), "client_id": client_id, "symbol": symbol}
        try:
            self._handle(ask)
        except Refused as refusal:
            return CancelFailed(**known, code=UNKNOWN_ORDER, message=str(refusal))
        return OrderCancelled(**known)

    async def amend_stop(
        self, symbol: str, client_id: str, size: Decimal, trigger_price: Decimal
    ) -> OrderAmended | AmendFailed:
        """As the venue would that lends its market: where that one cannot, paper cannot either."""
        await asyncio.sleep(ANSWER_AFTER_S)
        known: dict[str, Any] = {"ts_ns": self._clock.now_ns(), "client_id": client_id, "symbol": symbol}
        if not self.capabilities.amend_stop:
            return AmendFailed(**known, code=UNSUPPORTED, message=f"{self.name} cannot amend a stop")
        ask = model.AmendAlgo(
            account=NAME,
            symbol=self._venue_name(symbol),
            client_id=client_id,
            trigger_price=trigger_price,
            quantity=size,
        )
        try:
            self._handle(ask)
        except Refused as refusal:
            return AmendFailed(**known, code=UNKNOWN_ORDER, message=str(refusal))
        return OrderAmended(
            **known, venue_ns=known["ts_ns"], price=None, trigger_price=trigger_price, size=size
        )

    async def query(self, symbol: str, client_id: str, *, conditional: bool) -> OrderRead:
        await asyncio.sleep(ANSWER_AFTER_S)
        try:
            found = (
                self._words.conditional(self._exchange.algo(NAME, client_id=client_id))
                if conditional
                else self._words.order(
                    self._exchange.order(NAME, self._venue_name(symbol), client_id=client_id)
                )
            )
        except Refused:
            found = None
        return OrderRead(ts_ns=self._clock.now_ns(), client_id=client_id, symbol=symbol, order=found)

    def _ask(self, request: OrderRequest) -> model.AnyRequest:
        side, symbol = model.Side[request.side.name], self._venue_name(request.symbol)
        if request.type.conditional:
            return model.NewAlgo(
                account=NAME,
                symbol=symbol,
                side=side,
                type=model.AlgoType[request.type.name],
                trigger_price=request.trigger_price,
                quantity=request.size,
                working_type=model.WorkingType.MARK_PRICE,
                reduce_only=request.reduce_only,
                client_id=request.client_id,
            )
        return model.NewOrder(
            account=NAME,
            symbol=symbol,
            side=side,
            type=model.OrderType.MARKET if request.type is OrderType.MARKET else model.OrderType.LIMIT,
            quantity=request.size,
            price=request.price,
            time_in_force=model.TimeInForce[request.time_in_force.name],
            reduce_only=request.reduce_only,
            client_id=request.client_id,
        )

    def _handle(self, ask: model.AnyRequest) -> model.Response:
        now_ns = self._clock.now_ns()
        self._tell(self._exchange.advance(now_ns))
        result = self._exchange.handle(ask, now_ns)
        self._tell(result.events)
        return result.response

    # -- the account -----------------------------------------------------------------------

    async def read_account(self) -> Account:
        account = self._words.account(self._exchange.account(NAME))
        return replace(account, venue_ns=self._clock.now_ns())

    async def read_state(self, fills_since_ns: int, symbols: Iterable[str] | None = None) -> VenueState:
        del symbols  # all of them cost nothing here
        ts_ns = self._clock.now_ns()
        regular = [self._words.order(row) for row in self._exchange.open_orders(NAME)]
        conditional = [self._words.conditional(row) for row in self._exchange.open_algos(NAME)]
        fills = tuple(
            self._words.fill(row, self._client_id(row), ts_ns)
            for row in self._exchange.fills(NAME)
            if row.ts_ns >= fills_since_ns
        )
        return VenueState(account=await self.read_account(), orders=(*regular, *conditional), fills=fills)

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        ask = model.SetLeverage(account=NAME, symbol=self._venue_name(symbol), leverage=int(leverage))
        self._configure(ask)

    async def set_margin_mode(self, symbol: str, mode: MarginMode) -> None:
        ask = model.SetMarginMode(
            account=NAME, symbol=self._venue_name(symbol), mode=model.MarginMode[mode.name]
        )
        self._configure(ask)

    async def set_position_mode(self, mode: PositionMode) -> None:
        self._configure(model.SetPositionMode(account=NAME, mode=model.PositionMode[mode.name]))

    def _configure(self, ask: model.AnyRequest) -> None:
        try:
            self._handle(ask)
        except Refused as refusal:
            raise UserError(f"the paper account refuses: {refusal}") from refusal

    def _client_id(self, row: model.Fill) -> str:
        order = self._exchange.order(NAME, row.symbol, order_id=row.order_id)
        return self._words.client_id(order)

    def _venue_name(self, symbol: str) -> str:
        return self.resolve(symbol).venue_symbol


def _venue_id(response: model.Response) -> str:
    match response:
        case model.Order(order_id=order_id):
            return str(order_id)
        case model.AlgoOrder(algo_id=algo_id):
            return str(algo_id)
        case _:
            return ""
