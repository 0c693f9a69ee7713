"""Streams without holes: live rows pass while they follow each other, else the rest is asked for.

Pure. ``TradeSync`` goes by the venue's consecutive trade ids, ``BarSync`` by the bars' opening times;
``TradesBefore`` joins older trades to those that flow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from contractdesk.domain.events import BarClosed, BarsLoaded, TradePrinted, TradesLoaded
from contractdesk.domain.market import NS_PER_S, Bar, timeframe_ns

MAX_BUFFERED = 20_000
SETTLE_NS = 2 * NS_PER_S  # after its close a bar may still change in the venue's answers
MarketRows = TradePrinted | TradesLoaded | BarClosed | BarsLoaded


class TradeSync:
    """One symbol's public trades in exact id continuity.

    While ``wants_from`` is a number, live trades are held back and the owner reads REST from that id.
    """

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.last_id: int | None = None
        self.filling = False
        self.overflowed = False
        self._buffer: deque[TradePrinted] = deque(maxlen=MAX_BUFFERED)

    @property
    def wants_from(self) -> int | None:
        """The id that the owner has to read from; None when nothing is missing, or nothing known."""
        return self.last_id + 1 if self.filling and self.last_id is not None else None

    def hold(self) -> None:
        """The stream may have missed something: nothing passes until ``on_loaded`` closes the hole."""
        self.filling = True

    def on_trade(self, trade: TradePrinted) -> tuple[MarketRows, ...]:
        """A live trade: passed, dropped as a repeat, or held back because something is missing."""
        if self.last_id is not None and trade.trade_id <= self.last_id:
            return ()
        if not self.filling and self.last_id is not None and trade.trade_id != self.last_id + 1:
            self.filling = True
        if self.filling:
            self._buffer.append(trade)
            return ()
        self.last_id = trade.trade_id
        return (trade,)

    def on_loaded(
        self, trades: Sequence[TradePrinted], ts_ns: int, *, to_present: bool
    ) -> tuple[MarketRows, ...]:
        """What REST had from the wanted id on, ascending; ``to_present``: it had no more.

        The hole is closed when the rows meet the first trade held back. An id that REST, having
        reached that trade, does not list does not exist.
        """
        fresh = tuple(trade for trade in trades if self.last_id is None or trade.trade_id > self.last_id)
        events: list[MarketRows] = []
        if fresh:
            self.last_id = fresh[-1].trade_id
            events.append(TradesLoaded(ts_ns=ts_ns, symbol=self.symbol, trades=fresh))
        while self._buffer and self.last_id is not None and self._buffer[0].trade_id <= self.last_id:
            self._buffer.popleft()
        follows = not self._buffer or self.last_id is None or self._buffer[0].trade_id == self.last_id + 1
        if to_present and follows:
            self.filling = False
            held = list(self._buffer)
            self._buffer.clear()
            for trade in held:
                events.extend(self.on_trade(trade))
        return tuple(events)


class TradesBefore:
    """Trades from further back than those that were told, up to them, while these flow on.

    The owner reads REST from ``next_id`` on until ``complete``; then ``pieces`` tells all of them again.
    Law: their ids are those that REST lists from the first one on, up to the last one that was told.
    """

    def __init__(self, last_id: int) -> None:
        """``last_id``: of the last trade that was told."""
        self._until_id = last_id  # so far REST has to be read
        self._read: list[TradePrinted] = []
        self._told: list[TradePrinted] = []  # after that one

    @property
    def next_id(self) -> int | None:
        """The id to read from; None: nothing has been read yet."""
        return self._read[-1].trade_id + 1 if self._read else None

    @property
    def complete(self) -> bool:
        """True when what was read meets what was told."""
        return bool(self._read) and self._read[-1].trade_id >= self._until_id

    def on_told(self, rows: Iterable[MarketRows]) -> None:
        """What has been told meanwhile; where that is too much to be kept, it is to be read as well."""
        for row in rows:
            if isinstance(row, TradePrinted):
                self._told.append(row)
            elif isinstance(row, TradesLoaded):
                self._told.extend(row.trades)
        if len(self._told) > MAX_BUFFERED:
            self._until_id = self._told[-1].trade_id
            self._told.clear()

    def on_loaded(self, trades: Sequence[TradePrinted]) -> None:
        """What REST had from ``next_id`` on, ascending."""
        self._read.extend(trades)

    def pieces(self, ts_ns: int, symbol: str, most: int) -> tuple[TradesLoaded, ...]:
        """All of them, ``most`` trades an event."""
        trades = [trade for trade in self._read if trade.trade_id <= self._until_id] + self._told
        starts = range(0, len(trades), most)
        return tuple(
            TradesLoaded(ts_ns=ts_ns, symbol=symbol, trades=tuple(trades[at : at + most])) for at in starts
        )


class BarSync:
    """One symbol's bars of one timeframe, ascending without a hole.

    While ``filling``, the owner reads from ``next_open_ns`` on; of live bars only that one passes.
    """

    def __init__(self, symbol: str, timeframe: str) -> None:
        self.symbol = symbol
        self.timeframe = timeframe
        self.step_ns = timeframe_ns(timeframe)
        self.next_open_ns: int | None = None  # of the bar that has to come next
        self.filling = True
        self._skipped = False  # the venue has no bar before the next one

    def overdue(self, venue_ns: int, grace_ns: int) -> bool:
        """True when the next bar must have closed ``grace_ns`` ago and has not come."""
        return self.next_open_ns is not None and venue_ns > self.next_open_ns + self.step_ns + grace_ns

    def hold(self) -> None:
        """The stream may have missed something."""
        self.filling = True

    def on_bar(self, event: BarClosed) -> tuple[MarketRows, ...]:
        """A bar that the venue closed: it is final, sooner than what REST has of it."""
        if self.next_open_ns is None:
            if self.filling:
                return ()
        elif event.bar.open_ns != self.next_open_ns:
            self.filling |= event.bar.open_ns > self.next_open_ns
            return ()
        self.next_open_ns = event.bar.open_ns + self.step_ns
        if not self._skipped:
            return (event,)
        self._skipped = False
        return (
            self._loaded((event.bar,), event.ts_ns),
        )  # joins nothing: history that replaces the one before

    def on_loaded(self, bars: Sequence[Bar], venue_ns: int, ts_ns: int) -> tuple[MarketRows, ...]:
        """Bars read from REST, ascending; the open one is left out, and one that has only just closed.

        The hole is closed when nothing that should be closed at ``venue_ns`` is missing.
        """
        later = [bar for bar in bars if self.next_open_ns is None or bar.open_ns >= self.next_open_ns]
        fresh = tuple(bar for bar in later if bar.open_ns + self.step_ns + SETTLE_NS <= venue_ns)
        if fresh:
            self.next_open_ns = fresh[-1].open_ns + self.step_ns
            self._skipped = False
        elif later and self.next_open_ns is not None:
            self._skipped |= later[0].open_ns > self.next_open_ns
            self.next_open_ns = later[0].open_ns  # not over yet, and the venue has none before it
        self.filling = self.next_open_ns is not None and self.next_open_ns + self.step_ns <= venue_ns
        return (self._loaded(fresh, ts_ns),) if fresh else ()

    def _loaded(self, bars: tuple[Bar, ...], ts_ns: int) -> BarsLoaded:
        return BarsLoaded(ts_ns=ts_ns, symbol=self.symbol, timeframe=self.timeframe, bars=bars)
