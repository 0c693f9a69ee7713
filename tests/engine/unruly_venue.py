"""A venue that answers commands in every way a venue may: it accepts, rejects, loses, fills in part,
repeats, delays and reorders. What really happened is in ``position``, ``orders`` and ``fills``.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from contractdesk.domain.account import Account, VenuePosition
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
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRead,
    OrderRejected,
    OutcomeUnknown,
    ReadFailed,
    StopTriggered,
    VenueOrder,
    VenueStateRead,
)
from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.orders import OrderStatus, OrderType, Side
from tests.engine.bench import MARK, NS_PER_S, SYMBOL, WALLET, D

MS = NS_PER_S // 1000
FENCE_NS = 3 * NS_PER_S
READ_LAG_NS = 2 * NS_PER_S
LATEST_NS = 1500 * MS  # the longest delay of an event
AMEND_WINDOW_NS = 2500 * MS  # so long after it was sent is an amend still done


@dataclass
class Faults:
    """Chances of what goes wrong, from 0 to 1."""

    reject: float = 0.0
    lose: float = 0.0  # the answer to a create, a cancel or an amend
    read: float = 0.0  # a read that fails
    drop: float = 0.0  # a user event that never comes
    repeat: float = 0.0
    delay: float = 0.0  # a user event that comes late
    lag: float = 0.0  # a query that does not know yet an order younger than two seconds
    vanish: float = 0.0  # a stop that somebody else cancels, at each tick

    @classmethod
    def drawn(cls, random: Random) -> Faults:
        """Some faults at some rates: not all sessions have them all."""
        names = ("reject", "lose", "read", "drop", "repeat", "delay", "lag")
        rates = {name: random.choice([0.0, 0.0, 0.1, 0.4]) for name in names}
        return cls(**rates, vanish=random.choice([0.0, 0.0, 0.0, 0.02]))


@dataclass
class Resting:
    """An order as the venue knows it."""

    client_id: str
    venue_id: str
    side: Side
    size: Decimal
    type: OrderType
    reduce_only: bool
    trigger: Decimal | None
    created_ns: int
    status: OrderStatus = OrderStatus.WORKING
    filled: Decimal = ZERO

    @property
    def live(self) -> bool:
        return self.status.open

    def row(self) -> VenueOrder:
        return VenueOrder(
            client_id=self.client_id,
            venue_id=self.venue_id,
            symbol=SYMBOL,
            side=self.side,
            type=self.type,
            status=self.status,
            size=self.size,
            filled=self.filled,
            price=None,
            trigger_price=self.trigger,
            reduce_only=self.reduce_only,
        )


@dataclass
class UnrulyVenue:
    random: Random
    faults: Faults
    now_ns: int
    mark: Decimal = MARK
    position: Decimal = ZERO
    orders: dict[str, Resting] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    queue: list[tuple[int, int, Event]] = field(default_factory=list)
    created: list[str] = field(default_factory=list)  # client ids of every create that was sent
    late: list[tuple[int, AmendStop]] = field(default_factory=list)  # amends on their way, and when done
    step: int = 80  # of the mark, at each tick
    count: int = 0

    # -- delivering ------------------------------------------------------------------------

    @property
    def next_ns(self) -> int | None:
        return self.queue[0][0] if self.queue else None

    def pop(self) -> Event:
        return heapq.heappop(self.queue)[2]

    def _send(self, event: Event, *, answer: bool = False) -> None:
        """An answer always comes; a pushed event may be late, repeated or lost."""
        chance = self.random.random
        if not answer and chance() < self.faults.drop:
            return
        late = not answer and chance() < self.faults.delay
        for _ in range(2 if not answer and chance() < self.faults.repeat else 1):
            delay = self.random.randint(MS, LATEST_NS if late else 60 * MS)
            self.count += 1
            heapq.heappush(self.queue, (self.now_ns + delay, self.count, event))

    # -- commands --------------------------------------------------------------------------

    def perform(self, command: Command) -> None:
        match command:
            case SubmitOrder(approved=approved):
                request = approved.request
                self._create(request.client_id, request.side, request.size, request.type, None)
            case PlaceStop():
                self._create(
                    command.client_id, command.side, command.size, command.type, command.trigger_price
                )
            case ReduceOrder():
                self._create(
                    command.client_id, command.side, command.size, OrderType.MARKET, None, reduce_only=True
                )
            case CancelOrder():
                self._cancel(command.client_id)
            case AmendStop():
                self._amend(command)
            case QueryOrder():
                self._query(command)
            case ReadAccount() | ReadVenueState():
                self._read(command)
            case _:
                pass

    def _create(
        self,
        client_id: str,
        side: Side,
        size: Decimal,
        kind: OrderType,
        trigger: Decimal | None,
        *,
        reduce_only: bool = False,
    ) -> None:
        self.created.append(client_id)
        lost = self.random.random() < self.faults.lose
        if lost and self.random.random() < 0.5:
            self._unknown(client_id)
            return
        beyond = trigger is not None and self._beyond(side, kind, trigger)
        empty = reduce_only and self.position * side.sign >= 0
        if beyond or empty or self.random.random() < self.faults.reject:
            rejected = self._rejected(client_id, beyond=beyond)
            self._unknown(client_id) if lost else self._send(rejected, answer=True)
            return
        order = Resting(
            client_id=client_id,
            venue_id=f"v{len(self.created)}",
            side=side,
            size=size,
            type=kind,
            reduce_only=reduce_only or trigger is not None,
            trigger=trigger,
            created_ns=self.now_ns,
        )
        self.orders[client_id] = order
        if lost:
            self._unknown(client_id)
        else:
            self._send(self._accepted(order), answer=True)
        if trigger is None:
            self._work(order)

    def _unknown(self, client_id: str) -> None:
        event = OutcomeUnknown(
            ts_ns=0, client_id=client_id, symbol=SYMBOL, fence_ns=self.now_ns + FENCE_NS, reason="timeout"
        )
        self._send(event, answer=True)

    def _rejected(self, client_id: str, *, beyond: bool) -> OrderRejected:
        return OrderRejected(
            ts_ns=0, client_id=client_id, symbol=SYMBOL, code=-1, message="no", would_trigger=beyond
        )

    def _accepted(self, order: Resting) -> OrderAccepted:
        return OrderAccepted(ts_ns=0, client_id=order.client_id, symbol=SYMBOL, venue_id=order.venue_id)

    def _cancel(self, client_id: str) -> None:
        order = self.orders.get(client_id)
        if order is None or not order.live or order.status is OrderStatus.TRIGGERED:
            failed = CancelFailed(ts_ns=0, client_id=client_id, symbol=SYMBOL, code=-2011, message="unknown")
            self._send(failed, answer=True)
            return
        lost = self.random.random() < self.faults.lose
        if lost and self.random.random() < 0.5:
            lost_event = CancelFailed(ts_ns=0, client_id=client_id, symbol=SYMBOL, code=0, message="timeout")
            self._send(lost_event, answer=True)
            return
        order.status = OrderStatus.CANCELLED
        if lost:
            lost_event = CancelFailed(ts_ns=0, client_id=client_id, symbol=SYMBOL, code=0, message="timeout")
            self._send(lost_event, answer=True)
        else:
            self._send(OrderCancelled(ts_ns=0, client_id=client_id, symbol=SYMBOL), answer=True)

    def _amend(self, command: AmendStop) -> None:
        """Done and answered; or refused; or without an answer: done, done later, or not at all."""
        chance = self.random.random
        order = self.orders.get(command.client_id)
        resting = order is not None and order.status is OrderStatus.WORKING
        lost = chance() < self.faults.lose
        if not resting or chance() < self.faults.reject or self._reached(command):
            if not lost:
                self._answer_amend(command, code=-2013)
            return
        if not lost:
            self._send(self._done(command), answer=True)
        elif chance() < 0.5:  # the other half hears nothing at all
            self._answer_amend(command, code=0)
        if lost and chance() < 0.5:
            if chance() < 0.5:
                self.late.append((self.now_ns + self.random.randint(0, AMEND_WINDOW_NS), command))
            return
        if lost:
            self._done(command)

    def _answer_amend(self, command: AmendStop, code: int) -> None:
        failed = AmendFailed(ts_ns=0, client_id=command.client_id, symbol=SYMBOL, code=code, message="no")
        self._send(failed, answer=True)

    def _done(self, command: AmendStop) -> OrderAmended:
        """The order has the new terms; the stream tells it, too."""
        order = self.orders[command.client_id]
        order.size, order.trigger = command.size, command.trigger_price
        told = OrderAmended(
            ts_ns=0,
            client_id=command.client_id,
            symbol=SYMBOL,
            venue_ns=self.now_ns,
            price=None,
            trigger_price=command.trigger_price,
            size=command.size,
        )
        self._send(told)
        return told

    def _reached(self, command: AmendStop) -> bool:
        return self._beyond(command.side, OrderType.STOP_MARKET, command.trigger_price)

    def _do_late_amends(self) -> None:
        due = [command for due_ns, command in self.late if due_ns <= self.now_ns]
        self.late = [(due_ns, command) for due_ns, command in self.late if due_ns > self.now_ns]
        for command in due:
            if self.orders[command.client_id].status is OrderStatus.WORKING and not self._reached(command):
                self._done(command)

    def _query(self, command: QueryOrder) -> None:
        if self.random.random() < self.faults.read:
            self._send(self._failed(command.request_id), answer=True)
            return
        order = self.orders.get(command.client_id)
        young = order is not None and self.now_ns < order.created_ns + READ_LAG_NS
        late = young and self.random.random() < self.faults.lag
        row = order.row() if order and not late else None
        self._send(OrderRead(ts_ns=0, client_id=command.client_id, symbol=SYMBOL, order=row), answer=True)

    def _read(self, command: ReadAccount | ReadVenueState) -> None:
        if self.random.random() < self.faults.read:
            self._send(self._failed(command.request_id), answer=True)
            return
        account = self.account()
        if isinstance(command, ReadAccount):
            self._send(AccountRead(ts_ns=0, request_id=command.request_id, account=account), answer=True)
            return
        rows = tuple(order.row() for order in self.orders.values() if order.live)
        fills = tuple(fill for fill in self.fills if fill.venue_ns >= command.fills_since_ns)
        event = VenueStateRead(
            ts_ns=0, request_id=command.request_id, account=account, orders=rows, fills=fills
        )
        self._send(event, answer=True)

    @staticmethod
    def _failed(request_id: int) -> ReadFailed:
        return ReadFailed(ts_ns=0, request_id=request_id, what="read", reason="timeout")

    def account(self) -> Account:
        held = VenuePosition(
            symbol=SYMBOL, size=self.position, entry_price=MARK, unrealized_pnl=ZERO, leverage=D(10)
        )
        return Account(
            asset="USDT",
            wallet_balance=WALLET,
            unrealized_pnl=ZERO,
            initial_margin=ZERO,
            maintenance_margin=ZERO,
            available=WALLET,
            positions=(held,) if self.position else (),
        )

    # -- the market ------------------------------------------------------------------------

    def tick(self) -> Decimal:
        """One step of the mark; stops trigger, partial orders go on, somebody may cancel a stop."""
        self._do_late_amends()
        self.mark += D(self.random.randint(-self.step, self.step))
        for order in list(self.orders.values()):
            if not order.live:
                continue
            if order.trigger is None or order.status is OrderStatus.TRIGGERED:
                self._work(order)
            elif self._beyond(order.side, order.type, order.trigger):
                self._trigger(order)
            elif self.random.random() < self.faults.vanish:
                order.status = OrderStatus.CANCELLED
                self._send(OrderCancelled(ts_ns=0, client_id=order.client_id, symbol=SYMBOL))
        return self.mark

    def _beyond(self, side: Side, kind: OrderType, trigger: Decimal) -> bool:
        falling = (side is Side.SELL) == (kind is OrderType.STOP_MARKET)
        return self.mark <= trigger if falling else self.mark >= trigger

    def _trigger(self, order: Resting) -> None:
        order.status = OrderStatus.TRIGGERED
        child = f"child-{order.venue_id}"
        self._send(StopTriggered(ts_ns=0, client_id=order.client_id, symbol=SYMBOL, child_venue_id=child))
        self._work(order)

    def _work(self, order: Resting) -> None:
        """Fill a part, or all; reduce-only is clipped to the position, and ends with it."""
        left = order.size - order.filled
        if order.reduce_only:
            left = min(left, max(ZERO, -order.side.sign * self.position))
        if left <= 0:
            order.status = OrderStatus.EXPIRED
            self._send(OrderExpired(ts_ns=0, client_id=order.client_id, symbol=SYMBOL, reason="reduce-only"))
            return
        lots = int(left / D("0.001"))
        part = left if self.random.random() < 0.5 else D(self.random.randint(1, lots)) * D("0.001")
        order.filled += part
        self.position += order.side.sign * part
        if order.filled == order.size:
            order.status = OrderStatus.FILLED
        elif order.status is OrderStatus.WORKING:
            order.status = OrderStatus.PARTIALLY_FILLED
        fill = Fill(
            symbol=SYMBOL,
            trade_id=f"t{len(self.fills)}",
            client_id=order.client_id,
            venue_order_id=order.venue_id,
            signed_size=order.side.sign * part,
            price=self.mark,
            fee=D("0.01"),
            fee_asset="USDT",
            liquidity=Liquidity.TAKER,
            venue_ns=self.now_ns,
            ts_ns=self.now_ns,
        )
        self.fills.append(fill)
        self._send(OrderFilled(ts_ns=0, client_id=order.client_id, symbol=SYMBOL, fill=fill))

    def live_stops(self) -> list[Resting]:
        return [o for o in self.orders.values() if o.live and o.type is OrderType.STOP_MARKET]
