"""What a desk knew when its process ended: the last checkpoint, and every input since, fed again.

What the engine answers to them is not performed: it was, then. Afterwards nothing is trusted that
only the venue can know: books are invalid, streams lost, and the account is reconciled before trading.
"""

from __future__ import annotations

import logging
from pathlib import Path

from contractdesk.desk.paths import DeskPaths
from contractdesk.desk.supervisor import attempt
from contractdesk.domain.events import StrategyStarted, StrategySwapped
from contractdesk.domain.views import TradingState
from contractdesk.engine.checkpoint import decode_desk, encode_desk
from contractdesk.engine.config import EngineConfig
from contractdesk.engine.core import Watch
from contractdesk.engine.engine import Engine
from contractdesk.engine.state import Desk
from contractdesk.errors import StorageDamaged, StorageError, UserError
from contractdesk.storage.inputs import checkpoints, read_inputs
from contractdesk.storage.journal_reader import JournalReader
from contractdesk.storage.tape_file import TapeHeader
from contractdesk.strategy.base import Strategy
from contractdesk.strategy.loader import load_all

log = logging.getLogger(__name__)


def recovered(
    paths: DeskPaths,
    account: str,
    config: EngineConfig,
    classes: dict[str, type[Strategy]],
    watch: Watch | None = None,
) -> Engine | None:
    """The engine as the last session on ``account`` left it; None where there was none, or none to trust.

    ``watch`` ends callbacks that did not return then, and would not now. UserError where the record of it is
    damaged: a desk that took its own positions for somebody else's would leave them alone.
    """
    try:
        data = _last_state(paths, account, classes, watch)
    except StorageDamaged as error:
        raise UserError(
            f"what this desk knew cannot be read: {error}. Nothing was opened, nothing is sent; stops rest "
            f"on the venue. Look there, protect or flatten what is open, move {paths.journal.parent} away "
            "(keep it) and open the desk again: it compares with the venue, and adopt() takes positions over"
        ) from error
    except StorageError as error:
        log.warning("nothing is recovered: %s; positions will show as external", error)
        return None
    if data is None:
        return None
    state = decode_desk(data)
    _begin_anew(state, config)
    return Engine.restore(encode_desk(state), classes)


def _last_state(
    paths: DeskPaths, account: str, classes: dict[str, type[Strategy]], watch: Watch | None
) -> bytes | None:
    if not paths.journal.exists():
        return None
    with JournalReader(paths.journal) as journal:
        sessions = journal.sessions()
        if not sessions or sessions[-1].account != account:
            return None
        header = _last_checkpoint(paths.tape, sessions[-1].first_seq)
        if header is None:
            raise StorageError(f"the tape of {paths.tape} has no checkpoint of the last session")
        _load_classes(journal, sessions[-1].first_seq, header, classes)
        engine = Engine.restore(header.checkpoint, classes)
        if watch is not None:
            engine.watched(watch)
        for seq, event in read_inputs(journal, paths.tape, header.first_seq):
            # What faulted live faults again; the live engine went on with the next event, so does this one.
            _, error = attempt(engine.handle, event)
            if error is not None:
                log.warning("input %d faulted while it was repeated: %r", seq, error)
        return engine.checkpoint()


def _last_checkpoint(tape: Path, since_seq: int) -> TapeHeader | None:
    known = [header for header in checkpoints(tape) if header.first_seq >= since_seq]
    return known[-1] if known else None


def _load_classes(
    journal: JournalReader, since_seq: int, header: TapeHeader, classes: dict[str, type[Strategy]]
) -> None:
    """The strategies that ran, from the sources that the journal keeps; one that fails is left out."""
    names = {row.source_hash: row.class_name for row in decode_desk(header.checkpoint).strategies.values()}
    for _, event in journal.events(since_seq):
        if isinstance(event, StrategyStarted | StrategySwapped):
            names[event.source_hash] = event.class_name
    found, failed = load_all(names, journal.sources())
    classes.update(found)
    for name, error in failed.items():
        log.warning("strategy %s cannot be built again: %r", name, error)


def _begin_anew(state: Desk, config: EngineConfig) -> None:
    """A new writer: its own epoch; started like any other, unless only ``resume()`` may end what it is in."""
    if config.risk != state.config.risk:
        state.risk = config.risk  # the settings were changed meanwhile; else what was tuned stays
    state.config = config
    state.started = False
    state.starting = state.state is not TradingState.HALTED and not state.reduced
    if state.reduced and state.state is TradingState.REDUCING:
        state.state_reason = state.reduced  # since then it was closed, which is over now
    for market in state.symbols.values():
        market.ready, market.not_ready_reason = False, "the desk has just been opened"
        market.book.invalidate()
        if not market.position.size:
            market.watched = ()
