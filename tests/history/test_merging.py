"""Importing again, and importing what overlaps: the store is the same whatever came first."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from contractdesk.history import FindingKind, import_, load
from tests.history.dumps import BTC, T0_MS, binance_trade, binance_trades

DAY_MS = 86_400_000


def dump(folder: Path, name: str, numbers: Iterable[int]) -> Path:
    """Ten trades a day."""
    rows = [binance_trade(n, ms=T0_MS + n * DAY_MS // 10) for n in numbers]
    return binance_trades(folder, rows, f"BTCUSDT-trades-{name}.zip")


def files(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in root.rglob("*.parquet")
    }


def ids(root: Path) -> list[int]:
    return [n for part in load(BTC["symbol"], root=root) for n in part.data["trade_id"].to_pylist()]


def test_importing_twice_changes_nothing(tmp_path: Path) -> None:
    file, root = dump(tmp_path, "a", range(25)), tmp_path / "store"
    first = import_(file, root=root, hole_s=1e9, **BTC)  # type: ignore[arg-type]
    assert (first.rows_added, first.passed, len(first.days)) == (25, True, 3)
    before = files(root)
    again = import_(file, root=root, hole_s=1e9, **BTC)  # type: ignore[arg-type]
    assert (again.rows_added, again.passed) == (0, True)
    assert [day.changed for day in again.days] == [False] * 3
    assert files(root) == before


def test_an_overlap_is_merged_and_the_order_of_imports_does_not_matter(tmp_path: Path) -> None:
    early, late = dump(tmp_path, "early", range(18)), dump(tmp_path, "late", range(12, 30))
    added = {}
    for name, order in {"one": [early, late], "other": [late, early]}.items():
        reports = [import_(file, root=tmp_path / name, **BTC) for file in order]  # type: ignore[arg-type]
        added[name] = [report.rows_added for report in reports]
        assert ids(tmp_path / name) == list(range(30))
    together = import_([early, late], root=tmp_path / "both", **BTC)  # type: ignore[arg-type]
    assert added == {"one": [18, 12], "other": [18, 12]}
    assert (together.rows_read, together.rows_added) == (36, 30)
    assert together.count(FindingKind.DUPLICATE_ID) == 0  # an overlap of two files is no fault of either
    contents = [
        {name: content for name, (content, _) in files(tmp_path / root).items()}
        for root in ("one", "other", "both")
    ]
    assert contents[0] == contents[1] == contents[2]


def test_a_late_dump_fills_the_gap_of_the_one_before(tmp_path: Path) -> None:
    holed, rest = dump(tmp_path, "holed", [0, 1, 2, 6, 7]), dump(tmp_path, "rest", [3, 4, 5])
    assert import_(holed, root=tmp_path / "store", **BTC).count(FindingKind.ID_GAP) == 1  # type: ignore[arg-type]
    assert import_(rest, root=tmp_path / "store", **BTC).rows_added == 3  # type: ignore[arg-type]
    assert ids(tmp_path / "store") == list(range(8))
    both = import_([holed, rest], root=tmp_path / "other", **BTC)  # type: ignore[arg-type]
    assert both.count(FindingKind.ID_GAP) == 0
