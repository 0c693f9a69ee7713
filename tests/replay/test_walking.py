"""Walk-forward: windows that do not look ahead, tests that equal replays, equity in one piece."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contractdesk as cd
from contractdesk.errors import ConfigError
from contractdesk.replay.walking import windows_of
from contractdesk.replay.walking_result import WalkForward
from contractdesk.storage.dataset import Dataset
from tests.replay.generated import START_NS, SYMBOL, trades

MINUTE_NS = 60 * 10**9
FIRST = pd.Timestamp(
    START_NS + MINUTE_NS, unit="ns", tz="UTC"
)  # the first bar that is recorded from its begin
GRID = {"fast": [2, 3], "slow": [4, 6]}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return trades(tmp_path_factory.mktemp("store"), hours=2)


def walked(data: Dataset, folder: Path, grid: Any = None, **options: Any) -> WalkForward:
    trend = cd.library.TrendFollow([SYMBOL], timeframe="1m")
    plain = {"workers": 0, "progress": False, "folder": folder, "train": "40m", "test": "30m"}
    return cd.walk_forward(trend, grid or GRID, data, **plain | options)


@given(
    st.integers(0, 10**6), st.integers(1, 5_000), st.integers(1, 1_000), st.integers(1, 500), st.booleans()
)
def test_windows_cover_without_a_hole_and_train_on_nothing_that_they_test(
    start: int, length: int, train: int, test: int, anchored: bool
) -> None:
    if (length - train) // test < 1:
        with pytest.raises(ConfigError, match="splits"):
            windows_of(start, start + length, train, test, anchored=anchored)
        return
    if (length - train) // test > 1_000:
        return
    windows = windows_of(start, start + length, train, test, anchored=anchored)
    assert windows[0].train_ns == start
    assert start + length - test < windows[-1].end_ns <= start + length
    assert all(before.end_ns == after.test_ns for before, after in pairwise(windows))
    assert all(each.end_ns - each.test_ns == test for each in windows)
    spans = [each.test_ns - each.train_ns for each in windows]
    assert spans == [train + (place * test if anchored else 0) for place in range(len(windows))]


def test_the_best_of_each_training_is_replayed_over_the_test_behind_it(data: Dataset, tmp_path: Path) -> None:
    walk = walked(data, tmp_path, lead=timedelta(minutes=10))
    assert len(walk.df) == len(walk.splits) == 2
    assert walk.df.test_start.iloc[0] == FIRST + pd.Timedelta("40min")
    worth = 10_000.0
    for split, row in zip(walk.splits, walk.df.itertuples(), strict=True):
        train = msgspec.structs.replace(data, start_ns=split.train_ns, end_ns=split.test_ns)
        trend = cd.library.TrendFollow([SYMBOL], timeframe="1m")
        best = cd.sweep(trend, GRID, train, workers=0, progress=False, folder=tmp_path / "again")
        assert (row.fast, row.slow) == tuple(best.best_params.values())
        assert row.train_sharpe == best.df.sharpe.iloc[0]
        test = msgspec.structs.replace(data, start_ns=split.test_ns - 10 * MINUTE_NS, end_ns=split.end_ns)
        result = cd.replay.run(trend.with_params(**best.best_params), test)
        begin = pd.Timestamp(split.test_ns, unit="ns", tz="UTC")
        before = result.equity.equity[result.equity.index <= begin].iloc[-1]
        after = result.equity.equity[result.equity.index > begin]
        assert row.net_profit == pytest.approx(after.iloc[-1] - before)
        assert row.fills == (result.fills.time >= begin).sum()
        part = walk.equity.equity[(walk.equity.index > begin) & (walk.equity.index <= after.index[-1])]
        assert part.to_numpy() == pytest.approx(worth * after.to_numpy() / before)
        worth = part.iloc[-1]
    assert walk.figures.net_profit == pytest.approx(worth - 10_000)
    assert walk.figures.fills == walk.df.fills.sum()
    assert walk.equity.index.is_monotonic_increasing
    assert "out of sample, 2 of 2 splits tested" in repr(walk)
    assert "8 trials" in walk._repr_html_()


def test_a_later_window_changes_nothing_before_it(data: Dataset, tmp_path: Path) -> None:
    shorter = msgspec.structs.replace(data, end_ns=START_NS + 75 * MINUTE_NS)
    one, two = walked(shorter, tmp_path / "shorter"), walked(data, tmp_path / "longer")
    assert one.df.drop(columns="seconds").equals(two.df.iloc[:1].drop(columns="seconds"))


def test_a_second_walk_goes_on_and_an_anchored_one_begins_where_the_data_do(
    data: Dataset, tmp_path: Path
) -> None:
    walked(data, tmp_path)
    anchored = walked(data, tmp_path, anchored=True)
    assert set(anchored.df.train_start) == {FIRST}
    assert [each.known for each in anchored.sweeps] == [4, 0]  # the first windows are the same


def test_a_split_without_a_best_says_so_and_the_others_go_on(data: Dataset, tmp_path: Path) -> None:
    walk = walked(data, tmp_path, [{"fast": 9, "slow": 5}])
    assert set(walk.df.failure) == {"no run of the training window has a value"}
    assert len(walk.equity) == 0
    assert "0 of 2 splits tested" in walk.summary


def test_each_split_has_a_study_of_its_own(data: Dataset, tmp_path: Path) -> None:
    walk = cd.walk_forward(
        cd.library.TrendFollow([SYMBOL], timeframe="1m"), None, data, train="40m", test="30m", trials=3,
        space={"fast": (2, 3), "slow": (4, 6)}, workers=0, progress=False, folder=tmp_path,
    )  # fmt: skip
    assert [1 <= len(each) <= 3 for each in walk.sweeps] == [True, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": "4h"}, "the data are of 2.0 h, which is 0 splits"),
        ({"train": "soon"}, "train='soon' is no length"),
        ({"test": timedelta(0)}, "it must be above 0"),
        ({"objective": "luck"}, "must be one of"),
    ],
)
def test_what_cannot_be_is_one_clear_error(
    data: Dataset, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        walked(data, tmp_path / "sweeps", **options)
    assert not (tmp_path / "sweeps").exists()
