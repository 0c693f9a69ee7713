"""One run of a sweep, as a worker does it; what it has decoded is kept for the next one.

Nothing leaves here but a ``Done``: whatever a combination raises is its own row's to tell.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock

import numpy as np
from msgspec import Struct

from contractdesk.clock import NS_PER_S, SystemClock
from contractdesk.errors import StorageError
from contractdesk.replay.result import Result
from contractdesk.replay.run import Market, books_of, market_of, replay, setup_of, ticks_of
from contractdesk.replay.sweeps.figures import Curve, Figures, figures_of
from contractdesk.replay.sweeps.plan import FileId, Params, Plan, files_of
from contractdesk.replay.ticks import Ticks

TICK_BYTES = 40  # five columns of int64
MB = 1 << 20
FAILURE_CHARS = 300
HOST_FAILURES = (OSError, StorageError, MemoryError)  # say nothing of the combination


class Job(Struct, frozen=True):
    """One run: all parameters, and what is wanted of it."""

    params: Params
    since_ns: int = 0  # figures are of the part from here on
    curve: bool = False  # the equity is wanted too


class Row(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one run; ``figures`` are there where ``failure`` is empty."""

    params: Params
    figures: Figures | None = None
    seconds: float = 0.0
    failure: str = ""
    lost: bool = False  # its worker died, or its host failed: no fault of its own, it is run again next time
    space: str = ""  # of the search that asked for it, "" of a grid


class Done(Struct, frozen=True):
    row: Row
    curve: Curve | None = None


def work(plan: Plan, job: Job) -> Done:
    """Run one combination; never raises but for KeyboardInterrupt and the like."""
    clock = SystemClock()
    begin_ns = clock.monotonic_ns()
    lost = False
    try:
        result = _run(plan, job)
        figures = figures_of(result, job.since_ns)
        curve = Curve.of(result, job.since_ns) if job.curve else None
        failure = _disabled(result)
    except Exception as exc:  # a combination that fails is a row that says why
        figures, curve = None, None
        failure = f"{type(exc).__name__}: {exc}"[:FAILURE_CHARS]
        lost = isinstance(exc, HOST_FAILURES)
    seconds = (clock.monotonic_ns() - begin_ns) / NS_PER_S
    row = Row(
        params=job.params,
        figures=None if failure else figures,
        seconds=seconds,
        failure=failure,
        lost=lost,
    )
    return Done(row, None if failure else curve)


def _run(plan: Plan, job: Job) -> Result:
    strategy = plan.strategy(job.params)
    market, ticks = _SHELF.get(plan)
    setup = setup_of(
        market, strategy, balance=plan.balance, leverage=plan.leverage, risk=plan.risk, models=plan.models
    )
    batches = iter((ticks,)) if ticks is not None else ticks_of(market, plan.models)
    return replay(setup, batches, recorded=books_of(market, plan.models))


def _disabled(result: Result) -> str:
    """Why the engine has stopped calling the strategy; a run that went on without it shows nothing."""
    told = [notice.message for _, notice in result.outcome.notices if notice.code == "strategy_disabled"]
    return told[0][:FAILURE_CHARS] if told else ""


class Shelf:
    """Decoded recordings of this process, the least recently used given up where memory is short.

    A recording that is larger than the limit is read anew for each run, in batches.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Market, Ticks | None]] = OrderedDict()
        self._lock = Lock()  # a worker may have several threads
        self.decoded = 0  # how often files were read

    def get(self, plan: Plan) -> tuple[Market, Ticks | None]:
        """The market and its ticks as one batch; None in their place where they are too many to keep."""
        key = plan.market_key
        with self._lock:
            if key not in self._kept:
                _same_files(plan)
                market = market_of(plan.data, plan.contracts)
                rows = sum(file.rows for each in market.trades for file in each.files())
                fits = rows * TICK_BYTES <= plan.memory_mb * MB
                self._make_room(plan.memory_mb * MB - rows * TICK_BYTES if fits else plan.memory_mb * MB)
                self._kept[key] = market, _joined(ticks_of(market, plan.models), rows) if fits else None
                self.decoded += 1
            self._kept.move_to_end(key)
            return self._kept[key]

    def _make_room(self, limit: int) -> None:
        """Give up until no more than ``limit`` bytes are kept."""
        while self._kept and sum(len(t) * TICK_BYTES for _, t in self._kept.values() if t) > limit:
            self._kept.popitem(last=False)


_SHELF = Shelf()


def _joined(batches: Iterator[Ticks], most: int) -> Ticks:
    """All batches as one, of at most ``most`` rows, without ever holding them twice."""
    columns = [np.empty(most, dtype=np.int64) for _ in range(5)]
    end = 0
    for batch in batches:
        begin, end = end, end + len(batch)
        parts = (batch.ts_ns, batch.heard_ns, batch.ticks, batch.lots, batch.which)
        for column, part in zip(columns, parts, strict=True):
            column[begin:end] = part
    return Ticks(*(column[:end] for column in columns))


def _same_files(plan: Plan) -> None:
    """The worker's store must be the caller's: the same names and sizes."""
    try:
        here = [_identity(each) for each in files_of(plan.data)]
    except OSError as exc:
        raise StorageError(f"this worker cannot read the data: {exc}") from exc
    if here != [_identity(each) for each in plan.files]:
        raise StorageError(
            f"this worker sees other files under {plan.data[0].root} than the caller does: "
            "share that folder with it, or copy it there; and do not import while a sweep runs"
        )


def _identity(file: FileId) -> tuple[str, int]:
    return file.name, file.size  # a copy on another host has its own time of modification
