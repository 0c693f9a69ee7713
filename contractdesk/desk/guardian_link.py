"""The desk's side of its guardian: starts it, tells it what is at risk, replaces it when it dies.

Everything runs on the desk's loop, so that a loop which stands still is silence.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.desk import guardian_start
from contractdesk.desk.at_risk import at_risk, row_of
from contractdesk.desk.guardian import TOOK_OVER
from contractdesk.desk.guardian_words import (
    Armed,
    Beat,
    Frames,
    Goodbye,
    Listed,
    Message,
    SymbolAtRisk,
    Terms,
    frame,
    from_guardian,
)
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.views import GuardianState
from contractdesk.engine.state import Desk

BEAT_S = 0.25
IDLE_BEATS = 8  # of which one is sent while nothing is at risk
HANGS_AFTER = 16  # looks in a row, BEAT_S apart, that find a beat unanswered: it is replaced
ARM_WITHIN_S = 1.0
ENDS_WITHIN_S, ENDING_POLL_S = 1.0, 0.01  # once it was said goodbye to
WIRE_S = 5.0  # an entry's wait for its turn and its request window: later it cannot be accepted
AGAIN_S = (0.1, 0.5, 2.0, 10.0, 30.0)  # before the successor of one that has died, by how many have
LASTED_S = 60.0  # one that has lived so long starts the count anew
NO_GUARDIAN = "the guardian is away, and its successor does not answer yet: try again in a moment"


class Lease(Protocol):
    @property
    def valid(self) -> bool: ...


class _Ear(asyncio.Protocol):
    """What comes from the guardian."""

    def __init__(self, heard: Callable[[int], None]) -> None:
        self._heard = heard
        self._frames = Frames()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        for body in self._frames.feed(data):
            self._heard(from_guardian(body).number)

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)


class GuardianLink:
    """One desk's; ``run`` is a task of its supervisor."""

    def __init__(
        self,
        *,
        terms: Callable[[], Terms],
        home: Path,
        lease: Lease,
        clock: Clock,
        alarm: Callable[[str, str], None],
        logger: logging.Logger,
    ) -> None:
        self._terms = terms
        self._home = home
        self._lease = lease
        self._clock = clock
        self._alarm = alarm
        self._logger = logger
        self._desk: Desk | None = None
        self._transport: asyncio.Transport | None = None
        self._connected = asyncio.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._listed: dict[str, Instrument] = {}
        self._told: tuple[SymbolAtRisk, ...] = ()
        self._sent = self._heard = 0  # numbers
        self._arms: dict[int, asyncio.Future[bool]] = {}
        self._closing = False
        self.mute = False  # True: it is told nothing any more, and acts in time
        self._state = GuardianState.STARTING

    @property
    def state(self) -> GuardianState:
        """AWAY, too, while it has the account."""
        return self._state if self._lease.valid else GuardianState.AWAY

    @property
    def pid(self) -> int:
        """Of its process; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    # -- life ------------------------------------------------------------------------------

    async def run(self, desk: Callable[[], Desk]) -> None:
        """Keep one guardian alive, and tell it, until ``goodbye``."""
        died = 0
        while not self._closing:
            self._desk = desk()
            began_ns = self._clock.monotonic_ns()
            code = await self._one()
            if self._closing:
                return
            await self._regained()
            if self._clock.monotonic_ns() - began_ns > LASTED_S * NS_PER_S:
                died = 0
            if code is not None:
                again_s = AGAIN_S[min(died, len(AGAIN_S) - 1)]
                died += 1
                self._alarm(
                    "guardian_lost", f"the guardian has ended ({code}): no entries until there is a new one"
                )
                await asyncio.sleep(again_s)

    async def goodbye(self, *, orderly: bool = True) -> None:
        """The desk sends nothing any more, and this is what it leaves.

        Not ``orderly`` (it has not compared that with the venue) or muted it says no goodbye: the guardian
        looks after whatever may be held.
        """
        left = at_risk(self._desk) if self._desk is not None else ()
        orderly = orderly and not self.mute
        stays = any(row.unattended for row in left) if orderly else bool(left)
        if stays:
            with suppress(TimeoutError):  # one that is just being started: there is nobody else
                await asyncio.wait_for(self._connected.wait(), ARM_WITHIN_S)
        self._closing = True
        if self._transport is None or self._process is None:
            return
        self._beat(left)
        if orderly:
            self._send(Goodbye(symbols=left))
        self._transport.close()
        if stays or not self._lease.valid:
            guardian_start.leave(self._process)  # it has the account, or takes it now
        else:
            await self._ended(self._process)

    async def _ended(self, process: subprocess.Popen[bytes]) -> None:
        """Without a thread: where the interpreter is ending, there are no new ones."""
        for _ in range(int(ENDS_WITHIN_S / ENDING_POLL_S)):
            if process.poll() is not None:
                return
            await asyncio.sleep(ENDING_POLL_S)
        process.kill()
        guardian_start.leave(process)

    async def _one(self) -> int | None:
        """The life of one guardian; its exit code, or None where it has taken the account over."""
        ours, theirs = socket.socketpair()
        try:
            terms = self._terms()
            secrets = (terms.access.key, terms.access.secret)
            process = await asyncio.to_thread(guardian_start.start, theirs, self._home, secrets)
        except OSError as error:
            ours.close()
            self._state = GuardianState.AWAY
            self._logger.error("the guardian cannot be started: %s", error)  # noqa: TRY400  # said, not traced
            return -1
        finally:
            theirs.close()
        self._process = process
        loop = asyncio.get_running_loop()
        transport, ear = await loop.create_unix_connection(lambda: _Ear(self._on_heard), sock=ours)
        self._transport, self._listed, self._told, self._heard = transport, {}, (), self._sent
        self._send(terms)
        self._connected.set()
        heart = asyncio.create_task(self._beat_on(), name="guardian heart")
        try:
            await ear.over
        finally:
            heart.cancel()
            transport.close()
            self._forget()
        if self._closing:
            return None
        code = await asyncio.to_thread(guardian_start.end, process)
        return None if code == TOOK_OVER else code

    def _forget(self) -> None:
        """Whoever waits for an answer has none."""
        self._transport = None
        self._connected.clear()
        self._state = GuardianState.AWAY
        for future in self._arms.values():
            if not future.done():
                future.set_result(False)
        self._arms.clear()

    async def _regained(self) -> None:
        """While it has the account there is nobody to guard."""
        while not self._lease.valid and not self._closing:  # noqa: ASYNC110  # a file says it
            await asyncio.sleep(BEAT_S)
        self._state = GuardianState.STARTING

    # -- telling ---------------------------------------------------------------------------

    async def arm(self, symbol: str) -> str:
        """Let it know of the symbol's entry before that is sent; why it must not be sent, or ""."""
        if self.mute or self.state is GuardianState.AWAY:
            return NO_GUARDIAN
        try:
            async with asyncio.timeout(ARM_WITHIN_S):
                await self._connected.wait()
                if await self._armed(symbol):
                    return ""
        except TimeoutError:
            self._alarm("guardian_silent", f"entry in {symbol} refused: the guardian does not answer")
        return NO_GUARDIAN

    async def _armed(self, symbol: str) -> bool:
        assert self._desk is not None  # noqa: S101  # it is connected
        market, now_ns = self._desk.symbols[symbol], self._clock.monotonic_ns()
        self._name(market.instrument)
        number = self._number()
        future = self._arms[number] = asyncio.get_running_loop().create_future()
        deadline_ns = now_ns + int(WIRE_S * NS_PER_S)
        row = row_of(self._desk, market)
        self._send(Armed(number=number, sent_ns=now_ns, row=row, deadline_ns=deadline_ns))
        try:
            return bool(await future)
        finally:
            self._arms.pop(number, None)

    def note(self) -> None:
        """Something has happened: tell it at once where what is at risk has changed."""
        if self._transport is not None and self._desk is not None:
            rows = at_risk(self._desk)
            if rows != self._told:
                self._beat(rows)

    async def _beat_on(self) -> None:
        idle = unheard = 0
        while True:
            assert self._desk is not None  # noqa: S101  # it is connected
            rows = at_risk(self._desk)
            if rows or rows != self._told or idle % IDLE_BEATS == 0:
                self._beat(rows)
            idle = 0 if rows else idle + 1
            unheard = unheard + 1 if self._heard < self._sent - 1 else 0  # the last one may be on its way
            if unheard > HANGS_AFTER and self._process is not None:
                self._logger.error("the guardian does not answer: it is replaced")
                self._process.kill()
                return
            await asyncio.sleep(BEAT_S)

    def _beat(self, rows: tuple[SymbolAtRisk, ...]) -> None:
        """Nothing is said under a lease that was lost: whoever has it is not to be talked out of it."""
        assert self._desk is not None  # noqa: S101  # it is connected
        if self.mute or not self._lease.valid:
            return
        for row in rows:
            self._name(self._desk.symbols[row.symbol].instrument)
        self._told = rows
        self._send(
            Beat(
                number=self._number(),
                sent_ns=self._clock.monotonic_ns(),
                offset_ms=self._desk.clock_offset_ms,
                symbols=rows,
            )
        )

    def _name(self, instrument: Instrument) -> None:
        if self._listed.get(instrument.symbol) != instrument:
            self._listed[instrument.symbol] = instrument
            self._send(Listed(instrument=instrument))

    def _number(self) -> int:
        self._sent += 1
        return self._sent

    def _send(self, message: Message) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(message))

    def _on_heard(self, number: int) -> None:
        self._heard = max(self._heard, number)
        self._state = GuardianState.WATCHING
        future = self._arms.get(number)
        if future is not None and not future.done():
            future.set_result(True)
