"""Columns beside the store: the same as the store's own, for as long as that is what it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from contractdesk.replay.contracts import contract_of
from contractdesk.replay.sidecar import Sidecar, default_folder
from contractdesk.replay.ticks import read_ticks
from contractdesk.storage.dataset import Dataset
from contractdesk.storage.dataset_files import DAY_NS
from contractdesk.storage.schema import TradeFlag
from tests.storage.recorded import T0, TERMS, series, trade, write

TERMS_OF = contract_of(TERMS)
ROWS = [trade(number, T0 + number * DAY_NS // 40, lots=1 + number) for number in range(100)]
Listed = list[tuple[int, ...]]


def listed(root: Path, sidecar: Sidecar | None, *, feed_ns: int = 0, **where: int) -> Listed:
    dataset = Dataset(root=root, series=series(), **where)
    batches = read_ticks([dataset], [TERMS_OF], feed_ns=feed_ns, recorded=False, sidecar=sidecar)
    return [
        row for each in batches for row in zip(*(column.tolist() for column in each._columns), strict=True)
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    write(folder, [*ROWS, trade(500, T0 + 5, flags=int(TradeFlag.ADL))])
    return folder


@pytest.fixture
def sidecar(tmp_path: Path) -> Sidecar:
    return Sidecar(tmp_path / "cache", fewest_rows=1)


@pytest.fixture
def store_is_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one for each time that the store's rows are decoded."""
    reads: list[str] = []
    scan = Dataset.scan

    def counting(self: Dataset, *args: object) -> Iterator[object]:
        reads.append(str(self.series))
        return scan(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Dataset, "scan", counting)
    return reads


def kept(sidecar: Sidecar) -> list[str]:
    return sorted(path.name for path in sidecar.folder.iterdir())


def test_a_second_run_has_the_same_columns_and_does_not_decode(
    root: Path, sidecar: Sidecar, store_is_read: list[str]
) -> None:
    plain = listed(root, None, feed_ns=7)
    assert listed(root, sidecar, feed_ns=7) == plain
    assert len(store_is_read) == 2
    assert listed(root, sidecar, feed_ns=7) == plain
    assert len(store_is_read) == 2
    assert len(kept(sidecar)) == 1


def test_another_feed_delay_is_of_the_same_columns(
    root: Path, sidecar: Sidecar, store_is_read: list[str]
) -> None:
    first = listed(root, sidecar)
    assert [heard - 9 for _, heard, *_ in listed(root, sidecar, feed_ns=9)] == [
        heard for _, heard, *_ in first
    ]
    assert len(store_is_read) == 1


def test_another_span_and_another_grid_have_files_of_their_own(root: Path, sidecar: Sidecar) -> None:
    whole = listed(root, sidecar)
    half = listed(root, sidecar, end_ns=T0 + DAY_NS)
    assert half == [row for row in whole if row[0] < T0 + DAY_NS]
    finer = replace(TERMS_OF, tick_size=TERMS_OF.tick_size / Decimal(10))
    dataset = Dataset(root=root, series=series())
    batches = list(read_ticks([dataset], [finer], feed_ns=0, recorded=False, sidecar=sidecar))
    assert [tick for each in batches for tick in each.ticks.tolist()] == [10 * row[2] for row in whole]
    assert len(kept(sidecar)) == 3


def test_data_that_has_changed_is_read_anew(root: Path, sidecar: Sidecar) -> None:
    before = listed(root, sidecar)
    write(root, [trade(900, T0 + 3 * DAY_NS - 1)])
    after = listed(root, sidecar)
    assert len(after) == len(before) + 1
    assert after == listed(root, None)


def test_a_run_that_is_given_up_leaves_nothing(root: Path, sidecar: Sidecar) -> None:
    dataset = Dataset(root=root, series=series())
    batches = read_ticks([dataset], [TERMS_OF], feed_ns=0, recorded=False, sidecar=sidecar)
    next(batches)
    assert len(kept(sidecar)) == 1
    batches.close()  # type: ignore[attr-defined]
    assert kept(sidecar) == []


@pytest.mark.parametrize("damage", ["cut", "grown", "empty"])
def test_a_file_that_is_not_whole_is_written_again(root: Path, sidecar: Sidecar, damage: str) -> None:
    plain = listed(root, sidecar)
    (path,) = sidecar.folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:-20], "grown": whole + b"12345678", "empty": b""}[damage])
    assert listed(root, sidecar) == plain
    assert path.read_bytes() == whole


def test_what_was_used_last_stays(root: Path, sidecar: Sidecar) -> None:
    """Days of 40, 40 and 20 rows, and room for two of 40: the first is used again, so the second goes."""
    small = replace(sidecar, most_bytes=2 * 8 * (2 + 3 * 40))
    days = [{"start_ns": T0 + day * DAY_NS, "end_ns": T0 + (day + 1) * DAY_NS} for day in range(3)]
    names = []
    for age, day in enumerate(days[:2]):
        listed(root, small, **day)
        names += [name for name in kept(small) if name not in names]
        os.utime(small.folder / names[-1], (1_000_000 + age, 1_000_000 + age))
    listed(root, small, **days[0])
    listed(root, small, **days[2])
    assert names[0] in kept(small)
    assert names[1] not in kept(small)
    assert len(kept(small)) == 2


def test_what_is_larger_than_all_that_may_be_kept_is_not(root: Path, sidecar: Sidecar) -> None:
    listed(root, replace(sidecar, most_bytes=10))
    assert kept(sidecar) == []


def test_a_folder_that_cannot_be_written_costs_nothing_else(root: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    assert listed(root, Sidecar(blocked / "cache", fewest_rows=1)) == listed(root, None)


def test_a_small_series_is_not_worth_a_file(root: Path, tmp_path: Path) -> None:
    listed(root, Sidecar(tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()


def test_the_folder_is_the_users_unless_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CONTRACTDESK_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "contractdesk" / "replay"
    monkeypatch.setenv("CONTRACTDESK_CACHE", str(tmp_path / "own"))
    assert default_folder() == tmp_path / "own"
