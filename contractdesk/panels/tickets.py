"""What a gesture on the ladder would do: read from the browser's message, checked, and put into words.

A ticket is a draft: nothing is sent before ``act``, and then by the desk's own verbs, through its gate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import msgspec
from msgspec import Struct

from contractdesk.domain.instrument import Instrument, Rounding
from contractdesk.domain.intents import FixedStop, SizePreview, StopSpec
from contractdesk.domain.market import unpack_levels
from contractdesk.domain.orders import Order, OrderRole, Side
from contractdesk.domain.views import DeskSnapshot, PositionRow, SymbolSnapshot
from contractdesk.errors import UserError
from contractdesk.panels import formats, gist
from contractdesk.panels.base import DeskFace, Outcome
from contractdesk.strategy.intents import atr_stop

ATR_PERIOD: Final = 14
MOST_ATRS: Final = Decimal(20)
MOST_PERCENT: Final = Decimal(50)
_LEVEL_BYTES: Final = 16  # the best level of a packed book
_PLAIN: Final = re.compile(r"\d{1,12}(\.\d{1,12})?")  # no sign, no exponent, no NaN


class StopKind(Enum):
    """How the stop of an entry is chosen."""

    ATR = "atr"  # ``by`` times ATR(14) of 1m bars, and it follows the market
    OFFSET = "offset"  # ``by`` per cent from the order's price, and it stays


class OrderWish(Struct, frozen=True, kw_only=True, tag="order", tag_field="kind", forbid_unknown_fields=True):
    """A click on a price. Numbers are text, as the person saw them; no ``notional`` means the cap's share."""

    symbol: str
    side: Side
    price: str
    notional: str
    stop: StopKind
    by: str


class MoveWish(Struct, frozen=True, kw_only=True, tag="move", tag_field="kind", forbid_unknown_fields=True):
    """An own entry, or a stop, dragged to a price."""

    symbol: str
    order: str  # client id
    price: str


class Ticket(Struct, frozen=True, kw_only=True):
    """One armed act, in words; ``act`` is what Place does."""

    symbol: str
    side: Side
    price: Decimal
    title: str
    notes: tuple[str, ...] = ()
    word: str = "Place"

    def act(self, desk: DeskFace) -> Outcome:
        """Do it. May block, and may raise ContractdeskError."""
        raise NotImplementedError


class Entry(Ticket, frozen=True, kw_only=True):
    stop: StopSpec
    notional: Decimal | None

    def preview(self, desk: DeskFace) -> SizePreview:
        """What the gate would make of it now. May block."""
        return desk.size(
            self.symbol, side=self.side.value, stop=self.stop, notional=self.notional, limit=self.price
        )

    def act(self, desk: DeskFace) -> Outcome:
        verb = desk.buy if self.side is Side.BUY else desk.sell
        return verb(self.symbol, stop=self.stop, notional=self.notional, limit=self.price)


class Exit(Ticket, frozen=True, kw_only=True):
    size: Decimal

    def act(self, desk: DeskFace) -> Outcome:
        return desk.close_position(self.symbol, size=self.size, limit=self.price)


class EntryMove(Ticket, frozen=True, kw_only=True):
    order: str

    def act(self, desk: DeskFace) -> Outcome:
        return desk.move_entry(self.order, self.price)


class StopMove(Ticket, frozen=True, kw_only=True):
    def act(self, desk: DeskFace) -> Outcome:
        return desk.move_stop(self.symbol, self.price)


def read(content: object, snapshot: DeskSnapshot, shown: str) -> Ticket:
    """The ticket for a message of the browser, which may hold anything; UserError says what is wrong.

    ``shown`` is the symbol that this ladder shows: a gesture is about no other.
    """
    try:
        wish = msgspec.convert(content, OrderWish | MoveWish)
    except msgspec.ValidationError as error:
        raise UserError(f"this is no order that a ladder can give ({error})") from error
    view = snapshot.symbols.get(wish.symbol)
    if view is None or wish.symbol != shown:
        raise UserError(f"this ladder shows {shown or 'nothing'}, not {wish.symbol[:40]!r}: look again")
    price = _price(view.instrument, wish.price)
    if isinstance(wish, MoveWish):
        return _moved(wish, price, view, snapshot)
    held = _held(snapshot, wish.symbol)
    if held is not None and held.size * wish.side.sign < 0:
        return _exit(wish, price, view.instrument, held)
    return _entry(wish, price, view.instrument, _others(snapshot, wish))


