"""One structured line for everything that happens to an order, with the latency of its first answer."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from decimal import Decimal
from itertools import takewhile

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.events import (
    AmendFailed,
    CancelFailed,
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OutcomeUnknown,
    StopTriggered,
)
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.intents import Refused
from contractdesk.domain.orders import OrderRequest
from contractdesk.ops.metrics import Histogram

REMEMBERED = 10_000  # orders; a fill later than that is logged without its latency

_LAST_WORDS = frozenset({"cancelled", "expired", "rejected", "triggered"})


class _Line:
    __slots__ = ("answered", "ended", "filled", "latency_ms", "request", "signal_ns", "trades", "venue_id")

    def __init__(self, request: OrderRequest, signal_ns: int) -> None:
        self.request = request
        self.signal_ns = signal_ns
        self.venue_id = ""
        self.filled: Decimal = ZERO
        self.latency_ms = 0.0
        self.answered = False
        self.ended = ""  # the last word on it: told once, though REST and the stream both tell it
        self.trades: set[str] = set()


class OrderLog:
    """Told of each order sent, of each event seen, and of what was refused."""

    def __init__(
        self, logger: logging.Logger, latency: Histogram, round_trips: Histogram | None = None
    ) -> None:
        self._logger = logger
        self._latency = latency
        self._round_trips = round_trips or Histogram()
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        self._refusal: Refused | None = None  # the last one that was told

    def sent(self, request: OrderRequest, signal_ns: int) -> None:
        """An order goes out; ``signal_ns`` is when the event that caused it came in."""
        self._lines[request.client_id] = _Line(request, signal_ns)
        while len(self._lines) > REMEMBERED:
            self._lines.popitem(last=False)

    def answered(self, took_ns: int) -> None:
        """The venue has answered the request of an order, whatever it said."""
        self._round_trips.add(took_ns / NS_PER_MS)

    def saw(self, event: Event) -> None:
        """Log the event if it is about one of our orders."""
        if not isinstance(event, OrderEvent):
            return
        line = self._lines.get(event.client_id)
        if line is None:
            return
        match event:
            case OrderAccepted(venue_id=venue_id):
                line.venue_id = venue_id
                if self._first_answer(line, event):
                    self._write(logging.INFO, "accepted", line)
            case OrderFilled():
                self._filled(line, event)
            case OrderRejected(code=code, message=message, would_take=would_take):
                self._first_answer(line, event)
                # A post-only order is sent to learn whether it would rest: that it would not is no trouble.
                level = logging.INFO if would_take else logging.WARNING
                self._write(level, "rejected", line, f"{code}: {message}")
            case _:
                self._ended(line, event)

    def refused(self, refusals: Sequence[Refused]) -> None:
        """Log the refusals that are new; ``refusals`` are the latest, oldest first."""
        if not refusals or refusals[-1] is self._refusal:
            return
        fresh = list(takewhile(lambda refusal: refusal is not self._refusal, reversed(refusals)))
        self._refusal = refusals[-1]
        for refusal in reversed(fresh):
            self._logger.info(
                "refused by %s: found %s, limit %s",
                refusal.rule,
                refusal.found,
                refusal.limit,
                extra={
                    "event.code": "refused",
                    "symbol": refusal.symbol,
                    "side": refusal.intent.side.value,
                    "rule": refusal.rule,
                    "intentId": refusal.intent_id,
                    "strategyId": refusal.strategy_id,
                },
            )

    def _filled(self, line: _Line, event: OrderFilled) -> None:
        fill = event.fill
        if fill.trade_id in line.trades:
            return
        line.trades.add(fill.trade_id)
        line.venue_id = line.venue_id or fill.venue_order_id
        line.filled += fill.size
        self._first_answer(line, event)
        self._write(logging.INFO, "filled", line)

    def _ended(self, line: _Line, event: OrderEvent) -> None:
        match event:
            case OutcomeUnknown(reason=reason):
                self._write(logging.WARNING, "outcome unknown", line, reason)
            case OrderCancelled(reason=reason):
                self._write(logging.INFO, "cancelled", line, reason)
            case OrderExpired(reason=reason):
                self._write(logging.INFO, "expired", line, reason)
            case StopTriggered():
                self._write(logging.INFO, "triggered", line)
            case CancelFailed(code=code, message=message):
                self._write(logging.WARNING, "cancel failed", line, f"{code}: {message}")
            case AmendFailed(code=code, message=message):
                self._write(logging.WARNING, "amend failed", line, f"{code}: {message}")
            case _:
                pass  # amendments and queries change nothing that this log tells

    def _first_answer(self, line: _Line, event: OrderEvent) -> bool:
        if line.answered:
            return False
        line.answered = True
        line.latency_ms = max(0.0, (event.ts_ns - line.signal_ns) / NS_PER_MS)
        self._latency.add(line.latency_ms)
        return True

    def _write(self, level: int, outcome: str, line: _Line, reason: str = "") -> None:
        if outcome in _LAST_WORDS:
            if line.ended == outcome:
                return
            line.ended = outcome
        request = line.request
        self._logger.log(
            level,
            "order %s: %s %s %s %s%s",
            outcome,
            request.role.name.lower(),
            request.side.value,
            request.size,
            request.symbol,
            f" ({reason})" if reason else "",
            extra={
                "orderId": line.venue_id,
                "clientId": request.client_id,
                "symbol": request.symbol,
                "side": request.side.value,
                "role": request.role.name.lower(),
                "size": str(request.size),
                "filledQty": str(line.filled),
                "latency_ms": round(line.latency_ms, 3),
                "outcome": outcome,
                "reason": reason,
                "strategyId": request.strategy_id,
            },
        )
