"""What integrity checks find, in words and numbers: every finding names its rows, and none is silent."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from contractdesk.domain.market import NS_PER_S

MOST_QUARANTINED = 10_000  # rows that a report names one by one; all are counted


class FindingKind(Enum):
    """What can be wrong with a recording, or remarkable about it."""

    ID_GAP = "id gap"
    DUPLICATE_ID = "duplicate id"
    OUT_OF_ORDER = "out-of-order time"
    CLOCK_JUMP = "clock jump"
    CLOCK_OFFSET = "clock offset"
    ZERO_PRICE = "zero price"
    NEGATIVE_PRICE = "negative price"
    NON_FINITE_PRICE = "non-finite price"
    OFF_GRID_PRICE = "off-grid price"
    ZERO_SIZE = "zero size"
    NEGATIVE_SIZE = "negative size"
    NON_FINITE_SIZE = "non-finite size"
    OFF_GRID_SIZE = "off-grid size"
    FOREIGN_TYPE = "foreign type"
    BAD_TIME = "impossible time"
    CORRUPTED = "corrupted column"
    HOLE = "hole"
    EMPTY_DAY = "empty day"
    UNAGGREGATED = "prints outside the aggregates"
    NO_ROW = "no row"
    LEFT_OUT = "left out"
    STORED_BEFORE = "stored before"
    TORN_END = "torn end"
    INFERRED_TERMS = "inferred terms"


class Severity(Enum):
    """What became of the rows."""

    NOTE = "note"  # nothing is wrong
    WARNING = "warning"  # the rows are stored; something is missing or odd
    REFUSED = "refused"  # the rows are quarantined: named here, and not stored


class Finding(Struct, frozen=True, kw_only=True):
    """One kind of trouble in one source; rows are 1-based, without a header. Zeros: not of any row."""

    kind: FindingKind
    severity: Severity
    source: str
    count: int
    first_row: int = 0
    last_row: int = 0
    first_ns: int = 0  # UTC, the venue's clock where it is known
    last_ns: int = 0
    example: str = ""


class Quarantined(Struct, frozen=True):
    """A row that is not stored, with every reason."""

    source: str
    row: int
    reasons: tuple[FindingKind, ...]
    text: str  # the row's values


class Tally:
    """Gathers the findings of one source, kind by kind."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._found: dict[tuple[FindingKind, Severity], Finding] = {}

    def add(
        self,
        kind: FindingKind,
        severity: Severity,
        example: str,
        *,
        count: int = 1,
        rows: tuple[int, int] = (0, 0),
        times: tuple[int, int] = (0, 0),
    ) -> None:
        """Count another of its kind; the first one is the example."""
        known = self._found.get((kind, severity))
        self._found[kind, severity] = Finding(
            kind=kind,
            severity=severity,
            source=self.source,
            count=count + (known.count if known else 0),
            first_row=_least(known.first_row if known else 0, rows[0]),
            last_row=max(known.last_row if known else 0, rows[1]),
            first_ns=_least(known.first_ns if known else 0, times[0]),
            last_ns=max(known.last_ns if known else 0, times[1]),
            example=known.example if known else example,
        )

    def findings(self) -> list[Finding]:
        return list(self._found.values())


def _least(known: int, new: int) -> int:
    return min(known, new) if known and new else known or new


def told_time(ts_ns: int) -> str:
    """UTC to the millisecond; empty for no time."""
    if ts_ns <= 0:
        return ""
    from datetime import UTC, datetime

    whole, rest = divmod(ts_ns, NS_PER_S)
    try:
        return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%d %H:%M:%S}.{rest // 10**6:03d}"
    except (OverflowError, ValueError, OSError):
        return str(ts_ns)
