"""The verbs about orders that rest: cancelling one or all, moving an entry to another price."""

from __future__ import annotations

from msgspec.structs import replace

from contractdesk.console.changes import order_line
from contractdesk.console.receipts import Receipt
from contractdesk.console.tables import shown
from contractdesk.console.verb_base import CONFIRM_S, VerbBase
from contractdesk.desk.session import PERSON
from contractdesk.domain.events import CancelAsked
from contractdesk.domain.instrument import Rounding
from contractdesk.domain.intents import FixedStop, Intent
from contractdesk.domain.orders import Order, OrderRole, Side
from contractdesk.errors import UserError
from contractdesk.strategy import intents

Number = intents.Number


class OrderVerbs(VerbBase):
    """What a person may do with orders that rest."""

    async def cancel(self, order_id: str) -> Receipt:
        """Cancel one of our open orders by our client id or the venue's; protective stops are kept."""
        before = self._picture()
        order = self._find_order(order_id, before)
        if order.request.role is OrderRole.STOP:
            raise UserError(
                "a position is never without its stop: move it with move_stop(), or close_position()"
            )
        await self._host.ask(CancelAsked(ts_ns=self._now(), who=PERSON, client_id=order.request.client_id))
        client_id = order.request.client_id

        def gone() -> Order | None:
            now = self._order(client_id)
            return now if now is not None and not now.status.open else None

        ended = await self._host.until(gone, CONFIRM_S)
        said = order_line(ended) if ended else "the venue has not confirmed it yet"
        return self._receipt("cancel", before, said, done=ended is not None)

    async def cancel_all(self, symbol: str | None = None) -> Receipt:
        """Cancel every own order that would still fill at a price, entries and exits, of all symbols or one.

        Stops and take-profits stay with their positions, and what closes a position goes on. A strategy that
        runs may wish again at once: ``halt()`` is what stops it.
        """
        target = await self.resolve(symbol) if symbol else None
        before = self._picture()
        meant = [
            tracked.id
            for tracked in self._session.state.orders_by_id.values()
            if tracked.order.status.open
            and tracked.role in (OrderRole.ENTRY, OrderRole.EXIT)
            and target in (None, tracked.order.request.symbol)
        ]
        for client_id in meant:
            await self._host.ask(CancelAsked(ts_ns=self._now(), who=PERSON, client_id=client_id))
        done = await self._host.until(lambda: True if all(map(self._over, meant)) else None, CONFIRM_S)
        where = target or "all symbols"
        said = f"{where}: {_counted(len(meant), 'order')} cancelled" if meant else f"{where}: no order rests"
        if not done:
            left = sum(not self._over(client_id) for client_id in meant)
            said = f"{where}: the venue has not confirmed {left} of {_counted(len(meant), 'cancel')} yet"
        return self._receipt("cancel_all", before, f"{said}; stops stand", done=bool(done))

    async def move_entry(self, order_id: str, price: Number) -> Receipt:
        """Move a resting entry by hand to another price: it is cancelled, and once the venue has confirmed
        that, what was left of it is placed anew through the gate, under the same stop.

        It loses its place in the queue. Where the gate refuses the new one, none rests; the receipt says so.
        """
        before = self._picture()
        order = self._find_order(order_id, before)
        wish = self._moved(order, price)
        gone = await self.cancel(order.request.client_id)
        if not gone.done:
            return self._receipt("move_entry", before, f"not moved: {gone.summary}", done=False)
        ended = self._order(order.request.client_id)
        if ended is None or not ended.remaining:
            return self._receipt("move_entry", before, "not moved: it has filled meanwhile", done=False)
        placed = await self._wish("move_entry", replace(wish, size=ended.remaining))
        placed.orders = gone.orders + placed.orders
        if placed.refused is not None:
            placed.summary = f"the old order is cancelled, and no new one rests: {placed.summary}"
        return placed

    def _moved(self, order: Order, price: Number) -> Intent:
        """The wish behind a resting entry, at another price; UserError where it cannot be moved."""
        request = order.request
        if not order.status.open or request.role is not OrderRole.ENTRY or request.price is None:
            raise UserError(f"{request.client_id} is no resting entry; move_stop() moves a stop")
        if request.strategy_id:
            raise UserError(f"this entry is {request.strategy_id}'s: cancel() it, or tune() the strategy")
        decision = self._session.state.decisions.get(request.intent_id)
        if decision is None or decision.intent.reverse:
            raise UserError(
                "what this entry was placed with cannot be repeated: cancel() it, and place another"
            )
        stop, limit = decision.intent.stop, intents.fixed_stop(price).price
        terms = self._session.state.symbols[request.symbol].instrument
        if terms.round_price(limit, Rounding.NEAREST) != limit:
            raise UserError(f"{price} is not on the price grid of {request.symbol}: {shown(terms.tick_size)}")
        if isinstance(stop, FixedStop) and request.side.sign * (limit - stop.price) <= 0:
            where = "below" if request.side is Side.BUY else "above"
            raise UserError(f"not moved: its stop at {shown(stop.price)} would not be {where} {shown(limit)}")
        return replace(decision.intent, notional=None, amount=None, limit=limit)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
