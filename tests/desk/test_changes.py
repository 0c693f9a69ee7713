"""The audit of changes: what the journal says, folded into from and to."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from contractdesk.desk.changes import PROFILE, RISK, Change, Changes
from contractdesk.domain.events import (
    Event,
    HaltAsked,
    RiskTuned,
    StrategyStarted,
    StrategyStopped,
    StrategySwapped,
    StrategyTuned,
)
from contractdesk.engine.config import EngineConfig
from contractdesk.risk.settings import RiskSettings
from contractdesk.storage.journal import Journal
from contractdesk.storage.journal_reader import SessionMeta

S = 1_000_000_000


class Book:
    """A journal that is written as a desk writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seq = 0
        self.journal = Journal(path)

    def open(self, risk: RiskSettings | None = None, account: str = "a") -> None:
        config = EngineConfig(desk="d", bot="aaaa", epoch=1, risk=risk or RiskSettings())
        self.journal.begin_session(
            SessionMeta(
                first_seq=self.seq + 1,
                opened_ns=(self.seq + 1) * S,
                desk="d",
                account=account,
                code_version="0",
                settings=msgspec.msgpack.encode(config),
            )
        )
        self.journal.barrier().result(10)

    def write(self, *events: Event) -> None:
        for event in events:
            self.seq += 1
            self.journal.append(self.seq, event)


def started(who: str = "person", **params: object) -> StrategyStarted:
    return StrategyStarted(
        ts_ns=S, who=who, strategy_id="t", class_name="Trend", source_hash="abcdef0123", params=params,
        symbols=("BTC/USDT:USDT",), timeframe="1m",
    )  # fmt: skip


def tuned(who: str = "person", ts_ns: int = 2 * S, **params: object) -> StrategyTuned:
    return StrategyTuned(ts_ns=ts_ns, who=who, strategy_id="t", params=params)


def risk(**settings: object) -> RiskTuned:
    return RiskTuned(ts_ns=3 * S, who="person", settings=settings)


def lines(found: tuple[Change, ...]) -> list[tuple[object, ...]]:
    return [(row.who, row.what, row.name, row.was, row.now) for row in found]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    made = Book(tmp_path / "journal.db")
    made.open()
    return made


def test_a_change_says_who_when_what_from_and_to(book: Book) -> None:
    book.write(started(fast=12, slow=26), tuned("person (panel)", 5 * S, fast=8), risk(size_cap="0.02"))
    found = Changes(book.path).read()
    assert lines(found) == [
        ("person (panel)", "t", "fast", 12, 8),
        ("person", RISK, "size_cap", "0.03", "0.02"),
    ]
    assert found[0].ts_ns == 5 * S


def test_a_first_start_and_what_stays_the_same_are_no_changes(book: Book) -> None:
    book.write(
        started(fast=12), tuned(fast=12), risk(size_cap="0.03"), HaltAsked(ts_ns=4 * S, who="RiskTuned")
    )
    assert Changes(book.path).read() == ()


def test_started_again_with_other_parameters_is_a_change(book: Book) -> None:
    book.write(started(fast=12), StrategyStopped(ts_ns=S, who="person", strategy_id="t"), started(fast=9))
    assert lines(Changes(book.path).read()) == [("person", "t", "fast", 12, 9)]


def test_what_the_engine_refuses_is_no_change(book: Book) -> None:
    stopped = StrategyStopped(ts_ns=S, who="person", strategy_id="t")
    book.write(started(fast=12), stopped, tuned(fast=8), risk(size_cap="99"), risk(nonsense=1))
    assert Changes(book.path).read() == ()


def test_new_code_is_a_change(book: Book) -> None:
    swapped = StrategySwapped(
        ts_ns=S, who="person", strategy_id="t", class_name="Trend", source_hash="99887766"
    )
    book.write(started(), swapped)
    assert lines(Changes(book.path).read()) == [("person", "t", "code", "Trend abcdef01", "Trend 99887766")]


def test_only_what_is_new_is_read_the_second_time(book: Book) -> None:
    changes = Changes(book.path)
    book.write(started(fast=12), tuned(fast=8))
    assert len(changes.read()) == 1
    assert len(changes.read()) == 1
    book.write(tuned(fast=5), HaltAsked(ts_ns=4 * S, who="person"))
    assert lines(changes.read())[1:] == [("person", "t", "fast", 8, 5)]
    book.write(tuned(fast=6))
    assert len(changes.read()) == 3


def test_a_recovered_desk_keeps_what_was_tuned(book: Book) -> None:
    changes = Changes(book.path)
    book.write(risk(size_cap="0.02"))
    assert len(changes.read()) == 1
    book.open()
    book.write(risk(size_cap="0.01"))
    assert lines(changes.read())[1:] == [("person", RISK, "size_cap", "0.02", "0.01")]


def test_other_settings_at_the_next_opening_are_a_change_of_the_profile(book: Book) -> None:
    book.write(risk(size_cap="0.02"))
    book.open(RiskSettings(stop_deadline_s=2.0))
    assert lines(Changes(book.path).read())[1:] == [
        (PROFILE, RISK, "size_cap", "0.02", "0.03"),
        (PROFILE, RISK, "stop_deadline_s", 3.0, 2.0),
    ]


def test_what_was_tuned_on_an_account_is_kept_while_another_one_is_open(book: Book) -> None:
    book.write(risk(size_cap="0.02"))
    book.open(account="b")
    book.write(risk(stop_deadline_s=2.0))
    book.open()
    assert lines(Changes(book.path).read())[1:] == [
        (PROFILE, RISK, "size_cap", "0.02", "0.03"),
        ("person", RISK, "stop_deadline_s", 3.0, 2.0),
        (PROFILE, RISK, "size_cap", "0.03", "0.02"),
        (PROFILE, RISK, "stop_deadline_s", 2.0, 3.0),
    ]


def test_nothing_that_was_tuned_is_kept_of_an_account_that_ended_with_its_desk(book: Book) -> None:
    book.open(account="")
    book.write(risk(size_cap="0.02"))
    book.open(account="")
    assert lines(Changes(book.path).read())[1:] == [(PROFILE, RISK, "size_cap", "0.02", "0.03")]
