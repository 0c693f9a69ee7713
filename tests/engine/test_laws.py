"""The engine's laws, on random sessions against a venue that does everything a venue may do."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.domain.commands import AmendStop, Command, PlaceStop, SubmitOrder
from contractdesk.domain.events import Event
from contractdesk.domain.orders import OrderType
from contractdesk.engine.engine import Engine, EngineConfig
from tests.engine.bench import CONFIG
from tests.engine.sessions import Session
from tests.engine.unruly_venue import Faults

TESTS = Path(__file__).parents[1]
seeds = st.integers(0, 10**9)


in_place = pytest.mark.parametrize("in_place", [False, True], ids=["replaced", "amended"])


def record(
    seed: int, seconds: float = 20.0, faults: Faults | None = None, *, in_place: bool = False
) -> Session:
    """A session; ``in_place``: its venue amends stops."""
    session = Session(seed, faults, amend_stop=in_place)
    session.run(seconds)
    return session


def config_of(*, in_place: bool) -> EngineConfig:
    return replace(CONFIG, amend_stop=in_place)


def encoded(commands: list[list[Command]]) -> bytes:
    return msgspec.json.encode(commands)


def fed(engine: Engine, events: list[Event]) -> list[list[Command]]:
    return [engine.handle(event) for event in events]


def digest(seed: int) -> str:
    """What a session commanded, in one line: the same in every process."""
    return hashlib.sha256(encoded(record(seed).commands)).hexdigest()


@in_place
@given(seeds)
@settings(max_examples=25)
def test_the_same_events_give_the_same_commands_to_the_byte(in_place: bool, seed: int) -> None:
    session = record(seed, in_place=in_place)
    again = fed(Engine(config_of(in_place=in_place), {}), session.events)
    assert encoded(again) == encoded(session.commands)


def test_another_process_with_another_hash_seed_commands_the_same() -> None:
    script = "import sys; from engine.test_laws import digest; print(digest(int(sys.argv[1])))"
    found = {
        subprocess.run(
            [sys.executable, "-c", script, "42"],
            cwd=TESTS,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert found == {digest(42)}


@in_place
@given(seeds, st.floats(0, 1))
@settings(max_examples=25)
def test_a_restored_engine_goes_on_as_the_first_would_have(in_place: bool, seed: int, part: float) -> None:
    session = record(seed, in_place=in_place)
    middle = int(len(session.events) * part)
    first = Engine(config_of(in_place=in_place), {})
    fed(first, session.events[:middle])
    restored = Engine.restore(first.checkpoint(), {})
    assert restored.next_deadline_ns == first.next_deadline_ns
    assert restored.checkpoint() == first.checkpoint()
    assert encoded(fed(restored, session.events[middle:])) == encoded(session.commands[middle:])


@in_place
@given(seeds)
@settings(max_examples=60)
def test_every_filled_contract_is_guarded_or_being_closed(in_place: bool, seed: int) -> None:
    """Checked after every event by the session; here, that all is in order once the faults are over."""
    session = record(seed, 30.0, in_place=in_place)
    session.quiesce()
    session.check_settled()


@pytest.mark.parametrize(
    "faults",
    [
        Faults(lose=1.0),
        Faults(lose=0.5, delay=0.8, repeat=0.5),
        Faults(drop=1.0),
        Faults(reject=0.9),
        Faults(read=0.9, lose=0.5),
        Faults(repeat=1.0, delay=1.0),
        Faults(vanish=0.3),
        Faults(reject=0.4, lose=0.4, read=0.4, drop=0.4, repeat=0.4, delay=0.4, vanish=0.1),
    ],
    ids=lambda faults: "+".join(name for name, rate in vars(faults).items() if rate),
)
@in_place
def test_no_single_kind_of_fault_leaves_a_contract_naked(faults: Faults, in_place: bool) -> None:
    for seed in range(8):
        session = record(seed, 20.0, faults, in_place=in_place)
        session.quiesce()
        session.check_settled()


def test_a_venue_that_amends_is_asked_to() -> None:
    """Else the laws above would say nothing about it: where nothing goes wrong, all moves are in place."""
    sent = [
        command
        for seed in range(20)
        for commands in record(seed, in_place=True, faults=Faults()).commands
        for command in commands
    ]
    amends = sum(isinstance(command, AmendStop) for command in sent)
    stops = [command for command in sent if isinstance(command, PlaceStop)]
    entries = sum(isinstance(command, SubmitOrder) for command in sent)
    protective = sum(command.type is OrderType.STOP_MARKET for command in stops)
    assert amends > 100
    assert protective <= entries  # one for each that opens a position


@given(seeds)
@settings(max_examples=20)
def test_a_lost_create_is_never_sent_again(seed: int) -> None:
    """One SubmitOrder an intent, one create a client id, however many answers are lost."""
    session = record(seed, 20.0, Faults(lose=0.8, read=0.3))
    session.quiesce()
    submitted = [c for commands in session.commands for c in commands if isinstance(c, SubmitOrder)]
    intents = Counter(command.approved.request.intent_id for command in submitted)
    assert all(count == 1 for count in intents.values())
    assert len(set(session.venue.created)) == len(session.venue.created)
