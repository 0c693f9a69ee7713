"""What the engine of a replay is told of the market: at once what nobody waits for, singly the rest.

The book is the recorded one where there is one; else it has one level a side, around the last trade.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from contractdesk.domain.events import (
    BookChanged,
    BookInvalidated,
    BookSnapshotRead,
    ChannelAlive,
    Event,
    MarkPriced,
    TradePrinted,
)
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import pack_levels
from contractdesk.domain.orders import Side
from contractdesk.domain.passing import MarketPassed, SymbolPassed
from contractdesk.replay.depth_rows import Message, What
from contractdesk.replay.recorded import RecordedBook
from contractdesk.replay.tape import ROOM, Tape
from contractdesk.replay.walk_layout import (
    FIELDS,
    FOREVER,
    HEARD,
    MARK_LEAST,
    MARK_MOST,
    MARKS,
    NEWS,
    NEWS_NS,
)

SHOWN_LOTS = 10**9  # on either side of the book that is shown: how much there was, trades do not say
_two_levels = struct.Struct("<4q").pack  # what ``pack_levels`` makes of two
REMEMBERED = 1 << 16  # prices of a contract
UNKNOWN = Decimal("NaN")  # a funding rate that nobody has predicted


class Grid(dict[int, Decimal]):
    """Decimals by their number of steps: the last ones that were asked for."""

    def __init__(self, exact: Callable[[int], Decimal]) -> None:
        super().__init__()
        self._exact = exact

    def __missing__(self, steps: int) -> Decimal:
        if len(self) >= REMEMBERED:
            self.clear()
        found = self[steps] = self._exact(steps)
        return found


class Teller:
    """Turns the kernel's rows and the recorded depth into events."""

    def __init__(
        self,
        tape: Tape,
        instruments: tuple[Instrument, ...],
        half_ticks: int,
        delay_ns: int,
        recorded: Sequence[RecordedBook | None] = (),
        listening: Sequence[bool] = (),
    ) -> None:
        """``listening``: somebody wants each change of that place's book."""
        self._tape = tape
        self._instruments = instruments
        self._half = half_ticks
        self._delay_ns = delay_ns
        self._shown = [0] * len(instruments)  # ticks in the middle of the book
        self._prices = [Grid(terms.from_ticks) for terms in instruments]
        self._sizes = [Grid(terms.from_lots) for terms in instruments]
        self._books = 0
        self._trades = 0
        self._recorded = tuple(recorded) or (None,) * len(instruments)
        self._listening = tuple(listening) or (False,) * len(instruments)
        self.before_ns = 0  # the moment that is now: of depth, what was heard before it may be told
        self._turn = 0  # places before this one have told what they have of this very moment, too

    def passed(self) -> MarketPassed | None:
        """Everything since it was asked last; None where nothing was heard."""
        rows, told, latest_ns = self._tape.rows, [], 0
        for place, terms in enumerate(self._instruments):
            at = place * FIELDS
            row = rows[at : at + FIELDS].tolist()
            depth = self._depth(place)
            if row[NEWS] or row[MARKS] or depth[2]:
                rows[at + MARKS] = rows[at + NEWS] = 0
                told.append(self._part(place, terms, row, depth))
                latest_ns = max(latest_ns, row[NEWS_NS], depth[2])
        if not told:
            return None
        return MarketPassed(ts_ns=latest_ns, symbols=tuple(told), delay_ns=self._delay_ns)

    def _part(
        self, place: int, terms: Instrument, row: list[int], depth: tuple[bytes, bytes, int]
    ) -> SymbolPassed:
        news, marks = row[NEWS], row[MARKS]
        start, ticks = place * ROOM * 2, row[HEARD]
        bids, asks, alive_ns = depth
        if self._recorded[place] is None:
            (bids, asks), alive_ns = self._moved(place, ticks), row[NEWS_NS]
        return SymbolPassed(
            symbol=terms.symbol,
            alive_ns=alive_ns,
            last=terms.from_ticks(ticks) if news else None,
            bids=bids,
            asks=asks,
            marks=self._tape.kept[start : start + 2 * marks].tobytes(),
            low_ticks=row[MARK_LEAST],
            high_ticks=row[MARK_MOST],
        )

    def trade(self, place: int, heard_ns: int, ts_ns: int, ticks: int, lots: int) -> Iterator[Event]:
        """One trade, and the book around it."""
        yield from self.trades(place, [heard_ns], [ts_ns], [ticks], [lots])
        if self._recorded[place] is None:
            yield self.book(place, heard_ns, ts_ns, ticks)

    def trades(
        self, place: int, heard_ns: list[int], ts_ns: list[int], ticks: list[int], lots: list[int]
    ) -> list[TradePrinted]:
        """Trades, one after another; a price that was told before is not reckoned again."""
        symbol, first = self._instruments[place].symbol, self._trades + 1
        prices, sizes, buy = self._prices[place], self._sizes[place], Side.BUY
        self._trades += len(ticks)
        return [
            TradePrinted(
                ts_ns=heard,
                symbol=symbol,
                trade_id=number,
                price=prices[tick],
                size=sizes[lot],
                taker=buy,
                venue_ns=made,
            )
            for number, heard, made, tick, lot in zip(
                range(first, self._trades + 1), heard_ns, ts_ns, ticks, lots, strict=True
            )
        ]

    def unsay(self, trade: TradePrinted) -> None:
        """What comes after this trade has not been told."""
        self._trades = trade.trade_id

    def shows(self, place: int) -> bool:
        """There is a book already."""
        return self._shown[place] != 0

    def book(self, place: int, heard_ns: int, ts_ns: int, ticks: int) -> BookSnapshotRead | BookChanged:
        """The book once it has moved around a trade."""
        if not self._shown[place]:
            return self._first_book(place, heard_ns, ticks)
        bids, asks = self._moved(place, ticks)
        self._books += 1
        return BookChanged(
            ts_ns=heard_ns,
            symbol=self._instruments[place].symbol,
            first_id=self._books,
            last_id=self._books,
            bids=bids,
            asks=asks,
            venue_ns=ts_ns,
        )

    # -- recorded depth --------------------------------------------------------------------

    def depth_ns(self) -> int:
        """When ``depth`` has to be told next."""
        return min((self._due_ns(place) for place in range(len(self._recorded))), default=FOREVER)

    def depth(self, now_ns: int) -> Iterator[Event]:
        """What is to be told singly of the recorded books at ``now_ns``."""
        for place, recorded in enumerate(self._recorded):
            self._turn = place
            while recorded is not None and self._due_ns(place) <= now_ns:
                yield _event(self._instruments[place].symbol, recorded.hear_one())
        self._turn = 0

    def _due_ns(self, place: int) -> int:
        recorded = self._recorded[place]
        return FOREVER if recorded is None else recorded.heard_ns(each=self._listening[place])

    def _depth(self, place: int) -> tuple[bytes, bytes, int]:
        """Deltas that nobody waited for, and when the last of them was heard; 0: there are none."""
        recorded = self._recorded[place]
        if recorded is None:
            return b"", b"", 0
        return recorded.hear(self.before_ns + (place < self._turn))

    # -- marks -----------------------------------------------------------------------------

    def mark(self, place: int, ts_ns: int, ticks: int) -> Iterator[Event]:
        """One mark; a book that nobody recorded is alive as long as there are marks."""
        terms = self._instruments[place]
        price = terms.from_ticks(ticks)
        if self._recorded[place] is None:
            yield ChannelAlive(ts_ns=ts_ns, symbol=terms.symbol, channel="book")
        yield MarkPriced(
            ts_ns=ts_ns,
            symbol=terms.symbol,
            mark=price,
            index=price,
            funding_rate=UNKNOWN,
            next_funding_ns=0,
            venue_ns=ts_ns - self._delay_ns,
        )

    def _first_book(self, place: int, heard_ns: int, ticks: int) -> BookSnapshotRead:
        self._shown[place] = ticks
        self._books += 1
        return BookSnapshotRead(
            ts_ns=heard_ns,
            symbol=self._instruments[place].symbol,
            update_id=self._books,
            bids=pack_levels([(ticks - self._half, SHOWN_LOTS)]),
            asks=pack_levels([(ticks + self._half, SHOWN_LOTS)]),
        )

    def _moved(self, place: int, ticks: int) -> tuple[bytes, bytes]:
        """The book's delta when its middle moves to ``ticks``."""
        before, self._shown[place] = self._shown[place], ticks
        if before == ticks:
            return b"", b""
        half = self._half
        bids = _two_levels(before - half, 0, ticks - half, SHOWN_LOTS)
        return bids, _two_levels(before + half, 0, ticks + half, SHOWN_LOTS)


def _event(symbol: str, message: Message) -> Event:
    """A message of recorded depth as the desk hears it."""
    if message.what is What.INVALID:
        return BookInvalidated(ts_ns=message.heard_ns, symbol=symbol, reason=message.note)
    if message.what is What.SNAPSHOT:
        return BookSnapshotRead(
            ts_ns=message.heard_ns,
            symbol=symbol,
            update_id=message.last_id,
            bids=message.bids,
            asks=message.asks,
            venue_ns=message.venue_ns,
        )
    return BookChanged(
        ts_ns=message.heard_ns,
        symbol=symbol,
        first_id=message.first_id,
        last_id=message.last_id,
        bids=message.bids,
        asks=message.asks,
        venue_ns=message.venue_ns,
    )
