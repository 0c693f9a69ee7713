"""The orders of a session as one world tells them: what was sent, changed since, and became of it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from contractdesk.domain.commands import (
    AmendStop,
    CancelOrder,
    Command,
    PlaceStop,
    ReduceOrder,
    SubmitOrder,
)
from contractdesk.domain.events import ClockMeasured, Event, OrderAccepted, OrderFilled
from contractdesk.domain.fills import Fill

NS_PER_MS = 1_000_000

Change = tuple[Decimal, Decimal] | None  # size and trigger that it was amended to; None: a cancel


class Story(Struct, kw_only=True):
    """One order, as one of the two worlds tells it."""

    client_id: str
    symbol: str
    role: str
    side: str
    size: Decimal
    price: Decimal | None  # limit or trigger
    sent_ns: int
    accepted_ns: int = 0  # when the desk heard it
    taken_ns: int = 0  # by the venue's stamp, in our time; 0: not told
    fills: list[Fill] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)  # asked for since, in order

    @property
    def terms(self) -> tuple[Any, ...]:
        """As it was sent."""
        return (self.client_id, self.symbol, self.role, self.side, self.size, self.price)

    @property
    def fill_price(self) -> Decimal | None:
        """Average, weighted by size; None without a fill."""
        size = sum((fill.size for fill in self.fills), Decimal(0))
        return sum((fill.size * fill.price for fill in self.fills), Decimal(0)) / size if size else None

    @property
    def entry_ms(self) -> float | None:
        return (self.taken_ns - self.sent_ns) / NS_PER_MS if self.taken_ns else None

    @property
    def answer_ms(self) -> float | None:
        return (self.accepted_ns - self.taken_ns) / NS_PER_MS if self.taken_ns and self.accepted_ns else None

    @property
    def round_trip_ms(self) -> float | None:
        return (self.accepted_ns - self.sent_ns) / NS_PER_MS if self.accepted_ns else None


def stories(
    commands: Iterable[tuple[int, Command]], events: Iterable[Event], offset_ms: float
) -> dict[str, Story]:
    """All orders by client id, in the order in which they were sent."""
    found: dict[str, Story] = {}
    for ts_ns, command in commands:
        story = _begun(ts_ns, command)
        if story is not None:
            found.setdefault(story.client_id, story)
        elif isinstance(command, AmendStop | CancelOrder) and (known := found.get(command.client_id)):
            _add_change(known, command)
    offset_ns = int(offset_ms * NS_PER_MS)
    for event in events:
        if isinstance(event, ClockMeasured):
            offset_ns = int(event.offset_ms * NS_PER_MS)
        elif isinstance(event, OrderAccepted) and (known := found.get(event.client_id)):
            known.accepted_ns = (
                known.accepted_ns or event.ts_ns
            )  # by answer or by stream, whichever came first
            known.taken_ns = known.taken_ns or (event.venue_ns - offset_ns if event.venue_ns else 0)
        elif isinstance(event, OrderFilled) and (known := found.get(event.client_id)):
            known.fills += [] if _counted(known, event.fill) else [event.fill]
    return found


def _add_change(story: Story, command: AmendStop | CancelOrder) -> None:
    """What is only sent again changes nothing."""
    change = (command.size, command.trigger_price) if isinstance(command, AmendStop) else None
    if story.changes[-1:] != [change]:
        story.changes.append(change)


def _counted(story: Story, fill: Fill) -> bool:
    return any(fill.trade_id == each.trade_id for each in story.fills)


def _begun(ts_ns: int, command: Command) -> Story | None:
    match command:
        case SubmitOrder(approved=approved):
            sent: Any = approved.request
            role, price = "entry", approved.request.price
        case PlaceStop():
            sent, role, price = command, command.type.value, command.trigger_price
        case ReduceOrder():
            sent, role, price = command, command.role.name.lower(), command.price
        case _:
            return None
    return Story(
        client_id=sent.client_id,
        symbol=sent.symbol,
        role=role,
        side=sent.side.value,
        size=sent.size,
        price=price,
        sent_ns=ts_ns,
    )
