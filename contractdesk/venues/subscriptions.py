"""What a socket should deliver against what the venue has confirmed; pure.

Law: ``complete`` is True only when every desired topic was confirmed on the present connection, and at
most ``rate`` messages are sent within any second. What was refused is asked for again, by itself: of
several topics in one message a single bad one has all of them refused.
"""

from __future__ import annotations

from collections import deque

import msgspec
from msgspec import Struct

from contractdesk.clock import NS_PER_S

BATCH = 50  # topics a message
ACK_TIMEOUT_NS = 5 * NS_PER_S
AGAIN_NS = 2 * NS_PER_S  # after a refusal
RATE = 5  # messages a second; the venue cuts above 10


class Pending(Struct, frozen=True):
    """A SUBSCRIBE or UNSUBSCRIBE without its answer."""

    topics: tuple[str, ...]
    sent_ns: int
    wanted: bool  # True: SUBSCRIBE


class Subscriptions:
    """One connection's book of topics."""

    def __init__(self) -> None:
        self.desired: dict[str, None] = {}  # ordered
        self.confirmed: set[str] = set()
        self.refused: dict[str, str] = {}  # topic -> the venue's reason
        self._again_ns: dict[str, int] = {}  # refused topics: when each is asked for again
        self._pending: dict[int, Pending] = {}
        self._sent_ns: deque[int] = deque(maxlen=RATE)
        self._numbers = 0

    @property
    def complete(self) -> bool:
        """True when what is desired, and nothing else, is confirmed."""
        return self.confirmed == self.desired.keys()

    def want(self, topics: tuple[str, ...]) -> None:
        self.desired.update(dict.fromkeys(topics))

    def drop(self, topics: tuple[str, ...]) -> None:
        for topic in topics:
            self.desired.pop(topic, None)

    def on_connected(self) -> None:
        """A fresh connection delivers nothing yet."""
        self.confirmed.clear()
        self.refused.clear()
        self._again_ns.clear()
        self._pending.clear()

    def on_ack(self, number: int, error: str | None) -> None:
        """The venue's answer to a message of ours; others are ignored."""
        pending = self._pending.pop(number, None)
        if pending is None:
            return
        if error is not None:
            self.refused.update(dict.fromkeys(pending.topics, error))
        elif pending.wanted:
            self.confirmed.update(pending.topics)
            for topic in pending.topics:
                self.refused.pop(topic, None)
        else:
            self.confirmed.difference_update(pending.topics)

    def overdue(self, now_ns: int) -> bool:
        """True when the venue has left a message without its answer for too long."""
        return any(now_ns - pending.sent_ns > ACK_TIMEOUT_NS for pending in self._pending.values())

    def next_message(self, now_ns: int) -> str | None:
        """The next message to send now; None when there is none, or too many were sent."""
        if len(self._sent_ns) == RATE and now_ns - self._sent_ns[0] < NS_PER_S:
            return None
        underway = {topic for pending in self._pending.values() for topic in pending.topics}
        missing = [topic for topic in self.desired if topic not in self.confirmed | underway]
        surplus = sorted(self.confirmed - self.desired.keys() - underway)
        fresh = [topic for topic in missing if topic not in self.refused]
        wanted = fresh[:BATCH] or self._again([topic for topic in missing if topic in self.refused], now_ns)
        if not wanted and not surplus:
            return None
        return self._message(tuple(wanted or surplus[:BATCH]), now_ns, wanted=bool(wanted))

    def _again(self, refused: list[str], now_ns: int) -> list[str]:
        """The first refused topic whose time has come; for those refused just now it begins to run."""
        for topic in refused:
            if now_ns >= self._again_ns.setdefault(topic, now_ns + AGAIN_NS):
                del self._again_ns[topic]
                return [topic]
        return []

    def _message(self, topics: tuple[str, ...], now_ns: int, *, wanted: bool) -> str:
        self._numbers += 1
        self._pending[self._numbers] = Pending(topics, now_ns, wanted)
        self._sent_ns.append(now_ns)
        method = "SUBSCRIBE" if wanted else "UNSUBSCRIBE"
        return msgspec.json.encode({"method": method, "params": topics, "id": self._numbers}).decode()
