"""Recorded trades as the kernel takes them: whole, in order, and the same in batches of any size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.errors import StorageError
from contractdesk.replay.contracts import contract_of
from contractdesk.replay.ticks import Columns, Ticks, _merged, read_ticks
from contractdesk.storage.dataset import Dataset
from contractdesk.storage.schema import Kind, TradeFlag
from tests.storage.recorded import T0, TERMS, D, Row, series, trade, write

TERMS_OF = contract_of(TERMS)
MS = 10**6


def read(root: Path, rows: list[Row], *, feed_ns: int = 0, recorded: bool = False) -> list[tuple[int, ...]]:
    write(root, rows)
    dataset = Dataset(root=root, series=series())
    return listed(read_ticks([dataset], [TERMS_OF], feed_ns=feed_ns, recorded=recorded))


def listed(batches: object) -> list[tuple[int, ...]]:
    """(ts, heard, ticks, lots, which) of all batches."""
    return [
        row
        for each in batches  # type: ignore[attr-defined]
        for row in zip(*(column.tolist() for column in each._columns), strict=True)
    ]


def test_each_trade_is_heard_a_constant_later(tmp_path: Path) -> None:
    rows = read(tmp_path, [trade(1, T0, lots=3), trade(2, T0 + 9)], feed_ns=5)
    assert rows == [(T0, T0 + 5, 600_001, 3, 0), (T0 + 9, T0 + 14, 600_002, 1, 0)]


def test_prints_off_the_book_and_of_nothing_are_left_out(tmp_path: Path) -> None:
    flags = [TradeFlag.INSURANCE_FUND, TradeFlag.ADL, TradeFlag.BLOCK]
    made = [trade(number, T0 + number, flags=int(flag)) for number, flag in enumerate(flags)]
    made += [trade(7, T0 + 7, ticks=0), trade(8, T0 + 8, lots=0), trade(9, T0 + 9)]
    assert [row[0] for row in read(tmp_path, made)] == [T0 + 9]


def test_recorded_delays_are_shifted_so_that_the_shortest_is_the_feeds(tmp_path: Path) -> None:
    """The recorder's clock is 100 ms slow: 3, 1 and 9 ms, less the shortest, and 5 for the feed."""
    late = [3, 1, 9]
    made = [
        trade(number, T0 + number * 20 * MS, local_ns=T0 + number * 20 * MS + (each - 100) * MS)
        for number, each in enumerate(late)
    ]
    rows = read(tmp_path, made, feed_ns=5 * MS, recorded=True)
    assert [heard - ts for ts, heard, *_ in rows] == [7 * MS, 5 * MS, 13 * MS]


def test_nothing_is_heard_before_what_was_made_earlier(tmp_path: Path) -> None:
    made = [trade(1, T0, local_ns=T0 + 50), trade(2, T0 + 10, local_ns=T0 + 20)]
    assert [row[1] - T0 for row in read(tmp_path, made, recorded=True)] == [40, 40]


def test_a_hole_that_was_filled_from_a_dump_is_heard_as_late_as_the_feed_is(tmp_path: Path) -> None:
    made = [trade(1, T0, local_ns=T0 + 30 * MS), trade(2, T0 + 1_000 * MS), trade(3, T0 + 2_000 * MS)]
    rows = read(tmp_path, made, recorded=True, feed_ns=20 * MS)
    assert [heard - ts for ts, heard, *_ in rows] == [20 * MS] * 3


def test_a_recording_that_does_not_say_when_it_was_heard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="use recorded=False"):
        read(tmp_path, [trade(1, T0)], recorded=True)


def test_finer_terms_multiply_and_coarser_ones_are_refused(tmp_path: Path) -> None:
    write(tmp_path, [trade(1, T0, lots=3)])
    dataset = Dataset(root=tmp_path, series=series())
    finer = replace(TERMS_OF, tick_size=D("0.01"), lot_size=D("0.0005"))
    assert listed(read_ticks([dataset], [finer], feed_ns=0, recorded=False)) == [(T0, T0, 6_000_010, 6, 0)]
    for wrong in (replace(TERMS_OF, tick_size=D("0.20")), replace(TERMS_OF, lot_size=D("0.0003"))):
        with pytest.raises(StorageError, match="are no multiples of"):
            list(read_ticks([dataset], [wrong], feed_ns=0, recorded=False))


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    dataset = Dataset(root=tmp_path, series=series(Kind.FUNDING))
    with pytest.raises(StorageError, match="give trades or agg_trades"):
        list(read_ticks([dataset], [TERMS_OF], feed_ns=0, recorded=False))


# -- several contracts ---------------------------------------------------------------------------

steps = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=14)


@given(st.lists(steps, min_size=2, max_size=3), st.integers(1, 5), st.integers(1, 5))
@settings(max_examples=200)
def test_merging_depends_on_no_sizes_of_batches(
    tapes: list[list[tuple[int, int]]], first: int, second: int
) -> None:
    made = [stream(tape) for tape in tapes]
    whole = listed(_merged([iter([columns]) for columns in made]))
    sizes = [first, second, first + 1]
    parts = listed(_merged([pieces(each, size) for each, size in zip(made, sizes, strict=False)]))
    assert parts == whole
    assert [row[0] for row in whole] == sorted(row[0] for row in whole)
    assert [row[1] for row in whole] == sorted(row[1] for row in whole)
    assert len(whole) == sum(map(len, tapes))
    for place, columns in enumerate(made):  # each contract's own are all there, in their own order
        assert [row[2] for row in whole if row[4] == place] == columns[2].tolist()


def test_at_one_moment_the_first_contract_comes_first() -> None:
    rows = listed(_merged([iter([stream([(0, 0), (0, 0)])]), iter([stream([(0, 0)])])]))
    assert [row[4] for row in rows] == [0, 0, 1]


def stream(tape: list[tuple[int, int]]) -> Columns:
    """From (time since the last one, delay), numbered."""
    ts = np.cumsum([step for step, _ in tape], dtype=np.int64) + 100
    heard = np.maximum.accumulate(ts + np.array([late for _, late in tape], dtype=np.int64))
    numbers = np.arange(1, len(tape) + 1, dtype=np.int64)
    return ts, heard, numbers, numbers


def pieces(columns: Columns, size: int) -> Iterator[Columns]:
    for begin in range(0, len(columns[0]), size):
        ts, heard, ticks, lots = (column[begin : begin + size] for column in columns)
        yield ts, heard, ticks, lots


def test_what_was_not_heard_goes_before_the_next_batch() -> None:
    first = Ticks.of(np.array([1, 2]), np.array([3, 4]), np.array([5, 6]))
    second = Ticks.of(np.array([7]), np.array([8]), np.array([9]))
    assert listed([first.after(1, second)]) == [(2, 2, 4, 6, 0), (7, 7, 8, 9, 0)]
    assert first.after(2, second) is second
