"""What the desk has sent, by client id, and what became of its stops."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from contractdesk.domain.commands import PlaceStop, ReduceOrder, SubmitOrder
from contractdesk.domain.events import (
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    StopTriggered,
)
from contractdesk.domain.orders import OrderType
from contractdesk.replay.outcome import Outcome

LIQUIDATED = "liquidation"  # the role of what the venue has sent


class Sent(Struct, frozen=True):
    """One order of ours."""

    role: str  # entry, exit, stop, take_profit, flatten; "liquidation" for what nobody has sent
    strategy: str = ""
    sent_ns: int = 0


FOREIGN = Sent(LIQUIDATED)


def sent_of(outcome: Outcome) -> dict[str, Sent]:
    """Every order that was sent, by client id."""
    found: dict[str, Sent] = {}
    for sent_ns, command in outcome.commands:
        match command:
            case SubmitOrder(approved=approved):
                request = approved.request
                found[request.client_id] = Sent(request.role.name.lower(), request.strategy_id, sent_ns)
            case PlaceStop():
                role = "stop" if command.type is OrderType.STOP_MARKET else "take_profit"
                found[command.client_id] = Sent(role, command.strategy_id, sent_ns)
            case ReduceOrder():
                found[command.client_id] = Sent(command.role.name.lower(), command.strategy_id, sent_ns)
            case _:
                pass
    return found


class StopTerms(Struct, frozen=True):
    """A stop as it stands from a report on; ``size`` 0: it stands no more."""

    client_id: str
    symbol: str
    sells: bool  # it closes a long position
    size: Decimal  # contracts
    trigger: Decimal
    venue_ns: int  # since when it is so
    heard_ns: int  # since when the desk knows


def stop_reports(outcome: Outcome) -> Iterator[StopTerms]:
    """What the venue has said of protective stops, in the order in which it did; take-profits are none."""
    placed = {
        command.client_id: command
        for _, command in outcome.commands
        if isinstance(command, PlaceStop) and command.type is OrderType.STOP_MARKET
    }
    terms = {name: (each.size, each.trigger_price) for name, each in placed.items()}
    for event in outcome.reports:
        stop = placed.get(event.client_id)
        if stop is None:
            continue
        after = _after(event, *terms[event.client_id])
        if after is not None:
            terms[event.client_id] = after
            sells = stop.side.sign < 0
            yield StopTerms(
                event.client_id, event.symbol, sells, after[0], after[1], event.venue_ns, event.ts_ns
            )


def _after(event: OrderEvent, size: Decimal, trigger: Decimal) -> tuple[Decimal, Decimal] | None:
    """(size, trigger) of a stop after a report; None where the report changes nothing."""
    match event:
        case OrderAccepted():
            return size, trigger
        case OrderAmended():
            return event.size, event.trigger_price or trigger
        case OrderFilled(fill=fill):
            return max(Decimal(0), size - fill.size), trigger
        case OrderCancelled() | OrderExpired() | OrderRejected() | StopTriggered():
            return Decimal(0), trigger
        case _:
            return None


def last_triggers(outcome: Outcome) -> dict[str, Decimal]:
    """The trigger price that each stop had last, by client id: of one that fired, where it did."""
    found = {
        command.client_id: command.trigger_price
        for _, command in outcome.commands
        if isinstance(command, PlaceStop)
    }
    for event in outcome.reports:
        if isinstance(event, OrderAmended) and event.trigger_price and event.client_id in found:
            found[event.client_id] = event.trigger_price
    return found
