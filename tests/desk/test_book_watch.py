"""Which books are read anew: those that are sick for a while, and not without end."""

from __future__ import annotations

from contractdesk.clock import NS_PER_S
from contractdesk.desk.book_watch import AGAIN_NS, SICK_NS, BookWatch
from contractdesk.domain.book import Book
from contractdesk.domain.market import pack_levels
from contractdesk.domain.position import Position
from contractdesk.engine.state import Market
from tests.desk.scripted import TERMS

Levels = list[tuple[int, int]]


def market(bids: Levels, asks: Levels) -> dict[str, Market]:
    item = Market(instrument=TERMS, position=Position(symbol=TERMS.symbol))
    item.book = Book()
    item.book.apply_snapshot(pack_levels(bids), pack_levels(asks), 1)
    return {TERMS.symbol: item}


SOUND, CROSSED, ONE_SIDED = (
    market([(99, 1)], [(101, 1)]),
    market([(102, 1)], [(101, 1)]),
    market([(99, 1)], []),
)


def test_a_sound_book_and_one_that_is_being_read_are_left_alone() -> None:
    watch = BookWatch()
    invalid = market([], [])
    invalid[TERMS.symbol].book.invalidate()
    for now_ns in range(0, 5 * NS_PER_S, NS_PER_S):
        assert watch.look(SOUND, now_ns) == watch.look(invalid, now_ns) == []


def test_one_that_stays_crossed_or_one_sided_is_read_anew_and_then_given_time() -> None:
    for sick, reason in ((CROSSED, "the book is crossed"), (ONE_SIDED, "the book has one side only")):
        watch = BookWatch()
        assert watch.look(sick, 0) == []
        assert watch.look(sick, SICK_NS - 1) == []
        assert watch.look(sick, SICK_NS) == [(TERMS.symbol, reason)]
        assert watch.look(sick, SICK_NS + AGAIN_NS - 1) == []
        assert watch.look(sick, SICK_NS + AGAIN_NS) == [(TERMS.symbol, reason)]


def test_a_moment_is_not_a_sickness() -> None:
    watch = BookWatch()
    assert watch.look(CROSSED, 0) == []
    assert watch.look(SOUND, SICK_NS // 2) == []
    assert watch.look(CROSSED, SICK_NS) == []
