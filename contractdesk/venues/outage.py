"""How a venue that does not answer is asked: seldom, until it does. Whatever protects is sent all the same.

Each read has its own few repetitions; ten readers with theirs are a hammer. After some failures in a row
one question at a time is asked, at growing distances; any answer ends that. Pure.
"""

from __future__ import annotations

from contractdesk.clock import NS_PER_S
from contractdesk.venues.key_gate import ALWAYS
from contractdesk.venues.limits import Priority

FAILURES = 4  # in a row
FIRST_NS = NS_PER_S // 2
LONGEST_NS = 3 * NS_PER_S


class Outage:
    """Open until too many requests in a row got no answer."""

    def __init__(self) -> None:
        self._failures = 0
        self._wait_ns = FIRST_NS
        self._probe_ns = 0  # monotonic

    @property
    def closed(self) -> bool:
        return self._failures >= FAILURES

    def passes(self, priority: Priority, now_ns: int) -> bool:
        """True when such a request may be sent now; while it is closed, one that may is the probe."""
        if not self.closed or priority in ALWAYS:
            return True
        if now_ns < self._probe_ns:
            return False
        self._probe_ns = now_ns + self._wait_ns
        return True

    def failed(self, now_ns: int) -> None:
        """A request got no answer, or one that it was not executed."""
        self._failures += 1
        if self.closed:
            self._probe_ns = now_ns + self._wait_ns
            self._wait_ns = min(2 * self._wait_ns, LONGEST_NS)

    def answered(self) -> None:
        """The venue has answered, whatever it said."""
        self._failures, self._wait_ns = 0, FIRST_NS
