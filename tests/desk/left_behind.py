"""What sessions leave on the disk, written as a desk writes it, and what the next desk knows by it."""

from __future__ import annotations

from msgspec.structs import replace

from contractdesk.desk.paths import DeskPaths
from contractdesk.desk.recorder import Recorder
from contractdesk.desk.recovery import recovered, remembered
from contractdesk.domain.commands import Command
from contractdesk.domain.events import BookInvalidated, Event, FlattenAsked, HaltAsked, ResumeAsked
from contractdesk.domain.views import TradingState
from contractdesk.engine.checkpoint import decode_desk
from contractdesk.engine.engine import Engine
from contractdesk.engine.state import Desk
from tests.engine.bench import CONFIG, START, SYMBOL, Bench

ACCOUNT = "test"
HALT = HaltAsked(ts_ns=START, who="tester")
RESUME = ResumeAsked(ts_ns=START, who="tester")
FLATTEN = FlattenAsked(ts_ns=START, who="tester")


def heard() -> BookInvalidated:
    """An input that is on the tape alone."""
    return BookInvalidated(ts_ns=START, symbol=SYMBOL, reason="a gap")


def session(
    paths: DeskPaths,
    engine: Engine,
    epoch: int,
    *events: Event,
    checkpoint: bool,
    account: str = ACCOUNT,
    commands: tuple[Command, ...] = (),  # the answer to the last event
) -> None:
    """What one session leaves on the disk; without a checkpoint it was killed before the tape's was there."""
    recorder = Recorder(paths)
    recorder.begin(replace(CONFIG, epoch=epoch), account, START)
    if checkpoint:
        recorder.rotate(START, engine.checkpoint)
    for event in events:
        recorder.event(event)
    recorder.commands(START, commands)
    recorder.close()


def known(paths: DeskPaths, epoch: int, account: str = ACCOUNT) -> Desk | None:
    left = remembered(paths, account, {})
    return decode_desk(recovered(left, replace(CONFIG, epoch=epoch), {}).checkpoint()) if left else None


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
