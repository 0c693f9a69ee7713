"""What a guardian must do about one symbol, given the venue's picture: pure.

Laws: nothing here can open a position; of a symbol no more is closed than the desk can own; an order that
is not the desk's by its client id is never touched; one stop in the end, and two at most before.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct, field

from contractdesk.desk.guardian_words import SymbolAtRisk
from contractdesk.domain.events import VenueOrder
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.orders import OrderRole, OrderStatus, OrderType, Side
from contractdesk.engine import client_ids

MOST_STOPS = 2  # of ours that may be live and unlisted
ACCEPTED_NS, UNANSWERED_NS, FORGOTTEN_NS = 5 * 10**9, 10**9, 8 * 10**9
MOST_CANCELS, AGAIN_NS = 5, 10 * 10**9  # of one order: refused so often it is repeated but every so often
LIVE = (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)


class Cancel(Struct, frozen=True, kw_only=True):
    client_id: str
    conditional: bool


class Stop(Struct, frozen=True, kw_only=True):
    """Place a reduce-only stop."""

    side: Side
    size: Decimal
    price: Decimal
    frees: str = ""  # a stop to be cancelled first: two are live, and neither fits


class Close(Struct, frozen=True, kw_only=True):
    """Close with a reduce-only market order."""

    side: Side
    size: Decimal
    why: str


Act = Cancel | Stop | Close


class SentStop(Struct, kw_only=True):
    """A stop of the guardian's that no list of the venue has shown yet: lists lag behind."""

    client_id: str
    size: Decimal
    sent_ns: int
    accepted: bool = False  # by the venue's own word; else the answer was lost


class Tries(Struct, frozen=True):
    """Of cancelling an order."""

    count: int = 0
    last_ns: int = 0


class Ward(Struct, kw_only=True):
    """One symbol that is guarded, and how it fares."""

    risk: SymbolAtRisk  # as the desk last told
    closed: Decimal = ZERO  # what our own close orders have executed, signed
    pending: str = ""  # a close order of ours that is not known to be over
    pending_ns: int = 0
    close_why: str = ""  # not empty: it is closed instead of stopped
    sent: list[SentStop] = field(default_factory=list)
    listed: dict[str, None] = field(default_factory=dict)  # client ids of own stops in the last picture
    cancels: dict[str, Tries] = field(default_factory=dict)
    seen: Decimal | None = None  # the venue's size in the last picture
    steady: bool = False  # it was the same in the picture before
    flat: bool = False  # nothing of the desk's was held in the last picture, nor rested


def unlisted(ward: Ward, now_ns: int) -> Decimal | None:
    """Contracts under a stop that is not listed and yet believed in; None: no more may be sent now.

    What was accepted is believed for long, what had no answer for a moment; two at a time, however long
    the lists lag.
    """
    ward.sent = [stop for stop in ward.sent if now_ns < stop.sent_ns + FORGOTTEN_NS]
    if len(ward.sent) >= MOST_STOPS:
        return None
    believed = [
        stop.size
        for stop in ward.sent
        if now_ns < stop.sent_ns + (ACCEPTED_NS if stop.accepted else UNANSWERED_NS)
    ]
    return max(believed, default=ZERO)


def own_size(ward: Ward, venue_size: Decimal) -> Decimal:
    """The desk's share of the venue's position; + long.

    What was external stays so, and the desk cannot own more than what it told of and all its entries filled.
    """
    risk = ward.risk
    bought = sum((entry.size for entry in risk.entries if entry.side is Side.BUY), ZERO)
    sold = sum((entry.size for entry in risk.entries if entry.side is Side.SELL), ZERO)
    most = max(ZERO, risk.size + bought + min(ward.closed, ZERO))
    least = min(ZERO, risk.size - sold + max(ward.closed, ZERO))
    return min(max(venue_size - risk.external, least), most)


