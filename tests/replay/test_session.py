"""What of a record is replayed: the session that was asked for, of one account, up to its hole."""

from __future__ import annotations

from pathlib import Path

import pytest

from contractdesk.desk.paths import DeskPaths
from contractdesk.desk.recorder import Recorder
from contractdesk.domain.events import BookInvalidated
from contractdesk.errors import StorageError
from contractdesk.replay.session import Session, read_session
from contractdesk.replay.twin import replay_session
from tests.engine.bench import CONFIG, NS_PER_S, START, SYMBOL, Bench

HOUR = 3600 * NS_PER_S
MINUTE = 60 * NS_PER_S
PAPER, OTHER = "binance:paper:a", "binance:paper:b"


@pytest.fixture
def paths(tmp_path: Path) -> DeskPaths:
    return DeskPaths(tmp_path)


def recorded(
    paths: DeskPaths, opened_h: int, hours: int, account: str = PAPER, lost: frozenset[int] = frozenset()
) -> None:
    """A session with an input a minute and a checkpoint an hour; the inputs of the ``lost`` minutes are not
    on the disk.
    """
    bench, recorder = Bench(), Recorder(paths)
    recorder.begin(CONFIG, account, START + opened_h * HOUR)
    for minute in range(hours * 60):
        now_ns = START + opened_h * HOUR + minute * MINUTE
        recorder.rotate(now_ns, bench.engine.checkpoint, force=minute % 60 == 0)
        event = BookInvalidated(ts_ns=now_ns, symbol=SYMBOL, reason="a gap")
        if minute in lost:
            recorder.seq += 1
        else:
            recorder.event(event)
    recorder.close()


def read(paths: DeskPaths, since_h: float = 0, account: str | None = None) -> Session:
    since_ns = START + int(since_h * HOUR) if since_h else 0
    return read_session(paths.journal, paths.tape, since_ns=since_ns, account=account)


def span_h(session: Session) -> tuple[float, float]:
    """Hours of the first and of the last input."""
    first, last = (round((each.ts_ns - START) / HOUR, 1) for each in (session.inputs[0], session.inputs[-1]))
    return first, last


def test_since_a_moment_at_which_the_desk_was_closed_is_the_next_session(paths: DeskPaths) -> None:
    recorded(paths, 1, 3)
    recorded(paths, 40, 2)
    assert span_h(read(paths, 39)) == (40, 42)
    assert span_h(read(paths, 2.5)) == (2, 4)  # the last checkpoint before it
    assert span_h(read(paths, 41.5)) == (41, 42)
    assert span_h(read(paths)) == (40, 42)


def test_since_a_moment_after_everything_is_refused(paths: DeskPaths) -> None:
    recorded(paths, 1, 3)
    with pytest.raises(StorageError, match=r"nothing is recorded in .* since 2023-11-15 03:13:20 UTC"):
        read(paths, 5)


def test_sessions_of_another_account_are_passed_over(paths: DeskPaths) -> None:
    recorded(paths, 1, 1)
    recorded(paths, 3, 1, OTHER)
    recorded(paths, 5, 1)
    assert span_h(read(paths, 3.5)) == (5, 6)
    assert span_h(read(paths, 3.5, OTHER)) == (3, 4)
    assert span_h(read(paths, account=OTHER)) == (3, 4)
    recorded(paths, 7, 1, OTHER)
    assert span_h(read(paths, 1.5)) == (3, 4)
    with pytest.raises(StorageError, match="no checkpoint"):
        read(paths, account="nobody's")


def test_the_next_sessions_numbers_are_no_hole(paths: DeskPaths) -> None:
    recorded(paths, 1, 1)
    recorded(paths, 3, 1)
    session = read(paths, 1.5)
    assert (span_h(session), session.cut) == ((1, 2), False)


def test_a_hole_ends_it(paths: DeskPaths) -> None:
    recorded(paths, 1, 1, lost=frozenset({30}))
    recorded(paths, 3, 1)
    session = read(paths, 1.1)
    assert (span_h(session), session.cut) == ((1, 1.5), True)


def test_the_report_says_what_was_replayed(paths: DeskPaths) -> None:
    recorded(paths, 1, 1)
    report = replay_session(read(paths))
    assert "2023-11-14 23:13:20 to 2023-11-15 00:12:20 UTC" in repr(report)
