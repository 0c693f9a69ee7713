"""Sweeps in this process: the table, failures, and going on where one was stopped."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import contractdesk as cd
from contractdesk.errors import ConfigError, StorageError, UserError
from contractdesk.replay.models import ConstantLatency, FixedSlippage, Models
from contractdesk.replay.sweeps.plan import Plan, plan_of
from contractdesk.replay.sweeps.result import Sweep
from contractdesk.replay.sweeps.work import Job, work
from contractdesk.storage.dataset import Dataset
from tests.replay.generated import CELL, HOUR_NS, START_NS, SYMBOL, trades
from tests.strategy.test_loader import Notebook

GRID = {"fast": [2, 3, 5], "slow": [4, 8]}
COLUMNS = [
    "fills",
    "net_profit",
    "fees",
    "sharpe",
    "max_drawdown",
    "deflated",
    "refusals",
    "seconds",
    "failure",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return trades(tmp_path_factory.mktemp("store"))


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    made, real = Notebook(), sys.modules["__main__"]
    sys.modules["__main__"] = made.module
    yield made
    sys.modules["__main__"] = real


def trend() -> cd.Strategy:
    return cd.library.TrendFollow([SYMBOL], timeframe="1m")


def swept(data: Dataset, folder: Path, grid: Any = None, **options: Any) -> Sweep:
    plain = {"workers": 0, "progress": False, "folder": folder}
    return cd.sweep(options.pop("strategy", trend()), GRID if grid is None else grid, data, **plain | options)


def planned(data: Dataset, strategy: Any = None, **changes: Any) -> Plan:
    plain = {"balance": 10_000, "leverage": 10, "risk": None, "models": None, "contracts": None}
    return plan_of(strategy or trend(), data, memory_mb=64, **plain | changes)


def told(table: Sweep) -> Any:
    return table.df.drop(columns="seconds")


def test_each_row_is_what_a_replay_of_it_finds(data: Dataset, tmp_path: Path) -> None:
    table = swept(data, tmp_path)
    assert list(table.df.columns) == ["fast", "slow", *COLUMNS]
    assert len(table) == len(table.df) == 6
    for row in table.df[table.df.failure == ""].itertuples():
        result = cd.replay.run(trend().with_params(fast=row.fast, slow=row.slow), data)
        assert (row.fills, row.refusals) == (len(result.fills), len(result.refusals))
        assert row.net_profit == pytest.approx(result.equity.equity.iloc[-1] - 10_000)
        assert row.fees == pytest.approx(result.fills.fee.sum())
        assert row.max_drawdown == pytest.approx(result.equity.drawdown.min())
        returns = result.equity.equity.pct_change().fillna(result.equity.equity.iloc[0] / 10_000 - 1)
        assert row.sharpe == pytest.approx(returns.mean() / returns.std() * math.sqrt(365 * 24 * 60))


def test_the_best_comes_first_and_a_refused_combination_is_a_row_that_says_why(
    data: Dataset, tmp_path: Path
) -> None:
    table = swept(data, tmp_path, objective="net_profit")
    values = table.df.net_profit[table.df.failure == ""]
    assert values.is_monotonic_decreasing
    assert table.df.failure.iloc[-1] == "ConfigError: fast=5 must be below slow=4"
    assert table.best.figures is not None
    assert table.best.figures.net_profit == values.iloc[0]
    assert table.strategy.params == trend().with_params(**table.best_params).params
    assert "WARNING: the best of 5 trials" in repr(table)
    assert "Deflated Sharpe ratio" in table._repr_html_()
    assert "(1 failed)" in table.summary


def test_what_a_strategy_raises_is_its_rows(data: Dataset, tmp_path: Path, notebook: Notebook) -> None:
    notebook.run(CELL)
    grid = [{"period": 4}, {"way": "raises"}, {"period": 1_000}, {"period": "four"}]
    table = swept(data, tmp_path, grid, strategy=notebook["Typed"])
    assert sorted(bool(text) for text in table.df.failure) == [False, True, True, True]
    assert table.df.failure.str.contains("no bars today").sum() == 1
    assert table.df.failure.str.contains("an int from 2 to 50").sum() == 2
    assert table.df.fills.iloc[0] > 0


def test_a_sweep_that_was_stopped_goes_on_and_says_so(data: Dataset, tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []

    def stop(row: dict[str, Any]) -> None:
        heard.append(row)
        if len(heard) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(data, tmp_path, on_result=stop)
    (file,) = tmp_path.iterdir()
    assert len(file.read_bytes().splitlines()) == 2
    file.write_bytes(file.read_bytes() + b'{"params":{"fast":5,')  # it was killed while it wrote
    again = swept(data, tmp_path, on_result=heard.append)
    assert (again.known, len(heard)) == (2, 6)
    assert f"2 of them known from {file}" in again.summary
    whole = swept(data, tmp_path / "other")
    assert told(again).equals(told(whole))
    assert swept(data, tmp_path, on_result=heard.append).known == 6
    assert swept(data, tmp_path, resume=False).known == 0


def test_a_larger_grid_runs_only_what_is_new(data: Dataset, tmp_path: Path) -> None:
    swept(data, tmp_path)
    larger = swept(data, tmp_path, {"fast": [2, 3], "slow": [4, 8, 12]})
    assert (larger.known, len(larger)) == (4, 6)
    assert larger.trials == 7  # whatever was tried on these data counts against the best


def test_the_results_file_is_of_this_code_these_data_and_these_settings(
    data: Dataset, tmp_path: Path
) -> None:
    def plan(data: Any = data, strategy: Any = None, **changes: Any) -> Plan:
        return planned(data, strategy, **changes)

    late = Models(latency=ConstantLatency(feed_ms=9))
    slower = cd.library.TrendFollow([SYMBOL], timeframe="5m")
    half = msgspec.structs.replace(data, end_ns=START_NS + HOUR_NS // 2)
    plans = [
        plan(), plan(half), plan(trades(tmp_path / "other", seed=4)), plan(balance=20_000), plan(leverage=5),
        plan(risk={"size_cap": "0.02"}), plan(models=Models(seed=1)),
        plan(models=Models(slippage=FixedSlippage(2))), plan(models=late),
        plan(contracts={SYMBOL: {"taker_fee": 0}}), plan(strategy=slower),
    ]  # fmt: skip
    assert len({each.key for each in plans}) == len(plans)
    assert plan(balance="10000.0").key == plan(strategy=trend().with_params(fast=3)).key == plan().key


def test_ticks_that_do_not_fit_are_read_in_batches_with_the_same_result(
    data: Dataset, tmp_path: Path
) -> None:
    assert told(swept(data, tmp_path / "kept")).equals(told(swept(data, tmp_path / "read", memory_mb=0)))


def test_a_worker_that_sees_other_files_refuses_them(tmp_path: Path) -> None:
    plan = planned(trades(tmp_path, seed=5))
    trades(tmp_path, count=4_100, seed=6)  # an import, while the sweep runs
    row = work(plan, Job(plan.full({"fast": 2}))).row
    assert "sees other files" in row.failure
    assert row.lost


@pytest.mark.parametrize("error", [StorageError("stale handle"), OSError("stale handle"), MemoryError()])
def test_a_failure_of_the_host_is_not_kept_as_a_combinations_result(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def away(_: Plan) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("contractdesk.replay.sweeps.work._SHELF.get", away)
        table = swept(data, tmp_path, {"fast": [2, 3]})
        assert all(row.lost and row.failure.startswith(type(error).__name__) for row in table.rows)
    again = swept(data, tmp_path, {"fast": [2, 3]})
    assert again.known == 0
    assert not any(row.failure for row in again.rows)


def test_two_of_the_same_at_once_are_refused(data: Dataset, tmp_path: Path) -> None:
    def nested(_: dict[str, Any]) -> None:
        swept(data, tmp_path)

    with pytest.raises(UserError, match="runs already"):
        swept(data, tmp_path, on_result=nested)


def test_a_damaged_results_file_is_said(data: Dataset, tmp_path: Path) -> None:
    path = swept(data, tmp_path, [{"fast": 2}]).path
    path.write_bytes(b"no json\n")
    with pytest.raises(StorageError, match="resume=False"):
        swept(data, tmp_path, [{"fast": 2}])
    assert swept(data, tmp_path, [{"fast": 2}], resume=False).known == 0


@pytest.mark.parametrize(
    ("grid", "options", "message"),
    [
        ({"fsat": [2]}, {}, "no parameter 'fsat'"),
        ({}, {}, "the grid is empty"),
        ({"fast": []}, {}, "no values to try"),
        ({"fast": 5}, {}, r"fast=\[5\]"),
        ([5], {}, "5 is no combination"),
        (7, {}, "7 is no grid"),
        (GRID, {"trials": 5}, "are for a study"),
        (GRID, {"objective": "luck"}, "must be one of sharpe"),
        (GRID, {"workers": -1}, "workers=-1"),
        (GRID, {"client": "tcp://127.0.0.1:1"}, "give a client or a number of workers"),
        (GRID, {"client": "nowhere", "workers": None}, "no dask scheduler at 'nowhere'"),
        (GRID, {"client": 5, "workers": None}, "neither a distributed.Client"),
        (GRID, {"memory_mb": -1}, "memory_mb=-1"),
        (GRID, {"balance": 0}, "balance=0"),
        (GRID, {"risk": {"size_cap": 99}}, "size_cap"),
        (None, {}, "a study needs trials="),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_clear_error_and_leaves_nothing(
    data: Dataset, tmp_path: Path, grid: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        cd.sweep(trend(), grid, data, **{"workers": 0, "folder": tmp_path / "sweeps", **options})
    assert not (tmp_path / "sweeps").exists()


MISSING = """
import sys
sys.modules["distributed"] = sys.modules["optuna"] = None
from contractdesk.replay.sweeps.optuna_search import OptunaSearch
from contractdesk.replay.sweeps.pool import open_pool
for start in (lambda: open_pool(None, 1).__enter__(), lambda: OptunaSearch(None, None, 5, None, "sharpe", 0)):
    try:
        start()
    except Exception as exc:
        print(type(exc).__name__, exc)
"""


def test_a_missing_extra_is_named() -> None:
    output = subprocess.run(
        [sys.executable, "-c", MISSING], check=True, capture_output=True, text=True
    ).stdout
    dask, optuna = output.splitlines()
    assert dask.startswith("ConfigError a sweep on workers needs distributed")
    assert dask.endswith("pip install 'contractdesk[dask]'")
    assert optuna.startswith("ConfigError a search by trials needs optuna")
    assert optuna.endswith("pip install 'contractdesk[optuna]'")
