"""The state that the parts of the core share: listings, books, accounts, orders, marks, events."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Protocol

from contractdesk.exchange.accounts import Account
from contractdesk.exchange.book import Book, Resting
from contractdesk.exchange.events import BookMoved, Event
from contractdesk.exchange.prints import Prints
from contractdesk.exchange.rows import Mark, Order
from contractdesk.exchange.terms import Listing
from contractdesk.exchange.words import Reason, Refused, SymbolStatus

CLOSED_ORDERS_KEPT = 200_000
FIRST_ORDER_ID = 1_000_000_001


class Orders:
    """All regular orders: the rows, which of them rest, and who calls them what."""

    def __init__(self) -> None:
        self.rows: dict[int, Order] = {}
        self._resting: dict[str, dict[int, Resting]] = {}
        self._by_client: dict[tuple[str, str, str], int] = {}
        self._closed: deque[int] = deque()
        self._last_id = FIRST_ORDER_ID - 1

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def put(self, order: Order) -> None:
        """Keep the row; a closed one no longer rests, and the oldest closed ones are forgotten."""
        if order.order_id not in self.rows:
            self._by_client[order.account, order.symbol, order.client_id] = order.order_id
        self.rows[order.order_id] = order
        if order.status.open:
            return
        self._resting.get(order.account, {}).pop(order.order_id, None)
        self._closed.append(order.order_id)
        if len(self._closed) > CLOSED_ORDERS_KEPT:
            self._forget(self.rows.pop(self._closed.popleft()))

    def rest(self, resting: Resting) -> None:
        self._resting.setdefault(resting.account, {})[resting.order_id] = resting

    def resting(self, account: str, symbol: str | None = None) -> list[Resting]:
        """Orders in the book, oldest first."""
        mine = self._resting.get(account, {}).values()
        return [resting for resting in mine if symbol is None or resting.symbol == symbol]

    def resting_by_id(self, order: Order) -> Resting:
        return self._resting[order.account][order.order_id]

    def of(self, account: str, symbol: str | None = None) -> Iterator[Order]:
        """Every kept order of an account, oldest first."""
        for order in self.rows.values():
            if order.account == account and symbol in (None, order.symbol):
                yield order

    def find(self, account: str, symbol: str, order_id: int, client_id: str) -> Order:
        """By id, else the latest with this client id; Refused(UNKNOWN_ORDER)."""
        found = order_id or self._by_client.get((account, symbol, client_id), 0)
        order = self.rows.get(found)
        if order is None or (order.account, order.symbol) != (account, symbol):
            raise Refused(Reason.UNKNOWN_ORDER, client_id or str(order_id))
        return order

    def client_id_taken(self, account: str, symbol: str, client_id: str) -> bool:
        """True while an *open* order has it: closed ones may be named again, as at Binance."""
        known = self.rows.get(self._by_client.get((account, symbol, client_id), 0))
        return known is not None and known.status.open

    def _forget(self, order: Order) -> None:
        name = (order.account, order.symbol, order.client_id)
        if self._by_client.get(name) == order.order_id:
            del self._by_client[name]


class Quirks(Protocol):
    """What a venue does seldom, and here only where somebody wants it; asked only when it would count."""

    def rejects_trigger(self, symbol: str) -> bool:
        """Is the conditional order that triggers now rejected for want of margin?"""

    def crowds_reduce(self, symbol: str) -> bool:
        """Is a reduce-only order refused because those that rest close all of the position already?"""


class Floor:
    """Everything that trades, at one instant."""

    def __init__(self, listings: Mapping[str, Listing], now_ns: int) -> None:
        self.listings = dict(listings)
        self.marks: dict[str, Mark] = {}  # one for each listing as soon as its market has opened
        self.books = {symbol: Book(symbol) for symbol in listings}
        self.prints = {symbol: Prints(listing) for symbol, listing in listings.items()}
        self.accounts: dict[str, Account] = {}
        self.orders = Orders()
        self.statuses: dict[str, SymbolStatus] = {}  # of contracts that do not simply trade
        self.now_ns = now_ns
        self.quirks: Quirks | None = None
        self.moved: set[tuple[str, str]] = set()  # (account, symbol) whose position has changed
        self.printed: dict[str, None] = {}  # symbols with a new last price (a dict keeps their order)
        self.finished: list[Order] = []  # closed orders that came from an algo order
        self._events: list[Event] = []

    def listing(self, symbol: str) -> Listing:
        try:
            return self.listings[symbol]
        except KeyError:
            raise Refused(Reason.UNKNOWN_SYMBOL, symbol) from None

    def status(self, symbol: str) -> SymbolStatus:
        return self.statuses.get(symbol, SymbolStatus.TRADING)

    def account(self, name: str) -> Account:
        try:
            return self.accounts[name]
        except KeyError:
            raise Refused(Reason.UNKNOWN_ACCOUNT, name) from None

    def emit(self, event: Event) -> None:
        self._events.append(event)

    def flush_book(self, symbol: str) -> None:
        """Report the levels that have changed since the last flush."""
        book = self.books[symbol]
        bids, asks = book.bids.flush(), book.asks.flush()
        if not bids and not asks:
            return
        first_id = book.last_update_id + 1
        book.last_update_id += len(bids) + len(asks)
        moved = BookMoved(
            ts_ns=self.now_ns,
            symbol=symbol,
            first_id=first_id,
            last_id=book.last_update_id,
            bids=bids,
            asks=asks,
        )
        self.emit(moved)

    def drain(self) -> list[Event]:
        """The events since the last drain."""
        events, self._events = self._events, []
        return events
