"""The loopback exchange without its wire: requests and time go in, answers and events come out.

Synchronous and deterministic: no I/O, no clock, no chance of its own. The driver calls
``advance(now_ns)`` first, then ``handle(request, now_ns)``; a refusal changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, assert_never

from contractdesk.exchange import margin
from contractdesk.exchange.accounts import Account
from contractdesk.exchange.algos import Algos
from contractdesk.exchange.clearing import Clearing
from contractdesk.exchange.configuring import Configuring
from contractdesk.exchange.events import Event, MarkMoved, Response, Result
from contractdesk.exchange.floor import Floor, Quirks
from contractdesk.exchange.funding import FundingSchedule
from contractdesk.exchange.levers import Levers
from contractdesk.exchange.market import Depth, Market, MarkTick, Message, Print, Taker
from contractdesk.exchange.matching import Matcher
from contractdesk.exchange.open_interest import OpenInterest
from contractdesk.exchange.requests import (
    AmendAlgo,
    AmendOrder,
    AnyRequest,
    CancelAlgo,
    CancelAll,
    CancelAllAlgos,
    CancelOrder,
    NewAlgo,
    NewOrder,
    SetLeverage,
    SetMarginMode,
    SetPositionMode,
    Transfer,
)
from contractdesk.exchange.rows import (
    AccountConfig,
    AccountState,
    AggTrade,
    AlgoOrder,
    BookView,
    Fill,
    FundingRate,
    Kline,
    LedgerEntry,
    Mark,
    Order,
    Trade,
)
from contractdesk.exchange.state import picture
from contractdesk.exchange.terms import Listing
from contractdesk.exchange.trading import Trading
from contractdesk.exchange.words import LedgerKind, Reason, Refused, Side, SymbolStatus

OPENING = "opening balance"


class Exchange:
    """A contract exchange in one object."""

    def __init__(
        self,
        listings: Iterable[Listing],
        markets: Mapping[str, Market],
        start_ns: int,
        *,
        longest_catch_up_ns: int | None = None,
    ) -> None:
        """``markets`` by symbol, one for each listing.

        A market further behind than ``longest_catch_up_ns`` counts as having slept (a suspended
        host); None replays everything that was missed.
        """
        self.listings = {listing.symbol: listing for listing in listings}
        self._markets = {symbol: markets[symbol] for symbol in self.listings}
        self._longest_catch_up_ns = longest_catch_up_ns
        self._floor = Floor(self.listings, start_ns)
        self._interest = OpenInterest(self._floor)
        self._matcher = Matcher(self._floor)
        self._trading = Trading(self._floor, self._matcher)
        self._algos = Algos(self._floor, self._trading)
        self._configuring = Configuring(self._floor, self._algos)
        self._clearing = Clearing(self._floor, self._trading, self._algos)
        self._schedules: dict[str, FundingSchedule] = {}
        for symbol in self.listings:
            self._open_market(symbol)
        self._floor.drain()
        self.levers = Levers(
            self._floor, self._markets, self._schedules, self._interest, self._clearing, self._matcher,
            self._algos, self._apply, self._conclude,
        )  # fmt: skip

    def open_account(self, name: str, balances: Mapping[str, Decimal], now_ns: int) -> None:
        """Let in a customer with these balances by asset; they stand in the ledger as transfers.

        ValueError where the name is taken.
        """
        if name in self._floor.accounts:
            raise ValueError(f"there is an account {name!r} already")
        self._floor.accounts[name] = Account(name, self.listings)
        self.endow(name, balances, now_ns)

    def endow(self, name: str, balances: Mapping[str, Decimal], now_ns: int) -> None:
        """Open the account where it is new, and give it the assets in which it has had no booking yet."""
        if name not in self._floor.accounts:
            self.open_account(name, {}, now_ns)
        account = self._floor.accounts[name]
        for asset, amount in balances.items():
            if asset not in account.wallets:
                account.book(LedgerKind.TRANSFER, asset, amount, now_ns, info=OPENING)

    def obey(self, quirks: Quirks) -> None:
        """Do from now on what a venue does seldom, whenever ``quirks`` says so."""
        self._floor.quirks = quirks

    # -- driving -----------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """How far the exchange has been advanced."""
        return self._floor.now_ns

    @property
    def next_due_ns(self) -> int:
        """When ``advance`` next has something to do."""
        return min(map(self._due, self._markets))

    def advance(self, now_ns: int) -> list[Event]:
        """Let time pass: the market moves, orders trigger and fill, funding settles."""
        self._forgive_sleep(now_ns)
        while True:
            symbol = min(self._markets, key=self._due)
            due = self._due(symbol)
            if due > now_ns:
                break
            self._floor.now_ns = max(due, self._floor.now_ns)
            if self._schedules[symbol].next_ns <= due:
                self._settle_funding(symbol)
            else:
                for message in self._markets[symbol].pop():
                    self._apply(symbol, message)
        self._floor.now_ns = max(now_ns, self._floor.now_ns)
        self._interest.pass_to(self._floor.now_ns)
        return self._floor.drain()

    def handle(self, request: AnyRequest, now_ns: int) -> Result:
        """Do what an account asks; raises Refused, and then nothing has changed.

        ``now_ns`` is the instant to which the exchange has just been advanced.
        """
        self._floor.now_ns = max(now_ns, self._floor.now_ns)
        response = self._dispatch(request)
        self._conclude()
        return Result(response=response, events=tuple(self._floor.drain()))

    # -- public reads ------------------------------------------------------------------------

    def book(self, symbol: str, limit: int | None = None) -> BookView:
        """The best ``limit`` levels a side, or all."""
        book = self._floor.books[self._floor.listing(symbol).symbol]
        return BookView(
            symbol=symbol,
            last_update_id=book.last_update_id,
            bids=tuple(book.bids.levels(limit)),
            asks=tuple(book.asks.levels(limit)),
            ts_ns=self._floor.now_ns,
        )

    def mark(self, symbol: str) -> Mark:
        return self._floor.marks[self._floor.listing(symbol).symbol]

    def status(self, symbol: str) -> SymbolStatus:
        return self._floor.status(self._floor.listing(symbol).symbol)

    def last_price(self, symbol: str) -> Decimal:
        """Of the last trade; 0 before the first one."""
        listing = self._floor.listing(symbol)
        return listing.price(self._floor.prints[symbol].last_tick)

    def klines(
        self,
        symbol: str,
        interval: str,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[Kline]:
        """Bars, oldest first, the last one still growing; Refused(BAD_INTERVAL).

        The latest ``limit`` ones up to ``end_ns`` (now), or the first ``limit`` from ``start_ns`` on.
        """
        prints = self._floor.prints[self._floor.listing(symbol).symbol]
        until = self.now_ns if end_ns is None else min(end_ns, self.now_ns)
        try:
            return prints.klines(interval, start_ns, until, limit)
        except ValueError as exc:
            raise Refused(Reason.BAD_INTERVAL, interval) from exc

    def agg_trades(
        self,
        symbol: str,
        *,
        from_id: int | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[AggTrade]:
        """Oldest first; the latest ones where neither an id nor a start is given."""
        prints = self._floor.prints[self._floor.listing(symbol).symbol]
        return prints.agg_trades(from_id, start_ns, end_ns, limit)

    def trades(self, symbol: str, limit: int = 500) -> list[Trade]:
        """The latest prints, oldest first."""
        return self._floor.prints[self._floor.listing(symbol).symbol].latest(limit)

    def funding_rates(
        self,
        symbol: str,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 100,
    ) -> list[FundingRate]:
        """Past settlements since the opening, oldest first."""
        settled = self._schedules[self._floor.listing(symbol).symbol].settled
        first, last = start_ns or 0, self.now_ns if end_ns is None else end_ns
        rows = [row for row in settled if first <= row.ts_ns <= last]
        return rows[-limit:] if start_ns is None else rows[:limit]

    def open_interest(self, symbol: str) -> Decimal:
        """Contracts that are held: the market's own, and our accounts' longs."""
        return self._interest.now(symbol)

    def open_interest_history(
        self, symbol: str, period_ns: int, *, start_ns: int | None, end_ns: int | None, limit: int
    ) -> list[tuple[int, Decimal]]:
        """(time, contracts) at multiples of ``period_ns``, oldest first; see ``open_interest.py``."""
        until_ns = self.now_ns if end_ns is None else min(end_ns, self.now_ns)
        return self._interest.history(symbol, period_ns, start_ns, until_ns, limit)

    # -- an account's reads; Refused(UNKNOWN_ACCOUNT, UNKNOWN_SYMBOL, UNKNOWN_ORDER) ------------

    def account(self, name: str) -> AccountState:
        """Balances and positions at the current marks."""
        return margin.state(self._floor, self._floor.account(name))

    def config(self, name: str, symbol: str) -> AccountConfig:
        return margin.config(self._floor, self._floor.account(name), self._floor.listing(symbol).symbol)

    def order(self, name: str, symbol: str, *, order_id: int = 0, client_id: str = "") -> Order:
        """By id, else the latest with this client id."""
        return self._floor.orders.find(self._floor.account(name).name, symbol, order_id, client_id)

    def open_orders(self, name: str, symbol: str | None = None) -> list[Order]:
        """Oldest first."""
        orders = self._floor.orders
        return [orders.rows[one.order_id] for one in orders.resting(self._floor.account(name).name, symbol)]

    def orders(self, name: str, symbol: str | None = None) -> list[Order]:
        """Every kept order, oldest first."""
        return list(self._floor.orders.of(self._floor.account(name).name, symbol))

    def algo(self, name: str, *, algo_id: int = 0, client_id: str = "") -> AlgoOrder:
        """By id, else the latest with this client id."""
        return self._algos.find(name, algo_id, client_id)

    def open_algos(self, name: str, symbol: str | None = None) -> list[AlgoOrder]:
        """Oldest first."""
        return self._algos.open_of(self._floor.account(name).name, symbol)

    def algos(self, name: str, symbol: str | None = None) -> list[AlgoOrder]:
        """Every kept algo order, oldest first."""
        return self._algos.of(self._floor.account(name).name, symbol)

    def fills(self, name: str, symbol: str | None = None) -> list[Fill]:
        """Oldest first."""
        return [fill for fill in self._floor.account(name).fills if symbol in (None, fill.symbol)]

    def ledger(self, name: str) -> list[LedgerEntry]:
        """Oldest first; its sum is the wallet."""
        return list(self._floor.account(name).ledger)

    def state(self) -> dict[str, Any]:
        """The whole truth as plain JSON: accounts, positions, orders, algo orders, fills, ledger."""
        return picture(self._floor, self._algos)

    # -- inside ------------------------------------------------------------------------------

    def _dispatch(self, request: AnyRequest) -> Response:  # noqa: C901 - one line for each request
        match request:
            case NewOrder():
                return self._trading.place(request)
            case AmendOrder():
                return self._trading.amend(request)
            case CancelOrder():
                return self._trading.cancel(request)
            case CancelAll():
                return self._trading.cancel_all(request)
            case NewAlgo():
                return self._algos.place(request)
            case AmendAlgo():
                return self._algos.amend(request)
            case CancelAlgo():
                return self._algos.cancel(request)
            case CancelAllAlgos():
                return self._algos.cancel_all(request)
            case SetLeverage():
                return self._configuring.set_leverage(request)
            case SetMarginMode():
                return self._configuring.set_margin_mode(request)
            case SetPositionMode():
                return self._configuring.set_position_mode(request)
            case Transfer():
                return self._configuring.transfer(request)
        assert_never(request)

    def _open_market(self, symbol: str) -> None:
        depth, tick = self._markets[symbol].open(self._floor.prints[symbol])
        self._schedules[symbol] = FundingSchedule(tick)
        self._note_mark(symbol, tick)
        self._spread(symbol, depth)
        self._floor.flush_book(symbol)

    def _due(self, symbol: str) -> int:
        return min(self._markets[symbol].next_ns, self._schedules[symbol].next_ns)

    def _forgive_sleep(self, now_ns: int) -> None:
        if self._longest_catch_up_ns is None:
            return
        for market in self._markets.values():
            if market.next_ns < now_ns - self._longest_catch_up_ns:
                market.sleep_until(now_ns)

    def _apply(self, symbol: str, message: Message) -> None:
        match message:
            case Depth():
                self._spread(symbol, message)
            case Print(side=side, tick=tick, lots=lots):
                self._matcher.pass_print(symbol, side, tick, lots)
            case Taker(side=side, lots=lots):
                self._matcher.take(symbol, side, lots)
            case MarkTick():
                self._schedules[symbol].announce(message)
                self._note_mark(symbol, message)
                self._algos.run(symbol)
                self._clearing.review(symbol)
        self._conclude()

    def _spread(self, symbol: str, depth: Depth) -> None:
        book = self._floor.books[symbol]
        for tick, lots in depth.bids:
            book.bids.set_background(tick, lots)
        for tick, lots in depth.asks:
            book.asks.set_background(tick, lots)
        self._matcher.uncross(symbol, fresh=Side.BUY if depth.bids else Side.SELL)

    def _note_mark(self, symbol: str, tick: MarkTick) -> None:
        schedule = self._schedules[symbol]
        mark = Mark(
            symbol=symbol,
            mark_price=tick.mark_price,
            index_price=tick.index_price,
            funding_rate=schedule.rate,
            next_funding_ns=schedule.next_ns,
            ts_ns=self._floor.now_ns,
        )
        self._floor.marks[symbol] = mark
        self._floor.emit(MarkMoved(ts_ns=self._floor.now_ns, mark=mark))

    def _settle_funding(self, symbol: str) -> None:
        schedule = self._schedules[symbol]
        settled = self._clearing.settle_funding(symbol, schedule.rate, schedule.next_ns)
        schedule.settle(settled, self._markets[symbol].funding_interval_ns)
        self._clearing.review(symbol)
        self._conclude()

    def _conclude(self) -> None:
        """Draw every consequence of what just happened, and report the books."""
        while self._floor.printed:
            symbol, _ = self._floor.printed.popitem()
            self._algos.run(symbol)
        self._matcher.sweep()
        self._algos.sweep()
        self._floor.moved.clear()
        for symbol in self.listings:
            self._floor.flush_book(symbol)
