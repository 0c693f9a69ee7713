"""A draft: what a person would change, and what ran when they began to. It holds no trading state.

Written by the widgets' side, read by the pump's: every method is safe in any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

Same = Callable[[str, Any, Any], bool]


class Wanted(Struct, frozen=True):
    """One changed value, plain, and the value that ran when it was first changed."""

    value: Any
    began: Any


class Difference(Struct, frozen=True, kw_only=True):
    """One line of a draft beside what runs."""

    key: str
    runs: Any
    wanted: Any
    began: Any
    moved: bool  # what runs is not what ran when the draft was begun: somebody else tuned it


class Draft:
    """By key (``owner/name``). ``revision`` grows with every change."""

    def __init__(self, same: Same) -> None:
        """``same(key, one, other)`` says whether two plain values are one."""
        self._same = same
        self._lock = threading.Lock()
        self._wanted: dict[str, Wanted] = {}
        self.revision = 0

    def want(self, key: str, value: Any, runs: Any) -> None:
        """Change a value. One that was moved stays so until ``keep`` or ``drop`` decides."""
        with self._lock:
            known = self._wanted.get(key)
            began = known.began if known is not None else runs
            if self._same(key, value, runs):
                self._wanted.pop(key, None)
            else:
                self._wanted[key] = Wanted(value, began)
            self.revision += 1

    def keep(self, key: str, runs: Any) -> None:
        """The draft's value is meant, whatever runs by now."""
        with self._lock:
            if key in self._wanted:
                self._wanted[key] = Wanted(self._wanted[key].value, runs)
                self.revision += 1

    def drop(self, *keys: str) -> None:
        """Go back to what runs: these keys, or all."""
        with self._lock:
            for key in keys or tuple(self._wanted):
                self._wanted.pop(key, None)
            self.revision += 1

    def against(self, runs: Mapping[str, Any]) -> tuple[Difference, ...]:
        """What differs from ``runs``; what runs by now, or is not there any more, leaves the draft."""
        with self._lock:
            gone = [
                key
                for key, wanted in self._wanted.items()
                if key not in runs or self._same(key, wanted.value, runs[key])
            ]
            for key in gone:
                del self._wanted[key]
            self.revision += bool(gone)
            return tuple(
                Difference(
                    key=key,
                    runs=runs[key],
                    wanted=wanted.value,
                    began=wanted.began,
                    moved=not self._same(key, wanted.began, runs[key]),
                )
                for key, wanted in self._wanted.items()
            )
