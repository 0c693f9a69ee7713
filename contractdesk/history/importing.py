"""From sources to the store, by way of the checks; and a report of it, whatever was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain
from pathlib import Path

from msgspec.structs import replace

from contractdesk.domain.instrument import ZERO, Instrument
from contractdesk.errors import UserError
from contractdesk.history import tapes
from contractdesk.history.checker import HOLE_S, Checker
from contractdesk.history.findings import Finding, FindingKind, Severity
from contractdesk.history.paths import history_root
from contractdesk.history.raw import Raw, Source
from contractdesk.history.report import Report, SourceOffset
from contractdesk.history.sources import find_sources
from contractdesk.history.terms_files import ONE, bare_terms, counts_contracts, infer_terms, read_terms
from contractdesk.storage.dataset_writer import DatasetWriter, DayWritten
from contractdesk.storage.schema import Kind, Series
from contractdesk.storage.terms import Terms

Progress = Callable[[str, int], None]  # the source, and how many more of its rows were read
Paths = str | Path | Sequence[str | Path]
Number = str | Decimal | int | float


def import_(
    source: Paths,
    *,
    venue: str,
    symbol: str,
    kind: str = "trades",
    timeframe: str = "",
    root: str | Path | None = None,
    instrument: Instrument | None = None,
    terms: str | Path | Terms | None = None,
    tick: Number | None = None,
    lot: Number | None = None,
    contract_size: Number | None = None,
    hole_s: float = HOLE_S,
    progress: Progress | None = None,
) -> Report:
    """Check dumps, raw captures or a desk's tape, store what is sound, and say what was found.

    ``symbol`` is ccxt's (``BTC/USDT:USDT``). Tick and lot size come from ``instrument``, ``terms`` (a
    recorded listing of the venue's, or Terms), ``tick`` and ``lot``, a desk's journal, or else the data
    themselves, which the report then says. ``contract_size`` goes with the latter two, in base units (of
    inverse contracts quote units): of OKX's swaps and Binance's coin-margined contracts nothing else
    tells it. Importing the same again changes nothing; what overlaps is
    merged. The report is written beside the data (``Report.write``). ``hole_s``: a longer silence is a
    finding. UserError where the sources or terms do not fit; StorageError where the disk refuses.
    """
    given = (instrument, terms, tick, lot, contract_size)
    return _run(source, venue, symbol, kind, timeframe, root, given, hole_s, progress)


def check(
    source: Paths,
    *,
    venue: str,
    symbol: str,
    kind: str = "trades",
    timeframe: str = "",
    instrument: Instrument | None = None,
    terms: str | Path | Terms | None = None,
    tick: Number | None = None,
    lot: Number | None = None,
    contract_size: Number | None = None,
    hole_s: float = HOLE_S,
    progress: Progress | None = None,
) -> Report:
    """The report that ``import_`` would give, without storing anything."""
    given = (instrument, terms, tick, lot, contract_size)
    return _run(source, venue, symbol, kind, timeframe, None, given, hole_s, progress, stored=False)


# (instrument, terms, tick, lot, contract size)
Given = tuple[Instrument | None, str | Path | Terms | None, Number | None, Number | None, Number | None]


def _run(
    source: Paths,
    venue: str,
    symbol: str,
    kind: str,
    timeframe: str,
    root: str | Path | None,
    given: Given,
    hole_s: float,
    progress: Progress | None,
    *,
    stored: bool = True,
) -> Report:
    series = series_of(venue, symbol, kind, timeframe)
    sources = find_sources([source] if isinstance(source, str | Path) else source, series.venue)
    terms, terms_from = _find_terms(series, sources, given)
    checker = Checker(series, terms, hole_s)
    rows = _checked(checker, series, terms, sources, progress)
    if not stored:
        for _ in rows:
            pass
        return make_report(series, terms, terms_from, sources_told(sources), checker, ())
    home = history_root(root)
    with DatasetWriter(home, series, terms) as writer:
        for batch in rows:
            writer.append(batch)
        days = writer.commit()
    report = make_report(series, terms, terms_from, sources_told(sources), checker, days)
    report.write(home)
    return report


def _checked(
    checker: Checker, series: Series, terms: Terms, sources: list[Source], progress: Progress | None
) -> Iterator[object]:
    for source in sources:
        raws = source.read(source.path, series, terms)
        for verdict in checker.check(source.path.name, source.rules, raws):
            if progress is not None:
                progress(source.path.name, len(verdict.raw))
            yield verdict.stored


def series_of(venue: str, symbol: str, kind: str, timeframe: str = "") -> Series:
    """The series of some words; UserError for a kind or timeframe that is none."""
    try:
        return Series(Kind(kind.replace("-", "_")), venue, symbol, timeframe)
    except ValueError as exc:
        kinds = ", ".join(each.value for each in Kind)
        told = exc if kind in [each.value for each in Kind] else f"no kind {kind!r}; there are {kinds}"
        raise UserError(str(told)) from exc


def sources_told(sources: Iterable[Source]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(names, formats) as the report has them."""
    told = list(sources)
    return tuple(each.path.name for each in told), tuple(sorted({each.rules.format for each in told}))


