"""An order book in integer ticks and lots: compiled, and exact at any distance from the touch.

Each side keeps the 65,536 ticks around its best price as an array (a window that follows the price)
and what lies farther behind as sorted lists. Invariants: nothing outside a window is better than
what is inside, and an invalid book is empty.
"""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

from contractdesk.domain.ladder_layout import (
    ASKS,
    BASE,
    BEST,
    BIDS,
    CRAMPED,
    DONE,
    WINDOW,
)

if TYPE_CHECKING:
    from contractdesk.domain.compiled import Ints

Level = tuple[int, int]  # (ticks, lots)
LEVEL_BYTES = 16
_each_level = struct.Struct("<qq").iter_unpack


class Book:
    """The L2 book of one instrument. Lots are absolute; 0 means that the level is gone.

    The first ``Book`` of a process loads the kernels (0.8 s of CPU; some seconds where they have to
    be compiled first): make one before time matters. A book takes 1 MB.
    """

    __slots__ = ("_collect", "_kernels", "_ladder", "_memory", "_moves", "_numbers", "_out", "_out_depth",
                 "_write", "update_id", "valid")  # fmt: skip

    def __init__(self) -> None:
        from contractdesk.domain import ladder, ladder_moves

        self._kernels, self._moves = ladder, ladder_moves
        self._write, self._collect = ladder.write, ladder.collect
        self._reserve(32)
        self.invalidate()

    # -- writing ---------------------------------------------------------------------------

    def invalidate(self) -> None:
        """Forget everything: the book is not to be used until the next snapshot."""
        self._adopt(self._moves.empty_ladder())
        self.update_id: int = 0
        self.valid: bool = False

    def apply_snapshot(self, bids: bytes, asks: bytes, update_id: int) -> None:
        """Replace the book by packed (ticks, lots) levels, in any order; it is valid from now on."""
        sides = self._moves.from_packed(bids, BIDS), self._moves.from_packed(asks, ASKS)
        self._adopt(self._moves.build(sides, spare=0))
        self.update_id = update_id
        self.valid = True

    def apply(self, bids: bytes, asks: bytes, update_id: int) -> None:
        """Set the levels of a delta; an invalid book stays as it is.

        The caller has checked the sequence: ``update_id`` is only remembered.
        """
        if not self.valid:
            return
        verdict = self._write(self._ladder, bids, asks)
        if verdict != DONE:
            self._settle(verdict, bids, asks)
        self.update_id = update_id

    # -- reading ---------------------------------------------------------------------------

    @property
    def best_bid(self) -> int | None:
        """Ticks; None where the side is empty."""
        place = self._numbers[BEST + BIDS]
        return -(self._numbers[BASE + BIDS] + place) if place < WINDOW else None

    @property
    def best_ask(self) -> int | None:
        """Ticks; None where the side is empty."""
        place = self._numbers[BEST + ASKS]
        return self._numbers[BASE + ASKS] + place if place < WINDOW else None

    @property
    def crossed(self) -> bool:
        """True when somebody bids at least what somebody asks: the book is wrong."""
        bid, ask = self.best_bid, self.best_ask
        return bid is not None and ask is not None and bid >= ask

    def lots_at(self, side_is_bid: bool, tick: int) -> int:  # noqa: FBT001  (the book's one flag)
        """Lots resting at ``tick``; 0 where there are none."""
        return self._kernels.lots_at(self._ladder, BIDS if side_is_bid else ASKS, tick)

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
        if depth > self._out_depth:
            self._reserve(depth)
        bids, asks = self._collect(self._ladder, depth, self._out)
        middle = depth * LEVEL_BYTES
        return self._memory[: bids * LEVEL_BYTES], self._memory[middle : middle + asks * LEVEL_BYTES]

    def pack(self) -> tuple[bytes, bytes]:
        """The whole book as packed levels, best first: what ``apply_snapshot`` takes back."""
        return self.pack_top(max(self._moves.count(self._ladder, side) for side in (BIDS, ASKS)))

    def worst_tick(self, buy: bool, lots: int) -> int | None:  # noqa: FBT001  (as ``lots_at``)
        """Where a market order of ``lots`` would be done; None when the book is too thin, or lots <= 0."""
        if lots <= 0:
            return None
        tick, missing = self._kernels.walk(self._ladder, ASKS if buy else BIDS, lots)
        return tick if missing == 0 else None

    def __eq__(self, other: object) -> bool:
        """Equal levels, both valid or both not; the update ids do not matter."""
        if not isinstance(other, Book):
            return NotImplemented
        return self.valid == other.valid and self.pack() == other.pack()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        state = "valid" if self.valid else "invalid"
        return f"<Book {state}, bid {self.best_bid}, ask {self.best_ask}, update {self.update_id}>"

    # -- the ladder ------------------------------------------------------------------------

    def _settle(self, verdict: int, bids: bytes, asks: bytes) -> None:
        """Lay the ladder out anew: windows around the best levels, room for the delta."""
        moves, spare = self._moves, max(len(bids), len(asks)) // LEVEL_BYTES
        sides = moves.levels_of(self._ladder, BIDS), moves.levels_of(self._ladder, ASKS)
        self._adopt(moves.build(sides, spare))
        if verdict == CRAMPED:
            self.apply(bids, asks, self.update_id)

    def _adopt(self, ladder: Ints) -> None:
        self._ladder = ladder
        self._numbers = ladder.data  # reads single places as plain ints, faster than the array

    def _reserve(self, depth: int) -> None:
        """Room for so many levels a side to be read at once."""
        self._out_depth = depth
        self._memory = mmap.mmap(-1, 2 * depth * LEVEL_BYTES)  # its slices are ``bytes``, made in one step
        self._out = self._moves.places_of(self._memory)
