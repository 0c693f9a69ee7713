"""The journal keeps everything in order, survives a kill, and refuses what it cannot trust."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from contractdesk.domain.commands import Notify, ReadAccount, Severity
from contractdesk.domain.events import HaltAsked, TimePassed
from contractdesk.errors import StorageError
from contractdesk.storage.journal import Journal
from contractdesk.storage.journal_reader import JournalReader, RecordKind, SessionMeta

EVENTS = [TimePassed(ts_ns=11), HaltAsked(ts_ns=12, who="me", reason="lunch"), TimePassed(ts_ns=13)]
COMMANDS = [ReadAccount(request_id=1), Notify(severity=Severity.ALARM, code="c", message="m")]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def session(first_seq: int = 1) -> SessionMeta:
    return SessionMeta(
        first_seq=first_seq, opened_ns=5, desk="d", account="a", code_version="0", settings=b"s"
    )


def test_inputs_are_found_by_their_class_and_not_by_a_word_in_another(path):
    journal = Journal(path)
    for seq, event in enumerate([*EVENTS, HaltAsked(ts_ns=14, who="me", reason="TimePassed")], 1):
        journal.put_event(seq, event)
    journal.put_commands(2, 12, [Notify(severity=Severity.ALARM, code="TimePassed", message="TimePassed")])
    assert journal.close()
    with JournalReader(path) as reader:
        assert list(reader.events_named(("TimePassed",))) == [(1, EVENTS[0]), (3, EVENTS[2])]
        assert [seq for seq, _ in reader.events_named(("TimePassed", "HaltAsked"), 2)] == [2, 3, 4]


def test_keeps_inputs_and_commands_in_order(path):
    journal = Journal(path)
    journal.put_event(1, EVENTS[0])
    journal.put_commands(1, 11, COMMANDS)
    journal.put_commands(2, 12, COMMANDS[:1])  # the answer to an input that is on the tape
    journal.put_event(3, EVENTS[2])
    assert journal.close()
    with JournalReader(path) as reader:
        records = list(reader.records())
        assert [(r.seq, r.part, r.ts_ns) for r in records] == [
            (1, 0, 11),
            (1, 1, 11),
            (1, 2, 11),
            (2, 1, 12),
            (3, 0, 13),
        ]
        assert list(reader.events()) == [(1, EVENTS[0]), (3, EVENTS[2])]
        assert list(reader.commands(2)) == [(2, COMMANDS[0])]
        assert [r.kind for r in records[:2]] == [RecordKind.EVENT, RecordKind.COMMAND]
        assert reader.verify() == 5
        assert reader.last_seq == 3


def test_is_on_disk_when_append_returns_also_for_other_readers(path):
    journal = Journal(path)
    journal.append(7, EVENTS[0], COMMANDS)
    with JournalReader(path) as reader:
        assert list(reader.events()) == [(7, EVENTS[0])]
    journal.close()


def test_goes_on_where_it_ended(path):
    journal = Journal(path)
    assert journal.last_seq == 0
    journal.append(41, EVENTS[0])
    journal.close()
    journal = Journal(path)
    assert journal.last_seq == 41
    journal.append(42, EVENTS[1])
    journal.close()
    with JournalReader(path) as reader:
        assert list(reader.events(42)) == [(42, EVENTS[1])]


def test_keeps_sessions_and_sources(path):
    journal = Journal(path)
    journal.begin_session(session())
    digest = journal.keep_source("class A: pass")
    assert digest == journal.keep_source("class A: pass")
    journal.begin_session(session(9))
    journal.barrier().result(10)
    with JournalReader(path) as reader:
        assert reader.sessions() == [session(), session(9)]
        assert reader.source(digest) == "class A: pass"
        assert reader.sources() == {digest: "class A: pass"}
        with pytest.raises(StorageError, match="has no strategy source 0123"):
            reader.source("0123")
    journal.close()


def test_the_number_of_a_session_that_left_nothing_is_taken(path):
    journal = Journal(path)
    journal.append(41, EVENTS[0])
    journal.begin_session(session(100))
    journal.close()
    journal = Journal(path)
    assert journal.last_seq == 100
    journal.append(101, EVENTS[1])
    journal.close()
    with JournalReader(path) as reader:
        assert (reader.last_seq, reader.last_begun) == (101, 100)
        assert list(reader.events(0, 101)) == [(41, EVENTS[0])]


def test_survives_a_kill(path):
    """Every input whose ``append`` returned before SIGKILL is there afterwards."""
    code = (
        "import sys; from pathlib import Path\n"
        "from contractdesk.storage.journal import Journal\n"
        "from contractdesk.domain.events import TimePassed\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "for seq in range(1, 1_000_000):\n"
        "    journal.append(seq, TimePassed(ts_ns=seq))\n"
        "    print(seq, flush=True)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) == 200:
            os.kill(writer.pid, signal.SIGKILL)
            break
    said = [int(line) for line in writer.stdout.read().split("\n")[:-1]] or [200]
    writer.wait(10)
    journal = Journal(path)
    assert journal.last_seq >= said[-1]
    with JournalReader(path) as reader:
        found = [seq for seq, _ in reader.events()]
        assert reader.verify() == len(found)
    assert found == list(range(1, journal.last_seq + 1))
    journal.close()


def test_refuses_a_newer_schema(path):
    Journal(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=2")
    connection.close()
    for opening in (Journal, JournalReader):
        with pytest.raises(StorageError, match=r"schema 2, this contractdesk knows 1: update"):
            opening(path)


def test_refuses_what_is_no_journal(path):
    path.write_bytes(b"certainly not a database, though long enough to look like one" * 20)
    for opening in (Journal, JournalReader):
        with pytest.raises(StorageError, match=r"is damaged.*move the file away"):
            opening(path)


def test_refuses_a_file_with_a_torn_page(path):
    journal = Journal(path)
    for seq in range(1, 2_000):
        journal.put_event(seq, EVENTS[1])
    journal.close()
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(4096))
    with pytest.raises(StorageError, match="is damaged"):
        Journal(path)


def test_a_flipped_bit_in_a_record_is_found(path):
    journal = Journal(path)
    for seq in (1, 2, 3):
        journal.put_event(seq, EVENTS[1])
    journal.close()
    connection = sqlite3.connect(path)
    connection.execute(
        "UPDATE records SET payload = CAST(substr(payload, 1, 5) || x'00' || substr(payload, 7) AS BLOB) "
        "WHERE seq = 2"
    )
    connection.commit()
    connection.close()
    with JournalReader(path) as reader:
        with pytest.raises(StorageError, match=r"record 2\.0 is damaged.*from_seq=3"):
            list(reader.events())
        assert list(reader.events(3)) == [(3, EVENTS[1])]


def test_a_number_used_twice_is_refused_and_named(path):
    journal = Journal(path)
    journal.append(1, EVENTS[0])
    with pytest.raises(StorageError, match="has this record already"):
        journal.append(1, EVENTS[1])
    assert "already" in journal.broken
    assert not journal.close()
    with JournalReader(path) as reader:
        assert list(reader.events()) == [(1, EVENTS[0])]


def test_a_full_disk_fails_the_barrier_and_heals(path):
    journal = Journal(path)
    journal.append(1, EVENTS[0])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA max_page_count")
    journal._connection.execute("PRAGMA max_page_count = 1")  # the disk is full
    journal._connection.execute("PRAGMA cache_size = 1")
    big = HaltAsked(ts_ns=2, who="me", reason="x" * 100_000)
    with pytest.raises(StorageError, match="full"):
        journal.append(2, big)
    assert "full" in journal.broken
    journal._connection.execute("PRAGMA max_page_count = 1000000")
    journal.append(3, EVENTS[2])
    assert journal.broken == ""
    journal.close()
    other.close()
    with JournalReader(path) as reader:
        assert list(reader.events()) == [(1, EVENTS[0]), (2, big), (3, EVENTS[2])]


def test_there_must_be_a_journal_to_read(path):
    with pytest.raises(StorageError, match="there is no journal at"):
        JournalReader(path)


def test_a_closed_journal_says_so(path):
    journal = Journal(path)
    journal.close()
    with pytest.raises(StorageError, match="closed"):
        journal.barrier().result(1)
