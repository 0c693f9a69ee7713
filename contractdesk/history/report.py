"""What an import did: a value with a text, an HTML and a JSON face, written beside the data."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from contractdesk.errors import StorageError
from contractdesk.history.clocks import Offset
from contractdesk.history.findings import Finding, FindingKind, Quarantined, Severity, told_time
from contractdesk.storage.dataset_files import series_folder
from contractdesk.storage.dataset_writer import DayWritten
from contractdesk.storage.schema import Series
from contractdesk.storage.terms import Terms

SHOWN = 20  # quarantined rows in the text and HTML; ``quarantined`` has more


class SourceOffset(Struct, frozen=True):
    """How the recording host's clock stood against the venue's."""

    source: str
    offset: Offset


class Report(Struct, frozen=True, kw_only=True):
    """``passed`` is False where rows were refused, or something is missing or odd; notes do not count."""

    series: Series
    terms: Terms
    terms_from: str  # where tick and lot size came from
    sources: tuple[str, ...]
    formats: tuple[str, ...]
    rows_read: int
    rows_refused: int
    days: tuple[DayWritten, ...]  # empty where nothing was to be stored
    findings: tuple[Finding, ...]
    quarantined: tuple[Quarantined, ...]  # the first 10,000
    offsets: tuple[SourceOffset, ...] = ()

    @property
    def passed(self) -> bool:
        return all(finding.severity is Severity.NOTE for finding in self.findings)

    @property
    def rows_added(self) -> int:
        """Rows that the store did not have before."""
        return sum(day.added for day in self.days)

    def count(self, kind: FindingKind) -> int:
        """How often something was found."""
        return sum(finding.count for finding in self.findings if finding.kind is kind)

    # -- faces -----------------------------------------------------------------------------

    def __repr__(self) -> str:
        return self.text()

    def text(self) -> str:
        """Some lines for a terminal."""
        lines = [*self._head(), *(_told(finding) for finding in self.findings)]
        lines += [
            f"  not stored: {row.source} row {row.row}: {_reasons(row)}: {row.text}"
            for row in self.quarantined[:SHOWN]
        ]
        if self.rows_refused > SHOWN:
            lines.append(f"  and {self.rows_refused - SHOWN:,} more rows that are not stored")
        if not self.findings:
            lines.append("  nothing to complain of")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<p>{html.escape(line.strip())}</p>" for line in self._head())
        found = [
            (
                finding.kind.value,
                finding.severity.value,
                f"{finding.count:,}",
                _rows(finding),
                _span(finding),
                finding.example,
            )
            for finding in self.findings
        ]
        refused = [(row.source, str(row.row), _reasons(row), row.text) for row in self.quarantined[:SHOWN]]
        return (
            head
            + _table(("finding", "severity", "count", "rows", "time (UTC)", "example"), found)
            + _table(("not stored", "row", "because of", "values"), refused)
        )

    def json(self) -> bytes:
        """Everything, as one JSON object; ``Report.read`` reads it."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @staticmethod
    def read(path: Path) -> Report:
        """A report that was written; StorageError when it is none."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=Report)
        except (OSError, msgspec.MsgspecError) as exc:
            raise StorageError(f"{path} is no report of an import: {exc}") from exc

    def write(self, root: Path) -> Path:
        """Put it beside the data as text, HTML and JSON; the JSON's path. The same import overwrites it."""
        folder = series_folder(root, self.series) / "_reports"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{self._name()}.json"
            for suffix, content in (
                (".txt", self.text().encode() + b"\n"),
                (".html", _page(self._repr_html_())),
                (".json", self.json()),
            ):
                fresh = path.with_name(f".{path.stem}.tmp")
                fresh.write_bytes(content)
                fresh.replace(path.with_suffix(suffix))
        except OSError as error:
            raise StorageError(f"the report cannot be written to {folder}: {error}") from error
        return path

    def _name(self) -> str:
        told = "\n".join(self.sources)
        first = re.sub(r"[^A-Za-z0-9]+", "-", Path(self.sources[0]).name if self.sources else "empty").strip(
            "-"
        )
        return f"{first}-{sha256(told.encode()).hexdigest()[:8]}"

    def _head(self) -> list[str]:
        terms = self.terms
        verdict = "passed" if self.passed else "findings"
        head = [
            f"{self.series}: {verdict}; {self.rows_read:,} rows read, {self.rows_added:,} new, "
            f"{self.rows_refused:,} not stored",
            f"  from {_listed(self.sources)} ({', '.join(self.formats)})",
            f"  tick {terms.tick_size:f}, lot {terms.lot_size:f}: {self.terms_from}",
        ]
        if self.days:
            head.append(f"  days {self.days[0].day} to {self.days[-1].day}")
        for each in self.offsets:
            offset = each.offset
            head.append(
                f"  {each.source}: local - venue time {offset.median_ms:+.1f} ms at best, "
                f"from {offset.least_ms:+.1f} to {offset.most_ms:+.1f}"
            )
        return head


def _told(finding: Finding) -> str:
    where = ", ".join(part for part in (_rows(finding), _span(finding)) if part)
    count = f"{finding.count:,} x " if finding.count > 1 else ""
    source = f" in {finding.source}" if finding.source else ""
    place = f"{source} ({where})" if where else source
    return f"  {finding.severity.value}: {count}{finding.kind.value}{place}: {finding.example}"


def _rows(finding: Finding) -> str:
    if not finding.first_row:
        return ""
    if finding.first_row == finding.last_row:
        return f"row {finding.first_row}"
    return f"rows {finding.first_row} to {finding.last_row}"


def _span(finding: Finding) -> str:
    first, last = told_time(finding.first_ns), told_time(finding.last_ns)
    return first if first == last or not last else f"{first} to {last}"


def _reasons(row: Quarantined) -> str:
    return ", ".join(reason.value for reason in row.reasons)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{names[0]} ... {names[-1]} ({len(names)} sources)"


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _page(body: str) -> bytes:
    return f'<!doctype html><meta charset="utf-8"><title>Import report</title>{body}\n'.encode()
