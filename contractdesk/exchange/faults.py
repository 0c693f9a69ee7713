"""Faults as data: what shall go wrong, how often, and how often it already has.

Installed by ``POST /control/fault`` with one of the JSON objects below (``kind`` names it), listed
by ``GET /control/fault``, removed by ``DELETE /control/fault?id=N`` (or all, without an id).
``count`` says how many times a fault strikes; 0 means until it is removed. ``injected`` counts.

=================  ====================================================================================
``drop_request``   the connection breaks instead of an answer; ``when`` "before" (nothing is executed)
                   or "after" (it is; with ``ms`` so much later, when the sender has given up)
``answer``         ``status``, ``code``, ``msg``, ``retry_after_s`` (a header) instead of the real
                   answer; ``execute`` true executes the request first (503 "Unknown error")
``delay``          the request is executed at once and its answer comes ``ms`` later, or with ``when``
                   "before" all of it happens ``ms`` later
``read_lag``       what is read is of ``ms`` ago: orders, fills and positions as they were then
``drop_event``     a user event is not sent; ``event`` is its name, ``execution`` its ``x``
``duplicate_event``  a user event is sent twice
``delay_event``    a user event is sent ``ms`` later, whatever overtakes it
``reorder_event``  a user event is sent after the next ``after`` ones of its name
``edit_event``     ``fields`` are written over those of a user event, or of its ``o``
``reject_trigger``  a conditional order of ``symbol`` that triggers is REJECTED for want of margin
``crowd_reduce``   a reduce-only order of ``symbol`` is refused (-4118) where those that rest close it all
``depth_gap``      on every depth stream of ``symbol`` each ``every``-th message is left out, ``count``
                   times
``cut``            the sockets of ``path`` break at once, without a close frame
``freeze``         the sockets of ``path`` stay open and say nothing, not even pong, for ``seconds``
                   (0: until removed); sockets opened later are not frozen
``refuse``         new sockets on ``path`` are refused (HTTP 503) for ``seconds``
``shift_clock``    the exchange's clock, as clients see it, is off by ``ms``
``mute``           the streams whose name begins with ``stream`` say nothing on sockets of ``path``,
                   which stay open and answer pings
``spoil_depth``    ``bids`` and ``asks`` ([[price, quantity], ..]) are put into the next ``count`` messages
                   of each depth stream of ``symbol``
``refuse_topics``  a SUBSCRIBE on ``path`` that names a stream beginning with ``stream`` is answered with
                   an error, and subscribes to nothing
=================  ====================================================================================

The first three and ``read_lag`` take a ``match``: ``method``, ``path`` (prefix), ``symbol``, ``role``
("entry", "reduce" or "stop") and ``client_id`` (prefix), each of them optional.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Literal

import msgspec
from msgspec import Struct, field

from contractdesk.exchange.floor import Quirks

NS_PER_MS = 1_000_000
Where = Literal["", "public", "market", "private"]
NS_PER_S = 1_000_000_000


class When(Enum):
    BEFORE = "before"
    AFTER = "after"


class Role(Enum):
    """What a request that creates an order is for."""

    ENTRY = "entry"
    REDUCE = "reduce"  # reduce-only
    STOP = "stop"  # to the conditional book
    OTHER = "other"  # no create


class Facts(Struct, frozen=True, kw_only=True):
    """What a fault can match of a request."""

    method: str
    path: str
    symbol: str = ""
    client_id: str = ""
    role: Role = Role.OTHER


class Match(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    method: str = ""
    path: str = ""
    symbol: str = ""
    client_id: str = ""
    role: Role | None = None

    def meets(self, facts: Facts) -> bool:
        return (
            self.method in ("", facts.method)
            and facts.path.startswith(self.path)
            and self.symbol in ("", facts.symbol)
            and facts.client_id.startswith(self.client_id)
            and self.role in (None, facts.role)
        )


class FaultBase(Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    count: int = 1


class DropRequest(FaultBase, frozen=True, kw_only=True, tag="drop_request"):
    when: When
    ms: int = 0
    match: Match = Match(method="POST")


class Answer(FaultBase, frozen=True, kw_only=True, tag="answer"):
    status: int
    code: int | None = None  # None: the body is ``msg`` alone, not JSON
    msg: str = ""
    retry_after_s: int | None = None
    execute: bool = False
    match: Match = Match()


class Delay(FaultBase, frozen=True, kw_only=True, tag="delay"):
    ms: int
    when: When = When.AFTER
    match: Match = Match()


class ReadLag(FaultBase, frozen=True, kw_only=True, tag="read_lag"):
    ms: int
    match: Match = Match(method="GET")


class EventFault(FaultBase, frozen=True, kw_only=True):
    event: str  # e.g. ORDER_TRADE_UPDATE; "" means any
    execution: str = ""  # the ``x`` of an ORDER_TRADE_UPDATE, the ``X`` of an ALGO_UPDATE
    symbol: str = ""

    def meets(self, event: str, execution: str, symbol: str) -> bool:
        return self.event in ("", event) and self.execution in ("", execution) and self.symbol in ("", symbol)


class DropEvent(EventFault, frozen=True, kw_only=True, tag="drop_event"):
    pass


class DuplicateEvent(EventFault, frozen=True, kw_only=True, tag="duplicate_event"):
    pass


class DelayEvent(EventFault, frozen=True, kw_only=True, tag="delay_event"):
    ms: int


class ReorderEvent(EventFault, frozen=True, kw_only=True, tag="reorder_event"):
    after: int = 1


class EditEvent(EventFault, frozen=True, kw_only=True, tag="edit_event"):
    fields: dict[str, str | int | None]


class RejectTrigger(FaultBase, frozen=True, kw_only=True, tag="reject_trigger"):
    symbol: str


class CrowdReduce(FaultBase, frozen=True, kw_only=True, tag="crowd_reduce"):
    symbol: str
    count: int = 0


class DepthGap(FaultBase, frozen=True, kw_only=True, tag="depth_gap"):
    symbol: str
    every: int = 1


class SocketFault(FaultBase, frozen=True, kw_only=True):
    path: Where = ""  # "" means all, and the unrouted one
    count: int = 0

    def concerns(self, path: str) -> bool:
        return self.path in ("", path)


class Cut(SocketFault, frozen=True, kw_only=True, tag="cut"):
    pass


class Freeze(SocketFault, frozen=True, kw_only=True, tag="freeze"):
    seconds: float = 0.0


class Refuse(SocketFault, frozen=True, kw_only=True, tag="refuse"):
    seconds: float


class ShiftClock(FaultBase, frozen=True, kw_only=True, tag="shift_clock"):
    ms: int
    count: int = 0


class Mute(SocketFault, frozen=True, kw_only=True, tag="mute"):
    stream: str = ""


class SpoilDepth(FaultBase, frozen=True, kw_only=True, tag="spoil_depth"):
    symbol: str
    bids: list[tuple[str, str]] = []
    asks: list[tuple[str, str]] = []


class RefuseTopics(SocketFault, frozen=True, kw_only=True, tag="refuse_topics"):
    count: int = 1
    stream: str = ""


RequestFault = DropRequest | Answer | Delay | ReadLag
UserEventFault = DropEvent | DuplicateEvent | DelayEvent | ReorderEvent | EditEvent
BookFault = RejectTrigger | CrowdReduce
StreamFault = DepthGap | Mute | SpoilDepth | RefuseTopics
Fault = RequestFault | UserEventFault | BookFault | StreamFault | Cut | Freeze | Refuse | ShiftClock


class Installed(Struct, kw_only=True):
    """A fault in force, and how often it has struck."""

    id: int
    fault: Fault
    since_ns: int  # monotonic
    injected: int = 0
    messages: dict[str, int] = field(default_factory=dict)  # seen, or spoilt, on each stream

    @property
    def spent(self) -> bool:
        return 0 < self.fault.count <= self.injected


MAX_FAULTS = 1_000


class FaultBoard(Quirks):
    """The faults in force. Spent ones stay listed, so that a test can read what they did."""

    def __init__(self) -> None:
        self._faults: dict[int, Installed] = {}
        self._made = 0

    def install(self, fault: Fault, now_ns: int) -> Installed:
        """Put ``fault`` in force; ``ValueError`` when there are a thousand already."""
        if len(self._faults) >= MAX_FAULTS:
            raise ValueError("a thousand faults are installed: remove some")
        self._made += 1
        installed = Installed(id=self._made, fault=fault, since_ns=now_ns)
        self._faults[installed.id] = installed
        return installed

    def remove(self, fault_id: int | None) -> list[Installed]:
        """Remove one, or all with None; returns what was removed."""
        ids = list(self._faults) if fault_id is None else [fault_id]
        return [self._faults.pop(each) for each in ids if each in self._faults]

    @property
    def all(self) -> list[Installed]:
        return list(self._faults.values())

    def next_request(self, facts: Facts) -> RequestFault | None:
        """The oldest request fault that meets ``facts``; it is counted as injected."""
        for row in self._faults.values():
            if isinstance(row.fault, RequestFault) and not row.spent and row.fault.match.meets(facts):
                row.injected += 1
                return row.fault
        return None

    def next_event(self, event: str, execution: str, symbol: str) -> UserEventFault | None:
        """The oldest event fault that meets the event; it is counted as injected."""
        for row in self._faults.values():
            fault = row.fault
            if isinstance(fault, UserEventFault) and not row.spent and fault.meets(event, execution, symbol):
                row.injected += 1
                return fault
        return None

    def rejects_trigger(self, symbol: str) -> bool:
        return self._strikes(RejectTrigger, symbol)

    def crowds_reduce(self, symbol: str) -> bool:
        return self._strikes(CrowdReduce, symbol)

    def _strikes(self, kind: type[BookFault], symbol: str) -> bool:
        for row in self._faults.values():
            if isinstance(row.fault, kind) and row.fault.symbol == symbol and not row.spent:
                row.injected += 1
                return True
        return False

    def gap(self, symbol: str, stream: str) -> bool:
        """True when this message of a depth stream is to be left out."""
        left_out = False
        for row in self._faults.values():
            fault = row.fault
            if isinstance(fault, DepthGap) and fault.symbol == symbol:
                seen = row.messages[stream] = row.messages.get(stream, 0) + 1
                if seen % fault.every == 0 and (not fault.count or seen <= fault.every * fault.count):
                    row.injected += 1
                    left_out = True
        return left_out

    def muted(self, path: str, stream: str) -> bool:
        """True when what is said on this stream does not reach a socket of ``path``."""
        for row in self._faults.values():
            fault = row.fault
            if not isinstance(fault, Mute) or not fault.concerns(path) or row.spent:
                continue
            if stream.startswith(fault.stream):
                row.injected += 1
                return True
        return False

    def spoilt(self, symbol: str, stream: str) -> SpoilDepth | None:
        """What is to be put into this message of a depth stream; it is counted as injected."""
        for row in self._faults.values():
            fault = row.fault
            if isinstance(fault, SpoilDepth) and fault.symbol == symbol:
                done = row.messages.get(stream, 0)
                if not fault.count or done < fault.count:
                    row.messages[stream] = done + 1
                    row.injected += 1
                    return fault
        return None

    def refuses_topics(self, path: str, streams: Iterable[str]) -> bool:
        """True when this SUBSCRIBE is to be answered with an error; it is counted as injected."""
        named = list(streams)
        for row in self._faults.values():
            fault = row.fault
            if not isinstance(fault, RefuseTopics) or not fault.concerns(path) or row.spent:
                continue
            if any(name.startswith(fault.stream) for name in named):
                row.injected += 1
                return True
        return False

    def refusing(self, path: str, now_ns: int) -> bool:
        """True while new sockets on ``path`` are refused."""
        for row in self._faults.values():
            fault = row.fault
            if not isinstance(fault, Refuse) or not fault.concerns(path) or row.spent:
                continue
            if now_ns - row.since_ns < fault.seconds * NS_PER_S:
                row.injected += 1
                return True
        return False

    @property
    def shift_ns(self) -> int:
        """The sum of the clock shifts in force."""
        shifts = (row.fault.ms for row in self._faults.values() if isinstance(row.fault, ShiftClock))
        return sum(shifts) * NS_PER_MS


def decode_fault(body: bytes) -> Fault:
    """A fault from JSON; ``msgspec.ValidationError`` says what is wrong with it."""
    fault: Fault = msgspec.json.decode(body, type=Fault)
    return fault
