"""Sending, cancelling and querying orders of both books, regular and conditional.

A create is sent once; what became of it is a value: accepted, rejected (definitive), or unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from contractdesk.clock import NS_PER_MS, Clock
from contractdesk.domain.events import (
    AmendFailed,
    CancelFailed,
    OrderAccepted,
    OrderCancelled,
    OrderRead,
    OrderRejected,
    OutcomeUnknown,
    VenueOrder,
)
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.orders import OrderRequest, OrderRole
from contractdesk.errors import RateLimited, VenueError, VenueRejected, VenueUnreachable
from contractdesk.venues.base import Wanted, always
from contractdesk.venues.binance import rows
from contractdesk.venues.binance.api import BinanceApi
from contractdesk.venues.binance.attribution import Armed
from contractdesk.venues.binance.dialect import ABSENT, UNHEARD, Code
from contractdesk.venues.binance.owners import Owners
from contractdesk.venues.binance.translate import algo_of, order_of, order_params
from contractdesk.venues.binance.user_events import Outcome, UserEvents
from contractdesk.venues.limits import Priority

ENTRY_WINDOW_MS = 2_500  # recvWindow: an entry that is late must not be executed
PROTECTIVE_WINDOW_MS = 5_000  # a late stop is better than none
ENTRY_PATIENCE_S = 2.0  # an entry that waits longer for its turn is not sent
NOT_SENT = 0  # code of a rejection by ourselves
NO_SUCH_PATH = -5000  # the venue's code for a request that it does not have
Submitted = OrderAccepted | OrderRejected | OutcomeUnknown


class Orders:
    """The orders of one account."""

    def __init__(
        self,
        api: BinanceApi,
        clock: Clock,
        instruments: Mapping[str, Instrument],
        by_venue: Mapping[str, Instrument],
        updates: UserEvents,
        tell: Callable[[tuple[Outcome, ...]], None],
    ) -> None:
        """``instruments`` by unified symbol, ``by_venue`` by the venue's.

        ``tell`` takes what a query teaches about other orders.
        """
        self._api = api
        self._clock = clock
        self._instruments = instruments
        self._by_venue = by_venue
        self._updates = updates
        self._tell = tell
        self.owners = Owners(api, updates.orders)

    async def submit(self, request: OrderRequest, wanted: Wanted = always) -> Submitted:
        """See ``Venue.submit``."""
        entry = request.role is OrderRole.ENTRY
        window_ms = ENTRY_WINDOW_MS if entry else PROTECTIVE_WINDOW_MS
        try:
            instrument = self._instruments[request.symbol]
            params = order_params(request, instrument, window_ms)
        except (KeyError, ValueError) as unfit:
            return self._rejected(request, NOT_SENT, f"not sent: {unfit}")
        self._register(request, instrument)
        priority, patience_s = (Priority.ENTRY, ENTRY_PATIENCE_S) if entry else (Priority.PROTECT, None)
        late_ns = self._clock.monotonic_ns() + ENTRY_WINDOW_MS * NS_PER_MS

        def still() -> bool:  # an entry that comes late is wanted by nobody
            return wanted() and (not entry or self._clock.monotonic_ns() < late_ns)

        try:
            body = await self._api.create(params, priority, patience_s, still)
        except VenueError as failure:
            return self._failed(request, failure, window_ms)
        return self._accepted(request, instrument, body, window_ms)

    async def cancel(
        self, symbol: str, client_id: str, *, conditional: bool
    ) -> OrderCancelled | CancelFailed:
        """See ``Venue.cancel``."""
        try:
            venue_symbol = self._listed(symbol).venue_symbol
            body = await self._api.cancel(venue_symbol, client_id, conditional=conditional)
            filled = None if conditional else _executed(body)
        except VenueError as failure:
            return self._cancel_failed(symbol, client_id, failure)
        return OrderCancelled(ts_ns=self._clock.now_ns(), client_id=client_id, symbol=symbol, filled=filled)

    def _cancel_failed(self, symbol: str, client_id: str, failure: VenueError) -> CancelFailed:
        """Refused, also without a word; or lost: then the code is 0."""
        code, message = 0, str(failure)
        if isinstance(failure, VenueRejected):
            code, message = failure.code, failure.message
        return CancelFailed(
            ts_ns=self._clock.now_ns(), client_id=client_id, symbol=symbol, code=code, message=message
        )

    async def query(self, symbol: str, client_id: str, *, conditional: bool) -> OrderRead:
        """See ``Venue.query``."""
        order = None
        try:
            found = self._read_algo if conditional else self._read_regular
            order = await found(self._listed(symbol), client_id)
        except VenueRejected as refused:
            if refused.code not in ABSENT:
                raise
        return OrderRead(ts_ns=self._clock.now_ns(), client_id=client_id, symbol=symbol, order=order)

    async def find_child(self, armed: Armed) -> None:
        """Ask whether a conditional order has become a regular one, and tell."""
        await self.query(self._by_venue[armed.symbol].symbol, armed.client_id, conditional=True)

    def name(self, row: rows.OrderRow) -> str:
        """Client id of a regular order that rests at the venue: ours where it is a child of a stop."""
        client_id = self._updates.orders.client_id(str(row.order_id), row.client_order_id)
        self._updates.orders.placed(str(row.order_id), client_id)
        return client_id

    def adopt(self, row: rows.AlgoRow) -> None:
        """A conditional order that rests at the venue: its child, one day, is to be known as its own."""
        self._updates.orders.armed(Armed(row.client_algo_id, row.symbol, row.side))

    def missed(self, symbol: str, trade_id: int) -> bool:
        """True, once, for a fill that neither the stream nor a backfill has reported."""
        return self._updates.fills.missed(symbol, trade_id)

    # -- parts -----------------------------------------------------------------------------

    def _listed(self, symbol: str) -> Instrument:
        """Its terms; a desk that comes back may ask for an order before the venue has listed anything."""
        try:
            return self._instruments[symbol]
        except KeyError:
            raise VenueUnreachable(f"{symbol} is not listed yet") from None

    def _register(self, request: OrderRequest, instrument: Instrument) -> None:
        """Before it is sent: the stream may report it before the answer is here."""
        if request.type.conditional:
            side = "BUY" if request.side.sign > 0 else "SELL"
            self._updates.orders.armed(Armed(request.client_id, instrument.venue_symbol, side))
        else:
            self._updates.orders.sent(request.client_id)

    def _accepted(
        self, request: OrderRequest, instrument: Instrument, body: bytes, window_ms: int
    ) -> Submitted:
        ts_ns = self._clock.now_ns()
        try:
            if request.type.conditional:
                venue_id = str(msgspec.json.decode(body, type=rows.AlgoRow, strict=False).algo_id)
            else:
                row = msgspec.json.decode(body, type=rows.OrderRow, strict=False)
                venue_id = str(row.order_id)
                self._updates.orders.placed(venue_id, request.client_id)
                if row.executed_qty > 0:
                    self._updates.fills.promised(instrument.venue_symbol, venue_id, row.executed_qty, ts_ns)
        except msgspec.DecodeError:
            return self._unknown(request, "the answer cannot be read", window_ms)
        return OrderAccepted(
            ts_ns=ts_ns, client_id=request.client_id, symbol=request.symbol, venue_id=venue_id
        )

    def _failed(self, request: OrderRequest, failure: VenueError, window_ms: int) -> Submitted:
        match failure:
            case VenueRejected(code=Code.DUPLICATE_CLIENT_ID):
                # It stands at the venue already: a lost answer, whatever it looks like.
                return self._unknown(request, failure.message, window_ms)
            case VenueRejected(code=code, message=message):
                return self._rejected(request, code, message, unheard=code in UNHEARD)
            case RateLimited(status=status):
                return self._rejected(request, -status, str(failure), unheard=True)
            case VenueUnreachable():
                return self._rejected(request, NOT_SENT, str(failure), unheard=True)
            case _:
                return self._unknown(request, str(failure), window_ms)

    def _rejected(
        self, request: OrderRequest, code: int, message: str, *, unheard: bool = False
    ) -> OrderRejected:
        self._updates.orders.ended(request.client_id)
        return OrderRejected(
            ts_ns=self._clock.now_ns(),
            client_id=request.client_id,
            symbol=request.symbol,
            code=code,
            message=message,
            would_trigger=code == Code.WOULD_TRIGGER,
            would_take=code == Code.WOULD_TAKE,
            unheard=unheard,
        )

    def _unknown(self, request: OrderRequest, reason: str, window_ms: int) -> OutcomeUnknown:
        return OutcomeUnknown(
            ts_ns=self._clock.now_ns(),
            client_id=request.client_id,
            symbol=request.symbol,
            fence_ns=self._api.server_clock.now_ns() + window_ms * NS_PER_MS,
            reason=reason,
        )

    async def _read_regular(self, instrument: Instrument, client_id: str) -> VenueOrder:
        row = await self._api.order(instrument.venue_symbol, client_id)
        return order_of(row, instrument, client_id)

    async def _read_algo(self, instrument: Instrument, client_id: str) -> VenueOrder:
        row = await self._api.algo_order(instrument.venue_symbol, client_id)
        return algo_of(row, instrument, await self._child(row, instrument))

    async def _child(self, row: rows.AlgoRow, instrument: Instrument) -> rows.OrderRow | None:
        if not row.child:
            return None
        ts_ns = self._clock.now_ns()
        self._tell(self._updates.on_parent(row.client_algo_id, instrument.symbol, row.child, ts_ns))
        try:
            return await self._api.order_by_id(instrument.venue_symbol, row.child)
        except VenueRejected as refused:
            if refused.code in ABSENT:  # queries lag behind triggers
                return None
            raise


def _executed(body: bytes) -> Decimal | None:
    """How much of a cancelled order was filled; None where the answer cannot be read."""
    try:
        return msgspec.json.decode(body, type=rows.OrderRow, strict=False).executed_qty
    except msgspec.DecodeError:
        return None


def cannot_amend(symbol: str, client_id: str, ts_ns: int) -> AmendFailed:
    """The answer to whoever asks this venue to amend a conditional order all the same."""
    return AmendFailed(
        ts_ns=ts_ns,
        client_id=client_id,
        symbol=symbol,
        code=NO_SUCH_PATH,
        message="binance cannot amend a conditional order: it is replaced",
    )
