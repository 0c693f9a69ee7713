"""Users' regular orders: placed, amended, cancelled. A refusal changes nothing."""

from __future__ import annotations

from msgspec.structs import replace

from contractdesk.exchange import checks
from contractdesk.exchange.accounts import Account
from contractdesk.exchange.events import OrderChanged
from contractdesk.exchange.floor import Floor
from contractdesk.exchange.margin import OpenOrder
from contractdesk.exchange.matching import Matcher
from contractdesk.exchange.requests import AmendOrder, CancelAll, CancelOrder, NewOrder
from contractdesk.exchange.rows import ZERO, AlgoOrder, Order
from contractdesk.exchange.terms import Listing
from contractdesk.exchange.words import (
    ExecutionKind,
    OrderStatus,
    OrderType,
    Reason,
    Refused,
    Side,
    TimeInForce,
)

MAX_AMENDMENTS = 10_000


class Trading:
    """The desk at which regular orders are handed in."""

    def __init__(self, floor: Floor, matcher: Matcher) -> None:
        self._floor = floor
        self._matcher = matcher

    def place(self, request: NewOrder, *, parent: AlgoOrder | None = None) -> Order:
        """Check, match and rest an order; ``parent`` is the conditional order it came from."""
        floor = self._floor
        account, listing = floor.account(request.account), floor.listing(request.symbol)
        checks.client_id(request.client_id)
        if request.client_id and floor.orders.client_id_taken(
            account.name, listing.symbol, request.client_id
        ):
            raise Refused(Reason.DUPLICATE_CLIENT_ID, request.client_id)
        checks.mode(account, listing.symbol, request.position_side)
        checks.status(floor, listing.symbol, reducing=request.reduce_only)
        market = request.type is OrderType.MARKET
        lots = checks.lots(listing, request.quantity, market=market)
        limit = self._limit(listing, request)
        self._admit(account, listing, request, lots, limit)
        order = self._row(listing, request, lots, limit, parent)
        self._matcher.open(order)
        return self._execute(order, lots, limit)

    def liquidate(self, account: Account, listing: Listing, client_id: str, most: int | None = None) -> Order:
        """Close a position by force, or ``most`` lots of it; no check applies."""
        order, lots = self._forced(account, listing, client_id, most)
        return self._execute(order, lots, None)

    def settle(self, account: Account, listing: Listing, client_id: str, tick: int) -> Order:
        """Close a position by force at ``tick``, whatever the book shows."""
        order, lots = self._forced(account, listing, client_id, None)
        return self._matcher.settle(order, tick, lots)

    def _forced(
        self, account: Account, listing: Listing, client_id: str, most: int | None
    ) -> tuple[Order, int]:
        held = account.holdings[listing.symbol].lots
        lots = abs(held) if most is None else min(abs(held), most)
        request = NewOrder(
            account=account.name,
            symbol=listing.symbol,
            side=Side.SELL if held > 0 else Side.BUY,
            type=OrderType.MARKET,
            client_id=client_id,
            time_in_force=TimeInForce.IOC,
            reduce_only=True,
        )
        order = replace(self._row(listing, request, lots, None, None), forced=True)
        self._matcher.open(order)
        return order, lots

    def amend(self, request: AmendOrder) -> Order:
        """Change price and/or quantity; the order goes to the end of its queue and may trade."""
        floor = self._floor
        account, listing = floor.account(request.account), floor.listing(request.symbol)
        order = floor.orders.find(account.name, listing.symbol, request.order_id, request.client_id)
        if not order.status.open or request.side not in (None, order.side):
            raise Refused(Reason.UNKNOWN_ORDER, request.client_id or str(request.order_id))
        if order.type is not OrderType.LIMIT:
            raise Refused(Reason.AMEND_NOT_LIMIT)
        price = order.price if request.price is None else request.price
        quantity = order.quantity if request.quantity is None else request.quantity
        if (price, quantity) == (order.price, order.quantity):
            raise Refused(Reason.AMEND_NOTHING)
        if order.amendments >= MAX_AMENDMENTS:
            raise Refused(Reason.TOO_MANY_AMENDMENTS)
        tick, lots = checks.ticks(listing, price), checks.lots(listing, quantity, market=False)
        checks.band(listing, order.side, tick, floor.marks[listing.symbol])
        if quantity <= order.executed or self._would_take(order, tick):
            return self.cancel_order(order, "amendment")
        open_lots = lots - int(order.executed / listing.instrument.lot_size)
        if not order.reduce_only:
            checks.min_notional(listing, lots, tick)
            new = OpenOrder(order.side, open_lots, tick)
            checks.margin_for(floor, account, listing.symbol, new, replaces=order.order_id)
        return self._requeue(order, listing, tick, lots, open_lots)

    def cancel(self, request: CancelOrder) -> Order:
        """Cancel one open order."""
        account, listing = self._floor.account(request.account), self._floor.listing(request.symbol)
        order = self._floor.orders.find(account.name, listing.symbol, request.order_id, request.client_id)
        if not order.status.open:
            raise Refused(Reason.UNKNOWN_ORDER, request.client_id or str(request.order_id))
        return self.cancel_order(order)

    def cancel_all(self, request: CancelAll) -> tuple[Order, ...]:
        """Cancel every open order of a symbol."""
        account, listing = self._floor.account(request.account), self._floor.listing(request.symbol)
        rows = self._floor.orders.rows
        resting = self._floor.orders.resting(account.name, listing.symbol)
        return tuple(self.cancel_order(rows[one.order_id]) for one in resting)

    def cancel_order(self, order: Order, reason: str = "") -> Order:
        """Take a resting order out of the book."""
        self._matcher.unrest(order)
        return self._matcher.close(order.order_id, OrderStatus.CANCELED, reason)

    # -- admission ----------------------------------------------------------------------------

    def _limit(self, listing: Listing, request: NewOrder) -> int | None:
        if request.type is OrderType.LIMIT:
            tick = checks.ticks(listing, request.price)
            checks.band(listing, request.side, tick, self._floor.marks[listing.symbol])
            return tick
        if request.price is not None:
            raise Refused(Reason.UNEXPECTED_PRICE)
        return None

    def _admit(
        self, account: Account, listing: Listing, request: NewOrder, lots: int, limit: int | None
    ) -> None:
        floor, book = self._floor, self._floor.books[listing.symbol]
        best = book.counter_side(request.side).best
        if limit is None and best is None:
            raise Refused(Reason.NO_LIQUIDITY)
        reference = self._reference(listing, request.side, limit, best)
        if request.reduce_only:
            room = self._matcher.reducible(account.name, listing.symbol, request.side)
            if not room:
                raise Refused(Reason.REDUCE_ONLY_REJECTED)
            if self._crowded(account, listing, request.side, room):
                raise Refused(Reason.REDUCE_ONLY_CROWDED)
        else:
            checks.min_notional(listing, lots, reference)
            new = OpenOrder(request.side, lots, reference)
            checks.margin_for(floor, account, listing.symbol, new, market=limit is None)
        if limit is not None:
            self._admit_time_in_force(account, listing, request, lots, limit)
            if len(floor.orders.resting(account.name, listing.symbol)) >= listing.terms.max_open_orders:
                raise Refused(Reason.TOO_MANY_ORDERS)

    def _crowded(self, account: Account, listing: Listing, side: Side, room: int) -> bool:
        """What rests would close the position already, and that counts today."""
        resting = self._floor.orders.resting(account.name, listing.symbol)
        closing = sum(each.lots for each in resting if each.reduce_only and each.side is side)
        quirks = self._floor.quirks
        return closing >= room and quirks is not None and quirks.crowds_reduce(listing.symbol)

    def _admit_time_in_force(
        self, account: Account, listing: Listing, request: NewOrder, lots: int, limit: int
    ) -> None:
        book = self._floor.books[listing.symbol]
        match request.time_in_force:
            case TimeInForce.GTX if book.would_take(request.side, limit):
                raise Refused(Reason.POST_ONLY_WOULD_TAKE)
            case TimeInForce.FOK:
                found = book.counter_side(request.side).available(limit)
                if request.reduce_only:
                    found = min(found, self._matcher.reducible(account.name, listing.symbol, request.side))
                if found < lots:
                    raise Refused(Reason.FOK_NOT_FILLED)
            case _:
                pass

    def _reference(self, listing: Listing, side: Side, limit: int | None, best: int | None) -> int:
        """The price in ticks at which an order is valued: a market order's is the worse of mark and best."""
        if limit is not None:
            return limit
        mark = int(self._floor.marks[listing.symbol].mark_price / listing.instrument.tick_size)
        return max(mark, best or 0, 1) if side is Side.BUY else max(mark, 1)

    # -- execution ----------------------------------------------------------------------------

    def _row(
        self, listing: Listing, request: NewOrder, lots: int, limit: int | None, parent: AlgoOrder | None
    ) -> Order:
        floor = self._floor
        order_id = floor.orders.new_id()
        row = Order(
            order_id=order_id,
            client_id=request.client_id or f"web_{order_id}",
            account=request.account,
            symbol=request.symbol,
            side=request.side,
            type=request.type,
            time_in_force=request.time_in_force,
            quantity=listing.quantity(lots),
            price=ZERO if limit is None else listing.price(limit),
            reduce_only=request.reduce_only,
            status=OrderStatus.NEW,
            created_ns=floor.now_ns,
            updated_ns=floor.now_ns,
        )
        if parent is None:
            return row
        return replace(
            row,
            algo_id=parent.algo_id,
            algo_type=parent.type,
            working_type=parent.working_type,
            trigger_price=parent.trigger_price,
            close_position=parent.close_position,
        )

    def _execute(self, order: Order, lots: int, limit: int | None) -> Order:
        """Match what can be matched; rest, or expire, what is left of a known order."""
        done = self._take(order, lots, limit)
        order = self._floor.orders.rows[order.order_id]
        if not order.status.open:
            return order
        rests = limit is not None and order.time_in_force in (TimeInForce.GTC, TimeInForce.GTX)
        reducing = self._matcher.reducible(order.account, order.symbol, order.side)
        if not rests or limit is None or (order.reduce_only and not reducing):
            return self._matcher.close(order.order_id, OrderStatus.EXPIRED)
        self._matcher.rest(order, limit, lots - done)
        return order

    def _take(self, order: Order, lots: int, limit: int | None) -> int:
        """Match what may be matched: what trades with its own account's order has reduced nothing yet."""
        done = 0
        while more := self._allowed(order, lots - done):
            taken = self._matcher.take(order.symbol, order.side, more, limit, order)
            done += taken
            if taken < more:
                break
        return done

    def _allowed(self, order: Order, lots: int) -> int:
        if not order.reduce_only:
            return lots
        return min(lots, self._matcher.reducible(order.account, order.symbol, order.side))

    def _would_take(self, order: Order, tick: int) -> bool:
        book = self._floor.books[order.symbol]
        return order.time_in_force is TimeInForce.GTX and book.would_take(order.side, tick)

    def _requeue(self, order: Order, listing: Listing, tick: int, lots: int, open_lots: int) -> Order:
        self._matcher.unrest(order)
        now = self._floor.now_ns
        amended = replace(
            order,
            price=listing.price(tick),
            quantity=listing.quantity(lots),
            updated_ns=now,
            amendments=order.amendments + 1,
        )
        self._floor.orders.put(amended)
        self._floor.emit(OrderChanged(ts_ns=now, order=amended, kind=ExecutionKind.AMENDMENT))
        return self._execute(amended, open_lots, tick)
