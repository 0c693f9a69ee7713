"""One open desk: every thread, lock, file and socket of it, and the order in which they end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from typing import Any

from contractdesk.clock import Clock
from contractdesk.config import Profile
from contractdesk.desk.host import DeskHost
from contractdesk.desk.paths import DeskPaths
from contractdesk.desk.thread import LoopThread
from contractdesk.domain.events import ClosingAsked
from contractdesk.domain.orders import OrderRole
from contractdesk.domain.views import DeskSnapshot
from contractdesk.engine.engine import Engine
from contractdesk.engine.state import Desk
from contractdesk.ops.metrics import Metrics
from contractdesk.strategy.base import Strategy

PERSON = "person"
CLOSE_WITHIN_S = 10.0
EXIT_WITHIN_S = 1.5  # a kernel that shuts down is killed 2.3 s after the first exit handler


class Session:
    """What ``open_session`` made. ``close`` may be called from any thread, and twice."""

    def __init__(
        self,
        *,
        name: str,
        profile: Profile,
        paths: DeskPaths,
        thread: LoopThread,
        host: DeskHost,
        classes: dict[str, type[Strategy]],
        clock: Clock,
        metrics: Metrics,
        resources: ExitStack,
    ) -> None:
        self.name = name
        self.profile = profile
        self.paths = paths
        self.thread = thread
        self.host = host
        self.classes = classes
        self.clock = clock
        self.metrics = metrics
        self._resources = resources
        self.closed = False

    @property
    def engine(self) -> Engine:
        """Ask it on the desk's own thread only."""
        return self.host.engine

    @property
    def state(self) -> Desk:
        """What the engine remembers; read it on the desk's own thread only."""
        return self.host.state

    @property
    def snapshot(self) -> DeskSnapshot:
        return self.host.board.current

    @property
    def alive(self) -> bool:
        """False after ``close`` and where the thread has died (a fork)."""
        return not self.closed and self.thread.alive

    def submit(self, coroutine: Any) -> Future[Any]:
        """Run a coroutine on the desk's loop."""
        return self.thread.submit(coroutine)

    async def wind_down(self, *, flatten: bool, within_s: float = CLOSE_WITHIN_S) -> bool:
        """Cancel entries, and close positions where asked; True when that is confirmed. On the loop."""
        await self.host.ask(ClosingAsked(ts_ns=self.clock.now_ns(), who=PERSON, flatten=flatten))
        confirmed = await self.host.until(lambda: True if self._settled(flatten=flatten) else None, within_s)
        self.host.publish()
        return bool(confirmed)

    def _settled(self, *, flatten: bool) -> bool:
        state = self.state
        for market in state.symbols.values():
            if flatten and (market.position.size or market.open_ids):
                return False
            if state.tracked(market, OrderRole.ENTRY):
                return False
        return True

    def at_end(self, step: Callable[[], object]) -> None:
        """Have ``step`` called when the desk is closed, before anything of it is taken down."""
        self._resources.callback(step)

    def release(self) -> None:
        """End everything that is left: sockets, tasks, thread, files, lock. Does not touch orders."""
        if self.closed:
            return
        self.closed = True
        self._resources.close()

    def exit(self) -> None:
        """The interpreter is ending: cancel entries within 1.5 s, keep the stops."""
        if not self.alive:
            return
        future = self.submit(self.wind_down(flatten=False, within_s=EXIT_WITHIN_S * 0.8))
        with suppress(TimeoutError, RuntimeError):  # nobody is left to hear it; the stops rest on the venue
            future.result(EXIT_WITHIN_S)
        self.release()
