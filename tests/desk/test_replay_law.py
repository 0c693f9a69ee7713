"""Law: re-feeding a live session's journal and tape into a fresh engine yields its recorded commands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from contractdesk.clock import SystemClock
from contractdesk.config import MarketOptions, Profile
from contractdesk.console.desk import Desk
from contractdesk.desk import embedded
from contractdesk.desk.opening import open_session
from contractdesk.desk.recorder import SESSION_SPAN
from contractdesk.domain.commands import OrderCommand
from contractdesk.domain.events import Event, StrategyStarted, StrategySwapped
from contractdesk.domain.views import DeskSnapshot
from contractdesk.engine.config import EngineConfig
from contractdesk.engine.engine import Engine
from contractdesk.storage.codec import encode
from contractdesk.storage.inputs import checkpoints, read_inputs, without_holes
from contractdesk.storage.journal_reader import JournalReader, SessionMeta
from contractdesk.strategy.base import Strategy
from contractdesk.strategy.loader import load
from tests.console.loopback import BTC, Pendulum, walk

Classes = dict[str, type[Strategy]]


class Past(NamedTuple):
    """The folder of two sessions, and the first picture of the second."""

    folder: Path
    reopened: DeskSnapshot


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """What a desk left behind that traded, was tuned, halted, closed with a position, and opened again."""
    state = tmp_path_factory.mktemp("state")
    profile = Profile(market=MarketOptions(seed=23, idle_limit_s=60))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTRACTDESK_STATE", str(state))
        desk = Desk(open_session(profile, "law"))
        trend = desk.start(Pendulum([BTC], "1s", hold=1), name="pendulum")
        desk.wait_for(lambda s: len(s.fills) >= 2, 40)
        trend.tune(hold=1000)
        walk(desk, "60400", 1)
        desk.buy(BTC, size=100, stop=10)
        desk.halt()
        desk.resume()
        desk.wait_for(lambda s: any(row.size and row.guarded for row in s.positions), 40)
        desk.close()
        again = Desk(open_session(profile, "law"))
        again.wait_for(lambda s: s.private_stream_ready, 10)
        picture = again.snapshot
        again.flatten()
        again.close()
        yield Past(again.folder, picture)
        running = embedded.find(again.folder / "exchange")
        assert running is not None
        embedded.stop(running, SystemClock())


@pytest.fixture
def folder(past: Past) -> Path:
    return past.folder


def inputs_of(journal: JournalReader, folder: Path, session: SessionMeta) -> Iterator[tuple[int, Event]]:
    end = session.first_seq + SESSION_SPAN - 1
    inputs = read_inputs(journal, folder / "tape", session.first_seq)
    return without_holes(takewhile(lambda item: item[0] < end, inputs))


def replayed(
    journal: JournalReader, folder: Path, session: SessionMeta, engine: Engine, classes: Classes
) -> int:
    """Feed a session's inputs; every answer must be the recorded one. Returns how many orders came out."""
    recorded: defaultdict[int, list[bytes]] = defaultdict(list)
    for seq, command in journal.commands(session.first_seq):
        recorded[seq].append(encode(command))
    orders = 0
    for seq, event in inputs_of(journal, folder, session):
        if isinstance(event, StrategyStarted | StrategySwapped):
            classes[event.source_hash] = load(journal.source(event.source_hash), event.class_name)
        commands = engine.handle(event)
        assert [encode(command) for command in commands] == recorded.pop(seq, []), (seq, event)
        orders += sum(isinstance(command, OrderCommand) for command in commands)
    assert not [seq for seq in recorded if seq < session.first_seq + SESSION_SPAN - 1]
    return orders


def test_a_fresh_engine_gives_the_recorded_commands_to_the_byte(folder: Path) -> None:
    classes: Classes = {}
    with JournalReader(folder / "journal.db") as journal:
        first, _ = journal.sessions()
        engine = Engine(msgspec.msgpack.decode(first.settings, type=EngineConfig), classes)
        assert replayed(journal, folder, first, engine, classes) >= 5


def test_a_recovered_session_replays_from_its_checkpoint(folder: Path) -> None:
    classes: Classes = {}
    with JournalReader(folder / "journal.db") as journal:
        _, second = journal.sessions()
        header = next(h for h in checkpoints(folder / "tape") if h.first_seq >= second.first_seq)
        classes |= {digest: load(text, "Pendulum") for digest, text in journal.sources().items()}
        engine = Engine.restore(header.checkpoint, classes)
        assert replayed(journal, folder, second, engine, classes) >= 2


def test_a_reopened_desk_knows_its_position_its_stop_and_that_nothing_runs(past: Past) -> None:
    (row,) = [row for row in past.reopened.positions if row.size]
    assert row.origin == "own"
    assert row.guarded == abs(row.size)
    assert row.realized_pnl or row.fees
    assert [strategy.status for strategy in past.reopened.strategies] == ["stopped"]


def test_every_order_was_on_disk_before_it_was_sent(folder: Path) -> None:
    """The journal alone names each client id that the exchange has ever seen."""
    running = embedded.find(folder / "exchange")
    assert running is not None
    account = embedded.control_state(running)["accounts"]["law"]
    seen = {order["client_id"] for order in account["orders"] if order["client_id"].startswith("cd")}
    seen |= {order["client_id"] for order in account["algo_orders"]}
    with JournalReader(folder / "journal.db") as journal:
        text = b"".join(encode(command) for _, command in journal.commands())
    assert seen
    assert not [client_id for client_id in seen if client_id.encode() not in text]
