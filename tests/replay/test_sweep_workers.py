"""Sweeps on real worker processes: the serial table, killed workers, a cell's class, nothing left behind."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import dask
import distributed
import psutil
import pytest

import contractdesk as cd
from contractdesk.errors import ConfigError
from contractdesk.replay.sweep_result import Sweep
from contractdesk.storage.dataset import Dataset
from tests.replay.generated import CELL, SYMBOL, trades
from tests.strategy.test_loader import Notebook

GRID = {"fast": [2, 3, 4], "slow": [4, 6, 8]}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return trades(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two workers of a user's own; a run that kills two of them is given up."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    made, real = Notebook(), sys.modules["__main__"]
    sys.modules["__main__"] = made.module
    yield made
    sys.modules["__main__"] = real


def swept(data: Dataset, folder: Path, grid: Any = None, **options: Any) -> Sweep:
    trend = cd.library.TrendFollow([SYMBOL], timeframe="1m")
    strategy = options.pop("strategy", trend)
    return cd.sweep(strategy, grid or GRID, data, progress=False, folder=folder, **options)


def same(one: Sweep, other: Sweep) -> bool:
    return bool(one.df.drop(columns="seconds").equals(other.df.drop(columns="seconds")))


def caches() -> tuple[int, int]:
    """(read from the cache, compiled) of this process's kernels."""
    from contractdesk.domain.compiled import _kept

    stats: Any = [kernel.stats for kernel in _kept]  # type: ignore[attr-defined]
    return sum(sum(s.cache_hits.values()) for s in stats), sum(sum(s.cache_misses.values()) for s in stats)


def workers() -> set[int]:
    """The worker processes that this one has started, and that live."""
    found = set()
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            if "spawn_main" in " ".join(each.cmdline()):
                found.add(each.pid)
    return found


def decoded() -> int:
    from contractdesk.replay.sweep_work import _SHELF

    return _SHELF.decoded


def test_workers_find_what_one_process_finds_and_a_killed_one_changes_nothing(
    data: Dataset, tmp_path: Path, client: Any
) -> None:
    rows: list[Any] = []

    def kill(row: Any) -> None:
        rows.append(row)
        if len(rows) == 3:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    serial = swept(data, tmp_path / "serial", workers=0)
    table = swept(data, tmp_path / "workers", client=client, on_result=kill)
    assert same(table, serial)
    assert (len(table), len(rows), table.known) == (9, 9, 0)
    assert not any(row.lost for row in table.rows)


def test_a_worker_decodes_once_and_compiles_nothing(data: Dataset, tmp_path: Path, client: Any) -> None:
    client.wait_for_workers(2)
    swept(data, tmp_path, client=client)
    assert all(count <= 1 for count in client.run(decoded).values())
    assert any(count for count in client.run(decoded).values())
    read, compiled = (sum(each) for each in zip(*client.run(caches).values(), strict=True))
    assert read > 0
    assert compiled == 0


def test_a_class_from_a_cell_and_a_run_that_kills_its_workers(
    data: Dataset, tmp_path: Path, client: Any, notebook: Notebook
) -> None:
    notebook.run(CELL)
    strategy = notebook["Typed"]([SYMBOL])
    grid = [{"period": period} for period in (3, 4, 5)]
    here = swept(data, tmp_path / "here", grid, strategy=strategy, workers=0)
    there = swept(data, tmp_path / "there", grid, strategy=strategy, client=client.scheduler.address)
    assert same(here, there)
    assert here.df.fills.min() > 0
    table = swept(data, tmp_path / "there", [*grid, {"way": "dies"}], strategy=strategy, client=client)
    assert table.known == 3
    dead = table.df[table.df.failure != ""]
    assert list(dead.way) == ["dies"]
    assert dead.failure.iloc[0].startswith("KilledWorker")
    again = swept(data, tmp_path / "there", [*grid], strategy=strategy, client=client)
    assert again.known == 3  # what was lost with its worker is not on record, the rest is


def test_our_own_cluster_is_gone_after_an_interrupt(data: Dataset, tmp_path: Path) -> None:
    def stop(_: Any) -> None:
        raise KeyboardInterrupt

    before = workers()
    with pytest.raises(KeyboardInterrupt):
        swept(data, tmp_path, workers=1, on_result=stop)
    assert workers() <= before
    assert swept(data, tmp_path, workers=0).known >= 1


def test_a_client_that_cannot_be_waited_for_is_refused(data: Dataset, tmp_path: Path, client: Any) -> None:
    closed = distributed.Client(client.scheduler.address, set_as_default=False)
    closed.close()
    with pytest.raises(ConfigError, match="closed"):
        swept(data, tmp_path, client=closed)
