"""What a desk knew when its process ended: the last checkpoint, and every input since, fed again.

What the engine answers to them is not performed: it was, then. Behind a hole, what was sent is taken from
the record instead. Afterwards nothing is trusted that only the venue can know: books are invalid, streams
lost, and the account is reconciled before trading.

A session that ended before its first checkpoint was on disk has begun where the one before it ended: so
does its repetition. Sessions of other accounts under the same name, also between them, are never read.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from contractdesk.desk.paths import DeskPaths
from contractdesk.desk.supervisor import attempt
from contractdesk.domain.account import MarginMode
from contractdesk.domain.commands import Notify, OrderCommand
from contractdesk.domain.events import PersonEvent, StrategyStarted, StrategySwapped
from contractdesk.domain.orders import OrderRole
from contractdesk.domain.views import TradingState
from contractdesk.engine.breaking import TRIPPED
from contractdesk.engine.checkpoint import decode_desk, encode_desk
from contractdesk.engine.client_ids import NEVER_SENT, never_sent
from contractdesk.engine.config import EngineConfig
from contractdesk.engine.core import Watch
from contractdesk.engine.engine import Engine
from contractdesk.engine.market_feed import BY_HAND_TIMEFRAME, BY_HAND_WARMUP
from contractdesk.engine.state import Desk, Market
from contractdesk.errors import ConfigError, StorageError, UserError
from contractdesk.risk.trailing import TrailingStop
from contractdesk.storage.inputs import Step, last_checkpoint, steps
from contractdesk.storage.journal_reader import JournalReader, RecordKind, SessionMeta, spans_of
from contractdesk.storage.tape_file import TapeHeader
from contractdesk.strategy.bars import BarBuilder, BarSeries
from contractdesk.strategy.base import Strategy
from contractdesk.strategy.loader import load_all

LOST = -1  # instead of the next number: behind a hole, up to the end of its session

log = logging.getLogger(__name__)


def remembered(
    paths: DeskPaths, account: str, classes: dict[str, type[Strategy]], watch: Watch | None = None
) -> bytes | None:
    """What the last session on ``account`` left; None where there was none that did anything.

    ``watch`` ends callbacks that did not return then, and would not now. UserError where a session was, and
    what it left cannot be read, for whatever cause: a desk that took its own positions for somebody else's
    would leave them alone, and a halt or a tripped breaker is ended by a person alone. Half of it is not
    built on either: without the tape, or by another version's record, the journal tells another story.
    """
    try:
        return _last_state(paths, account, classes, watch)
    except (StorageError, OSError) as error:
        raise UserError(
            f"what this desk knew cannot be read: {error}. Nothing was opened, nothing is sent; stops rest "
            "on the venue. If the disk, a permission or the version of contractdesk is the cause, put that "
            "right and open the desk again: then nothing is lost. Otherwise look at the venue, protect or "
            f"flatten what is open, move {paths.home} away (keep it) and open the desk again: it knows of no "
            "halt and no tripped breaker then, compares with the venue, and adopt() takes positions over"
        ) from error


def needed_elsewhere(paths: DeskPaths, account: str) -> list[range]:
    """The numbers that sessions of this name on other accounts are remembered by: not to be deleted.

    StorageError where the journal cannot be read.
    """
    if not paths.journal.exists():
        return []
    with JournalReader(paths.journal) as journal:
        sessions = journal.sessions()
    needed: list[range] = []
    for other in {meta.account for meta in sessions} - {account, ""}:  # without one there is no memory
        spans, header = _spans(sessions, other), None
        with suppress(StorageError, OSError):  # what cannot be read now is kept whole
            header = last_checkpoint(paths.tape, spans)
        needed += spans if header is None else _since(spans, header.first_seq)
    return needed


def recovered(known: bytes, config: EngineConfig, classes: dict[str, type[Strategy]]) -> Engine:
    """The engine of a new writer, with what was remembered."""
    state = decode_desk(known)
    _begin_anew(state, config)
    return Engine.restore(encode_desk(state), classes)


def _last_state(
    paths: DeskPaths, account: str, classes: dict[str, type[Strategy]], watch: Watch | None
) -> bytes | None:
    if not paths.journal.exists():
        return None
    with JournalReader(paths.journal) as journal:
        sessions = journal.sessions()
        ours = [meta for meta in sessions if meta.account == account]
        if not ours:
            return None
        spans = _spans(sessions, account)
        header = last_checkpoint(paths.tape, spans)
        if header is None and _nothing_done(journal, spans):
            return None  # killed before the first checkpoint of all was on the disk
        if header is None:
            raise StorageError(f"the tape {paths.tape} has no checkpoint of this account's sessions")
        begun = max(meta.first_seq for meta in ours if meta.first_seq <= header.first_seq)
        _load_classes(journal, _since(spans, begun), header, classes)
        engine = _watched(Engine.restore(header.checkpoint, classes), watch)
        later = [meta for meta in ours if meta.first_seq > header.first_seq]
        expected = header.first_seq
        for step in steps(journal, paths.tape, _since(spans, header.first_seq)):
            while later and step.seq >= later[0].first_seq:
                expected = later[0].first_seq
                engine = _watched(_as_opened(engine, later.pop(0), classes), watch)
            expected = step.seq + 1 if step.whole and step.seq == expected else LOST
            _repeat(engine, step, whole=expected != LOST)
        return engine.checkpoint()


def _repeat(engine: Engine, step: Step, *, whole: bool) -> None:
    """What faulted live faults again; the live engine went on with the next event, so does this one."""
    _, error = (
        attempt(engine.handle, step.event) if whole else attempt(engine.repeat, step.event, step.answer)
    )
    if error is not None:
        log.warning("input %d faulted while it was repeated: %r", step.seq, error)


def _spans(sessions: Sequence[SessionMeta], account: str) -> list[range]:
    """The numbers that this account's sessions wrote, one span where none of another came between them."""
    joined: list[range] = []
    for span in spans_of(sessions, account):
        follows = bool(joined) and joined[-1].stop == span.start
        joined.append(range(joined.pop().start if follows else span.start, span.stop))
    return joined


