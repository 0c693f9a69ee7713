"""Every change ever made to what runs: who, when, what, from, to; from the journal, which is never altered.

The journal holds what was asked. What it was before is found by following the settings from the first
session on, as a recovery does.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from contractdesk.domain.events import (
    Event,
    RiskTuned,
    StrategyStarted,
    StrategyStopped,
    StrategySwapped,
    StrategyTuned,
)
from contractdesk.engine.config import EngineConfig
from contractdesk.errors import ConfigError
from contractdesk.risk.settings import RiskSettings, tuned
from contractdesk.storage.journal_reader import JournalReader, SessionMeta
from contractdesk.strategy.params import plain

RISK: Final = "risk"
CODE: Final = "code"  # the name under which a swapped class stands
PROFILE: Final = "profile"  # who changed what a desk was opened with
_TELLING: Final = ("RiskTuned", "StrategyStarted", "StrategyStopped", "StrategySwapped", "StrategyTuned")


class Change(Struct, frozen=True, kw_only=True):
    """One value of one parameter or setting; values are plain (decimals as strings)."""

    ts_ns: int  # UTC
    who: str
    what: str  # the strategy's id, or "risk"
    name: str
    was: Any
    now: Any


class Changes:
    """The changes of one journal, oldest first. ``read`` may be called from any thread."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._fold = _Fold()
        self._next_seq = 0  # of the first input that was not looked at
        self._openings = 0  # sessions that were looked at
        self._found: list[Change] = []

    def read(self) -> tuple[Change, ...]:
        """All that is on disk by now; only what is new is read. StorageError where the journal is damaged."""
        with self._lock, JournalReader(self._journal) as reader:
            looked_at = reader.last_seq
            sessions = reader.sessions()
            waiting = sessions[self._openings :]
            for seq, event in reader.events_named(_TELLING, self._next_seq):
                while waiting and waiting[0].first_seq <= seq:
                    self._found += self._fold.open(waiting.pop(0))
                self._found += self._fold.take(event)
                looked_at = max(looked_at, seq)
            for session in waiting:
                self._found += self._fold.open(session)
            self._next_seq, self._openings = looked_at + 1, len(sessions)
            return tuple(self._found)


class _Fold:
    """What ran, as far as the journal was read."""

    def __init__(self) -> None:
        self._account = ""
        self._opened_with: RiskSettings | None = None
        self._risk = RiskSettings()
        self._left: dict[str, tuple[RiskSettings | None, RiskSettings]] = {}  # account: opened, ended with
        self._params: dict[str, dict[str, Any]] = {}
        self._code: dict[str, str] = {}
        self._running: set[str] = set()

    def open(self, session: SessionMeta) -> list[Change]:
        """A recovery keeps what was tuned on its account, unless the settings that the desk is opened with
        have changed; nothing is kept of an account without a name, which ends with its desk.
        """
        before, old = self._opened_with, self._risk
        self._left[self._account] = (before, old)
        self._account, self._opened_with = session.account, _opened_with(session) or before
        self._running.clear()
        if self._opened_with is None:
            return []
        opened_with, ended_with = self._left.get(session.account, (None, old))
        kept = bool(session.account) and self._opened_with == opened_with
        self._risk = ended_with if kept else self._opened_with
        return [] if before is None else _risk_changes(session.opened_ns, PROFILE, old, self._risk)

    def take(self, event: Event) -> list[Change]:
        match event:
            case StrategyStarted():
                return self._start(event)
            case StrategyStopped(strategy_id=strategy_id):
                self._running.discard(strategy_id)
            case StrategyTuned(strategy_id=strategy_id) if strategy_id in self._running:
                return self._take_params(event, strategy_id, event.params)
            case StrategySwapped(strategy_id=strategy_id) if strategy_id in self._running:
                return [self._swap(event)]
            case RiskTuned():
                return self._tune_risk(event)
            case _:
                pass
        return []

    def _start(self, event: StrategyStarted) -> list[Change]:
        """A first start is no change; one with other parameters than before is."""
        known = event.strategy_id in self._params
        changes = self._take_params(event, event.strategy_id, event.params)
        self._code[event.strategy_id] = _code(event)
        self._running.add(event.strategy_id)
        return changes if known else []

    def _take_params(
        self, event: StrategyStarted | StrategyTuned, strategy_id: str, params: Mapping[str, Any]
    ) -> list[Change]:
        now = self._params.setdefault(strategy_id, {})
        changes = [
            Change(
                ts_ns=event.ts_ns, who=event.who, what=strategy_id, name=name, was=now.get(name), now=value
            )
            for name, value in params.items()
            if now.get(name) != value
        ]
        now.update(params)
        return changes

    def _swap(self, event: StrategySwapped) -> Change:
        was, now = self._code.get(event.strategy_id), _code(event)
        self._code[event.strategy_id] = now
        return Change(ts_ns=event.ts_ns, who=event.who, what=event.strategy_id, name=CODE, was=was, now=now)

    def _tune_risk(self, event: RiskTuned) -> list[Change]:
        old = self._risk
        try:
            self._risk = tuned(old, event.settings)
        except ConfigError:
            return []  # the engine refused it, too
        return _risk_changes(event.ts_ns, event.who, old, self._risk)


def _code(event: StrategyStarted | StrategySwapped) -> str:
    return f"{event.class_name} {event.source_hash[:8]}"


def _opened_with(session: SessionMeta) -> RiskSettings | None:
    """None where another version of contractdesk wrote settings that this one does not know."""
    try:
        return msgspec.msgpack.decode(session.settings, type=EngineConfig).risk
    except (msgspec.MsgspecError, ConfigError):
        return None


def _risk_changes(ts_ns: int, who: str, old: RiskSettings, new: RiskSettings) -> list[Change]:
    return [
        Change(ts_ns=ts_ns, who=who, what=RISK, name=name, was=plain(was), now=plain(now))
        for name, was in msgspec.structs.asdict(old).items()
        if (now := getattr(new, name)) != was
    ]
