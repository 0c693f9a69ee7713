"""History by REST: asked of the venue once, checked, stored, and gone on with where it stopped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from contractdesk.clock import Clock, SystemClock
from contractdesk.domain.market import timeframe_ns
from contractdesk.errors import ContractdeskError, UserError, VenueError
from contractdesk.history.checker import HOLE_S
from contractdesk.history.fetch_job import Job, Wish
from contractdesk.history.fetched_rows import FETCHED
from contractdesk.history.importing import Number, series_of
from contractdesk.history.loading import When, to_ns
from contractdesk.history.paths import history_root
from contractdesk.history.report import Report
from contractdesk.storage.dataset import EVER
from contractdesk.storage.grid import Grid
from contractdesk.storage.schema import Kind, Series
from contractdesk.venues.past import Past, Span
from contractdesk.venues.pasts import past_of

GO_ON = "fetch the same again to go on"
NOT_FETCHED = {
    Kind.MARKS: "a venue tells candles of past marks only, for which the store has no place",
    Kind.QUOTES: "no venue tells them afterwards",
    Kind.DEPTH: "no venue tells it afterwards",
    Kind.LIQUIDATIONS: "no venue tells them afterwards",
}


class FetchStopped(KeyboardInterrupt):
    """An interrupted fetch; what it had been told is stored. ``report`` is None where it was nothing yet."""

    def __init__(self, report: Report | None) -> None:
        rows = 0 if report is None else report.rows_added
        super().__init__(f"stopped: {rows:,} new rows are stored; {GO_ON}")
        self.report = report


def fetch(
    symbol: str,
    *,
    since: When,
    until: When = None,
    venue: str = "binance",
    kind: str = "trades",
    timeframe: str = "",
    root: str | Path | None = None,
    base_url: str | None = None,
    tick: Number | None = None,
    lot: Number | None = None,
    hole_s: float = HOLE_S,
    progress: bool | None = None,
    clock: Clock | None = None,
) -> Report:
    """Read a venue's past over REST from ``since`` (included) to ``until`` (not; None: now) into the store.

    ``kind``: ``trades`` (aggregated ones, stored as ``agg_trades``), ``candles`` (of ``timeframe``, 1m),
    ``funding`` or ``open_interest`` (of five minutes; the venue keeps a month). What was fetched before is
    not asked for again, and the same fetch once more changes nothing. The report names gaps and silences
    (of trades: longer than ``hole_s``), and is written beside the data. ``tick`` and ``lot`` are those of
    that time, where the venue lists others now. ``base_url``: another place that speaks the venue's
    protocol. ``progress``: a bar; None shows it on a terminal and in a notebook.

    An interrupt raises FetchStopped once everything that had come is stored. UserError where it cannot be
    done as asked; VenueError where the venue does not answer (what had come is stored); StorageError
    where the disk refuses.
    """
    clock = clock or SystemClock()
    series = _series(venue, symbol, kind, timeframe)
    wish = Wish(
        symbol=symbol, kind=series.kind, timeframe=series.timeframe, span=_span(since, until, clock),
        root=history_root(root), tick_size=_step("tick", tick), lot_size=_step("lot", lot), hole_s=hole_s,
        shown=progress,
    )  # fmt: skip
    past = past_of(venue, symbol, clock, base_url)
    if wish.timeframe and wish.timeframe not in past.timeframes:
        raise UserError(f"{venue} has no candles of {wish.timeframe!r}; it has {', '.join(_by_length(past))}")
    return _done(Job(wish, past, clock))


def _done(job: Job) -> Report:
    """Run it in a thread of its own, which an interrupt of ours asks to stop, and waits for."""
    pool = ThreadPoolExecutor(1, "contractdesk-fetch")
    running = pool.submit(job.run)
    pool.shutdown(wait=False)
    try:
        running.result()
    except KeyboardInterrupt:
        job.stop()
        running.result()
        raise FetchStopped(job.report) from None
    except VenueError as failure:
        kept = 0 if job.report is None else job.report.rows_added
        raise VenueError(f"{failure}; {kept:,} new rows are stored, {GO_ON}") from failure
    if job.report is None:
        raise ContractdeskError("the fetch ended before it began")
    return job.report


def _series(venue: str, symbol: str, kind: str, timeframe: str) -> Series:
    """What is to be fetched, under the name that was given; UserError for what no venue tells afterwards."""
    word = {"trades": "agg_trades"}.get(kind, kind)
    if word == Kind.CANDLES.value and not timeframe:
        timeframe = "1m"
    series = series_of(venue, symbol, word, timeframe)
    if series.kind not in FETCHED:
        can = ", ".join(["trades", *(each.value for each in FETCHED if each is not Kind.AGG_TRADES)])
        raise UserError(f"{kind} cannot be fetched: {NOT_FETCHED[series.kind]}; {can} can, by REST")
    return series


def _step(name: str, stated: Number | None) -> Decimal | None:
    if stated is None:
        return None
    try:
        step = Decimal(str(stated))
        Grid(step)
    except (ValueError, TypeError, ArithmeticError) as exc:
        raise UserError(f"{name} {stated}: it must be a positive number, such as 0.01") from exc
    return step


def _span(since: When, until: When, clock: Clock) -> Span:
    """UserError for one that is empty, or has not begun."""
    span = Span(to_ns(since), to_ns(until, EVER))
    if since is None:
        raise UserError("since when? give an ISO date such as 2026-11-01, or a datetime")
    if span.start_ns >= clock.now_ns():
        raise UserError(f"since {since} lies in the future: give an earlier time")
    if not span.length_ns:
        raise UserError(f"until {until} is not after since {since}: give a later until, or none for now")
    return span


def _by_length(past: Past) -> list[str]:
    return sorted(past.timeframes, key=timeframe_ns)
