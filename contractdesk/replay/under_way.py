"""What is between desk and venue: each command and each answer, until it arrives."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from contractdesk.domain.commands import (
    Approved,
    Command,
    Notify,
    QueryOrder,
    ReadAccount,
    ReadVenueState,
    ReduceOrder,
    SubmitOrder,
    Watch,
)
from contractdesk.domain.events import Event, FundingPaid, OrderEvent, OrderFilled, SymbolReady
from contractdesk.replay.models import Delays
from contractdesk.replay.opening import Item
from contractdesk.replay.outcome import Outcome
from contractdesk.replay.walk_layout import FOREVER


class UnderWay:
    """In the order of arrival, and of sending where that is the same; ``outcome`` notes what goes by."""

    def __init__(self, delays: Delays, outcome: Outcome) -> None:
        self._delays = delays
        self._outcome = outcome
        self._queue: list[tuple[int, int, Item]] = []
        self._pushed = 0

    @property
    def next_ns(self) -> int:
        """When the next one arrives; FOREVER where nothing is under way."""
        return self._queue[0][0] if self._queue else FOREVER

    def push(self, due_ns: int, item: Item) -> None:
        self._pushed += 1
        heapq.heappush(self._queue, (due_ns, self._pushed, item))

    def pop(self) -> tuple[int, Item]:
        """(when, what) of the next one."""
        due_ns, _, item = heapq.heappop(self._queue)
        return due_ns, item

    def send(self, commands: Iterable[Command], now_ns: int) -> None:
        """The desk sends them; a notice goes nowhere, and a symbol is ready at once."""
        symbols = self._outcome.engine.view.symbols
        for command in commands:
            match command:
                case Notify():
                    self._outcome.notices.append((now_ns, command))
                    continue
                case Watch():
                    self.answer(SymbolReady(ts_ns=now_ns, symbol=command.symbol))
                    continue
                case QueryOrder() | ReadAccount() | ReadVenueState():
                    due_ns = now_ns + self._delays.read_ns() // 2
                case SubmitOrder(approved=Approved(request=request)) | (ReduceOrder() as request):
                    self._outcome.seen[request.client_id] = symbols[request.symbol].last
                    due_ns = now_ns + self._delays.entry_ns()
                case _:
                    due_ns = now_ns + self._delays.entry_ns()
            self._outcome.commands.append((now_ns, command))
            self.push(due_ns, command)

    def answer(self, event: Event) -> None:
        """The venue sends it; the desk will hear of it at ``event.ts_ns``."""
        if isinstance(event, OrderEvent):
            self._outcome.reports.append(event)
        if isinstance(event, OrderFilled):
            self._outcome.fills.append(event.fill)
        elif isinstance(event, FundingPaid):
            self._outcome.payments.append(event)
        self.push(event.ts_ns, event)
