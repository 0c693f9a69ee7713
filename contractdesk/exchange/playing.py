"""How a capture is played: over and over, and with a mark price where none was recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from contractdesk.exchange.captures import Frame
from contractdesk.exchange.market import Depth, Level, MarkTick, Print
from contractdesk.exchange.prints import NS_PER_S
from contractdesk.exchange.words import Side

MARKS_WITHIN_NS = 3 * NS_PER_S  # a stream of marks speaks each second
MARK_EVERY_NS = NS_PER_S
FUNDING_EVERY_NS = 8 * 3600 * NS_PER_S
PAUSE_NS = NS_PER_S  # between the end and the next beginning

Books = Mapping[Side, dict[int, int]]


def marked(frames: Iterable[Frame], tick_size: Decimal) -> Iterator[Frame]:
    """``frames``; where three seconds pass without a single mark, the last price becomes one each second.

    Such a mark is its own index, and its funding rate is zero. The first recorded one ends that for good.
    """
    recorded, price, due_ns = False, None, 0
    for frame in frames:
        due_ns = due_ns or frame.recorded_ns + MARKS_WITHIN_NS
        recorded = recorded or isinstance(frame.message, MarkTick)
        while not recorded and price is not None and due_ns <= frame.recorded_ns:
            funding_ns = due_ns - due_ns % FUNDING_EVERY_NS + FUNDING_EVERY_NS
            yield Frame(due_ns, MarkTick(price, price, Decimal(0), funding_ns))
            due_ns += MARK_EVERY_NS
        if isinstance(frame.message, Print):
            price = frame.message.tick * tick_size
        yield frame


def repeated(play: Callable[[], Iterator[Frame]]) -> Iterator[Frame]:
    """What ``play`` gives, without end: recorded time goes on, and the book changes over to the first one."""
    books: Books = {Side.BUY: {}, Side.SELL: {}}
    next_ns: int | None = None
    while True:
        shift_ns: int | None = None
        opened = False
        for frame in play():
            if shift_ns is None:
                shift_ns = 0 if next_ns is None else next_ns - frame.recorded_ns
            moved = _moved(frame, shift_ns)
            if isinstance(moved.message, Depth):
                depth = moved.message if opened else _instead_of(books, moved.message)
                opened = True
                _note(books, depth)
                moved = moved._replace(message=depth)
            next_ns = moved.recorded_ns + PAUSE_NS
            yield moved
        if shift_ns is None:
            return  # nothing is recorded, however often it is played


def _moved(frame: Frame, by_ns: int) -> Frame:
    message = frame.message
    if isinstance(message, MarkTick):
        message = message._replace(next_funding_ns=message.next_funding_ns + by_ns)
    return Frame(frame.recorded_ns + by_ns, message)


def _instead_of(books: Books, snapshot: Depth) -> Depth:
    """The snapshot as a change: what stands now, and is not in it, goes."""

    def side(old: dict[int, int], new: Sequence[Level]) -> list[Level]:
        ticks = {tick for tick, _ in new}
        return [*((tick, 0) for tick in old if tick not in ticks), *new]

    return Depth(side(books[Side.BUY], snapshot.bids), side(books[Side.SELL], snapshot.asks))


def _note(books: Books, depth: Depth) -> None:
    for book, levels in ((books[Side.BUY], depth.bids), (books[Side.SELL], depth.asks)):
        for tick, lots in levels:
            if lots:
                book[tick] = lots
            else:
                book.pop(tick, None)