def make_report(
    series: Series,
    terms: Terms,
    terms_from: str,
    sources: tuple[tuple[str, ...], tuple[str, ...]],
    checker: Checker,
    days: tuple[DayWritten, ...],
) -> Report:
    """Everything that the checker knows by now."""
    findings = checker.findings()
    if terms_from == INFERRED:
        told = f"tick {terms.tick_size:f} and lot {terms.lot_size:f} are the finest that occur"
        inferred = Finding(
            kind=FindingKind.INFERRED_TERMS, severity=Severity.NOTE, source="", count=1, example=told
        )
        findings = [inferred, *findings]
    return Report(
        series=series,
        terms=terms,
        terms_from=terms_from,
        sources=sources[0],
        formats=sources[1],
        rows_read=checker.rows_read,
        rows_refused=checker.rows_refused,
        days=days,
        findings=tuple(findings),
        quarantined=tuple(checker.quarantined),
        offsets=tuple(SourceOffset(name, offset) for name, offset in checker.offsets),
    )


# -- terms -----------------------------------------------------------------------------------

INFERRED = "inferred from the data"


def _find_terms(series: Series, sources: list[Source], given: Given) -> tuple[Terms, str]:
    """(terms, where they come from)."""
    instrument, told, tick, lot, contract_size = given
    if instrument is not None:
        return _fitting(Terms.of(instrument), series), "the given instrument"
    if isinstance(told, Terms):
        return _fitting(told, series), "the given terms"
    if told is not None:
        return _fitting(read_terms(Path(told), series.venue, series.symbol), series), f"listed in {told}"
    if tick is not None and lot is not None:
        return _stated(series, tick, lot, contract_size), "the given tick and lot size"
    if tick is not None or lot is not None:
        raise UserError("give both the tick and the lot size, or neither")
    for source in sources:
        listed = tapes.listed_terms(source.path, series.symbol) if source.read is tapes.read else None
        if listed is not None:
            return _fitting(listed, series), "the desk's journal"
    size = _contract_size(series, contract_size)
    guess = bare_terms(series.venue, series.symbol, Decimal("1e-10"), Decimal("1e-10"))
    if any(source.read is tapes.read for source in sources) and series.kind is Kind.DEPTH:
        raise UserError("a tape's depth is in ticks and lots: give the tick and lot size")
    raws: Iterator[Raw] = chain.from_iterable(each.read(each.path, series, guess) for each in sources)
    return replace(infer_terms(raws, series.venue, series.symbol), contract_size=size), INFERRED


def _fitting(terms: Terms, series: Series) -> Terms:
    if terms.symbol != series.symbol or terms.venue != series.venue:
        raise UserError(
            f"these terms are {terms.symbol}'s on {terms.venue}, not {series.symbol}'s on {series.venue}"
        )
    return terms


def _stated(series: Series, tick: Number, lot: Number, contract_size: Number | None) -> Terms:
    size = _contract_size(series, contract_size)
    try:
        plain = bare_terms(series.venue, series.symbol, Decimal(str(tick)), Decimal(str(lot)))
    except (ValueError, ArithmeticError) as exc:
        raise UserError(f"tick {tick} and lot {lot}: both must be positive numbers") from exc
    return replace(plain, contract_size=size)


def _contract_size(series: Series, given: Number | None) -> Decimal:
    """As given, else one unit; UserError where the venue has another, and the series has sizes."""
    if given is None:
        sized = any("lots" in name for name in series.shape.schema.names)
        if sized and counts_contracts(series.venue, series.symbol):
            raise UserError(
                f"sizes of {series.symbol} on {series.venue} are numbers of contracts, and nothing here says "
                "of how much each: give terms (a recorded listing of the venue's), instrument or "
                "contract_size"
            )
        return ONE
    try:
        size = Decimal(str(given))
    except ArithmeticError:
        size = ZERO
    if not (size.is_finite() and size > 0):
        raise UserError(f"contract_size {given}: it must be a positive number")
    return size
