"""The one place that catches everything: it logs, reports, and lets the rest of the desk live."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
OnFault = Callable[[str, BaseException], None]


def attempt(step: Callable[..., T], *args: object) -> tuple[T | None, Exception | None]:
    """What ``step(*args)`` returned, or what it raised: the only broad ``except`` there is."""
    try:
        return step(*args), None
    except Exception as error:  # whatever it is, the desk lives on, and says so
        return None, error


class Supervisor:
    """Runs steps and tasks so that no exception is ever lost or ends the desk unseen."""

    def __init__(self, logger: logging.Logger, on_fault: OnFault) -> None:
        self._logger = logger
        self._on_fault = on_fault
        self._tasks: set[asyncio.Task[Any]] = set()
        self.faults = 0

    def guard(self, what: str, step: Callable[..., T], *args: object) -> T | None:
        """The step's result, or None after a fault."""
        result, error = attempt(step, *args)
        if error is not None:
            self._fault(what, error)
        return result

    def spawn(
        self,
        work: Coroutine[Any, Any, T],
        name: str,
        after_fault: Callable[[], None] | None = None,
    ) -> asyncio.Task[T]:
        """A task with an empty context; ``after_fault`` runs when it ends in an error."""
        task = asyncio.get_running_loop().create_task(work, name=name, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, after_fault))
        return task

    async def stop(self, timeout_s: float = 2.0) -> None:
        """Cancel every task and wait for their ends."""
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    def _ended(self, task: asyncio.Task[Any], after_fault: Callable[[], None] | None) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        self._fault(task.get_name(), error)
        if after_fault is not None:
            after_fault()

    def _fault(self, what: str, error: BaseException) -> None:
        self.faults += 1
        self._logger.error("fault in %s: %r", what, error, exc_info=error, extra={"event.code": "fault"})
        self._on_fault(what, error)