def cancellable(order_id: object, snapshot: DeskSnapshot, shown: str) -> Order:
    """The open order of the shown symbol that may be cancelled by a click; UserError otherwise."""
    order = _open_order(order_id, snapshot, shown)
    if order.request.role is OrderRole.STOP:
        raise UserError("a position is never without its stop: drag it, or close the position")
    return order


# -- orders ------------------------------------------------------------------------------------


def _entry(wish: OrderWish, price: Decimal, terms: Instrument, others: int) -> Entry:
    """``others``: own entries of the other side, which the engine cancels for this one."""
    stop, words = _stop(wish, price, terms)
    going = f"{others} own {wish.side.opposite.value} entr{'y' if others == 1 else 'ies'} will be cancelled"
    return Entry(
        symbol=wish.symbol,
        side=wish.side,
        price=price,
        title=f"{wish.side.value.upper()} limit @ {formats.price(terms, price)}",
        notes=(words, going) if others else (words,),
        stop=stop,
        notional=_amount("size", wish.notional, "250") if wish.notional else None,
    )


def _stop(wish: OrderWish, price: Decimal, terms: Instrument) -> tuple[StopSpec, str]:
    """The stop and how it reads; an offset goes to the tick that is nearer to the entry."""
    by = _amount("stop", wish.by, "2.5")
    if wish.stop is StopKind.ATR:
        if by > MOST_ATRS:
            raise UserError(f"a stop of {by} x ATR is too far: give {MOST_ATRS} or less")
        return atr_stop(ATR_PERIOD, by), f"stop {by} x ATR({ATR_PERIOD}), follows the market"
    if by > MOST_PERCENT:
        raise UserError(f"a stop {by} % away is too far: give {MOST_PERCENT} or less")
    exact = price * (1 - wish.side.sign * by / 100)
    at = terms.round_price(exact, Rounding.UP if wish.side is Side.BUY else Rounding.DOWN)
    return FixedStop(price=at), f"stop {by} % away, stays at {formats.price(terms, at)}"


def _exit(wish: OrderWish, price: Decimal, terms: Instrument, held: PositionRow) -> Exit:
    """Against a position an order closes, reduce-only: no click turns a long into a short."""
    most = abs(held.size)
    wanted = most
    if wish.notional:
        size = terms.size_for_notional(_amount("size", wish.notional, "250"), price)
        wanted = min(most, max(size, terms.lot_size))
    direction = "long" if held.size > 0 else "short"
    return Exit(
        symbol=wish.symbol,
        side=wish.side,
        price=price,
        title=f"CLOSE {direction} {formats.size(terms, wanted)} @ {formats.price(terms, price)}",
        notes=(
            f"{wish.side.value}, reduce-only: it can only make the {direction} smaller",
            "own entries of this symbol are cancelled",
        ),
        size=wanted,
    )


# -- moves -------------------------------------------------------------------------------------


def _moved(wish: MoveWish, price: Decimal, view: SymbolSnapshot, snapshot: DeskSnapshot) -> Ticket:
    order = _open_order(wish.order, snapshot, wish.symbol)
    match order.request.role:
        case OrderRole.STOP:
            return _stop_move(order, price, view, snapshot)
        case OrderRole.ENTRY:
            return _entry_move(order, price, view.instrument)
        case _:
            raise UserError("only entries and stops can be dragged: cancel this order and place another")


def _entry_move(order: Order, price: Decimal, terms: Instrument) -> EntryMove:
    request = order.request
    if request.strategy_id:
        raise UserError(f"this entry is {request.strategy_id}'s: cancel it, or tune the strategy")
    if request.price == price:
        raise UserError("it rests at that price already")
    return EntryMove(
        symbol=request.symbol,
        side=request.side,
        price=price,
        title=f"MOVE {request.side.value} {formats.size(terms, order.remaining)}"
        f" {formats.price(terms, request.price)} \u2192 {formats.price(terms, price)}",
        notes=("cancelled first, then placed anew through the gate: it goes to the end of the queue",),
        word="Move",
        order=request.client_id,
    )


