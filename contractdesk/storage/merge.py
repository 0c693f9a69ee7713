"""Sorted files into one, without doubles and in bounded memory.

Of rows with the same key the smallest is kept, in a total order over all columns (a known ``local_ns``
before an unknown one). Hence merging is idempotent, commutative and associative, whatever arrives first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contractdesk.storage.grid import Ints
from contractdesk.storage.schema import Shape

_UNHEARD = "__unheard"


def canonical(batch: pa.RecordBatch | pa.Table, shape: Shape) -> pa.Table:
    """The rows in their order, each fact once."""
    table = pa.table(batch) if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
    if table.num_rows == 0:
        return table
    if not _sorted_once(table, shape):
        unheard = pc.equal(table["local_ns"], 0).cast(pa.int8())
        rest = [name for name in shape.schema.names if name not in shape.key]
        order = [*shape.key, _UNHEARD, *rest]
        widened = table.append_column(_UNHEARD, unheard)
        places = pc.sort_indices(widened, sort_keys=[(name, "ascending") for name in order])
        table = table.take(places)
        table = table.filter(pa.array(_first_of_each(table, shape)))
    return table.combine_chunks()


def merged(runs: Iterable[Iterator[pa.RecordBatch]], shape: Shape) -> Iterator[pa.Table]:
    """Canonical tables of several sorted runs, in order; holds one batch of each run at a time."""
    heads: list[tuple[pa.Table, Iterator[pa.RecordBatch]]] = []
    for run in runs:
        heads = _advanced(heads, run)
    while heads:
        # Up to the first of the last times that were read, no run can still add anything earlier.
        cut = min(_times(head, shape)[-1] for head, _ in heads)
        ready, rest = [], []
        for head, run in heads:
            until = int(np.searchsorted(_times(head, shape), cut, side="left"))
            ready.append(head.slice(0, until))
            rest.append((head.slice(until), run))
        heads, ending = _at_the_cut(rest, cut, shape)
        # pyarrow 26 cannot combine chunks of no rows that were sliced from somewhere.
        yield canonical(pa.concat_tables([part for part in (*ready, *ending) if part.num_rows]), shape)


def _at_the_cut(
    rest: list[tuple[pa.Table, Iterator[pa.RecordBatch]]], cut: int, shape: Shape
) -> tuple[list[tuple[pa.Table, Iterator[pa.RecordBatch]]], list[pa.Table]]:
    """Take all rows of the time ``cut`` itself, which may go on in a run's next batches."""
    heads: list[tuple[pa.Table, Iterator[pa.RecordBatch]]] = []
    ending = []
    for head, run in rest:
        while True:
            until = int(np.searchsorted(_times(head, shape), cut, side="right"))
            ending.append(head.slice(0, until))
            head = head.slice(until)
            if head.num_rows:
                heads.append((head, run))
                break
            batch = next(run, None)
            if batch is None:
                break
            head = pa.Table.from_batches([batch])
    return heads, ending


def rechunked(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of exactly ``rows``, but for the last."""
    held: list[pa.Table] = []
    count = 0
    for table in tables:
        held.append(table)
        count += table.num_rows
        while count >= rows:
            joined = pa.concat_tables(held)
            yield joined.slice(0, rows).combine_chunks()
            count -= rows
            held = [joined.slice(rows)] if count else []
    if count:
        yield pa.concat_tables(held).combine_chunks()


def _advanced(
    heads: list[tuple[pa.Table, Iterator[pa.RecordBatch]]], run: Iterator[pa.RecordBatch]
) -> list[tuple[pa.Table, Iterator[pa.RecordBatch]]]:
    batch = next((each for each in run if each.num_rows), None)
    return heads if batch is None else [*heads, (pa.Table.from_batches([batch]), run)]


def _times(table: pa.Table, shape: Shape) -> Ints:
    times: Ints = table[shape.time].to_numpy()
    return times


def _columns(table: pa.Table, shape: Shape) -> list[Ints]:
    return [table[name].to_numpy() for name in shape.key]


def _sorted_once(table: pa.Table, shape: Shape) -> bool:
    """True when the keys ascend strictly: the rule in recordings, and cheap to see."""
    undecided = np.ones(table.num_rows - 1, dtype=bool)
    for column in _columns(table, shape):
        before, after = column[:-1], column[1:]
        if bool((undecided & (after < before)).any()):
            return False
        undecided &= after == before
    return not bool(undecided.any())


def _first_of_each(table: pa.Table, shape: Shape) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    first = np.zeros(table.num_rows, dtype=bool)
    first[0] = True
    for column in _columns(table, shape):
        first[1:] |= column[1:] != column[:-1]
    return first
