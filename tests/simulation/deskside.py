"""The desk's process: opened as ``desk.opening`` does it, without its threads; killed without a word."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from contractdesk.clock import SteadyClock
from contractdesk.desk.host import DeskHost
from contractdesk.desk.lock import AccountLock
from contractdesk.desk.opening import bot_of
from contractdesk.desk.paths import DeskPaths
from contractdesk.desk.recorder import Recorder
from contractdesk.desk.recovery import recovered, remembered
from contractdesk.engine.config import EngineConfig
from contractdesk.engine.engine import Engine
from contractdesk.errors import ContractdeskError
from contractdesk.ops.metrics import Metrics
from contractdesk.strategy.base import Strategy
from contractdesk.venues.binance.endpoints import Endpoints
from contractdesk.venues.binance.venue import BinanceVenue
from contractdesk.venues.credentials import Credentials, Secret
from contractdesk.venues.limits import Quota
from tests.simulation.disk import TimedWriter
from tests.simulation.loops import HostLoop

if TYPE_CHECKING:
    from tests.simulation.world import World

DESK, KEY, SECRET = "simulated", "simulated-key", "simulated-secret"
ACCOUNT = f"simulated:{DESK}"
BOT = bot_of(ACCOUNT)
WHERE = Endpoints(rest_url="http://exchange", ws_url="ws://exchange", wallet_url="http://exchange")
LOGGER = logging.getLogger("contractdesk.desk.simulated")
MOST_TASKS = 100
PICTURE_EVERY_S = 1.0  # nobody looks at them here


class DeskProcess:
    """One incarnation; ``number`` counts them. Constructing it starts it."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.loop = HostLoop(f"desk {number}", world.timeline, world.random(f"late {number}"))
        self.clock = SteadyClock(world.host_clock)
        self.classes: dict[str, type[Strategy]] = {}
        self.paths = DeskPaths.of(DESK)
        self.lock = AccountLock.acquire(ACCOUNT, DESK)
        self.opened_ns = 0  # 0: not yet
        self.failure = ""  # why it could not be opened; its process has ended then
        self.venue = BinanceVenue(
            WHERE,
            Credentials(DESK, Secret(KEY), Secret(SECRET)),
            self.clock,
            seed=world.random(f"venue {number}").getrandbits(32),
            transport=world.network.transport(self.loop),
            quota=Quota(weight_1m=world.weight_1m),
        )
        self.config = EngineConfig(
            desk=DESK,
            bot=BOT,
            epoch=self.lock.epoch,
            asset="USDT",
            native_timeframes=tuple(sorted(self.venue.capabilities.native_timeframes)),
        )
        engine, twin = (self._recovered() for _ in range(2))
        self.recovered = engine is not None
        self.alike = _checkpoint(engine) == _checkpoint(twin)  # recovering twice comes to the same
        self.recorder = Recorder(self.paths, partial(TimedWriter, world.disk, self.loop))
        self.recorder.begin(self.config, ACCOUNT, self.clock.now_ns())
        self.host: DeskHost
        self._tasks = [self.loop.create_task(self._live(engine))]

    def _recovered(self) -> Engine | None:
        known = remembered(self.paths, ACCOUNT, self.classes)
        return recovered(known, self.config, self.classes) if known else None

    async def _live(self, engine: Engine | None) -> None:
        self.host = DeskHost(
            engine=engine or Engine(self.config, self.classes),
            venue=self.venue,
            recorder=self.recorder,
            lock=self.lock,
            clock=self.clock,
            logger=LOGGER,
            metrics=Metrics(),
            name=DESK,
            asset="USDT",
            picture_every_s=PICTURE_EVERY_S,
        )
        try:
            await self.host.open()
        except ContractdeskError as error:
            self.failure = str(error)
            return
        self.opened_ns = self.world.timeline.now_ns

    @property
    def up(self) -> bool:
        return bool(self.opened_ns)

    def begin(self, work: Any) -> asyncio.Task[Any]:
        """Run a coroutine on its loop, from outside."""
        task = self.loop.create_task(work)
        self._tasks.append(task)
        return task

    @property
    def tasks(self) -> int:
        """How many there are, other than those that are done."""
        return len(asyncio.all_tasks(self.loop))

    def end(self) -> None:
        """What the operating system does when a process is gone."""
        self.world.network.lose(self.loop)
        for fd in (self.lock._fd, self.lock._epoch_fd):
            with suppress(OSError):
                os.close(fd)
        self.recorder._journal._connection.close()
        if self.recorder._tape._file is not None:
            self.recorder._tape._file.close()


def _checkpoint(engine: Engine | None) -> bytes:
    return b"" if engine is None else engine.checkpoint()
