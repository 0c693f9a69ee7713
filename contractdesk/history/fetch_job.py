"""One fetch, from the venue's pages to the store: what was told is stored day by day, whatever ends it.

It runs on a loop of its own in a thread of its own, so that it works beside a notebook's loop, and an
interrupt of the caller reaches it between two pages and never within a write.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import timeframe_ns
from contractdesk.errors import UserError, VenueError
from contractdesk.history.checker import HOLE_S, Checker
from contractdesk.history.coverage import Coverage, sole_fetcher, without
from contractdesk.history.fetch_bar import Bar
from contractdesk.history.fetched_rows import Rows, pages, refuse_off_grid
from contractdesk.history.findings import Finding, FindingKind, Severity, told_time
from contractdesk.history.importing import make_report
from contractdesk.history.raw import Rules
from contractdesk.history.report import Report
from contractdesk.storage.dataset import Dataset
from contractdesk.storage.dataset_files import DAY_NS
from contractdesk.storage.dataset_writer import DatasetWriter, DayWritten
from contractdesk.storage.schema import Kind, Series
from contractdesk.storage.terms import Terms
from contractdesk.venues.past import Page, Past, Span

CHECKPOINT_ROWS = 1 << 18  # so many rows are not lost to a kill
LONGEST_SILENCE_NS = 600 * NS_PER_S  # a longer one is not waited for
FUNDING_HOLE_S = 8 * 3_600.0 + 60  # settlements are eight hours apart at most
INTEREST_HOLE_S = 300.0


class Wish(Struct, frozen=True, kw_only=True):
    """What is to be fetched, and where it goes."""

    symbol: str
    kind: Kind
    timeframe: str
    span: Span  # ``end_ns`` may lie in the future
    root: Path
    tick_size: Decimal | None = None  # of that time, where it was another than is listed now
    lot_size: Decimal | None = None
    hole_s: float = HOLE_S  # of trades
    shown: bool | None = None  # the progress bar; None: where somebody looks


class Job:
    """Done once. ``report`` is there when it got as far as asking."""

    def __init__(self, wish: Wish, past: Past, clock: Clock) -> None:
        self._wish, self._past, self._clock = wish, past, clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._bar: Bar | None = None
        self._banned_until_ns = 0
        self.stopped = False
        self.report: Report | None = None

    def run(self) -> None:
        """Fetch. UserError, VenueError or StorageError; what was told before is stored in any case."""
        try:
            asyncio.run(self._run())
        except asyncio.CancelledError:
            if not self.stopped:
                raise

    def stop(self) -> None:
        """End it at the next page; from any thread."""
        self.stopped = True
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # it has just ended
                self._loop.call_soon_threadsafe(self._task.cancel)

    async def _run(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self.stopped:
            return
        try:
            await self._past.open(self._on_silence)
            await self._fetch()
        except asyncio.CancelledError:
            if not self._banned_until_ns:
                raise
            until = told_time(self._banned_until_ns)[:19]
            raise VenueError(f"{self._past.name} wants silence until {until} UTC") from None
        finally:
            await self._past.close()

    def _on_silence(self, until_ns: int) -> None:
        if self._bar is not None:
            self._bar.say(f"{self._past.name} wants silence until {told_time(until_ns)[11:19]} UTC")
        if until_ns - self._clock.now_ns() > LONGEST_SILENCE_NS and self._task is not None:
            self._banned_until_ns = until_ns
            self._task.cancel()

    async def _fetch(self) -> None:
        wish, now_ns = self._wish, self._past.now_ns()
        instrument = self._past.find(wish.symbol)
        if wish.span.start_ns >= now_ns:
            raise UserError(
                f"{told_time(wish.span.start_ns)[:16]} lies in the future: fetch since an earlier time"
            )
        series = Series(wish.kind, self._past.name, instrument.symbol, wish.timeframe)
        wanted = Span(wish.span.start_ns, min(wish.span.end_ns, now_ns))
        with sole_fetcher(wish.root, series):
            coverage = Coverage(wish.root, series)
            missing = coverage.missing(wanted)
            total_ns = sum(each.length_ns for each in missing)
            self._bar = Bar(f"{instrument.symbol} {series.dataset}", total_ns, shown=wish.shown)
            work = _Work(wish, self._past, series, instrument, coverage, self._bar)
            try:
                work.know(without(wanted, missing))
                for span in missing:
                    await work.fetch(span)
            finally:
                self._bar.close()
                self.report = work.report()


class _Work:
    """The stretches of one series, one after another."""

    def __init__(
        self, wish: Wish, past: Past, series: Series, instrument: Instrument, coverage: Coverage, bar: Bar
    ) -> None:
        self._wish, self._past, self._series, self._instrument = wish, past, series, instrument
        self._coverage, self._bar = coverage, bar
        self._terms = _terms(instrument, wish)
        self._checker = Checker(series, self._terms, _hole_s(series, wish.hole_s))
        self._days: dict[str, DayWritten] = {}
        self._stored_before: list[Span] = []

    def know(self, spans: list[Span]) -> None:
        """Tell the checks what is stored of these stretches, so that no gap is seen where none is."""
        self._stored_before = spans
        numbered = self._series.kind is Kind.AGG_TRADES
        columns = ["venue_ns", *(["trade_id"] if numbered else [])]
        for span in spans:
            stored = Dataset(
                root=self._wish.root, series=self._series, start_ns=span.start_ns, end_ns=span.end_ns
            )
            for part in stored.scan(columns):
                times = part.data["venue_ns"].to_numpy().astype(np.int64)
                self._checker.know(part.data["trade_id"].to_numpy() if numbered else None, times)

    async def fetch(self, span: Span) -> None:
        """One stretch; whatever ends it, what was told of it is stored."""
        name = f"{told_time(span.start_ns)[:16]} to {told_time(span.end_ns)[:16]}"
        source = self._checker.open(name, Rules(format=f"{self._past.name} REST"), span.start_ns)
        rows, at_ns, reached_ns = Rows(self._series), span.start_ns, 0
        with DatasetWriter(self._wish.root, self._series, self._terms) as writer:
            store = _Store(writer, self._coverage, self._days)
            try:
                async for page in pages(self._past, self._series, self._instrument, span):
                    raw = rows.of(page)
                    refuse_off_grid(raw, self._terms)
                    store.take(self._checker.judge(source, raw).stored, page)
                    self._bar.advance(page.covered.end_ns - at_ns, len(page.rows), page.covered.end_ns)
                    at_ns = reached_ns = page.covered.end_ns
                self._bar.advance(span.end_ns - at_ns, 0, span.end_ns)  # what is too fresh to be told
            finally:
                store.commit()
                self._checker.close(source, reached_ns)

    def report(self) -> Report:
        """Of what was done so far, written beside the data."""
        source = f"REST since {told_time(self._wish.span.start_ns)[:16]}"
        told = (source,), (f"{self._past.name} REST",)
        days = tuple(self._days[day] for day in sorted(self._days))
        stated = self._wish.tick_size or self._wish.lot_size
        terms_from = "the given tick and lot size" if stated else "the venue's listing"
        made = make_report(self._series, self._terms, terms_from, told, self._checker, days)
        found = (*made.findings, *(_stored_before(each) for each in self._stored_before))
        report = Report(
            **{name: getattr(made, name) for name in made.__struct_fields__} | {"findings": found}
        )
        report.write(self._wish.root)
        return report


class _Store:
    """Writes at each new day, and notes only then what is covered."""

    def __init__(self, writer: DatasetWriter, coverage: Coverage, days: dict[str, DayWritten]) -> None:
        self._writer, self._coverage, self._days = writer, coverage, days
        self._waiting: Span | None = None  # told, and not committed yet
        self._rows = 0

    def take(self, rows: object, page: Page[object]) -> None:
        self._writer.append(rows)
        self._rows += len(page.rows)
        begun_ns = page.covered.start_ns if self._waiting is None else self._waiting.start_ns
        self._waiting = Span(begun_ns, page.covered.end_ns)
        days = self._waiting.end_ns // DAY_NS - begun_ns // DAY_NS
        if days or self._rows >= CHECKPOINT_ROWS:
            self.commit()

    def commit(self) -> None:
        if self._waiting is None:
            return
        written = self._writer.commit()
        self._coverage.note(self._waiting, written)
        for each in written:
            before = self._days.get(each.day)
            self._days[each.day] = each if before is None else _both(before, each)
        self._waiting, self._rows = None, 0


def _terms(instrument: Instrument, wish: Wish) -> Terms:
    """What the venue lists, but for what was stated."""
    listed = Terms.of(instrument)
    return replace(
        listed, tick_size=wish.tick_size or listed.tick_size, lot_size=wish.lot_size or listed.lot_size
    )


def _both(before: DayWritten, after: DayWritten) -> DayWritten:
    return DayWritten(
        day=after.day,
        rows=after.rows,
        added=before.added + after.added,
        changed=before.changed or after.changed,
        path=after.path,
    )


def _hole_s(series: Series, of_trades_s: float) -> float:
    """How long nothing may be heard: regular series have a row each time."""
    match series.kind:
        case Kind.CANDLES:
            return timeframe_ns(series.timeframe) / NS_PER_S
        case Kind.FUNDING:
            return FUNDING_HOLE_S
        case Kind.OPEN_INTEREST:
            return INTEREST_HOLE_S
        case _:
            return of_trades_s


def _stored_before(span: Span) -> Finding:
    told = (
        f"{told_time(span.start_ns)[:19]} to {told_time(span.end_ns)[:19]} is stored, and was not asked for"
    )
    return Finding(
        kind=FindingKind.STORED_BEFORE, severity=Severity.NOTE, source="", count=1, example=told,
        first_ns=span.start_ns, last_ns=span.end_ns,
    )  # fmt: skip
