"""What every importer yields: rows as their source tells them, as columns, not yet on any grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from contractdesk.storage.grid import Floats, Ints
from contractdesk.storage.schema import Series
from contractdesk.storage.terms import Terms

MOST_ROWS = 1 << 16  # of one batch
MOST_NS = 2**63 - 1
ON_THE_BOOK = "MARKET"
_OBJECTS = ("mark", "index", "funding_rate", "rate", "amount", "note")  # decimals and words


class Corrupt(Struct, frozen=True):
    """A cell, or a whole line, that cannot be read."""

    row: int  # 1-based, in the source
    column: str
    text: str


class Raw(Struct, kw_only=True):
    """Equal-length columns, named as the kind's schema; ``*ticks`` may be ``*price``, ``*lots`` ``*size``."""

    rows: Ints  # 1-based positions in the source; a header does not count
    columns: dict[str, NDArray[Any]]
    words: NDArray[Any] | None = None  # the types of trades as the source calls them, str or None
    event_ns: Ints | None = None  # when the venue sent it: what its clock is judged by
    corrupt: tuple[Corrupt, ...] = ()  # their rows have some value, and are not to be used
    left_out: tuple[tuple[str, int], ...] = ()  # what the source holds besides, and how much of it
    torn: tuple[str, ...] = ()  # where the source ends in the middle of something

    def __len__(self) -> int:
        return len(self.rows)

    def find(self, name: str) -> NDArray[Any] | None:
        """A column by the schema's name, if it is there as it will be stored."""
        return self.columns.get(name)

    def told(self, name: str) -> Floats | None:
        """The prices or sizes from which a column of ticks or lots is to be made."""
        return self.columns.get(name.replace("ticks", "price").replace("lots", "size"))


class Rules(Struct, frozen=True, kw_only=True):
    """What the integrity checks may rely on in a source."""

    format: str  # as the report names it
    ids_ascend: bool = True  # ids are numbers that a venue gives one after the other
    chained: bool = False  # each depth message names the one before


Read = Callable[[Path, Series, Terms], Iterator[Raw]]


class Source(Struct, frozen=True, kw_only=True):
    """A file or folder with the importer that understands it."""

    path: Path
    rules: Rules
    read: Read


def since_epoch_ns(stamps: Ints) -> Ints:
    """Nanoseconds of stamps that may be ms, us or ns: venues changed units within one series.

    0, which is no time, for one that does not fit.
    """
    units: Ints = np.select([stamps >= 10**17, stamps >= 10**14], [1, 1_000], 1_000_000)
    sound = (stamps >= 0) & (stamps <= MOST_NS // units)
    return np.where(sound, stamps, 0) * units


def stamp_ns(stamp: int) -> int:
    """The same of one stamp; ValueError for one that does not fit."""
    ns = stamp if stamp >= 10**17 else stamp * 1_000 if stamp >= 10**14 else stamp * 1_000_000
    if not 0 <= ns <= MOST_NS:
        raise ValueError(f"{stamp} is no time")
    return ns


class Columns:
    """Gathers rows one by one and gives them as Raw."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self.clear()

    def clear(self) -> None:
        self._values: dict[str, list[Any]] = {name: [] for name in self._names}
        self._rows: list[int] = []
        self._words: list[str | None] = []
        self._events: list[int] = []
        self._corrupt: list[Corrupt] = []
        self._torn: list[str] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: int, *values: Any, word: str | None = ON_THE_BOOK, event_ns: int = 0) -> None:
        self._rows.append(row)
        for name, value in zip(self._names, values, strict=True):
            self._values[name].append(value)
        self._words.append(word)
        self._events.append(event_ns)

    def spoil(self, row: int, column: str, text: str) -> None:
        """Note a row that cannot be read."""
        self._corrupt.append(Corrupt(row, column, text))

    def tear(self, where: str) -> None:
        """Note that the source ends in the middle."""
        self._torn.append(where)

    def take(self) -> Raw:
        """All rows so far; there are none afterwards."""
        events = np.array(self._events, dtype=np.int64)
        raw = Raw(
            rows=np.array(self._rows, dtype=np.int64),
            columns={name: np.array(values, dtype=_dtype(name)) for name, values in self._values.items()},
            words=np.array(self._words, dtype=object),
            event_ns=events if bool(events.any()) else None,
            corrupt=tuple(self._corrupt),
            torn=tuple(self._torn),
        )
        self.clear()
        return raw

    def full(self) -> bool:
        return len(self._rows) + len(self._corrupt) >= MOST_ROWS


def _dtype(name: str) -> type:
    """Of a column, by its name: a batch without rows has its types as well."""
    if name in _OBJECTS:
        return object
    return np.float64 if name.endswith(("price", "size")) else np.int64
