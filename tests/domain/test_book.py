"""The book against a plain dict, at any distance from the touch."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contractdesk.domain.book import Book
from contractdesk.domain.ladder_layout import DRIFT, LEAD, WINDOW
from contractdesk.domain.market import pack_levels, unpack_levels

Side = dict[int, int]

near = st.integers(600_000, 600_040)
far = st.sampled_from([1, 50_000, 600_000 - LEAD, 600_000 + LEAD, 600_000 - DRIFT, 600_000 + DRIFT,
                       600_000 - WINDOW, 600_000 + WINDOW, 2_000_000, 10**12])  # fmt: skip
ticks = st.one_of(near, st.builds(lambda a, b: a + b % 5, far, near), st.integers(1, 2_000_000))
lots = st.one_of(st.just(0), st.integers(1, 9), st.integers(1, 10**15))
levels = st.lists(st.tuples(ticks, lots), max_size=8)
deltas = st.lists(st.tuples(levels, levels), max_size=12)


def put(side: Side, changes: list[tuple[int, int]]) -> None:
    for tick, size in changes:
        if size:
            side[tick] = size
        else:
            side.pop(tick, None)


def ordered(bids: Side, asks: Side) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    return sorted(bids.items(), reverse=True), sorted(asks.items())


def done_at(side: list[tuple[int, int]], size: int) -> int | None:
    for tick, resting in side:
        size -= resting
        if size <= 0:
            return tick
    return None


def snapshot(bids: list[tuple[int, int]], asks: list[tuple[int, int]], update_id: int = 1) -> Book:
    book = Book()
    book.apply_snapshot(pack_levels(bids), pack_levels(asks), update_id)
    return book


@settings(max_examples=150)
@given(first=st.tuples(levels, levels), changes=deltas, probe=ticks, size=st.integers(1, 10**16))
def test_is_the_plain_dict_it_stands_for(first, changes, probe, size):
    book, bids, asks = snapshot(*first), Side(), Side()
    put(bids, first[0])
    put(asks, first[1])
    for number, (bid_changes, ask_changes) in enumerate([([], []), *changes]):
        book.apply(pack_levels(bid_changes), pack_levels(ask_changes), number)
        put(bids, bid_changes)
        put(asks, ask_changes)
        all_bids, all_asks = ordered(bids, asks)
        assert book.levels() == (all_bids, all_asks)
        assert book.top(3) == (all_bids[:3], all_asks[:3])
        assert book.best_bid == (all_bids[0][0] if bids else None)
        assert book.best_ask == (all_asks[0][0] if asks else None)
        assert book.crossed == bool(bids and asks and max(bids) >= min(asks))
        assert book.lots_at(True, probe) == bids.get(probe, 0)
        assert book.lots_at(False, probe) == asks.get(probe, 0)
        assert book.worst_tick(True, size) == done_at(all_asks, size)
        assert book.worst_tick(False, size) == done_at(all_bids, size)
        assert book.update_id == number


@given(first=st.tuples(levels, levels), changes=deltas)
def test_a_checkpoint_restores_an_equal_book(first, changes):
    book, copy = snapshot(*first), Book()
    for bid_changes, ask_changes in changes:
        book.apply(pack_levels(bid_changes), pack_levels(ask_changes), 2)
    copy.apply_snapshot(*book.pack(), book.update_id)
    assert copy == book
    copy.apply(pack_levels([(77, 1)]), b"", 3)
    assert (copy == book) == (book.lots_at(True, 77) == 1)


def test_the_window_follows_a_price_that_walks_away_and_comes_back():
    book = snapshot([(600_000, 5), (599_000, 7)], [(600_001, 5)])
    way = [*range(600_000, 900_000, 997), *range(900_000, 300_000, -1_009)]
    for before, tick in pairwise(way):
        book.apply(pack_levels([(before, 0), (tick, 3)]), pack_levels([(before + 1, 0), (tick + 1, 4)]), tick)
        assert (book.best_bid, book.best_ask) == (max(tick, 599_000), tick + 1)
        assert book.lots_at(True, 599_000) == 7
    assert book.top(2)[0] == [(599_000, 7), (300_000 + (way[-1] - 300_000), 3)]


def test_is_empty_and_deaf_until_a_snapshot():
    book = Book()
    book.apply(pack_levels([(5, 1)]), b"", 9)
    assert not book.valid
    assert book.levels() == ([], [])
    assert book.best_bid is None
    assert book.best_ask is None
    assert not book.crossed


def test_forgets_everything_when_it_is_invalidated():
    book = snapshot([(5, 1), (-5_000_000, 1)], [(6, 1)], update_id=7)
    assert book.valid
    book.invalidate()
    assert (book.valid, book.update_id, book.levels()) == (False, 0, ([], []))
    assert book == Book()


def test_packs_what_top_shows():
    book = snapshot([(5, 1), (4, 2)], [(6, 3)])
    bids, asks = book.pack_top(1)
    assert (unpack_levels(bids), unpack_levels(asks)) == book.top(1) == ([(5, 1)], [(6, 3)])


def test_what_was_handed_out_is_frozen():
    book = snapshot([(5, 1)], [(6, 1)])
    before = book.pack_top(5)
    kept = deepcopy(before)
    book.apply(pack_levels([(5, 0), (4, 2)]), b"", 2)
    assert before == kept


@pytest.mark.parametrize("size", [0, -1])
def test_no_size_has_no_worst_tick(size):
    assert snapshot([(5, 1)], [(6, 1)]).worst_tick(True, size) is None


def test_the_module_alone_loads_neither_numba_nor_numpy():
    code = "import sys, contractdesk.domain.book; print({'numba', 'numpy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_makes_room_for_any_number_of_far_levels():
    book = snapshot([(10_000_000, 1)], [(10_000_001, 1)])
    asks = [(20_000_000 + 7 * i, i + 1) for i in range(5_000)]
    for start in range(0, 5_000, 250):
        book.apply(b"", pack_levels(asks[start : start + 250]), start)
    assert book.levels()[1] == [(10_000_001, 1), *asks]
    book.apply(b"", pack_levels([(tick, 0) for tick, _ in asks]), 6_000)
    assert book.levels() == ([(10_000_000, 1)], [(10_000_001, 1)])
