"""Exponential backoff with full jitter: how long to wait before attempt n, and when to give up.

https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ ("full jitter")
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

MAX_EXPONENT = 32  # beyond it the cap holds for every sensible base; keeps 2**n a small number


class Backoff(Struct, frozen=True, kw_only=True):
    """A policy; ``random`` is injected and yields floats in [0, 1)."""

    base_s: float
    cap_s: float
    random: Callable[[], float]
    attempts: int | None = None  # None: for ever (reconnecting), else how many waits are granted

    def delay_s(self, attempt: int) -> float | None:
        """Seconds to wait after failure number ``attempt`` (0 first); None: give up.

        Uniform in [0, min(cap, base * 2**attempt)).
        """
        if self.attempts is not None and attempt >= self.attempts:
            return None
        return self.random() * min(self.cap_s, self.base_s * 2.0 ** min(attempt, MAX_EXPONENT))