def stop_price(ward: Ward, own: Decimal) -> Decimal | None:
    """Where ``own`` contracts are to be stopped: as armed, the tighter one where two were."""
    risk, prices = ward.risk, []
    if risk.stop_price is not None and risk.size and (risk.size > 0) == (own > 0):
        prices.append(risk.stop_price)
    known = abs(risk.size) if risk.size and (risk.size > 0) == (own > 0) else ZERO
    if abs(own) > known:
        prices += [
            entry.stop_price
            for entry in risk.entries
            if entry.stop_price is not None and (entry.side is Side.BUY) == (own > 0)
        ]
    if not prices:
        return None
    return max(prices) if own > 0 else min(prices)


def plan(
    ward: Ward, venue_size: Decimal, orders: tuple[VenueOrder, ...], bot: str, now_ns: int, *, settled: bool
) -> list[Act]:
    """What to do now (monotonic). ``orders`` are the symbol's open ones, of both books and of everybody.

    ``settled``: nothing that was on the wire can arrive any more.
    """
    ward.steady, ward.seen = venue_size == ward.seen, venue_size
    mine = [
        (row, parsed.role)
        for row in orders
        if (parsed := client_ids.parse(row.client_id)) and parsed.bot == bot
    ]
    entries = [row for row, role in mine if role is OrderRole.ENTRY]
    stops = [row for row, role in mine if role is OrderRole.STOP and row.type is OrderType.STOP_MARKET]
    ward.listed = {row.client_id: None for row in stops}
    ward.sent = [stop for stop in ward.sent if stop.client_id not in ward.listed]
    acts: list[Act] = [Cancel(client_id=row.client_id, conditional=False) for row in entries]
    own = own_size(ward, venue_size)
    ward.flat = not own and not mine
    if not own:
        if settled and ward.steady and not entries:  # what only reduces must not outlive what it reduces
            left = [row for row, role in mine if role is not OrderRole.ENTRY]
            acts += [Cancel(client_id=row.client_id, conditional=row.type.conditional) for row in left]
    else:
        acts += _protect(ward, own, stops, now_ns)
    return [act for act in acts if not isinstance(act, Cancel) or _may_cancel(ward, act, now_ns)]


def _protect(ward: Ward, own: Decimal, stops: list[VenueOrder], now_ns: int) -> list[Act]:
    side = Side.SELL if own > 0 else Side.BUY
    price = stop_price(ward, own)
    if ward.close_why or price is None:
        if ward.risk.external and not ward.steady:
            return []  # somebody else's contracts are in the same position: only what is certain is closed
        why = ward.close_why or "there is no price to stop it at"
        return [Close(side=side, size=abs(own), why=why)]
    fitting = [row for row in stops if _fits(row, side, abs(own), price)]
    if fitting:
        best = fitting[0]
        rest = [row for row in stops if row is not best]
        return [Cancel(client_id=row.client_id, conditional=True) for row in rest]
    believed = unlisted(ward, now_ns)
    if believed is None or believed >= abs(own):
        return []
    crowded = len(stops) + len(ward.sent) >= MOST_STOPS
    frees = min(stops, key=lambda row: _covers(row, side)).client_id if crowded and stops else ""
    if frees:
        _note_cancel(ward, frees, now_ns)
    return [Stop(side=side, size=abs(own), price=price, frees=frees)]


def _covers(row: VenueOrder, side: Side) -> Decimal:
    return row.size - row.filled if row.side is side else ZERO


def _fits(row: VenueOrder, side: Side, size: Decimal, price: Decimal) -> bool:
    """It closes all, and no later than at the armed price."""
    if row.side is not side or row.trigger_price is None or row.status not in LIVE:
        return False
    tight = row.trigger_price >= price if side is Side.SELL else row.trigger_price <= price
    return tight and row.reduce_only and row.size - row.filled >= size


def _may_cancel(ward: Ward, act: Cancel, now_ns: int) -> bool:
    tries = ward.cancels.get(act.client_id, Tries())
    if tries.count >= MOST_CANCELS and now_ns < tries.last_ns + AGAIN_NS:
        return False
    _note_cancel(ward, act.client_id, now_ns)
    return True


def _note_cancel(ward: Ward, client_id: str, now_ns: int) -> None:
    ward.cancels[client_id] = Tries(ward.cancels.get(client_id, Tries()).count + 1, now_ns)
