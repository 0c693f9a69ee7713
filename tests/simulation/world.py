"""One seed's world: an exchange, a network, a disk, and a desk that trades on them, in virtual time."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from msgspec.structs import replace

from contractdesk.clock import NS_PER_S
from contractdesk.exchange.launch import LONGEST_CATCH_UP_NS
from contractdesk.exchange.limits import Quota
from contractdesk.exchange.listings import default_listings
from contractdesk.exchange.markets import DEFAULT_FLOW, generated_exchange
from contractdesk.exchange.model import Event
from contractdesk.exchange.server import Server
from contractdesk.exchange.wire.binance.api import Ask, Reply
from contractdesk.exchange.wire.binance.keys import Credential, Scopes
from tests.simulation.deskside import ACCOUNT, KEY, SECRET, DeskProcess
from tests.simulation.disk import Disk
from tests.simulation.loops import HostClock, HostLoop, Scheduler, Timeline
from tests.simulation.network import Network, Watcher

EPOCH_NS = 1_800_000_000 * NS_PER_S
SYMBOLS = {"BTCUSDT": "BTC/USDT:USDT", "ETHUSDT": "ETH/USDT:USDT"}
BALANCE = Decimal(100_000)
WEIGHT = 20_000  # a minute; this desk trades so often that its reads would use up the venue's 2,400
# Books of 30 levels a side and a past of two hours: more of both costs time, and tells nothing new.
FLOW = {symbol: replace(DEFAULT_FLOW[symbol], levels=10, past_minutes=120) for symbol in SYMBOLS}
TICK_S = 0.05  # how often the exchange looks whether something is due, at most


class HeardServer(Server):
    """The exchange's server, whose events somebody listens to before they are sent."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.listeners: list[Any] = []

    def publish(self, events: Iterable[Event]) -> None:
        told = list(events)
        for listener in self.listeners:
            listener.on_events(told)
        super().publish(told)


class World:
    """Everything of one seed; ``close`` it. ``random(name)`` is a stream of chance of its own."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.weight_1m = WEIGHT
        self.timeline = Timeline()
        self.folder = Path(tempfile.mkdtemp(prefix="contractdesk-", dir=_memory()))
        self._environment = os.environ.get("CONTRACTDESK_STATE")
        os.environ["CONTRACTDESK_STATE"] = str(self.folder)
        logging.disable(logging.CRITICAL)
        self.scheduler = Scheduler(self.timeline, self.random("scheduler"))
        self.there = self._loop("exchange")
        self.control = self._loop("control")
        self.host_clock = HostClock(self.timeline, EPOCH_NS)
        self.server = self._server()
        self.network = Network(self.timeline, self.server, self.there, self.random("network"))
        self.disk = Disk(self.timeline, self.random("disk"))
        self.trail = Trail(self.timeline)
        self.network.watchers.append(self.trail)
        self.desk: DeskProcess | None = None
        self.graves: list[DeskProcess] = []
        self.there.create_task(self._market())

    def random(self, name: str) -> Random:
        return Random(f"{self.seed}:{name}")  # noqa: S311  (chance that can be had again)

    def _loop(self, name: str) -> HostLoop:
        loop = HostLoop(name, self.timeline, self.random(f"late {name}"))
        self.scheduler.add(loop)
        return loop

    def _server(self) -> HeardServer:
        listings = [each for each in default_listings() if each.symbol in SYMBOLS]
        exchange = generated_exchange(
            self.seed, EPOCH_NS, listings=listings, flow=FLOW,
            longest_catch_up_ns=LONGEST_CATCH_UP_NS,
        )  # fmt: skip
        server = HeardServer(exchange, HostClock(self.timeline, EPOCH_NS), Quota(weight_1m=WEIGHT))
        server.add_key(Credential(KEY, SECRET, ACCOUNT, Scopes(ip_restricted=True)), {"USDT": BALANCE})
        return server

    async def _market(self) -> None:
        """As ``Server.run``, but asleep while nothing is due."""
        while True:
            now_ns = self.server.step()
            wait_s = (self.server.exchange.next_due_ns - now_ns) / NS_PER_S
            await asyncio.sleep(min(max(wait_s, 0.001), TICK_S))

    # -- the desk's life -------------------------------------------------------------------

    def boot(self) -> DeskProcess:
        """Start the desk's process."""
        self.desk = DeskProcess(self, len(self.graves) + 1)
        self.scheduler.add(self.desk.loop)
        return self.desk

    def kill(self) -> None:
        """SIGKILL."""
        desk, self.desk = self.desk, None
        if desk is not None:
            self.scheduler.remove(desk.loop)
            desk.end()
            self.graves.append(desk)

    def run(self, seconds: float, done: Any = lambda: False) -> bool:
        """Let time pass, until ``done`` at most; whether it was."""
        return self.scheduler.run_until(done, self.timeline.now_ns + int(seconds * NS_PER_S))

    # -- the end ---------------------------------------------------------------------------

    def close(self) -> None:
        """Nothing is left behind: no file, no descriptor, no coroutine."""
        self.kill()
        self.network.watchers.clear()
        self.server.listeners.clear()
        try:
            for loop in (*(desk.loop for desk in self.graves), self.control, self.there):
                loop.wind_up()
        finally:
            logging.disable(logging.NOTSET)
            shutil.rmtree(self.folder, ignore_errors=True)
            if self._environment is None:
                os.environ.pop("CONTRACTDESK_STATE", None)
            else:
                os.environ["CONTRACTDESK_STATE"] = self._environment


class Trail(Watcher):
    """Everything that passes between desk and exchange, as one hash: the same seed, the same hash."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._hash = hashlib.sha256()
        self.lines: list[str] | None = None  # where somebody wants to read it

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()[:16]

    def left(self, ask: Ask) -> None:
        self._note(f"{ask.method} {ask.path} {ask.query} {ask.body}")

    def answered(self, ask: Ask, reply: Reply) -> None:
        self._note(f"{reply.status} {ask.path} {len(reply.body)}")

    def heard(self, path: str, frame: bytes) -> None:
        if path == "private":
            self._note(frame.decode())

    def connected(self, path: str) -> None:
        self._note(f"connected {path}")

    def disconnected(self, path: str) -> None:
        self._note(f"disconnected {path}")

    def _note(self, line: str) -> None:
        row = f"{self._timeline.now_ns} {line}"
        self._hash.update(row.encode())
        if self.lines is not None:
            self.lines.append(row)


def _memory() -> str | None:
    """A folder that no disk is behind, where there is one: fsync costs virtual time here, not real."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
