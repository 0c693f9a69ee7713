"""Request-weight and order counters of fixed windows; past the limit 429, for the obstinate 418.

Pure: time comes in as an argument. Windows are aligned to the epoch, as the venue's are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from msgspec import Struct

NS_PER_S = 1_000_000_000


class Quota(Struct, frozen=True, kw_only=True):
    """What the venue grants; the defaults are Binance USDⓈ-M's."""

    weight_1m: int = 2_400  # request weight a minute and address
    orders_10s: int = 300  # an account
    orders_1m: int = 1_200
    patience: int = 10  # requests answered 429 within one window before the address is banned
    ban_s: int = 120  # the first ban; each further one is twice as long, up to three days


class Outcome(Enum):
    PASSED = "passed"
    TOO_MANY_REQUESTS = "too_many_requests"  # 429
    TOO_MANY_ORDERS = "too_many_orders"  # 429, by the account's order counters
    BANNED = "banned"  # 418


class Verdict(Struct, frozen=True):
    """Whether a request may pass, and how long its sender has to be silent when it may not."""

    outcome: Outcome
    retry_after_s: int = 0


PASSED = Verdict(Outcome.PASSED)
MAX_BAN_S = 3 * 86_400


@dataclass(slots=True)
class Window:
    """A counter over a fixed window of ``seconds``."""

    seconds: int
    used: int = 0
    index: int = 0

    def roll(self, now_ns: int) -> bool:
        """Forget the count when a new window has begun; True when one has."""
        index = now_ns // (self.seconds * NS_PER_S)
        if index == self.index:
            return False
        self.index, self.used = index, 0
        return True

    def left_s(self, now_ns: int) -> int:
        """Whole seconds until the window ends, at least 1."""
        end_ns = (self.index + 1) * self.seconds * NS_PER_S
        return max(1, -((now_ns - end_ns) // NS_PER_S))


@dataclass(slots=True)
class AddressLimits:
    """The weight of one address; there is one, the loopback, so there is one of these."""

    quota: Quota = field(default_factory=Quota)
    weight: Window = field(default_factory=lambda: Window(60))
    refused: int = 0
    bans: int = 0
    banned_until_ns: int = 0

    def spend(self, weight: int, now_ns: int) -> Verdict:
        """Count a request of ``weight``; a refused one counts against the sender's patience."""
        if self.weight.roll(now_ns):
            self.refused = 0
        if now_ns < self.banned_until_ns:
            return self._banned(now_ns)
        self.weight.used += weight
        if self.weight.used <= self.quota.weight_1m:
            return PASSED
        self.refused += 1
        if self.refused <= self.quota.patience:
            return Verdict(Outcome.TOO_MANY_REQUESTS, self.weight.left_s(now_ns))
        ban_s = min(self.quota.ban_s * 2**self.bans, MAX_BAN_S)
        self.bans += 1
        self.banned_until_ns = now_ns + ban_s * NS_PER_S
        return self._banned(now_ns)

    def ban(self, seconds: int, now_ns: int) -> None:
        """Answer 418 for so long, whatever was used."""
        self.bans += 1
        self.banned_until_ns = now_ns + seconds * NS_PER_S

    def _banned(self, now_ns: int) -> Verdict:
        return Verdict(Outcome.BANNED, max(1, -((now_ns - self.banned_until_ns) // NS_PER_S)))


@dataclass(slots=True)
class AccountLimits:
    """The order counters of one account."""

    ten_seconds: Window = field(default_factory=lambda: Window(10))
    minute: Window = field(default_factory=lambda: Window(60))

    def spend(self, orders: int, quota: Quota, now_ns: int) -> Verdict:
        """Count ``orders`` new, amended or conditional orders."""
        for window, limit in ((self.ten_seconds, quota.orders_10s), (self.minute, quota.orders_1m)):
            window.roll(now_ns)
            if window.used + orders > limit:
                return Verdict(Outcome.TOO_MANY_ORDERS, window.left_s(now_ns))
        self.ten_seconds.used += orders
        self.minute.used += orders
        return PASSED
