"""What a desk knew and cannot be read is not forgotten: the next one does not open."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from contractdesk.desk.opening import _recorder
from contractdesk.desk.paths import DeskPaths
from contractdesk.domain.commands import Command, Notify, PlaceStop, Severity, SubmitOrder
from contractdesk.domain.events import Event, TimePassed
from contractdesk.engine import checkpoint
from contractdesk.engine.breaking import TRIPPED
from contractdesk.errors import UserError
from contractdesk.storage.journal_reader import SessionMeta
from contractdesk.storage.tape_file import segments
from tests.desk.left_behind import HALT, halted_with_a_position, known, session, still_knows
from tests.engine.bench import START, Bench

Cause = Callable[[DeskPaths], Iterator[None]]
PASSED = TimePassed(ts_ns=START)


def another_version(_paths: DeskPaths) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "VERSION", checkpoint.VERSION + 1)
        yield


def the_tape_is_gone(paths: DeskPaths) -> Iterator[None]:
    kept = paths.tape.rename(paths.home / "kept")
    yield
    kept.rename(paths.tape)


def a_segment_does_not_open(paths: DeskPaths) -> Iterator[None]:
    (segment,) = segments(paths.tape)
    kept = segment.rename(paths.home / "kept")
    segment.mkdir()
    yield
    segment.rmdir()
    kept.rename(segment)


def the_journal_does_not_open(paths: DeskPaths) -> Iterator[None]:
    kept = paths.journal.rename(paths.home / "kept")
    paths.journal.mkdir()
    yield
    paths.journal.rmdir()
    kept.rename(paths.journal)


def a_newer_schema(paths: DeskPaths) -> Iterator[None]:
    with sqlite3.connect(paths.journal) as file:
        file.execute("PRAGMA user_version=2")
    yield
    with sqlite3.connect(paths.journal) as file:
        file.execute("PRAGMA user_version=1")


def an_unknown_record(paths: DeskPaths) -> Iterator[None]:
    """Whole, but of a kind that this version does not know."""
    payload = b"\x81\xa4type\xa8Tomorrow"
    with sqlite3.connect(paths.journal) as file:
        (kept,) = file.execute("SELECT payload FROM records").fetchone()
        file.execute("UPDATE records SET payload = ?, crc = ?", (payload, zlib.crc32(payload)))
    yield
    with sqlite3.connect(paths.journal) as file:
        file.execute("UPDATE records SET payload = ?, crc = ?", (kept, zlib.crc32(kept)))


def an_unknown_session(paths: DeskPaths) -> Iterator[None]:
    with sqlite3.connect(paths.journal) as file:
        (kept,) = file.execute("SELECT meta FROM sessions").fetchone()
        file.execute("UPDATE sessions SET meta = ?", (b"\x80",))
    yield
    with sqlite3.connect(paths.journal) as file:
        file.execute("UPDATE sessions SET meta = ?", (kept,))


CAUSES = [
    another_version,
    the_tape_is_gone,
    a_segment_does_not_open,
    the_journal_does_not_open,
    a_newer_schema,
    an_unknown_record,
    an_unknown_session,
]


def refused(paths: DeskPaths) -> None:
    with pytest.raises(UserError, match=r"cannot be read: .*Nothing was opened.*move .* away") as told:
        known(paths, 2)
    assert str(paths.home) in str(told.value)


@pytest.mark.parametrize("cause", CAUSES)
def test_it_does_not_open_and_once_that_is_put_right_it_knows_all(tmp_path: Path, cause: Cause) -> None:
    paths = DeskPaths(tmp_path)
    bench = halted_with_a_position(paths)
    with contextmanager(cause)(paths):
        refused(paths)
    still_knows(known(paths, 2), bench)


def test_a_later_session_by_unknown_settings_is_not_left_out(tmp_path: Path) -> None:
    paths, bench = DeskPaths(tmp_path), Bench()
    session(paths, bench.engine, 1, checkpoint=True)
    session(paths, bench.engine, 2, HALT, checkpoint=False)
    with sqlite3.connect(paths.journal) as file:
        last = "first_seq = (SELECT max(first_seq) FROM sessions)"
        (kept,) = file.execute(f"SELECT meta FROM sessions WHERE {last}").fetchone()  # noqa: S608
        meta = replace(msgspec.msgpack.decode(kept, type=SessionMeta), settings=b"\x80")
        file.execute(f"UPDATE sessions SET meta = ? WHERE {last}", (msgspec.msgpack.encode(meta),))  # noqa: S608
    refused(paths)


@pytest.mark.parametrize("name", ["journal", "tape"])
def test_a_record_that_cannot_be_gone_on_with_is_told_and_nothing_stays_open(
    tmp_path: Path, name: str
) -> None:
    """Of an embedded exchange, of which nothing is remembered, too."""
    paths, before = DeskPaths(tmp_path), threading.active_count()
    if name == "journal":
        paths.journal.mkdir()
    else:
        paths.tape.write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"cannot be gone on with: .*Nothing was opened.*move .* away"):
        _recorder(paths, "")
    assert threading.active_count() == before


def test_a_folder_that_was_moved_away_is_a_beginning(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path / "desk")
    paths.home.mkdir()
    halted_with_a_position(paths)
    shutil.rmtree(paths.tape)
    refused(paths)
    paths.home.rename(tmp_path / "kept")
    paths.home.mkdir()
    assert known(paths, 2) is None


# -- killed before the first checkpoint of all was on the disk -----------------------------------


def orders() -> tuple[SubmitOrder, PlaceStop]:
    bench = Bench()
    bench.open()
    return bench.all(SubmitOrder)[0], bench.all(PlaceStop)[0]


ENTRY, STOP = orders()
TRIP = Notify(severity=Severity.ALARM, code=TRIPPED, message="it fell")
SAID = Notify(severity=Severity.ALARM, code="external", message="a position of somebody else")


def test_a_first_session_that_did_nothing_has_left_nothing(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path)
    session(paths, Bench().engine, 1, PASSED, checkpoint=False, commands=(SAID,))
    session(paths, Bench().engine, 2, checkpoint=False)
    assert known(paths, 3) is None


@pytest.mark.parametrize(
    ("event", "command"), [(HALT, SAID), (PASSED, ENTRY), (PASSED, STOP), (PASSED, TRIP)]
)
def test_a_first_session_that_did_something_is_not_forgotten(
    tmp_path: Path, event: Event, command: Command
) -> None:
    paths = DeskPaths(tmp_path)
    session(paths, Bench().engine, 1, event, checkpoint=False, commands=(command,))
    session(paths, Bench().engine, 2, checkpoint=False)
    refused(paths)


def test_a_journal_without_its_tables_has_no_session(tmp_path: Path) -> None:
    """Its maker was killed between the file and the tables."""
    paths = DeskPaths(tmp_path)
    with sqlite3.connect(paths.journal) as file:
        file.execute("PRAGMA journal_mode=WAL")
    assert known(paths, 1) is None
