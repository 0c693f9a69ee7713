"""Price-time matching: every trade, whoever takes, is printed and booked here.

Takers are users' orders, the generated market's prints, and what a recorded market brings: prints
that pass through users' queues, and deltas that arrive through users' prices.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from msgspec.structs import replace

from contractdesk.exchange import margin
from contractdesk.exchange.book import Book, Match, Resting
from contractdesk.exchange.events import AccountChanged, AggTradeMade, OrderChanged, TradeMade
from contractdesk.exchange.floor import Floor
from contractdesk.exchange.rows import Fill, Order, Trade
from contractdesk.exchange.terms import Listing, money
from contractdesk.exchange.words import AccountReason, ExecutionKind, OrderStatus, Side

REDUCE_ONLY_GONE = "Reduce Only reject"


class Matcher:
    """Executes against the books of one floor."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._worth: dict[int, Fraction] = {}  # settle worth of the fills of each open order

    # -- takers ------------------------------------------------------------------------------

    def take(
        self, symbol: str, side: Side, lots: int, limit: int | None = None, taker: Order | None = None
    ) -> int:
        """Match up to ``lots`` at ``limit`` ticks or better; returns what was matched."""
        counter = self._floor.books[symbol].counter_side(side)
        return self._run(symbol, side, counter.take(lots, limit, self._room), taker)

    def settle(self, order: Order, tick: int, lots: int) -> Order:
        """Fill a known order at ``tick``, against nobody's order."""
        self._run(order.symbol, order.side, [Match(None, tick, lots)], order)
        return self._floor.orders.rows[order.order_id]

    def pass_print(self, symbol: str, side: Side, tick: int, lots: int) -> None:
        """A recorded print, ``side`` its taker's: users in its way are filled first."""
        counter = self._floor.books[symbol].counter_side(side)
        self._run(symbol, side, counter.printed(tick, lots, self._room), None)

    def uncross(self, symbol: str, *, fresh: Side) -> None:
        """After a delta: displayed quantity that arrived through users' prices trades with them.

        Displayed quantity that would cross displayed quantity is dropped on the side that is not
        ``fresh`` (the side that the delta named last); a sound recording has none.
        """
        book = self._floor.books[symbol]
        while (crossing := book.crossing) is not None:
            bid, ask = crossing
            if not self._arrived(book, Side.BUY, bid, ask) and not self._arrived(book, Side.SELL, ask, bid):
                stale, tick = (book.asks, ask) if fresh is Side.BUY else (book.bids, bid)
                stale.set_background(tick, 0)

    def _arrived(self, book: Book, side: Side, tick: int, arrived: int) -> bool:
        """Let users' orders of ``side`` at ``tick`` trade with what is displayed at ``arrived``."""
        resting, counter = book.resting_side(side), book.counter_side(side)
        displayed = counter.background.get(arrived, 0)
        if tick not in resting.queues or not displayed:
            return False
        lots = min(displayed, sum(order.lots for order in resting.queues[tick]))
        done = self._run(book.symbol, side.opposite, resting.take(lots, tick, self._room), None)
        counter.set_background(arrived, displayed - done)
        return True

    # -- users' orders -----------------------------------------------------------------------

    def reducible(self, account: str, symbol: str, side: Side) -> int:
        """Lots by which an order of ``side`` could reduce the position."""
        lots = self._floor.accounts[account].holdings[symbol].lots
        return max(0, -side.sign * lots)

    def open(self, order: Order) -> None:
        """Make an order known; it neither trades nor rests yet."""
        self._worth[order.order_id] = Fraction(0)
        self._floor.orders.put(order)
        self._report(order, ExecutionKind.NEW)

    def rest(self, order: Order, tick: int, lots: int) -> None:
        """Queue an order that is already known."""
        resting = Resting(
            order.order_id,
            order.account,
            order.symbol,
            order.side,
            tick,
            lots,
            reduce_only=order.reduce_only,
        )
        self._floor.orders.rest(resting)
        self._floor.books[order.symbol].resting_side(order.side).add(resting)

    def unrest(self, order: Order) -> Resting:
        """Take a resting order out of its queue."""
        resting = self._floor.orders.resting_by_id(order)
        self._floor.books[order.symbol].resting_side(order.side).remove(resting)
        return resting

    def close(self, order_id: int, status: OrderStatus, reason: str = "") -> Order:
        """End an order that no longer stands in a queue: CANCELED or EXPIRED."""
        now = self._floor.now_ns
        order = self._floor.orders.rows[order_id]
        closed = replace(order, status=status, updated_ns=now, closed_ns=now, reason=reason)
        self._floor.orders.put(closed)
        kind = ExecutionKind.CANCELED if status is OrderStatus.CANCELED else ExecutionKind.EXPIRED
        self._report(closed, kind)
        self._ended(closed)
        return closed

    def sweep(self) -> None:
        """Expire resting reduce-only orders that have nothing left to reduce."""
        for account, symbol in sorted(self._floor.moved):
            for resting in self._floor.orders.resting(account, symbol):
                if resting.reduce_only and not self.reducible(account, symbol, resting.side):
                    self.unrest(self._floor.orders.rows[resting.order_id])
                    self.close(resting.order_id, OrderStatus.EXPIRED, REDUCE_ONLY_GONE)

    def overfill(self, order: Order, more: int) -> None:
        """Fill a resting order at its price, with ``more`` lots than are left of it."""
        resting = self.unrest(order)
        match = Match(resting, resting.tick, resting.lots + more)
        self._sum_up(order.symbol, [self._trade(order.symbol, order.side.opposite, match, None)])

    # -- one match ---------------------------------------------------------------------------

    def _room(self, maker: Resting) -> int:
        if not maker.reduce_only:
            return maker.lots
        return self.reducible(maker.account, maker.symbol, maker.side)

    def _run(self, symbol: str, side: Side, matches: Iterable[Match], taker: Order | None) -> int:
        done, parts = 0, list[Trade]()
        for match in matches:
            if not match.lots and match.maker is not None:
                self._floor.books[symbol].resting_side(match.maker.side).remove(match.maker)
                self.close(match.maker.order_id, OrderStatus.EXPIRED, REDUCE_ONLY_GONE)
                continue
            trade = self._trade(symbol, side, match, taker)
            if parts and parts[0].price != trade.price:
                self._sum_up(symbol, parts)
                parts = []
            parts.append(trade)
            done += match.lots
        if parts:
            self._sum_up(symbol, parts)
        return done

    def _trade(self, symbol: str, side: Side, match: Match, taker: Order | None) -> Trade:
        floor = self._floor
        trade = floor.prints[symbol].trade(
            floor.now_ns, match.tick, match.lots, buyer_is_maker=side is Side.SELL
        )
        floor.printed[symbol] = None
        floor.emit(TradeMade(ts_ns=floor.now_ns, trade=trade))
        if taker is not None:
            self._fill(taker.order_id, match, trade, maker=False)
        if match.maker is not None:
            self._fill(match.maker.order_id, match, trade, maker=True)
        return trade

    def _fill(self, order_id: int, match: Match, trade: Trade, *, maker: bool) -> None:
        floor = self._floor
        order = floor.orders.rows[order_id]
        listing, account = floor.listings[order.symbol], floor.accounts[order.account]
        realized, commission = account.trade(
            listing,
            order.side,
            match.lots,
            match.tick,
            maker=maker,
            trade_id=trade.trade_id,
            ts_ns=floor.now_ns,
        )
        fill = Fill(
            trade_id=trade.trade_id,
            order_id=order_id,
            client_id=order.client_id,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            price=trade.price,
            quantity=trade.quantity,
            quote_quantity=listing.turnover(match.lots, match.tick),
            commission=commission,
            commission_asset=listing.asset,
            realized_pnl=realized,
            maker=maker,
            ts_ns=floor.now_ns,
        )
        account.fills.append(fill)
        floor.moved.add((order.account, order.symbol))
        filled = self._grown(listing, order, match)
        floor.orders.put(filled)
        self._report(filled, ExecutionKind.CALCULATED if order.forced else ExecutionKind.TRADE, fill)
        floor.emit(
            AccountChanged(
                ts_ns=floor.now_ns,
                account=account.name,
                reason=AccountReason.ORDER,
                balances=(margin.balance(floor, account, listing.asset),),
                positions=(margin.position(floor, account, order.symbol),),
            )
        )
        if not filled.status.open:
            self._ended(filled)

    def _grown(self, listing: Listing, order: Order, match: Match) -> Order:
        quantity = listing.quantity(match.lots)
        executed = order.executed + quantity
        self._worth[order.order_id] += listing.value(match.lots, match.tick)
        lots = int(executed / listing.instrument.lot_size)
        done = executed >= order.quantity
        return replace(
            order,
            executed=executed,
            cum_quote=order.cum_quote + listing.quote_value(match.lots, match.tick),
            average_price=money(listing.average(lots, self._worth[order.order_id])),
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
            updated_ns=self._floor.now_ns,
            closed_ns=self._floor.now_ns if done else 0,
        )

    def _ended(self, order: Order) -> None:
        self._worth.pop(order.order_id, None)
        if order.algo_id:
            self._floor.finished.append(order)

    def _sum_up(self, symbol: str, parts: list[Trade]) -> None:
        summed = self._floor.prints[symbol].aggregate(parts)
        self._floor.emit(AggTradeMade(ts_ns=self._floor.now_ns, trade=summed))

    def _report(self, order: Order, kind: ExecutionKind, fill: Fill | None = None) -> None:
        self._floor.emit(OrderChanged(ts_ns=self._floor.now_ns, order=order, kind=kind, fill=fill))
