"""Conditional ("algo") orders: a book of their own until a price reaches them.

NEW -> TRIGGERING -> TRIGGERED -> FINISHED, or CANCELED, EXPIRED, REJECTED. A NEW one can be amended.
https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/New-Algo-Order
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from msgspec.structs import replace

from contractdesk.exchange import checks
from contractdesk.exchange.accounts import Account
from contractdesk.exchange.events import AlgoChanged
from contractdesk.exchange.floor import Floor
from contractdesk.exchange.matching import REDUCE_ONLY_GONE
from contractdesk.exchange.requests import AmendAlgo, CancelAlgo, CancelAllAlgos, NewAlgo, NewOrder
from contractdesk.exchange.rows import ZERO, AlgoOrder, Amendment, Order
from contractdesk.exchange.terms import Listing
from contractdesk.exchange.trading import Trading
from contractdesk.exchange.words import (
    AlgoStatus,
    AlgoType,
    OrderType,
    Reason,
    Refused,
    Side,
    WorkingType,
)

MAX_OPEN_ALGOS = 200  # an account
CLOSED_ALGOS_KEPT = 100_000
AMENDMENTS_KEPT = 1_000  # of one order, the latest
FIRST_ALGO_ID = 2_000_000_001
HUNDRED = Decimal(100)

_TAKES_PROFIT = (AlgoType.TAKE_PROFIT, AlgoType.TAKE_PROFIT_MARKET)
_MAY_CLOSE_POSITION = (AlgoType.STOP_MARKET, AlgoType.TAKE_PROFIT_MARKET)


class Algos:
    """All conditional orders, and the prices they watch."""

    def __init__(self, floor: Floor, trading: Trading) -> None:
        self._floor = floor
        self._trading = trading
        self.rows: dict[int, AlgoOrder] = {}
        self._open: dict[int, None] = {}
        self._by_client: dict[tuple[str, str], int] = {}
        self._closed: deque[int] = deque()
        self._last_id = FIRST_ALGO_ID - 1

    # -- requests ----------------------------------------------------------------------------

    def place(self, request: NewAlgo) -> AlgoOrder:
        """Check it and put it into the algo book."""
        floor = self._floor
        account, listing = floor.account(request.account), floor.listing(request.symbol)
        self._admit(account, listing, request)
        self._last_id += 1
        trailing = request.type is AlgoType.TRAILING_STOP_MARKET
        algo = AlgoOrder(
            algo_id=self._last_id,
            client_id=request.client_id or f"algo_{self._last_id}",
            account=account.name,
            symbol=listing.symbol,
            side=request.side,
            type=request.type,
            quantity=request.quantity or ZERO,
            price=request.price or ZERO,
            trigger_price=ZERO if trailing else request.trigger_price or ZERO,
            working_type=request.working_type,
            time_in_force=request.time_in_force,
            reduce_only=request.reduce_only,
            close_position=request.close_position,
            status=AlgoStatus.NEW,
            created_ns=floor.now_ns,
            updated_ns=floor.now_ns,
            callback_rate=request.callback_rate or ZERO,
            activate_price=request.activate_price or ZERO,
            activated=not trailing,
        )
        self._put(algo)
        self._watch(algo)
        return self.rows[algo.algo_id]

    def amend(self, request: AmendAlgo) -> AlgoOrder:
        """Check the new terms as those of a new order, and rest the order under them."""
        algo = self.find(request.account, request.algo_id, request.client_id)
        if not algo.status.open or algo.symbol != request.symbol:
            raise Refused(Reason.UNKNOWN_ORDER, request.client_id or str(request.algo_id))
        if algo.type is AlgoType.TRAILING_STOP_MARKET:
            raise Refused(Reason.AMEND_NOT_LIMIT, algo.type.value)
        listing = self._floor.listings[algo.symbol]
        if request.trigger_price is not None:
            self._admit_level(listing, algo, request.trigger_price)
        if request.quantity is not None:
            if algo.close_position:
                raise Refused(Reason.QUANTITY_WITH_CLOSE_POSITION)
            checks.lots(listing, request.quantity, market=not algo.type.priced)
        trigger = request.trigger_price or algo.trigger_price
        return self._move(self._with_terms(algo, trigger, request.quantity or algo.quantity))

    def _with_terms(self, algo: AlgoOrder, trigger: Decimal, quantity: Decimal) -> AlgoOrder:
        if (trigger, quantity) == (algo.trigger_price, algo.quantity):
            return algo
        placed = Amendment(ts_ns=algo.created_ns, trigger_price=algo.trigger_price, quantity=algo.quantity)
        changed = Amendment(ts_ns=self._floor.now_ns, trigger_price=trigger, quantity=quantity)
        history = (*(algo.amendments or (placed,)), changed)[-AMENDMENTS_KEPT:]
        return replace(algo, trigger_price=trigger, quantity=quantity, amendments=history)

    def cancel(self, request: CancelAlgo) -> AlgoOrder:
        algo = self.find(request.account, request.algo_id, request.client_id)
        if not algo.status.open:
            raise Refused(Reason.UNKNOWN_ORDER, request.client_id or str(request.algo_id))
        return self._end(algo, AlgoStatus.CANCELED)

    def cancel_all(self, request: CancelAllAlgos) -> tuple[AlgoOrder, ...]:
        account, listing = self._floor.account(request.account), self._floor.listing(request.symbol)
        return tuple(
            self._end(algo, AlgoStatus.CANCELED) for algo in self.open_of(account.name, listing.symbol)
        )

    # -- reads -------------------------------------------------------------------------------

    def find(self, account: str, algo_id: int, client_id: str) -> AlgoOrder:
        """By id, else the latest with this client id; Refused(UNKNOWN_ORDER)."""
        self._floor.account(account)
        algo = self.rows.get(algo_id or self._by_client.get((account, client_id), 0))
        if algo is None or algo.account != account:
            raise Refused(Reason.UNKNOWN_ORDER, client_id or str(algo_id))
        return algo

    def open_of(self, account: str, symbol: str | None = None) -> list[AlgoOrder]:
        """What rests in the algo book, oldest first."""
        rows = (self.rows[algo_id] for algo_id in self._open)
        return [row for row in rows if row.account == account and symbol in (None, row.symbol)]

    def of(self, account: str, symbol: str | None = None) -> list[AlgoOrder]:
        """Every kept algo order, oldest first."""
        rows = self.rows.values()
        return [row for row in rows if row.account == account and symbol in (None, row.symbol)]

    # -- what prices and positions do to them ------------------------------------------------

    def run(self, symbol: str) -> None:
        """Trigger what the current prices reach, until nothing more triggers."""
        reached = True
        while reached:
            reached = False
            for algo_id in list(self._open):
                algo = self.rows[algo_id]
                if algo.symbol == symbol and algo.status.open:
                    reached |= self._watch(algo)

    def sweep(self) -> None:
        """Expire closePosition orders whose position is gone; finish those whose order has ended."""
        for account, symbol in sorted(self._floor.moved):
            if not self._floor.accounts[account].holdings[symbol].lots:
                for algo in self.open_of(account, symbol):
                    if algo.close_position:
                        self._end(algo, AlgoStatus.EXPIRED, "position closed")
        finished, self._floor.finished = self._floor.finished, []
        for order in finished:
            self._finish(order)

    def expire_all(self, account: str, symbol: str, reason: str) -> None:
        """Liquidation removes what could still trade."""
        for algo in self.open_of(account, symbol):
            self._end(algo, AlgoStatus.EXPIRED, reason)

    def _finish(self, order: Order) -> None:
        algo = self.rows.get(order.algo_id)
        if algo is not None and algo.status is AlgoStatus.TRIGGERED:
            self._move(
                replace(
                    algo,
                    status=AlgoStatus.FINISHED,
                    executed=order.executed,
                    average_price=order.average_price,
                )
            )

    def _watch(self, algo: AlgoOrder) -> bool:
        """Look at the price that ``algo`` watches; True where it triggered."""
        price = self._price(algo.symbol, algo.working_type)
        if price is None:
            return False
        if algo.type is AlgoType.TRAILING_STOP_MARKET:
            algo = self._trail(algo, price)
        if not algo.activated or not _reached(algo.side, algo.type, algo.trigger_price, price):
            return False
        self._trigger(algo)
        return True

    def _trail(self, algo: AlgoOrder, price: Decimal) -> AlgoOrder:
        """Activate it, and let its trigger follow the price; it never loosens."""
        sell = algo.side is Side.SELL
        if not algo.activated:
            if algo.activate_price and (price < algo.activate_price if sell else price > algo.activate_price):
                return algo
            algo = replace(algo, activated=True)
        factor = 1 - algo.callback_rate / HUNDRED if sell else 1 + algo.callback_rate / HUNDRED
        step = self._floor.listings[algo.symbol].instrument.tick_size
        trigger = (price * factor / step).to_integral_value() * step
        known = algo.trigger_price
        tighter = not known or (trigger > known if sell else trigger < known)
        algo = replace(algo, trigger_price=trigger) if tighter else algo
        self.rows[algo.algo_id] = algo
        return algo

    def _trigger(self, algo: AlgoOrder) -> None:
        now = self._floor.now_ns
        del self._open[algo.algo_id]
        algo = self._move(replace(algo, status=AlgoStatus.TRIGGERING, triggered_ns=now, closed_ns=now))
        quirks = self._floor.quirks
        if quirks is not None and quirks.rejects_trigger(algo.symbol):
            self._end(algo, AlgoStatus.REJECTED, Reason.INSUFFICIENT_MARGIN.value)
            return
        request = self._child(algo)
        if request is None:
            self._end(algo, AlgoStatus.EXPIRED, REDUCE_ONLY_GONE)
            return
        try:
            order = self._trading.place(request, parent=algo)
        except Refused as refusal:
            self._refused(algo, refusal)
            return
        self._move(replace(algo, status=AlgoStatus.TRIGGERED, order_id=order.order_id))

    def _refused(self, algo: AlgoOrder, refusal: Refused) -> None:
        if refusal.reason is Reason.REDUCE_ONLY_REJECTED:
            self._end(algo, AlgoStatus.EXPIRED, REDUCE_ONLY_GONE)
        else:
            self._end(algo, AlgoStatus.REJECTED, str(refusal))

    def _child(self, algo: AlgoOrder) -> NewOrder | None:
        """The regular order it becomes; None for a closePosition with nothing to close."""
        listing = self._floor.listings[algo.symbol]
        quantity = algo.quantity
        if algo.close_position:
            held = self._floor.accounts[algo.account].holdings[algo.symbol].lots
            if -algo.side.sign * held <= 0:
                return None
            quantity = listing.quantity(abs(held))
        taken = self._floor.orders.client_id_taken(algo.account, algo.symbol, algo.client_id)
        return NewOrder(
            account=algo.account,
            symbol=algo.symbol,
            side=algo.side,
            type=OrderType.LIMIT if algo.type.priced else OrderType.MARKET,
            quantity=quantity,
            price=algo.price if algo.type.priced else None,
            time_in_force=algo.time_in_force,
            reduce_only=algo.reduce_only or algo.close_position,
            client_id="" if taken else algo.client_id,
        )

    # -- admission ----------------------------------------------------------------------------

    def _admit(self, account: Account, listing: Listing, request: NewAlgo) -> None:
        checks.client_id(request.client_id)
        known = self.rows.get(self._by_client.get((account.name, request.client_id), 0))
        if request.client_id and known is not None and known.status.open:
            raise Refused(Reason.DUPLICATE_CLIENT_ID, request.client_id)
        checks.mode(account, listing.symbol, request.position_side)
        reducing = request.reduce_only or request.close_position
        checks.status(self._floor, listing.symbol, reducing=reducing)
        self._admit_quantity(account, listing, request)
        if request.type.priced:
            checks.ticks(listing, request.price)
        elif request.price is not None:
            raise Refused(Reason.UNEXPECTED_PRICE)
        if request.type is AlgoType.TRAILING_STOP_MARKET:
            self._admit_trailing(listing, request)
        else:
            self._admit_trigger(listing, request)
        if len(self.open_of(account.name)) >= MAX_OPEN_ALGOS:
            raise Refused(Reason.TOO_MANY_ALGOS)

    def _admit_quantity(self, account: Account, listing: Listing, request: NewAlgo) -> None:
        if not request.close_position:
            checks.lots(listing, request.quantity, market=not request.type.priced)
            return
        if request.quantity is not None:
            raise Refused(Reason.QUANTITY_WITH_CLOSE_POSITION)
        if request.reduce_only:
            raise Refused(Reason.REDUCE_ONLY_WITH_CLOSE_POSITION)
        if request.type not in _MAY_CLOSE_POSITION:
            raise Refused(Reason.CLOSE_POSITION_TYPE, request.type.value)
        for other in self.open_of(account.name, listing.symbol):
            if other.close_position and (other.side, other.type) == (request.side, request.type):
                raise Refused(Reason.SECOND_CLOSE_POSITION, str(other.algo_id))

    def _admit_trigger(self, listing: Listing, request: NewAlgo) -> None:
        if request.trigger_price is None:
            raise Refused(Reason.TRIGGER_MISSING)
        self._admit_level(listing, request, request.trigger_price)

    def _admit_level(self, listing: Listing, order: NewAlgo | AlgoOrder, trigger: Decimal) -> None:
        """On the grid, and not yet reached."""
        checks.grid_ticks(listing, trigger)
        price = self._price(listing.symbol, order.working_type)
        if price is not None and _reached(order.side, order.type, trigger, price):
            raise Refused(Reason.WOULD_TRIGGER, f"{trigger} against {price}")

    def _admit_trailing(self, listing: Listing, request: NewAlgo) -> None:
        rate = request.callback_rate
        if rate is None or not Decimal("0.1") <= rate <= Decimal(20):
            raise Refused(Reason.BAD_CALLBACK_RATE, str(rate))
        if request.activate_price is not None:
            checks.grid_ticks(listing, request.activate_price)

    # -- the rows ----------------------------------------------------------------------------

    def _price(self, symbol: str, working: WorkingType) -> Decimal | None:
        if working is WorkingType.MARK_PRICE:
            return self._floor.marks[symbol].mark_price
        last = self._floor.prints[symbol].last_tick
        return self._floor.listings[symbol].price(last) if last else None

    def _end(self, algo: AlgoOrder, status: AlgoStatus, reason: str = "") -> AlgoOrder:
        self._open.pop(algo.algo_id, None)
        closed_ns = algo.closed_ns or self._floor.now_ns
        return self._move(replace(algo, status=status, reason=reason, closed_ns=closed_ns))

    def _move(self, algo: AlgoOrder) -> AlgoOrder:
        moved = replace(algo, updated_ns=self._floor.now_ns)
        self._put(moved)
        return moved

    def _put(self, algo: AlgoOrder) -> None:
        """Keep and report a row; the oldest closed ones are forgotten."""
        if algo.algo_id not in self.rows:
            self._by_client[algo.account, algo.client_id] = algo.algo_id
        self.rows[algo.algo_id] = algo
        if algo.status is AlgoStatus.NEW:
            self._open[algo.algo_id] = None
        elif algo.status not in (AlgoStatus.TRIGGERING, AlgoStatus.TRIGGERED):
            self._closed.append(algo.algo_id)
            if len(self._closed) > CLOSED_ALGOS_KEPT:
                self._forget(self.rows.pop(self._closed.popleft()))
        self._floor.emit(AlgoChanged(ts_ns=self._floor.now_ns, algo=algo))

    def _forget(self, algo: AlgoOrder) -> None:
        if self._by_client.get((algo.account, algo.client_id)) == algo.algo_id:
            del self._by_client[algo.account, algo.client_id]


def _reached(side: Side, kind: AlgoType, trigger: Decimal, price: Decimal) -> bool:
    """A stop triggers with the market moving its way, a take-profit with it moving against."""
    rising = (side is Side.BUY) != (kind in _TAKES_PROFIT)
    return price >= trigger if rising else price <= trigger
