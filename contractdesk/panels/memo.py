"""What was made of the last key: pictures come ten times a second, and seldom hold anything new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memo(Generic[K, V]):
    """One result. Keys are compared by value, which is quick where their parts are the same objects."""

    def __init__(self) -> None:
        self._last: tuple[K, V] | None = None

    def of(self, key: K, make: Callable[[], V]) -> V:
        """What ``make`` gave for this key, or gives now."""
        if self._last is None or self._last[0] != key:
            self._last = key, make()
        return self._last[1]
