"""Where the runs of a sweep take place: in this process, or on the workers of a dask cluster.

A cluster that was made here is closed here, whatever happens; one that was given stays as it was.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import current_process
from typing import Any, Protocol

from contractdesk.errors import ConfigError
from contractdesk.replay.extras import extra
from contractdesk.replay.sweep_plan import Plan
from contractdesk.replay.sweep_work import Done, Job, Row, work

AHEAD = 4  # runs that wait, for each that is being made: a worker is never without
LEAST_AHEAD = 32  # also where a cluster has no worker yet, so that an adaptive one sees what is wanted
CONNECT_S = 10


class Pool(Protocol):
    """Jobs go in, each under a tag, and come out in any order."""

    @property
    def workers(self) -> int: ...

    @property
    def room(self) -> int:
        """Jobs that may be under way at once."""
        ...

    @property
    def pending(self) -> int: ...

    def submit(self, plan: Plan, job: Job, tag: int) -> None: ...

    def next(self) -> tuple[int, Done]:
        """Wait for any that is pending."""
        ...


class Serial:
    """One after the other, in this process and thread: needs no dask."""

    workers = 1
    room = 1

    def __init__(self) -> None:
        self._waiting: deque[tuple[Plan, Job, int]] = deque()

    @property
    def pending(self) -> int:
        return len(self._waiting)

    def submit(self, plan: Plan, job: Job, tag: int) -> None:
        self._waiting.append((plan, job, tag))

    def next(self) -> tuple[int, Done]:
        plan, job, tag = self._waiting.popleft()
        return tag, work(plan, job)


class OnDask:
    """On a cluster. A run whose worker dies is given to another one; the third death is its row's failure."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._done = extra("distributed", "dask", "a sweep on workers").as_completed(loop=client.loop)
        self._jobs: dict[str, tuple[int, Job, Any]] = {}
        self.workers = max(1, sum(client.nthreads().values()))
        self.room = max(AHEAD * self.workers, LEAST_AHEAD)

    @property
    def pending(self) -> int:
        return len(self._jobs)

    def submit(self, plan: Plan, job: Job, tag: int) -> None:
        future = self._client.submit(work, plan, job, pure=False)
        self._jobs[future.key] = tag, job, future
        self._done.add(future)

    def next(self) -> tuple[int, Done]:
        future = next(self._done)
        tag, job, _ = self._jobs.pop(future.key)
        if future.status == "finished":
            done: Done = future.result()
            return tag, done
        return tag, Done(Row(params=job.params, failure=_why_lost(future), lost=True))

    def cancel(self) -> None:
        """Give up what is pending, so that a cluster that lives on does not work for nobody."""
        if self._jobs:
            self._client.cancel([future for _, _, future in self._jobs.values()])


def _why_lost(future: Any) -> str:
    if future.status == "cancelled":
        return "the cluster has dropped it: its scheduler was restarted, or closed"
    exc = future.exception()
    return f"{type(exc).__name__}: {exc}".splitlines()[0][:300]


@contextmanager
def open_pool(client: Any, workers: int | None) -> Iterator[Pool]:
    """A pool on ``client`` (a Client, or a scheduler's address), or on ``workers`` processes of our own.

    None: one process for each CPU; 0: this process alone. Raises ConfigError for what cannot be.
    """
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 0):
        raise ConfigError(f"workers={workers!r} is not permitted: it must be 0 or more")
    if client is not None and workers is not None:
        raise ConfigError("give a client or a number of workers: a client's cluster has its own")
    if workers == 0:
        yield Serial()
        return
    # Kernels are compiled here, once, and cached on disk: workers only read them.
    importlib.import_module("contractdesk.replay.kernel")
    with _client_of(client, workers) as opened:
        pool = OnDask(opened)
        try:
            yield pool
        finally:
            pool.cancel()


@contextmanager
def _client_of(given: Any, workers: int | None) -> Iterator[Any]:
    distributed = extra("distributed", "dask", "a sweep on workers")
    if given is None:
        with (
            _own_cluster(distributed, workers or len(os.sched_getaffinity(0))) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            yield client
    elif isinstance(given, str):
        with _connect(distributed, given) as client:
            yield client
    elif not isinstance(given, distributed.Client):
        raise ConfigError(f"client={given!r} is neither a distributed.Client nor a scheduler's address")
    elif given.asynchronous or given.status != "running":
        state = "asynchronous" if given.asynchronous else given.status
        raise ConfigError(f"this client is {state}: give one that is running, and not asynchronous")
    else:
        yield given


def _connect(distributed: Any, address: str) -> Any:
    try:
        return distributed.Client(address, set_as_default=False, timeout=CONNECT_S)
    except (OSError, ValueError) as exc:
        raise ConfigError(f"there is no dask scheduler at {address!r}: {exc}") from exc


@contextmanager
def _own_cluster(distributed: Any, workers: int) -> Iterator[Any]:
    if getattr(current_process(), "_inheriting", False):
        raise ConfigError(GUARD)
    try:
        cluster = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,  # the engine is Python: threads of one process would wait for each other
            processes=True,
            dashboard_address="127.0.0.1:0",  # any free port: others' clusters may have the usual one
            silence_logs=logging.CRITICAL,  # the table says what failed
        )
    except RuntimeError as exc:
        raise ConfigError(f"the workers could not be started ({exc}). {GUARD}") from exc
    with cluster:
        yield cluster


GUARD = (
    'A script that sweeps on processes must do so under `if __name__ == "__main__":`, '
    "because each process reads the script again; or sweep with workers=0"
)
