"""Law: re-feeding a live session's journal and tape into a fresh engine yields its recorded commands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from contractdesk.clock import SystemClock
from contractdesk.config import MarketOptions, Profile
from contractdesk.console.desk import Desk
from contractdesk.desk import embedded
from contractdesk.desk.opening import open_session
from contractdesk.domain.commands import SubmitOrder
from contractdesk.domain.events import StrategyStarted, StrategySwapped
from contractdesk.engine.config import EngineConfig
from contractdesk.engine.engine import Engine
from contractdesk.storage.codec import encode
from contractdesk.storage.inputs import read_inputs, without_holes
from contractdesk.storage.journal_reader import JournalReader
from contractdesk.strategy.base import Strategy
from contractdesk.strategy.loader import load
from tests.console.loopback import BTC, Pendulum, walk


@pytest.fixture(scope="module")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What a desk left behind that traded, was tuned, halted, flattened and closed."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTRACTDESK_STATE", str(folder))
        desk = Desk(open_session(Profile(market=MarketOptions(seed=23, idle_limit_s=60)), "law"))
        trend = desk.start(Pendulum([BTC], "1s", hold=1), name="pendulum")
        desk.wait_for(lambda s: len(s.fills) >= 2, 40)
        trend.tune(hold=3)
        walk(desk, "60400", 1)
        desk.wait_for(lambda s: len(s.fills) >= 4, 40)
        desk.buy(BTC, size=100, stop=10)
        desk.halt()
        desk.resume()
        desk.flatten()
        desk.close()
        yield desk.folder
        running = embedded.find(desk.folder / "exchange")
        assert running is not None
        embedded.stop(running, SystemClock())


def test_the_recorded_commands_come_out_again_to_the_byte(session_folder: Path) -> None:
    with JournalReader(session_folder / "journal.db") as journal:
        (meta,) = journal.sessions()
        recorded: defaultdict[int, list[bytes]] = defaultdict(list)
        for seq, command in journal.commands(meta.first_seq):
            recorded[seq].append(encode(command))
        classes: dict[str, type[Strategy]] = {}
        engine = Engine(msgspec.msgpack.decode(meta.settings, type=EngineConfig), classes)
        orders, inputs = 0, 0
        for seq, event in without_holes(read_inputs(journal, session_folder / "tape", meta.first_seq)):
            if isinstance(event, StrategyStarted | StrategySwapped):
                classes[event.source_hash] = load(journal.source(event.source_hash), event.class_name)
            commands = engine.handle(event)
            assert [encode(command) for command in commands] == recorded.pop(seq, []), (seq, event)
            orders += sum(isinstance(command, SubmitOrder) for command in commands)
            inputs += 1
    assert not recorded
    assert orders >= 2
    assert inputs > 100


def test_every_order_was_on_disk_before_it_was_sent(session_folder: Path) -> None:
    """The journal alone names each client id that the exchange has ever seen."""
    running = embedded.find(session_folder / "exchange")
    assert running is not None
    account = embedded.control_state(running)["accounts"]["law"]
    seen = {order["client_id"] for order in account["orders"] if order["client_id"].startswith("cd")}
    seen |= {order["client_id"] for order in account["algo_orders"]}
    with JournalReader(session_folder / "journal.db") as journal:
        text = b"".join(encode(command) for _, command in journal.commands())
    assert seen
    assert not [client_id for client_id in seen if client_id.encode() not in text]
