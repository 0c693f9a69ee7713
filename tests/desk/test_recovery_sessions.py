"""A desk that was killed as it came back, or opened on another account: the next one knows what it knew."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from contractdesk.desk.paths import DeskPaths
from contractdesk.desk.recovery import needed_elsewhere
from contractdesk.domain.views import TradingState
from contractdesk.storage.tape import Tape, TapeLimits
from contractdesk.storage.tape_file import TapeHeader, first_seq_of, segments
from tests.desk.left_behind import (
    ACCOUNT,
    FLATTEN,
    HALT,
    RESUME,
    halted_with_a_position,
    heard,
    known,
    session,
    still_knows,
)
from tests.engine.bench import Bench


def test_sessions_without_a_checkpoint_go_on_from_the_one_before(tmp_path: Path) -> None:
    paths, bench = DeskPaths(tmp_path), Bench()
    bench.open()
    held = bench.market.position
    session(paths, bench.engine, 1, checkpoint=True)
    session(paths, bench.engine, 2, checkpoint=False)
    session(paths, bench.engine, 3, HALT, checkpoint=False)
    session(paths, bench.engine, 4, checkpoint=False)
    desk = known(paths, 5)
    assert desk is not None
    (market,) = desk.symbols.values()
    assert market.position == held
    assert market.guard.stop_price == bench.market.guard.stop_price
    assert (desk.state, desk.config.epoch, desk.started) == (TradingState.HALTED, 5, False)


def test_another_account_knows_nothing_of_it(tmp_path: Path) -> None:
    paths, bench = DeskPaths(tmp_path), Bench()
    session(paths, bench.engine, 1, checkpoint=True)
    assert known(paths, 2, "another") is None
    assert known(paths, 2) is not None


@pytest.mark.parametrize("other", ["another", ""])
def test_a_session_on_another_account_makes_the_desk_forget_nothing(tmp_path: Path, other: str) -> None:
    """It is left out wherever it stands: its checkpoint, its inputs, and what a person asked in it."""
    paths, foreign = DeskPaths(tmp_path), Bench()
    bench = halted_with_a_position(paths)
    asked = (RESUME, FLATTEN, heard())
    session(paths, foreign.engine, 1, *asked, checkpoint=True, account=other)
    still_knows(known(paths, 2), bench)
    session(paths, bench.engine, 2, checkpoint=False)  # killed at once; it had begun with what was left
    session(paths, foreign.engine, 2, *asked, checkpoint=False, account=other)
    still_knows(known(paths, 3), bench)
    session(paths, bench.engine, 3, FLATTEN, checkpoint=False)
    session(paths, foreign.engine, 3, RESUME, checkpoint=True, account=other)
    still_knows(known(paths, 4), bench, reduced="flatten asked by tester")


def test_what_another_account_is_remembered_by_outlasts_the_tapes_limit(tmp_path: Path) -> None:
    paths, foreign = DeskPaths(tmp_path), Bench()
    session(paths, foreign.engine, 1, checkpoint=True)  # of ours, and not needed: there is a later one
    bench = halted_with_a_position(paths)
    session(paths, bench.engine, 2, heard(), checkpoint=False)
    for epoch in (1, 2):
        session(paths, foreign.engine, epoch, heard(), checkpoint=True, account="another")
    session(paths, foreign.engine, 1, heard(), checkpoint=True, account="")  # which is never gone on with
    written = segments(paths.tape)
    least = TapeLimits(total_bytes=0)
    tape = Tape(paths.tape, least, needed=needed_elsewhere(paths, "another"))
    tape.rotate(TapeHeader(first_seq=10**15, opened_ns=1))
    assert tape.close()
    assert segments(paths.tape)[:-1] == written[1:3]
    still_knows(known(paths, 3), bench)


def test_what_cannot_be_read_of_another_account_is_kept_whole(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path)
    halted_with_a_position(paths)
    (segment,) = segments(paths.tape)
    segment.write_bytes(b"something else entirely")
    (span,) = needed_elsewhere(paths, "another")
    assert first_seq_of(segment) in span
    assert needed_elsewhere(paths, ACCOUNT) == []


def test_a_record_of_another_account_that_cannot_be_read_stops_nobody(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path)
    bench = halted_with_a_position(paths)
    session(paths, Bench().engine, 1, RESUME, checkpoint=True, account="another")
    with sqlite3.connect(paths.journal) as file:
        file.execute("UPDATE records SET crc = crc + 1 WHERE seq = (SELECT max(seq) FROM records)")
    segments(paths.tape)[-1].write_bytes(b"from elsewhere")
    still_knows(known(paths, 2), bench)


def test_a_session_that_left_no_record_is_not_taken_for_the_next_one(tmp_path: Path) -> None:
    """Its numbers are its own all the same."""
    paths, bench = DeskPaths(tmp_path), Bench()
    bench.open()
    session(paths, bench.engine, 1, checkpoint=True)
    session(paths, Bench().engine, 1, HALT, checkpoint=False, account="another")
    desk = known(paths, 2)
    assert desk is not None
    assert desk.state is not TradingState.HALTED
    (market,) = desk.symbols.values()
    assert market.position == bench.market.position


def test_a_tape_whose_journal_was_moved_away_is_not_taken_for_a_later_one(tmp_path: Path) -> None:
    paths, bench = DeskPaths(tmp_path), Bench()
    for epoch in (1, 2, 3):
        session(paths, bench.engine, epoch, heard(), HALT, checkpoint=True)
    paths.journal.rename(tmp_path / "kept.db")
    bench.open()
    session(paths, bench.engine, 4, checkpoint=True)
    desk = known(paths, 5)
    assert desk is not None
    (market,) = desk.symbols.values()
    assert market.position == bench.market.position
    assert market.position.size