def _since(spans: Sequence[range], first_seq: int) -> list[range]:
    """What of the spans is not before ``first_seq``."""
    return [range(max(each.start, first_seq), each.stop) for each in spans if each.stop > first_seq]


def _nothing_done(journal: JournalReader, spans: Sequence[range]) -> bool:
    """No order, no trip of the breaker, and nobody asked for anything: there is nothing to be forgotten."""
    for span in spans:
        for record in journal.records(span.start, span.stop):
            if record.kind is RecordKind.EVENT:
                done = isinstance(record.event, PersonEvent)
            else:
                command = record.command
                done = isinstance(command, OrderCommand)
                done = done or (isinstance(command, Notify) and command.code == TRIPPED)
            if done:
                return False
    return True


def _as_opened(engine: Engine, meta: SessionMeta, classes: dict[str, type[Strategy]]) -> Engine:
    """The engine with which a later session began: it had recovered what this one knows."""
    try:
        config = msgspec.msgpack.decode(meta.settings, type=EngineConfig)
    except (msgspec.MsgspecError, ConfigError) as exc:
        raise StorageError(f"settings of contractdesk {meta.code_version} cannot be read: {exc}") from exc
    return recovered(engine.checkpoint(), config, classes)


def _watched(engine: Engine, watch: Watch | None) -> Engine:
    return engine if watch is None else engine.watched(watch)


def _load_classes(
    journal: JournalReader, spans: Sequence[range], header: TapeHeader, classes: dict[str, type[Strategy]]
) -> None:
    """The strategies that ran, from the sources that the journal keeps; one that fails is left out."""
    names = {row.source_hash: row.class_name for row in decode_desk(header.checkpoint).strategies.values()}
    for span in spans:
        for _, event in journal.events(span.start, span.stop):
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
    _drop_made_up(state)
    state.started = False
    state.starting = state.state is not TradingState.HALTED and not state.reduced
    if state.reduced and state.state is TradingState.REDUCING:
        state.state_reason = state.reduced  # since then it was closed, which is over now
    for market in state.symbols.values():
        market.ready, market.not_ready_reason = False, "the desk has just been opened"
        market.book.invalidate()
        market.margin_mode = MarginMode.CROSS  # until the venue has said what it is now
        _watch_anew(state, market)


def _drop_made_up(state: Desk) -> None:
    """Orders that a repetition behind a hole has come to by itself: the record says that nobody sent them."""
    state.sequence %= NEVER_SENT  # on from what was given
    for made_up in [each for each in state.orders_by_id if never_sent(each)]:
        del state.orders_by_id[made_up]
        state.closed_ids.pop(made_up, None)
        for market in state.symbols.values():
            market.open_ids.pop(made_up, None)


def _watch_anew(state: Desk, market: Market) -> None:
    """What is held goes on, with the bars its stop follows; bars that nobody streams any more are dropped.

    An entry that rests may have filled meanwhile, or may fill at any moment: then it is a position.
    """
    trails = [tracked.trail for tracked in state.tracked(market, OrderRole.ENTRY)]
    if market.position.size:
        trails.append(market.trail)
    if not trails:
        market.watched = ()
    needed = [TrailingStop.of(state.risk, trail).timeframe for trail in trails if trail.on]
    if trails and not market.watched:
        needed.append(BY_HAND_TIMEFRAME)
    for timeframe in needed:
        if timeframe and timeframe not in market.watched:
            _stream(market, timeframe, native=timeframe in state.config.native_timeframes)
    market.series = {name: bars for name, bars in market.series.items() if name in market.watched}
    built = set(market.watched) - set(state.config.native_timeframes)
    market.builders = {name: made for name, made in market.builders.items() if name in built}
    if not market.builders:
        market.bar_due_ns = 0


def _stream(market: Market, timeframe: str, *, native: bool) -> None:
    """Bars of a timeframe more, of which none is known yet."""
    market.watched += (timeframe,)
    market.warmup = max(market.warmup, BY_HAND_WARMUP)
    if not native:
        market.builders[timeframe] = BarBuilder(timeframe)
    market.series[timeframe] = BarSeries(timeframe)
