"""Numbers every input and writes it down before the engine sees it; writes the commands before they run.

Market inputs go to the tape, all others and every command to the journal. Writing never blocks the
loop and never stops the desk: what fails is told once, and then entries are refused.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from contextlib import suppress

import msgspec

from contractdesk import __version__
from contractdesk.desk.paths import DeskPaths
from contractdesk.domain.commands import Command, OrderCommand
from contractdesk.domain.events import Event, MarketEvent
from contractdesk.engine.config import EngineConfig
from contractdesk.errors import StorageError
from contractdesk.storage.journal import Journal
from contractdesk.storage.journal_reader import SessionMeta
from contractdesk.storage.tape import Tape
from contractdesk.storage.tape_file import TapeHeader
from contractdesk.storage.writer import MakeScribe, Writer

# Each session counts from a number of its own: the tape of one that was killed may hold later
# numbers than its journal, a session may leave no record, a journal may be moved away from its tape.
# No number is ever used twice: by them a recovery tells the sessions, and so the accounts, apart.
SESSION_SPAN = 10**12
LATCHED_WITHIN_S = 0.05
KEPT_WITHIN_S = 0.25

log = logging.getLogger(__name__)


class Recorder:
    """The journal and the tape of one session, under one sequence of numbers."""

    def __init__(
        self, paths: DeskPaths, make_writer: MakeScribe = Writer, *, needed: Sequence[range] = ()
    ) -> None:
        """Open both, or none: StorageError where one is damaged, newer than this code, or not to be written.

        What the tape has of the ``needed`` numbers stays, whatever its limit is.
        """
        self._journal = Journal(paths.journal, make_writer)
        try:
            self._tape = Tape(paths.tape, make_writer=make_writer, needed=needed)
        except BaseException:
            self._journal.close()
            raise
        self._settings = b""
        self._sources: list[str] = []
        self._trouble = ""
        taken = max(self._journal.last_seq, self._tape.last_seq)
        self.seq = (taken // SESSION_SPAN + 1) * SESSION_SPAN

    def begin(self, config: EngineConfig, account: str, opened_ns: int) -> None:
        """Who writes from now on, and under which settings; before the first event."""
        self._settings = msgspec.msgpack.encode(config)
        self._journal.begin_session(
            SessionMeta(
                first_seq=self.seq + 1,
                opened_ns=opened_ns,
                desk=config.desk,
                account=account,
                code_version=__version__,
                settings=self._settings,
            )
        )

    @property
    def broken(self) -> str:
        """Why the record may have holes; "" when all is well."""
        return self._trouble or self._journal.broken or self._tape.broken

    def event(self, event: Event) -> None:
        """Give the input its number and queue it for the disk."""
        self.seq += 1
        self._guarded(self._put, event)

    def commands(self, ts_ns: int, commands: Sequence[Command]) -> None:
        """Queue what the engine answered to the last input.

        What goes to the venue has its cause on the disk soon: the tape does not gather more first.
        """
        if commands:
            self._guarded(self._journal.put_commands, self.seq, ts_ns, commands)
            if any(isinstance(command, OrderCommand) for command in commands):
                self._tape.barrier()

    def rotate(self, now_ns: int, checkpoint: Callable[[], bytes], *, force: bool = False) -> None:
        """Begin a new segment of the tape where that is due (at first, too); call it between two events."""
        if force or self._tape.due(now_ns):
            self._begin_segment(now_ns, checkpoint())

    def latch(self, now_ns: int, checkpoint: Callable[[], bytes]) -> None:
        """Have what the engine has come to survive a kill from now on; its cause may be on the lazy tape.

        Waits for that, the one time that the loop waits for a disk, but not for a slow one. The new
        segment's checkpoint makes it last though the tape were lost.
        """
        wait((self._journal.barrier(), self._tape.barrier()), LATCHED_WITHIN_S)
        self.rotate(now_ns, checkpoint, force=True)

    async def durable(self) -> None:
        """Wait until everything queued so far is on disk; StorageError when it cannot be.

        The tape is waited for too: an entry was decided by what is on it, and a recovery after a
        kill must come to the same decision. Its failure alone refuses nothing.
        """
        if self._trouble:
            raise StorageError(self._trouble)
        journal = asyncio.wrap_future(self._journal.barrier())
        tape = asyncio.wrap_future(self._tape.barrier())
        done, _ = await asyncio.gather(journal, tape, return_exceptions=True)
        if isinstance(done, BaseException):
            raise done

    async def kept(self) -> None:
        """Wait until what a person did is on disk, but not for a disk that is slow or fails: that is told."""
        with suppress(TimeoutError, StorageError):
            async with asyncio.timeout(KEPT_WITHIN_S):
                await self.durable()

    def source(self, source: str) -> str:
        """Keep a strategy's source, on disk when this returns; its sha256."""
        digest = self._journal.keep_source(source)
        if digest not in self._sources:
            self._sources.append(digest)
        return digest

    def close(self) -> None:
        """Write what is left."""
        self._tape.close()
        self._journal.close()

    def _put(self, event: Event) -> None:
        if isinstance(event, MarketEvent):
            self._tape.append(self.seq, event)
        else:
            self._journal.put_event(self.seq, event)

    def _begin_segment(self, now_ns: int, checkpoint: bytes) -> None:
        self._tape.rotate(
            TapeHeader(
                first_seq=self.seq + 1,
                opened_ns=now_ns,
                checkpoint=checkpoint,
                settings=self._settings,
                sources=tuple(self._sources),
            )
        )

    def _guarded(self, write: Callable[..., None], *args: object) -> None:
        try:
            write(*args)
        except StorageError as error:
            if not self._trouble:
                log.exception("the record has a hole", extra={"event.code": "storage"})
            self._trouble = str(error)
