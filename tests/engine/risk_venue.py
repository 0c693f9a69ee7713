"""A venue with an account: orders in several contracts, margin by tiers, liquidation, funding.

It answers in every way a venue may (``Faults``). ``positions``, ``orders`` and ``wallet`` are the truth.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

from contractdesk.domain.commands import (
    CancelOrder,
    Command,
    PlaceStop,
    QueryOrder,
    ReadAccount,
    ReadVenueState,
    ReduceOrder,
    SubmitOrder,
    Watch,
)
from contractdesk.domain.events import (
    AccountRead,
    BarsLoaded,
    CancelFailed,
    Event,
    FundingPaid,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRead,
    OrderRejected,
    OutcomeUnknown,
    PositionReported,
    ReadFailed,
    StopTriggered,
    VenueStateRead,
    WalletChanged,
)
from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.market import Bar
from contractdesk.domain.orders import OrderStatus, OrderType, Side, TimeInForce
from tests.engine.risk_books import Books, Resting
from tests.engine.risk_terms import MS, NS_PER_S, D, World, booked, value
from tests.engine.unruly_venue import FENCE_NS, LATEST_NS, READ_LAG_NS, Faults

MINUTE_NS = 60 * NS_PER_S
BARS = 20
VOLATILITY = D("0.0008")  # of a bar's range


@dataclass
class RiskVenue:
    random: Random
    faults: Faults
    world: World
    now_ns: int
    leverage: dict[str, Decimal]
    offset_ns: int = 0
    slow: bool = False  # reads are answered too late for anybody
    at_trigger: float = 0.0  # chance that a stop is rejected when it triggers
    orders: dict[str, Resting] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    queue: list[tuple[int, int, Event]] = field(default_factory=list)
    created: list[str] = field(default_factory=list)  # client ids of every create that was sent
    count: int = 0
    liquidations: int = 0

    def __post_init__(self) -> None:
        self.books = Books(self.world, self.leverage)
        self.terms = {terms.symbol: terms for terms in self.world.prices}

    # -- delivering ------------------------------------------------------------------------

    @property
    def next_ns(self) -> int | None:
        return self.queue[0][0] if self.queue else None

    @property
    def venue_ns(self) -> int:
        return self.now_ns + self.offset_ns

    def pop(self) -> Event:
        return heapq.heappop(self.queue)[2]

    def forget(self) -> None:
        """Whoever waited for an answer is gone: nothing that was under way arrives."""
        self.queue.clear()

    def _answer(self, event: Event) -> None:
        self._post(event, self.random.randint(MS, 60 * MS))

    def _push(self, event: Event) -> None:
        """Something that nobody asked for may be late, repeated or lost."""
        chance = self.random.random
        if chance() < self.faults.drop:
            return
        latest = LATEST_NS if chance() < self.faults.delay else 60 * MS
        for _ in range(2 if chance() < self.faults.repeat else 1):
            self._post(event, self.random.randint(MS, latest))

    def _post(self, event: Event, delay: int) -> None:
        self.count += 1
        heapq.heappush(self.queue, (self.now_ns + delay, self.count, event))

    # -- commands --------------------------------------------------------------------------

    def perform(self, command: Command) -> None:
        match command:
            case SubmitOrder(approved=approved):
                ask = approved.request
                self._create(ask, ask.type, price=ask.price, tif=ask.time_in_force)
            case PlaceStop():
                self._create(command, command.type, trigger=command.trigger_price, reduce_only=True)
            case ReduceOrder():
                kind = OrderType.LIMIT if command.price else OrderType.MARKET
                more = {"price": command.price, "tif": command.time_in_force, "reduce_only": True}
                self._create(command, kind, **more)
            case CancelOrder():
                self._cancel(command)
            case QueryOrder():
                self._query(command)
            case ReadAccount() | ReadVenueState():
                self._read(command)
            case Watch():
                self._load(command)
            case _:
                pass

    def _create(self, ask: Any, kind: OrderType, **more: Any) -> None:
        self.created.append(ask.client_id)
        chance = self.random.random
        lost = chance() < self.faults.lose
        if lost and chance() < 0.5:
            self._unknown(ask)
            return
        order = Resting(
            client_id=ask.client_id, venue_id=f"v{len(self.created)}", symbol=ask.symbol, side=ask.side,
            size=ask.size, type=kind, created_ns=self.now_ns, **{"reduce_only": False, **more},
        )  # fmt: skip
        refusal = self._refusal(order)
        if refusal is not None or chance() < self.faults.reject:
            known = {
                "ts_ns": 0,
                "client_id": ask.client_id,
                "symbol": ask.symbol,
                "code": -1,
                "message": "no",
            }
            rejected = OrderRejected(**known, **(refusal or {"unheard": chance() < 0.3}))
            self._unknown(ask) if lost else self._answer(rejected)
            return
        self.orders[ask.client_id] = order
        if lost:
            self._unknown(ask)
        else:
            self._answer(OrderAccepted(**self._of(order), venue_id=order.venue_id))
        if order.trigger is None:
            self._work(order)

    def _refusal(self, order: Resting) -> dict[str, bool] | None:
        """Why the venue would not take it; None where it would."""
        if order.trigger is not None:
            return {"would_trigger": True} if self._beyond(order) else None
        if order.reduce_only and self.books.size(order.symbol) * order.side.sign >= 0:
            return {}
        if order.tif is TimeInForce.GTX and self._takes(order):
            return {"would_take": True}
        return None

    def _of(self, order: Resting) -> dict[str, Any]:
        return {"ts_ns": 0, "client_id": order.client_id, "symbol": order.symbol}

    def _unknown(self, ask: Any) -> None:
        known = {"ts_ns": 0, "client_id": ask.client_id, "symbol": ask.symbol}
        self._answer(OutcomeUnknown(**known, fence_ns=self.venue_ns + FENCE_NS, reason="timeout"))

    def _cancel(self, command: CancelOrder) -> None:
        order = self.orders.get(command.client_id)
        known = {"ts_ns": 0, "client_id": command.client_id, "symbol": command.symbol}
        if order is None or not order.live or order.status is OrderStatus.TRIGGERED:
            self._answer(CancelFailed(**known, code=-2011, message="unknown"))
            return
        lost = self.random.random() < self.faults.lose
        if not lost or self.random.random() < 0.5:
            order.status = OrderStatus.CANCELLED
        self._answer(CancelFailed(**known, code=0, message="timeout") if lost else OrderCancelled(**known))

    def _query(self, command: QueryOrder) -> None:
        if self.random.random() < self.faults.read:
            self._answer(self._failed(command.request_id))
            return
        order = self.orders.get(command.client_id)
        young = order is not None and self.now_ns < order.created_ns + READ_LAG_NS
        late = young and self.random.random() < self.faults.lag
        row = order.row() if order and not late else None
        self._answer(OrderRead(ts_ns=0, client_id=command.client_id, symbol=command.symbol, order=row))

    def _read(self, command: ReadAccount | ReadVenueState) -> None:
        if self.random.random() < self.faults.read:
            self._answer(self._failed(command.request_id))
        elif isinstance(command, ReadAccount):
            read = AccountRead(ts_ns=0, request_id=command.request_id, account=self.account())
            self._post(read, self.random.randint(MS, 60 * MS) + self.slow * 4 * NS_PER_S)
        else:
            self._answer(self.picture(command.request_id, command.fills_since_ns))

    def account(self):
        entries = [o for o in self.orders.values() if o.live and not o.reduce_only]
        return self.books.account(self.venue_ns, [(o.symbol, o.left, o.price) for o in entries])

    def picture(self, request_id: int, since_ns: int = 0) -> VenueStateRead:
        return VenueStateRead(
            ts_ns=0,
            request_id=request_id,
            account=self.account(),
            orders=tuple(order.row() for order in self.orders.values() if order.live),
            fills=tuple(fill for fill in self.fills if fill.venue_ns >= since_ns),
        )

    @staticmethod
    def _failed(request_id: int) -> ReadFailed:
        return ReadFailed(ts_ns=0, request_id=request_id, what="read", reason="timeout")

    def _load(self, command: Watch) -> None:
        """Closed bars up to the current minute, for the ATR."""
        last = self.venue_ns - self.venue_ns % MINUTE_NS
        for timeframe in command.timeframes:
            step = MINUTE_NS * int(timeframe[:-1])
            bars = [self.bar(command.symbol, last - last % step - n * step) for n in range(BARS, 0, -1)]
            self._answer(BarsLoaded(ts_ns=0, symbol=command.symbol, timeframe=timeframe, bars=tuple(bars)))

    def bar(self, symbol: str, open_ns: int) -> Bar:
        price = self.books.marks[symbol]
        reach = price * VOLATILITY * self.random.randint(5, 20) / 10
        return Bar(
            open_ns=open_ns, open=price, high=price + reach, low=price - reach, close=price, volume=D(1)
        )

    # -- the market ------------------------------------------------------------------------

    def tick(self, symbol: str, mark: Decimal) -> None:
        """A new true price: stops trigger, orders are worked, the account may be liquidated."""
        self.books.marks[symbol] = mark
        if self.random.random() < 0.5 and self.books.bankrupt():  # a gap that no stop has caught
            self.liquidate()
        for order in [o for o in self.orders.values() if o.live and o.symbol == symbol]:
            if order.trigger is None or order.status is OrderStatus.TRIGGERED:
                self._work(order)
            elif self._beyond(order):
                self._trigger(order)
            elif self.random.random() < self.faults.vanish:
                order.status = OrderStatus.CANCELLED
                self._push(OrderCancelled(**self._of(order)))
        if self.books.bankrupt():
            self.liquidate()

    def _beyond(self, order: Resting) -> bool:
        mark, trigger = self.books.marks[order.symbol], order.trigger or ZERO
        falling = (order.side is Side.SELL) == (order.type is OrderType.STOP_MARKET)
        return mark <= trigger if falling else mark >= trigger

    def _trigger(self, order: Resting) -> None:
        if self.random.random() < self.at_trigger:
            order.status = OrderStatus.REJECTED
            rejected = OrderRejected(**self._of(order), code=-2, message="no margin", at_trigger=True)
            self._push(rejected)
            return
        order.status = OrderStatus.TRIGGERED
        self._push(StopTriggered(**self._of(order), child_venue_id=f"child-{order.venue_id}"))
        self._work(order)

    def _takes(self, order: Resting) -> bool:
        if order.price is None:
            return True
        return order.side.sign * (order.price - self.books.touch(order.symbol, order.side)) >= 0

    def _work(self, order: Resting) -> None:
        """Fill a part, or all; reduce-only is clipped to the position, and ends with it."""
        if not self._takes(order):
            if order.tif in (TimeInForce.IOC, TimeInForce.FOK):
                self._expire(order, "nobody took it")
            return
        left, held = order.left, self.books.size(order.symbol)
        if order.reduce_only:
            left = min(left, max(ZERO, -order.side.sign * held))
        if left <= 0:
            self._expire(order, "reduce-only")
            return
        lots = int(left / self.terms[order.symbol].lot_size)
        whole = order.tif is TimeInForce.FOK or lots < 2 or self.random.random() < 0.6
        part = left if whole else self.terms[order.symbol].lot_size * self.random.randint(1, lots)
        self._execute(order, part)
        if order.live and order.tif is TimeInForce.IOC:
            self._expire(order, "the rest")

    def _expire(self, order: Resting, reason: str) -> None:
        order.status = OrderStatus.EXPIRED
        self._push(OrderExpired(**self._of(order), reason=reason))

    def _execute(self, order: Resting, part: Decimal) -> None:
        order.filled += part
        if order.filled == order.size:
            order.status = OrderStatus.FILLED
        elif order.status is OrderStatus.WORKING:
            order.status = OrderStatus.PARTIALLY_FILLED
        touch = self.books.touch(order.symbol, order.side)
        price = touch if order.price is None else order.price
        self.fill(order.symbol, order.client_id, order.venue_id, order.side.sign * part, price)

    def fill(
        self,
        symbol: str,
        client_id: str,
        venue_id: str,
        signed: Decimal,
        price: Decimal,
        *,
        told: bool = True,
    ) -> None:
        """Book an execution; ``told`` False: nobody hears of it but by reading the positions."""
        terms = self.terms[symbol]
        fee = booked(abs(value(terms, signed, price)) * Fraction(terms.taker_fee))
        elsewhere = self.random.random() < 0.05  # paid in the venue's own coin
        made = Fill(
            symbol=symbol, trade_id=f"t{len(self.fills)}-{self.count}", client_id=client_id,
            venue_order_id=venue_id, signed_size=signed, price=price, fee=fee,
            fee_asset="BNB" if elsewhere else terms.settle, liquidity=Liquidity.TAKER,
            venue_ns=self.venue_ns, ts_ns=self.now_ns,
        )  # fmt: skip
        self.books.apply(symbol, signed, price, ZERO if elsewhere else fee)
        if told:
            self.fills.append(made)
            self._push(OrderFilled(ts_ns=0, client_id=client_id, symbol=symbol, fill=made))
        if self.random.random() < 0.3:
            entry = self.books.entry(symbol)
            witness = {"size": self.books.size(symbol), "entry_price": entry, "venue_ns": self.venue_ns}
            self._push(PositionReported(ts_ns=0, symbol=symbol, **witness))

    def elsewhere(self, symbol: str, signed: Decimal, *, told: bool) -> None:
        """Somebody trades on the same account, on the venue's own page."""
        self.count += 1
        price = self.books.touch(symbol, Side.BUY if signed > 0 else Side.SELL)
        self.fill(symbol, f"web-{self.count}", f"w{self.count}", signed, price, told=told)

    def liquidate(self) -> None:
        """The venue takes everything, orders first; it says so by foreign executions."""
        self.liquidations += 1
        for order in self.orders.values():
            if order.live:
                order.status = OrderStatus.CANCELLED
                self._push(OrderCancelled(**self._of(order), reason="liquidation"))
        for symbol in self.terms:
            size = self.books.size(symbol)
            if size:
                self.count += 1
                self.fill(symbol, f"autoclose-{self.count}", "liq", -size, self.books.marks[symbol])
        self.books.wallet = max(ZERO, self.books.wallet)

    def pay(self, symbol: str, rate: Decimal) -> None:
        """Settle funding on the whole position."""
        amount = booked(
            -value(self.terms[symbol], self.books.size(symbol), self.books.marks[symbol]) * Fraction(rate)
        )
        self.count += 1
        self.books.wallet += amount
        paid = FundingPaid(
            ts_ns=0, symbol=symbol, amount=amount, payment_id=f"f{self.count}", venue_ns=self.venue_ns
        )
        self._push(paid)

    def transfer(self, change: Decimal) -> None:
        self.books.wallet = max(ZERO, self.books.wallet + change)
        told = {"asset": self.world.asset, "wallet_balance": self.books.wallet, "venue_ns": self.venue_ns}
        self._push(WalletChanged(ts_ns=0, **told, change=change, cause="TRANSFER"))
