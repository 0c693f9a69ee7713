"""What the desk has been told and has sent, folded a second time: in fractions, from events and commands.

Nothing here asks the engine what it holds; ``account`` apart, of which the engine says which of the
delivered ones it has taken (an overtaken one is not).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from contractdesk.domain.account import Account
from contractdesk.domain.commands import (
    Command,
    PlaceStop,
    ReadAccount,
    ReadVenueState,
    ReduceOrder,
    SubmitOrder,
)
from contractdesk.domain.events import (
    AccountRead,
    BookInvalidated,
    BookSnapshotRead,
    ClockMeasured,
    Event,
    FundingPaid,
    MarkPriced,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRead,
    OrderRejected,
    StopTriggered,
    VenueStateRead,
    WalletChanged,
)
from contractdesk.domain.fills import Fill
from contractdesk.domain.instrument import ZERO, ContractKind, Instrument
from contractdesk.domain.market import unpack_levels
from contractdesk.domain.orders import OrderRole, OrderStatus, OrderType, Side
from tests.engine.risk_terms import MS, NS_PER_S, D, booked, profit, value

ENDED = (OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED)
BAND = Fraction(3, 100)


@dataclass
class Sent:
    """An order that was sent, and what has been heard of it."""

    client_id: str
    symbol: str
    side: Side
    role: OrderRole
    size: Decimal
    price: Decimal | None = None
    trigger: Decimal | None = None
    filled: Decimal = ZERO
    alive: bool = True
    confirmed: bool = False
    confirmed_ns: int = 0
    absent: int = 0
    cancels: int = 0
    market: bool = False

    @property
    def left(self) -> Decimal:
        return max(ZERO, self.size - self.filled)


@dataclass
class Held:
    """Our position in one contract, and what is external beside it."""

    terms: Instrument
    size: Decimal = ZERO
    cost: Fraction = Fraction(0)
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    external: Decimal = ZERO
    bookings: int = 0
    opened: int = 0  # how often it has left zero, or crossed it
    mark: Decimal | None = None
    mark_ns: int = 0  # venue time
    trusted: Decimal | None = None
    newest_ns: int = 0  # of any mark that was looked at
    doubted: tuple[Decimal, int] | None = None
    touch: tuple[Decimal, Decimal] | None = None  # (bid, ask) of a valid book

    @property
    def net(self) -> Decimal:
        return self.size + self.external

    @property
    def closing(self) -> Side:
        return Side.SELL if self.size > 0 else Side.BUY

    def leaves(self, average: Decimal) -> Decimal:
        """What the external contracts cost, each, where ``average`` is what all cost, ours included."""
        rest = value(self.terms, self.net, average) - self.cost
        if rest * Fraction(self.external) <= 0:
            return average
        units = Fraction(self.external) * Fraction(self.terms.contract_size)
        return booked(rest / units if self.terms.kind is ContractKind.LINEAR else units / rest)

    def apply(self, signed: Decimal, price: Decimal, fee: Decimal) -> None:
        was, self.bookings = self.size, self.bookings + 1
        closing = min(abs(was), abs(signed)) if was * signed < 0 else ZERO
        if closing:
            part = closing if was > 0 else -closing
            bought = self.cost * Fraction(part) / Fraction(was)
            self.realized += booked(profit(self.terms, part, bought, price))
            self.cost -= bought
            self.size -= part
            signed += part
        if signed and not self.size:
            self.opened += 1
        self.size += signed
        self.cost += value(self.terms, signed, price)
        self.fees += fee
        if self.size * self.external < 0:  # the venue nets them
            gone = _against(self.size, self.external)
            self.external -= gone
            self.apply(gone, price, ZERO)

    def foreign(self, signed: Decimal, price: Decimal, fee: Decimal) -> None:
        """An execution that was not ours: what is external first, then ours, the rest is external."""
        self.bookings += 1
        on_external = _against(self.external, signed)
        self.external += on_external
        left = signed - on_external
        on_ours = _against(self.size, left)
        self.external += left - on_ours
        if on_ours:
            self.apply(on_ours, price, fee)

    def unrealized(self) -> Decimal:
        return (
            ZERO
            if not self.size or self.trusted is None
            else booked(profit(self.terms, self.size, self.cost, self.trusted))
        )


def _against(size: Decimal, change: Decimal) -> Decimal:
    if size * change >= 0:
        return ZERO
    return change if abs(change) <= abs(size) else -size


@dataclass
class Known:
    held: dict[str, Held]
    sent: dict[str, Sent] = field(default_factory=dict)
    open: dict[str, Sent] = field(default_factory=dict)  # those that may still do something
    trades: set[tuple[str, str]] = field(default_factory=set)
    payments: set[str] = field(default_factory=set)
    asked: dict[int, int] = field(default_factory=dict)  # request -> when
    account: Account | None = None
    account_ns: int = 0
    wallet: Decimal = ZERO
    wallet_ns: int = 0
    offset_ns: int = 0
    now_ns: int = 0
    measured: bool = False  # this event was a valid mark or a booking
    mixed: bool = False  # something on this account was not ours

    # -- sent ------------------------------------------------------------------------------

    def send(self, command: Command, now_ns: int) -> None:
        match command:
            case SubmitOrder(approved=approved):
                ask = approved.request
                self._keep(Sent(
                    ask.client_id, ask.symbol, ask.side, ask.role, ask.size, ask.price,
                    market=ask.type is OrderType.MARKET,
                ))  # fmt: skip
            case PlaceStop():
                role = OrderRole.STOP if command.type is OrderType.STOP_MARKET else OrderRole.TAKE_PROFIT
                trigger = command.trigger_price
                self._keep(
                    Sent(command.client_id, command.symbol, command.side, role, command.size, None, trigger)
                )
            case ReduceOrder():
                at_market = command.price is None
                self._keep(Sent(
                    command.client_id, command.symbol, command.side, command.role, command.size,
                    command.price, market=at_market,
                ))  # fmt: skip
            case ReadAccount() | ReadVenueState():
                self.asked[command.request_id] = now_ns
            case _:
                pass

    def _keep(self, sent: Sent) -> None:
        assert sent.client_id not in self.sent, f"{sent.client_id} was sent twice"
        self.sent[sent.client_id] = self.open[sent.client_id] = sent

    def orders(self, symbol: str, role: OrderRole) -> list[Sent]:
        return [o for o in self.open.values() if o.symbol == symbol and o.role is role]

    # -- heard -----------------------------------------------------------------------------

    def hear(self, event: Event, now_ns: int, *, taken: bool) -> None:  # noqa: C901  (a flat dispatch)
        """``taken``: the desk has not given up the question that this read answers."""
        self.measured, self.now_ns = False, now_ns
        match event:
            case MarkPriced():
                self._on_mark(event, now_ns)
            case OrderFilled(fill=fill):
                self._on_fill(fill)
            case OrderAccepted() | StopTriggered():
                self._confirm(event.client_id)
            case OrderRejected() | OrderCancelled() | OrderExpired():
                self._end(event.client_id)
            case OrderRead():
                self._on_order_read(event)
            case VenueStateRead() if taken:
                for fill in event.fills:
                    self._on_fill(fill)
                for row in event.orders:
                    self._confirm(row.client_id)
            case FundingPaid():
                self._on_paid(event)
            case WalletChanged():
                self._on_wallet(event.wallet_balance, event.venue_ns)
            case ClockMeasured():
                self.offset_ns = int(event.offset_ms * MS) if math.isfinite(event.offset_ms) else 0
            case BookSnapshotRead():
                self._on_book(event)
            case BookInvalidated():
                self.held[event.symbol].touch = None
            case _:
                pass

    def took(self, event: AccountRead | VenueStateRead, now_ns: int) -> None:
        """The engine has taken this account as the newest."""
        self.account, self.account_ns = event.account, self.asked.get(event.request_id, now_ns)
        shown_ns = event.account.venue_ns
        if not shown_ns or shown_ns >= self.wallet_ns:
            self.wallet, self.wallet_ns = event.account.wallet_balance, max(self.wallet_ns, shown_ns)

    def _on_wallet(self, balance: Decimal, venue_ns: int) -> None:
        if venue_ns >= self.wallet_ns:
            self.wallet, self.wallet_ns = balance, venue_ns

    def _on_book(self, event: BookSnapshotRead) -> None:
        item = self.held[event.symbol]
        bids, asks = unpack_levels(event.bids), unpack_levels(event.asks)
        if bids and asks:
            ticks = max(tick for tick, _ in bids), min(tick for tick, _ in asks)
            item.touch = item.terms.tick_size * ticks[0], item.terms.tick_size * ticks[1]
        else:
            item.touch = None

    def _confirm(self, client_id: str) -> None:
        sent = self.open.get(client_id)
        if sent is not None:
            sent.confirmed, sent.absent = True, 0
            sent.confirmed_ns = sent.confirmed_ns or self.now_ns

    def _end(self, client_id: str) -> None:
        sent = self.open.pop(client_id, None)
        if sent is not None:
            sent.alive = False

    def _on_order_read(self, event: OrderRead) -> None:
        sent = self.sent.get(event.client_id)
        if event.order is None and sent is not None:
            sent.absent += 1
        elif event.order is not None and event.order.status in ENDED:
            self._end(event.client_id)
        elif event.order is not None:
            self._confirm(event.client_id)

    def _on_fill(self, fill: Fill) -> None:
        """Booked once, whoever tells it first."""
        if (fill.symbol, fill.trade_id) in self.trades:
            return
        self.trades.add((fill.symbol, fill.trade_id))
        self.measured = True
        item, sent = self.held[fill.symbol], self.sent.get(fill.client_id)
        fee = fill.fee if fill.fee_asset == item.terms.settle else ZERO
        if sent is None:
            self.mixed = True
            item.foreign(fill.signed_size, fill.price, fee)
            return
        sent.filled += fill.size
        sent.confirmed = True
        if sent.filled >= sent.size:
            self._end(sent.client_id)
        item.apply(fill.signed_size, fill.price, fee)

    def _on_paid(self, event: FundingPaid) -> None:
        if event.payment_id in self.payments:
            return
        self.payments.add(event.payment_id)
        self.measured = True
        item, share = self.held[event.symbol], Fraction(event.amount)
        if item.external:
            share = share * Fraction(item.size) / Fraction(item.net) if item.net else Fraction(0)
        item.funding += booked(share)
        item.bookings += 1

    # -- marks: the design's own words on which of them count ------------------------------

    def _on_mark(self, event: MarkPriced, now_ns: int) -> None:
        item, mark = self.held[event.symbol], event.mark
        if not (mark.is_finite() and mark > 0):
            return
        self.measured = self._trusted(item, event, now_ns + self.offset_ns)
        latest = now_ns + self.offset_ns + 5 * NS_PER_S  # what is later is of the future, and ignored
        if event.venue_ns <= latest and not event.venue_ns < item.mark_ns <= latest:
            item.mark, item.mark_ns = mark, event.venue_ns

    @staticmethod
    def _trusted(item: Held, event: MarkPriced, venue_now: int) -> bool:
        if event.venue_ns <= item.newest_ns or abs(venue_now - event.venue_ns) > 5 * NS_PER_S:
            return False
        item.newest_ns = event.venue_ns
        if event.index.is_finite() and event.index > 0 and _near(event.mark, event.index):
            item.doubted = None
        else:
            before = item.doubted
            agreed = before is not None and _near(event.mark, before[0])
            if agreed and before is not None and event.venue_ns - before[1] < NS_PER_S:
                return False
            item.doubted = (event.mark, event.venue_ns)
            if not agreed:
                return False
        item.trusted = event.mark
        return True

    # -- money -----------------------------------------------------------------------------

    @property
    def profit(self) -> Decimal:
        return sum((h.realized - h.fees + h.funding + h.unrealized() for h in self.held.values()), ZERO)

    @property
    def equity(self) -> Decimal:
        return self.wallet + sum((item.unrealized() for item in self.held.values()), ZERO)


def _near(mark: Decimal, other: Decimal) -> bool:
    return abs(Fraction(mark) - Fraction(other)) <= BAND * Fraction(other)


__all__ = ["D", "Held", "Known", "Sent"]
