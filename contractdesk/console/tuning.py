"""What the tuning panel does with a desk: the same verbs as a cell's, the journal's audit, and replays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from contractdesk.clock import NS_PER_S
from contractdesk.console.calls import run
from contractdesk.console.receipts import Receipt
from contractdesk.console.strategies import RUNNING, StrategyVerbs
from contractdesk.console.tables import Table, shown
from contractdesk.console.verbs import Verbs
from contractdesk.desk.changes import Change, Changes
from contractdesk.desk.session import Session
from contractdesk.domain.events import Event
from contractdesk.domain.market import timeframe_ns
from contractdesk.errors import UserError
from contractdesk.panels.tuning_face import DESK, Comparison, Running, Values
from contractdesk.risk.settings import RiskSettings, tuned
from contractdesk.storage.journal_reader import JournalReader
from contractdesk.strategy.params import plain

PANEL: Final = "person (panel)"
FEWEST_BARS: Final = 10  # a replay of fewer says nothing of a strategy
READING, FIRST = 0.2, 0.6  # shares of a rehearsal: until the tape is read, until what runs is replayed
TOLD_EVERY: Final = 500  # inputs that are read between two words of progress
_COLUMNS: Final = ("changed_time", "who", "what", "name", "was", "now")


class Tuning:
    """``desk.tuning``: callable from any thread but the desk's own."""

    def __init__(self, session: Session, verbs: Verbs, strategies: StrategyVerbs) -> None:
        self._session = session
        self._verbs = verbs
        self._strategies = strategies
        self._changes = Changes(session.paths.journal)

    # -- what runs: single reads of what the desk's loop replaces as a whole -----------------

    def running(self) -> tuple[Running, ...]:
        """Strategies that run, with their declared parameters."""
        rows = [row for row in self._session.snapshot.strategies if row.status == RUNNING]
        hosted, classes = self._session.state.strategies, self._session.classes
        return tuple(
            Running(
                strategy_id=row.strategy_id,
                class_name=row.class_name,
                symbols=row.symbols,
                timeframe=row.timeframe,
                declared=classes[hosted[row.strategy_id].source_hash].declared(),
                params=row.params,
            )
            for row in rows
        )

    def risk(self) -> RiskSettings:
        """The limits in force."""
        return self._session.state.risk

    # -- changing --------------------------------------------------------------------------

    def check(self, owner: str, changes: Values) -> None:
        """ConfigError where the values do not go together with those in force."""
        if owner == DESK:
            tuned(self.risk(), changes)
            return
        row = self._running(owner)
        cls = self._session.classes[self._session.state.strategies[owner].source_hash]
        cls(list(row.symbols), row.timeframe, **{**row.params, **changes})

    def apply(self, owner: str, changes: Values, expected: Values) -> Receipt:
        """Tune, as ``desk.tune`` and ``desk.risk.tune`` do; UserError where ``expected`` does not run."""
        return run(self._session, self._apply(owner, dict(changes), expected), "tune")

    async def _apply(self, owner: str, changes: dict[str, Any], expected: Values) -> Receipt:
        runs = _plain_settings(self.risk()) if owner == DESK else self._strategies.row(owner).params
        for name, value in expected.items():
            if runs.get(name) != value:
                raise UserError(
                    f"{name} is {shown(runs.get(name))} by now, not {shown(value)}: it was changed elsewhere"
                )
        if owner == DESK:
            return await self._verbs.tune_risk(changes, PANEL)
        return await self._strategies.tune(owner, changes, PANEL)

    # -- what was changed ------------------------------------------------------------------

    def changes(self) -> tuple[Change, ...]:
        """Every change in the desk's journal, also of earlier sessions, oldest first."""
        if self._session.alive:
            run(self._session, self._session.host.recorder.durable(), "changes")
        return self._changes.read()

    def table(self, tz: str) -> Table:
        rows = [(row.ts_ns, row.who, row.what, row.name, row.was, row.now) for row in self.changes()]
        return Table("changes", _COLUMNS, rows, tz, empty="nothing was ever changed")

    # -- what if ---------------------------------------------------------------------------

    def rehearse(
        self, hours: float, draft: Mapping[str, Values], progress: Callable[[float], None]
    ) -> Comparison:
        """Replay the last hours of this session under what runs, then under ``draft``.

        UserError where no strategy runs, or the desk has not been open for ``FEWEST_BARS`` of its bars.
        """
        from contractdesk.replay.session import read_session  # a second of import: numba, for the books
        from contractdesk.replay.trial import run_trial

        since_ns, paths = self._since(hours), self._session.paths
        until_ns = self._session.snapshot.ts_ns - 1  # what the engine has heard before is recorded
        run(self._session, self._session.host.recorder.durable(), "replay")
        reading = _Reading(since_ns, until_ns, progress)
        session = read_session(paths.journal, paths.tape, since_ns=since_ns, until_ns=until_ns, heard=reading)
        params = {row.strategy_id: row.params for row in self.running()}
        risk = _plain_settings(self.risk())
        wanted = {name: {**own, **draft.get(name, {})} for name, own in params.items()}
        return Comparison(
            asset=self._session.snapshot.asset,
            runs=run_trial(session, params=params, risk=risk, progress=_between(progress, READING, FIRST)),
            draft=run_trial(
                session,
                params=wanted,
                risk={**risk, **draft.get(DESK, {})},
                progress=_between(progress, FIRST, 1.0),
            ),
        )

    def _since(self, hours: float) -> int:
        """UTC ns; 0 for the whole session. UserError says how long to wait where that is too short."""
        frames = [row.timeframe for row in self.running()]
        if not frames:
            raise UserError("no strategy runs: start one, a replay shows what it would have done")
        slowest = max(frames, key=timeframe_ns)
        with JournalReader(self._session.paths.journal) as reader:
            opened_ns = reader.sessions()[-1].opened_ns
        now_ns, needed_ns = self._session.clock.now_ns(), FEWEST_BARS * timeframe_ns(slowest)
        if now_ns - opened_ns < needed_ns:
            raise UserError(
                f"the tape is too short: it has {_span(now_ns - opened_ns)}, and a replay needs"
                f" {FEWEST_BARS} bars of {slowest}; try again in {_span(opened_ns + needed_ns - now_ns)}"
            )
        since_ns = now_ns - int(hours * 3600 * NS_PER_S)
        return since_ns if since_ns > opened_ns else 0

    def _running(self, strategy_id: str) -> Running:
        row = next((row for row in self.running() if row.strategy_id == strategy_id), None)
        if row is None:
            raise UserError(f"{strategy_id} does not run")
        return row


class _Reading:
    """Tells how much of the tape is read."""

    def __init__(self, since_ns: int, until_ns: int, progress: Callable[[float], None]) -> None:
        self._since_ns, self._until_ns, self._progress = since_ns, until_ns, progress
        self._count = 0

    def __call__(self, event: Event) -> None:
        self._since_ns = self._since_ns or event.ts_ns
        self._count += 1
        if self._count % TOLD_EVERY == 0:
            done = (event.ts_ns - self._since_ns) / max(1, self._until_ns - self._since_ns)
            self._progress(READING * min(1.0, max(0.0, done)))


def _between(progress: Callable[[float], None], low: float, high: float) -> Callable[[float], None]:
    return lambda share: progress(low + (high - low) * min(1.0, share))


def _plain_settings(settings: RiskSettings) -> dict[str, Any]:
    return {name: plain(value) for name, value in msgspec.structs.asdict(settings).items()}


def _span(ns: int) -> str:
    """Rounded up, so that whoever waits so long has waited long enough."""
    seconds = -(-ns // NS_PER_S)
    return f"{seconds} s" if seconds < 120 else f"{-(-seconds // 60)} min"
