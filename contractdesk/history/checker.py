"""The integrity checks of an import: a stream of rows goes in, what can be stored comes out.

Everything else is named: gaps, duplicates, impossible prices and sizes, clocks that leap, types that are
none, holes and empty days. Memory is bounded, whatever the length of the recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import numpy as np

from contractdesk.domain.market import NS_PER_S
from contractdesk.history.clocks import APART_NS, ClockWatch, Offset
from contractdesk.history.findings import (
    MOST_QUARANTINED,
    Finding,
    FindingKind,
    Quarantined,
    Severity,
    Tally,
    told_time,
)
from contractdesk.history.ids import Gap, IdRanges, ScatteredIds
from contractdesk.history.judging import Judge, Verdict
from contractdesk.history.raw import Corrupt, Raw, Rules
from contractdesk.storage.dataset_files import DAY_NS, day_of
from contractdesk.storage.grid import Ints, Mask
from contractdesk.storage.schema import DepthFlag, Kind, Series
from contractdesk.storage.terms import Terms

HOLE_S = 300.0
STORED = "the store"  # what findings between sources and stored rows are told of
_NUMBERED = (Kind.TRADES, Kind.AGG_TRADES)


class Checker:
    """Of one import: sources in the order of time, each as a stream of Raw."""

    def __init__(self, series: Series, terms: Terms, hole_s: float = HOLE_S) -> None:
        """``hole_s``: a silence that is longer is a finding."""
        self._series, self._judge = series, Judge(series, terms)
        self._hole_ns = int(hole_s * NS_PER_S)
        self._names: list[str] = []
        self._findings: list[Finding] = []
        self._ids = IdRanges()
        self._days: set[int] = set()
        self.quarantined: list[Quarantined] = []
        self.offsets: list[tuple[str, Offset]] = []
        self.rows_read = 0
        self.rows_refused = 0

    def check(self, name: str, rules: Rules, raws: Iterator[Raw]) -> Iterator[Verdict]:
        """The judged rows of a source, batch by batch; its findings are complete at the end."""
        source = self.open(name, rules)
        before = self.rows_read
        for raw in raws:
            yield self.judge(source, raw)
        if self.rows_read == before:
            source.tally.add(FindingKind.NO_ROW, Severity.WARNING, f"it holds no {self._series}")
        self.close(source)

    def open(self, name: str, rules: Rules, from_ns: int = 0) -> SourceChecks:
        """A source whose rows are not at hand yet: ``judge`` them as they come, then ``close`` it.

        A silence that begins at ``from_ns``, where it is given, is one as well.
        """
        self._names.append(name)
        return SourceChecks(self._series, rules, Tally(name), self._hole_ns, from_ns)

    def judge(self, source: SourceChecks, raw: Raw) -> Verdict:
        """The next rows of the source that was opened last."""
        verdict = self._judge.judge(raw, source.duplicates(raw))
        self._note_ids(verdict, source.rules)
        self._refuse(verdict, source.tally, source.name)
        source.see(verdict)
        self._days |= set((source.times(verdict)[verdict.kept] // DAY_NS).tolist())
        return verdict

    def close(self, source: SourceChecks, until_ns: int = 0) -> None:
        """No more rows come, and the source was to have all of them up to ``until_ns``, where it is given."""
        offset = source.finish(until_ns)
        if offset is not None:
            self.offsets.append((source.name, offset))
        self._findings += source.tally.findings()

    def know(self, ids: Ints | None, venue_ns: Ints) -> None:
        """Rows that the store has already: what they hold is not missing between the sources."""
        if STORED not in self._names:
            self._names.append(STORED)
        if ids is not None:
            none = np.zeros(len(ids), dtype=np.int64)  # they are no rows of a source
            self._ids.add(ids, none, venue_ns, self._names.index(STORED))
        self._days |= set((venue_ns // DAY_NS).tolist())

    def findings(self) -> list[Finding]:
        """Of all sources; gaps and empty days are known at the end only."""
        told = Tally(self._names[0] if self._names else "")
        for day in self._empty_days():
            told.add(FindingKind.EMPTY_DAY, Severity.WARNING, f"no row on {day}")
        return [*self._findings, *self._gap_findings(), *told.findings()]

    def _note_ids(self, verdict: Verdict, rules: Rules) -> None:
        """Refused rows have an id as well: they leave no gap. Those without a sound one do not count."""
        if self._series.kind not in _NUMBERED or not rules.ids_ascend:
            return
        raw = verdict.raw
        sound = ~verdict.reasons.get(FindingKind.CORRUPTED, np.zeros(len(raw), dtype=bool))
        ids, ns = raw.columns["trade_id"][sound], raw.columns["venue_ns"][sound]
        self._ids.add(ids, raw.rows[sound], ns, len(self._names) - 1)

    def _gap_findings(self) -> list[Finding]:
        tallies = [Tally(name) for name in self._names]
        for gap in self._ids.gaps():
            place = (gap.row, gap.row), (gap.ns, gap.ns)
            tallies[gap.source].add(
                FindingKind.ID_GAP, Severity.WARNING, _told_gap(gap), rows=place[0], times=place[1]
            )
        return [finding for tally in tallies for finding in tally.findings()]

    def _refuse(self, verdict: Verdict, tally: Tally, name: str) -> None:
        raw = verdict.raw
        lines = [cell for cell in raw.corrupt if cell.column == "line"]
        self.rows_read += len(raw) + len(lines)
        refused = np.flatnonzero(~verdict.kept)
        self.rows_refused += len(refused) + len(lines)
        cells = {cell.row: cell for cell in raw.corrupt}
        for place in refused[: max(0, MOST_QUARANTINED - len(self.quarantined))]:
            row, text = int(raw.rows[place]), verdict.text_of(int(place))
            if cell := cells.get(row):
                text = f"{cell.column}={cell.text!r} {text}"
            self.quarantined.append(Quarantined(name, row, verdict.reasons_of(int(place)), text))
        self.quarantined += [
            Quarantined(name, line.row, (FindingKind.CORRUPTED,), line.text)
            for line in lines[: max(0, MOST_QUARANTINED - len(self.quarantined))]
        ]
        _tally_refused(verdict, tally, lines)

    def _empty_days(self) -> list[str]:
        return [
            (day_of(before * DAY_NS) + timedelta(days=missing)).isoformat()
            for before, after in pairwise(sorted(self._days))
            for missing in range(1, min(after - before, 4_000))
        ]


class SourceChecks:
    """What is checked along one source: the order of time, silences, clocks, chains of messages."""

    def __init__(self, series: Series, rules: Rules, tally: Tally, hole_ns: int, from_ns: int) -> None:
        self._series, self.rules, self.tally = series, rules, tally
        self._hole_ns = hole_ns
        self._latest = from_ns
        self._chain = 0  # the id that the next message must name
        self._clock = ClockWatch()
        self._ascending, self._scattered = IdRanges(), ScatteredIds()

    @property
    def name(self) -> str:
        return self.tally.source

    def times(self, verdict: Verdict) -> Ints:
        times: Ints = verdict.raw.columns[self._series.shape.time]
        return times

    def duplicates(self, raw: Raw) -> Mask:
        """Rows that repeat an id of this source."""
        if self._series.kind not in _NUMBERED or not len(raw):
            return np.zeros(len(raw), dtype=bool)
        ids = raw.columns["trade_id"]
        sound = ~np.isin(raw.rows, [cell.row for cell in raw.corrupt])
        known = np.zeros(len(raw), dtype=bool)
        if self.rules.ids_ascend:
            known[sound] = self._ascending.add(ids[sound], raw.rows[sound], ids[sound])
        else:
            known[sound] = self._scattered.add(ids[sound])
        return known

    def see(self, verdict: Verdict) -> None:
        """Look along the rows that are stored."""
        raw, kept = verdict.raw, verdict.kept
        for what, count in raw.left_out:
            self.tally.add(FindingKind.LEFT_OUT, Severity.NOTE, what, count=count)
        for where in raw.torn:
            self.tally.add(FindingKind.TORN_END, Severity.WARNING, where)
        for word, mask in verdict.types.items():
            _add(self.tally, FindingKind.FOREIGN_TYPE, Severity.NOTE, verdict, mask & kept, f"type {word}")
        if not bool(kept.any()):
            return
        self._order(raw.rows[kept], self.times(verdict)[kept])
        local = raw.columns.get("local_ns")
        if local is not None:
            venue = raw.event_ns if raw.event_ns is not None else raw.columns["venue_ns"]
            self._clock.add(raw.rows[kept], venue[kept], local[kept])
        if self._series.kind is Kind.AGG_TRADES and "last_id" in raw.columns:
            self._within(verdict)
        if self.rules.chained and self._series.kind is Kind.DEPTH:
            self._links(verdict)

    def finish(self, until_ns: int = 0) -> Offset | None:
        if until_ns - self._latest > self._hole_ns:
            self._hole(self._latest, until_ns, 0)
        offset = self._clock.finish()
        for jump in self._clock.jumps:
            by = f"local - venue time leaps by {jump.by_ns / 1e6:+.0f} ms at row {jump.row}"
            self.tally.add(
                FindingKind.CLOCK_JUMP, Severity.WARNING, by, rows=(jump.row,) * 2, times=(jump.ns,) * 2
            )
        if offset is not None and abs(offset.median_ms) * 1e6 > APART_NS:
            where = "behind" if offset.median_ms < 0 else "ahead of"
            told = f"the local clock is {abs(offset.median_ms) / 1e3:.2f} s {where} the venue's"
            self.tally.add(FindingKind.CLOCK_OFFSET, Severity.NOTE, told)
        return offset

    def _order(self, rows: Ints, times: Ints) -> None:
        peaks = np.maximum.accumulate(np.concatenate([[self._latest], times]))
        late = np.flatnonzero(times < peaks[:-1])
        if len(late):
            at = int(late[0])
            back = f"row {rows[at]} goes back by {(peaks[at] - times[at]) / 1e6:.3f} ms"
            self.tally.add(
                FindingKind.OUT_OF_ORDER,
                Severity.WARNING,
                back,
                count=len(late),
                rows=(int(rows[at]), int(rows[late[-1]])),
                times=(int(times[at]), int(times[late[-1]])),
            )
        steps = np.diff(peaks)
        for at in np.flatnonzero((steps > self._hole_ns) & (peaks[:-1] > 0)).tolist():
            self._hole(int(peaks[at]), int(times[at]), int(rows[at]))
        self._latest = int(peaks[-1])

    def _hole(self, after_ns: int, until_ns: int, row: int) -> None:
        silence = f"nothing for {(until_ns - after_ns) / NS_PER_S:.0f} s after {told_time(after_ns)}"
        self.tally.add(
            FindingKind.HOLE, Severity.WARNING, silence, rows=(row, row), times=(after_ns, until_ns)
        )

    def _within(self, verdict: Verdict) -> None:
        """The prints within the aggregates: each one's first follows the last of the one before."""
        raw, kept = verdict.raw, verdict.kept
        first, last = raw.columns["first_id"][kept], raw.columns["last_id"][kept]
        before = np.concatenate([[self._chain], last[:-1]])
        broken = (first > before + 1) & (before > 0)
        for at in np.flatnonzero(broken):
            row, ns = int(raw.rows[kept][at]), int(raw.columns["venue_ns"][kept][at])
            told = f"{first[at] - before[at] - 1} prints before {first[at]} are in no aggregate"
            self.tally.add(FindingKind.UNAGGREGATED, Severity.NOTE, told, rows=(row, row), times=(ns, ns))
        self._chain = int(last[-1])

    def _links(self, verdict: Verdict) -> None:
        """Messages of depth: each names the last one's id."""
        raw = verdict.raw
        heads = raw.columns["level"] == 0  # a refused level breaks no chain
        previous, last = raw.columns["previous_id"][heads], raw.columns["last_id"][heads]
        snapshot = (raw.columns["flags"][heads] & DepthFlag.SNAPSHOT) != 0
        for at in range(len(last)):
            if snapshot[at]:
                continue
            if self._chain and previous[at] != self._chain:
                row, ns = int(raw.rows[heads][at]), int(raw.columns["venue_ns"][heads][at])
                told = f"message {last[at]} follows {previous[at]}, and {self._chain} was the last one"
                self.tally.add(FindingKind.ID_GAP, Severity.WARNING, told, rows=(row, row), times=(ns, ns))
            self._chain = int(last[at])


