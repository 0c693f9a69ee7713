"""The one loop of every sweep: what is asked for and not known is run, kept, told and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from contractdesk.clock import NS_PER_S, SystemClock
from contractdesk.replay.sweep_objective import value_of
from contractdesk.replay.sweep_plan import Params, Plan
from contractdesk.replay.sweep_pool import Pool
from contractdesk.replay.sweep_record import Record
from contractdesk.replay.sweep_result import Sweep
from contractdesk.replay.sweep_search import Search
from contractdesk.replay.sweep_work import Done, Job, Row

OnResult = Callable[[dict[str, Any]], object]


class Options(Struct, frozen=True, kw_only=True):
    """How a sweep is shown, kept and judged."""

    objective: str
    folder: Path
    resume: bool
    progress: bool
    on_result: OnResult | None = None


def swept(plan: Plan, search: Search, pool: Pool, options: Options, title: str = "sweep") -> Sweep:
    """Run a search to its end; what was found until then is kept, also where this is interrupted."""
    clock = SystemClock()
    begin_ns = clock.monotonic_ns()
    with Record(options.folder, plan, resume=options.resume) as record, _bar(search, options, title) as shown:
        drive = _Drive(plan, search, pool, record, shown)
        try:
            drive.run()
        finally:
            search.end()
        return Sweep(
            plan=plan,
            names=search.names,
            objective=options.objective,
            rows=list(drive.rows.values()),
            tried=[row for row in record if row.figures is not None],
            known=drive.known,
            path=record.path,
            workers=pool.workers,
            seconds=(clock.monotonic_ns() - begin_ns) / NS_PER_S,
        )


class _Drive:
    """One search on one pool."""

    def __init__(self, plan: Plan, search: Search, pool: Pool, record: Record, shown: _Shown) -> None:
        self._plan, self._search, self._pool = plan, search, pool
        self._record, self._shown = record, shown
        self.rows: dict[str, Row] = {}  # by their parameters
        self.known = 0  # were there before

    def run(self) -> None:
        for row in self._search.begin(list(self._record)):
            self._find(row)
        room = self._pool.room if self._search.eager else self._pool.workers
        while self._fill(room):
            tag, done = self._pool.next()
            self._take(tag, done)

    def _fill(self, room: int) -> bool:
        """Ask until there is no more room; False where nothing is left to wait for."""
        while self._pool.pending < room and (asked := self._search.ask()) is not None:
            tag, params = asked
            known = self._record.get(params)
            if known is None:
                self._pool.submit(self._plan, Job(params), tag)
            else:
                self._search.tell(tag, known)
                self._find(known)
        return self._pool.pending > 0

    def _find(self, row: Row) -> None:
        self.known += 1
        self.rows[repr(row.params)] = row
        self._shown.found(row)

    def _take(self, tag: int, done: Done) -> None:
        made = done.row
        row = Row(
            params=made.params,
            figures=made.figures,
            seconds=made.seconds,
            failure=made.failure,
            lost=made.lost,
            space=self._search.space,
        )
        self._record.add(row)
        self.rows[repr(row.params)] = row
        self._search.tell(tag, row)
        self._shown.made(row)


class _Shown:
    """The progress bar, the best so far, and who else wants to hear of each result."""

    def __init__(self, bar: Any, title: str, names: tuple[str, ...], options: Options) -> None:
        self._bar, self._title, self._names, self._options = bar, title, names, options
        self._best: float | None = None
        self._failed = self._known = 0

    def found(self, row: Row) -> None:
        """A row that was known: a bar that begins there shows the speed of the others."""
        self._known += 1
        self._bar.initial = self._known
        self._bar.set_description_str(f"{self._title}, {self._known} known before", refresh=False)
        self._show(row)

    def made(self, row: Row) -> None:
        self._show(row)
        if self._options.on_result is not None:
            self._options.on_result(told(row, self._names))

    def _show(self, row: Row) -> None:
        self._failed += bool(row.failure)
        value = value_of(row, self._options.objective)
        if value is not None and (self._best is None or value > self._best):
            self._best = value
        best = "none" if self._best is None else f"{self._best:.4g}"
        self._bar.set_postfix_str(
            f"best {self._options.objective} {best}, {self._failed} failed", refresh=False
        )
        self._bar.update(1)


def told(row: Row, names: tuple[str, ...]) -> dict[str, Any]:
    """A row as a flat mapping: the parameters that vary, the figures, seconds and failure."""
    varied: Params = {name: row.params[name] for name in names}
    figures = (
        {}
        if row.figures is None
        else {name: getattr(row.figures, name) for name in row.figures.__struct_fields__}
    )
    return {**varied, **figures, "seconds": row.seconds, "failure": row.failure}


@contextmanager
def _bar(search: Search, options: Options, title: str) -> Iterator[_Shown]:
    from tqdm.auto import tqdm

    with tqdm(total=search.total, desc=title, unit=" runs", disable=not options.progress) as bar:
        yield _Shown(bar, title, search.names, options)
