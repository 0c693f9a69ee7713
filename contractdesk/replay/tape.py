"""The recording under the kernel: its batches, the two cursors, and what each symbol's row says."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from contractdesk.replay.kernel import hear_one, walk
from contractdesk.replay.ticks import Ints, Ticks
from contractdesk.replay.walk_layout import (
    AT_DUE,
    AT_MARK,
    AT_MARKS_FULL,
    AT_ROWS_END,
    BAR_DUE,
    BAR_LIMIT,
    BAR_MOST,
    BAR_STEP,
    BARS,
    CONTROLS,
    DELAY,
    DESK,
    DUE,
    FIELDS,
    FOREVER,
    GRID,
    HEARD,
    LAST_BATCH,
    MARK_HIGH,
    MARKS,
    NEWS,
    OHLCV,
    PRICE_HIGH,
    PRICE_LOW,
    ROWS,
    RUN,
    RUN_MOST,
    RUN_PLACE,
    STEP,
    SYMBOLS,
    TURN,
    VENUE,
)

ROOM = 1024  # marks a symbol that wait to be told, and trades that are heard in one go
BARS_ROOM = 64  # bars a symbol that are closed in one go
State = tuple[Ints, Ints, Ints | None]


class Tape:
    """Walks over batches of trades as over one; no more than a batch and its rest is in memory."""

    def __init__(self, batches: Iterable[Ticks], symbols: int, mark_step_ns: int, delay_ns: int) -> None:
        """``delay_ns`` after the venue marks are heard. The first batch is read at once."""
        self._batches = iter(batches)
        self._count = symbols
        self.trades = 0  # that have been read
        self.last_ns = self._last_heard_ns = 0  # of the last one of them: by the venue, and by the desk
        self.control = np.zeros(CONTROLS, np.int64)
        self.rows = np.zeros(symbols * FIELDS, np.int64)
        self.kept = np.zeros(symbols * ROOM * 2, np.int64)
        self._picked = np.zeros(ROOM, np.int64)
        self._closed = np.zeros(BARS_ROOM * symbols * OHLCV, np.int64)
        self.ticks = self._next()
        control = self.control
        control[SYMBOLS], control[STEP], control[DELAY] = symbols, mark_step_ns, delay_ns
        control[ROWS] = len(self.ticks)
        control[GRID] = self.first_ns - self.first_ns % mark_step_ns + mark_step_ns
        for place in range(symbols):  # nothing is known yet: whatever comes, is looked at
            self.rows[place * FIELDS + PRICE_LOW] = FOREVER
            self.rows[place * FIELDS + PRICE_HIGH] = -FOREVER
            self.rows[place * FIELDS + MARK_HIGH] = -FOREVER

    @property
    def empty(self) -> bool:
        return len(self.ticks) == 0

    @property
    def first_ns(self) -> int:
        """Of the first trade, by the venue; 0 without one. To be asked before the walk begins."""
        return 0 if self.empty else int(self.ticks.ts_ns[0])

    @property
    def at_end(self) -> bool:
        """The venue has made all trades that are in memory: there may be no more."""
        return bool(self.control[VENUE] >= self.control[ROWS])

    def walk(self, due_ns: int) -> int:
        """Go on until ``due_ns`` or until something happens; returns the kernel's word on why."""
        control = self.control
        control[DUE] = due_ns
        while True:
            why = self._walk()
            if why != AT_ROWS_END:
                return why
            self.load()

    def now_ns(self, why: int) -> int:
        """When what the walk has stopped at is heard, or due: the desk's moment."""
        control, ticks = self.control, self.ticks
        if why == AT_DUE:
            return int(control[DUE])
        if why in (AT_MARK, AT_MARKS_FULL):
            return int(control[GRID] + control[DELAY])
        at = int(control[DESK])
        return int(ticks.heard_ns[at]) if at < len(ticks) else self._last_heard_ns

    def _walk(self) -> int:
        ticks = self.ticks
        return walk(
            ticks.ts_ns, ticks.heard_ns, ticks.ticks, ticks.lots, ticks.which,
            self.control, self.rows, self.kept, self._picked, self._closed, ROOM,
        )  # fmt: skip

    def state(self) -> State:
        """Where the walk stands: to be gone back to, as long as no rows are loaded."""
        waiting = self.rows[MARKS::FIELDS].any()
        return self.control.copy(), self.rows.copy(), self.kept.copy() if waiting else None

    def go_back(self, state: State) -> None:
        self.control[:], self.rows[:] = state[:2]
        if state[2] is not None:
            self.kept[:] = state[2]

    @property
    def next_place(self) -> int:
        """Whose trade it has stopped at."""
        return int(self.ticks.which[self.control[DESK]])

    def run(self, place: int, most: int) -> Ints:
        """Go on and hear up to ``most`` trades of ``place`` in one go, until something else happens.

        Returns their rows. Not beyond the moment that ``walk`` was given, nor beyond what is in memory.
        """
        control = self.control
        control[RUN_MOST], control[RUN_PLACE] = min(most, ROOM), place
        self._walk()
        control[RUN_MOST] = 0
        return self._picked[: control[RUN]]

    def columns(self, rows: Ints) -> tuple[list[int], list[int], list[int], list[int]]:
        """(heard_ns, ts_ns, ticks, lots) of these rows."""
        ticks, first, last = self.ticks, int(rows[0]), int(rows[-1])
        chosen = slice(first, last + 1) if last - first + 1 == len(rows) else rows
        found = (ticks.heard_ns, ticks.ts_ns, ticks.ticks, ticks.lots)
        heard_ns, ts_ns, prices, lots = (column[chosen].tolist() for column in found)
        return heard_ns, ts_ns, prices, lots

    def pass_trade(self) -> tuple[int, int, int, int]:
        """The venue makes the trade that the walk has stopped at: (place, ts_ns, ticks, lots)."""
        at, ticks = int(self.control[VENUE]), self.ticks
        self.control[VENUE] = at + 1
        return int(ticks.which[at]), int(ticks.ts_ns[at]), int(ticks.ticks[at]), int(ticks.lots[at])

    def hear_trade(self) -> tuple[int, int, int, int, int]:
        """The desk hears the trade that it has stopped at: (place, heard_ns, ts_ns, ticks, lots)."""
        at, ticks = int(self.control[DESK]), self.ticks
        place = hear_one(ticks.heard_ns, ticks.ticks, ticks.lots, ticks.which, self.control, self.rows)
        self.rows[place * FIELDS + NEWS] = 0
        return place, int(ticks.heard_ns[at]), int(ticks.ts_ns[at]), int(ticks.ticks[at]), int(ticks.lots[at])

    def pass_mark(self) -> tuple[int, int, int]:
        """The mark that it has stopped at is told singly: (place, ts_ns, ticks)."""
        control = self.control
        place, ts_ns = int(control[TURN]), int(control[GRID] + control[DELAY])
        if place + 1 < self._count:
            control[TURN] = place + 1
        else:
            control[TURN] = 0
            control[GRID] += control[STEP]
        return place, ts_ns, int(self.rows[place * FIELDS + HEARD])

    @property
    def mark_ns(self) -> int:
        """When the desk hears the next mark."""
        return int(self.control[GRID] + self.control[DELAY])

    def begin_bars(self, due_ns: int, step_ns: int) -> None:
        """The desk's clock closes bars at ``due_ns``, and then every ``step_ns``."""
        self.control[BAR_DUE], self.control[BAR_STEP] = due_ns, step_ns

    def close_bars(self, due_ns: int, limit_ns: int, most: int) -> int:
        """As ``walk``, and closes up to ``most`` bars of each symbol on its way, none after ``limit_ns``.

        It stops at the last one's close, and no later than where these rows end.
        """
        control = self.control
        control[DUE], control[BAR_LIMIT], control[BAR_MOST] = due_ns, limit_ns, min(most, BARS_ROOM)
        why = self._walk()
        control[BAR_MOST] = 0
        control[DUE] = min(due_ns, int(control[BAR_DUE]))  # what follows does not go beyond the next close
        return why

    @property
    def bars(self) -> int:
        """Closes of the last walk."""
        return int(self.control[BARS])

    def closed(self) -> list[int]:
        """The bars that were: of each close those of all symbols, five numbers each."""
        found: list[int] = self._closed[: self.bars * self._count * OHLCV].tolist()
        return found

    def _next(self) -> Ticks:
        for batch in self._batches:
            if len(batch):
                self.trades += len(batch)
                self.last_ns, self._last_heard_ns = int(batch.ts_ns[-1]), int(batch.heard_ns[-1])
                return batch
        self.control[LAST_BATCH] = 1
        return _NOTHING

    def load(self) -> None:
        """The next batch behind what the desk has not heard yet."""
        desk, control = int(self.control[DESK]), self.control
        control[VENUE] -= desk
        control[DESK] = 0
        self.ticks = self.ticks.after(desk, self._next())
        control[ROWS] = len(self.ticks)


_NOTHING = Ticks.of(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))
