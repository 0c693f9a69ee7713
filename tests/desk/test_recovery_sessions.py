"""A desk that is killed while it comes back: the next one knows what the first one knew."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from contractdesk.desk.paths import DeskPaths
from contractdesk.desk.recorder import Recorder
from contractdesk.desk.recovery import recovered, remembered
from contractdesk.domain.events import Event, HaltAsked
from contractdesk.domain.views import TradingState
from contractdesk.engine.checkpoint import decode_desk
from contractdesk.engine.engine import Engine
from contractdesk.engine.state import Desk
from tests.engine.bench import CONFIG, START, Bench

ACCOUNT = "test"
HALT = HaltAsked(ts_ns=START, who="tester")


def session(paths: DeskPaths, engine: Engine, epoch: int, *events: Event, checkpoint: bool) -> None:
    """What one session leaves on the disk; without a checkpoint it was killed before the tape's was there."""
    recorder = Recorder(paths)
    recorder.begin(replace(CONFIG, epoch=epoch), ACCOUNT, START)
    if checkpoint:
        recorder.rotate(START, engine.checkpoint)
    for event in events:
        recorder.event(event)
    recorder.close()


def known(paths: DeskPaths, epoch: int, account: str = ACCOUNT) -> Desk | None:
    left = remembered(paths, account, {})
    return decode_desk(recovered(left, replace(CONFIG, epoch=epoch), {}).checkpoint()) if left else None


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
