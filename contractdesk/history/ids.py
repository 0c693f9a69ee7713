"""Which ids have been seen: duplicates at once, gaps at the end, whatever the order they came in."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from contractdesk.storage.grid import Ints, Mask

MOST_SCATTERED = 1 << 20  # ids that are remembered where they do not ascend


class Gap(Struct, frozen=True):
    """Ids that are missing, and the row after them."""

    first: int
    last: int
    row: int
    ns: int
    source: int  # which of the sources that row is in

    @property
    def missing(self) -> int:
        return self.last - self.first + 1


class IdRanges:
    """Ids that a venue gives one after the other, kept as ranges: a whole month is a handful of them."""

    def __init__(self) -> None:
        none = np.empty(0, dtype=np.int64)
        self._low, self._high, self._row, self._ns, self._source = none, none, none, none, none

    def add(self, ids: Ints, rows: Ints, ns: Ints, source: int = 0) -> Mask:
        """Note them; True where an id was known already."""
        order = np.argsort(ids, kind="stable")
        ascending = ids[order]
        known = np.zeros(len(ids), dtype=bool)
        known[1:] = ascending[1:] == ascending[:-1]
        if len(self._low):
            at = np.searchsorted(self._low, ascending, side="right") - 1
            known |= (at >= 0) & (ascending <= self._high[np.maximum(at, 0)])
        self._join(ascending[~known], order[~known], rows, ns, source)
        duplicates = np.zeros(len(ids), dtype=bool)
        duplicates[order] = known
        return duplicates

    def _join(self, fresh: Ints, places: Ints, rows: Ints, ns: Ints, source: int) -> None:
        if not len(fresh):
            return
        starts = np.flatnonzero(np.diff(fresh, prepend=fresh[0] - 2) != 1)
        ends = np.append(starts[1:] - 1, len(fresh) - 1)
        low = np.concatenate([self._low, fresh[starts]])
        order = np.argsort(low, kind="stable")
        low = low[order]
        high = np.concatenate([self._high, fresh[ends]])[order]
        told = [
            np.concatenate([old, new])[order]
            for old, new in (
                (self._row, rows[places[starts]]),
                (self._ns, ns[places[starts]]),
                (self._source, np.full(len(starts), source, dtype=np.int64)),
            )
        ]
        begins = np.ones(len(low), dtype=bool)
        begins[1:] = low[1:] != high[:-1] + 1
        at = np.flatnonzero(begins)
        self._low, self._high = low[at], high[np.append(at[1:] - 1, len(low) - 1)]
        self._row, self._ns, self._source = (column[at] for column in told)

    def gaps(self) -> list[Gap]:
        """What lies between the ranges, ascending."""
        return [
            Gap(
                int(self._high[i - 1]) + 1,
                int(self._low[i]) - 1,
                int(self._row[i]),
                int(self._ns[i]),
                int(self._source[i]),
            )
            for i in range(1, len(self._low))
        ]


class ScatteredIds:
    """Ids without an order, such as UUIDs: duplicates among the newest ones are seen."""

    def __init__(self) -> None:
        self._kept: Ints = np.empty(0, dtype=np.int64)

    def add(self, ids: Ints) -> Mask:
        """Note them; True where an id was known already."""
        _, first = np.unique(ids, return_index=True)
        known = np.ones(len(ids), dtype=bool)
        known[first] = False
        known |= np.isin(ids, self._kept)
        self._kept = np.concatenate([self._kept, ids[~known]])[-MOST_SCATTERED:]
        return known
