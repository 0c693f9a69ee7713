"""What a trade does to the orders that wait: it triggers, fills, and may be the end of the account.

Where only trades were recorded, a taking order is filled by the first trade after it has come, at that
trade's price and the slippage model's ticks against us. Where depth was, too, it is filled when it comes,
level by level. Conditional orders trigger on each trade.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from contractdesk.domain.events import OrderFilled, StopTriggered
from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import Instrument, cash
from contractdesk.domain.orders import OrderStatus, OrderType, Side
from contractdesk.replay.account import FAR, Books
from contractdesk.replay.depth import DepthQueue, InLine
from contractdesk.replay.depth_rows import Message
from contractdesk.replay.models import Models
from contractdesk.replay.recorded import RecordedBook
from contractdesk.replay.standing import Floor, Kept, Standing

LIQUIDATION = "autoclose-"  # how a venue names the orders by which it takes a position away


class Filling:
    """Matching of one account's orders with the trades of others."""

    def __init__(
        self,
        floor: Floor,
        models: Models,
        recorded: Sequence[RecordedBook | None],
        *,
        on_marks: bool = False,
    ) -> None:
        """``on_marks``: conditional orders trigger on marks that are told, and not on trades."""
        self._floor = floor
        self._recorded = recorded
        self._on_marks = on_marks
        self._books: Books = floor.books
        self._models = models
        self._bounds: list[tuple[int, int] | None] = [None] * len(floor.books.instruments)
        self._danger = [(-FAR, FAR)] * len(floor.books.instruments)
        self.version = 0
        self._maker, self._taker = _rate(models.maker_fee), _rate(models.taker_fee)

    def touch(self, place: int) -> None:
        """Something waits there, or is held, that did not before."""
        self._bounds[place] = None
        self.version += 1

    def _changed(self) -> None:
        """Something was filled: it matters to every place."""
        self._bounds = [None] * len(self._bounds)
        self.version += 1

    def bounds(self, place: int) -> tuple[int, int]:
        """(low, high) ticks: a trade strictly between them changes nothing here."""
        known = self._bounds[place]
        if known is None:
            known = self._bounds[place] = self._reckon(place)
        return known

    def on_trade(self, place: int, ticks: int, lots: int) -> None:
        """A trade of ``lots`` has been made at ``ticks``."""
        floor = self._floor
        low, high = self._danger[place]
        self._books.marks[place] = ticks
        if (ticks <= low or ticks >= high) and self._books.broke:
            self._liquidate()
        if not self._on_marks:
            self._trigger_all(place, ticks, ticks, lots)
        for order in floor.waiting(place, Kept.MARKET):
            self._take(order, ticks, lots)
        for order in floor.waiting(place, Kept.LIMIT):
            fillable = reached(order, ticks, lots)
            if fillable is not None:
                self._rest(order, fillable)
        self._changed()

    # -- recorded depth --------------------------------------------------------------------

    def book(self, place: int) -> RecordedBook | None:
        """What was recorded of the book, as it is now; None where nothing is known."""
        recorded = self._recorded[place]
        if recorded is None:
            return None
        recorded.catch_up(self._floor.now_ns)
        return recorded if recorded.book.valid else None

    def depth_ns(self) -> int:
        """When the recorded books have to be looked at next: at each change, where an order rests."""
        dues = [
            recorded.venue_ns(each=self._floor.rests(place))
            for place, recorded in enumerate(self._recorded)
            if recorded is not None
        ]
        return min(dues, default=FAR)

    def on_depth(self, now_ns: int) -> None:
        """The recorded books change: message by message where orders rest."""
        floor = self._floor
        floor.now_ns = now_ns
        for place, recorded in enumerate(self._recorded):
            while recorded is not None and (message := recorded.pass_one(now_ns)):
                if floor.rests(place) and recorded.book.valid:
                    for order in floor.waiting(place, Kept.LIMIT):
                        self._meet(order, recorded, message)

    def join(self, order: Standing) -> None:
        """A resting order goes to the end of the queue at its price."""
        recorded, queue = self.book(order.place), self._models.queue
        if recorded is not None and isinstance(queue, DepthQueue):
            there = recorded.book.lots_at(order.side is Side.BUY, order.ticks)
            order.line = InLine.behind(there)
        order.ahead = queue.ahead(order.lots)

    def arrive(self, order: Standing, recorded: RecordedBook) -> None:
        """A taking order is filled by the recorded book; what is left of it stays where it is."""
        self._take_levels(order, self._fillable(order), recorded, (0, 0))
        self._changed()

    def _meet(self, order: Standing, recorded: RecordedBook, message: Message) -> None:
        """The level of a resting order may have changed, or the other side come to it."""
        buy, queue = order.side is Side.BUY, self._models.queue
        if (
            order.line is not None
            and isinstance(queue, DepthQueue)
            and message.tells(bid=buy, ticks=order.ticks)
        ):
            order.line.on_level(recorded.book.lots_at(buy, order.ticks), queue)
        best = recorded.best(ask=buy)
        if not order.met and (not best or (best > order.ticks if buy else best < order.ticks)):
            return
        met = sum(lots for _, lots in recorded.walk(FAR, buy=buy, limit=order.ticks))
        new, order.met = met - order.met, met
        if new > 0:
            self._rest(order, min(order.left, new))
            self._changed()

    def _take_levels(
        self, order: Standing, fillable: int, recorded: RecordedBook, after: tuple[int, int]
    ) -> int:
        """Fill from the recorded levels; returns the last price, 0: nobody was there."""
        buy = order.side is Side.BUY
        parts = recorded.walk(fillable, buy=buy, limit=order.ticks, after=after)
        recorded.took(parts, buy=buy)
        if parts and self._books.marks[order.place]:
            average = sum(ticks * lots for ticks, lots in parts) / sum(lots for _, lots in parts)
            against = order.side.sign * (average - self._books.marks[order.place])
            self._floor.against[order.client_id] = round(against)
        for ticks, lots in parts:
            self._fill(order, lots, ticks, Liquidity.TAKER)
        return parts[-1][0] if parts else 0

    def on_mark(self, place: int, mark_ticks: Decimal) -> None:
        """The venue marks the contract; ``mark_ticks`` need not be whole."""
        last = self._books.marks[place]
        if self._on_marks and last:
            self.end_if_broke()
            self._trigger_all(place, mark_ticks, last, 0)
            self.version += 1

    def end_if_broke(self) -> None:
        """Where marks are told, the account ends by itself: nobody asks for ``bounds`` there."""
        if self._on_marks and self._books.broke:
            self._liquidate()

    def take_at_once(self, order: Standing, *, whole: bool = False) -> bool:
        """Fill a taking order from a session's book, within its limit; ``whole``: all of it, or nothing.

        False where no book is known, and it waits for a trade.
        """
        quote, fillable = self._floor.quote, self._fillable(order)
        shown = quote(order.place, order.side, fillable, order.ticks) if quote and fillable else None
        if shown is None:
            return False
        lots, price = shown
        if lots and not (whole and lots < order.left):
            self._fill_at(order, lots, price)
        if order.left and not self._fillable(order):
            self._floor.end(order, OrderStatus.EXPIRED, "nothing is left to reduce")
        return True

    def _trigger_all(self, place: int, mark: int | Decimal, last: int, lots: int) -> None:
        for order in self._floor.waiting(place, Kept.STOP):
            if order.triggers(mark):
                self._trigger(order, last, lots)

    # -- bounds ----------------------------------------------------------------------------

    def _reckon(self, place: int) -> tuple[int, int]:
        floor = self._floor
        low, high = self._danger[place] = self._books.danger(place)
        if floor.waiting(place, Kept.MARKET):
            return FAR, -FAR
        for order in floor.waiting(place, Kept.LIMIT):
            if order.side is Side.BUY:
                low = max(low, order.ticks)
            else:
                high = min(high, order.ticks)
        for order in () if self._on_marks else floor.waiting(place, Kept.STOP):
            if (order.type is OrderType.STOP_MARKET) == (order.side is Side.SELL):
                low = max(low, order.trigger)
            else:
                high = min(high, order.trigger)
        return low, high

    # -- what is filled --------------------------------------------------------------------

    def _trigger(self, order: Standing, ticks: int, lots: int) -> None:
        floor = self._floor
        floor.drop(order)
        order.status = OrderStatus.TRIGGERED
        floor.tell(StopTriggered(**floor.about(order, floor.heard_ns()), child_venue_id=str(floor.number())))
        if self._floor.quote is None or not self.take_at_once(order):
            if self._on_marks:  # no book is known: the next trade fills it
                floor.keep(order, Kept.MARKET)
            else:
                self._take(order, ticks, lots)

    def _take(self, order: Standing, ticks: int, lots: int) -> None:
        """Fill a taking order, all of it; what only reduces, as far as there is something to reduce."""
        fillable = self._fillable(order)
        if not fillable:
            self._floor.end(order, OrderStatus.EXPIRED, "nothing is left to reduce")
            return
        recorded, forced = self.book(order.place), order.client_id.startswith(LIQUIDATION)
        if recorded is not None:
            worst = self._take_levels(order, fillable, recorded, (ticks, 0 if forced else lots))
            ticks, fillable = worst or ticks, order.left if forced else 0
        if fillable:
            self._take_trade(order, fillable, ticks, lots)
        elif order.left:
            self._floor.end(order, OrderStatus.EXPIRED, "nothing is left to reduce, or nobody to trade with")

    def _take_trade(self, order: Standing, fillable: int, ticks: int, lots: int) -> None:
        against = self._models.slippage.ticks(fillable, lots)
        self._fill_at(order, fillable, max(1, ticks + order.side.sign * against))
        if order.left:
            self._floor.end(order, OrderStatus.EXPIRED, "nothing is left to reduce")

    def _fill_at(self, order: Standing, fillable: int, price: int) -> None:
        if order.ticks:  # a limit that takes: never beyond it
            price = min(price, order.ticks) if order.side is Side.BUY else max(price, order.ticks)
        against = order.side.sign * (price - self._books.marks[order.place])
        self._floor.against[order.client_id] = against
        self._fill(order, fillable, price, Liquidity.TAKER)

    def _fillable(self, order: Standing) -> int:
        return min(order.left, self._reducible(order)) if order.reduce_only else order.left

    def _rest(self, order: Standing, fillable: int) -> None:
        """Fill a resting order as far as the market has reached it, and it may be filled."""
        if order.reduce_only:
            fillable = min(fillable, self._reducible(order))
            if not self._reducible(order):
                self._floor.end(order, OrderStatus.EXPIRED, "nothing is left to reduce")
                return
        if fillable:
            self._fill(order, fillable, order.ticks, Liquidity.MAKER)

    def _reducible(self, order: Standing) -> int:
        """Lots of the position that the order may close."""
        size = self._books.positions[order.place].size
        if not size or (size > 0) == (order.side is Side.BUY):
            return 0
        return self._books.instruments[order.place].to_lots(abs(size))

    def _fill(self, order: Standing, lots: int, ticks: int, liquidity: Liquidity) -> None:
        floor, terms = self._floor, self._books.instruments[order.place]
        size, price, heard_ns = terms.from_lots(lots), terms.from_ticks(ticks), floor.heard_ns()
        fill = Fill(
            symbol=terms.symbol,
            trade_id=str(floor.number()),
            client_id=order.client_id,
            venue_order_id=order.venue_id,
            signed_size=size if order.side is Side.BUY else -size,
            price=price,
            fee=self._fee(terms, fill_size=lots, ticks=ticks, maker=liquidity is Liquidity.MAKER),
            fee_asset=terms.settle,
            liquidity=liquidity,
            venue_ns=floor.now_ns,
            ts_ns=heard_ns,
        )
        self._books.book(order.place, fill)
        floor.release(order, lots)
        order.left -= lots
        order.status = OrderStatus.PARTIALLY_FILLED
        if not order.left:
            floor.finish(order, OrderStatus.FILLED)
        floor.tell(OrderFilled(**floor.about(order, heard_ns), fill=fill))
        floor.tell_wallet(heard_ns, "ORDER")

    def _fee(self, terms: Instrument, *, fill_size: int, ticks: int, maker: bool) -> Decimal:
        rate = self._maker if maker else self._taker
        size, price = terms.from_lots(fill_size), terms.from_ticks(ticks)
        if rate is None:
            return terms.fee(size, price, maker=maker)
        return cash(abs(terms.cost(size, price)) * rate)

    # -- the end ---------------------------------------------------------------------------

    def _liquidate(self) -> None:
        """The venue cancels everything and closes each position at its last price, with slippage."""
        floor = self._floor
        for order in [each for each in floor.orders.values() if each.status.open]:
            floor.end(order, OrderStatus.EXPIRED, "liquidation")
        for place, position in enumerate(self._books.positions):
            if not position.size:
                continue
            terms = self._books.instruments[place]
            number = floor.number()
            lots = terms.to_lots(abs(position.size))
            order = Standing(
                client_id=f"{LIQUIDATION}{number}",
                venue_id=str(number),
                place=place,
                side=position.closing_side,
                type=OrderType.MARKET,
                lots=lots,
                left=lots,
                reduce_only=True,
                created_ns=floor.now_ns,
            )
            floor.orders[order.client_id] = order
            self._take(order, self._books.marks[place], lots)


def reached(order: Standing, ticks: int, lots: int) -> int | None:
    """Lots of a resting order that a trade of ``lots`` at ``ticks`` fills; None: it is not at its price.

    What trades beyond its price fills it; what trades at it, behind those ahead, who then are fewer.
    """
    line = order.line
    if ticks < order.ticks if order.side is Side.BUY else ticks > order.ticks:
        if line is None:
            return order.left
        line.ahead = 0.0
        return min(order.left, lots)
    if ticks != order.ticks or (line is None and order.ahead < 0):
        return None
    if line is not None:
        return min(order.left, line.on_trade(lots))
    used = min(order.ahead, lots)
    order.ahead -= used
    return min(order.left, lots - used)


def _rate(fee: float | None) -> Fraction | None:
    return None if fee is None else Fraction(repr(fee))
