"""Row 65: a disk that is full, does not answer, or has kept something else than what was written."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from contractdesk.desk.paths import DeskPaths
from contractdesk.storage.journal import Journal
from contractdesk.storage.journal_reader import JournalReader
from contractdesk.storage.tape_file import segments
from tests.faults.case import Case, row
from tests.faults.desks import D, Take, bought, creates, never_twice, under_stop
from tests.faults.processes import does, outside
from tests.faults.wishes import enters, wished
from tests.rules.venue import ETH, Seat, StillVenue, covered, eventually, held

pytestmark = pytest.mark.timeout(240)
NO_BOUND = 1_073_741_823


def journal_of(at: Seat) -> Journal:
    """The open desk's own."""
    found = at.desk._session.host.recorder._journal
    assert isinstance(found, Journal)
    return found


def no_entry(at: Seat) -> str:
    """An entry that passes the gate is not sent for the disk's sake; how the desk says it."""
    sent = len(creates(at, "entry"))
    decision = wished(at, size=D("0.01"))
    assert decision.client_id, decision.refusal
    picture = at.desk.wait_for(lambda s: _ended(s, decision.client_id), 15)
    (order,) = [each for each in picture.orders if each.request.client_id == decision.client_id]
    assert len(creates(at, "entry")) == sent
    assert "not sent" in order.reason, order.reason
    return str(order.reason)


def _ended(snapshot: Any, client_id: str) -> bool:
    return any(each.request.client_id == client_id and not each.status.open for each in snapshot.orders)


def reduces(at: Seat, size: str, left: str) -> float:
    """A part is closed and the stop fitted all the same; in how many seconds."""
    began = time.monotonic()
    assert at.desk.close_position(ETH, size=size).done
    under_stop(at, D(left))
    return time.monotonic() - began


def nothing_lost(path: Path, at: Seat) -> int:
    """The journal is sound, and has every order that the exchange has seen; how many records."""
    eventually(lambda: journal_of(at).broken, lambda now: not now, 15)
    journal_of(at).barrier().result(15)
    with JournalReader(path) as reader:
        records = reader.verify()
        written = b"".join(record.payload for record in reader.records())
    for each in at.creates():
        assert each["client_id"].encode() in written, each["client_id"]
    return records


@row(65)
def test_row_65_the_disk_is_full(seat: Take, case: Case) -> None:
    """SQLite is not given another page: "database or disk is full" is what it says then."""
    at = seat()
    bought(at)
    journal = journal_of(at)
    (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
    journal._connection.execute(f"PRAGMA max_page_count={pages}").fetchone()
    eventually(lambda: (wished(at, size=D("5")), journal.broken)[1], lambda now: "full" in now, 30)
    case.count(1)
    said = no_entry(at)
    took = reduces(at, "0.02", "0.03")
    assert at.desk.move_stop(ETH, 2_960).done
    assert any(notice.code == "journal_late" for notice in at.desk.snapshot.notices)
    journal._connection.execute(f"PRAGMA max_page_count={NO_BOUND}").fetchone()
    records = nothing_lost(at.desk.journal_path, at)
    enters(at, within_s=15)
    never_twice(at)
    case.saw(f"{said[:60]}..; a reduce in {took:.1f} s; with room again all {records} records are there")


@row(65)
def test_row_65_the_disk_does_not_answer(seat: Take, case: Case) -> None:
    """Another hand holds the file: each commit waits 5 s and fails."""
    at = seat()
    bought(at)
    holder = sqlite3.connect(at.desk.journal_path, isolation_level=None, timeout=10)
    holder.execute("BEGIN IMMEDIATE")
    case.count(1)
    began = time.monotonic()
    said = no_entry(at)
    refused = time.monotonic() - began
    took = reduces(at, "0.02", "0.03")
    eventually(lambda: journal_of(at).broken, bool, 15)
    holder.execute("ROLLBACK")
    holder.close()
    records = nothing_lost(at.desk.journal_path, at)
    enters(at, within_s=15)
    never_twice(at)
    case.saw(
        f"refused after {refused:.2f} s ({said[:40]}..), a reduce in {took:.1f} s; "
        f"then all {records} records are written"
    )


# -- what the next desk finds --------------------------------------------------------------------


def tear(name: str) -> None:
    """Cut the last tape in the midst of its last block."""
    last = segments(DeskPaths.of(name).tape)[-1]
    size = last.stat().st_size
    with last.open("r+b") as file:
        file.truncate(size - 5)


def spoil(name: str) -> int:
    """Change one byte of a record near the end of the journal; its number."""
    with sqlite3.connect(DeskPaths.of(name).journal) as file:
        (seq,) = file.execute(
            "SELECT seq FROM records WHERE part = 0 ORDER BY seq DESC LIMIT 1 OFFSET 3"
        ).fetchone()
        (payload,) = file.execute("SELECT payload FROM records WHERE seq = ? AND part = 0", (seq,)).fetchone()
        bad = payload[:-1] + bytes([payload[-1] ^ 0xFF])
        file.execute("UPDATE records SET payload = ? WHERE seq = ? AND part = 0", (bad, seq))
    return int(seq)


@row(65)
def test_row_65_the_tail_is_torn(venue: StillVenue, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    with outside(venue, monkeypatch, "torn") as at:
        first = at.opened()
        does(first, "buy")
        kept = at.until(lambda now: covered(now, ETH))["open_algo_orders"]
        tape = segments(DeskPaths.of("torn").tape)[-1]
        size = tape.stat().st_size
        eventually(lambda: tape.stat().st_size, lambda now: now > size + 200)  # the market goes on
        first.process.kill()
        assert first.killed()
        tear("torn")
        case.count(1)
        again = at.opened()
        assert D(again.ask("state")["held"]) == held(at.truth(), ETH) == D("0.05")
        assert at.truth()["open_algo_orders"] == kept
        does(again, "move 2960")
        at.until(lambda now: covered(now, ETH))
        does(again, "flatten")
    case.saw("the tape cut in its last block: the position is its own still, the stop was never touched")


@row(65)
def test_row_65_the_middle_is_spoilt(venue: StillVenue, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    with outside(venue, monkeypatch, "spoilt") as at:
        first = at.opened()
        does(first, "buy")
        kept = at.until(lambda now: covered(now, ETH))["open_algo_orders"]
        first.process.kill()
        assert first.killed()
        record = spoil("spoilt")
        case.count(1)
        since = at.venue.asked()
        with pytest.raises(AssertionError, match=r"is damaged.*nothing is sent.*move .* away"):
            at.trader().hear()
        assert at.venue.get(f"requests?since={since}") == []
        assert at.truth()["open_algo_orders"] == kept
        assert held(at.truth(), ETH) == D("0.05")
        at.second.trade(ETH, "SELL", "0.05", reduceOnly="true")
    case.saw(f"record {record} changed: the desk does not open, says why in a sentence, and sends nothing")