def _stop_move(order: Order, price: Decimal, view: SymbolSnapshot, snapshot: DeskSnapshot) -> StopMove:
    request, terms = order.request, view.instrument
    held = _held(snapshot, request.symbol)
    if held is None or held.stop_price is None:
        raise UserError(f"no position of this desk in {request.symbol} has a stop to move")
    if held.stop_price == price:
        raise UserError("the stop is at that price already")
    looser = (price - held.stop_price) * held.size < 0
    note = "looser: more can be lost, and it follows the market no more" if looser else "tighter"
    away = f", {formats.signed_percent(price / view.mark - 1)} from the mark" if view.mark else ""
    return StopMove(
        symbol=request.symbol,
        side=request.side,
        price=price,
        title=f"MOVE stop {formats.price(terms, held.stop_price)} \u2192 {formats.price(terms, price)}",
        notes=(note + away,),
        word="Move",
    )


# -- shared ------------------------------------------------------------------------------------


def _held(snapshot: DeskSnapshot, symbol: str) -> PositionRow | None:
    """Our own position in the symbol."""
    return next((r for r in snapshot.positions if r.symbol == symbol and r.size and gist.ours(r)), None)


def _others(snapshot: DeskSnapshot, wish: OrderWish) -> int:
    """Own entries of the symbol on the other side."""
    requests = [order.request for order in snapshot.orders if order.status.open]
    return sum(
        one.role is OrderRole.ENTRY and one.symbol == wish.symbol and one.side is not wish.side
        for one in requests
    )


def _open_order(order_id: object, snapshot: DeskSnapshot, shown: str) -> Order:
    for order in snapshot.orders:
        if order.request.client_id == order_id and order.status.open and order.request.symbol == shown:
            return order
    raise UserError("this order is not open any more")


def _price(terms: Instrument, text: str) -> Decimal:
    price = _amount("price", text, formats.price(terms, terms.tick_size).replace(",", ""))
    try:
        terms.to_ticks(price)
    except ValueError:
        raise UserError(f"{price} is not on the price grid of {terms.symbol}: {terms.tick_size}") from None
    return price


def _amount(name: str, text: str, such_as: str) -> Decimal:
    if not _PLAIN.fullmatch(text):
        raise UserError(f"{name} {text[:20]!r} is not an amount: write digits, such as {such_as}")
    if not (value := Decimal(text)):
        raise UserError(f"{name} must be above 0")
    return value


def figures(ticket: Ticket, preview: SizePreview | None, snapshot: DeskSnapshot) -> Mapping[str, Any]:
    """What the browser shows of a ticket."""
    view = snapshot.symbols.get(ticket.symbol)
    lines = list(ticket.notes)
    if view is not None and preview is not None and preview.size:
        lines = [*_sized(preview, view.instrument), *lines]
    return {
        "title": ticket.title,
        "side": ticket.side.value,
        "word": ticket.word,
        "ticks": 0 if view is None else view.instrument.to_ticks(ticket.price),
        "lines": lines,
        "warning": "" if view is None or isinstance(ticket, StopMove) else _taking(ticket, view),
        "refusal": f"refused by {preview.refusal}" if preview is not None and preview.refusal else "",
    }


_BINDING: Final = {
    "requested": "as asked",
    "size_cap": "what the size cap leaves",
    "margin": "what the margin allows",
    "max_size": "the venue's most",
}


def _sized(preview: SizePreview, terms: Instrument) -> list[str]:
    places = formats.cash_places(terms.settle)
    worth = f"{formats.fixed(preview.notional, places)} {terms.settle}"
    bound = _BINDING.get(preview.binding, preview.binding)
    lines = [f"{formats.size(terms, preview.size)} {formats.unit(terms)} for {worth}, {bound}"]
    if preview.stop_price is not None and preview.loss_at_stop is not None:
        loss = f"{formats.fixed(preview.loss_at_stop, places)} {terms.settle}"
        lines.append(f"loses {loss} at the stop, {formats.price(terms, preview.stop_price)}")
    return lines


def _taking(ticket: Ticket, view: SymbolSnapshot) -> str:
    """Says so where the market has come to the price: the order would not rest."""
    levels = unpack_levels((view.asks if ticket.side is Side.BUY else view.bids)[:_LEVEL_BYTES])
    if not levels:
        return ""
    best = view.instrument.from_ticks(levels[0][0])
    if (ticket.price - best) * ticket.side.sign < 0:
        return ""
    name = "ask" if ticket.side is Side.BUY else "bid"
    return f"it would not rest but take at once: the best {name} is {formats.price(view.instrument, best)}"
