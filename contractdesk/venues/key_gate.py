"""What a key that the venue no longer takes may still be used for: little, and seldom.

Whatever protects is sent all the same: the refusal may be of one scope, or of a moment. Everything else
waits, but for one question each ``PROBE_S``. Pure.
"""

from __future__ import annotations

from contractdesk.clock import NS_PER_S
from contractdesk.venues.limits import Priority

PROBE_S = 30
ALWAYS = (Priority.PROTECT, Priority.CANCEL)


class KeyGate:
    """Open until the venue refuses the key, and again once it takes it."""

    def __init__(self) -> None:
        self._probe_ns: int | None = None  # monotonic; None: open

    @property
    def closed(self) -> bool:
        return self._probe_ns is not None

    def passes(self, priority: Priority, now_ns: int) -> bool:
        """True when such a request may be sent now; one that may is the probe."""
        if self._probe_ns is None or priority in ALWAYS:
            return True
        if now_ns < self._probe_ns:
            return False
        self._probe_ns = now_ns + PROBE_S * NS_PER_S
        return True

    def refused(self, now_ns: int) -> bool:
        """The venue has refused the key; True when that is news."""
        news, self._probe_ns = self._probe_ns is None, now_ns + PROBE_S * NS_PER_S
        return news

    def taken(self) -> None:
        """The venue has answered a signed request."""
        self._probe_ns = None
