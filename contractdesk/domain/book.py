"""An order book in integer ticks and lots: compiled, and exact at any distance from the touch.

Each side keeps the 65,536 ticks around its best price as an array, and what lies farther behind in a
dict; the window follows the price. Invariants: nothing outside a window is better than what is
inside, and an invalid book is empty.
"""

from __future__ import annotations

import struct
from heapq import nsmallest
from typing import TYPE_CHECKING

from contractdesk.domain.ladder_layout import ASKS, BASE, BEST, BIDS, DRIFT, SIGNS, SPILLED, WINDOW
from contractdesk.domain.market import pack_levels, unpack_levels

if TYPE_CHECKING:
    from types import ModuleType

Level = tuple[int, int]  # (ticks, lots)
LEVEL_BYTES = 16
_each_level = struct.Struct("<qq").iter_unpack


class Book:
    """The L2 book of one instrument. Lots are absolute; 0 means that the level is gone.

    The first ``Book`` of a process loads the kernels (0.9 s of CPU; some seconds where they have to
    be compiled first): make one before time matters.
    """

    __slots__ = ("_far", "_kernels", "_ladder", "_numbers", "_scratch", "_scratch_bytes", "_scratch_size",
                 "update_id", "valid")  # fmt: skip

    update_id: int
    valid: bool

    def __init__(self) -> None:
        from contractdesk.domain import ladder

        self._kernels: ModuleType = ladder
        self._ladder = ladder.empty_ladder()
        self._numbers = self._ladder.data  # reads single places as plain ints
        self._far: tuple[dict[int, int], dict[int, int]] = ({}, {})  # by side: key -> lots
        self._scratch_size = 0
        self._reserve(128)
        self.invalidate()

    # -- writing ---------------------------------------------------------------------------

    def invalidate(self) -> None:
        """Forget everything: the book is not to be used until the next snapshot."""
        self._fill(b"", b"")
        self.update_id = 0
        self.valid = False

    def apply_snapshot(self, bids: bytes, asks: bytes, update_id: int) -> None:
        """Replace the book by packed (ticks, lots) levels, in any order; it is valid from now on."""
        self._fill(bids, asks)
        self.update_id = update_id
        self.valid = True

    def apply(self, bids: bytes, asks: bytes, update_id: int) -> None:
        """Set the levels of a delta; an invalid book stays as it is.

        The caller has checked the sequence: ``update_id`` is only remembered.
        """
        if not self.valid:
            return
        count = (len(bids) + len(asks)) // LEVEL_BYTES
        if count > self._scratch_size:
            self._reserve(count)
        if self._kernels.write(self._ladder, bids, asks, self._scratch):
            self._settle()
        self.update_id = update_id

    # -- reading ---------------------------------------------------------------------------

    @property
    def best_bid(self) -> int | None:
        """Ticks; None where the side is empty."""
        place = self._numbers[BIDS, BEST]
        return -(self._numbers[BIDS, BASE] + place) if place < WINDOW else None

    @property
    def best_ask(self) -> int | None:
        """Ticks; None where the side is empty."""
        place = self._numbers[ASKS, BEST]
        return self._numbers[ASKS, BASE] + place if place < WINDOW else None

    @property
    def crossed(self) -> bool:
        """True when somebody bids at least what somebody asks: the book is wrong."""
        bid, ask = self.best_bid, self.best_ask
        return bid is not None and ask is not None and bid >= ask

    def lots_at(self, side_is_bid: bool, tick: int) -> int:  # noqa: FBT001  (the book's one flag)
        """Lots resting at ``tick``; 0 where there are none."""
        side = BIDS if side_is_bid else ASKS
        key = SIGNS[side] * tick
        place = key - self._numbers[side, BASE]
        return self._numbers[side, place] if 0 <= place < WINDOW else self._far[side].get(key, 0)

    def top(self, depth: int) -> tuple[list[Level], list[Level]]:
        """Bids and asks, at most ``depth`` each, best first."""
        bids, asks = self.pack_top(depth)
        return list(_each_level(bids)), list(_each_level(asks))

    def levels(self) -> tuple[list[Level], list[Level]]:
        """Every bid and every ask, best first."""
        bids, asks = self.pack()
        return list(_each_level(bids)), list(_each_level(asks))

    def pack_top(self, depth: int) -> tuple[bytes, bytes]:
        """``top`` as packed levels: frozen, and cheap to hand to another thread."""
        if 2 * depth > self._scratch_size:
            self._reserve(2 * depth)
        bids, asks = self._kernels.collect(self._ladder, depth, self._scratch)
        start, end = depth * LEVEL_BYTES, (depth + asks) * LEVEL_BYTES
        packed_bids = self._scratch_bytes[: bids * LEVEL_BYTES].tobytes()
        packed_asks = self._scratch_bytes[start:end].tobytes()
        if bids < depth:
            packed_bids += self._pack_far(BIDS, depth - bids)
        if asks < depth:
            packed_asks += self._pack_far(ASKS, depth - asks)
        return packed_bids, packed_asks

    def pack(self) -> tuple[bytes, bytes]:
        """The whole book as packed levels, best first: what ``apply_snapshot`` takes back."""
        return self.pack_top(max(self._kernels.count(self._ladder, side) + len(far)
                                 for side, far in enumerate(self._far)))  # fmt: skip

    def worst_tick(self, buy: bool, lots: int) -> int | None:  # noqa: FBT001  (as ``lots_at``)
        """Where a market order of ``lots`` would be done; None when the book is too thin, or lots <= 0."""
        if lots <= 0:
            return None
        side = ASKS if buy else BIDS
        key, missing = self._kernels.walk(self._ladder, side, lots)
        for far_key, far_lots in sorted(self._far[side].items()) if missing else ():
            key, missing = far_key, missing - far_lots
            if missing <= 0:
                break
        return SIGNS[side] * int(key) if missing <= 0 else None

    def __eq__(self, other: object) -> bool:
        """Equal levels, both valid or both not; the update ids do not matter."""
        if not isinstance(other, Book):
            return NotImplemented
        return self.valid == other.valid and self.pack() == other.pack()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        state = "valid" if self.valid else "invalid"
        return f"<Book {state}, bid {self.best_bid}, ask {self.best_ask}, update {self.update_id}>"

    # -- the window ------------------------------------------------------------------------

    def _fill(self, bids: bytes, asks: bytes) -> None:
        self._ladder[:] = 0
        for side, packed in ((BIDS, bids), (ASKS, asks)):
            far, sign = self._far[side], SIGNS[side]
            far.clear()
            last = dict(unpack_levels(packed))
            far.update((sign * ticks, lots) for ticks, lots in last.items() if lots)
            self._kernels.follow(self._ladder, side, far)

    def _settle(self) -> None:
        """Take over what the last delta spilled, and let the windows follow."""
        start = 0
        for side, far in enumerate(self._far):
            base, ahead = self._numbers[side, BASE], False
            end = start + self._numbers[side, SPILLED]
            for key, lots in self._scratch[start:end].tolist():
                if lots:
                    far[key] = lots
                    ahead |= key < base
                else:
                    far.pop(key, None)
            start = end
            if ahead or self._numbers[side, BEST] > DRIFT:
                self._kernels.follow(self._ladder, side, far)

    def _pack_far(self, side: int, count: int) -> bytes:
        sign = SIGNS[side]
        return pack_levels((sign * key, lots) for key, lots in nsmallest(count, self._far[side].items()))

    def _reserve(self, levels: int) -> None:
        """Room for what a delta of so many levels may spill, or for so many levels read."""
        self._scratch_size = levels
        self._scratch = self._kernels.empty_levels(levels)
        self._scratch_bytes = self._scratch.data.cast("B")
