"""A recorded live session as a replay takes it: where it begins, what it was told, and what is withheld.

The venue's answers, fills and accounts are withheld: the replay makes its own, and they are what it is
compared with. What the market did and what people asked is fed as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec import Struct

from contractdesk.domain.commands import Command
from contractdesk.domain.events import (
    AccountRead,
    Event,
    FundingPaid,
    MarginCalled,
    OrderEvent,
    PositionReported,
    ReadFailed,
    RiskTuned,
    StrategyStarted,
    StrategySwapped,
    StrategyTuned,
    TimePassed,
    VenueStateRead,
    WalletChanged,
)
from contractdesk.engine.checkpoint import decode_desk
from contractdesk.engine.state import Desk
from contractdesk.errors import StorageError
from contractdesk.replay.reports.wording import moment
from contractdesk.storage.inputs import checkpoints, read_inputs
from contractdesk.storage.journal_reader import JournalReader, spans_of
from contractdesk.storage.tape_file import TapeHeader
from contractdesk.strategy.base import Strategy
from contractdesk.strategy.loader import load_all

WITHHELD = (
    OrderEvent, AccountRead, VenueStateRead, ReadFailed, WalletChanged, PositionReported, FundingPaid,
    MarginCalled, TimePassed,
)  # fmt: skip
WHO = "replay"
STARTUP_REQUEST = 0


class Session(Struct, frozen=True, kw_only=True):
    """What was recorded of a desk between a checkpoint and its end, or the next opening."""

    checkpoint: bytes
    start_ns: int
    classes: dict[str, type[Strategy]]
    inputs: tuple[Event, ...]  # in the order in which the engine had them; withheld ones included
    commands: tuple[tuple[int, Command], ...]  # (ts_ns of the input that caused it, command)
    cut: bool = False  # the record has a hole: what came after it is left out

    @property
    def told(self) -> list[Event]:
        """The inputs that a replay is fed with; of the first picture of the venue it makes its own."""
        return [event for event in self.inputs if not isinstance(event, WITHHELD) or _is_opening(event)]

    @property
    def wallet(self) -> Decimal:
        """The balance that it began with: as the venue first said, or as the desk remembered."""
        opening = next((event for event in self.inputs if _is_opening(event)), None)
        if isinstance(opening, VenueStateRead):
            return opening.account.wallet_balance
        return self.state.wallet_balance

    @property
    def state(self) -> Desk:
        """What the desk remembered at the start."""
        return decode_desk(self.checkpoint)


def read_session(
    journal: Path,
    tape: Path,
    *,
    since_ns: int = 0,
    until_ns: int = 1 << 62,
    account: str | None = None,
    heard: Callable[[Event], None] = lambda _event: None,
) -> Session:
    """The part of a record from the last checkpoint at or before ``since_ns`` on; 0: the last session.

    Where that session had ended by then, it begins with the next one. It ends where the desk was opened
    again, and at a hole, such as a kill leaves at the tape's end. Sessions of other accounts than
    ``account``, by default the last one's, are passed over. ``heard`` is called with each input; what it
    raises ends the reading. StorageError where nothing is recorded.
    """
    if not journal.exists():
        raise StorageError(f"{journal} does not exist: the desk of that name has never been opened")
    with JournalReader(journal) as reader:
        header, end_seq = _begin(reader, tape, since_ns, account)
        inputs: list[tuple[int, Event]] = []
        cut = False
        for seq, event in read_inputs(reader, tape, header.first_seq, until_seq=end_seq):
            if event.ts_ns > until_ns:
                break  # of a desk that is open, the tape may lie behind the journal there: no hole
            cut = bool(inputs) and seq != inputs[-1][0] + 1
            if cut:
                break
            inputs.append((seq, event))
            heard(event)
        stamps = {seq: event.ts_ns for seq, event in inputs}
        commands = tuple(
            (stamps[seq], command) for seq, command in reader.commands(header.first_seq) if seq in stamps
        )
        classes, _ = load_all(_names(decode_desk(header.checkpoint), inputs), reader.sources())
    if not inputs:
        raise StorageError(f"nothing is recorded in {tape} after its last checkpoint")
    return Session(
        checkpoint=header.checkpoint,
        start_ns=header.opened_ns,
        classes=classes,
        inputs=tuple(event for _, event in inputs),
        commands=commands,
        cut=cut,
    )


def _is_opening(event: Event) -> bool:
    return isinstance(event, VenueStateRead) and event.request_id == STARTUP_REQUEST


def _begin(reader: JournalReader, tape: Path, since_ns: int, account: str | None) -> tuple[TapeHeader, int]:
    """The checkpoint to start from, and the number from which on another session was recorded."""
    sessions = reader.sessions()
    wanted = sessions[-1].account if account is None and sessions else account or ""
    spans = spans_of(sessions, wanted)
    known = [(header, span) for header in checkpoints(tape) for span in spans if header.first_seq in span]
    if not known:
        raise StorageError(f"the tape {tape} has no checkpoint: nothing can be replayed from it")
    if not since_ns:
        header, span = next((each for each in known if each[1] == spans[-1]), known[-1])
        return header, span.stop
    header, span = next((each for each in reversed(known) if each[0].opened_ns <= since_ns), known[0])
    if not _reaches(reader, tape, header, span, since_ns):
        later = [each for each in known if each[0].first_seq >= span.stop]
        if not later:
            raise StorageError(f"nothing is recorded in {tape} since {moment(since_ns)} UTC")
        header, span = later[0]
    return header, span.stop


def _reaches(reader: JournalReader, tape: Path, header: TapeHeader, span: range, since_ns: int) -> bool:
    """The session went on until then, or longer."""
    inputs = read_inputs(reader, tape, header.first_seq, until_seq=span.stop)
    return any(event.ts_ns >= since_ns for _, event in inputs)


def _names(state: Desk, inputs: list[tuple[int, Event]]) -> dict[str, str]:
    """Class names by the hash of their source."""
    names = {row.source_hash: row.class_name for row in state.strategies.values()}
    for _, event in inputs:
        if isinstance(event, StrategyStarted | StrategySwapped):
            names[event.source_hash] = event.class_name
    return names


def what_if(
    events: list[Event], state: Desk, params: Mapping[str, Any], risk: Mapping[str, Any], start_ns: int
) -> list[Event]:
    """The same inputs under other settings: what a person tuned then is not what is asked now.

    ``params`` tunes every strategy as soon as it runs; a mapping in it those of the strategy it is named
    after: ``{"TrendFollow": {"fast": 8}}``. ``risk`` is in force from the start.
    """
    changed: list[Event] = [RiskTuned(ts_ns=start_ns, who=WHO, settings=dict(risk))] if risk else []
    changed += _tuned(start_ns, state.strategies, params)
    for event in events:
        if isinstance(event, StrategyTuned) and _wanted(params, event.strategy_id):
            continue
        if isinstance(event, RiskTuned) and risk:
            continue
        changed.append(event)
        if isinstance(event, StrategyStarted):
            changed += _tuned(event.ts_ns, (event.strategy_id,), params)
    return changed


def _tuned(ts_ns: int, strategy_ids: Iterable[str], params: Mapping[str, Any]) -> list[StrategyTuned]:
    return [
        StrategyTuned(ts_ns=ts_ns, who=WHO, strategy_id=name, params=wanted)
        for name in strategy_ids
        if (wanted := _wanted(params, name))
    ]


def _wanted(params: Mapping[str, Any], strategy_id: str) -> dict[str, Any]:
    """What all strategies get, and what this one gets."""
    of_all = {name: value for name, value in params.items() if not isinstance(value, Mapping)}
    own = params.get(strategy_id)
    return {**of_all, **own} if isinstance(own, Mapping) else of_all
