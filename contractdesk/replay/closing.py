"""Bars that close, many in one call.

A strategy that wishes nothing at a bar and looks at nothing has left everything as it was: so the walk
closes several bars on its way, and the engine is told of them one after another. Where one of them has
a consequence, the walk is taken back to that bar's close: then everything is as if it had stopped there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contractdesk.domain.events import BarClosed
from contractdesk.domain.instrument import Instrument
from contractdesk.replay.bars import BarMaker
from contractdesk.replay.tape import BARS_ROOM, State, Tape
from contractdesk.replay.telling import Teller
from contractdesk.replay.walk_layout import AT_BARS, AT_ROWS_END, OHLCV

FEWEST = 2  # closes in one go, after one with a consequence; twice as many each time that none has any


class Closing:
    def __init__(
        self,
        tape: Tape,
        teller: Teller,
        instruments: Sequence[Instrument],
        makers: Sequence[BarMaker],
        step_ns: int,
        *,
        singly: bool = False,
    ) -> None:
        """``singly``: never more than one close in one go."""
        self._tape = tape
        self._teller = teller
        self._symbols = [terms.symbol for terms in instruments]
        self._makers = makers
        self._step_ns = step_ns
        self._singly = singly
        self._most = 1
        self._begun: State | None = None  # where the walk was before these closes
        self._bounds = (0, 0)  # that it was given
        self._count = self._told = 0  # closes: the walk's, and of them those that are told, or begun to be
        self._why = 0
        self.now_ns = 0  # of the close that was told last
        self._open = False  # some are being told
        self.cut_off = False  # what the walk did after the last close that was told has not happened
        self.closes: list[tuple[int, ...]] = []  # (ts_ns, ticks of each contract), of those that are told

    def walk(self, due_ns: int, limit_ns: int) -> int:
        """Go on until ``due_ns``, or until something happens; bars that end by ``limit_ns`` are closed.

        Returns the kernel's word on why it stopped; ``count`` says whether there are bars to tell first.
        """
        tape = self._tape
        self._bounds, self.cut_off = (due_ns, limit_ns), False
        while True:
            self._begun = tape.state() if self._most > 1 else None
            self._why = tape.close_bars(due_ns, limit_ns, self._most)
            self._count = tape.bars
            if self._count or self._why != AT_ROWS_END:
                return self._why
            tape.load()

    @property
    def done(self) -> bool:
        """All that was to be told of the last walk is told."""
        return not self._open

    @property
    def count(self) -> int:
        return self._count

    @property
    def told(self) -> int:
        """Closes of the last walk that have been told."""
        return self._told

    def events(self, end_ns: int, delay_ns: int) -> Iterator[BarClosed]:
        """What the last walk has closed; the first close is of the bars that end at ``end_ns``.

        To be asked for until nothing comes: after ``cut``, nothing of a later close does.
        """
        width, closed, step_ns = OHLCV * len(self._symbols), self._tape.closed(), self._step_ns
        places = list(enumerate(zip(self._symbols, self._makers, strict=True)))
        self._open, self._told = True, 0
        for begin in range(0, self._count * width, width):
            if self.cut_off:
                break
            self._told += 1
            ts_ns = self.now_ns = self._teller.before_ns = end_ns + delay_ns
            row = closed[begin : begin + width]
            for place, (symbol, maker) in places:
                bar = row[place * OHLCV : (place + 1) * OHLCV]
                if not bar[3]:
                    continue  # nothing was ever heard of it
                for timeframe, made in maker.close(end_ns - step_ns, bar):
                    yield BarClosed(ts_ns=ts_ns, symbol=symbol, timeframe=timeframe, bar=made)
            self.closes.append((ts_ns, *row[3::OHLCV]))
            end_ns += step_ns
        self._open = False
        if not self._singly:
            self._most = FEWEST if self.cut_off else min(2 * self._most, BARS_ROOM)

    def cut(self) -> None:
        """The close that is being told has a consequence, or somebody looks at the market."""
        if not self._open or self.cut_off:
            return
        self.cut_off = True
        if self._begun is not None and (self._told < self._count or self._why != AT_BARS):
            self._tape.go_back(self._begun)
            self._tape.close_bars(*self._bounds, self._told)
