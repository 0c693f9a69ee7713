"""The Parquet store: what is written is read, merging has its laws, memory is bounded."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.errors import StorageError
from contractdesk.storage.dataset import Dataset
from contractdesk.storage.dataset_files import DAY_NS, day_files, list_days
from contractdesk.storage.dataset_writer import DatasetWriter
from contractdesk.storage.grid import MOST, Grid, finest
from contractdesk.storage.merge import canonical, merged
from contractdesk.storage.schema import Kind
from contractdesk.storage.terms import Terms, decode_terms
from tests.domain.terms import CONTRACTS
from tests.storage.recorded import SYMBOL, T0, TERMS, Row, batch, read, rows_of, series, trade, write

D = Decimal
kinds = st.sampled_from(Kind)


def key_of(kind: Kind, row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in series(kind).shape.key)


@settings(max_examples=40)
@given(kinds.flatmap(lambda kind: st.tuples(st.just(kind), rows_of(kind))))
def test_what_is_written_is_read_back_in_order(drawn: tuple[Kind, list[Row]]) -> None:
    kind, rows = drawn
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), rows, kind)
        assert read(Path(folder), kind) == sorted(rows, key=lambda row: key_of(kind, row))


clashing = st.lists(
    st.builds(
        lambda number, day, heard, lots: trade(number, T0 + day * DAY_NS + number, local_ns=heard, lots=lots),
        st.integers(0, 5), st.integers(0, 1), st.sampled_from([0, T0 + 7, T0 + 9]), st.integers(1, 2),
    ),
    max_size=14,
)  # fmt: skip


@settings(max_examples=20)
@given(clashing, clashing)
def test_merging_is_idempotent_and_commutative_and_keeps_each_trade_once(a: list[Row], b: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, other, again = (Path(folder) / name for name in ("one", "other", "again"))
        for root, parts in ((one, (a, b)), (other, (b, a)), (again, (a, b, a, b, b))):
            for part in parts:
                write(root, part)
        found = read(one)
        assert found == read(other) == read(again)
        assert [key_of(Kind.TRADES, row) for row in found] == sorted(
            {key_of(Kind.TRADES, r) for r in [*a, *b]}
        )
        assert all(row in a or row in b for row in found)


@given(st.lists(clashing, max_size=4), st.integers(1, 5))
def test_merging_in_small_batches_equals_sorting_everything(runs: list[list[Row]], size: int) -> None:
    shape = series().shape

    def pieces(rows: list[Row]) -> Iterator[pa.RecordBatch]:
        yield from canonical(batch(rows), shape).to_batches(max_chunksize=size)

    streamed = [row for table in merged([pieces(run) for run in runs], shape) for row in table.to_pylist()]
    assert streamed == canonical(batch([row for run in runs for row in run]), shape).to_pylist()


def test_a_known_time_of_hearing_wins_over_an_unknown_one(tmp_path: Path) -> None:
    write(tmp_path, [trade(1, T0)])
    (written,) = write(tmp_path, [trade(1, T0, local_ns=T0 + 5)])
    assert (written.added, written.changed) == (0, True)
    assert [row["local_ns"] for row in read(tmp_path)] == [T0 + 5]


def test_writing_the_same_again_touches_no_file(tmp_path: Path) -> None:
    rows = [trade(n, T0 + n) for n in range(100)]
    (first,) = write(tmp_path, rows)
    path = Path(first.path)
    before = (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes())
    (second,) = write(tmp_path, rows[20:60])
    assert (second.rows, second.added, second.changed) == (100, 0, False)
    assert (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes()) == before


def test_overlapping_writes_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [trade(n, T0 + n) for n in range(3_000)]
    for name, parts in (("a", (rows[:2_000], rows[1_500:])), ("b", (rows[1_500:], rows[:2_000]))):
        for part in parts:
            write(tmp_path / name, part)
    files = [
        next(iter(day_files(tmp_path / n, series(), day)))
        for n in "ab"
        for day in list_days(tmp_path / n, series())
    ]
    assert files[0].path.read_bytes() == files[1].path.read_bytes()
    assert files[0].rows == 3_000


def test_many_spilled_runs_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contractdesk.storage.dataset_writer.HELD", 50)
    order = np.random.default_rng(3).permutation(4_000)
    rows = [trade(int(n), T0 + int(n) * DAY_NS // 2_000) for n in order]
    with DatasetWriter(tmp_path, series(), TERMS) as writer:
        for begin in range(0, len(rows), 30):
            writer.append(batch(rows[begin : begin + 30]))
        assert sum(day.rows for day in writer.commit()) == 4_000
    assert [row["trade_id"] for row in read(tmp_path)] == list(range(4_000))


def test_a_writer_that_does_not_commit_leaves_no_trace(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, series(), TERMS) as writer:
        writer.append(batch([trade(1, T0)]))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert read(tmp_path) == []


def test_a_reader_takes_any_span_columns_and_batch_size(tmp_path: Path) -> None:
    write(tmp_path, [trade(n, T0 + n * DAY_NS // 10) for n in range(35)])
    whole = read(tmp_path)
    small = Dataset(root=tmp_path, series=series()).scan(["trade_id", "ticks"], rows=4)
    parts = list(small)
    assert all(part.data.num_rows <= 4 and part.data.schema.names == ["trade_id", "ticks"] for part in parts)
    told = [row for part in parts for row in part.data.to_pylist()]
    assert told == [{"trade_id": row["trade_id"], "ticks": row["ticks"]} for row in whole]
    span = read(tmp_path, start_ns=whole[7]["venue_ns"], end_ns=whole[23]["venue_ns"])
    assert span == whole[7:23]
    with pytest.raises(StorageError, match="no column 'price'; they have venue_ns"):
        list(Dataset(root=tmp_path, series=series()).scan(["price"]))


def test_a_file_explains_itself_and_is_packed_as_measured(tmp_path: Path) -> None:
    (written,) = write(tmp_path, [trade(n, T0 + n) for n in range(500)])
    (file,) = day_files(tmp_path, series(), list_days(tmp_path, series())[0])
    assert file.terms == TERMS
    assert (file.rows, file.first_ns, file.last_ns) == (500, T0, T0 + 499)
    column = pq.read_metadata(written.path).row_group(0).column(3)
    assert column.path_in_schema == "ticks"
    assert column.compression == "ZSTD"
    assert "DELTA_BINARY_PACKED" in column.encodings
    foreign = ds.dataset(tmp_path / "trades", partitioning="hive").to_table()
    assert foreign["symbol"].unique().to_pylist() == [SYMBOL]  # any reader of hive partitions


def test_a_changed_tick_size_is_a_file_of_its_own_in_its_place(tmp_path: Path) -> None:
    finer = replace(TERMS, tick_size=D("0.01"))
    write(tmp_path, [trade(2, T0 + 20)], terms=finer)
    write(tmp_path, [trade(1, T0 + 10)])
    told = [
        (rows.terms.tick_size, rows.data["trade_id"].to_pylist())
        for rows in Dataset(root=tmp_path, series=series()).scan()
    ]
    assert told == [(D("0.1"), [1]), (D("0.01"), [2])]
    write(tmp_path, [trade(3, T0 + 15)], terms=finer)
    assert len(read(tmp_path)) == 3
    write(tmp_path, [trade(4, T0 + 17)])  # now both tell of 15 to 17
    with pytest.raises(StorageError, match="same time under different terms"):
        read(tmp_path)


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    (written,) = write(tmp_path, [trade(1, T0)])
    path = Path(written.path)
    sound = path.read_bytes()
    path.write_bytes(sound[:-20])
    with pytest.raises(StorageError, match="is damaged"):
        read(tmp_path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(StorageError, match="no file of this store"):
        read(tmp_path)


# -- terms and grids -------------------------------------------------------------------------


@pytest.mark.parametrize("instrument", CONTRACTS, ids=lambda each: each.symbol)
def test_terms_survive_their_file_and_equal_ones_are_written_alike(instrument: object) -> None:
    terms = Terms.of(instrument)  # type: ignore[arg-type]
    assert decode_terms(terms.encode()) == terms
    padded = replace(terms, tick_size=D(f"{terms.tick_size:f}" + ("00" if terms.tick_size < 1 else "")))
    assert (padded.encode(), padded.digest) == (terms.encode(), terms.digest)
    assert replace(terms, tick_size=terms.tick_size / 10).digest != terms.digest


@given(
    st.sampled_from(["0.1", "0.05", "0.00001", "1", "10", "0.001", "0.25", "0.00000001"]),
    st.integers(0, MOST // 100),
)
def test_the_grid_counts_as_the_instrument_does(step: str, count: int) -> None:
    grid, price = Grid(D(step)), D(step) * count
    counts, exact = grid.count(np.array([float(str(price))]))
    assert (counts.tolist(), exact.tolist()) == ([count], [True])
    assert grid.values(np.array([count])).tolist() == [float(price)]


@given(st.sampled_from(["0.1", "0.05", "0.00001", "10"]), st.integers(1, 10**9), st.integers(1, 9))
def test_what_lies_between_two_ticks_is_seen(step: str, count: int, tenth: int) -> None:
    between = float(D(step) * count + D(step) * tenth / 10)
    assert Grid(D(step)).count(np.array([between, np.nan, np.inf, 1e30]))[1].tolist() == [False] * 4


def test_the_finest_grid_of_some_prices() -> None:
    assert finest(np.array([0.7097, 0.71, np.nan])) == D("0.0001")
    assert finest(np.array([19.0, 2254.0])) == 1
    assert finest(np.array([1 / 3])) is None


MANY = """
import resource, sys
import numpy as np, pyarrow as pa
from pathlib import Path
from tests.storage.recorded import T0, TERMS, series
from contractdesk.storage.dataset import Dataset
from contractdesk.storage.dataset_files import DAY_NS
from contractdesk.storage.dataset_writer import DatasetWriter
root, count = Path(sys.argv[1]), int(sys.argv[2])
def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
if sys.argv[3] == "write":
    with DatasetWriter(root, series(), TERMS) as writer:
        for begin in range(0, count, 100_000):
            n = np.arange(begin, begin + 100_000)
            zero = np.zeros_like(n)
            writer.append(pa.record_batch([pa.array(c) for c in (
                T0 + n * (4 * DAY_NS // count), zero, n, 600_000 + n % 997, 1 + n % 13,
                (1 - 2 * (n % 2)).astype("int8"), zero.astype("int16"))], schema=series().shape.schema))
        writer.commit()
    print(peak_mb())
else:
    rows = ticks = 0
    for part in Dataset(root=root, series=series()).scan(["venue_ns", "ticks", "lots"]):
        rows += part.data.num_rows
        ticks += int(part.data["ticks"].to_numpy().sum())
    assert rows == count and ticks == sum(600_000 + n % 997 for n in range(count)), (rows, ticks)
    print(peak_mb())
"""


def test_memory_does_not_grow_with_the_data(tmp_path: Path) -> None:
    def peak_mb(name: str, count: int, what: str) -> float:
        words = [sys.executable, "-c", MANY, str(tmp_path / name), str(count), what]
        return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

    few = {what: peak_mb("few", 400_000, what) for what in ("write", "read")}
    many = {what: peak_mb("many", 4_000_000, what) for what in ("write", "read")}
    assert many["read"] - few["read"] <= 40, (few, many)  # all of it: 4e6 rows x 3 x 8 B = 96 MB
    assert many["write"] - few["write"] <= 100, (few, many)  # all of it: 4e6 x 43 B = 172 MB
