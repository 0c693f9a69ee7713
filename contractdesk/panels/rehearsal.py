"""The replay of a draft, in a thread of its own: how far it is, what it found, or why there is none."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import tzinfo
from decimal import Decimal
from enum import Enum
from typing import Any

from contractdesk.errors import ContractdeskError
from contractdesk.panels import formats
from contractdesk.panels.grid import Cell, Column, Grid, Tone, html_grid
from contractdesk.panels.tuning_face import Comparison, Tuner, Values
from contractdesk.replay.trial import Trial


class Phase(Enum):
    IDLE = "idle"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Cancelled(Exception):
    """The person has changed their mind."""


class Rehearsal:
    """At most one replay at a time. Read by the pump, started and cancelled by clicks."""

    def __init__(self, tuner: Tuner, zone: tzinfo) -> None:
        self._tuner = tuner
        self._zone = zone
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._phase = Phase.IDLE
        self._share = 0.0
        self._text = ""
        self._html = ""
        self.revision = -1  # of the draft that the last one was for

    def start(self, hours: float, draft: Mapping[str, Values], revision: int) -> None:
        """Begin, unless one runs."""
        with self._lock:
            if self._phase is Phase.RUNNING:
                return
            self._ending.clear()
            self._phase, self._share, self._html = Phase.RUNNING, 0.0, ""
            self._text, self.revision = "reading the tape", revision
        work = threading.Thread(
            target=self._run, args=(hours, draft), name="contractdesk-rehearsal", daemon=True
        )
        work.start()

    def cancel(self) -> None:
        """It ends at its next word of progress."""
        self._ending.set()

    def view(self, revision: int) -> dict[str, Any]:
        """For the panel: phase, share 0..1, a sentence, and a table as HTML."""
        with self._lock:  # the sentence and the phase it belongs to
            phase, share, text, html = self._phase, self._share, self._text, self._html
            old = phase is Phase.DONE and self.revision != revision
        return {
            "phase": phase.value,
            "share": share,
            "text": f"{text}; of an earlier draft" if old else text,
            "html": html,
        }

    def _run(self, hours: float, draft: Mapping[str, Values]) -> None:
        try:
            found = self._tuner.rehearse(hours, draft, self._progress)
        except Cancelled:
            self._end(Phase.IDLE, "cancelled")
        except ContractdeskError as error:
            self._end(Phase.FAILED, str(error))
        except Exception as error:  # a strategy's own, for one: the person must see it
            self._end(Phase.FAILED, f"the replay failed: {error!r}")
        else:
            self._end(Phase.DONE, _span(found.runs, self._zone), html_grid(grid_of(found)))

    def _progress(self, share: float) -> None:
        if self._ending.is_set():
            raise Cancelled
        with self._lock:
            self._share = round(share, 2)
            self._text = "reading the tape" if share < 0.2 else "replaying"

    def _end(self, phase: Phase, text: str, html: str = "") -> None:
        with self._lock:
            self._phase, self._text, self._html = phase, text, html


def grid_of(found: Comparison) -> Grid:
    """What runs and the draft side by side."""
    places, asset = formats.cash_places(found.asset), found.asset
    runs, draft = found.runs, found.draft
    rows = [
        _row(f"Profit, {asset}", runs.profit, draft.profit, lambda value: formats.signed(value, places)),
        _row("Drawdown", runs.drawdown, draft.drawdown, lambda value: formats.percent(value, 2)),
        _row("Entries", runs.entries, draft.entries),
        _row("Fills", runs.fills, draft.fills),
        _row("Round trips", runs.round_trips, draft.round_trips),
        _row(f"Fees, {asset}", runs.fees, draft.fees, lambda value: formats.fixed(value, places), less=True),
        _row("Refusals", sum(runs.refusals.values()), sum(draft.refusals.values())),
        *(
            _row(f"\u2003{rule.replace('_', ' ')}", runs.refusals.get(rule, 0), draft.refusals.get(rule, 0))
            for rule in {**runs.refusals, **draft.refusals}
        ),
        _row("Held at the end", runs.held, draft.held),
    ]
    columns = (Column("Replayed", wide=True), *(Column(t, numeric=True) for t in ("Runs", "Draft", "Change")))
    return Grid(name="rehearsal", title="Replay", columns=columns, rows=tuple(rows), total=len(rows))


def _row(
    title: str,
    runs: Decimal | int,
    draft: Decimal | int,
    show: Any = str,
    *,
    less: bool = False,
) -> tuple[Cell, ...]:
    """``less``: less of it is better. Colour says so for money; of a count nobody can tell."""
    change = draft - runs
    money = isinstance(change, Decimal)
    said = show(change) if money else formats.signed(Decimal(change), 0)
    if not said.strip("0., %\u2212+"):  # too small to be shown
        return (Cell(title), Cell(show(runs)), Cell(show(draft)), Cell(formats.NONE, Tone.MUTED))
    better = (change < 0) is less
    tone = Tone.MUTED if not money else Tone.GAIN if better else Tone.LOSS
    plus = "+" if change > 0 and not said.startswith("+") else ""
    return (Cell(title), Cell(show(runs)), Cell(show(draft)), Cell(plus + said, tone))


def _span(trial: Trial, zone: tzinfo) -> str:
    start, end = formats.clock(trial.start_ns, zone), formats.clock(trial.end_ns, zone)
    length = formats.duration((trial.end_ns - trial.start_ns) / 1e6)
    hole = "; the tape has a hole, and was replayed up to it" if trial.cut else ""
    return f"{start} to {end} {formats.suffix(trial.end_ns, zone)}, {length}{hole}"
