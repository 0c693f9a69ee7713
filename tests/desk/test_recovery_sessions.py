"""A desk that is killed while it comes back: the next one knows what the first one knew."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from contractdesk.desk.paths import DeskPaths
from contractdesk.desk.recorder import Recorder
from contractdesk.desk.recovery import recovered
from contractdesk.domain.events import BookInvalidated, Event, FlattenAsked, HaltAsked, ResumeAsked
from contractdesk.domain.views import TradingState
from contractdesk.engine.checkpoint import decode_desk
from contractdesk.engine.engine import Engine
from contractdesk.engine.state import Desk
from contractdesk.storage.tape_file import segments
from tests.engine.bench import CONFIG, START, SYMBOL, Bench

ACCOUNT = "test"
HALT = HaltAsked(ts_ns=START, who="tester")
RESUME = ResumeAsked(ts_ns=START, who="tester")
FLATTEN = FlattenAsked(ts_ns=START, who="tester")


def heard() -> BookInvalidated:
    """An input that is on the tape alone."""
    return BookInvalidated(ts_ns=START, symbol=SYMBOL, reason="a gap")


def session(
    paths: DeskPaths, engine: Engine, epoch: int, *events: Event, checkpoint: bool, account: str = ACCOUNT
) -> None:
    """What one session leaves on the disk; without a checkpoint it was killed before the tape's was there."""
    recorder = Recorder(paths, replace(CONFIG, epoch=epoch), account, START)
    if checkpoint:
        recorder.rotate(START, engine.checkpoint)
    for event in events:
        recorder.event(event)
    recorder.close()


def known(paths: DeskPaths, epoch: int, account: str = ACCOUNT) -> Desk | None:
    engine = recovered(paths, account, replace(CONFIG, epoch=epoch), {})
    return None if engine is None else decode_desk(engine.checkpoint())


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


def test_another_account_ends_what_is_known(tmp_path: Path) -> None:
    paths, bench = DeskPaths(tmp_path), Bench()
    session(paths, bench.engine, 1, checkpoint=True)
    assert known(paths, 2, "another") is None
    assert known(paths, 2) is not None


def halted_with_a_position(paths: DeskPaths) -> Bench:
    """What a session leaves that holds a position under its stop, and was halted by a person."""
    bench = Bench()
    bench.open()
    session(paths, bench.engine, 1, HALT, checkpoint=True)
    return bench


def still_knows(desk: Desk | None, bench: Bench, reduced: str = "") -> None:
    assert desk is not None
    assert (desk.state, desk.reduced) == (TradingState.HALTED, reduced)
    (market,) = desk.symbols.values()
    assert market.position == bench.market.position
    assert market.guard.stop_price == bench.market.guard.stop_price


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