def _add(
    tally: Tally, kind: FindingKind, severity: Severity, verdict: Verdict, mask: Mask, example: str
) -> None:
    places = np.flatnonzero(mask)
    if not len(places):
        return
    rows, times = verdict.raw.rows[places], verdict.raw.columns["venue_ns"][places]
    sound = times[times > 0]
    span = (int(sound.min()), int(sound.max())) if len(sound) else (0, 0)
    tally.add(kind, severity, example, count=len(places), rows=(int(rows[0]), int(rows[-1])), times=span)


def _tally_refused(verdict: Verdict, tally: Tally, lines: list[Corrupt]) -> None:
    cells = [cell for cell in verdict.raw.corrupt if cell.column != "line"]
    for kind, mask in verdict.reasons.items():
        place = int(np.flatnonzero(mask)[0])
        example = f"row {verdict.raw.rows[place]}: {verdict.text_of(place)}"
        if kind is FindingKind.CORRUPTED and cells:
            example = f"row {cells[0].row}: {cells[0].column} is {cells[0].text!r}"
        _add(tally, kind, Severity.REFUSED, verdict, mask, example)
    for line in lines:
        told = f"line {line.row} is {line.text[:80]!r}"
        tally.add(FindingKind.CORRUPTED, Severity.REFUSED, told, rows=(line.row, line.row))


def _told_gap(gap: Gap) -> str:
    missing = f"{gap.first} is" if gap.missing == 1 else f"{gap.first} to {gap.last} ({gap.missing}) are"
    return f"{missing} missing before {f'row {gap.row}' if gap.row else told_time(gap.ns)}"
