"""Raw captures: chains of depth messages, numbers that nothing can hold, ends that are torn."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

from contractdesk.history import FindingKind, check
from tests.history.dumps import BTC, T0_MS, gzipped


def line(number: int, stream: str, **data: object) -> str:
    ms = T0_MS + number * 100
    push = {"stream": f"btcusdt@{stream}", "data": {"E": ms, "T": ms, "s": "BTCUSDT", **data}}
    return f"{ms + 3}000000 {json.dumps(push, separators=(',', ':'))}"


def depth(number: int, previous: int, bids: Sequence[tuple[str, str]] = (("100.0", "1"),)) -> str:
    """Message ``number`` ends at id 10 x number, and says that it follows ``previous``."""
    first = number * 10 - 9
    return line(number, "depth@0ms", U=first, u=number * 10, pu=previous, b=list(bids), a=[])


def trade(number: int, **changes: object) -> str:
    plain = {"t": number, "p": "100.0", "q": "1", "X": "MARKET", "m": False}
    return line(number, "trade", **(plain | changes))


def test_a_message_without_levels_or_with_a_bad_one_breaks_no_chain(tmp_path: Path) -> None:
    lines = [depth(1, 0), depth(2, 10, []), depth(3, 20, [("-1.0", "1")]), depth(4, 30)]
    report = check(gzipped(tmp_path / "a.gz", lines), kind="depth", **BTC)  # type: ignore[arg-type]
    assert [(row.row, row.reasons) for row in report.quarantined] == [(3, (FindingKind.NEGATIVE_PRICE,))]
    assert report.count(FindingKind.ID_GAP) == 0


def test_a_message_that_was_lost_breaks_the_chain(tmp_path: Path) -> None:
    lines = [depth(1, 0), depth(2, 10, []), depth(4, 30)]
    report = check(gzipped(tmp_path / "a.gz", lines), kind="depth", **BTC)  # type: ignore[arg-type]
    (gap,) = report.findings
    assert (gap.kind, gap.first_row) == (FindingKind.ID_GAP, 3)
    assert gap.example == "message 40 follows 30, and 20 was the last one"


def test_numbers_that_the_store_cannot_hold_are_corrupt_lines(tmp_path: Path) -> None:
    lines = [trade(1), trade(2, t=2**63), trade(3).replace("1723", "99999999999991723", 1), trade(4, T=-1)]
    report = check(gzipped(tmp_path / "a.gz", lines), **BTC)  # type: ignore[arg-type]
    assert [(row.row, row.reasons) for row in report.quarantined] == [
        (row, (FindingKind.CORRUPTED,)) for row in (2, 3, 4)
    ]
    assert (report.rows_read, report.rows_refused) == (4, 3)


def test_a_file_that_was_being_written_is_told_and_keeps_its_lines(tmp_path: Path) -> None:
    whole = gzip.compress("".join(f"{trade(n)}\n" for n in range(1, 5_001)).encode(), compresslevel=0)
    file = tmp_path / "a.gz"
    file.write_bytes(whole[:-2_000])
    report = check(file, **BTC)  # type: ignore[arg-type]
    (torn,) = report.findings
    assert (torn.kind, torn.count) == (FindingKind.TORN_END, 1)
    assert 4_000 < report.rows_read < 5_000
    assert f"after line {report.rows_read}" in torn.example


def test_a_kind_that_no_message_has_is_told(tmp_path: Path) -> None:
    for kind in ("depth", "marks", "quotes", "agg_trades"):
        report = check(gzipped(tmp_path / "a.gz", [trade(1)]), kind=kind, **BTC)  # type: ignore[arg-type]
        assert [each.kind for each in report.findings] == [FindingKind.NO_ROW], kind
