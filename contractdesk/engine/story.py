"""Why is there an order, or none? The chain from the signal to the stop, walked from any id in it."""

from __future__ import annotations

from msgspec import Struct

from contractdesk.domain.fills import Fill
from contractdesk.domain.intents import Refused
from contractdesk.domain.orders import Order, OrderRole
from contractdesk.domain.views import Decision
from contractdesk.engine.ledger import ADOPTED
from contractdesk.engine.state import Desk, Tracked


class Story(Struct, frozen=True, kw_only=True):
    """signal -> intent -> rules -> order -> fills -> stop; what does not exist is None or empty."""

    id: str  # as it was asked for
    decision: Decision | None = None
    refusal: Refused | None = None
    order: Order | None = None
    fills: tuple[Fill, ...] = ()
    stops: tuple[Order, ...] = ()  # that guarded what the order opened, oldest first
    lines: tuple[str, ...] = ()  # the same, in words


def story_of(desk: Desk, asked: str) -> Story | None:
    """The story behind a client, venue, trade or intent id; None where the id is not known here."""
    asked = asked.removeprefix(ADOPTED)
    tracked = _order(desk, asked)
    decision = _decision(desk, asked, tracked)
    if tracked is None and decision is None:
        return None
    if tracked is None and decision is not None and decision.client_id:
        tracked = desk.orders_by_id.get(decision.client_id)
    refusal = None
    if decision is not None:
        known = (item for item in desk.refusals if item.intent_id == decision.intent_id)
        refusal = next(known, None)
    order = tracked.order if tracked else None
    fills = tuple(fill for fill in desk.fills if order and fill.client_id == order.request.client_id)
    stops = _stops(desk, order, fills)
    return Story(
        id=asked,
        decision=decision,
        refusal=refusal,
        order=order,
        fills=fills,
        stops=stops,
        lines=tuple(_lines(decision, refusal, order, fills, stops)),
    )


def _order(desk: Desk, asked: str) -> Tracked | None:
    """By client id, by venue id (of a triggered stop's order, too), or by the id of one of its fills."""
    if asked in desk.orders_by_id:
        return desk.orders_by_id[asked]
    if asked in desk.children:
        return desk.orders_by_id.get(desk.children[asked])
    for tracked in desk.orders_by_id.values():
        if asked and (asked == tracked.order.venue_id or asked in tracked.order.fill_ids):
            return tracked
    return None


def _decision(desk: Desk, asked: str, tracked: Tracked | None) -> Decision | None:
    if tracked is not None:
        return desk.decisions.get(tracked.order.request.intent_id)
    return desk.decisions.get(int(asked)) if asked.isdecimal() and asked.isascii() else None


def _stops(desk: Desk, order: Order | None, fills: tuple[Fill, ...]) -> tuple[Order, ...]:
    """Stops of the symbol placed from the order's first fill on, until the next entry filled."""
    if order is None or order.request.role is not OrderRole.ENTRY or not fills:
        return ()
    symbol, since = order.request.symbol, fills[0].ts_ns
    until = min((fill.ts_ns for fill in desk.fills if _opens_later(desk, fill, order, since)), default=None)
    return tuple(
        tracked.order
        for tracked in desk.orders_by_id.values()
        if tracked.role is OrderRole.STOP
        and tracked.order.request.symbol == symbol
        and tracked.order.created_ns >= since
        and (until is None or tracked.order.created_ns < until)
    )


def _opens_later(desk: Desk, fill: Fill, order: Order, since_ns: int) -> bool:
    other = desk.orders_by_id.get(fill.client_id)
    return (
        other is not None
        and other.role is OrderRole.ENTRY
        and other.order.request.symbol == order.request.symbol
        and other.id != order.request.client_id
        and fill.ts_ns > since_ns
    )


def _lines(
    decision: Decision | None,
    refusal: Refused | None,
    order: Order | None,
    fills: tuple[Fill, ...],
    stops: tuple[Order, ...],
) -> list[str]:
    lines = []
    if decision is not None:
        who = f" ({decision.strategy_id})" if decision.strategy_id else ""  # a person's signal says so itself
        lines.append(f"signal: {decision.signal}{who}")
        reason = f": {decision.intent.reason}" if decision.intent.reason else ""
        intent = decision.intent
        lines.append(
            f"intent {decision.intent_id}: {intent.kind.value} {intent.side.value} {intent.symbol}{reason}"
        )
        lines += [
            f"{'passed' if item.passed else 'failed'} {item.rule}: found {item.found}, limit {item.limit}"
            if item.limit
            else f"{item.rule}: {item.found}"  # an exit, a cancel: nothing was measured
            for item in decision.findings
        ]
    if refusal is not None:
        lines.append(f"refused by {refusal.rule}; would pass: {refusal.would_pass}")
    lines += [_said(item) for item in ((order,) if order else ())]
    lines += [
        f"fill {fill.trade_id}: {fill.signed_size:+} at {fill.price}, fee {fill.fee} {fill.fee_asset}"
        for fill in fills
    ]
    return lines + [_said(stop) for stop in stops]


def _said(order: Order) -> str:
    request = order.request
    at = f" at {request.price}" if request.price else ""
    trigger = f" triggering at {request.trigger_price}" if request.trigger_price else ""
    reason = f" ({order.reason})" if order.reason else ""
    return (
        f"{request.role.name.lower()} order {request.client_id}: {request.side.value} {request.size}"
        f"{at}{trigger}: {order.status.value}{reason}, filled {order.filled}"
    )
