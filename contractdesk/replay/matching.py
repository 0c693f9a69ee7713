"""The venue of a replay: takes the desk's commands as they come, and answers a delay later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from contractdesk.domain.commands import (
    AmendStop,
    CancelOrder,
    Command,
    PlaceStop,
    QueryOrder,
    ReadAccount,
    ReadVenueState,
    ReduceOrder,
    SubmitOrder,
)
from contractdesk.domain.events import (
    AccountRead,
    AmendFailed,
    CancelFailed,
    Event,
    FundingPaid,
    OrderAccepted,
    OrderAmended,
    OrderRead,
    OrderRejected,
    VenueStateRead,
)
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.orders import OrderStatus, OrderType, Side, TimeInForce
from contractdesk.replay.account import Books
from contractdesk.replay.filling import Filling
from contractdesk.replay.models import Delays, Models
from contractdesk.replay.recorded import RecordedBook
from contractdesk.replay.standing import Floor, Kept, Quote, Standing

# Binance's codes: the engine goes by the events' own flags, a reader by these.
INSUFFICIENT, REDUCE_ONLY, WOULD_TAKE, WOULD_TRIGGER, UNKNOWN = -2019, -2022, -5022, -2021, -2011


class Matching:
    """One account at one venue."""

    def __init__(
        self,
        books: Books,
        models: Models,
        delays: Delays,
        tell: Callable[[Event], None],
        recorded: Sequence[RecordedBook | None] = (),
        *,
        quote: Quote | None = None,
        on_marks: bool = False,
    ) -> None:
        """``tell`` gets each event with ``ts_ns``, when the desk hears of it.

        ``recorded`` has each instrument's depth, where there is one; ``quote`` asks a session's book.
        ``on_marks``: stops trigger on marks that are told, and the account may end at each.
        """
        self.books = books
        self._models = models
        self._floor = Floor(books, delays, tell)
        self._floor.quote = quote
        depth = recorded or [None] * len(books.instruments)
        self._filling = Filling(self._floor, models, depth, on_marks=on_marks)
        self._place = {terms.symbol: place for place, terms in enumerate(books.instruments)}

    @property
    def version(self) -> int:
        """Changes whenever ``bounds`` may have."""
        return self._filling.version

    @property
    def against(self) -> dict[str, int]:
        """Ticks beyond the trade's price that taking orders have paid, by client id."""
        return self._floor.against

    # -- the market ------------------------------------------------------------------------

    def bounds(self, place: int) -> tuple[int, int]:
        """(low, high) ticks: a trade strictly between them changes nothing here."""
        return self._filling.bounds(place)

    def on_trade(self, place: int, now_ns: int, ticks: int, lots: int) -> None:
        """A trade has been made."""
        self._floor.now_ns = now_ns
        self._filling.on_trade(place, ticks, lots)

    def depth_ns(self) -> int:
        """When ``on_depth`` has to be called next."""
        return self._filling.depth_ns()

    def on_depth(self, now_ns: int) -> None:
        """Recorded books may have changed."""
        self._filling.on_depth(now_ns)

    def on_mark(self, place: int, now_ns: int, mark_ticks: Decimal) -> None:
        """The venue marks a contract; tells only where ``on_marks`` is set."""
        self._floor.now_ns = now_ns
        self._filling.on_mark(place, mark_ticks)

    def on_funding(self, place: int, rate: Decimal, now_ns: int) -> None:
        """A settlement: positions pay, or receive."""
        floor = self._floor
        floor.now_ns = now_ns
        amount = self.books.pay_funding(place, rate)
        if not amount:
            return
        symbol, heard_ns = self.books.instruments[place].symbol, floor.heard_ns()
        number = str(floor.number())
        floor.tell(
            FundingPaid(ts_ns=heard_ns, symbol=symbol, amount=amount, payment_id=number, venue_ns=now_ns)
        )
        floor.tell_wallet(heard_ns, "FUNDING_FEE", amount)
        for each in range(len(self.books.instruments)):  # it is paid out of what all of them stand on
            self._filling.touch(each)
        self._filling.end_if_broke()

    def adopt(self, order: Standing, kept: Kept) -> None:
        """An order that stood at the venue before the replay began."""
        self._floor.orders[order.client_id] = order
        if kept is Kept.LIMIT:
            self._filling.join(order)
        self._floor.keep(order, kept)
        self._filling.touch(order.place)

    # -- the desk --------------------------------------------------------------------------

    def take(self, command: Command, now_ns: int) -> None:
        """Perform a command that has come."""
        floor = self._floor
        floor.now_ns = now_ns
        match command:
            case SubmitOrder(approved=approved):
                request = approved.request
                order = self._made(
                    request.client_id, request.symbol, request.side, request.type, request.size
                )
                self._enter(order, request.price, request.time_in_force)
            case ReduceOrder():
                kind = OrderType.MARKET if command.price is None else OrderType.LIMIT
                order = self._made(command.client_id, command.symbol, command.side, kind, command.size)
                order.reduce_only = True
                self._enter(order, command.price, command.time_in_force)
            case PlaceStop():
                self._place_stop(command)
            case AmendStop():
                self._amend(command)
            case CancelOrder():
                self._cancel(command)
            case QueryOrder() | ReadAccount() | ReadVenueState():
                self._answer(command)
            case _:
                pass  # to watch and to notify is no business of a venue's orders

    def state(self, request_id: int, now_ns: int) -> VenueStateRead:
        """Everything that a reconciliation compares; no fill can have been missed."""
        return VenueStateRead(
            ts_ns=now_ns,
            request_id=request_id,
            account=self.books.read(now_ns),
            orders=tuple(self._floor.open_orders()),
            fills=(),
        )

    def _answer(self, question: QueryOrder | ReadAccount | ReadVenueState) -> None:
        floor = self._floor
        delays = floor.delays
        heard_ns = floor.now_ns + delays.read_ns() // 2
        match question:
            case QueryOrder(client_id=client_id, symbol=symbol):
                shown = floor.shown(client_id)
                floor.tell(OrderRead(ts_ns=heard_ns, client_id=client_id, symbol=symbol, order=shown))
            case ReadAccount(request_id=request_id):
                account = self.books.read(floor.now_ns)
                floor.tell(AccountRead(ts_ns=heard_ns, request_id=request_id, account=account))
            case ReadVenueState(request_id=request_id):
                floor.tell(self.state(request_id, heard_ns))

    # -- taking orders up ------------------------------------------------------------------

    def _made(self, client_id: str, symbol: str, side: Side, kind: OrderType, size: Decimal) -> Standing:
        place = self._place[symbol]
        lots = self.books.instruments[place].to_lots(size)
        return Standing(
            client_id=client_id,
            venue_id=str(self._floor.number()),
            place=place,
            side=side,
            type=kind,
            lots=lots,
            left=lots,
            created_ns=self._floor.now_ns,
        )

    def _enter(self, order: Standing, price: Decimal | None, time_in_force: TimeInForce) -> None:
        terms, last = self.books.instruments[order.place], self.books.marks[order.place]
        order.ticks = 0 if price is None else terms.to_ticks(price)
        takes = order.type is OrderType.LIMIT and self._crosses(order, last)
        if order.reduce_only and not self._reduces(order):
            self._reject(order, REDUCE_ONLY, "ReduceOnly Order is rejected.")
            return
        order.margin = self._margin(order, order.ticks or last)
        if order.margin > max(ZERO, self.books.equity() - self.books.initial()):
            self._reject(order, INSUFFICIENT, "Margin is insufficient.")
            return
        if takes and time_in_force is TimeInForce.GTX:
            self._reject(order, WOULD_TAKE, "Post Only order would take.", would_take=True)
            return
        self._accept(order)
        if order.type is OrderType.MARKET or takes:
            self._take(order, time_in_force)
        elif time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            self._floor.end(order, OrderStatus.EXPIRED, "nobody was there")
        else:
            self._rest(order)

    def _take(self, order: Standing, time_in_force: TimeInForce) -> None:
        """By the recorded book at once, or by what is quoted; where neither is, the next trade fills it."""
        recorded, whole = self._filling.book(order.place), time_in_force is TimeInForce.FOK
        if recorded is None:
            if not self._filling.take_at_once(order, whole=whole):
                self._floor.keep(order, Kept.MARKET)
                return
        elif not whole or recorded.holds(order.lots, buy=order.side is Side.BUY, limit=order.ticks):
            self._filling.arrive(order, recorded)
        if not order.status.open:
            return
        if order.type is OrderType.LIMIT and time_in_force is TimeInForce.GTC:
            self._rest(order)
        else:
            self._floor.end(order, OrderStatus.EXPIRED, "the book holds no more")

    def _rest(self, order: Standing) -> None:
        self._filling.join(order)
        self._floor.keep(order, Kept.LIMIT)

    def _reduces(self, order: Standing) -> bool:
        size = self.books.positions[order.place].size
        return bool(size) and (size > 0) != (order.side is Side.BUY)

    def _margin(self, order: Standing, ticks: int) -> Decimal:
        """Initial margin of what the order can open beyond what it closes."""
        terms, opening = self.books.instruments[order.place], order.lots
        if self._reduces(order):
            opening -= 2 * terms.to_lots(abs(self.books.positions[order.place].size))
        if order.reduce_only or opening <= 0 or not ticks:
            return ZERO
        notional = terms.notional(terms.from_lots(opening), terms.from_ticks(ticks))
        return self.books.initial_of(order.place, notional)

    def _crosses(self, order: Standing, last: int) -> bool:
        """The other side of the book that is shown lies within its limit."""
        recorded = self._filling.book(order.place)
        if recorded is not None:
            best = recorded.best(ask=order.side is Side.BUY)
            return bool(best) and (order.ticks >= best if order.side is Side.BUY else order.ticks <= best)
        shown = self._floor.quote and self._floor.quote(order.place, order.side, 1, 0)
        if shown:
            return order.ticks >= shown[1] if order.side is Side.BUY else order.ticks <= shown[1]
        half = self._models.slippage.half_spread_ticks
        if not last:
            return False
        return order.ticks >= last + half if order.side is Side.BUY else order.ticks <= last - half

    def _place_stop(self, command: PlaceStop) -> None:
        order = self._made(command.client_id, command.symbol, command.side, command.type, command.size)
        order.reduce_only = True
        order.trigger = self.books.instruments[order.place].to_ticks(command.trigger_price)
        last = self.books.marks[order.place]
        if last and order.triggers(last):
            self._reject(order, WOULD_TRIGGER, "Order would immediately trigger.", would_trigger=True)
            return
        self._accept(order)
        self._floor.keep(order, Kept.STOP)

    def _accept(self, order: Standing) -> None:
        floor = self._floor
        floor.orders[order.client_id] = order
        floor.tell(OrderAccepted(**floor.about(order, floor.heard_ns()), venue_id=order.venue_id))
        self._filling.touch(order.place)

    def _reject(
        self,
        order: Standing,
        code: int,
        message: str,
        *,
        would_take: bool = False,
        would_trigger: bool = False,
    ) -> None:
        floor = self._floor
        floor.tell(
            OrderRejected(
                **floor.about(order, floor.heard_ns()),
                code=code,
                message=message,
                would_take=would_take,
                would_trigger=would_trigger,
            )
        )

    # -- changing them ---------------------------------------------------------------------

    def _amend(self, command: AmendStop) -> None:
        """New terms for a resting stop, both absolute; one that would trigger at once keeps the old ones."""
        floor, order = self._floor, self._floor.orders.get(command.client_id)
        if order is None or order.status is not OrderStatus.WORKING:
            self._refuse_amend(command, UNKNOWN, "Unknown order sent.")
            return
        terms, last = self.books.instruments[order.place], self.books.marks[order.place]
        before, order.trigger = order.trigger, terms.to_ticks(command.trigger_price)
        if last and order.triggers(last):
            order.trigger = before
            self._refuse_amend(command, WOULD_TRIGGER, "Order would immediately trigger.")
            return
        order.lots = order.left = terms.to_lots(command.size)
        self._filling.touch(order.place)
        floor.tell(
            OrderAmended(
                **floor.about(order, floor.heard_ns()),
                price=None,
                trigger_price=command.trigger_price,
                size=command.size,
            )
        )

    def _refuse_amend(self, command: AmendStop, code: int, message: str) -> None:
        self._floor.tell(
            AmendFailed(
                ts_ns=self._floor.heard_ns(),
                client_id=command.client_id,
                symbol=command.symbol,
                code=code,
                message=message,
            )
        )

    def _cancel(self, command: CancelOrder) -> None:
        floor, order = self._floor, self._floor.orders.get(command.client_id)
        if order is not None and order.status.open:
            floor.end(order, OrderStatus.CANCELLED)
            self._filling.touch(order.place)
            return
        floor.tell(
            CancelFailed(
                ts_ns=floor.heard_ns(),
                client_id=command.client_id,
                symbol=command.symbol,
                code=UNKNOWN,
                message="Unknown order sent.",
            )
        )
