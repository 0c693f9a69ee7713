"""How much of each position stood under a stop, and for how long it did not.

A stop covers from when the desk has heard of it, and until the venue has ended it: what is counted is
what the desk could know to be safe.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from contractdesk.domain.instrument import ZERO
from contractdesk.replay.columns import spans, stamps
from contractdesk.replay.orders import StopTerms, stop_reports
from contractdesk.replay.outcome import Outcome
from contractdesk.replay.reports.trips import Trip

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("symbol", "direction", "opened", "held", "naked", "longest_naked", "under_stop")
LINE = ("time", "symbol", "price")


class Stretch(Struct, frozen=True):
    """A stretch of time in which neither the position nor what covers it changes."""

    begin_ns: int
    end_ns: int
    size: Decimal  # contracts; + long, - short
    covered: Decimal  # of them, unsigned

    @property
    def span_ns(self) -> int:
        return self.end_ns - self.begin_ns

    @property
    def naked(self) -> bool:
        return self.covered < abs(self.size)


class _Stops:
    """Stops of one contract: what the venue has, and what the desk has been told."""

    def __init__(self) -> None:
        self._sells: dict[str, bool] = {}
        self._venue: dict[str, Decimal] = {}
        self._heard: dict[str, Decimal] = {}

    def venue(self, report: StopTerms) -> None:
        self._sells[report.client_id] = report.sells
        self._venue[report.client_id] = report.size
        if not report.size:
            del self._venue[report.client_id]

    def heard(self, report: StopTerms) -> None:
        self._heard[report.client_id] = report.size
        if not report.size:
            del self._heard[report.client_id]

    def covered(self, size: Decimal) -> Decimal:
        """Contracts of ``size`` that would be closed: never more than there are."""
        known = (
            min(standing, self._heard.get(name, ZERO))
            for name, standing in self._venue.items()
            if self._sells[name] == (size > 0)
        )
        return min(abs(size), sum(known, ZERO)) if size else ZERO


def stretches(
    sizes: Sequence[tuple[int, Decimal]], reports: Sequence[StopTerms], end_ns: int
) -> Iterator[Stretch]:
    """One contract's, in the order of time, while a position is open.

    ``sizes``: (venue_ns, position after it), ascending. ``reports``: of the contract's stops.
    """
    moves: list[tuple[int, int, Decimal | StopTerms]] = [(ns, 0, size) for ns, size in sizes]
    moves += [(report.venue_ns, 1, report) for report in reports]
    moves += [(report.heard_ns, 2, report) for report in reports]
    moves.sort(key=lambda move: move[0])
    stops, size = _Stops(), ZERO
    for place, (begin_ns, what, value) in enumerate(moves):
        if isinstance(value, Decimal):
            size = value
        elif what == 1:
            stops.venue(value)
        else:
            stops.heard(value)
        until_ns = min(moves[place + 1][0] if place + 1 < len(moves) else end_ns, end_ns)
        if size and until_ns > begin_ns:
            yield Stretch(begin_ns, until_ns, size, stops.covered(size))


class Cover(Struct):
    """What one trip's position had of its stops; ns, and contracts times ns."""

    naked_ns: int = 0
    longest_ns: int = 0
    running_ns: int = 0  # of the naked time that has not ended
    held: Decimal = ZERO
    covered: Decimal = ZERO

    def add(self, stretch: Stretch) -> None:
        self.held += abs(stretch.size) * stretch.span_ns
        self.covered += stretch.covered * stretch.span_ns
        if not stretch.naked:
            self.running_ns = 0
            return
        self.naked_ns += stretch.span_ns
        self.running_ns += stretch.span_ns
        self.longest_ns = max(self.longest_ns, self.running_ns)

    @property
    def share(self) -> float | None:
        """Covered contract-time of all contract-time; None for a position of no length."""
        return float(self.covered / self.held) if self.held else None


def covers_of(outcome: Outcome, trips: Mapping[str, Sequence[Trip]]) -> list[tuple[Trip, Cover]]:
    """What covered each trip; ``trips`` are by symbol, each contract's in order of time."""
    reports: dict[str, list[StopTerms]] = {symbol: [] for symbol in trips}
    for report in stop_reports(outcome):
        reports[report.symbol].append(report)
    found: list[tuple[Trip, Cover]] = []
    for symbol, own in trips.items():
        covers, opened = [Cover() for _ in own], [trip.opened_ns for trip in own]
        for stretch in stretches(_sizes(outcome, symbol), reports[symbol], outcome.end_ns):
            covers[bisect_right(opened, stretch.begin_ns) - 1].add(stretch)
        found += zip(own, covers, strict=True)
    return sorted(found, key=lambda pair: pair[0].opened_ns)


def _sizes(outcome: Outcome, symbol: str) -> list[tuple[int, Decimal]]:
    size, found = ZERO, []
    for fill in outcome.fills:
        if fill.symbol == symbol:
            size += fill.signed_size
            found.append((fill.venue_ns, size))
    return found


def table(covers: Sequence[tuple[Trip, Cover]], end_ns: int) -> pd.DataFrame:
    """One row a trip: how long it was held, how long not wholly covered (in all, and at a stretch).

    ``under_stop`` is covered contract-time of all contract-time, 0 to 1.
    """
    import pandas as pd

    rows = [
        (
            trip.symbol,
            trip.direction,
            trip.opened_ns,
            (trip.closed_ns or end_ns) - trip.opened_ns,
            cover.naked_ns,
            cover.longest_ns,
            cover.share,
        )
        for trip, cover in covers
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"under_stop": float})
    frame["opened"] = stamps(frame["opened"])
    for column in ("held", "naked", "longest_naked"):
        frame[column] = spans(frame[column])
    return frame


def line(outcome: Outcome) -> pd.DataFrame:
    """Where each contract's stop lay from a moment on, by the venue; NaN: there was none from then on."""
    import pandas as pd

    standing: dict[str, dict[str, Decimal]] = {}
    rows = []
    for report in stop_reports(outcome):
        own = standing.setdefault(report.symbol, {})
        own.pop(report.client_id, None)
        if report.size:
            own[report.client_id] = report.trigger
        latest = next(reversed(own.values()), None)
        rows.append((report.venue_ns, report.symbol, None if latest is None else float(latest)))
    frame = pd.DataFrame(rows, columns=list(LINE)).astype({"price": float})
    frame["time"] = stamps(frame["time"])
    return frame
