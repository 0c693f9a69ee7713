"""The bot's own daemon thread with its own plain asyncio loop.

Measured: beside a busy pure-Python cell a task here is late by 1.4 ms at the median with a 1 ms
switch interval; on the kernel's own loop it would stop for as long as the cell runs.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

T = TypeVar("T")

SWITCH_INTERVAL_S = 0.001
START_TIMEOUT_S = 5.0
CLOSED = "the desk closed before the command was done"


class LoopThread:
    """One event loop in one daemon thread; ``submit`` is safe from any thread."""

    _count_lock: ClassVar[threading.Lock] = threading.Lock()
    _running: ClassVar[int] = 0
    _interval_before: ClassVar[float] = 0.005

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._started = threading.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._unanswered: set[Future[Any]] = set()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def current(self) -> bool:
        """True in code that runs on this very thread, where waiting for it would never end."""
        return threading.current_thread() is self._thread

    def start(self) -> None:
        """Start the thread; the first one makes Python switch threads every millisecond."""
        with self._count_lock:
            if LoopThread._running == 0:
                LoopThread._interval_before = sys.getswitchinterval()
                sys.setswitchinterval(SWITCH_INTERVAL_S)
            LoopThread._running += 1
        self._thread.start()
        self._started.wait(START_TIMEOUT_S)

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the loop and the thread; the last one restores the switch interval."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout_s)
        with self._count_lock:
            LoopThread._running -= 1
            if LoopThread._running == 0:
                sys.setswitchinterval(LoopThread._interval_before)

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Run ``function(*args)`` on the loop, soon; does not wait."""
        self._loop.call_soon_threadsafe(function, *args, context=contextvars.Context())

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine as a task of the loop; cancelling the future leaves the task running."""
        future: Future[T] = Future()
        self._unanswered.add(future)
        future.add_done_callback(self._unanswered.discard)
        try:
            self._loop.call_soon_threadsafe(self._begin, coroutine, future, context=contextvars.Context())
        except RuntimeError:  # the loop is closed: the caller learns it from the future
            coroutine.close()
            _end(future, "the desk's loop has ended")
        return future

    # -- inside the thread -----------------------------------------------------------------

    def _begin(self, coroutine: Coroutine[Any, Any, T], future: Future[T]) -> None:
        # An empty context: a task that inherits the cell's stays attributed to that cell for ever.
        task = self._loop.create_task(coroutine, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda done: _settle(done, future))

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(self._started.set)
        try:
            self._loop.run_forever()
        finally:
            self._wind_up()

    def _wind_up(self) -> None:
        self._loop.run_until_complete(asyncio.sleep(0))  # what came last begins, to end like all the others
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left, timeout=1.0))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()  # also lets the executor's threads end, without waiting for them
        for future in list(self._unanswered):  # what came after the last look at the tasks
            _end(future, CLOSED)


def _end(future: Future[Any], why: str) -> None:
    """Whoever waits for it would wait for ever; the loop and its caller may both find that out."""
    with suppress(InvalidStateError):
        future.set_exception(RuntimeError(why))


def _settle(task: asyncio.Task[T], future: Future[T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if task.cancelled():
        future.set_exception(RuntimeError(CLOSED))
    elif (error := task.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())
